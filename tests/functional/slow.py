#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Clients who take their time must not take that of others.

SOAK=1 takes the long form: 5000 slow connections against the default limits
(make check-soak)."""

import os
import time

from lib import (Crowd, Durward, EchoBackend, check, connect, equal, exchange,
                 ledger, main, read_all, simple_hello, wait_for, wrong_counts)

NAME = 'www.example.org'
LONG = bool(os.environ.get('SOAK'))
SLOW, MOST, SOURCE_MOST = (5000, 3000, 500) if LONG else (250, 120, 40)
BAD, GOOD = '127.0.6.66', '127.0.6.1'

CONF = '''
max-connections = %d
spare-workers { min = 8 max = 64 }
timeouts { handshake = "@handshake@" }
listener "https" { bind = {"127.0.0.1:@https@"} protocol = "tls"
                   max-connections = %d
                   max-connections-per-source = @each@ }
cluster "one" {
    service "ingress" {
        listeners = {"https"}
        hosts     = {"www.example.org"}
        servers   = {"echo=127.0.0.1:@server@"}
        check { type = "none" }
    }
}
''' % (MOST + 1000, MOST)


def start(each=0, handshake='5s'):
    return Durward(CONF, server=EchoBackend(keep=False).port, each=each,
                   handshake=handshake)


def good_one(daemon):
    """How long a client from elsewhere needs to be served."""
    hello = simple_hello(NAME)
    begun = time.monotonic()
    with connect(daemon.port('https'), source=GOOD, limit=20) as s:
        equal(exchange(s, hello, len(hello), 20), hello)
    return time.monotonic() - begun


def test_who_says_nothing_costs_no_worker():
    daemon = start()
    silent = [connect(daemon.port('https')) for _ in range(100)]
    good_one(daemon)
    wait_for(lambda: not ledger(daemon)['connections'], 5, 'it to end')
    equal(daemon.workers(r'^durward: https '), [], 'workers with a client')
    check(len(daemon.workers()) < 64, 'workers were forked for the silent')
    # and when one of them speaks, it is served
    hello = simple_hello(NAME)
    equal(exchange(silent[50], hello, len(hello)), hello)
    for s in silent:
        s.close()


def good_clients_beside(daemon, most_held):
    crowd = Crowd(daemon.port('https'), SLOW, BAD, NAME)
    wait_for(lambda: crowd.opened >= SLOW, 60, 'the crowd to be there')
    wait_for(lambda: ledger(daemon)['connections'] >= min(MOST, most_held) * 0.8,
             30, 'the crowd to hold what it can')
    times, end = [], time.monotonic() + (20 if LONG else 3)
    while time.monotonic() < end:
        times.append(good_one(daemon))
    held = ledger(daemon)['connections']
    print('     %d slow ones from one source (%d held now, %d cut so far): '
          '%d good ones served, the slowest in %.2f s' % (
              SLOW, held, crowd.cut, len(times), max(times)))
    check(max(times) < 3, 'a good client waited %.2f s', max(times))
    check(crowd.opened >= SLOW, 'only %d slow ones', crowd.opened)
    crowd.close()
    wait_for(lambda: ledger(daemon)['connections'] == 0, 30, 'all to be gone')
    wait_for(lambda: not wrong_counts(ledger(daemon)), 5, 'counts to be right')
    equal(ledger(daemon)['sources'], 0, 'connections counted by source')
    return times


def test_a_crowd_and_no_limit_by_source():
    """They fill all workers there can be: then those who dawdle get less
    time, and the backlog moves."""
    good_clients_beside(start(), MOST)


def test_a_crowd_and_a_limit_by_source():
    good_clients_beside(start(each=SOURCE_MOST), SOURCE_MOST)


def test_they_have_their_time_while_there_are_workers():
    """Nobody is hurried without need."""
    daemon = start(handshake='2s')
    begun = time.monotonic()
    with connect(daemon.port('https')) as s:
        s.sendall(simple_hello(NAME)[:20])
        read_all(s)
    took = time.monotonic() - begun
    check(1.8 < took < 4, 'cut after %.2f s, not 2', took)


main()
