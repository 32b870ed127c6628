#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Which server: balance, weights, backups, and what an operator says."""

import os
import signal
import threading

from lib import (ALERT_INTERNAL_ERROR, Durward, EchoBackend, Gate, HttpBackend,
                 HttpClient, HttpServer, alert, ask, check, connect, equal,
                 exchange, http_request, main, need_ipv6, ok, read_all,
                 read_until, run_durward, simple_hello, title, wait_for,
                 write_conf)
from lib.backends import field

NAME = 'www.example.org'
BACKEND = 'one.ingress.https'

CONF = '''
listener "https" { bind = {"127.0.0.1:@https@"} protocol = "tls"
                   check { type = "tcp" interval = "100ms" timeout = "1s" } }
cluster "one" {
    service "ingress" {
        listeners = {"https"}
        hosts     = {"www.example.org"}
        @servers@
        @service@
    }
}
'''

SOURCES = ['127.0.2.%d' % i for i in range(1, 31)]


def start(servers, service='', lines=None):
    lines = lines or ['server "%s" { address = "%s" }' % (s.name, s.where)
                      for s in servers]
    return Durward(CONF, servers='\n        '.join(lines), service=service)


def opened(daemon, source=None):
    hello = simple_hello(NAME)
    s = connect(daemon.port('https'), source=source)
    equal(exchange(s, hello, len(hello)), hello)
    return s


def visits(daemon, servers, count, source=None):
    """How many of count clients each server got."""
    before = [len(s.clients()) for s in servers]
    for i in range(count):
        opened(daemon, source or SOURCES[i % len(SOURCES)]).close()
    return [len(s.clients()) - b for s, b in zip(servers, before)]


def abc():
    return [EchoBackend(n) for n in 'abc']


def test_source_is_faithful():
    servers = abc()
    daemon = start(servers)
    for source in SOURCES[:6]:
        got = visits(daemon, servers, 5, source)
        equal(sorted(got), [0, 0, 5], 'servers of one source')


def test_host_is_faithful():
    servers = abc()
    daemon = start(servers, service='balance = "host"')
    equal(sorted(visits(daemon, servers, 20)), [0, 0, 20])


def test_roundrobin_is_exact_across_workers():
    servers = abc()
    daemon = start(servers, service='balance = "roundrobin"')
    equal(visits(daemon, servers, 60), [20, 20, 20])


def test_leastconn_fills_up_evenly():
    servers = abc()
    daemon = start(servers, service='balance = "leastconn"')
    held = [opened(daemon) for _ in range(12)]
    equal([len(s.clients()) for s in servers], [4, 4, 4])
    for s in held:
        s.close()


def test_weight_0_gets_nobody():
    servers = abc()
    lines = ['server "%s" { address = "%s" weight = %d }' %
             (s.name, s.where, w) for s, w in zip(servers, (1, 0, 1))]
    for balance in 'source', 'roundrobin', 'leastconn':
        daemon = start(servers, 'balance = "%s"' % balance, lines)
        got = visits(daemon, servers, 30)
        equal((got[1], sum(got)), (0, 30), balance)


def test_weights_share_in_proportion():
    """Of the addresses of a /16, 3:1 within 5 %; asked by -r's choice."""
    path = write_conf(CONF, servers='server "a" { address = "192.0.2.1" '
                      'weight = 3 } server "b" { address = "192.0.2.2" }',
                      service='')
    count = {'a': 0, 'b': 0}
    for i in range(200):
        run = run_durward('-c', path, '-r', 'https,%s,10.0.%d.%d' % (
            NAME, i, 7 * i % 256))
        count[run.stdout.strip().rpartition('/')[2]] += 1
    check(125 <= count['a'] <= 172, '%s, not about 150 to 50', count)


def test_backups_serve_when_no_other_is_up():
    main_one, backup = EchoBackend('main'), EchoBackend('spare')
    lines = ['server "main" { address = "%s" }' % main_one.where,
             'server "spare" { address = "%s" backup = true }' % backup.where]
    daemon = start([], lines=lines)
    equal(visits(daemon, [main_one, backup], 20), [20, 0])
    main_one.stop()
    daemon.wait_state(BACKEND, 'main', 'DOWN')
    equal(visits(daemon, [main_one, backup], 20), [0, 20])
    main_one.start()
    daemon.wait_state(BACKEND, 'main', 'UP')
    equal(visits(daemon, [main_one, backup], 20), [20, 0])


