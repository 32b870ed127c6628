#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Ten thousand connections held at once, where memory allows (make check-soak):
all are served, every count is exact while they stand, and nothing is left of
them afterwards.

	SOAK_HELD	how many (10000)
"""

import json
import os
import resource
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, '..', 'functional')]

import lib.run                                                      # noqa: E402
from lib import (DURWARD, Census, Durward, check, equal, free_port,  # noqa: E402
                 ledger, main, own, skip, wait_for, wrong_counts)

HELD = int(os.environ.get('SOAK_HELD', '10000'))
AT_ONCE = 2500          # the backlog, 4096, takes no more in one moment
EACH_KIB = 256          # of memory, with what the kernel keeps of each
LOAD = os.path.join(os.path.dirname(DURWARD), 'tests', 'bench', 'load')
lib.run.CASE_LIMIT = 300

CONF = '''
log-level = "notice"
max-connections = %d
spare-workers { min = 8 max = 64 }
listener "https" { bind = {"127.0.0.1:@https@"} protocol = "tls"
                   max-connections = %d }
cluster "one" { service "echo" { listeners = {"https"} hosts = {"*"}
    servers = {"127.0.0.1:@server@"} check { type = "none" } } }
''' % (HELD + 100, HELD + 50)


class Program:
    """The load generator as a server, or as ten thousand clients."""

    def __init__(self, *args):
        self.process = subprocess.Popen(
            [LOAD] + [str(a) for a in args], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, universal_newlines=True)
        own(self)

    def close(self):
        self.process.kill()
        self.process.communicate()


def room_for_all():
    if not os.access(LOAD, os.X_OK):
        skip('tests/bench/load is not built')
    with open('/proc/meminfo') as f:
        there = dict(line.split(':') for line in f)['MemAvailable']
    if int(there.split()[0]) < HELD * EACH_KIB:
        skip('%s of memory are too few' % there.strip())
    with open('/proc/sys/kernel/pid_max') as f:
        if int(f.read()) < HELD + 1000:
            skip('pid_max is too small')
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < HELD + 100:
        skip('RLIMIT_NOFILE is too small')
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def idle_again(daemon):
    def settled():
        census = Census(daemon)
        return census if census.quiet() and \
            census.processes['idle https'] <= 64 else None
    return wait_for(settled, 120, 'the pool to be as it was', 0.5)


def test_ten_thousand_are_held():
    room_for_all()
    port = free_port()
    Program('serve', 'hello', port)
    daemon = Durward(CONF, server=port)
    before = idle_again(daemon)
    crowds = []
    for _ in range(HELD // AT_ONCE):
        begun = time.monotonic()
        crowds.append(Program('hold', '127.0.0.1', daemon.port('https'),
                              'www.example.org', AT_ONCE))
        got = json.loads(crowds[-1].process.stdout.readline())
        print('     %d more served in %.1f s, %d failed' % (
            AT_ONCE, time.monotonic() - begun, got['failed']))
        equal(got['failed'], 0, 'clients that were not served')
    book = ledger(daemon)
    equal(wrong_counts(book), {}, 'counts that are off')
    equal({name: book[name] for name in ('connections', 'listeners',
                                         'backends', 'servers')},
          dict.fromkeys(('connections', 'listeners', 'backends', 'servers'),
                        HELD), 'what is counted')
    equal(len(daemon.json('connections')), HELD, 'lines of durwardctl')
    for crowd in crowds:
        crowd.close()
    after = idle_again(daemon)
    # the slots and the table of so many were never needed before: they stay,
    # a KiB each at most
    drift = [line for line in after.drift(before, 64, HELD)
             if not line.startswith("mappings of 'master'")]
    equal(drift, [], 'what drifted')
    check(not daemon.log_lines('were put right'), 'an audit found something')


main()
