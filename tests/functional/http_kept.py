#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Connections to HTTP servers: kept, used again, never a client's trouble."""

import os
import signal
import socket
import time

from lib import (Durward, Gate, HttpClient, HttpServer, ProxyBackend, check,
                 equal, main, ok, own, wait_for)

CONF = '''
drain-timeout = "20s"
listener "http" { bind = {"127.0.0.1:@http@"} protocol = "http"
    timeouts { keep-alive = "@keep@" } }
cluster "one" {
    service "ingress" { listeners = {"http"} hosts = {"one.test"}
        servers = {"one=127.0.0.1:@server@"}  check { type = "none" }
        retries = 0 }
    service "two" { listeners = {"http"} hosts = {"two.test"}
        servers = {"two=127.0.0.1:@server@"}  check { type = "none" } }
}
'''


def start(answer=None, keep='10s', conf=CONF):
    server = HttpServer('one', answer)
    return Durward(conf, server=server.port, keep=keep), server


def client(daemon):
    return own(HttpClient(daemon.port('http')))


def wait_gone(server):
    wait_for(lambda: all(c.done.is_set() for c in server.clients()), 5,
             'the server to have closed')


def test_one_connection_for_many_requests():
    daemon, server = start()
    c = client(daemon)
    for i in range(50):
        equal(c.get('one.test', '/%d' % i).body, b'one /%d' % i)
    equal(len(server.clients()), 1, 'connections')
    row, = [r for r in daemon.json('status') if r['backend'] ==
            'one.ingress.http']
    equal(row['current'], 0, 'current: a kept connection is nobody\'s')


def test_the_next_client_gets_it_too():
    daemon, server = start()
    for i in range(100):
        with HttpClient(daemon.port('http')) as c:
            equal(c.get('one.test').status, 200)
    check(len(server.clients()) <= 30, '%d connections for 100 clients',
          len(server.clients()))


def test_closed_meanwhile_is_no_error():
    """After each answer the server closes without a word of it."""
    closing = []

    def answer(r, c):
        c.sock.sendall(ok(r.first.split()[0] + b' ' + r.body))
        closing.append(c)
        return None
    daemon, server = start(answer)
    c = client(daemon)
    for method, body in (('GET', b''), ('POST', b'abc'), ('GET', b''),
                         ('PUT', b'xyz'), ('DELETE', b''), ('POST', b''),
                         ('PATCH', b'q'), ('GET', b'with a body')) * 3:
        wait_gone(server)
        c.send(('%s / HTTP/1.1\r\nHost: one.test\r\n' % method).encode() + (
            b'Content-Length: %d\r\n\r\n' % len(body) + body
            if body or method == 'POST' else b'\r\n'))
        a = c.answer()
        equal((a.status, a.body), (200, method.encode() + b' ' + body), method)
    equal(len(server.clients()), 24, 'requests came once each')


def test_closed_on_the_next_request():
    """The server closes when a second request comes, as if they had crossed:
    what can be repeated is, once."""
    def answer(r, c):
        c.count = getattr(c, 'count', 0) + 1
        if c.count == 1:
            return ok(r.first.split()[0] + b' ' + r.body)
        c.abort() if r.target == '/reset' else None
        return None
    daemon, server = start(answer)
    c = client(daemon)
    equal(c.get('one.test').status, 200)
    for target in ('/', '/reset'):
        for method, body in (('GET', b''), ('HEAD', b''), ('OPTIONS', b''),
                             ('PUT', b'xyz'), ('DELETE', b'')):
            c.send(('%s %s HTTP/1.1\r\nHost: one.test\r\n' % (
                method, target)).encode() + (
                b'Content-Length: %d\r\n\r\n' % len(body) + body if body
                else b'\r\n'))
            a = c.answer(method == 'HEAD')
            equal(a.status, 200, method + ' ' + target)
            if method != 'HEAD':
                equal(a.body, method.encode() + b' ' + body)