def test_drain_maint_ready():
    servers = abc()
    daemon = start(servers)
    held = {}
    for source in SOURCES:
        held[source] = opened(daemon, source)
    for verb, state in ('drain', 'DRAIN'), ('maint', 'MAINT'):
        run = daemon.ctl(verb, BACKEND + '/b')
        equal((run.returncode, run.stderr), (0, ''))
        check('1' in run.stdout, 'it does not say how many: %r', run.stdout)
        equal(daemon.server_state(BACKEND, 'b'), state)
        equal(visits(daemon, servers, 30)[1], 0, 'clients at b in ' + state)
    for s in held.values():
        equal(exchange(s, b'still', 5), b'still', 'what was open')
    run = daemon.ctl('reload')
    equal((run.returncode, run.stderr), (0, ''), 'a reload')
    equal(daemon.server_state(BACKEND, 'b'), 'MAINT', 'after a reload')
    equal(daemon.ctl('ready', '*/b').returncode, 0)
    daemon.wait_state(BACKEND, 'b', 'UP')
    check(visits(daemon, servers, 30)[1] > 0, 'b gets nobody again')
    equal(daemon.ctl('drain', 'nothing/*').returncode, 1, 'no match')


def test_maint_is_not_probed():
    servers = abc()
    daemon = start(servers)
    daemon.ctl('maint', '*/a')

    def quiet():
        before, other = [len(s.connections) for s in servers[:2]]
        wait_for(lambda: len(servers[1].connections) >= other + 5, 10,
                 'five probes of another server')
        return len(servers[0].connections) == before
    wait_for(quiet, 30, 'the probes to end')


def is_over(s):
    try:
        return read_all(s) == b''
    except ConnectionResetError:
        return True


def goes_down(daemon, server):
    server.stop(abort=False)
    daemon.wait_state(BACKEND, 'a', 'DOWN')


def goes_to_maint(daemon, server):
    equal(daemon.ctl('maint', '*/a').returncode, 0)
    daemon.wait_state(BACKEND, 'a', 'MAINT')


def is_drained(daemon, server):
    equal(daemon.ctl('drain', '*/a').returncode, 0)
    daemon.wait_state(BACKEND, 'a', 'DRAIN')


def test_on_down_close():
    """DOWN and MAINT end what is open at that server and at no other, with
    that reason; DRAIN does not."""
    for leaves, over in ((goes_down, True), (goes_to_maint, True),
                         (is_drained, False)):
        servers = abc()[:2]
        daemon = start(servers, 'on-down = "close" balance = "roundrobin"')
        held = [opened(daemon) for _ in range(4)]
        ports = [c.peer[1] for c in servers[0].clients()]
        equal([len(s.clients()) for s in servers], [2, 2])
        leaves(daemon, servers[0])
        if over:
            lines = daemon.wait_log(
                r'one\.ingress\.https/a \d+/\d+/\d+ \d+ DD \d+/', 2)
            equal(len(lines), 2)
            daemon.wait_log(r'ended 2 connections to %s/a' % BACKEND)
        equal([is_over(s) if over and i % 2 == 0 else
               exchange(s, b'still', 5) for i, s in enumerate(held)],
              [over or b'still', b'still'] * 2, leaves.__name__)
        for s in held:
            s.close()
        equal(len(ports), 2)
        if not over:
            daemon.wait_log(r'https/[ab] .* -- \d+/', 4)
        equal(len(daemon.log_lines(' DD ')), 2 if over else 0)


def test_on_down_keep():
    """The default: who is there may stay."""
    for leaves in goes_down, goes_to_maint:
        servers = abc()[:1]
        daemon = start(servers)
        s = opened(daemon)
        leaves(daemon, servers[0])
        equal(exchange(s, b'still', 5), b'still', leaves.__name__)
        s.close()
        daemon.wait_log(r'https/a \S+ \d+ -- \d+/')


HTTP = '''
listener "http" { bind = {"127.0.0.1:@http@"} protocol = "http"
                  balance = "roundrobin" }
cluster "one" {
    service "web" {
        listeners = {"http"}
        hosts     = {"www.example.org"}
        servers   = {@servers@}
        on-down   = "@down@"
        check { type = "tcp" interval = "100ms" timeout = "1s" }
    }
}
'''
WEB = 'one.web.http'


def start_http(servers, down='keep'):
    return Durward(HTTP, down=down, servers=', '.join(
        '"%s"' % s.entry for s in servers))


