#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""HTTP bodies, both ways: streamed as they come, whole or visibly cut."""

import hashlib
import socket
import struct
import threading

from lib import (Durward, Failure, Gate, HttpClient, HttpServer, check, connect,
                 equal, main, ok, own, sanitized, wait_for)

CONF = '''
listener "http" { bind = {"127.0.0.1:@http@"} protocol = "http"
    timeouts { client = "@client@" server = "@silence@" } }
cluster "one" { service "ingress" { listeners = {"http"} hosts = {"one.test"}
    servers = {"one=127.0.0.1:@server@"}  check { type = "none" } } }
'''
MB = 1 << 20
CHUNKED = b'POST /up HTTP/1.1\r\nHost: one.test\r\n' \
          b'Transfer-Encoding: chunked\r\n\r\n'


def start(answer=None, kind=HttpServer, client='10s', silence='10s'):
    server = kind('one', answer)
    return Durward(CONF, server=server.port, client=client,
                   silence=silence), server


class Raw(HttpServer):
    """The script gets the connection from its first head on."""

    def serve(self, c):
        from lib import Reader
        c.reader = Reader(c.recv)
        c.head = c.reader.head()
        self.requests.append(c)
        self.answer(c)


def client(daemon, **how):
    return own(HttpClient(daemon.port('http'), **how))


# --- interim answers ----------------------------------------------------------

EXPECT = b'PUT /up HTTP/1.1\r\nHost: one.test\r\nExpect: 100-continue\r\n' \
         b'Content-Length: 5\r\n\r\n'


def test_100_continue():
    def script(c):
        check(b'100-continue' in c.head, 'Expect did not arrive')
        check(c.reader.pending == b'', 'the body came before it was asked for')
        c.sock.sendall(b'HTTP/1.1 100 Continue\r\n\r\n')
        body = c.reader._take(5, 'the body')
        c.sock.sendall(ok(b'got ' + body))
        c.recv()
    daemon, server = start(script, Raw)
    c = client(daemon)
    c.send(EXPECT)
    a = c.answer()
    equal((a.status, a.field('connection')), (100, []))
    c.send(b'hello')
    equal(c.answer().body, b'got hello')
    equal(server.errors, [])


def test_100_continue_refused():
    """The final answer at once: no body follows, and the server sees that."""
    def script(c):
        c.sock.sendall(ok(b'no', status='417 Expectation Failed'))
        while c.recv():
            pass
    daemon, server = start(script, Raw)
    c = client(daemon)
    c.send(EXPECT)
    a = c.answer()
    equal((a.status, a.body, a.field('connection')), (417, b'no', ['close']))
    c.close()
    wait_for(lambda: server.requests[0].done.is_set(), 5,
             "the server's connection to end")
    # never a request taken for that body
    equal(server.requests[0].received.count(b'HTTP/1.1'), 1)


def test_interim_answers_go_on_in_order():
    def script(c):
        c.sock.sendall(b'HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 '
                       b'102 Processing\r\n\r\n')
        gate.wait()
        c.sock.sendall(ok(b'done'))
        c.recv()
    gate = Gate()
    daemon, _ = start(script, Raw)
    c = client(daemon)
    c.send(b'GET / HTTP/1.1\r\nHost: one.test\r\n\r\n')
    a = c.answer()
    equal((a.status, a.field('link')), (103, ['a']))
    equal(c.answer().status, 102)
    gate.open()
    equal(c.answer().body, b'done')


# --- framing ------------------------------------------------------------------

def test_chunks_extensions_and_trailers_go_through():
    up = b'5;a=b;c="d;\\"e"\r\nhello\r\n00006\r\n world\r\n0;last\r\n' \
         b'X-Sum: 11\r\nX-Other: y\r\n\r\n'

    def answer(r, c):
        return b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n' \
               b'Trailer: X-Sum\r\n\r\n' + up
    daemon, server = start(answer)
    c = client(daemon)
    for cut in (0, 1, 3, 17, 40, len(up) - 3):
        c.send(CHUNKED + up[:cut])
        if cut:
            wait_for(lambda: len(server.bytes()) > 0)
        c.send(up[cut:])
        a = c.answer()
        r = server.requests[-1]
        equal((a.body, a.trailers), (b'hello world', b'X-Sum: 11\r\n'
                                     b'X-Other: y\r\n'), 'the answer')
        equal((r.body, r.trailers), (a.body, a.trailers), 'the request')
        equal(r.field('content-length') + a.field('content-length'), [])
    equal(server.errors, [])


