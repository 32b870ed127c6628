#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""HTTP: routed by Host, X-Forwarded-For added, its own answers."""

import re
import socket
import time

from lib import (Durward, HttpBackend, Failure, ask, check, connect, curl,
                 equal, free_port, http_request, main, read_all, shared,
                 wait_for)
from lib.backends import field
from lib.clients import _parse_response

CONF = '''
listener "http" { bind = {"127.0.0.1:@http@"} protocol = "http"
                  timeouts { request = "@request@" } }
listener "open" { bind = {"127.0.0.1:@open@"} protocol = "http"
                  default = "two.ingress" }
cluster "one" {
    service "ingress" {
        listeners = {"http"}
        hosts     = {"*.apps.one.example.org", "one.example.org"}
        servers   = {"one=127.0.0.1:@one@"}
    }
    service "down" {
        listeners = {"http"}
        hosts     = {"down.example.org"}
        servers   = {"127.0.0.1:@nobody@"}
        check { type = "none" }
    }
    service "plain" {
        listeners = {"http"}
        hosts     = {"plain.example.org"}
        servers   = {"one=127.0.0.1:@one@"}
        forwarded-for = false
    }
    service "named" {
        listeners = {"http"}
        hosts     = {"named.example.org"}
        servers   = {"srv7=127.0.0.1:@one@"}
        server-name-header = "X-Server"
    }
}
cluster "two" {
    service "ingress" {
        listeners = {"http", "open"}
        hosts     = {"*.apps.two.example.org"}
        servers   = {"two=127.0.0.1:@two@"}
    }
}
'''


def start(request='10s'):
    one, two = HttpBackend('one'), HttpBackend('two')
    daemon = Durward(CONF, one=one.port, two=two.port, nobody=free_port(),
                     request=request)
    return daemon, one, two


@shared
def world():
    return start()


def own_answer(data, status, closes=True):
    """An answer of durward's own, as the contract has it."""
    got, fields, body = _parse_response(data)
    equal(got, status, repr(data[:200]))
    equal(fields.get('content-length'), [str(len(body))], 'its length')
    check(body.strip().startswith(b'<'), 'no HTML body: %r', body)
    check(str(status).encode() in body, 'the body does not name the error')
    if closes:
        equal(fields.get('connection'), ['close'], 'Connection of %d' % status)


def test_host_decides():
    daemon, _, _ = world()
    for host, want in (('a.apps.one.example.org', b'one'),
                       ('one.example.org', b'one'),
                       ('ONE.Example.ORG', b'one'),
                       ('one.example.org.', b'one'),
                       ('one.example.org:80', b'one'),
                       ('one.example.org.:8080', b'one'),
                       ('a.apps.two.example.org', b'two')):
        status, _, body = http_request(daemon.port('http'), host)
        equal((status, body), (200, want), host)
    equal(http_request(daemon.port('open'), 'unknown.example.org')[2], b'two')


def test_curl():
    daemon, _, _ = world()
    port = daemon.port('http')
    run = curl('--resolve', 'a.apps.one.example.org:%d:127.0.0.1' % port,
               'http://a.apps.one.example.org:%d/x?y=z' % port)
    equal((run.returncode, run.stdout), (0, 'one'), run.stderr)


def test_the_request_arrives_as_it_was():
    daemon, one, _ = world()
    http_request(daemon.port('http'), 'One.example.org:80', '/a/%2F?b=c',
                 extra='X-Odd-CASE:   two  words \r\nCookie: a=b\r\n')
    head = one.heads()[-1]
    equal(head.split(b'\r\n')[0], b'GET /a/%2F?b=c HTTP/1.1')
    equal(field(head, 'host'), ['One.example.org:80'])
    check(b'X-Odd-CASE:' in head, 'the case of a name was changed')
    equal(field(head, 'x-odd-case'), ['two  words'])
    equal(field(head, 'cookie'), ['a=b'])


def test_forwarded_for():
    daemon, one, _ = world()
    port = daemon.port('http')
    http_request(port, 'one.example.org')
    equal(field(one.heads()[-1], 'x-forwarded-for'), ['127.0.0.1'])
    http_request(port, 'one.example.org', source='127.0.0.9')
    equal(field(one.heads()[-1], 'x-forwarded-for'), ['127.0.0.9'])
    http_request(port, 'one.example.org',
                 extra='X-Forwarded-For: 192.0.2.1\r\n'
                 'x-forwarded-for: 192.0.2.2, 192.0.2.3\r\n')
    equal([re.sub(r'\s*,\s*', ', ', v)
           for v in field(one.heads()[-1], 'x-forwarded-for')],
          ['192.0.2.1, 192.0.2.2, 192.0.2.3, 127.0.0.1'])
    http_request(port, 'plain.example.org')
    equal(field(one.heads()[-1], 'x-forwarded-for'), [])