def test_a_drain_ends_keep_alives_politely():
    """The client's own goes on, at another server; the connection that was
    kept to the drained one is closed, and not with a reset; what it was just
    asked, it answers."""
    gate = Gate()

    def answer(r, c):
        if r.target == '/slow':
            gate.wait()
        return ok(b'a')
    servers = [HttpServer('a', answer), HttpServer('b', lambda r, c: ok(b'b'))]
    daemon = start_http(servers)
    with HttpClient(daemon.port('http')) as c, \
            HttpClient(daemon.port('http')) as slow:
        equal({c.get(NAME).body for _ in range(4)}, {b'a', b'b'})
        if c.get(NAME).body == b'a':
            c.get(NAME)
        slow.send(b'GET /slow HTTP/1.1\r\nHost: %s\r\n\r\n' % NAME.encode())
        wait_for(lambda: '/slow' in servers[0].targets(), 5, 'the slow one')
        equal(daemon.ctl('drain', WEB + '/a').returncode, 0)
        for _ in range(6):
            m = c.get(NAME)
            equal((m.body, m.field('connection')), (b'b', []))
        gate.open()
        m = slow.answer()
        equal((m.status, m.body, m.field('connection')), (200, b'a', []))
        equal(slow.get(NAME).body, b'b', 'the next request of that client')
        wait_for(lambda: all(x.done.is_set() for x in servers[0].clients()),
                 10, 'the kept connections to be closed')
        equal([x.reset for x in servers[0].clients()],
              [False] * len(servers[0].clients()), 'resets')
        equal(daemon.ctl('ready', WEB + '/a').returncode, 0)
        equal({c.get(NAME).body for _ in range(4)}, {b'a', b'b'})


def test_on_down_close_in_a_request():
    """Who waits for an answer is told; an answer that is under way is cut so
    that nobody takes the part for the whole.  The log has the reason."""
    gate = Gate()

    def answer(r, c):
        if r.target == '/half':
            c.sock.sendall(b'HTTP/1.1 200 OK\r\n\r\nhalf of it')
        gate.wait()
        return None
    server = HttpServer('a', answer)
    daemon = start_http([server], 'close')
    with HttpClient(daemon.port('http')) as half, \
            HttpClient(daemon.port('http')) as waits:
        for c, target in (half, '/half'), (waits, '/'):
            c.send(b'GET %s HTTP/1.1\r\nHost: %s\r\n\r\n' % (
                target.encode(), NAME.encode()))
        read_until(half.s, b'half of it')
        wait_for(lambda: len(server.targets()) == 2, 5, 'both requests')
        equal(daemon.ctl('maint', WEB + '/a').returncode, 0)
        m = waits.answer()
        equal((m.status, m.field('connection')), (502, ['close']))
        daemon.wait_log(r'one\.web\.http/a .* 200 \d+ - - DD-- .*"GET /half ')
        daemon.wait_log(r'one\.web\.http/a .* 502 \d+ - - DH-- .*"GET / ')
        try:
            equal(half.s.recv(100), 'a reset')
        except ConnectionResetError:
            pass
    gate.open()


def test_administrative_states_outlast_a_reload():
    """Each of them, and a new executable too; a server that comes anew is
    ready."""
    servers = abc()
    daemon = start(servers)
    for verb, name in ('drain', 'a'), ('maint', 'b'):
        equal(daemon.ctl(verb, '*/' + name).returncode, 0)
    want = {'a': 'DRAIN', 'b': 'MAINT', 'c': 'UP'}

    def states():
        return {r['server']: r['state'] for r in daemon.json('status')}
    equal(states(), want)
    for _ in range(2):
        equal(daemon.ctl('reload').returncode, 0)
        equal(states(), want)
        equal(visits(daemon, servers, 30), [0, 0, 30])
    old = daemon.pid
    daemon.signal(signal.SIGUSR2)
    wait_for(lambda: daemon.pid_from_file() != old, 20, 'a new master')
    daemon.follow()
    daemon.wait_ready()
    equal(states(), want)
    equal(visits(daemon, servers, 30), [0, 0, 30])
    another = EchoBackend('d')
    lines = ['server "%s" { address = "%s" }' % (s.name, s.where)
             for s in servers + [another]]
    daemon.write(CONF, servers='\n'.join(lines), service='')
    equal(daemon.ctl('reload').returncode, 0)
    equal(states(), dict(want, d='UP'))
    for name in 'ab':
        equal(daemon.ctl('ready', '*/' + name).returncode, 0)
        daemon.wait_state(BACKEND, name, 'UP')


def test_a_late_signal_ends_nobody():
    """USR2 tells a worker that its server went down; where the server is up by what
    the worker sees, it was meant for a client before this one."""
    servers = [EchoBackend('a')]
    daemon = start(servers, 'on-down = "close" check { type = "tcp" interval = "100ms" }')
    with opened(daemon) as s:
        worker, = daemon.workers(r'^durward: https 127')
        os.kill(worker, signal.SIGUSR2)
        equal(exchange(s, b'still', 5), b'still')
        equal(daemon.ctl('maint', '*/a').returncode, 0)
        equal(read_all(s), b'', 'now it is over')


