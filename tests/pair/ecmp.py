#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Machines behind a router that spreads connections over them (ECMP).

The network is that of pair.py, without keepalived: the machines announce
198.51.100.10 with ExaBGP and the router learns it with BIRD, both with the
examples as they are shipped.  Needs root, network namespaces and the two; is
skipped without.
"""

import os
import re
import shutil
import subprocess

import pair
from lib import (SRCDIR, check, equal, keep, main, own, scratch, shared, skip,
                 wait_for)

ADDRESS = '198.51.100.10'
CONF = pair.CONF + '''
listener "stats" { bind = {"127.0.0.1:50000"} protocol = "stats" }
'''


def find(name):
    path = shutil.which(name, path=os.environ['PATH'] + ':/usr/sbin:/sbin')
    return path or skip('no %s here' % name)


def example(name, *changes):
    with open(os.path.join(SRCDIR, 'etc/ecmp', name)) as f:
        text = f.read()
    for old, new in changes:
        check(old in text, 'no %r in %s', old, name)
        text = text.replace(old, new)
    path = os.path.join(scratch(), name)
    with open(path, 'w') as f:
        f.write(text)
    return path


class Program:
    """One that runs in the foreground, and its log."""

    def __init__(self, argv, **environment):
        self.path = os.path.join(scratch(), 'log')
        self.log = open(self.path, 'w')
        self.process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            env=dict(os.environ, **environment), start_new_session=True)
        own(self)

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        finally:
            pair.kill_all(pair.procs.group_of(self.process.pid),
                          pair.signal.SIGKILL)
            self.process.wait(10)
            self.log.close()

    def evidence(self):
        with open(self.path, errors='replace') as f:
            return '--- %s\n%s' % (self.process.args[0], f.read())


class Machine(pair.Machine):
    def __init__(self, network, name, number):
        self.network, self.name, self.number = network, name, number
        self.daemon = self.bgp = None
        self.dir = scratch()
        network.ip(name, 'address add %s/32 dev lo' % ADDRESS)
        self.start_durward(CONF)
        self.start_bgp()

    def start_bgp(self):
        path = example('exabgp.conf.example',
                       ('router-id 192.0.2.2;',
                        'router-id 192.0.2.%d;' % (2 + self.number)),
                       ('local-address 192.0.2.2;',
                        'local-address 192.0.2.%d;' % (2 + self.number)))
        with self.network.inside(self.name):
            self.bgp = Program([find('exabgp'), path], exabgp_daemon_user='root',
                               exabgp_api_cli='false', exabgp_log_all='true')


class Spread:
    def __init__(self):
        for name in ('bird', 'exabgp', 'curl'):
            find(name)
        self.network = pair.PairNetwork()
        with self.network.inside('nodes'):
            for i in range(3):
                pair.Teller('compute%d' % i, address='192.168.125.%d' % (23 + i),
                            port=pair.PORT)
        self.machines = [Machine(self.network, 'lb%d' % (i + 1), i)
                         for i in range(2)]
        with self.network.inside('router'):
            with open('/proc/sys/net/ipv4/fib_multipath_hash_policy', 'w') as f:
                f.write('1')
            directory = scratch()
            self.bird = Program([find('bird'), '-f', '-c',
                                 example('router.conf.example'), '-s',
                                 directory + '/ctl'])
        self.settle(2)

    def ways(self):
        """The machines that the router sends connections to."""
        text = self.network.ip('router', 'route show ' + ADDRESS)
        return sorted(re.findall(r'via 192\.0\.2\.(\d)', text))

    def settle(self, n):
        wait_for(lambda: len(self.ways()) == n, 30,
                 'the router to know %d machines' % n, 0.1)


spread = shared(Spread)


def test_both_serve_and_choose_alike():
    here = spread()
    stream = pair.Stream(here.network, 'client', pair.FAR, ADDRESS)
    wait_for(lambda: len(stream.served) > 100, 20, 'traffic')
    stream.close()
    equal(stream.refused + stream.cut, [])
    servers = {(source, server) for _, source, server in stream.served}
    equal(len(servers), len(pair.FAR), 'servers, one for each client')
    for machine in here.machines:
        lines = machine.daemon.log_lines(r' hub\.ingress\.https/compute')
        check(len(lines) > 10, '%s served %d of 100', machine.name, len(lines))


def test_a_planned_stop_turns_nobody_away():
    """What stands on a machine whose route goes is over; nobody is refused."""
    here = spread()
    stream = pair.Stream(here.network, 'client', pair.FAR, ADDRESS)
    wait_for(lambda: len(stream.served) > 50, 20, 'traffic')
    equal(here.machines[0].daemon.ctl('drain-all').returncode, 0)
    wait_for(lambda: here.ways() == ['3'], 5, 'the route to go', 0.01)
    equal(here.machines[0].daemon.wait_end(30), 0)
    here.machines[0].start_durward(CONF)
    here.settle(2)
    mark = len(stream.served)
    wait_for(lambda: len(stream.served) > mark + 50, 20, 'traffic')
    stream.close()
    equal(stream.refused, [], 'new connections that were turned away')
    check(len(stream.cut) <= 2, 'cut: %s', stream.cut)
    print('     %d new connections, none turned away, %d cut' % (
        len(stream.served), len(stream.cut)))


def test_a_machine_dies():
    here = spread()
    seeker = pair.Stream(here.network, 'client', pair.FAR, ADDRESS, limit=0.2)
    wait_for(lambda: len(seeker.served) > 20, 20, 'traffic')
    moment = pair.time.monotonic()
    here.machines[1].cable('down')
    wait_for(lambda: here.ways() == ['2'], 10, 'the route to go', 0.01)
    took = pair.time.monotonic() - moment
    mark = pair.time.monotonic()
    wait_for(lambda: len([b for b, _, _ in list(seeker.served) if b > mark]) >
             50, 20, 'traffic')
    equal([x for x in seeker.refused + seeker.cut if x[0] > mark], [],
          'failures after the route was gone')
    seeker.close()
    here.machines[1].cable('up')
    here.settle(2)
    print('     the route was gone after %.1f s' % took)


if __name__ == '__main__':
    main()
