# SPDX-License-Identifier: ISC
"""Servers to stand behind durward: each remembers what came to it.

A thread accepts, a thread serves each connection.  Probes are connections
too: those that end without a byte, or (TLS) before the handshake is done,
are counted apart where a test counts.
"""

import re
import socket
import ssl
import struct
import threading

from .ports import free_port
from .run import own, wait_for


class Connection:
    """One accepted connection and all that was read from it."""

    def __init__(self, sock, peer, keep=True):
        self.sock = sock
        self.peer = peer
        self.keep = keep
        self.received = b''
        self.eof = False        # the client's side ended its stream
        self.reset = False
        self.done = threading.Event()

    def recv(self, size=65536):
        """b'' at the end of the stream or after a reset."""
        try:
            data = self.sock.recv(size)
        except (ConnectionResetError, TimeoutError, socket.timeout) as e:
            self.reset = isinstance(e, ConnectionResetError)
            return b''
        except (OSError, ValueError):
            return b''
        if not data:
            self.eof = True
        if self.keep:
            self.received += data
        elif data:
            self.received = b'...'
        return data

    def abort(self):
        """Close with a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack('ii', 1, 0))
        self.close()

    def close(self):
        try:
            self.sock.close()
        except OSError:
            pass


class TcpBackend:
    """Serves each connection by script(connection); by default reads it to
    its end.  Subclasses override serve().  Where keep is False what came is
    forgotten, and with its end the connection."""

    def __init__(self, name='server', script=None, address='127.0.0.1',
                 port=None, start=True, limit=60, rcvbuf=None, keep=True):
        self.name = name
        self.keep = keep
        self.address = address
        self.port = port or free_port(address)
        self.script = script
        self.limit = limit
        self.rcvbuf = rcvbuf
        self.connections = []
        self.errors = []
        self._lock = threading.Lock()
        self._listening = None
        own(self)
        if start:
            self.start()

    @property
    def where(self):
        return '%s:%d' % (self.address, self.port)

    @property
    def entry(self):
        """As a `servers` list wants it."""
        return '%s=%s' % (self.name, self.where)

    def start(self):
        s = socket.socket(socket.AF_INET6 if ':' in self.address
                          else socket.AF_INET)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if self.rcvbuf:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.rcvbuf)
        s.bind((self.address, self.port))
        s.listen(512)
        self._listening = s
        threading.Thread(target=self._accept, args=(s,), daemon=True).start()

    def stop(self, abort=True):
        """As when the server is killed: refuse what comes, cut what is."""
        s, self._listening = self._listening, None
        if s is not None:
            try:
                s.shutdown(socket.SHUT_RDWR)    # wakes the accepting thread
            except OSError:
                pass
            s.close()
        if abort:
            with self._lock:
                live = [c for c in self.connections if not c.done.is_set()]
            for c in live:
                try:
                    c.sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                c.close()

    def close(self):
        self.stop()

    def clients(self):
        """The connections that sent something."""
        with self._lock:
            return [c for c in self.connections if c.received]

    def wait_client(self, count=1, limit=10):
        """The count'th connection that sent something."""
        wait_for(lambda: len(self.clients()) >= count, limit,
                 'client %d at %s' % (count, self.name))
        return self.clients()[count - 1]

    def _accept(self, listening):
        while True:
            try:
                sock, peer = listening.accept()
            except OSError:
                return
            sock.settimeout(self.limit)
            if sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            c = Connection(sock, peer, self.keep)
            with self._lock:
                self.connections.append(c)
            threading.Thread(target=self._serve, args=(c,),
                             daemon=True).start()

    def _serve(self, c):
        try:
            self.serve(c)
        except (OSError, ValueError) as e:
            self.errors.append(e)
        finally:
            c.done.set()
            c.close()
            if not self.keep:
                with self._lock:
                    self.connections.remove(c)

    def serve(self, c):
        if self.script:
            self.script(c)
        else:
            while c.recv():
                pass

    def evidence(self):
        lines = ['--- server %s at %s' % (self.name, self.where)]
        for c in self.connections[-8:]:
            lines.append('from %s:%s, %d bytes: %r' % (
                c.peer[0], c.peer[1], len(c.received), c.received[:160]))
        lines += ['error: %r' % e for e in self.errors[-5:]]
        return '\n'.join(lines)


class EchoBackend(TcpBackend):
    """Sends back what it gets."""

    def serve(self, c):
        while True:
            data = c.recv()
            if not data:
                break
            c.sock.sendall(data)
        if c.eof:
            c.sock.shutdown(socket.SHUT_WR)