def test_a_byte_at_a_time():
    up = b'5\r\nhello\r\n0\r\nA: b\r\n\r\n'

    def script(c):
        for b in b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n' + up:
            c.sock.sendall(bytes([b]))
        while not server.bytes().endswith(up) and c.recv():
            pass
    daemon, server = start(script, Raw)
    c = client(daemon)
    for b in CHUNKED + up:
        c.send(bytes([b]))
    a = c.answer()
    equal((a.body, a.trailers), (b'hello', b'A: b\r\n'))
    wait_for(lambda: server.bytes().endswith(up), 5, 'the body to arrive')


def test_answers_without_a_body():
    def answer(r, c):
        what = r.target
        if what == '/204':
            return b'HTTP/1.1 204 No Content\r\n\r\n'
        if what == '/304':
            return b'HTTP/1.1 304 Not Modified\r\nContent-Length: 1234\r\n\r\n'
        if r.first.startswith(b'HEAD'):
            return b'HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n' \
                if what == '/length' else \
                b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
        return ok(b'' if what == '/empty' else b'full')
    daemon, server = start(answer)
    c = client(daemon)
    for _ in range(3):
        for target, method, status, length in (
                ('/204', 'GET', 204, []), ('/304', 'GET', 304, ['1234']),
                ('/length', 'HEAD', 200, ['1234']), ('/', 'HEAD', 200, []),
                ('/empty', 'GET', 200, ['0']), ('/', 'GET', 200, ['4'])):
            a = c.get('one.test', target, method=method)
            equal((a.status, a.field('content-length'), a.body),
                  (status, length, b'full' if length == ['4'] else b''), target)
    equal(len(server.clients()), 1, 'connections: each answer ended cleanly')


def test_an_answer_ended_by_close():
    def script(c):
        c.sock.sendall(b'HTTP/1.1 200 OK\r\n\r\nfirst ')
        gate.wait()
        c.sock.sendall(b'last')
    gate = Gate()
    daemon, _ = start(script, Raw)
    c = client(daemon)
    c.send(b'GET / HTTP/1.1\r\nHost: one.test\r\n\r\n')
    head = c.reader.head()
    check(b'Connection: close' in head, '%r', head)
    equal(c.reader._take(6, 'what came'), b'first ')    # as it comes
    gate.open()
    equal(c.reader._take(4, 'the rest'), b'last')
    check(c.ended(), 'it went on')


def test_a_close_that_cuts_is_seen():
    """Fewer bytes than promised: the client's connection ends, too."""
    cases = {
        b'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello': b'hello',
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n':
        b'5\r\nhello\r\n',
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n'
        b'xyz\r\n': b'5\r\nhello\r\n',
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n'
        b'0\r\nA: b\r\n': b'5\r\nhello\r\n',
    }
    for data, least in cases.items():
        daemon, _ = start(lambda c: c.sock.sendall(data), Raw)
        c = client(daemon)
        c.send(b'GET / HTTP/1.1\r\nHost: one.test\r\n\r\n')
        head = c.reader.head()
        check(b' 200 ' in head, '%r', head)
        got = c.reader.pending
        try:
            while True:
                more = c._more()
                if not more:
                    break
                got += more
        except ConnectionResetError:
            pass
        check(got.startswith(least), 'of %r only %r', data, got)
        check(b'0\r\n\r\n' not in got and b'HTTP/' not in got,
              'completed or followed by another: %r', got)
        daemon.wait_log(r' 200 \d+ - - SD-- ')


# --- large ones ---------------------------------------------------------------

