#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Two machines with durward and keepalived, in network namespaces.

    client                router                                   nodes
  203.0.113.10 -- 203.0.113.1 | 192.0.2.1 --+-- lb1 192.0.2.2 --+-- .23
     to .19                                 +-- lb2 192.0.2.3 --+-- .24
                    neighbour               |                   +-- .25
                192.0.2.100 to .109 --------+        192.168.125.0/24

192.0.2.10 is at lb1 and 192.0.2.11 at lb2 while both are well.  keepalived
runs with the example as it is shipped, but for its variables.  Needs root,
network namespaces and keepalived; is skipped without.

SOAK=1 takes the long form: each way to lose a machine, often (make
check-soak).
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                '..', 'functional'))

from lib import (CTL, SRCDIR, Durward, Network, TcpBackend, check, connect,
                 equal, exchange, keep, main, own, scratch, shared,
                 simple_hello, skip, wait_for)
from lib import procs

KEEP = os.path.join(SRCDIR, 'etc/keepalived/keep-connections')
NAME = 'console.apps.hub.linuxera.lab'
PORT = 443
ANSWER = len('compute0')
FRONT, BACK = '192.0.2.10', '192.0.2.11'
FAR = ['203.0.113.%d' % n for n in range(10, 20)]
NEAR = ['192.0.2.%d' % n for n in range(100, 110)]
LONG = bool(os.environ.get('SOAK'))
ROUNDS = 8 if LONG else 1
MOVED_WITHIN = 3.0      # seconds: what is promised

CONF = '''
drain-delay = "5s"
drain-timeout = "10s"
listener "https" { bind = {"*:443"} protocol = "tls" }
cluster "hub" {
    service "ingress" {
        listeners = {"https"}
        hosts     = {"*.apps.hub.linuxera.lab"}
        servers   = {"compute0=192.168.125.23", "compute1=192.168.125.24",
                     "compute2=192.168.125.25"}
        check { type = "tcp" interval = "1s" timeout = "1s" }
    }
}
'''


class PairNetwork(Network):
    def __init__(self):
        super().__init__('pair', ('client', 'neighbour', 'router', 'lb1',
                                  'lb2', 'nodes'))
        for short in ('router', 'nodes'):
            self.ip(short, 'link add lan type bridge')
        self.wire('router', 'wan', 'client')
        for short in ('lb1', 'lb2', 'neighbour'):
            self.wire('router', short, short, 'eth0')
            self.ip('router', 'link set %s master lan up' % short)
        for short in ('lb1', 'lb2'):
            self.wire('nodes', short, short, 'eth1')
            self.ip('nodes', 'link set %s master lan up' % short)
        self.up('router', 'lan', ['192.0.2.1'])
        self.up('router', 'wan', ['203.0.113.1'])
        self.up('client', 'wan', FAR)
        self.up('neighbour', 'eth0', NEAR)
        self.up('nodes', 'lan', ['192.168.125.%d' % n for n in (2, 23, 24, 25)])
        for i, short in enumerate(('lb1', 'lb2')):
            self.up(short, 'eth0', ['192.0.2.%d' % (2 + i)])
            self.up(short, 'eth1', ['192.168.125.%d' % (10 + i)])
            self.ip(short, 'route add default via 192.0.2.1')
        self.ip('client', 'route add default via 203.0.113.1')
        with self.inside('router'):
            with open('/proc/sys/net/ipv4/ip_forward', 'w') as f:
                f.write('1')


class Teller(TcpBackend):
    """Says its name once the hello came, and again at each byte."""

    def serve(self, c):
        while c.recv():
            c.sock.sendall(self.name.encode())


