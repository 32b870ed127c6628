#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The relay: every byte, both ways, and how a connection ends."""

import hashlib
import os
import signal
import socket
import struct
import threading
import time

from lib import (Durward, EchoBackend, TcpBackend, check, connect, equal,
                 exchange, main, read_all, read_until, simple_hello, skip, wait_for)

NAME = 'www.example.org'
MIB = 1 << 20

CONF = '''
listener "https" { bind = {"127.0.0.1:@https@"} protocol = "tls" }
timeouts { idle = "@idle@" }
cluster "one" {
    service "ingress" {
        listeners = {"https"}
        hosts     = {"www.example.org"}
        servers   = {"server=127.0.0.1:@server@"}
        check { type = "none" }
    }
}
'''


def start(server, idle='1h'):
    return Durward(CONF, server=server.port, idle=idle)


def hello():
    return simple_hello(NAME)


def pour(s, size, digest, seed=b'x'):
    """Send size bytes that do not repeat soon, hashing them."""
    block = os.urandom(65536 + 13)
    left = size
    while left:
        piece = block[:left]
        digest.update(piece)
        s.sendall(piece)
        left -= len(piece)


def drain(s, digest, size=None):
    """Read to the end (or size bytes), hashing; the number of bytes."""
    total = 0
    while size is None or total < size:
        data = s.recv(262144)
        if not data:
            break
        digest.update(data)
        total += len(data)
    return total


def test_megabytes_both_ways_at_once():
    size = 24 * MIB
    up, down, echoed = (hashlib.sha256() for _ in range(3))

    server = EchoBackend(keep=False)
    daemon = start(server)
    with connect(daemon.port('https'), limit=60) as s:
        first = hello()
        up.update(first)

        def send():
            s.sendall(first)
            pour(s, size, up)
            s.shutdown(socket.SHUT_WR)
        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        total = drain(s, down)
        sender.join(30)
    equal(total, size + len(first), 'bytes that came back')
    equal(down.hexdigest(), up.hexdigest(), 'their SHA-256')


def test_each_way_its_own_bytes():
    """Two streams that have nothing in common cross in one connection."""
    size = 12 * MIB
    first = hello()
    at_server, sent_by_server = hashlib.sha256(), hashlib.sha256()
    got = {}

    def script(c):
        c.sock.recv(1)
        talker = threading.Thread(
            target=lambda: pour(c.sock, size, sent_by_server), daemon=True)
        talker.start()
        rest = len(first) - 1 + size
        got['server'] = drain(c.sock, at_server, rest)
        talker.join(60)
        c.sock.shutdown(socket.SHUT_WR)
    daemon = start(TcpBackend(script=script))
    sent, down = hashlib.sha256(first[1:]), hashlib.sha256()
    with connect(daemon.port('https'), limit=60) as s:
        s.sendall(first)
        sender = threading.Thread(target=lambda: pour(s, size, sent),
                                  daemon=True)
        sender.start()
        equal(drain(s, down), size, 'bytes to the client')
        sender.join(60)
        wait_for(lambda: 'server' in got, 20, 'the server to have read all')
    equal(got['server'], size + len(first) - 1, 'bytes to the server')
    equal(at_server.hexdigest(), sent.hexdigest(), 'SHA-256 at the server')
    equal(down.hexdigest(), sent_by_server.hexdigest(), 'at the client')


def test_many_small_exchanges():
    server = EchoBackend()
    daemon = start(server)
    with connect(daemon.port('https')) as s:
        exchange(s, hello(), len(hello()))
        for i in range(1, 500):
            word = os.urandom(i)
            equal(exchange(s, word, i), word, 'exchange %d' % i)


def test_the_client_half_closes():
    """The server sees the end, and what it says then still arrives."""
    size = 3 * MIB
    sent = hashlib.sha256()
    seen = threading.Event()

    def script(c):
        while c.recv():
            pass
        if c.eof:
            seen.set()
        pour(c.sock, size, sent)
    daemon = start(TcpBackend(script=script))
    with connect(daemon.port('https')) as s:
        s.sendall(hello() + b'question')
        s.shutdown(socket.SHUT_WR)
        check(seen.wait(10), 'the server did not see the half-close')
        down = hashlib.sha256()
        equal(drain(s, down), size, 'bytes after the half-close')
    equal(down.hexdigest(), sent.hexdigest())


def test_the_server_half_closes():
    first = hello()

    def script(c):
        read = b''
        while len(read) < len(first):
            read += c.recv()
        c.sock.sendall(b'answer')
        c.sock.shutdown(socket.SHUT_WR)
        while c.recv():
            pass
    server = TcpBackend(script=script)
    daemon = start(server)
    body = os.urandom(2 * MIB)
    with connect(daemon.port('https')) as s:
        s.sendall(first)
        equal(read_all(s), b'answer')
        s.sendall(body)
        s.shutdown(socket.SHUT_WR)
        c = server.wait_client()
        check(c.done.wait(10), 'the server did not see the end')
    equal(len(c.received), len(first) + len(body))
    check(c.received == first + body and c.eof, 'not what was sent')


