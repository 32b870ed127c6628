#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A server that is killed under 300 new connections a second, and comes back:
whatever the balance, no client sees it."""

import itertools

from lib import (Durward, EchoBackend, HttpBackend, Rate, check, connect,
                 equal, exchange, http_request, main, simple_hello, wait_for)

CONF = '''
listener "https" { bind = {"127.0.0.1:@https@"} protocol = "tls" }
listener "http"  { bind = {"127.0.0.1:@http@"}  protocol = "http" }
cluster "one" {
    service "ingress" {
        listeners = {"@listener@"}
        hosts     = {"*.example.org"}
        servers   = {@servers@}
        balance   = "@balance@"
        check { type = "tcp" interval = "200ms" timeout = "1s"
                rise = 2 fall = 3 }
    }
}
'''


def start(listener, balance, servers):
    return Durward(CONF, listener=listener, balance=balance, servers=', '.join(
        '"%s"' % s.entry for s in servers))


def asked(server):
    """How often; connections to an HTTP server are kept, and are few."""
    return len(server.heads() if hasattr(server, 'heads') else
               server.clients())


def dies_and_comes_back(daemon, backend, servers, one):
    rate = Rate(one, 300)
    rate.wait_served(150)
    check(all(s.clients() for s in servers), 'a server had no client at all')
    victim = servers[1]
    rate.between_exchanges(victim.stop)
    rate.wait_served(150)
    daemon.wait_state(backend, victim.name, 'DOWN')
    rate.wait_served(100)
    victim.start()
    daemon.wait_state(backend, victim.name, 'UP')
    before = asked(victim)
    wait_for(lambda: asked(victim) >= before + 10 or rate.failures,
             20, '%s to get clients again' % victim.name)
    rate.stop()
    equal(rate.failures[:3], [], 'failures among %d' % rate.begun)
    equal(len(daemon.log_lines('is DOWN')), 1, 'lines of DOWN')
    # someone met the dead one, and was taken on to the next
    check(daemon.log_lines(r'/[abc] .* \d+/\d+/\d+/\d+/[+]?[1-3] '),
          'nobody was passed on: the test saw nothing')


def tls(balance):
    servers = [EchoBackend(n) for n in 'abc']
    daemon = start('https', balance, servers)
    clients = itertools.cycle((('127.0.3.%d' % (i % 39 + 1),
                                'h%d.example.org' % (i % 41))
                               for i in range(39 * 41)))

    def one():
        source, name = next(clients)
        hello = simple_hello(name)
        with connect(daemon.port('https'), source=source) as s:
            equal(exchange(s, hello, len(hello)), hello, 'the echo')
    dies_and_comes_back(daemon, 'one.ingress.https', servers, one)


def test_source():
    tls('source')


def test_host():
    tls('host')


def test_roundrobin():
    tls('roundrobin')


def test_leastconn():
    tls('leastconn')


def test_http():
    """Connections to servers are kept here, and some of them die too."""
    servers = [HttpBackend(n) for n in 'abc']
    daemon = start('http', 'host', servers)
    names = itertools.cycle('h%d.example.org' % i for i in range(41))

    def one():
        status, _, body = http_request(daemon.port('http'), next(names))
        equal(status, 200, body)
    dies_and_comes_back(daemon, 'one.ingress.http', servers, one)


main()