class Keepalived:
    """The shipped example with other values for some of its variables."""

    def __init__(self, machine, **variables):
        self.machine, self.variables = machine, variables
        self.dir = scratch()
        self.process = None
        self.log = open(os.path.join(self.dir, 'log'), 'a+')
        text = self.example()
        for name, value in variables.items():
            text, n = re.subn(r'(?m)^\$%s=.*$' % name,
                              lambda _: '$%s=%s' % (name, value), text)
            equal(n, 1, 'definitions of $%s in the example' % name)
        if keep_connections():
            text, n = re.subn(r'(?m)^\t#notify ', '\tnotify ', text)
            equal(n, 2, 'notify lines in the example')
        self.conf = os.path.join(self.dir, 'keepalived.conf')
        with open(self.conf, 'w') as f:
            f.write(text)
        own(self)
        self.start()

    def example(self):
        with open(os.path.join(SRCDIR, 'etc/keepalived',
                               'keepalived.conf.example')) as f:
            return f.read()

    def start(self):
        for left in 'pid', 'vrrp.pid':      # /run is empty after a reboot
            if os.path.exists(os.path.join(self.dir, left)):
                os.unlink(os.path.join(self.dir, left))
        self.process = subprocess.Popen(
            [keepalived(), '--dont-fork', '--log-console', '--log-detail',
             '--vrrp', '-f', self.conf, '-p', self.dir + '/pid',
             '-r', self.dir + '/vrrp.pid'], stdin=subprocess.DEVNULL,
            stdout=self.log, stderr=self.log, start_new_session=True)

    def stop(self, signum=signal.SIGTERM):
        if self.process is None:
            return
        group = procs.group_of(self.process.pid)
        if signum == signal.SIGKILL:
            # so that none says goodbye because another is gone
            kill_all(group, signal.SIGSTOP)
            kill_all(group, signum)
        else:
            self.process.send_signal(signum)
        self.process.wait(15)
        wait_for(lambda: not procs.group_of(self.process.pid), 10,
                 'keepalived to be gone')
        self.process = None

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def close(self):
        self.stop(signal.SIGKILL)
        self.log.close()

    def evidence(self):
        return '--- keepalived of %s\n%s' % (self.machine, self.said())


def kill_all(pids, signum):
    for pid in pids:
        try:
            os.kill(pid, signum)
        except ProcessLookupError:
            pass


def keepalived():
    path = shutil.which('keepalived',
                        path=os.environ['PATH'] + ':/usr/sbin:/sbin')
    return path or skip('no keepalived here')


PROBE = '''
add table ip durward-probe
add chain ip durward-probe x { type filter hook prerouting priority mangle; }
add rule ip durward-probe x socket wildcard 1 dup to 192.0.2.2 device lo
delete table ip durward-probe
'''


def keep_connections():
    """What the script needs is here."""
    if not all(shutil.which(tool) for tool in ('nft', 'ping', 'sysctl')):
        return False
    run = subprocess.run(['nft', '-f', '-'], input=PROBE,
                         universal_newlines=True, stderr=subprocess.DEVNULL)
    return run.returncode == 0


class Machine:
    Keepalived = Keepalived

    def __init__(self, network, name, number, **more):
        self.network, self.name = network, name
        self.daemon = self.other = None
        self.dir = scratch()
        self.start_durward()
        with network.inside(name):
            self.keepalived = self.Keepalived(
                name, NAME=name, INTERFACE='eth0',
                PEER='192.0.2.%d' % (3 - number), KEEP=KEEP,
                DURWARDCTL='%s -s %s/durward.sock' % (CTL, self.dir),
                FRONT=FRONT + '/24', FRONT_PRIORITY=[150, 100][number],
                BACK=BACK + '/24', BACK_PRIORITY=[100, 150][number], **more)

    def start_durward(self, conf=CONF):
        with self.network.inside(self.name):
            self.daemon = keep(lambda: Durward(conf, directory=self.dir))

    def holds(self, address):
        run = self.network.ip(self.name, '-j address show dev eth0')
        return any(a.get('local') == address
                   for link in json.loads(run) for a in link['addr_info'])

    def kill_durward(self):
        kill_all(self.daemon.left_behind(), signal.SIGKILL)
        self.daemon.process.wait(10)
        self.daemon.stopped = True
        self.daemon.expect_nothing_left()

    def cable(self, state):
        self.network.ip('router', 'link set %s %s' % (self.name, state))


class Pair:
    def __init__(self):
        keepalived()
        self.network = PairNetwork()
        with self.network.inside('nodes'):
            for i in range(3):
                Teller('compute%d' % i, address='192.168.125.%d' % (23 + i),
                       port=PORT)
        self.one = Machine(self.network, 'lb1', 0)
        self.two = Machine(self.network, 'lb2', 1)
        self.one.other, self.two.other = self.two, self.one
        self.keeps = keep_connections()
        self.settle()

    def settle(self):
        """Each machine has its own address again, and nobody else has."""
        def settled():
            return (self.one.holds(FRONT) and self.two.holds(BACK) and
                    not self.one.holds(BACK) and not self.two.holds(FRONT))
        wait_for(settled, 20, 'each machine to have its own address', 0.1)

    def server_of(self, place, source, address, limit=10):
        with self.network.inside(place):
            return ask(address, source, limit)

    def servers(self, address):
        """Which server each client reaches, from afar and from next door."""
        return {source: self.server_of(place, source, address)
                for place, sources in (('client', FAR), ('neighbour', NEAR))
                for source in sources}


