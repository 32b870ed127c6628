# SPDX-License-Identifier: ISC
"""Clients: raw sockets, Python's TLS, curl, openssl s_client."""

import shutil
import socket
import ssl
import struct
import subprocess

from .run import Failure, skip


def connect(port, address='127.0.0.1', limit=10.0, source=None, rcvbuf=None):
    s = socket.socket(socket.AF_INET6 if ':' in address else socket.AF_INET)
    s.settimeout(limit)
    if rcvbuf:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
    if source:
        s.bind((source, 0))
    s.connect((address, port))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def read_all(s, limit=10.0):
    """Everything until the peer closes.  A reset is a ConnectionError."""
    s.settimeout(limit)
    data = b''
    while True:
        try:
            more = s.recv(65536)
        except socket.timeout:
            raise Failure('the peer neither closed nor spoke in %.1f s, '
                          'after %r' % (limit, data[-200:]))
        if not more:
            return data
        data += more


def read_until(s, end, limit=10.0):
    """Bytes up to and including end (a bytes mark or a count)."""
    s.settimeout(limit)
    data = b''
    while (len(data) < end) if isinstance(end, int) else (end not in data):
        try:
            more = s.recv(65536 if not isinstance(end, int)
                          else end - len(data))
        except socket.timeout:
            raise Failure('no %r in %.1f s, only %r' % (end, limit,
                                                       data[-200:]))
        if not more:
            raise Failure('closed before %r, after %r' % (end, data[-200:]))
        data += more
    return data


def ask(port, data, **how):
    """Send, then everything that comes back until the peer closes."""
    limit = how.get('limit', 10.0)
    with connect(port, **how) as s:
        try:
            s.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass        # the answer may be there already
        return read_all(s, limit)


def exchange(s, data, end, limit=10.0):
    s.sendall(data)
    return read_until(s, end, limit)


def alert(data):
    """The description of the one fatal alert that data is; None where it is
    anything else."""
    if len(data) != 7:
        return None
    kind, version, length, level, what = struct.unpack('!BHHBB', data)
    if kind != 0x15 or version >> 8 != 3 or length != 2 or level != 2:
        return None
    return what


def _parse_response(data):
    head, sep, body = data.partition(b'\r\n\r\n')
    if not sep:
        raise Failure('not an HTTP response: %r' % data[:300])
    lines = head.split(b'\r\n')
    fields = {}
    for line in lines[1:]:
        name, _, value = line.partition(b':')
        fields.setdefault(name.decode().lower(), []).append(
            value.strip().decode())
    status = int(lines[0].split()[1])
    return status, fields, body


def http_request(port, host, path='/', extra='', version='1.1', address='127.0.0.1',
                 source=None, limit=10.0):
    """GET with Connection: close; (status, {name: [values]}, body)."""
    head = 'GET %s HTTP/%s\r\n' % (path, version)
    if host is not None:
        head += 'Host: %s\r\n' % host
    head += extra + 'Connection: close\r\n\r\n'
    return _parse_response(ask(port, head.encode('latin-1'), address=address,
                               source=source, limit=limit))


def tls_get(port, name, ca, path='/', address='127.0.0.1', client=None,
            source=None, limit=10.0, host=None):
    """HTTPS with the certificate and the name verified, as a browser does;
    (status, body, names in the certificate)."""
    context = ssl.create_default_context(cafile=ca)
    if client:
        context.load_cert_chain(client[0], client[1])
    with connect(port, address, limit, source) as raw:
        with context.wrap_socket(raw, server_hostname=name) as s:
            names = [v for _, v in s.getpeercert()['subjectAltName']]
            s.sendall(('GET %s HTTP/1.1\r\nHost: %s\r\n'
                       'Connection: close\r\n\r\n' % (path, host or name))
                      .encode())
            data = b''
            while True:
                try:
                    more = s.recv(65536)
                except ssl.SSLEOFError:
                    break
                if not more:
                    break
                data += more
    status, _, body = _parse_response(data)
    return status, body.decode(), names


def curl(*args, limit=20):
    if not shutil.which('curl'):
        skip('no curl here')
    return subprocess.run(['curl', '-q', '-sS', '--max-time', str(limit)] +
                          [str(a) for a in args], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          universal_newlines=True, timeout=limit + 10)


def s_client(port, *args, address='127.0.0.1', limit=20,
             send='GET / HTTP/1.1\r\nConnection: close\r\n\r\n'):
    """openssl s_client; its output with the certificate and the answer to
    what it sends, which must make the server close."""
    if not shutil.which('openssl'):
        skip('no openssl here')
    return subprocess.run(['openssl', 's_client', '-connect',
                           '%s:%d' % (address, port), '-ign_eof'] +
                          [str(a) for a in args], input=send,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True, errors='replace',
                          timeout=limit)
