#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A thousand servers, and one checker that asks each of them every second."""

import os
import socket
import threading
import time
from collections import defaultdict

from lib import (Durward, alive, check, equal, free_port, main, own, skip,
                 wait_for)

BACKEND = 'one.ingress.https'
SERVERS, SILENT = 1000, 25
SECONDS = 5

CONF = '''
listener "https" { bind = {"127.0.0.1:@https@"} protocol = "tls" }
cluster "one" {
    service "ingress" {
        listeners = {"https"}
        hosts     = {"www.example.org"}
        servers   = {@servers@}
        check { type = "tls" interval = "1s" timeout = "2s" }
    }
}
'''


class Crowd:
    """Servers on many addresses of one port, in one thread: each answers a
    hello with an alert, but for the silent ones, and remembers when it was
    asked."""

    ALERT = b'\x15\x03\x03\0\2\2\x28'

    def __init__(self, port, silent):
        self.silent = silent
        self.asked = defaultdict(list)
        self.held = []
        self.listening = socket.socket()
        self.listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # who is accepted has said something
        self.listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT,
                                  5)
        self.listening.bind(('0.0.0.0', port))
        self.listening.listen(4096)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        own(self)

    def _run(self):
        while True:
            try:
                s, _ = self.listening.accept()
            except OSError:
                return
            address = s.getsockname()[0]
            self.asked[address].append(time.monotonic())
            if address in self.silent:
                self.held.append(s)
                continue
            try:
                s.recv(4096)
                s.send(self.ALERT)
            except OSError:
                pass
            s.close()

    def close(self):
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()
        self.thread.join(5)
        for s in self.held:
            s.close()


def first_of_all(tasks):
    """Whatever else this machine is at; where we may not, it is luck."""
    try:
        for task in tasks:
            os.sched_setscheduler(task, os.SCHED_RR, os.sched_param(1))
    except OSError:
        pass


def waited(tasks):
    """Seconds that these threads have been ready to run and did not."""
    total = 0
    for task in tasks:
        try:
            with open('/proc/%d/schedstat' % task) as f:
                total += int(f.read().split()[1])
        except OSError:
            return 0    # not every kernel tells
    return total / 1e9


def counted(crowd, tasks):
    """Probes of each server in a while, and how long that was; None where
    the machine had too little time for us to say."""
    begun, before = time.monotonic(), waited(tasks)
    wait_for(lambda: time.monotonic() - begun > SECONDS, SECONDS + 5)
    ended = time.monotonic()
    if waited(tasks) - before > 0.8 or ended - begun > SECONDS + 0.5:
        return None
    return {a: sum(begun <= t < ended for t in times)
            for a, times in list(crowd.asked.items())}


def test_a_thousand_servers_and_not_one_late_probe():
    """One that is late by an interval is missing, for the grid goes on."""
    names = {'s%d' % i: '127.1.%d.%d' % (i // 250, i % 250 + 1)
             for i in range(SERVERS)}
    silent = {a for n, a in names.items() if int(n[1:]) % 40 == 7}
    equal(len(silent), SILENT)
    port = free_port()
    crowd = Crowd(port, silent)
    daemon = Durward(CONF, servers=', '.join(
        '"%s=%s:%d"' % (n, a, port) for n, a in names.items()))
    checker, = daemon.workers(r'^durward: checker$')
    tasks = checker, crowd.thread.native_id
    first_of_all(tasks)
    # the first probe alone decides, and each silent one has its two seconds
    daemon.wait_log(r'Server .* is DOWN, reason: Layer6 timeout', SILENT, 20)
    wait_for(lambda: len(crowd.asked) == SERVERS, 5, 'a probe of each')
    for _ in range(4):
        counts = counted(crowd, tasks)
        if counts:
            break
    equal({n for n, s in ((r['server'], r['state'])
                          for r in daemon.json('status')) if s != 'UP'},
          {n for n, a in names.items() if a in silent}, 'servers not UP')
    equal(len(daemon.log_lines(r'Server .* is ')), SILENT, 'lines of changes')
    check(alive(checker), 'it is another checker by now')
    if not counts:
        skip('too busy a machine to tell a late probe')
    equal(len(counts), SERVERS)
    equal({a: n for a, n in counts.items() if a not in silent and
           not SECONDS - 1 <= n <= SECONDS + 1}, {}, 'not once a second')


main()