def test_what_cannot_be_repeated_never_crosses_a_close():
    """So it takes no connection that was kept, for the server closes each at
    the second request; and each comes once."""
    def answer(r, c):
        c.count = getattr(c, 'count', 0) + 1
        if c.count == 1:
            return ok(r.first.split()[0] + b' ' + r.body)
        return None
    daemon, server = start(answer)
    c = client(daemon)
    big = os.urandom(100000)
    for method, body in (('GET', b''), ('POST', b'abc'), ('POST', b''),
                         ('PATCH', b'q'), ('LOCK', b''), ('PUT', big),
                         ('GET', b''), ('POST', big)):
        before = len(server.requests)
        c.send(('%s / HTTP/1.1\r\nHost: one.test\r\nContent-Length: %d\r\n\r\n'
                % (method, len(body))).encode() + body)
        a = c.answer()
        equal((a.status, a.body), (200, method.encode() + b' ' + body), method)
        if method != 'GET':
            equal(len(server.requests) - before, 1, method + ' came')


def test_one_kept_connection_a_server():
    """However many requests took a fresh one; the others are over at once."""
    daemon, server = start()
    c = client(daemon)
    for i in range(20):
        equal(c.get('one.test', extra='Content-Length: 0\r\n',
                    method='POST').status, 200)
    equal(len(server.clients()), 20)
    wait_for(lambda: len([c for c in server.clients()
                          if not c.done.is_set()]) == 1, 5,
             'all but one to be closed')
    equal(c.get('one.test').status, 200)
    equal(len(server.clients()), 20, 'the GET took the kept one')


def test_the_second_try_finds_no_server():
    """One answer, 503; and the connection is good for the next request."""
    def answer(r, c):
        c.count = getattr(c, 'count', 0) + 1
        if c.count == 1:
            return ok(b'first')
        server.stop(abort=False)        # nobody listens any more
        return None
    daemon, server = start(answer)
    c = client(daemon)
    equal(c.get('one.test').status, 200)
    equal(c.get('one.test').status, 503)
    equal(c.get('nobody.test').status, 404, 'the next answer')
    server.start()
    equal(c.get('one.test').body, b'first')


def test_an_answer_nobody_asked_for():
    """Behind a good one, at once or later: never the next one's."""
    gate = Gate()

    def answer(r, c):
        if r.target == '/at-once':
            return ok(b'good') + ok(b'evil')
        if r.target == '/later':
            c.sock.sendall(ok(b'good'))
            gate.wait()
            c.sock.sendall(ok(b'evil'))
            late.append(c)
            return b''
        return ok(b'good')
    late = []
    daemon, server = start(answer)
    for method in ('GET', 'POST'):
        for target in ('/at-once', '/later'):
            c = client(daemon)
            gate.event.clear()
            del late[:]
            equal(c.get('one.test', target).body, b'good')
            if target == '/later':
                gate.open()
                wait_for(lambda: late, 5, 'the late answer')
                time.sleep(0.02)        # over the loopback
            for _ in range(3):
                a = c.get('one.test', '/next', 'Content-Length: 0\r\n',
                          method=method)
                equal((a.status, a.body), (200, b'good'), target)
            c.close()


def login(scheme):
    """A server that logs a connection in by two steps, as IIS does."""
    def answer(r, c):
        given = ''.join(r.field('Authorization'))
        if given == scheme + ' two':
            c.user = 'alice'
        if getattr(c, 'user', None):
            return ok(c.user.encode() + b' ' + r.first.split()[0] + b' ' + r.body)
        challenge = b' challenge' if given == scheme + ' one' else b''
        return b'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm="x", ' + \
            scheme.encode() + challenge + b'\r\nContent-Length: 0\r\n\r\n'
    return answer


