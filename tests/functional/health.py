#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Servers that die and come back: noticed, logged, and no client sees it."""

import re
import time

from lib import (ALERT_INTERNAL_ERROR, Certs, Durward, EchoBackend, Load,
                 TcpBackend, TlsBackend, alert, ask, check, connect, equal, exchange, main,
                 run_durward, simple_hello, wait_for)

NAME = 'www.example.org'
BACKEND = 'one.ingress.https'

CONF = '''
listener "https" { bind = {"127.0.0.1:@https@"} protocol = "tls"
                   check { interval = "100ms" timeout = "500ms" } }
cluster "one" {
    service "ingress" {
        listeners = {"https"}
        hosts     = {"www.example.org"}
        servers   = {@servers@}
        check { type = "@type@" rise = 2 fall = 3 }
    }
}
'''

SOURCES = ['127.0.1.%d' % i for i in range(1, 41)]


def start(servers, kind='tcp', **how):
    return Durward(CONF, servers=', '.join('"%s"' % s.entry for s in servers),
                   type=kind, **how)


def one_exchange(daemon, source=None):
    """A client that gets through; an exception where it does not."""
    hello = simple_hello(NAME)
    with connect(daemon.port('https'), source=source) as s:
        equal(exchange(s, hello, len(hello)), hello, 'the echo')


def test_no_client_sees_a_server_die_and_come_back():
    servers = [EchoBackend('a'), EchoBackend('b'), EchoBackend('c')]
    daemon = start(servers)
    load = Load(lambda source: one_exchange(daemon, source), SOURCES)
    load.wait_served(100)
    for victim in servers:
        check(victim.clients(), '%s had no client at all', victim.name)
        load.between_exchanges(victim.stop)
        load.wait_served(100)
        daemon.wait_state(BACKEND, victim.name, 'DOWN')
        load.wait_served(50)
        victim.start()
        daemon.wait_state(BACKEND, victim.name, 'UP')
        before = len(victim.clients())
        wait_for(lambda: len(victim.clients()) > before or load.failures, 20,
                 '%s to get clients again' % victim.name)
    load.stop()
    equal(load.failures[:3], [], 'failures among %d' % load.served)


def test_state_changes_are_logged():
    servers = [EchoBackend('a'), EchoBackend('b')]
    daemon = start(servers)
    servers[0].stop()
    line, = daemon.wait_log(r'Server one\.ingress\.https/a is DOWN, reason: \S')
    servers[0].start()
    line, = daemon.wait_log(r'Server one\.ingress\.https/a is UP')
    equal(daemon.log_lines(r'Server one\.ingress\.https/b is'), [],
          'lines about a server to which nothing happened')


def test_a_server_that_was_never_there():
    """Clients are served from the first on, before a probe has failed."""
    dead, living = EchoBackend('dead', start=False), EchoBackend('living')
    daemon = start([dead, living])
    for source in SOURCES:
        one_exchange(daemon, source)
    daemon.wait_state(BACKEND, 'dead', 'DOWN')
    for source in SOURCES[:5]:
        one_exchange(daemon, source)


def test_no_server_left_is_alert_80_and_mends():
    server = EchoBackend('only')
    daemon = start([server])
    one_exchange(daemon)
    server.stop()
    equal(alert(ask(daemon.port('https'), simple_hello(NAME))),
          ALERT_INTERNAL_ERROR, 'before the checker knows')
    daemon.wait_state(BACKEND, 'only', 'DOWN')
    equal(alert(ask(daemon.port('https'), simple_hello(NAME))),
          ALERT_INTERNAL_ERROR, 'once it knows')
    server.start()
    daemon.wait_state(BACKEND, 'only', 'UP')
    one_exchange(daemon)


