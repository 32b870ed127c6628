#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""What HTTP clients get where a peer is slow, wrong or gone."""

import socket
import time

from lib import (Durward, Gate, HttpClient, HttpServer, check, connect, equal,
                 free_port, main, ok, own, read_all, shared, simple_hello,
                 alert, ask, wait_for)
from lib.clients import _parse_response

CONF = '''
listener "http" { bind = {"127.0.0.1:@http@"} protocol = "http"
    timeouts { client = "1s" server = "1500ms" connect = "500ms"
               keep-alive = "700ms" request = "900ms" queue = "500ms" } }
cluster "one" {
    service "ingress" { listeners = {"http"} hosts = {"one.test"}
        servers = {"one=127.0.0.1:@server@"}  check { type = "none" } }
    service "other" { listeners = {"http"} hosts = {"other.test"}
        servers = {"other=127.0.0.1:@other@"}  check { type = "none" } }
    service "refuses" { listeners = {"http"} hosts = {"refuses.test"}
        servers = {"a=127.0.0.1:@nobody@"}  check { type = "none" } }
    service "full" { listeners = {"http"} hosts = {"full.test"}  check { type = "none" }
        server "full" { address = "127.0.0.1:@server@" max-connections = 1 } }
}
'''
GET = b'GET %s HTTP/1.1\r\nHost: one.test\r\n\r\n'


def start(answer=None):
    server = HttpServer('one', answer)
    other = HttpServer('other')
    return Durward(CONF, server=server.port, other=other.port,
                   nobody=free_port()), server


def client(daemon, **how):
    return own(HttpClient(daemon.port('http'), **how))


def own_answer(a, status, closes):
    equal((a.status, a.field('connection'), a.field('transfer-encoding')),
          (status, ['close'] if closes else [], []), 'own answer')
    check(str(status).encode() in a.body and a.body.startswith(b'<'),
          '%r', a.body)


def took(begun, low, high, what):
    t = time.monotonic() - begun
    check(low <= t <= high, '%s after %.2f s', what, t)


BAD_ANSWERS = [
    b'hello\r\n\r\n',
    b'\x15\x03\x03\x00\x02\x02\x28',
    b'HTTP/2.0 200 OK\r\n\r\n',
    b'HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n',
    b'HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n',
    b'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
    b'HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nab',
    b'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nab',
    b'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n'
    b'\r\n0\r\n\r\n',
    b'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx',
    b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: '
    b'chunked\r\n\r\n0\r\n\r\n',
    b'HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n',
    b'HTTP/1.1 200 OK\r\nX : a\r\nContent-Length: 0\r\n\r\n',
    b'HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 0\r\n\r\n',
    b'HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n',
    b'HTTP/1.1 200 OK\nContent-Length: 0\n\n',
    b'HTTP/1.1 200 OK\r\nX\r\nContent-Length: 0\r\n\r\n',
    b'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade'
    b'\r\n\r\n',
    b'HTTP/1.1 200 OK\r\nX: ' + b'a' * 66000 + b'\r\n\r\n',
    b'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n',
    b'HTTP/1.1 ',
    b'',
]


def test_answers_that_are_none_are_502():
    """And the client's connection goes on, in step."""
    daemon, server = start(lambda r, c: c.sock.sendall(
        BAD_ANSWERS[int(r.target[1:])]))
    c = client(daemon)
    for i, data in enumerate(BAD_ANSWERS):
        try:
            a = c.get('one.test', '/%d' % i, method='POST',
                      extra='Content-Length: 0\r\n')
            own_answer(a, 502, False)
            equal(c.get('other.test', '/next').body, b'other /next')
        except Exception:
            print('    after %r' % data[:100])
            raise
    lines = daemon.wait_log(r' 502 \d+ - - [PS]H-- ', len(BAD_ANSWERS))
    equal(len(lines), len(BAD_ANSWERS))


def test_a_reset_for_an_answer_is_502():
    daemon, _ = start(lambda r, c: c.abort())
    own_answer(client(daemon).get('one.test'), 502, False)