def pattern(size, seed):
    block = hashlib.sha512(b'%d' % seed).digest() * 1024
    return (block * (size // len(block) + 1))[:size]


def memory(pid):
    with open('/proc/%d/status' % pid) as f:
        for line in f:
            if line.startswith('VmRSS:'):
                return int(line.split()[1])
    raise Failure('no VmRSS')


def the_worker(daemon):
    return wait_for(lambda: daemon.workers(r'^durward: http 127'), 5,
                    'the worker')[0]


def test_ten_megabytes_both_ways_in_flat_memory():
    body = pattern(10 * MB, 1)
    want = hashlib.sha256(body).hexdigest()
    seen = []

    def answer(r, c):
        seen.append(hashlib.sha256(r.body).hexdigest())
        r.body = r.raw = c.received = b''
        if r.target == '/length':
            return ok(body)
        parts = [body[i:i + 50001] for i in range(0, len(body), 50001)]
        return b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n' + \
            b''.join(b'%x\r\n' % len(p) + p + b'\r\n' for p in parts) + \
            b'0\r\n\r\n'

    daemon, server = start(answer)
    c = client(daemon)
    parts = [body[i:i + 65521] for i in range(0, len(body), 65521)]
    chunks = b''.join(b'%x\r\n' % len(p) + p + b'\r\n' for p in parts)
    requests = {
        '/length': b'POST /length HTTP/1.1\r\nHost: one.test\r\n'
        b'Content-Length: %d\r\n\r\n' % len(body) + body,
        '/chunked': CHUNKED.replace(b'/up', b'/chunked') + chunks + b'0\r\n\r\n'}
    rss = []
    for target in ('/length', '/chunked') * 2:
        sender = threading.Thread(target=c.send, args=(requests[target],),
                                  daemon=True)
        sender.start()
        a = c.answer()
        sender.join(10)
        equal(hashlib.sha256(a.body).hexdigest(), want, 'down ' + target)
        rss.append(memory(the_worker(daemon)))
    equal(seen, [want] * 4, 'up')
    equal(server.errors, [])
    check(rss[-1] - rss[0] <= 512, 'VmRSS of the worker in KiB: %s', rss)
    if not sanitized():
        check(rss[0] < 8 * 1024, 'VmRSS of the worker in KiB: %s', rss)


def test_backpressure_both_ways():
    """A peer that does not read stops the other: nothing piles up here."""
    sent = []

    def script(c):
        # down: as much as goes, to a client that does not read
        c.sock.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n' % (
            64 * MB))
        c.sock.settimeout(0.7)
        n = 0
        try:
            while True:
                n += c.sock.send(b'x' * 65536)
        except socket.timeout:
            sent.append(n)
    daemon, _ = start(script, Raw)
    c = client(daemon, rcvbuf=65536)
    c.send(b'GET / HTTP/1.1\r\nHost: one.test\r\n\r\n')
    wait_for(lambda: sent, 20, 'the server to be stopped')
    check(sent[0] < 32 * MB, '%d bytes went into nowhere', sent[0])
    if not sanitized():
        check(memory(the_worker(daemon)) < 8 * 1024, 'VmRSS %d KiB',
              memory(the_worker(daemon)))


# --- one side ends early --------------------------------------------------------

def test_an_early_answer_while_the_body_goes_on():
    body = pattern(3 * MB, 2)
    gate = Gate()

    def script(c):
        c.sock.sendall(ok(b'early'))
        gate.wait()
        c.body = c.reader._take(len(body), 'the body')
        c.recv()
    daemon, server = start(script, Raw)
    c = client(daemon)
    c.send(b'POST / HTTP/1.1\r\nHost: one.test\r\nContent-Length: %d\r\n\r\n'
           % len(body))
    a = c.answer()
    equal((a.status, a.body, a.field('connection')), (200, b'early', ['close']))
    gate.open()
    c.send(body)
    check(c.ended(), 'the connection stayed')
    wait_for(lambda: getattr(server.requests[0], 'body', None) == body, 10,
             'the whole body at the server')


def test_a_server_that_answers_early_and_closes():
    """413 and gone: the client gets the answer, whole, and no reset."""
    def script(c):
        c.reader._take(1000, 'some of the body')
        c.sock.sendall(ok(b'too much', 'Connection: close\r\n',
                          '413 Content Too Large'))
    daemon, _ = start(script, Raw)
    for _ in range(5):
        c = client(daemon)
        c.send(b'POST / HTTP/1.1\r\nHost: one.test\r\n'
               b'Content-Length: %d\r\n\r\n' % (8 * MB))
        try:
            for _ in range(64):
                c.send(b'x' * 65536)
        except ConnectionError:
            raise Failure('reset while it sent')
        a = c.answer()
        equal((a.status, a.body, a.field('connection')),
              (413, b'too much', ['close']))
        c.close()
    daemon.wait_log(r' 413 ', 5)


def test_who_has_an_early_answer_may_leave():
    def script(c):
        c.sock.sendall(ok(b'enough'))
        while c.recv():
            pass
    daemon, server = start(script, Raw)
    c = client(daemon)
    c.send(b'POST / HTTP/1.1\r\nHost: one.test\r\nContent-Length: 99\r\n\r\nx')
    equal(c.answer().body, b'enough')
    c.close()
    wait_for(lambda: server.requests[0].done.is_set(), 5, 'the other side')
    daemon.wait_log(r' 200 \d+ - - ---- ')


def test_an_answer_instead_of_100_continue():
    """The client sends no body then; both are free at once, and nobody failed."""
    def script(c):
        c.sock.sendall(b'HTTP/1.1 401 Unauthorized\r\nContent-Length: 4\r\n\r\nnope')
        while c.recv():
            pass
    daemon, server = start(script, Raw, client='1h', silence='1h')
    c = client(daemon)
    c.send(EXPECT)
    a = c.answer()
    equal((a.status, a.body), (401, b'nope'))
    equal(c.s.recv(1), b'', 'the end')
    wait_for(lambda: server.requests[0].done.is_set(), 5, 'the server to be free')
    daemon.wait_log(r' 401 \d+ - - ---- ')