def test_server_name_header():
    daemon, one, _ = world()
    http_request(daemon.port('http'), 'named.example.org',
                 extra='X-Server: forged\r\n')
    equal(field(one.heads()[-1], 'x-server'), ['srv7'])


def test_a_body_goes_along():
    daemon, one, _ = world()
    body = b'0123456789' * 20000
    with connect(daemon.port('http')) as s:
        s.sendall(b'POST /up HTTP/1.1\r\nHost: one.example.org\r\n'
                  b'Content-Length: %d\r\nConnection: close\r\n\r\n' %
                  len(body) + body)
        equal(_parse_response(read_all(s))[::2], (200, b'one'))
    # on a fresh connection or a kept one
    check(any(c.received.endswith(b'\r\n\r\n' + body) for c in one.clients()),
          'the body is another one')


def test_absolute_form_goes_by_its_authority():
    daemon, one, _ = world()
    data = ask(daemon.port('http'),
               b'GET http://one.example.org/x HTTP/1.1\r\n'
               b'Host: one.example.org\r\nConnection: close\r\n\r\n')
    equal(_parse_response(data)[::2], (200, b'one'))


def test_no_route_is_404():
    daemon, _, _ = world()
    for host in ('unknown.example.org', 'apps.one.example.org',
                 'a.b.apps.one.example.org', '192.0.2.1', '[2001:db8::1]:80',
                 'a.apps.one.example.org.evil.test'):
        own_answer(ask(daemon.port('http'), b'GET / HTTP/1.1\r\nHost: ' +
                       host.encode() + b'\r\nConnection: close\r\n\r\n'), 404)
    own_answer(ask(daemon.port('http'), b'GET / HTTP/1.0\r\n\r\n'), 404)


def test_no_server_is_503():
    daemon, _, _ = world()
    own_answer(ask(daemon.port('http'),
                   b'GET / HTTP/1.1\r\nHost: down.example.org\r\n'
                   b'Connection: close\r\n\r\n'), 503)


# What follows "GET / HTTP/1.1\r\n", or a whole request.
AMBIGUOUS = [
    ('no Host', b'X: y\r\n\r\n'),
    ('two Hosts', b'Host: one.example.org\r\nHost: one.example.org\r\n\r\n'),
    ('a Host with a space', b'Host: one.example.org two\r\n\r\n'),
    ('a Host with a comma', b'Host: one.example.org,two\r\n\r\n'),
    ('a Host with userinfo', b'Host: a@one.example.org\r\n\r\n'),
    ('a Host with a path', b'Host: one.example.org/x\r\n\r\n'),
    ('a Host with a bad port', b'Host: one.example.org:8x\r\n\r\n'),
    ('a space before the colon', b'Host : one.example.org\r\n\r\n'),
    ('a folded line', b'Host: one.example.org\r\nX: a\r\n b\r\n\r\n'),
    ('a bare CR', b'Host: one.example.org\r\nX: a\rb\r\n\r\n'),
    ('a NUL', b'Host: one.example.org\r\nX: a\0b\r\n\r\n'),
    ('bare LF', b'Host: one.example.org\nX: a\n\n'),
    ('no colon', b'Host: one.example.org\r\nX\r\n\r\n'),
    ('length and chunked', b'Host: one.example.org\r\nContent-Length: 3\r\n'
     b'Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n'),
    ('two lengths', b'Host: one.example.org\r\nContent-Length: 3\r\n'
     b'Content-Length: 4\r\n\r\nabcd'),
    ('a signed length', b'Host: one.example.org\r\nContent-Length: +3\r\n'
     b'\r\nabc'),
    ('an unknown coding', b'Host: one.example.org\r\n'
     b'Transfer-Encoding: gzip\r\n\r\n'),
    ('chunked, odd spelling', b'Host: one.example.org\r\n'
     b'Transfer-Encoding: xchunked\r\n\r\n'),
]