def test_a_silent_server_is_504():
    daemon, server = start(lambda r, c: time.sleep(5) or ok(b'late'))
    c = client(daemon)
    begun = time.monotonic()
    own_answer(c.get('one.test'), 504, False)
    took(begun, 1.4, 4.5, '504')
    equal(c.get('other.test').status, 200)
    daemon.wait_log(r'/-1/\d+ 504 \d+ - - sH-- ')


def test_half_a_head_is_504_too():
    daemon, _ = start(lambda r, c: c.sock.sendall(
        b'HTTP/1.1 200 OK\r\nX: ') or time.sleep(5))
    own_answer(client(daemon).get('one.test'), 504, False)


def test_a_server_that_stalls_in_its_body():
    daemon, _ = start(lambda r, c: c.sock.sendall(
        b'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello') or time.sleep(5))
    c = client(daemon)
    begun = time.monotonic()
    c.send(GET % b'/')
    check(b' 200 ' in c.reader.head(), 'no head')
    equal(c.reader._take(5, 'the first bytes'), b'hello')
    check(c.ended(), 'bytes from nowhere')
    took(begun, 1.4, 4.5, 'the end')
    daemon.wait_log(r' 200 \d+ - - sD-- ')


def test_a_slow_server_that_goes_on_is_served():
    """The limit is one on silence, not on the whole."""
    def answer(r, c):
        c.sock.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n')
        for i in range(6):
            time.sleep(0.5)
            c.sock.sendall(b'%d' % i)
        return b''
    daemon, _ = start(answer)
    equal(client(daemon).get('one.test').body, b'012345')


def test_a_client_that_stalls_in_its_body_is_408():
    daemon, server = start()
    for head in (b'Content-Length: 10\r\n\r\nhello',
                 b'Transfer-Encoding: chunked\r\n\r\n5\r\nhel'):
        c = client(daemon)
        begun = time.monotonic()
        c.send(b'POST / HTTP/1.1\r\nHost: one.test\r\n' + head)
        own_answer(c.answer(), 408, True)
        took(begun, 0.9, 4, '408')
        check(c.ended(), 'it stayed')
    equal(server.requests, [], 'requests that came whole')
    daemon.wait_log(r' 408 \d+ - - cH-- ', 2)


def test_a_server_that_gives_no_100_is_the_slow_one():
    class Mute(HttpServer):
        def serve(self, c):
            while c.recv():
                pass
    server, other = Mute('one'), HttpServer('other')
    daemon = Durward(CONF, server=server.port, other=other.port,
                     nobody=free_port())
    c = client(daemon)
    c.send(b'PUT / HTTP/1.1\r\nHost: one.test\r\nExpect: 100-continue\r\n'
           b'Content-Length: 5\r\n\r\n')
    own_answer(c.answer(), 504, True)


def test_a_client_that_does_not_read():
    """In its first request and in a later one; the worker gets free again."""
    small, big = ok(b'x'), ok(b'x' * (32 << 20))
    daemon, _ = start(lambda r, c: small if r.target == '/small' else big)
    for first in (True, False):
        c = client(daemon, rcvbuf=16384)
        if not first:
            equal(c.get('one.test', '/small').status, 200)
        c.send(GET % b'/big')
        daemon.wait_log(r' 200 \d+ - - cD-- ', 1 if first else 2, 15)


def test_who_asks_and_never_reads():
    """Own answers, too, must not wait for ever."""
    daemon, _ = start()
    c = client(daemon, rcvbuf=4096)
    c.s.settimeout(0.5)
    request = b'GET / HTTP/1.1\r\nHost: nobody.test\r\n\r\n' * 500
    try:
        for _ in range(2000):
            c.send(request)
    except (socket.timeout, ConnectionError):
        pass
    wait_for(lambda: not daemon.workers(r'^durward: http 127'), 15,
             'the worker to be free')


def test_keep_alive_ends_in_silence():
    daemon, _ = start()
    c = client(daemon)
    equal(c.get('one.test').status, 200)
    begun = time.monotonic()
    check(c.ended(), 'a word at the end')
    took(begun, 0.5, 3, 'the end')
    equal(len(daemon.log_lines(r' - - ')), 1, 'log lines')