def test_both_half_close_and_the_worker_is_free():
    server = EchoBackend()
    daemon = start(server)
    with connect(daemon.port('https')) as s:
        exchange(s, hello(), len(hello()))
        wait_for(lambda: daemon.workers('one.ingress.https/server'), 5,
                 'a worker with a client')
        s.shutdown(socket.SHUT_WR)
        equal(read_all(s), b'')
        wait_for(lambda: not daemon.workers('one.ingress.https/server'), 5,
                 'the worker to be idle again')


def test_a_reset_by_the_client_reaches_the_server():
    server = TcpBackend()
    daemon = start(server)
    s = connect(daemon.port('https'))
    s.sendall(hello())
    c = server.wait_client()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    s.close()
    check(c.done.wait(10), 'the server was told nothing')
    check(c.reset and not c.eof, 'the server saw an end, not a reset')


def test_a_reset_by_the_server_reaches_the_client():
    def script(c):
        c.recv()
        c.abort()
    daemon = start(TcpBackend(script=script))
    with connect(daemon.port('https')) as s:
        s.sendall(hello())
        try:
            got = read_all(s)
        except ConnectionResetError:
            return
    check(False, 'the client saw an end after %r, not a reset', got)


def test_a_reset_after_data_still_is_one():
    def script(c):
        c.recv()
        c.sock.sendall(b'answer')
        c.recv()
        c.abort()
    daemon = start(TcpBackend(script=script))
    with connect(daemon.port('https')) as s:
        s.sendall(hello())
        read_until(s, b'answer')
        s.sendall(b'more')
        try:
            read_all(s)
        except ConnectionResetError:
            return
    check(False, 'the client saw an end, not a reset')


def test_idle_connections_end():
    server = TcpBackend()
    daemon = start(server, idle='600ms')
    with connect(daemon.port('https')) as s:
        s.sendall(hello())
        c = server.wait_client()
        begun = time.monotonic()
        try:
            read_all(s)
        except ConnectionResetError:
            pass
        took = time.monotonic() - begun
        check(0.4 < took < 3, 'ended after %.2f s, not 0.6', took)
        check(c.done.wait(5), 'the server was left behind')


def test_a_byte_either_way_is_not_idle():
    daemon = start(EchoBackend(), idle='800ms')
    with connect(daemon.port('https')) as s:
        exchange(s, hello(), len(hello()))
        s.settimeout(0.2)
        end = time.monotonic() + 2.4
        while time.monotonic() < end:
            s.sendall(b'.')
            equal(s.recv(1), b'.', 'a byte in a busy connection')
            try:
                equal(s.recv(1), b'.', 'a byte')    # paces the loop
            except socket.timeout:
                pass


def test_one_way_traffic_is_not_idle():
    def script(c):
        c.recv()
        for _ in range(12):
            c.sock.sendall(b'.')
            c.sock.settimeout(0.2)
            c.recv()                                # paces the loop
        c.sock.sendall(b'done')
    daemon = start(TcpBackend(script=script), idle='800ms')
    with connect(daemon.port('https')) as s:
        s.sendall(hello())
        equal(read_all(s), b'.' * 12 + b'done')