def test_a_login_of_the_connection_is_its_clients_alone():
    for scheme in ('NTLM', 'Negotiate', 'negotiate'):
        daemon, _ = start(login(scheme))
        alice = client(daemon)
        for step, status in (('', 401), ('one', 401), ('two', 200)):
            extra = 'Authorization: %s %s\r\n' % (scheme, step) if step else ''
            equal(alice.get('one.test', '/', extra).status, status, scheme + ' ' + step)
        # hers it stays, also for what must not be sent twice
        equal(alice.get('one.test').body, b'alice GET ')
        equal(alice.get('one.test', extra='Content-Length: 0\r\n',
                        method='POST').body, b'alice POST ')
        equal(alice.get('one.test').body, b'alice GET ')
        alice.close()
        for _ in range(30):
            with HttpClient(daemon.port('http')) as c:
                equal(c.get('one.test').status, 401, 'one without a login')


def test_the_keep_alive_timeout_is_kept():
    """Also where it is no multiple of how often the worker looks around."""
    daemon, _ = start(keep='3s')
    c = client(daemon)
    equal(c.get('one.test').status, 200)
    begin = time.monotonic()
    equal(c.s.recv(1), b'')
    took = time.monotonic() - begin
    check(2.9 < took < 4.7, 'closed after %.1f s', took)


def test_bytes_behind_answers_without_a_body():
    def answer(r, c):
        if r.target == '/204':
            return b'HTTP/1.1 204 No Content\r\n\r\nevil'
        if r.target == '/304':
            return b'HTTP/1.1 304 Not Modified\r\n\r\n' + ok(b'evil')
        if r.first.startswith(b'HEAD'):
            return ok(b'evil, a body for HEAD')
        return ok(b'good')
    daemon, _ = start(answer)
    c = client(daemon)
    for target, method in (('/204', 'GET'), ('/304', 'GET'), ('/', 'HEAD')):
        a = c.get('one.test', target, method=method)
        equal(a.body, b'')
        equal(c.get('one.test', '/next').body, b'good', 'after ' + target)


def test_kept_ones_go_in_time():
    daemon, server = start(keep='15s')
    with HttpClient(daemon.port('http')) as c:
        equal(c.get('one.test').status, 200)
    begun = time.monotonic()
    wait_gone_in(server, 9)
    check(time.monotonic() - begun > 2, 'gone after %.1f s already',
          time.monotonic() - begun)
    # also while the client's own connection stays
    c = client(daemon)
    equal(c.get('one.test').status, 200)
    wait_gone_in(server, 9)
    equal(c.get('one.test').status, 200, 'the client after that')


def wait_gone_in(server, limit):
    wait_for(lambda: all(c.done.is_set() for c in server.clients()), limit,
             'kept connections to be closed')


def test_a_connection_with_a_proxy_header_is_one_clients():
    class Server(ProxyBackend):
        def serve(self, c):
            data = b''
            while b'\r\n\r\n' not in data:
                data += c.recv()
            rest = self._parse(c, data)
            while rest:
                c.sock.sendall(ok(str(c.proxy[1]).encode()))
                rest = c.recv()
    server = Server('one')
    daemon = Durward(CONF.replace('retries = 0', 'send-proxy = "v1"'),
                     server=server.port, keep='10s')
    for i in range(5):
        for _ in range(2):
            with HttpClient(daemon.port('http'), source='127.0.0.%d' % (
                    i + 11)) as c:
                for _ in range(3):
                    equal(c.get('one.test').body, b'127.0.0.%d' % (i + 11))
    equal(len(server.clients()), 10, 'one for all requests of a client')


def test_a_client_that_does_not_close_holds_no_server():
    """Its answer was large, so we wait for its close; its server is free, and its
    line is written."""
    daemon, server = start(lambda r, c: ok(b'x' * 20000), keep='1h')
    c = client(daemon)
    equal(c.get('one.test', extra='Connection: close\r\n').status, 200)
    wait_for(lambda: daemon.log_lines(r' 200 \d+ - - ---- '), 0.8, 'the line')
    wait_for(lambda: daemon.json('status')[0]['current'] == 0, 0.8, 'the server to be free')
    equal(c.s.recv(1), b'', 'the end')