EARLY = b'HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nnope'


def test_an_early_answer_and_the_server_closes():
    """The client waits for it and sends nothing more."""
    def script(c):
        c.sock.sendall(EARLY)
        c.sock.shutdown(socket.SHUT_WR)
    daemon, _ = start(script, Raw, client='1h', silence='1h')
    c = client(daemon)
    c.send(b'POST / HTTP/1.1\r\nHost: one.test\r\nContent-Length: 99\r\n\r\nx')
    equal(c.answer().body, b'nope')
    equal(c.s.recv(1), b'', 'the end')
    daemon.wait_log(r' 413 \d+ - - ---- ')


def test_an_early_answer_of_a_server_that_reads_on():
    """It has closed its own side; what the client still sends is for it."""
    def script(c):
        c.sock.sendall(EARLY)
        c.sock.shutdown(socket.SHUT_WR)
        while c.recv():
            pass
    daemon, server = start(script, Raw)
    c = client(daemon)
    c.send(b'POST / HTTP/1.1\r\nHost: one.test\r\nContent-Length: 30\r\n\r\n')
    equal(c.answer().body, b'nope')
    for _ in range(3):
        c.send(b'0123456789')
    wait_for(lambda: server.requests[0].received.endswith(b'0123456789' * 3), 5,
             'all of the body at the server')
    equal(c.s.recv(1), b'', 'the end')
    daemon.wait_log(r' 413 \d+ - - ---- ')


def test_an_early_answer_and_the_server_reads_no_more():
    """It is over by the server's timeout, and no failure: the client has it all."""
    gate = Gate()

    def script(c):
        c.sock.sendall(EARLY)
        gate.wait()
    daemon, _ = start(script, Raw, client='1h', silence='1s')
    c = client(daemon)
    c.send(b'POST / HTTP/1.1\r\nHost: one.test\r\nContent-Length: 1000000000\r\n\r\n')

    def upload():
        try:
            while True:
                c.s.sendall(b'x' * 65536)
        except OSError:
            pass
    threading.Thread(target=upload, daemon=True).start()
    equal(c.answer().body, b'nope')
    daemon.wait_log(r' 413 \d+ - - ---- ')
    gate.open()


def test_a_large_answer_before_a_close_and_a_stray_byte():
    """What comes behind the last request must not cost its answer."""
    big = b'y' * (3 * MB)
    for how in (b'HTTP/1.1\r\nConnection: close', b'HTTP/1.0'):
        for late in (False, True):
            gate = Gate()

            def script(c):
                while b'\r\n\r\nabc' not in c.received:
                    c.recv()
                gate.wait()
                c.sock.sendall(ok(big))
                c.recv()
            daemon, server = start(script, Raw)
            c = client(daemon)
            c.send(b'POST / ' + how + b'\r\nHost: one.test\r\nContent-Length: 3\r\n\r\nabc')
            if not late:
                c.send(b'\r\n')
            wait_for(lambda: server.requests, 5, 'the request')
            gate.open()
            if late:
                c.s.recv(1, socket.MSG_PEEK)
                c.send(b'\r\n')
            equal(len(c.answer().body), len(big), how)


def test_a_client_that_leaves_in_its_body():
    daemon, server = start(lambda c: c.recv() and c.recv(), Raw)
    c = client(daemon)
    c.send(b'POST / HTTP/1.1\r\nHost: one.test\r\nContent-Length: 99\r\n\r\nx')
    wait_for(lambda: server.requests, 5, 'the request')
    c.close()
    wait_for(lambda: server.requests[0].done.is_set(), 5, 'the other side')
    daemon.wait_log(r' -1 \d+ - - CH-- ')


def test_a_client_that_leaves_while_the_server_works():
    for how in ('close', 'reset'):
        daemon, server = start(lambda c: c.recv(), Raw)
        c = client(daemon)
        c.send(b'GET / HTTP/1.1\r\nHost: one.test\r\n\r\n')
        wait_for(lambda: server.requests, 5, 'the request')
        if how == 'reset':
            c.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                           struct.pack('ii', 1, 0))
        c.close()
        wait_for(lambda: server.requests[0].done.is_set(), 5,
                 'the server to be told, after a ' + how)
        daemon.wait_log(r' -1 \d+ - - CH-- ')
        wait_for(lambda: not daemon.workers(r'^durward: http 127'), 5,
                 'the worker to be free')


def test_a_client_that_only_half_closes_is_answered():
    daemon, _ = start()
    with connect(daemon.port('http')) as s:
        s.sendall(b'GET /half HTTP/1.1\r\nHost: one.test\r\n\r\n')
        s.shutdown(socket.SHUT_WR)
        from lib import read_all
        check(read_all(s).endswith(b'one /half'), 'no answer')


main()
