#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Peers that pause and peers that vanish: the first may come back within the
idle limit, the second are found out long before it.

tcp-keepalive is a second here, so that a peer that acknowledges nothing for
four counts as gone.  Vanishing is an address that is taken away, in the
network that each test file has for itself; that needs root."""

import hashlib
import os
import shutil
import subprocess
import threading
import time

from lib import (Durward, EchoBackend, TcpBackend, alive, check, connect,
                 equal, exchange, main, own, simple_hello, skip, wait_for)

NAME = 'www.example.org'
PAUSE = 5       # seconds; well beyond what a silent peer is given
MIB = 1 << 20
CLIENT, SERVER = '192.0.2.1', '192.0.2.2'

CONF = '''
tcp-keepalive = "1s"
spare-workers { min = 1 max = 8 }
listener "https" { bind = {"127.0.0.1:@https@"} protocol = "tls" }
cluster "one" {
    service "ingress" {
        listeners = {"https"}
        hosts     = {"www.example.org"}
        servers   = {"server=@server@"}
        check { type = "none" }
    }
}
'''


def opened(daemon, **how):
    s = connect(daemon.port('https'), **how)
    hello = simple_hello(NAME)
    equal(exchange(s, hello, len(hello)), hello)
    return s


def worker_of(daemon, s):
    row, = [r for r in daemon.json('connections')
            if r['client'].endswith(':%d' % s.getsockname()[1])]
    return row['pid']


# -- pausing

DATA = 48 * MIB         # more than all the buffers between two peers hold


def pour(sock, digest):
    """DATA bytes, in a thread, for it may take as long as the pause."""
    block = os.urandom(MIB)

    def run():
        try:
            for _ in range(DATA // MIB):
                digest.update(block)
                sock.sendall(block)
        except OSError:
            pass        # whoever reads will miss some
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def drain(sock):
    digest, left = hashlib.sha256(), DATA
    while left:
        more = sock.recv(262144)
        check(more, 'closed, %d bytes early', left)
        digest.update(more)
        left -= len(more)
    return digest.hexdigest()


def test_a_client_that_pauses_is_there():
    """It reads nothing for long, but speaks; then it reads on."""
    sent, heard, pouring = hashlib.sha256(), [], []

    def script(c):
        c.sock.sendall(c.recv())
        pouring.append(pour(c.sock, sent))
        while c.sock.recv(100):
            heard.append(1)
    server = TcpBackend('server', script=script)
    daemon = Durward(CONF, server=server.where)
    client = opened(daemon, rcvbuf=65536)
    begun = time.monotonic()

    def over():
        client.sendall(b'still here')
        return time.monotonic() - begun > PAUSE
    wait_for(over, PAUSE + 5, 'the pause', pause=0.25)
    check(len(heard) > PAUSE, 'the server heard little: %d', len(heard))
    check(pouring[0].is_alive(), 'all found room: nobody had to wait')
    equal(drain(client), sent.hexdigest(), 'what the client got')
    client.close()
    daemon.wait_log(r' -- \d+/\d+/\d+/\d+/\d+ ')


def test_a_server_that_pauses_is_there():
    """The same the other way round, and nobody else speaks."""
    sent, go_on, got = hashlib.sha256(), threading.Event(), []

    def script(c):
        c.sock.sendall(c.recv())
        go_on.wait(60)
        got.append(drain(c.sock))
    server = TcpBackend('server', script=script, rcvbuf=65536)
    daemon = Durward(CONF, server=server.where)
    client = opened(daemon)
    client.settimeout(60)
    thread = pour(client, sent)
    begun = time.monotonic()
    wait_for(lambda: time.monotonic() - begun > PAUSE, PAUSE + 5, 'the pause')
    check(thread.is_alive(), 'all found room: nobody had to wait')
    go_on.set()
    wait_for(lambda: got or server.errors, 30, 'the server to have it all')
    thread.join(10)
    equal(got, [sent.hexdigest()], 'what the server got')


# -- vanishing

def ip(*args):
    return subprocess.run(('ip',) + args, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True)


class Address:
    """One that can be taken away, with whoever has it."""

    def __init__(self, address):
        if os.geteuid() != 0 or not shutil.which('ip') or \
                os.environ.get('DURWARD_TEST_NETWORK') == 'shared':
            skip('taking an address away needs root, and ip')
        self.address = address
        run = ip('addr', 'add', address + '/32', 'dev', 'lo')
        equal((run.returncode, run.stdout), (0, ''), 'ip addr add')
        self.there = True
        own(self)

    def vanish(self):
        self.there = False
        equal(ip('addr', 'del', self.address + '/32', 'dev', 'lo').returncode,
              0, 'ip addr del')

    def close(self):
        if self.there:
            self.vanish()


def found_out(daemon, pid, how, begun):
    """The worker is free again, and the log says whose fault it was."""
    daemon.wait_log(r' %s \d+/\d+/\d+/\d+/\d+ ' % how, limit=15)
    took = time.monotonic() - begun
    check(took > 2, 'given up after %.1f s', took)
    row = [r for r in daemon.json('connections') if r['pid'] == pid]
    equal(row, [], 'live connections of the worker')


def test_who_vanishes_is_found_out():
    """A client that is owed bytes, one that is owed nothing, and a server
    while its client goes on speaking to it, a little at a time."""
    gone, lost = Address(CLIENT), Address(SERVER)
    flood = threading.Event()

    def script(c):
        c.sock.sendall(c.recv())
        flood.wait(60)
        try:
            while True:
                c.sock.sendall(bytes(65536))
        except OSError:
            pass
    servers = (TcpBackend('floods', script=script), EchoBackend('quiet'),
               EchoBackend('lost', address=SERVER))
    daemons = [Durward(CONF, server=s.where) for s in servers]
    clients = [opened(d, source=source) for d, source in
               zip(daemons, (CLIENT, CLIENT, '127.0.0.1'))]
    pids = [worker_of(d, c) for d, c in zip(daemons, clients)]
    gone.vanish()
    lost.vanish()
    begun = time.monotonic()
    flood.set()

    def talk():
        try:
            clients[2].sendall(b'x')
        except OSError:
            return True
        return time.monotonic() - begun > 15
    wait_for(talk, 20, 'the client to be told', pause=0.2)
    for daemon, pid, how in zip(daemons, pids, ('CD', 'CD', 'SD')):
        found_out(daemon, pid, how, begun)
    for c in clients:
        c.close()


def test_an_http_server_that_vanishes_is_found_out():
    """While a client waits for its answer, however long that may take."""
    lost = Address(SERVER)
    server = TcpBackend('lost', address=SERVER)
    daemon = Durward('''
tcp-keepalive = "1s"
timeouts { server = "0s" }
listener "http" { bind = {"127.0.0.1:@http@"} protocol = "http" }
cluster "one" { service "web" { listeners = {"http"} hosts = {"www.example.org"}
    servers = {"lost=@server@"} check { type = "none" } } }''', server=server.where)
    with connect(daemon.port('http')) as s:
        s.sendall(b'GET / HTTP/1.1\r\nHost: www.example.org\r\n\r\n')
        server.wait_client()
        lost.vanish()
        s.settimeout(20)
        check(s.recv(12) == b'HTTP/1.1 502', 'no answer')


main()
