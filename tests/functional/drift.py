#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Nothing drifts: after thousands of connections, killed workers and reloads
there is as much of everything as before, and every count is exact.

SOAK=1 takes the long form: 100,000 connections, 100 killed workers, 50
reloads (make check-soak)."""

import os
import random
import signal

from lib import (Census, Durward, EchoBackend, HttpClient, HttpServer, Load,
                 alive, check, connect, equal, exchange, http_request, main,
                 simple_hello, wait_for)

NAME = 'www.example.org'
SOURCES = ['127.0.4.%d' % i for i in range(1, 60)]
SPARES = 8
LONG = bool(os.environ.get('SOAK'))
CONNECTIONS, KILLS, RELOADS = (100000, 100, 50) if LONG else (3000, 20, 5)

CONF = '''
spare-workers { min = 4 max = %d }
listener "https" { bind = {"127.0.0.1:@https@"} protocol = "tls"
                   max-connections-per-source = 50 }
listener "http"  { bind = {"127.0.0.1:@http@"}  protocol = "http"
                   max-connections-per-source = 50 }
listener "stats" { bind = {"127.0.0.1:@stats@"} protocol = "stats"
                   user = "admin" password = "password" }
cluster "one" {
    service "ingress" {
        listeners = {"https"}
        hosts     = {"www.example.org"}
        server "a" { address = "127.0.0.1:@a@" max-connections = 4 }
        server "b" { address = "127.0.0.1:@b@" max-connections = 4 }
        check { type = "tcp" interval = "200ms" timeout = "1s" }
    }
    service "web" {
        listeners = {"http"}
        hosts     = {"*.example.org"}
        servers   = {"w=127.0.0.1:@w@"}
        timeouts { idle = "@idle@" }
        check { type = "tcp" interval = "200ms" timeout = "1s" }
    }
}
''' % SPARES


class Clients:
    """One exchange of any kind; those that a kill cut are counted."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.hello = simple_hello(NAME)

    def tls(self, source):
        with connect(self.daemon.port('https'), source=source) as s:
            equal(exchange(s, self.hello, len(self.hello)), self.hello)

    def http(self, source):
        with HttpClient(self.daemon.port('http'), source=source) as c:
            for _ in range(3):
                answer = c.get(NAME)
                equal(answer.status, 200)
                if 'close' in answer.field('connection'):   # a reload
                    break

    def stats(self, source):
        equal(http_request(self.daemon.port('stats'), 'x', '/healthz',
                           source=source)[0], 200)

    def one(self, source):
        pick = random.random()
        (self.tls if pick < 0.7 else self.http if pick < 0.95 else
         self.stats)(source)


def quiet(daemon):
    """A census of a moment when nobody is served and all has settled."""
    def settled():
        census = Census(daemon)
        idle = [n for name, n in census.processes.items()
                if name.startswith('idle')]
        return census if census.quiet() and max(idle) <= SPARES and \
            census.processes['master'] == 1 and \
            census.book['pools'] == 3 else None
    return wait_for(settled, 30, 'the daemon to be quiet')


def kill_one(daemon):
    """Any worker, whatever it is doing."""
    workers = [pid for pid, title in daemon.processes().items()
               if ' idle ' in title or '127.0.' in title]
    os.kill(random.choice(workers), signal.SIGKILL)


def reload(daemon, number):
    daemon.write(CONF, idle='%dm' % (30 + number % 2))
    equal(daemon.ctl('reload').returncode, 0, 'a reload')


def churn(daemon, connections, kills, reloads):
    """So much of each, mixed; how many clients were not served."""
    clients = Clients(daemon)
    load = Load(clients.one, SOURCES, threads=6, tolerant=True)
    deeds = ['kill'] * kills + ['reload'] * reloads
    random.shuffle(deeds)
    for number, deed in enumerate(deeds):
        load.wait_served(connections // len(deeds))
        if deed == 'kill':
            kill_one(daemon)
        else:
            reload(daemon, number)
    load.stop()
    check(load.served >= connections * 0.95, 'only %d were served', load.served)
    return load


def test_nothing_drifts():
    daemon = Durward(CONF, a=EchoBackend('a', keep=False).port,
                     b=EchoBackend('b', keep=False).port,
                     w=HttpServer('w', keep=False).port, idle='30m')
    # the first of each kind makes what stays
    churn(daemon, 200, 4, 2)
    before = quiet(daemon)
    load = churn(daemon, CONNECTIONS, KILLS, RELOADS)
    check(len(load.failures) <= KILLS, '%d failures from %d kills: %s',
          len(load.failures), KILLS, load.failures[:5])
    after = quiet(daemon)
    print('     %d exchanges, %d killed, %d cut by it, %d reloads' % (
        load.served, KILLS, len(load.failures), RELOADS))
    print('     before: %s\n     after:  %s' % (before, after))
    equal(after.drift(before, SPARES), [], 'what drifted')
    # what each held was given back by its slot; the audit is for those that
    # were killed between two steps of their accounting
    audits = daemon.log_lines('were put right')
    check(len(audits) <= 1 + KILLS // 20, '%d audits found something',
          len(audits))
    equal(after.book['crashed'] - before.book['crashed'], KILLS,
          'workers counted as killed')
    for row in daemon.json('status'):
        equal(row['current'], 0, 'sessions at %s' % row['server'])
    equal(daemon.json('connections'), [], 'live connections')
    check(alive(daemon.pid), 'the master is gone')


main()
