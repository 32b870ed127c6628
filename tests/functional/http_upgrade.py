#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""WebSocket and other upgrades: a real handshake, then a tunnel."""

import base64
import hashlib
import os
import socket
import struct
import time

from lib import (Durward, Gate, HttpClient, HttpServer, check, equal, main, ok,
                 own, wait_for)

CONF = '''
listener "http" { bind = {"127.0.0.1:@http@"} protocol = "http"
    timeouts { idle = "@idle@" client = "500ms" server = "500ms"
               keep-alive = "500ms" } }
cluster "one" { service "ingress" { listeners = {"http"} hosts = {"one.test"}
    servers = {"one=127.0.0.1:@server@"}  check { type = "none" } } }
'''
GUID = b'258EAFA5-E914-47DA-95CA-C5AB0DC85B11'     # RFC 6455, 1.3


def accept_for(key):
    return base64.b64encode(hashlib.sha1(key + GUID).digest())


def frame(data, opcode=1, masked=True):
    n = len(data)
    size = bytes([n]) if n < 126 else b'\x7e' + struct.pack('!H', n) \
        if n < 65536 else b'\x7f' + struct.pack('!Q', n)
    if not masked:
        return bytes([0x80 | opcode]) + size + data
    mask = os.urandom(4)
    return bytes([0x80 | opcode, 0x80 | size[0]]) + size[1:] + mask + \
        bytes(b ^ mask[i & 3] for i, b in enumerate(data))


def read_frame(reader):
    """(opcode, data) of the next frame."""
    first, second = reader._take(2, 'a frame')
    n = second & 127
    if n == 126:
        n, = struct.unpack('!H', reader._take(2, 'a frame'))
    elif n == 127:
        n, = struct.unpack('!Q', reader._take(8, 'a frame'))
    mask = reader._take(4, 'a frame') if second & 128 else b'\0\0\0\0'
    data = reader._take(n, 'a frame')
    return first & 15, bytes(b ^ mask[i & 3] for i, b in enumerate(data))


class WebSocketServer(HttpServer):
    """Echoes frames; says hello at once, in the segment of its 101."""

    greeting = frame(b'hello', masked=False)

    def serve(self, c):
        from lib import Reader
        c.reader = Reader(c.recv)
        while True:
            request = c.reader.message(False)
            if request is None:
                return
            self.requests.append(request)
            if request.field('upgrade') != ['websocket']:
                c.sock.sendall(ok(b'plain'))
                continue
            if request.target == '/refused':
                c.sock.sendall(ok(b'no', status='403 Forbidden'))
                continue
            key = request.field('sec-websocket-key')[0].encode()
            c.sock.sendall(b'HTTP/1.1 101 Switching Protocols\r\nUpgrade: '
                           b'websocket\r\nConnection: Upgrade\r\n'
                           b'Sec-WebSocket-Accept: ' + accept_for(key) +
                           b'\r\n\r\n' + self.greeting)
            break
        while True:
            opcode, data = read_frame(c.reader)
            c.sock.sendall(frame(data, opcode, masked=False))
            if opcode == 8:
                return


def start(idle='10s'):
    server = WebSocketServer('one')
    return Durward(CONF, server=server.port, idle=idle), server


def handshake(key, target='/ws'):
    return b'GET ' + target.encode() + b' HTTP/1.1\r\nHost: one.test\r\n' \
        b'Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n' \
        b'Sec-WebSocket-Key: ' + key + b'\r\nSec-WebSocket-Version: 13\r\n\r\n'


def opened(daemon, early=b''):
    c = own(HttpClient(daemon.port('http')))
    key = base64.b64encode(os.urandom(16))
    c.send(handshake(key) + early)
    head = c.reader.head()
    check(head.startswith(b'HTTP/1.1 101 '), '%r', head)
    lower = head.lower()
    check(b'\r\nupgrade: websocket\r\n' in lower and
          b'\r\nconnection: upgrade\r\n' in lower and
          accept_for(key) in head, '%r', head)
    equal(read_frame(c.reader), (1, b'hello'), 'what came with the 101')
    return c


