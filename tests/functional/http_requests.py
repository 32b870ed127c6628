#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""HTTP requests on their way: each routed by itself, answered in order, and
nothing that two parties could read in two ways ever reaches a server."""

import random
import time

from lib import (Durward, Gate, HttpClient, HttpServer, check, connect, equal,
                 main, ok, read_all, shared, wait_for)
from lib.clients import _parse_response

CONF = '''
listener "http" { bind = {"127.0.0.1:@http@"} protocol = "http" }
listener "open" { bind = {"127.0.0.1:@open@"} protocol = "http"
                  default = "one.ingress" }
cluster "one" { service "ingress" { listeners = {"http"} hosts = {"*.one.test", "one.test"}
    servers = {"one=127.0.0.1:@one@"}  check { type = "none" } } }
cluster "two" { service "ingress" { listeners = {"http"} hosts = {"*.two.test"}
    servers = {"two=127.0.0.1:@two@"}  check { type = "none" } } }
cluster "three" { service "ingress" { listeners = {"http"} hosts = {"*.three.test"}
    servers = {"three=127.0.0.1:@three@"}  check { type = "none" } } }
'''.replace('listeners = {"http"} hosts = {"*.one.test"',
            'listeners = {"http", "open"} hosts = {"*.one.test"')


@shared
def world():
    servers = {n: HttpServer(n) for n in ('one', 'two', 'three')}
    daemon = Durward(CONF, **{n: s.port for n, s in servers.items()})
    return daemon, servers


def start(answer=None):
    """A daemon and three servers for one case; `one` answers by a script."""
    one = HttpServer('one', answer)
    two, three = HttpServer('two'), HttpServer('three')
    daemon = Durward(CONF, one=one.port, two=two.port, three=three.port)
    return daemon, one, two


def request(host, target='/', extra=''):
    return ('GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n' % (target, host, extra)
            ).encode()


def test_one_connection_three_clusters():
    daemon, servers = world()
    with HttpClient(daemon.port('http')) as c:
        for i in range(30):
            name = ('one', 'two', 'three')[(i * 7 + i // 3) % 3]
            a = c.get('x%d.%s.test' % (i, name), '/%d' % i)
            equal((a.status, a.body), (200, ('%s /%d' % (name, i)).encode()))
            equal(servers[name].requests[-1].field('x-forwarded-for'),
                  ['127.0.0.1'], 'X-Forwarded-For of request %d' % i)


def test_an_unknown_host_in_between():
    daemon, _ = world()
    with HttpClient(daemon.port('http')) as c:
        for _ in range(2):
            equal(c.get('a.one.test').status, 200)
            a = c.get('nobody.test')
            equal((a.status, a.field('connection')), (404, []))
        equal(c.get('a.two.test').status, 200)


def test_pipelining_slow_first():
    gate = Gate()

    def answer(r, c):
        if r.target == '/slow':
            gate.wait()
        return ok(b'one ' + r.target.encode())
    daemon, one, two = start(answer)
    with HttpClient(daemon.port('http')) as c:
        c.send(request('a.one.test', '/slow') + request('a.two.test', '/fast') +
               request('nobody.test') + request('a.one.test', '/last'))
        wait_for(lambda: one.requests, what='the slow request')
        equal(two.targets(), [], 'sent on before the first was answered')
        gate.open()
        got = [c.answer() for _ in range(4)]
    equal([a.status for a in got], [200, 200, 404, 200])
    equal([got[0].body, got[1].body, got[3].body],
          [b'one /slow', b'two /fast', b'one /last'])


def test_pipelining_many_with_bodies():
    daemon, one, _ = start(lambda r, c: ok(r.target.encode() + b'=' + r.body))
    rng = random.Random(7)
    data, want = b'', []
    for i in range(60):
        body = bytes(rng.randrange(256) for _ in range(rng.choice(
            (0, 1, 17, 900, 5000))))
        head = b'POST /%d HTTP/1.1\r\nHost: a.one.test\r\n' % i
        if i % 2:
            data += head + b'Content-Length: %d\r\n\r\n' % len(body) + body
        else:
            data += head + b'Transfer-Encoding: chunked\r\n\r\n' + (
                b'%x\r\n' % len(body) + body + b'\r\n' if body else b'') + \
                b'0\r\n\r\n'
        want.append(b'/%d=' % i + body)
    with HttpClient(daemon.port('http')) as c:
        from threading import Thread
        t = Thread(target=c.send, args=(data,), daemon=True)
        t.start()
        for i, body in enumerate(want):
            equal(c.answer().body, body, 'answer %d' % i)
        t.join(5)
    equal(one.errors, [])


def test_forwarded_for_is_one_field_on_every_request():
    daemon, servers = world()
    one = servers['one']
    with HttpClient(daemon.port('http'), source='127.0.0.77') as c:
        for extra, want in (
                ('', '127.0.0.77'),
                ('X-Forwarded-For: 192.0.2.1\r\n', '192.0.2.1, 127.0.0.77'),
                ('x-forwarded-for: 192.0.2.1\r\nX-FORWARDED-FOR: ::1\r\n',
                 '192.0.2.1, ::1, 127.0.0.77'),
                ('X-Forwarded-For:\r\n', '127.0.0.77'),
                ('Connection: X-Forwarded-For\r\nX-Forwarded-For: 192.0.2.9\r\n',
                 '192.0.2.9, 127.0.0.77')):
            equal(c.get('a.one.test', extra=extra).status, 200)
            equal(one.requests[-1].field('x-forwarded-for'), [want], extra)


def test_hop_by_hop_fields_end_here():
    daemon, servers = world()
    with HttpClient(daemon.port('http')) as c:
        a = c.get('a.one.test', extra='Connection: keep-alive, X-Foo, x-bar\r\n'
                  'X-Foo: secret\r\nX-Bar: secret\r\nKeep-Alive: timeout=5\r\n'
                  'Proxy-Connection: keep-alive\r\nTE: gzip\r\nX-Stays: 1\r\n'
                  'Upgrade: websocket\r\n')
        equal(a.status, 200)
    got = servers['one'].requests[-1]
    for name in ('x-foo', 'x-bar', 'keep-alive', 'proxy-connection', 'te',
                 'upgrade', 'connection'):
        equal(got.field(name), [], name)
    equal(got.field('x-stays'), ['1'])


def test_hop_by_hop_fields_of_answers_too():
    daemon, _, _ = start(lambda r, c: ok(
        b'x', 'Connection: X-Inner\r\nX-Inner: secret\r\nKeep-Alive: '
        'timeout=5\r\nX-Stays: 1\r\n'))
    with HttpClient(daemon.port('http')) as c:
        for _ in range(2):
            a = c.get('a.one.test')
            equal([a.field(n) for n in ('connection', 'x-inner', 'keep-alive',
                                        'x-stays')], [[], [], [], ['1']])


def test_absolute_form():
    daemon, servers = world()
    with HttpClient(daemon.port('http')) as c:
        for target, want in (('http://a.one.test/p?q', '/p?q'),
                             ('HTTP://A.One.Test:80/x', '/x'),
                             ('http://a.one.test', '/'),
                             ('http://a.one.test?q', '/?q')):
            host = target[7:].partition('/')[0].partition('?')[0]
            a = c.get(host, target)
            equal((a.status, a.body), (200, b'one ' + want.encode()), target)
            equal(len(servers['one'].requests[-1].field('host')), 1)
        a = c.get('a.two.test', 'http://a.two.test/y')
        equal(a.body, b'two /y')
    # another Host than the authority: never both readings at once
    data = request('a.two.test', 'http://a.one.test/z',
                   'Connection: close\r\n')
    with connect(daemon.port('http')) as s:
        s.sendall(data)
        status, _, body = _parse_response(read_all(s))
    check(status == 400 or body == b'one /z', '%r %r', status, body)
    check('/z' not in servers['two'].targets(), 'the Host field won')


# Each is a whole request whose Host is good; none may reach a server, not
# even in part, and none of what is smuggled in it.
INNER = b'GET /smuggled HTTP/1.1\r\nHost: a.two.test\r\n\r\n'
POST = b'POST /outer HTTP/1.1\r\nHost: a.one.test\r\n'
BAD_HEADS = {
    'length and chunked': POST + b'Content-Length: 4\r\nTransfer-Encoding: '
    b'chunked\r\n\r\n0\r\n\r\n' + INNER,
    'chunked and length': POST + b'Transfer-Encoding: chunked\r\n'
    b'Content-Length: 60\r\n\r\n0\r\n\r\n' + INNER,
    'two lengths': POST + b'Content-Length: 0\r\nContent-Length: 60\r\n\r\n' +
    INNER,
    'a list of lengths': POST + b'Content-Length: 0, 60\r\n\r\n' + INNER,
    'a signed length': POST + b'Content-Length: +0\r\n\r\n' + INNER,
    'a negative length': POST + b'Content-Length: -1\r\n\r\n' + INNER,
    'a hex length': POST + b'Content-Length: 0x10\r\n\r\n' + INNER,
    'no length at all': POST + b'Content-Length:\r\n\r\n' + INNER,
    'a length past 64 bits': POST + b'Content-Length: 18446744073709551616'
    b'\r\n\r\n' + INNER,
    'chunked twice': POST + b'Transfer-Encoding: chunked\r\nTransfer-Encoding:'
    b' chunked\r\n\r\n0\r\n\r\n' + INNER,
    'chunked, then identity': POST + b'Transfer-Encoding: chunked, identity'
    b'\r\n\r\n0\r\n\r\n' + INNER,
    'gzip and chunked': POST + b'Transfer-Encoding: gzip, chunked\r\n\r\n'
    b'0\r\n\r\n' + INNER,
    'xchunked': POST + b'Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n' + INNER,
    'a vertical tab before chunked': POST + b'Transfer-Encoding: \x0bchunked'
    b'\r\n\r\n0\r\n\r\n' + INNER,
    'a space before the colon': POST + b'Transfer-Encoding : chunked\r\n\r\n'
    b'0\r\n\r\n' + INNER,
    'a folded coding': POST + b'Transfer-Encoding:\r\n chunked\r\n\r\n'
    b'0\r\n\r\n' + INNER,
    'a folded field': POST + b'X: a\r\n b\r\n\r\n' + INNER,
    'a line of white space': POST + b'X: a\r\n \r\n\r\n' + INNER,
    'a bare CR in a value': POST + b'X: a\rTransfer-Encoding: chunked\r\n\r\n' +
    INNER,
    'a bare LF in the head': POST + b'X: a\nTransfer-Encoding: chunked\r\n\r\n' +
    INNER,
    'bare LF all over': POST.replace(b'\r\n', b'\n') + b'\n' + INNER,
    'CR CR LF': POST + b'X: a\r\r\n\r\n' + INNER,
    'a NUL in a value': POST + b'X: a\0b\r\n\r\n' + INNER,
    'a NUL in a name': POST + b'X\0: a\r\n\r\n' + INNER,
    'Host twice': POST + b'Host: a.two.test\r\n\r\n' + INNER,
    'Connection names Host': POST + b'Connection: Host\r\n\r\n' + INNER,
    'Connection names the length': POST + b'Connection: Content-Length\r\n'
    b'Content-Length: 3\r\n\r\nabc' + INNER,
    'Connection names the coding': POST + b'Connection: Transfer-Encoding\r\n'
    b'Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n' + INNER,
    'chunked in 1.0': POST.replace(b'1.1', b'1.0') +
    b'Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n' + INNER,
    'a space in the target': b'GET /outer /x HTTP/1.1\r\nHost: a.one.test\r\n'
    b'\r\n' + INNER,
    'a tab for a space': b'GET\t/outer HTTP/1.1\r\nHost: a.one.test\r\n\r\n' +
    INNER,
    'CONNECT': b'CONNECT a.one.test:80 HTTP/1.1\r\nHost: a.one.test\r\n\r\n' +
    INNER,
}

CHUNKED = POST + b'Transfer-Encoding: chunked\r\n\r\n'
BAD_CHUNKS = {
    'a sign': b'+3\r\nabc\r\n0\r\n\r\n',
    '0x': b'0x3\r\nabc\r\n0\r\n\r\n',
    'a space after the size': b'3 \r\nabc\r\n0\r\n\r\n',
    'a space before the size': b' 3\r\nabc\r\n0\r\n\r\n',
    'no size': b'\r\nabc\r\n0\r\n\r\n',
    'a bare LF after the size': b'3\nabc\r\n0\r\n\r\n',
    'a bare LF after the data': b'3\r\nabc\n0\r\n\r\n',
    'data too long': b'3\r\nabcdef\r\n0\r\n\r\n',
    'a size past 64 bits': b'10000000000000003\r\nabc\r\n0\r\n\r\n',
    'a size past 63 bits': b'ffffffffffffffff\r\nabc\r\n0\r\n\r\n',
    'an LF in an extension': b'3;a\nb\r\nabc\r\n0\r\n\r\n',
    'a CR in an extension': b'3;a\rb\r\nabc\r\n0\r\n\r\n',
    'a NUL in an extension': b'3;a=\0\r\nabc\r\n0\r\n\r\n',
    'a coding among the trailers': b'0\r\nTransfer-Encoding: chunked\r\n\r\n',
    'a length among the trailers': b'0\r\nContent-Length: 5\r\n\r\n',
    'a Host among the trailers': b'0\r\nHost: a.two.test\r\n\r\n',
    'a folded trailer': b'0\r\nX: a\r\n b\r\n\r\n',
    'a bare LF among the trailers': b'0\r\nX: a\n\r\n',
}


def refused(daemon, data, what, in_two=0):
    with connect(daemon.port('http')) as s:
        try:
            s.sendall(data[:in_two] if in_two else data)
            if in_two:
                time.sleep(0.02)        # two reads, not one; either may win
                s.sendall(data[in_two:])
        except ConnectionError:
            pass
        got = read_all(s)
    status, fields, _ = _parse_response(got)
    equal(status, 400, what)
    equal(got.count(b'HTTP/1.1 '), 1, 'answers for ' + what)
    equal(fields.get('connection'), ['close'], what)


def test_nothing_ambiguous_reaches_a_server():
    daemon, one, two = start()
    for what, data in BAD_HEADS.items():
        refused(daemon, data, what)
        equal((one.bytes(), two.bytes()), (b'', b''), 'sent on: ' + what)
    with HttpClient(daemon.port('http')) as c:
        equal(c.get('a.one.test').status, 200)


def test_chunk_tricks():
    daemon, one, two = start()
    for what, body in BAD_CHUNKS.items():
        refused(daemon, CHUNKED + body + INNER, what)
        refused(daemon, CHUNKED + body + INNER, what, len(CHUNKED))
    equal([two.bytes(), one.targets(), [r for r in one.requests]],
          [b'', [], []], 'requests that came whole')
    check(b'smuggled' not in one.bytes(), 'bytes behind the body went along')
    # what did begin was cut off, not completed
    for c in one.clients():
        check(c.received.count(b'HTTP/1.1\r\n') == 1 and
              not c.received.endswith(b'\r\n0\r\n\r\n'), '%r', c.received)


def test_the_same_after_a_good_request():
    """Found out in mid-connection, the answer is 400 and then the end."""
    daemon, one, two = start()
    for what in ('length and chunked', 'two lengths', 'a folded field',
                 'a NUL in a value'):
        with HttpClient(daemon.port('http')) as c:
            c.send(request('a.one.test', '/good') + BAD_HEADS[what])
            equal((c.answer().status, c.answer().status), (200, 400), what)
            check(c.ended(), 'more after the 400 for %s', what)
    equal(set(one.targets()), {'/good'})
    equal(two.bytes(), b'')


def test_what_comes_is_written_afresh():
    """Odd but clear: normal when it gets to the server."""
    daemon, one, _ = start()
    with HttpClient(daemon.port('http')) as c:
        c.send(b'\r\n\r\nPOST /a HTTP/1.1\r\nhOsT:\t a.one.test \t\r\n'
               b'Content-Length: 0005\r\nX:\r\n\r\nhello')
        equal(c.answer().status, 200)
        c.send(b'POST /b HTTP/1.1\r\nHost: a.one.test\r\n'
               b'Transfer-Encoding: CHUNKED\r\n\r\n5\r\nhello\r\n0\r\n\r\n')
        equal(c.answer().status, 200)
    first, second = one.requests
    equal((first.field('content-length'), first.body), (['5'], b'hello'))
    equal((first.raw[:4], first.field('host')), (b'POST', ['a.one.test']))
    equal((second.field('transfer-encoding')[0].lower(), second.body),
          ('chunked', b'hello'))


def test_a_host_that_cannot_be_is_400():
    daemon, servers = world()
    for port in ('http', 'open'):
        for host in ('a..b', '.one.test', 'a' * 300 + '.one.test',
                     'a' * 64 + '.one.test', '.'.join(['abcdefg'] * 40),
                     '[::1', '[1.2.3.4]', 'a.one.test:99999', 'a%2eone.test',
                     'a.one.test:80:80'):
            with connect(daemon.port(port)) as s:
                s.sendall(request(host, '/bad-host'))
                status, fields, _ = _parse_response(read_all(s))
            equal((status, fields.get('connection')), (400, ['close']), host)
    for s in servers.values():
        check('/bad-host' not in s.targets(), 'it got to %s', s.name)


def test_asterisk_form():
    daemon, servers = world()
    with HttpClient(daemon.port('http')) as c:
        equal(c.get('a.one.test', '*', method='OPTIONS').status, 200)
        equal(servers['one'].requests[-1].first, b'OPTIONS * HTTP/1.1')


def test_clients_of_http_1_0():
    daemon, servers = world()
    one = servers['one']
    with HttpClient(daemon.port('http')) as c:
        a = c.get('a.one.test', version='1.0')
        equal((a.status, a.field('connection')), (200, ['close']))
        check(c.ended(), 'a connection of 1.0 stayed')
    equal(one.requests[-1].first, b'GET / HTTP/1.0')
    with HttpClient(daemon.port('http')) as c:
        for i in range(3):
            a = c.get('a.one.test', '/%d' % i, 'Connection: keep-alive\r\n',
                      version='1.0')
            equal((a.status, [v.lower() for v in a.field('connection')]),
                  (200, ['keep-alive']))
        c.send(b'GET / HTTP/1.0\r\n\r\n')       # nobody named, no default
        equal(c.answer().status, 404)
        check(c.ended(), 'it stayed')


def test_1_0_gets_neither_chunks_nor_interim_answers():
    def answer(r, c):
        if r.target == '/chunked':
            return b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n' \
                   b'5\r\nhello\r\n0\r\n\r\n'
        return b'HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n' + ok(b'hello')
    daemon, _, _ = start(answer)
    with HttpClient(daemon.port('http')) as c:
        a = c.get('a.one.test', '/chunked', version='1.0')
        equal(a.field('transfer-encoding'), [])
        check(a.status == 502 or a.body == b'hello', '%r', a.raw)
    with HttpClient(daemon.port('http')) as c:
        a = c.get('a.one.test', '/hints', version='1.0')
        equal((a.status, a.body), (200, b'hello'))


def test_servers_of_http_1_0():
    def answer(r, c):
        if r.target == '/length':
            c.sock.sendall(b'HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello')
        else:
            c.sock.sendall(b'HTTP/1.0 200 OK\r\n\r\nhello')
        return None
    daemon, one, _ = start(answer)
    with HttpClient(daemon.port('http')) as c:
        for _ in range(3):
            a = c.get('a.one.test', '/length')
            equal((a.status, a.body, a.field('connection')),
                  (200, b'hello', []))
            check(a.first.startswith(b'HTTP/1.1 '), '%r', a.first)
        a = c.get('a.one.test', '/close')
        equal((a.status, a.body, a.field('connection')),
              (200, b'hello', ['close']))
    equal(len(one.clients()), 4, 'connections to a server that keeps none')


main()