def test_the_second_head_has_its_time():
    daemon, _ = start()
    c = client(daemon)
    equal(c.get('one.test').status, 200)
    begun = time.monotonic()
    c.send(b'GET / HT')
    own_answer(c.answer(), 408, True)
    took(begun, 0.7, 3, '408')
    check(c.ended(), 'it stayed')
    daemon.wait_log(r'http http/<NOSRV> -1/-1/-1/-1/\d+ 408 \d+ - - cR-- .*'
                    r'"<BADREQ>"')


def test_no_server_is_503():
    daemon, _ = start()
    c = client(daemon)
    own_answer(c.get('refuses.test'), 503, False)
    equal(c.get('one.test').status, 200)
    # with a body that nobody read: the end
    c.send(b'POST / HTTP/1.1\r\nHost: refuses.test\r\nContent-Length: 5\r\n\r\n')
    own_answer(c.answer(), 503, True)
    check(c.ended(), 'it stayed')
    daemon.wait_log(r' 503 \d+ - - SC-- ', 2)


def test_a_full_server_is_503_in_time():
    gate = Gate()
    daemon, server = start(lambda r, c: gate.wait() or ok(b'x'))
    first = client(daemon)
    first.send(b'GET / HTTP/1.1\r\nHost: full.test\r\n\r\n')
    wait_for(lambda: server.requests, 5, 'the first request')
    c = client(daemon)
    begun = time.monotonic()
    own_answer(c.get('full.test'), 503, False)
    took(begun, 0.4, 2.5, '503')
    gate.open()
    daemon.wait_log(r' 503 \d+ - - sQ-- ')


def test_the_other_refusals():
    daemon, server = start()
    big = b'GET / HTTP/1.1\r\nHost: one.test\r\nX: ' + b'a' * 17000 + b'\r\n\r\n'
    many = b'GET / HTTP/1.1\r\nHost: one.test\r\n' + b''.join(
        b'X%d: a\r\n' % i for i in range(100)) + b'\r\n'
    for data, status in (
            (big, 431), (many, 431), (b'GET / HTTP/1.2\r\n\r\n', 400),
            (b'GET / HTTP/2.0\r\nHost: one.test\r\n\r\n', 505),
            (b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', (400, 505)),
            (b'GET /\r\n\r\n', 400), (b'\0\0\0\0\r\n\r\n', 400),
            (b'GET / HTTP/1.1\r\n\r\n', 400),
            (b'GET / HTTP/1.1\r\nHost: one.test\r\n', 408)):
        for before in (b'', GET % b'/first'):
            c = client(daemon)
            c.send(before + data)
            if before:
                equal(c.answer().status, 200)
            a = c.answer()
            check(a.status in (status if isinstance(status, tuple)
                               else (status,)), '%s for %r', a.first, data[:60])
            own_answer(a, a.status, True)
            check(c.ended(), 'more after %d', a.status)
            c.close()
    equal(set(server.targets()), {'/first'})
    equal(client(daemon).get('nobody.test').status, 404)


def test_a_hello_gets_an_alert():
    daemon, _ = start()
    equal(alert(ask(daemon.port('http'), simple_hello('one.test'))), 10)


def test_head_of_own_answers():
    daemon, _ = start()
    c = client(daemon)
    for host, status in (('nobody.test', 404), ('refuses.test', 503)):
        a = c.get(host, method='HEAD')
        equal((a.status, a.body), (status, b''))
        check(int(a.field('content-length')[0]) > 0, 'no length')
    equal(c.get('one.test').status, 200, 'in step')


def test_bad_requests_in_the_log():
    daemon, _ = start()
    c = client(daemon)
    c.send(b'GET /a"b\x7f HTTP/1.1\r\nHost: one.test\r\n\r\n')
    equal(c.answer().status, 400)
    c = client(daemon)
    c.send(b'\xff\xfe nonsense\r\n\r\n')
    equal(c.answer().status, 400)
    for line in daemon.wait_log(r' 400 \d+ - - PR-- ', 2):
        check(line.isprintable(), '%r', line)
        check(line.count('"') == 2, 'quotes in it: %s', line)


main()
