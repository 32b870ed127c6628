#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Which server: balance, weights, backups, and what an operator says."""

import time

from lib import (ALERT_INTERNAL_ERROR, Durward, EchoBackend, HttpBackend, alert,
                 ask, check, connect, equal, exchange, http_request, main,
                 need_ipv6, read_all, run_durward, simple_hello, wait_for,
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
        before = len(servers[0].connections)
        time.sleep(0.5)         # five probes' time
        return len(servers[0].connections) == before
    wait_for(quiet, 10, 'the probes to end')


def test_on_down_close():
    for service, over in ('on-down = "close"', True), ('', False):
        servers = abc()[:1]
        daemon = start(servers, service)
        s = opened(daemon)
        servers[0].stop(abort=False)
        daemon.wait_state(BACKEND, 'a', 'DOWN')
        if over:
            try:
                equal(read_all(s), b'')
            except ConnectionResetError:
                pass
        else:
            equal(exchange(s, b'still', 5), b'still', 'kept')
        s.close()


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