def test_what_is_ambiguous_is_400():
    daemon, one, _ = world()
    for what, rest in AMBIGUOUS:
        before = len(one.heads())
        own_answer(ask(daemon.port('http'), b'GET / HTTP/1.1\r\n' + rest), 400)
        equal(len(one.heads()), before, 'requests sent on for ' + what)
    for line in (b'GET\r\n\r\n', b'GET  / HTTP/1.1\r\nHost: one.example.org'
                 b'\r\n\r\n', b'G{}T / HTTP/1.1\r\nHost: x\r\n\r\n',
                 b'GET / HTTP/1.1 \r\nHost: one.example.org\r\n\r\n'):
        own_answer(ask(daemon.port('http'), line), 400)
    equal(http_request(daemon.port('http'), 'one.example.org')[0], 200)


def test_other_versions_are_refused():
    daemon, _, _ = world()
    for first in (b'GET / HTTP/2.0\r\nHost: one.example.org\r\n\r\n',
                  b'GET / HTTP/0.9\r\nHost: one.example.org\r\n\r\n',
                  b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'):
        data = ask(daemon.port('http'), first)
        check(re.match(rb'HTTP/1\.1 (505|400) ', data), '%r', data)


def test_a_tls_hello_is_told_so():
    from lib import alert, simple_hello
    daemon, _, _ = world()
    data = ask(daemon.port('http'), simple_hello('one.example.org'))
    check(alert(data) == 10 or data.startswith(b'HTTP/1.1 400 '), '%r', data)


def test_heads_that_are_too_large_are_431():
    daemon, _, _ = world()
    line = b'GET / HTTP/1.1\r\nHost: one.example.org\r\n'
    for head in (line + b'X: ' + b'a' * 17000 + b'\r\n\r\n',
                 line + b''.join(b'X-%d: a\r\n' % i for i in range(101)) +
                 b'\r\n',
                 b'GET /' + b'a' * 17000 + b' HTTP/1.1\r\n'):
        own_answer(ask(daemon.port('http'), head), 431)
    status, _, body = http_request(
        daemon.port('http'), 'one.example.org',
        extra=''.join('X-%d: a\r\n' % i for i in range(97)) +
        'Y: %s\r\n' % ('a' * 14000))
    equal((status, body), (200, b'one'), 'a head just small enough')


def test_a_slow_head_is_408():
    daemon, _, _ = start(request='700ms')
    with connect(daemon.port('http')) as s:
        s.sendall(b'GET / HTTP/1.1\r\nHost: ')
        begun = time.monotonic()
        own_answer(read_all(s), 408)
        took = time.monotonic() - begun
        check(0.5 < took < 3, 'after %.2f s, not 0.7', took)


def test_a_trickled_head_is_408_too():
    daemon, _, _ = start(request='700ms')
    data = b''
    with connect(daemon.port('http')) as s:
        s.settimeout(0.1)
        begun = time.monotonic()
        s.sendall(b'GET / HTTP/1.1\r\nX: ')
        while not data:
            check(time.monotonic() - begun < 5, 'it never ended')
            try:
                s.sendall(b'a')
                data = s.recv(4096)
            except socket.timeout:
                continue
            except ConnectionResetError:
                raise Failure('a reset, no answer')
    check(data.startswith(b'HTTP/1.1 408 '), '%r', data)


def test_who_says_nothing_gets_nothing():
    daemon, _, _ = start(request='500ms')
    with connect(daemon.port('http')) as s:
        equal(read_all(s, 20), b'')


def test_a_head_cut_at_every_byte():
    daemon, one, _ = world()
    head = b'GET /cut HTTP/1.1\r\nHost: one.example.org\r\nConnection: close' \
           b'\r\n\r\n'
    for i in range(1, len(head)):
        with connect(daemon.port('http')) as s:
            s.sendall(head[:i])
            s.sendall(head[i:])
            equal(_parse_response(read_all(s))[::2], (200, b'one'),
                  'cut at %d' % i)


def test_the_log_has_a_line_for_each():
    daemon, _, _ = world()
    http_request(daemon.port('http'), 'one.example.org', '/for-the-log')
    line, = daemon.wait_log(r'/for-the-log')
    check(re.search(
        r'127\.0\.0\.1:\d+ \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d\.\d{3}\] '
        r'http one\.ingress\.http/one \d+/-?\d+/\d+/\d+/\d+ 200 \d+ - - ---- '
        r'\d+/\d+/\d+/\d+/\d+ \d+/\d+ (\{.*\} )*'
        r'"GET /for-the-log HTTP/1\.1"$', line), '%s', line)


main()