def ask(address, source, limit=10.0):
    with connect(PORT, address, limit, source) as s:
        return exchange(s, simple_hello(NAME), ANSWER, limit).decode()


pair = shared(Pair)


class Stream(threading.Thread):
    """One new connection after the other, from all of a place's sources."""

    def __init__(self, network, place, sources, address, limit=10.0):
        super().__init__(daemon=True)
        self.network, self.place, self.address = network, place, address
        self.sources, self.limit = sources, limit
        self.served = []        # (begun, source, server)
        self.refused = []       # what happened before the connection stood
        self.cut = []           # and after
        self.longest = 0.0
        self.enough = threading.Event()
        own(self)
        self.start()

    def run(self):
        n = 0
        with self.network.inside(self.place):
            while not self.enough.is_set():
                self.one(self.sources[n % len(self.sources)])
                n += 1
                time.sleep(0.01)

    def one(self, source):
        begun, stood = time.monotonic(), None
        try:
            with connect(PORT, self.address, self.limit, source) as s:
                stood = time.monotonic()
                server = exchange(s, simple_hello(NAME), ANSWER,
                                  self.limit).decode()
                self.served.append((begun, source, server))
                self.longest = max(self.longest, time.monotonic() - begun)
        except Exception as e:
            (self.cut if stood else self.refused).append(
                (begun, '%s to %s: %r' % (source, self.address, e)))

    def served_again(self, lost):
        """When, after the first that was not; None not yet."""
        failed = [b for b, _ in self.refused + self.cut if b > lost]
        return failed and next((b for b, _, _ in list(self.served)
                                if b > min(failed)), None)

    def close(self):
        self.enough.set()
        self.join(30)


def streams(here, addresses, limit=10.0):
    return [Stream(here.network, place, sources, address, limit)
            for address in addresses
            for place, sources in (('client', FAR), ('neighbour', NEAR))]


# --- a machine is lost -------------------------------------------------------

def lose(here, how, undo, machine, address):
    """Seconds until clients of this address are served again."""
    before = here.servers(address)
    seekers = streams(here, [address], limit=0.2)
    wait_for(lambda: all(len(s.served) > 5 for s in seekers), 10, 'traffic')
    moment = time.monotonic()
    how()
    lost = time.monotonic()
    wait_for(lambda: machine.other.holds(address), 10,
             '%s to take %s' % (machine.other.name, address), 0.01)
    wait_for(lambda: all(s.served_again(lost) for s in seekers), 10,
             'clients to fail, and to be served again')
    took = max(s.served_again(lost) for s in seekers) - moment
    for s in seekers:
        s.close()
    after = here.servers(address)
    equal(after, before, 'who is served where, after the move')
    undo()
    here.settle()
    equal(here.servers(address), before, 'who is served where, at the end')
    return took


def lose_often(how, undo):
    here = pair()
    times = []
    for i in range(ROUNDS):
        machine, address = ((here.one, FRONT), (here.two, BACK))[i % 2]
        times.append(lose(here, lambda: how(machine), lambda: undo(machine),
                          machine, address))
    print('     served again after %s s' % ', '.join('%.1f' % t for t in times))
    check(max(times) < MOVED_WITHIN, 'one took %.1f s', max(times))
    return times


def test_every_process_is_killed():
    """The dead machine keeps the address on its interface."""
    def how(machine):
        machine.keepalived.stop(signal.SIGKILL)
        machine.kill_durward()

    def undo(machine):
        for address in FRONT, BACK:
            if machine.holds(address):
                machine.network.ip(machine.name, 'address del %s/24 dev eth0' %
                                   address)
        machine.start_durward()
        with machine.network.inside(machine.name):
            machine.keepalived.start()
    lose_often(how, undo)


if LONG:
    def test_durward_is_killed():
        """keepalived lives, and ping fails."""
        lose_often(lambda m: m.kill_durward(), lambda m: m.start_durward())

    def test_the_cable_is_pulled():
        lose_often(lambda m: m.cable('down'), lambda m: m.cable('up'))


# --- a machine is taken out --------------------------------------------------

class Quiet:
    """A connection that stands, and says something now and then."""

    def __init__(self, here, place, source, address):
        with here.network.inside(place):
            self.s = own(connect(PORT, address, source=source))
        self.server = exchange(self.s, simple_hello(NAME), ANSWER)

    def lives(self, when):
        equal(exchange(self.s, b'x', ANSWER), self.server, 'answer ' + when)


