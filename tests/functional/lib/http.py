# SPDX-License-Identifier: ISC
"""HTTP/1 to the byte: a client that reads answers as a strict reader would,
and a server that records all it gets and answers by a script."""

import re
import socket
import threading

from .backends import TcpBackend, field
from .clients import connect
from .run import Failure, check


class Message:
    """A head and its body; raw is every byte of it, trailers what follows
    the last chunk."""

    def __init__(self, head, body=b'', raw=b'', trailers=b''):
        self.head, self.body = head, body
        self.raw, self.trailers = raw, trailers
        self.first = head.split(b'\r\n')[0]

    def field(self, name):
        return field(self.head, name)

    @property
    def status(self):
        return int(self.first.split()[1])

    @property
    def target(self):
        return self.first.split()[1].decode('latin-1')


class Reader:
    """Takes messages off a stream: more() returns bytes, b'' at its end."""

    def __init__(self, more):
        self.more = more
        self.pending = b''

    def _fill(self, what):
        data = self.more()
        if not data:
            raise Failure('the stream ended in %s, after %r' % (
                what, self.pending[-200:]))
        self.pending += data

    def _take(self, count, what):
        parts, have = [self.pending], len(self.pending)
        while have < count:
            data = self.more()
            if not data:
                raise Failure('the stream ended in %s, after %d of %d bytes' % (
                    what, have, count))
            parts.append(data)
            have += len(data)
        whole = b''.join(parts)
        self.pending = whole[count:]
        return whole[:count]

    def _line(self, what):
        while b'\r\n' not in self.pending:
            self._fill(what)
        line, _, self.pending = self.pending.partition(b'\r\n')
        return line + b'\r\n'

    def head(self):
        """b'' where the stream ended before its first byte."""
        if not self.pending:
            self.pending = self.more()
            if not self.pending:
                return b''
        while b'\r\n\r\n' not in self.pending:
            self._fill('a head')
        head, _, self.pending = self.pending.partition(b'\r\n\r\n')
        return head + b'\r\n\r\n'

    def chunk(self):
        """(raw, data) of the next chunk."""
        line = self._line('a chunk size')
        size = int(re.match(rb'([0-9A-Fa-f]+)(;[^\r\n]*)?\r\n$', line)
                   .group(1), 16)
        data = self._take(size, 'a chunk')
        if size == 0:
            return line, b''
        end = self._take(2, 'a chunk')
        check(end == b'\r\n', 'no CRLF behind a chunk but %r', end)
        return line + data + end, data

    def body(self, head, is_answer, is_head=False, until=None):
        """(body, raw body, trailers)"""
        length = field(head, 'content-length')
        coding = field(head, 'transfer-encoding')
        check(not (length and coding), 'both framings: %r', head)
        check(len(length) <= 1 and len(coding) <= 1, 'framing twice: %r', head)
        if is_answer:
            status = int(head.split(b' ')[1])
            if is_head or status < 200 or status in (204, 304):
                return b'', b'', b''
        if coding:
            check(coding[0].lower() == 'chunked', 'coding %r', coding)
            bodies, raws = [], []
            while True:
                raw, data = self.chunk()
                raws.append(raw)
                if not data:
                    break
                bodies.append(data)
            trailers = b''
            while True:
                line = self._line('trailers')
                if line == b'\r\n':
                    break
                trailers += line
            return (b''.join(bodies), b''.join(raws) + trailers + b'\r\n',
                    trailers)
        if length:
            data = self._take(int(length[0]), 'a body')
            return data, data, b''
        if not is_answer:
            return b'', b'', b''
        while True:
            data = self.more()
            if not data:
                break
            self.pending += data
        data, self.pending = self.pending, b''
        return data, data, b''

    def message(self, is_answer, is_head=False):
        """None at the end of the stream."""
        head = self.head()
        if not head:
            return None
        body, raw, trailers = self.body(head, is_answer, is_head)
        return Message(head[:-4], body, head + raw, trailers)


class HttpClient:
    """One connection, for requests given as raw bytes."""

    def __init__(self, port, limit=10.0, **how):
        self.s = connect(port, limit=limit, **how)
        self.reader = Reader(self._more)

    def _more(self):
        try:
            return self.s.recv(65536)
        except socket.timeout:
            raise Failure('silence, after %r' % self.reader.pending[-200:])

    def send(self, data):
        self.s.sendall(data)

    def answer(self, is_head=False):
        m = self.reader.message(True, is_head)
        check(m is not None, 'closed, and no answer')
        return m

    def get(self, host, target='/', extra='', method='GET', version='1.1'):
        self.send(('%s %s HTTP/%s\r\nHost: %s\r\n%s\r\n' % (
            method, target, version, host, extra)).encode('latin-1'))
        return self.answer(method == 'HEAD')

    def ended(self):
        """True where the peer closes and says no more; a reset too."""
        try:
            return not self.reader.pending and self._more() == b''
        except ConnectionResetError:
            return True

    def close(self):
        self.s.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


class HttpServer(TcpBackend):
    """answer(request, connection) returns the bytes to send, None to close;
    after an answer that says Connection: close it closes too.  By default it
    answers by its name and what it was asked."""

    def __init__(self, name='server', answer=None, **how):
        self.answer = answer or self.by_name
        self.requests = []
        super().__init__(name, **how)

    def by_name(self, request, connection):
        return ok(('%s %s' % (self.name, request.target)).encode())

    def targets(self):
        return [r.target for r in self.requests]

    def bytes(self):
        """All that came, on every connection."""
        with self._lock:
            return b''.join(c.received for c in self.connections)

    def serve(self, c):
        c.reader = Reader(c.recv)
        while True:
            request = c.reader.message(False)
            if request is None:
                return
            request.connection = c
            if self.keep:
                with self._lock:
                    self.requests.append(request)
            data = self.answer(request, c)
            if data is None:
                return
            c.sock.sendall(data)
            if re.search(rb'(?i)\r\nConnection: *close\r\n', data):
                return

    def _serve(self, c):
        try:
            super()._serve(c)
        except Failure as e:
            self.errors.append(e)
            c.done.set()
            c.close()


def ok(body=b'', extra='', status='200 OK'):
    return ('HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n' % (
        status, len(body), extra)).encode('latin-1') + body


class Gate:
    """Holds a scripted server back until the test lets it go on."""

    def __init__(self):
        self.event = threading.Event()

    def open(self):
        self.event.set()

    def wait(self, limit=20):
        check(self.event.wait(limit), 'the gate stayed shut')