class HttpBackend(TcpBackend):
    """Says its name to every request; c.requests holds the raw heads.

    answer(request head) may return the whole response instead."""

    def __init__(self, *args, answer=None, **how):
        self.answer = answer
        self.requests = []      # (connection, head), as they came
        super().__init__(*args, **how)

    def heads(self):
        with self._lock:
            return [head for _, head in self.requests]

    def serve(self, c):
        pending = b''
        while True:
            while b'\r\n\r\n' not in pending:
                data = c.recv()
                if not data:
                    return
                pending += data
            head, _, pending = pending.partition(b'\r\n\r\n')
            length = field(head, 'content-length')
            need = int(length[0]) if length else 0
            while len(pending) < need:
                data = c.recv()
                if not data:
                    return
                pending += data
            pending = pending[need:]
            with self._lock:
                self.requests.append((c, head))
            closing = 'close' in ','.join(field(head, 'connection')).lower()
            if self.answer:
                response = self.answer(head)
            else:
                body = self.name.encode()
                response = (b'HTTP/1.1 200 OK\r\nServer: ' + body +
                            b'\r\nContent-Length: %d\r\n' % len(body) +
                            (b'Connection: close\r\n' if closing else b'') +
                            b'\r\n' + body)
            if response:
                c.sock.sendall(response)
            if closing or not response:
                return


def field(head, name):
    """The values of a field in a raw head, in order."""
    return [m.decode('latin-1') for m in re.findall(
        (r'(?im)^%s:[ \t]*([^\r\n]*?)[ \t]*\r?$' % re.escape(name)).encode(),
        head)]


class TlsBackend(TcpBackend):
    """Real TLS with this certificate; answers an HTTP request by its name,
    or echoes where echo is set."""

    def __init__(self, name, pair, client_ca=None, echo=False, **how):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(pair[0], pair[1])
        if client_ca:
            self.context.verify_mode = ssl.CERT_REQUIRED
            self.context.load_verify_locations(client_ca)
        self.echo = echo
        self.served = 0
        super().__init__(name, **how)

    def serve(self, c):
        raw = c.sock
        try:
            c.sock = self.context.wrap_socket(raw, server_side=True)
        except (OSError, ssl.SSLError):
            raw.close()         # a probe, or a client that went away
            return
        pending = b''
        while True:
            try:
                data = c.recv()
            except ssl.SSLError:
                return
            if not data:
                return
            if self.echo:
                c.sock.sendall(data)
                continue
            pending += data
            while b'\r\n\r\n' in pending:
                head, _, pending = pending.partition(b'\r\n\r\n')
                with self._lock:
                    self.served += 1
                body = self.name.encode()
                closing = b'connection: close' in head.lower()
                c.sock.sendall(
                    b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\n' % len(body) +
                    (b'Connection: close\r\n' if closing else b'') +
                    b'\r\n' + body)
                if closing:
                    try:
                        c.sock.unwrap()
                    except (OSError, ssl.SSLError):
                        pass
                    return


class ProxyBackend(TcpBackend):
    """Reads a PROXY header (version 1 or 2), then echoes.  Each connection
    gets .proxy: (version, source, source port, destination, its port)."""

    SIGNATURE = b'\r\n\r\n\0\r\nQUIT\n'

    def serve(self, c):
        c.proxy = None
        pending = b''
        while True:
            data = c.recv()
            if not data:
                return
            pending += data
            rest = self._parse(c, pending)
            if rest is not None:
                break
        while True:
            if rest:
                c.sock.sendall(rest)
            rest = c.recv()
            if not rest:
                break
        if c.eof:
            c.sock.shutdown(socket.SHUT_WR)

    def _parse(self, c, data):
        """What follows the header; None while it is not whole."""
        if data.startswith(b'PROXY '):
            if b'\r\n' not in data:
                return None
            line, _, rest = data.partition(b'\r\n')
            words = line.decode().split(' ')
            c.proxy = (1, words[2], int(words[4]), words[3], int(words[5])) \
                if words[1] != 'UNKNOWN' else (1, None, None, None, None)
            return rest
        if self.SIGNATURE.startswith(data[:12]) and len(data) < 16:
            return None
        if not data.startswith(self.SIGNATURE):
            raise ValueError('no PROXY header: %r' % data[:32])
        command, family, length = struct.unpack('!BBH', data[12:16])
        if len(data) < 16 + length:
            return None
        body, rest = data[16:16 + length], data[16 + length:]
        size, kind = (4, socket.AF_INET) if family >> 4 == 1 else \
            (16, socket.AF_INET6)
        if command & 15 == 1:
            ports = struct.unpack('!HH', body[2 * size:2 * size + 4])
            c.proxy = (2, socket.inet_ntop(kind, body[:size]), ports[0],
                       socket.inet_ntop(kind, body[size:2 * size]), ports[1])
        else:
            c.proxy = (2, None, None, None, None)
        return rest