def test_a_slow_reader_holds_the_server_back():
    """And nobody else; and loses nothing."""
    size = 96 * MIB
    sent = hashlib.sha256()
    progress = [0]

    def script(c):
        c.recv()
        if c is not server.connections[0]:
            c.sock.sendall(b'welcome')
            return
        block = os.urandom(65536)
        while progress[0] < size:
            c.sock.sendall(block)
            sent.update(block)
            progress[0] += len(block)
        c.sock.shutdown(socket.SHUT_WR)
        while c.recv():
            pass
    server = TcpBackend(script=script)
    daemon = start(server)
    with connect(daemon.port('https'), rcvbuf=65536, limit=60) as s:
        s.sendall(hello())
        wait_for(lambda: progress[0] > 0, 10, 'the server to speak')

        def stands_still():
            before = progress[0]
            time.sleep(0.3)
            return progress[0] == before
        wait_for(stands_still, 20, 'the server to be held back')
        check(progress[0] < size // 2, '%d MiB were swallowed for a client '
              'that does not read', progress[0] // MIB)
        # the other direction runs on
        c = server.connections[0]
        s.sendall(b'still here')
        # and other clients are served
        with connect(daemon.port('https')) as other:
            other.sendall(hello())
            equal(read_all(other), b'welcome', 'another client')
        down = hashlib.sha256()
        total = drain(s, down)
        equal(total, size, 'bytes in the end')
        equal(down.hexdigest(), sent.hexdigest(), 'SHA-256')
    check(c.done.wait(10), 'the server saw no end')
    check(c.received.endswith(b'still here'), 'the other direction stood still')


def test_a_slow_server_holds_the_client_back():
    size = 96 * MIB
    go_on = threading.Event()
    first = hello()
    block = os.urandom(65536)
    total = [0]
    wrong = []

    def script(c):
        c.sock.recv(1)
        go_on.wait(60)
        at = 1
        while True:
            data = c.sock.recv(262144)
            if not data:
                break
            wrong.extend(mismatch(data, at))
            at += len(data)
        total[0] = at

    def mismatch(data, at):
        """Where data, at this offset of all that was sent, is not right."""
        want = first[at:at + len(data)]
        rest = len(data) - len(want)
        start = max(at - len(first), 0) % len(block)
        want += (block * (rest // len(block) + 2))[start:start + rest]
        if data == want:
            return []
        bad = [k for k in range(len(data)) if data[k] != want[k]]
        return ['offset %d: %d bytes of %d differ, the first at %d, the last '
                'at %d: %r' % (at, len(bad), len(data), at + bad[0],
                               at + bad[-1], data[bad[0]:bad[0] + 16])]
    daemon = start(TcpBackend(script=script, rcvbuf=65536))
    progress = [0]
    with connect(daemon.port('https'), limit=60) as s:
        def send():
            s.sendall(first)
            while progress[0] < size:
                s.sendall(block)
                progress[0] += len(block)
            s.shutdown(socket.SHUT_WR)
        sender = threading.Thread(target=send, daemon=True)
        sender.start()

        def stands_still():
            before = progress[0]
            time.sleep(0.3)
            return before and progress[0] == before
        wait_for(stands_still, 20, 'the client to be held back')
        check(progress[0] < size // 2, '%d MiB were swallowed for a server '
              'that does not read', progress[0] // MIB)
        go_on.set()
        sender.join(60)
        equal(read_all(s, 60), b'')
    wait_for(lambda: total[0], 10, 'the server to be done')
    equal(total[0], size + len(first), 'bytes at the server')
    equal(wrong, [], 'bytes that are not as they were sent')


def test_the_last_words_before_a_reset():
    """A server refuses what it gets: its alert is there, unread, when the next
    bytes for it meet the reset."""
    alert = b'\x15\x03\x03\x00\x02\x02\x28'
    said, go_on = threading.Event(), threading.Event()

    def script(c):
        c.sock.recv(100)            # the rest of the hello stays unread
        c.sock.sendall(b'HI')
        go_on.wait(10)
        c.sock.sendall(alert)
        c.sock.close()              # and so this is a reset
        said.set()
    daemon = start(TcpBackend(script=script))
    for _ in range(5):
        said.clear(), go_on.clear()
        with connect(daemon.port('https')) as s:
            s.sendall(hello())
            equal(read_until(s, 2), b'HI')
            worker, = daemon.workers('one.ingress.https/server')
            os.kill(worker, signal.SIGSTOP)
            go_on.set()
            check(said.wait(10), 'the server has not closed')
            s.sendall(b'more of the client')
            os.kill(worker, signal.SIGCONT)
            equal(read_until(s, len(alert)), alert)
        daemon.wait_log(r' SD .*\{%s\}' % NAME)


def test_quiet_connections_stand():
    """Also past the moments when somebody looks whether they still do."""
    server = EchoBackend()
    daemon = Durward('tcp-keepalive = "1s"\n' + CONF, server=server.port,
                     idle='1h')
    with connect(daemon.port('https')) as s:
        first = hello()
        equal(exchange(s, first, len(first)), first)
        time.sleep(3.5)     # three looks, a second apart
        equal(exchange(s, b'still', 5), b'still')


def own_kib(pid):
    """Memory that a process shares with no other."""
    with open('/proc/%d/smaps_rollup' % pid) as f:
        return sum(int(line.split()[1]) for line in f
                   if line.startswith('Private_Dirty:'))


def test_a_quiet_connection_gives_its_buffers_back():
    """The page or so that the answer filled, and the four of the hello."""
    if os.sysconf('SC_PAGESIZE') != 4096 or not os.path.exists('/proc/self/smaps_rollup'):
        skip('needs pages of 4 KiB and smaps_rollup')
    daemon = start(EchoBackend())
    with connect(daemon.port('https')) as s:
        first = simple_hello(NAME, size=15000)
        equal(exchange(s, first, len(first)), first)
        worker, = daemon.workers('one.ingress.https/server')
        busy = own_kib(worker)
        wait_for(lambda: own_kib(worker) <= busy - 28, 10,
                 'a quiet worker to be smaller')
        equal(exchange(s, first, len(first)), first)
        s.shutdown(socket.SHUT_WR)
        equal(read_all(s), b'')


def test_forty_connections_side_by_side():
    server = EchoBackend()
    daemon = start(server)
    clients = [connect(daemon.port('https')) for _ in range(40)]
    first = [hello() for _ in clients]
    for s, h in zip(clients, first):
        s.sendall(h)
    for s, h in zip(clients, first):
        equal(read_until(s, len(h)), h, 'each its own hello')
    for i, s in enumerate(clients):
        s.sendall(b'%08d' % i)
    for i, s in reversed(list(enumerate(clients))):
        equal(read_until(s, 8), b'%08d' % i, 'each its own bytes')
        s.close()
    wait_for(lambda: not daemon.workers('one.ingress.https/server'), 10,
             'all workers to be idle again')


main()
