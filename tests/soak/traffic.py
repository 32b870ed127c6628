# SPDX-License-Identifier: ISC
"""Every kind of client at once, and the servers they want.

Each kind repeats one exchange, in threads of its own, and checks every byte
that comes back.  What fails is kept with the client's own addresses: whoever
ended a process on purpose knows whose connection that was.
"""

import base64
import hashlib
import os
import random
import socket
import ssl
import struct
import threading
import time

from lib import (EchoBackend, HttpClient, HttpServer, ProxyBackend,
                 TcpBackend, TlsBackend, check, connect, equal, exchange, ok,
                 read_all, read_until, simple_hello)

TLS_NAME = 'www.example.org'
SUM_NAME = 'sum.example.org'
PROXY_NAME = 'proxied.example.org'
REAL_NAME = 'real.example.org'
WEB_NAME = 'web.example.org'


def noise(size):
    """Bytes that differ each time, cheap in any size."""
    block = os.urandom(1021)
    return (block * (size // len(block) + 1))[:size]


# -- servers

class SumServer(TcpBackend):
    """Reads to the client's end; says what it got, and more, in its turn."""

    def serve(self, c):
        c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 262144)
        got, count = hashlib.sha256(), 0
        while True:
            data = c.recv(262144)
            if not data:
                break
            got.update(data)
            count += len(data)
        if not c.eof:
            return
        body = noise(count * 2 % 700000)
        c.sock.sendall(got.digest() + hashlib.sha256(body).digest() + body)
        c.sock.shutdown(socket.SHUT_WR)


class WebServer(HttpServer):
    """Answers by the digest of what it was sent and a body as long as asked;
    chunked every other time; speaks on as an echo after an upgrade."""

    def serve(self, c):
        super().serve(c)
        if getattr(c, 'upgraded', False):
            pending, c.reader.pending = c.reader.pending, b''
            data = pending or c.recv()
            while data:
                c.sock.sendall(data)
                data = c.recv()

    def by_name(self, request, c):
        if request.field('upgrade'):
            c.upgraded = True
            c.sock.sendall(b'HTTP/1.1 101 Switching Protocols\r\n'
                           b'Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n')
            return None
        size = int(request.target.rpartition('/')[2] or 0)
        body = noise(size)
        sums = 'X-Got: %s\r\nX-Sum: %s\r\n' % (
            hashlib.sha256(request.body).hexdigest(),
            hashlib.sha256(body).hexdigest())
        if size % 2:
            return ok(body, sums)
        parts = [body[i:i + 30000] for i in range(0, size, 30000)]
        return ('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n%s\r\n' %
                sums).encode() + b''.join(
                    b'%x\r\n%s\r\n' % (len(p), p) for p in parts) + b'0\r\n\r\n'


class Servers:
    """All of them, two for each name, so that one can always be away."""

    def __init__(self, certs):
        quiet = dict(keep=False)
        pair = certs.server('real', [REAL_NAME])
        self.all = {}
        for n in 'ab':
            self.all['echo_' + n] = EchoBackend(n, **quiet)
            self.all['sum_' + n] = SumServer(n, **quiet)
            self.all['web_' + n] = WebServer(n, **quiet)
            self.all['proxied_' + n] = ProxyBackend(n, **quiet)
            self.all['real_' + n] = TlsBackend(n, pair, **quiet)

    def ports(self):
        return {name: server.port for name, server in self.all.items()}


# -- clients

class Traffic:
    """Runs all kinds until stop(); done and failures by kind."""

    def __init__(self, daemon, ca):
        self.daemon = daemon
        self.context = ssl.create_default_context(cafile=ca)
        self.done = {}
        self.failures = []      # (time, kind, addresses, error)
        self.lock = threading.Lock()
        self.mine = threading.local()
        self.end = threading.Event()
        self.threads = []
        for kind, threads, pause in (
                (self.tls_echo, 3, 0.005), (self.tls_sum, 2, 0.01),
                (self.tls_bulk, 1, 0.2), (self.tls_real, 1, 0.05),
                (self.tls_proxied, 1, 0.02), (self.tls_long, 4, 0),
                (self.http_kept, 2, 0.005), (self.http_pipelined, 1, 0.01),
                (self.http_upload, 1, 0.02), (self.websocket, 2, 0.02),
                (self.stats, 1, 0.2), (self.silent, 1, 0.05),
                (self.garbage, 1, 0.03), (self.slow, 10, 0.1),
                (self.leaves, 1, 0.02)):
            for number in range(threads):
                t = threading.Thread(target=self._repeat, daemon=True,
                                     args=(kind, number, pause))
                t.start()
                self.threads.append(t)

    def stop(self):
        self.end.set()
        for t in self.threads:
            t.join(60)
        check(not any(t.is_alive() for t in self.threads), 'a client hangs')

    def _repeat(self, kind, number, pause):
        name = kind.__name__
        while not self.end.is_set():
            self.mine.addresses = []
            self.mine.source = '127.0.5.%d' % random.randint(1, 250)
            try:
                kind()
                with self.lock:
                    self.done[name] = self.done.get(name, 0) + 1
            except Exception as e:
                with self.lock:
                    self.failures.append((time.monotonic(), name,
                                          list(self.mine.addresses), repr(e)))
            self.end.wait(pause)

    def connect(self, listener='https'):
        s = connect(self.daemon.port(listener), source=self.mine.source,
                    limit=20)
        self.mine.addresses.append(s.getsockname())
        return s

    def web(self):
        c = HttpClient(self.daemon.port('http'), source=self.mine.source,
                       limit=20)
        self.mine.addresses.append(c.s.getsockname())
        return c

    # -- TLS, as far as durward knows

    def tls_echo(self):
        hello = simple_hello(TLS_NAME)
        with self.connect() as s:
            equal(exchange(s, hello, len(hello)), hello)
            for _ in range(random.randint(0, 3)):
                word = noise(random.randint(1, 3000))
                equal(exchange(s, word, len(word)), word)

    def _sum(self, size):
        data = simple_hello(SUM_NAME) + noise(size)
        with self.connect() as s:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            back = read_all(s, 20)
        equal(back[:32], hashlib.sha256(data).digest(), 'what the server got')
        equal(len(back), 64 + len(data) * 2 % 700000, 'what came back')
        equal(back[32:64], hashlib.sha256(back[64:]).digest(), 'its sum')

    def tls_sum(self):
        self._sum(random.randint(0, 20000))

    def tls_bulk(self):
        self._sum(random.randint(1000000, 8000000))

    def tls_real(self):
        with self.connect() as raw:
            with self.context.wrap_socket(raw, server_hostname=REAL_NAME) as s:
                s.sendall(b'GET / HTTP/1.1\r\nHost: x\r\n\r\n')
                data = read_until(s, b'\r\n\r\n')
                check(data.startswith(b'HTTP/1.1 200'), '%r', data)

    def tls_proxied(self):
        """A PROXY header towards durward, another towards the server."""
        hello = simple_hello(PROXY_NAME)
        header = b'PROXY TCP4 192.0.2.%d 192.0.2.1 1000 443\r\n' % \
            random.randint(1, 200)
        if random.random() < 0.5:
            header = b'\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c' + bytes(
                [192, 0, 2, random.randint(1, 200), 192, 0, 2, 1]) + \
                struct.pack('!HH', 1000, 443)
        with self.connect('proxied') as s:
            equal(exchange(s, header + hello, len(hello)), hello)

    def tls_long(self):
        """Lives on under whatever configuration it began with."""
        hello = simple_hello(TLS_NAME)
        with self.connect() as s:
            equal(exchange(s, hello, len(hello)), hello)
            end = time.monotonic() + random.uniform(5, 40)
            while time.monotonic() < end and not self.end.wait(0.3):
                word = noise(50)
                equal(exchange(s, word, 50), word, 'a connection that stood')

    # -- HTTP

    @staticmethod
    def _checked(answer, sent=b''):
        equal(answer.status, 200)
        equal(answer.field('x-got'), [hashlib.sha256(sent).hexdigest()],
              'what the server got')
        equal(answer.field('x-sum'), [hashlib.sha256(answer.body).hexdigest()],
              'the body')
        return 'close' in answer.field('connection')

    def http_kept(self):
        with self.web() as c:
            for _ in range(random.randint(1, 20)):
                size = random.choice((0, 1, 100, 5000, 70001, 70002))
                if self._checked(c.get(WEB_NAME, '/%d' % size)):
                    return      # politely
                self.end.wait(random.choice((0, 0, 0.2)))

    def http_pipelined(self):
        with self.web() as c:
            for _ in range(3):
                c.send(b''.join(b'GET /%d HTTP/1.1\r\nHost: %s\r\n\r\n' % (
                    n, WEB_NAME.encode()) for n in (10, 2001, 30)))
                for _ in range(3):
                    if self._checked(c.answer()):
                        return

    def http_upload(self):
        body = noise(random.randint(0, 300000))
        head = 'POST /77 HTTP/1.1\r\nHost: %s\r\n' % WEB_NAME
        if random.random() < 0.5:
            data = (head + 'Content-Length: %d\r\n\r\n' %
                    len(body)).encode() + body
        else:
            data = (head + 'Transfer-Encoding: chunked\r\n\r\n').encode()
            for i in range(0, len(body), 10007):
                part = body[i:i + 10007]
                data += b'%x\r\n%s\r\n' % (len(part), part)
            data += b'0\r\n\r\n'
        with self.web() as c:
            c.send(data)
            self._checked(c.answer(), body)

    def websocket(self):
        with self.web() as c:
            c.send(b'GET /ws HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\n'
                   b'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n'
                   b'Sec-WebSocket-Key: %s\r\n\r\n' % (
                       WEB_NAME.encode(), base64.b64encode(os.urandom(16))))
            equal(c.reader.head().split(b' ')[1], b'101')
            for _ in range(random.randint(1, 10)):
                word = noise(random.randint(1, 2000))
                c.send(word)
                got = c.reader.pending
                while len(got) < len(word):
                    got += c.reader.more() or check(False, 'closed')
                c.reader.pending = b''
                equal(got, word, 'the echo')
                self.end.wait(random.choice((0, 0, 0.3)))

    def stats(self):
        path = random.choice(('/metrics', '/stats;csv', '/stats', '/healthz'))
        with self.connect('stats') as s:
            s.sendall(b'GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: Basic %s'
                      b'\r\nConnection: close\r\n\r\n' % (
                          path.encode(), base64.b64encode(b'admin:password')))
            data = read_all(s, 20)
        check(data.startswith(b'HTTP/1.1 200') and b'\r\n\r\n' in data,
              '%s: %r', path, data[:100])

    # -- those who want nothing good

    def silent(self):
        with self.connect():
            self.end.wait(random.choice((0, 0.1, 1)))

    def garbage(self):
        with self.connect(random.choice(('https', 'http', 'proxied'))) as s:
            try:
                s.sendall(os.urandom(random.randint(1, 3000)))
                s.shutdown(socket.SHUT_WR)
                read_all(s, 20)
            except ConnectionError:
                pass

    def slow(self):
        """A byte now and then: cut by the deadline, not served for ever."""
        hello = simple_hello(TLS_NAME)
        begun = time.monotonic()
        with self.connect() as s:
            try:
                for i in range(len(hello)):
                    s.sendall(hello[i:i + 1])
                    if self.end.wait(0.3):
                        return
            except ConnectionError:
                pass
        check(time.monotonic() - begun < 15, 'a slow one had %.1f s',
              time.monotonic() - begun)

    def leaves(self):
        """Goes away in the middle, with a reset."""
        hello = simple_hello(random.choice((TLS_NAME, SUM_NAME)))
        with self.connect() as s:
            s.sendall(hello[:random.randint(1, len(hello))])
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                         struct.pack('ii', 1, 0))