def test_websocket_echo():
    daemon, server = start()
    c = opened(daemon)
    r = server.requests[0]
    equal((r.field('upgrade'), [v.lower() for v in r.field('connection')],
           r.field('x-forwarded-for')),
          (['websocket'], ['upgrade'], ['127.0.0.1']))
    for data in (b'x', b'a' * 125, b'b' * 126, b'c' * 70000, b'\r\n\r\n'
                 b'GET / HTTP/1.1\r\n\r\n'):
        c.send(frame(data))
        equal(read_frame(c.reader), (1, data))
    c.send(frame(b'\x03\xe8', 8))
    equal(read_frame(c.reader), (8, b'\x03\xe8'))
    check(c.ended(), 'it stayed')
    c.close()
    daemon.wait_log(r' 101 \d+ - - ---- .*"GET /ws HTTP/1.1"')


def test_after_other_requests_on_the_connection():
    daemon, server = start()
    c = own(HttpClient(daemon.port('http')))
    for _ in range(3):
        equal(c.get('one.test').body, b'plain')
    key = base64.b64encode(os.urandom(16))
    c.send(handshake(key))
    check(c.reader.head().startswith(b'HTTP/1.1 101 '), 'no 101')
    equal(read_frame(c.reader), (1, b'hello'))
    c.send(frame(b'after'))
    equal(read_frame(c.reader), (1, b'after'))


def test_early_bytes_of_the_client():
    """Sent behind the request, without waiting for the 101."""
    daemon, _ = start()
    c = opened(daemon, frame(b'early') + frame(b'birds'))
    equal([read_frame(c.reader), read_frame(c.reader)],
          [(1, b'early'), (1, b'birds')])


def test_a_refused_upgrade_stays_http():
    daemon, server = start()
    c = own(HttpClient(daemon.port('http')))
    c.send(handshake(b'AAAAAAAAAAAAAAAAAAAAAA==', '/refused'))
    a = c.answer()
    equal((a.status, a.body), (403, b'no'))
    equal(c.get('one.test').body, b'plain')


def test_only_the_idle_limit_counts():
    daemon, _ = start('2500ms')
    c = opened(daemon)
    for _ in range(3):
        time.sleep(1)       # past client, server and keep-alive
        c.send(frame(b'still'))
        equal(read_frame(c.reader), (1, b'still'))
    begun = time.monotonic()
    check(c.ended(), 'a word at the end')
    took = time.monotonic() - begun
    check(1.5 < took < 6, 'ended after %.2f s', took)
    daemon.wait_log(r' 101 \d+ - - sD-- ')


def test_the_client_goes():
    daemon, server = start()
    c = opened(daemon)
    c.close()
    wait_for(lambda: server.clients()[0].done.is_set(), 5, 'the server to see')
    wait_for(lambda: not daemon.workers(r'^durward: http 127'), 5,
             'the worker to be free')


def test_no_way_round_the_router():
    """h2c would carry requests that nobody reads; nor is a 101 taken that
    was not asked for."""
    class Eager(HttpServer):
        def serve(self, c):
            while b'\r\n\r\n' not in c.received:
                if not c.recv():
                    return
            c.sock.sendall(b'HTTP/1.1 101 Switching Protocols\r\n'
                           b'Connection: upgrade\r\nUpgrade: h2c\r\n\r\n')
            c.recv()
    server = Eager('one')
    daemon = Durward(CONF, server=server.port, idle='10s')
    for extra in ('', 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n'
                  'HTTP2-Settings: AAMAAABk\r\n', 'Upgrade: websocket\r\n'):
        c = own(HttpClient(daemon.port('http')))
        equal(c.get('one.test', extra=extra).status, 502, extra)
    check(b'h2c' not in server.bytes().lower() and
          b'upgrade' not in server.bytes().lower(), '%r', server.bytes())


def test_half_closes_go_through():
    gate = Gate()

    class Server(HttpServer):
        def serve(self, c):
            while b'\r\n\r\n' not in c.received:
                c.recv()
            c.sock.sendall(b'HTTP/1.1 101 Switching Protocols\r\n'
                           b'Connection: upgrade\r\nUpgrade: other\r\n\r\n')
            while c.recv():
                pass
            check(c.eof, 'no half-close')
            gate.wait()
            c.sock.sendall(b'the rest')
    server = Server('one')
    daemon = Durward(CONF, server=server.port, idle='10s')
    c = own(HttpClient(daemon.port('http')))
    c.send(b'GET / HTTP/1.1\r\nHost: one.test\r\nConnection: upgrade\r\n'
           b'Upgrade: other\r\n\r\n')
    check(c.reader.head().startswith(b'HTTP/1.1 101 '), 'no 101')
    c.s.shutdown(socket.SHUT_WR)
    wait_for(lambda: server.connections[0].eof, 5, 'the half-close')
    gate.open()
    equal(c.reader._take(8, 'the rest'), b'the rest')


main()