def nobody_was_turned_away(here, all_streams, moves):
    for s in all_streams:
        s.close()
    equal([text for s in all_streams for _, text in s.refused], [],
          'new connections that were turned away')
    # without the script, one that stands in the moment of a move is over
    cut = [text for s in all_streams for _, text in s.cut]
    most = 0 if here.keeps else moves * len(all_streams)
    check(len(cut) <= most, 'connections that were cut: %s', cut)
    served = [x for s in all_streams for x in s.served]
    where = {}
    for _, source, server in served:
        equal(where.setdefault(source, server), server,
              'the server of ' + source)
    print('     %d new connections served, none turned away, %d cut, the '
          'longest took %.1f s%s' % (
              len(served), len(cut), max(s.longest for s in all_streams),
              '' if here.keeps else '; without keep-connections'))


def test_a_planned_stop_turns_nobody_away():
    """drain-all here, both addresses there; back again after maintenance.
    Who was connected stays so, whichever machine serves him."""
    here = pair()
    all_streams = streams(here, [FRONT, BACK])
    early = [Quiet(here, 'client', FAR[0], FRONT),
             Quiet(here, 'neighbour', NEAR[0], FRONT)]
    wait_for(lambda: all(len(s.served) > 20 for s in all_streams), 20,
             'traffic')
    begun = time.monotonic()
    equal(here.one.daemon.ctl('drain-all').returncode, 0)
    wait_for(lambda: here.two.holds(FRONT) and not here.one.holds(FRONT), 10,
             'the address to move', 0.01)
    took = time.monotonic() - begun
    check(took < 5, 'moved only after %.1f s, and drain-delay is 5 s', took)
    check(procs.alive(here.one.daemon.pid), 'durward did not wait')
    wait_for(lambda: 'no new connections' in here.one.daemon.ctl('ping').stderr,
             10, 'the listeners to be closed')
    late = [Quiet(here, 'client', FAR[1], FRONT),
            Quiet(here, 'neighbour', NEAR[1], FRONT)]
    for quiet in early:
        if here.keeps:
            quiet.lives('from the machine that drains')
        quiet.s.close()
    equal(here.one.daemon.wait_end(30), 0)
    here.one.daemon.expect_nothing_left()
    here.one.start_durward()
    here.settle()
    marks = [len(s.served) for s in all_streams]
    wait_for(lambda: all(len(s.served) > m + 20
                         for s, m in zip(all_streams, marks)), 20, 'traffic')
    for quiet in late if here.keeps else ():
        quiet.lives('from the other, with the address back here')
    nobody_was_turned_away(here, all_streams, moves=2)
    print('     the address moved %.1f s after drain-all' % took)


def test_reload_and_upgrade_move_nothing():
    here = pair()
    all_streams = streams(here, [FRONT, BACK])
    daemon = here.one.daemon
    marks = [len(m.keepalived.said()) for m in (here.one, here.two)]
    for _ in range(3):
        equal(daemon.ctl('reload').returncode, 0)
    daemon.signal(signal.SIGUSR2)
    wait_for(lambda: daemon.pid_from_file() != daemon.pid, 20,
             'the new executable')
    old = daemon.follow()
    wait_for(lambda: not procs.alive(old), 30, 'the old master to leave')
    marked = [len(s.served) for s in all_streams]
    wait_for(lambda: all(len(s.served) > m + 100
                         for s, m in zip(all_streams, marked)), 30, 'traffic')
    nobody_was_turned_away(here, all_streams, moves=0)
    for machine, mark in zip((here.one, here.two), marks):
        said = machine.keepalived.said()[mark:]
        check('STATE' not in said and 'failed' not in said, '%s: %s',
              machine.name, said)


if LONG:
    def test_keepalived_stopped_first_turns_nobody_away():
        """As at a shutdown: it says goodbye, and nobody waits for silence."""
        here = pair()
        all_streams = streams(here, [FRONT])
        wait_for(lambda: all(len(s.served) > 20 for s in all_streams), 20,
                 'traffic')
        here.one.keepalived.stop()
        wait_for(lambda: here.two.holds(FRONT), 10, 'the address to move', 0.01)
        here.one.daemon.stop(signal.SIGTERM)
        here.one.start_durward()
        with here.network.inside('lb1'):
            here.one.keepalived.start()
        here.settle()
        nobody_was_turned_away(here, all_streams, moves=2)


if __name__ == '__main__':
    main()
