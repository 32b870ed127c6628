#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The pair's address of IPv6: the network of pair.py with a second family.

  neighbour                          lb1 2001:db8::2
  2001:db8::100 to ::109 ----------- lb2 2001:db8::3       servers have IPv4
                                     one of them also 2001:db8::10
"""

import re
import signal
import time

import pair
from pair import (LONG, MOVED_WITHIN, PORT, Keepalived, Machine, PairNetwork,
                  Stream, Teller, ask)
from lib import (check, equal, main, need_ipv6, procs, shared, wait_for)

FRONT6 = '2001:db8::10'
NEAR6 = ['2001:db8::%d' % n for n in range(100, 110)]
ROUNDS = 4 if LONG else 1


class Network6(PairNetwork):
    def __init__(self):
        super().__init__()
        for short, addresses in (('lb1', ['2001:db8::2']),
                                 ('lb2', ['2001:db8::3']),
                                 ('neighbour', NEAR6)):
            for address in addresses:
                self.ip(short, 'address add %s/64 dev eth0 nodad' % address)
        # no advertisement leaves before: the other machine would think it is alone
        wait_for(lambda: not any('tentative' in self.ip(short, '-6 address show')
                                 for short in ('lb1', 'lb2')), 10,
                 'the link-local addresses')


class Keepalived6(Keepalived):
    def example(self):
        """The lines about IPv6 without their "#"."""
        text, n = re.subn(
            r'(?ms)^#(\$FRONT6=.*)^#vrrp_instance front6.*?^#}$',
            lambda m: re.sub('(?m)^#', '', m.group()), super().example())
        equal(n, 1, 'instances of IPv6 in the example')
        return text


class Machine6(Machine):
    Keepalived = Keepalived6


class Pair6:
    keeps = False

    def __init__(self):
        need_ipv6()
        pair.keepalived()
        self.network = Network6()
        with self.network.inside('nodes'):
            for i in range(3):
                Teller('compute%d' % i, address='192.168.125.%d' % (23 + i),
                       port=PORT)
        self.one, self.two = (Machine6(self.network, name, i,
                                       FRONT6=FRONT6 + '/64')
                              for i, name in enumerate(('lb1', 'lb2')))
        self.settle()

    def settle(self):
        def settled():
            return (self.one.holds(pair.FRONT) and self.two.holds(pair.BACK) and
                    self.one.holds(FRONT6) and not self.two.holds(FRONT6))
        wait_for(settled, 20, 'each machine to have its own addresses', 0.1)

    def servers(self):
        with self.network.inside('neighbour'):
            return {source: ask(FRONT6, source) for source in NEAR6}


both = shared(Pair6)


def test_the_machine_is_lost():
    """Clients are served again, by the same servers."""
    here = both()
    before = here.servers()
    check(len(set(before.values())) > 1, 'one server has them all')
    times = []
    for _ in range(ROUNDS):
        stream = Stream(here.network, 'neighbour', NEAR6, FRONT6, limit=0.2)
        wait_for(lambda: len(stream.served) > 5, 10, 'traffic')
        lost = time.monotonic()
        here.one.keepalived.stop(signal.SIGKILL)
        here.one.kill_durward()
        wait_for(lambda: here.two.holds(FRONT6), 10, 'the address to move',
                 0.01)
        wait_for(lambda: stream.served_again(lost), 10,
                 'clients to fail, and to be served again')
        times.append(stream.served_again(lost) - lost)
        stream.close()
        equal(here.servers(), before, 'who is served where, after the move')
        for address, size in (FRONT6, 64), (pair.FRONT, 24):
            if here.one.holds(address):
                here.network.ip('lb1', 'address del %s/%d dev eth0' % (
                    address, size))
        here.one.start_durward()
        with here.network.inside('lb1'):
            here.one.keepalived.start()
        here.settle()
    equal(here.servers(), before, 'who is served where, at the end')
    print('     served again after %s s' % ', '.join(
        '%.1f' % t for t in times))
    check(max(times) < MOVED_WITHIN, 'one took %.1f s', max(times))


def test_a_planned_stop_turns_nobody_away():
    here = both()
    stream = Stream(here.network, 'neighbour', NEAR6, FRONT6)
    wait_for(lambda: len(stream.served) > 20, 20, 'traffic')
    equal(here.one.daemon.ctl('drain-all').returncode, 0)
    wait_for(lambda: here.two.holds(FRONT6) and not here.one.holds(FRONT6), 10,
             'the address to move', 0.01)
    check(procs.alive(here.one.daemon.pid), 'durward did not wait')
    equal(here.one.daemon.wait_end(30), 0)
    here.one.daemon.expect_nothing_left()
    here.one.start_durward()
    here.settle()
    mark = len(stream.served)
    wait_for(lambda: len(stream.served) > mark + 20, 20, 'traffic')
    pair.nobody_was_turned_away(here, [stream], moves=2)


if __name__ == '__main__':
    main()