def test_rise_and_fall_are_counted():
    """Down after fall failed probes in a row, up after rise good ones."""
    server, other = TcpBackend('a'), EchoBackend('b')
    daemon = start([server, other])
    wait_for(lambda: len(server.connections) >= 4, 10, 'some probes')
    server.stop()
    begun = time.monotonic()
    daemon.wait_log(r'/a is DOWN')
    took = time.monotonic() - begun
    check(0.15 < took < 3, 'DOWN after %.2f s; 3 probes are 100 ms apart',
          took)
    before = len(server.connections)
    server.start()
    daemon.wait_log(r'/a is UP')
    probes = wait_for(lambda: len(server.connections) - before >= 2 and
                      len(server.connections) - before, 5, 'two probes')
    check(probes <= 6, 'UP after %d probes, rise is 2', probes)


def test_tls_check_wants_tls():
    certs = Certs()
    good = TlsBackend('good', certs.server('good', [NAME]))
    mute = TcpBackend('mute')       # takes the hello and says nothing

    def grumble(c):
        c.recv()
        c.sock.sendall(b'HTTP/1.1 400 Bad Request\r\n\r\n')

    def alarm(c):
        c.recv()
        c.sock.sendall(b'\x15\x03\x03\x00\x02\x02\x28')
    other = TcpBackend('other', script=grumble)
    alerts = TcpBackend('alerts', script=alarm)
    daemon = start([good, mute, other, alerts], kind='tls')
    daemon.wait_log(r'/mute is DOWN, reason: ')
    daemon.wait_log(r'/other is DOWN, reason: ')
    equal(daemon.server_state(BACKEND, 'good'), 'UP')
    equal(daemon.server_state(BACKEND, 'alerts'), 'UP')
    equal(daemon.log_lines(r'/(good|alerts) is DOWN'), [])


def test_tls_probes_look_like_a_client():
    """The hello of a probe is one that our own parser would let through."""
    server = TcpBackend('a')
    start([server], kind='tls')
    c = server.wait_client()
    wait_for(lambda: len(c.received) > 5, 5, 'a whole hello')
    check(re.match(rb'\x16\x03[\x01\x03]', c.received), '%r', c.received[:20])


def test_only_the_dead_servers_clients_move():
    """And they come back to it: by the same hash as durward -r says."""
    servers = [EchoBackend(n) for n in 'abcd']
    daemon = start(servers)

    def chosen(source):
        before = {s.name: len(s.clients()) for s in servers}
        one_exchange(daemon, source)
        for s in servers:
            if len(s.clients()) > before[s.name]:
                return s.name
    before = {source: chosen(source) for source in SOURCES}
    equal(sorted(set(before.values())), list('abcd'), 'servers in use')
    for source in SOURCES[:10]:
        run = run_durward('-c', daemon.conf, '-r',
                          'https,%s,%s' % (NAME, source))
        equal(run.stdout.strip(), '%s/%s' % (BACKEND, before[source]),
              '-r for %s' % source)
    servers[1].stop()
    daemon.wait_state(BACKEND, 'b', 'DOWN')
    during = {source: chosen(source) for source in SOURCES}
    for source in SOURCES:
        if before[source] != 'b':
            equal(during[source], before[source], 'server of %s' % source)
        else:
            check(during[source] != 'b', '%s went to the dead one', source)
    servers[1].start()
    daemon.wait_state(BACKEND, 'b', 'UP')
    equal({s: chosen(s) for s in SOURCES}, before, 'servers after all')


def test_a_black_hole_is_passed_over():
    """A server that takes no connection at all costs its clients the connect
    time-out, not the connection."""
    full = TcpBackend('full', start=False)
    import socket
    hole = socket.socket()
    hole.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    hole.bind((full.address, full.port))
    hole.listen(0)
    fillers = []
    for _ in range(3):      # a full backlog drops what comes
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex((full.address, full.port))
        fillers.append(s)
    living = EchoBackend('living')
    daemon = start([full, living], kind='none',
                   before='timeouts { connect = "300ms" }\n')
    for source in SOURCES[:8]:
        one_exchange(daemon, source)
    for s in fillers + [hole]:
        s.close()


main()