def test_durwardctl_shows_a_connection_not_a_request():
    """Its bytes are of all requests, and it is idle since the last of them."""
    gate = Gate()

    def answer(r, c):
        if r.target == '/slow':
            gate.wait()
        return ok(b'x' * 1000)
    daemon, server = start(answer, keep='1h')
    c = client(daemon)
    size = len(c.get('one.test').raw)

    def row():
        return daemon.json('connections')[0]
    wait_for(lambda: row()['bytes_out'] == size, 10, 'the bytes of the first answer')
    first = row()['bytes_in']
    check(first > 30, 'the head counts: %d', first)
    wait_for(lambda: row()['idle'] >= 1, 10, 'it to be idle')
    c.send(b'GET /slow HTTP/1.1\r\nHost: one.test\r\n\r\n')
    wait_for(lambda: '/slow' in server.targets(), 10, 'the second request')
    now = row()
    equal((now['idle'], now['bytes_out']), (0, size))
    check(now['bytes_in'] > first, 'the second head does not count')
    gate.open()
    c.answer()
    wait_for(lambda: row()['bytes_out'] == 2 * size, 10, 'both answers')


def test_a_reload_says_close_with_the_next_answer():
    daemon, server = start()
    idle, busy = client(daemon), client(daemon)
    equal(idle.get('one.test').field('connection'), [])
    equal(busy.get('one.test').field('connection'), [])
    run = daemon.ctl('reload')
    equal(run.returncode, 0, run.stderr)
    for c in (idle, busy):
        a = c.get('one.test', method='POST', extra='Content-Length: 0\r\n')
        equal((a.status, a.field('connection')), (200, ['close']))
        check(c.ended(), 'it stayed')
    # an older worker may have taken one more in before it was told
    wait_for(lambda: client(daemon).get('one.test').field('connection') == [],
             10, 'the new generation')


def test_after_a_reload_with_hup():
    daemon, _ = start()
    c = client(daemon)
    equal(c.get('one.test').status, 200)
    daemon.signal(signal.SIGHUP)
    wait_for(lambda: client(daemon).get('one.test').status == 200 and
             daemon.log_lines(r'(?i)reload|configuration'), 10, 'the reload')

    def closing():
        other = client(daemon)
        return other.get('one.test').field('connection') == []
    wait_for(closing, 10, 'the new generation')
    a = c.get('one.test')
    equal((a.status, a.field('connection')), (200, ['close']))


def test_a_drain_ends_idle_ones():
    gate = Gate()

    def answer(r, c):
        if r.target == '/slow':
            gate.wait()
        return ok(b'good')
    daemon, server = start(answer, keep='15s')
    idle, busy = client(daemon), client(daemon)
    equal(idle.get('one.test').status, 200)
    busy.send(b'GET /slow HTTP/1.1\r\nHost: one.test\r\n\r\n')
    wait_for(lambda: '/slow' in server.targets(), 5, 'the slow request')
    daemon.signal(signal.SIGQUIT)
    check(idle.ended(), 'the idle one stayed')
    gate.open()
    a = busy.answer()
    equal((a.status, a.field('connection')), (200, ['close']))
    equal(daemon.wait_end(10), 0)


def test_a_worker_that_is_killed_in_a_request():
    """TERM to one worker ends that client alone."""
    gate = Gate()

    def answer(r, c):
        if r.target == '/slow':
            gate.wait()
        return ok(b'good')
    daemon, server = start(answer)
    other, c = client(daemon), client(daemon)
    equal(other.get('one.test').status, 200)
    c.send(b'GET /slow HTTP/1.1\r\nHost: one.test\r\n\r\n')
    wait_for(lambda: '/slow' in server.targets(), 5, 'the slow request')
    row, = [r for r in daemon.json('connections')
            if r['client'].endswith(':%d' % c.s.getsockname()[1])]
    equal(daemon.ctl('kill', str(row['pid'])).returncode, 0)
    check(c.ended(), 'it had an answer')
    equal(other.get('one.test').status, 200)
    gate.open()
    daemon.wait_log(r' -1 \d+ - - KH-- ')


main()