def test_no_retries_left():
    """retries = 0: the first choice is the only one."""
    a, b = EchoBackend('a', start=False), EchoBackend('b')
    daemon = start([a, b], 'retries = 0 check { type = "none" }')
    outcome = set()
    for source in SOURCES:
        data = simple_hello(NAME)
        with connect(daemon.port('https'), source=source) as s:
            s.sendall(data)
            s.settimeout(10)
            got = s.recv(7)
            outcome.add(alert(got) if got[:1] == b'\x15' else 'served')
    equal(outcome, {ALERT_INTERNAL_ERROR, 'served'})


def test_retries_are_tries_that_were_made():
    """Where nobody is left there is no further try; log and statistics agree."""
    for dead in 1, 2:
        servers = [EchoBackend('s%d' % i, start=False) for i in range(dead)]
        daemon = start(servers, 'check { type = "none" }')
        with connect(daemon.port('https')) as s:
            s.sendall(simple_hello(NAME))
            equal(alert(s.recv(7)), ALERT_INTERNAL_ERROR)
        daemon.wait_log(r' SC \d+/\d+/\d+/\d+/%d 0/0 ' % (dead - 1))


def test_ipv6_all_the_way():
    need_ipv6()
    server = HttpBackend('six', address='::1')
    daemon = Durward('''
        listener "http" { bind = {"[::1]:@http@", "127.0.0.1:@http@"}
                          protocol = "http" }
        cluster "one" { service "http" { hosts = {"www.example.org"}
                        servers = {"six=[::1]:@server@"} } }''',
                     server=server.port)
    for address in '::1', '127.0.0.1':
        equal(http_request(daemon.port('http'), NAME, address=address)[2],
              b'six')
        equal(field(server.heads()[-1], 'x-forwarded-for'), [address])


def address_of(daemon, server):
    """The address that `status` has for it."""
    address, = [r['address'] for r in daemon.json('status')
                if r['server'] == server]
    return address


def test_ipv6_in_all_that_is_shown():
    """TLS from end to end: the log, ps, and what durwardctl says."""
    need_ipv6()
    servers = [EchoBackend(n, address='::1') for n in 'ab']
    daemon = Durward(CONF.replace('{"127.0.0.1:@https@"}', '{"[::1]:@https@"}'),
                     servers='servers = {%s}' % ', '.join(
                         '"%s=[::1]:%d"' % (s.name, s.port) for s in servers),
                     service='')
    hello = simple_hello(NAME)
    with connect(daemon.port('https'), address='::1') as s:
        equal(exchange(s, hello, len(hello)), hello)
        port = s.getsockname()[1]
        got, = [x.name for x in servers if x.clients()]
        run = run_durward('-c', daemon.conf, '-r', 'https,%s,::1' % NAME)
        equal(run.stdout.strip(), '%s/%s' % (BACKEND, got))
        equal(daemon.ctl_in_a_terminal('route', 'https', NAME, '::1').split()[:3],
              ['%s/%s' % (BACKEND, got), 'at', address_of(daemon, got)])
        row, = daemon.json('connections')
        equal((row['client'], row['server']), ('[::1]:%d' % port, got))
        check(title(row['pid']).startswith(
            'durward: https [::1]:%d %s %s/%s' % (port, NAME, BACKEND, got)),
            '%r', title(row['pid']))
        equal([address_of(daemon, x.name) for x in servers],
              ['[::1]:%d' % x.port for x in servers])
    daemon.wait_log(r' ::1:%d \[.*\] https %s/%s .*\{www\.example\.org\}$' % (
        port, BACKEND.replace('.', r'\.'), got))
    victim, = [x for x in servers if x.name == got]
    victim.stop()
    daemon.wait_state(BACKEND, got, 'DOWN')
    with connect(daemon.port('https'), address='::1') as s:
        equal(exchange(s, hello, len(hello)), hello, 'at the other one')


def test_a_star_listener_takes_both():
    """And an IPv4 client is one everywhere."""
    need_ipv6()
    server = HttpBackend('web')
    daemon = Durward('''
        listener "http" { bind = {"*:@http@"} protocol = "http" }
        cluster "one" { service "http" { hosts = {"www.example.org"}
                        servers = {"web=127.0.0.1:@server@"} } }''',
                     server=server.port)
    for address in '127.0.0.1', '::1':
        equal(http_request(daemon.port('http'), NAME, address=address)[2],
              b'web')
        equal(field(server.heads()[-1], 'x-forwarded-for'), [address])
    daemon.wait_log(r'\b127\.0\.0\.1:\d+ \[')
    equal(daemon.log_lines('ffff:'), [])


main()
