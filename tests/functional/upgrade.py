#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""USR2 at a fixed rate of clients, executables that cannot start, and a
master that is killed."""

import mmap
import os
import re
import shutil
import signal
import sys
import time

from lib import (DURWARD, Durward, Rate, alive, check, connect, equal, exchange,
                 ledger, main, own_binary, procs, skip, wait_for, wrong_counts)
from lib import forbid
from lib.forbid import CAPSET
from lib.renewed import BACKEND, CONF, NAME, opened, start


def test_usr2_at_200_connections_a_second():
    binary = own_binary()
    daemon, a, b = start(binary)
    equal(daemon.ctl('drain', BACKEND + '/a').returncode, 0)
    held = opened(daemon.port('https'))
    rate = Rate(lambda: opened(daemon.port('https')).close())
    rate.wait_served(100)
    shutil.copy(DURWARD, binary + '.new')
    os.rename(binary + '.new', binary)
    old = daemon.renew()
    equal(procs.title(daemon.pid), 'durward: master')
    before = len(a.clients())
    rate.wait_served(300)
    rate.stop()
    equal(rate.failures[:3], [], 'failures among %d' % rate.begun)
    equal(exchange(held, b'still', 5), b'still', 'a connection that stood')
    # what the old one knew: health without a flap, and what operators said
    equal({s: daemon.server_state(BACKEND, s) for s in ('a', 'b', 'gone')},
          {'a': 'DRAIN', 'b': 'UP', 'gone': 'DOWN'})
    equal(len(a.clients()), before, 'clients of the drained one')
    equal(len(daemon.log_lines(r'Server .* is (UP|DOWN)')), 1,
          'lines about changes')
    check(alive(old), 'the old master left a connection alone')
    held.close()
    wait_for(lambda: not alive(old), 20, 'the old master to go')
    opened(daemon.port('https')).close()
    wait_for(lambda: ledger(daemon)['held']['listeners'] == 0, 5, 'it to end')
    book = ledger(daemon)
    equal((book['pools'], wrong_counts(book)), (1, {}), 'what the old one left')


def test_the_log_goes_on_where_it_went():
    """With log = "stderr" the new one writes to the old one's."""
    daemon, _, _ = start(own_binary())
    old = daemon.pid
    daemon.signal(signal.SIGUSR2)
    wait_for(lambda: daemon.pid_from_file() != old, 20, 'a new master')
    daemon.follow()
    daemon.wait_ready()
    wait_for(lambda: not alive(old), 20, 'the old master to go')
    client = opened(daemon.port('https'))
    port = client.getsockname()[1]
    client.close()
    daemon.wait_log(r'durward\[\d+\]: 127.0.0.1:%d .*\{%s\}' % (port, NAME))
    daemon.wait_log(r'durward\[%d\]: ready' % daemon.pid)


def say_another_layout(pid):
    """To the head of the shared memory, which ends where workers may write."""
    fds = '/proc/%d/fd' % pid
    path = next(os.path.join(fds, fd) for fd in os.listdir(fds)
                if '/memfd:durward' in os.readlink(os.path.join(fds, fd)))
    with open(path, 'r+b', 0) as f, mmap.mmap(f.fileno(), 0) as memory:
        at = memory.find(b'durward\n'[::-1])
        check(at >= 0 and at % 4096 == 0, 'no head in the shared memory: %d', at)
        memory[at + 8] += 100


def test_memory_of_another_layout():
    """The new one begins with its own, and the old one ends what it has."""
    daemon, _, _ = start(own_binary())
    held = opened(daemon.port('https'))
    say_another_layout(daemon.pid)
    old = daemon.renew()
    opened(daemon.port('https')).close()
    daemon.wait_state(BACKEND, 'gone', 'DOWN')
    equal(exchange(held, b'still', 5), b'still', 'a connection that stood')
    equal(ledger(daemon)['held']['listeners'], 0, 'what the new one counts')
    held.close()
    wait_for(lambda: not alive(old), 20, 'the old master to go')
    opened(daemon.port('https')).close()


def test_the_old_master_holds_no_port():
    """Where it lives on for one connection, a listener that the new one
    gives up is closed, and can be had again."""
    daemon, _, _ = start(own_binary())
    two = 'listener "two" { bind = {"127.0.0.1:@two@"} protocol = "tls" ' \
        'default = "one.ingress" }\n'
    daemon.write(CONF + two)
    equal(daemon.ctl('reload').returncode, 0)
    held = opened(daemon.port('https'))
    old = daemon.pid
    daemon.signal(signal.SIGUSR2)
    wait_for(lambda: daemon.pid_from_file() != old, 20, 'a new master')
    daemon.follow()
    daemon.wait_ready()
    daemon.wait_log('a new executable serves')
    daemon.write(CONF)
    equal(daemon.ctl('reload').returncode, 0)

    def is_closed():
        try:
            connect(daemon.port('two')).close()
        except ConnectionRefusedError:
            return True
    wait_for(is_closed, 10, 'the listener to go')
    check(alive(old), 'the old master left a connection alone')
    daemon.write(CONF + two)
    equal(daemon.ctl('reload').stderr, '', 'a reload that brings it back')
    opened(daemon.port('two')).close()
    equal(exchange(held, b'still', 5), b'still')
    held.close()


def refuses(spoil, why):
    """An executable that cannot take over: the old one says why, goes on as
    if nothing had been, and takes over from a good one later."""
    binary = own_binary()
    daemon, a, b = start(binary)
    held = opened(daemon.port('https'))
    rate = Rate(lambda: opened(daemon.port('https')).close())
    rate.wait_served(50)
    os.unlink(binary)
    spoil(binary)
    daemon.signal(signal.SIGUSR2)
    daemon.wait_log('the new executable did not start; this one goes on')
    daemon.wait_log(why)
    rate.wait_served(100)
    rate.stop()
    equal(rate.failures[:3], [], 'failures among %d' % rate.begun)
    equal(daemon.pid_from_file(), daemon.pid, 'the pid file')
    equal(procs.title(daemon.pid), 'durward: master')
    equal(exchange(held, b'still', 5), b'still')
    equal(daemon.ctl('ping').returncode, 0)
    equal(daemon.ctl('reload').returncode, 0, 'a reload')
    # and with a good one in its place
    shutil.copy(DURWARD, binary + '.new')
    os.rename(binary + '.new', binary)
    old = daemon.pid
    daemon.signal(signal.SIGUSR2)
    wait_for(lambda: daemon.pid_from_file() != old, 20, 'a new master')
    daemon.follow()
    daemon.wait_ready()
    equal(exchange(held, b'still', 5), b'still')
    held.close()
    wait_for(lambda: not alive(old), 20, 'the old master to go')


def put(data, mode=0o755):
    def spoil(path):
        with open(path, 'wb') as f:
            f.write(data)
        os.chmod(path, mode)
    return spoil


# Stands before the new executable: hands on the sockets as one of before had them.
LOW = '''#!%s
import os
said, low = os.environ['DURWARD_UPGRADE'].split('\\n'), 20
for i, line in enumerate(said):
    if line.startswith('socket='):
        fd, address = line[7:].split('=', 1)
        os.dup2(int(fd), low)
        os.close(int(fd))
        said[i] = 'socket=%%d=%%s' %% (low, address)
        low += 1
os.environ['DURWARD_UPGRADE'] = '\\n'.join(said)
os.execv('%s', %r + __import__('sys').argv[1:])
'''


def test_sockets_of_an_older_one_are_moved():
    """To where a worker's filter knows them as everybody's."""
    binary = own_binary()
    daemon, _, _ = start(binary)
    held = opened(daemon.port('https'))
    os.unlink(binary)
    put((LOW % (sys.executable, DURWARD, [DURWARD])).encode())(binary)
    daemon.renew()
    opened(daemon.port('https')).close()
    equal(exchange(held, b'still', 5), b'still')
    held.close()
    idle = daemon.workers('^durward: idle https')
    check(idle, 'nobody is idle')
    for pid in idle:
        numbers = sorted(map(int, os.listdir('/proc/%d/fd' % pid)))
        check(all(n < 3 or n >= 32 for n in numbers), 'descriptors %s', numbers)


def test_term_to_the_old_master_leaves_the_new_one_alone():
    daemon, _, _ = start(own_binary())
    held = opened(daemon.port('https'))
    old = daemon.pid
    daemon.signal(signal.SIGUSR2)
    wait_for(lambda: procs.alive(old) and daemon.pid_from_file() != old, 20,
             'another pid in the file')
    daemon.follow()
    daemon.wait_log('a new executable serves')  # until then, it is for both
    daemon.wait_ready()
    equal(exchange(held, b'still', 5), b'still', 'a connection that stood')
    os.kill(old, signal.SIGTERM)
    wait_for(lambda: not alive(old), 10, 'the old master to end')
    equal(held.recv(1), b'', 'the connection of the old one')
    equal(daemon.ctl('ping').returncode, 0, 'the new one drains, it says')
    opened(daemon.port('https')).close()


def test_one_that_says_much_and_serves():
    """Its lines are the log's, and no reason to think that it failed."""
    daemon, _, _ = start(own_binary())
    put(b'#!/bin/sh\nyes this is a long story 2>/dev/null | head -2000 >&2\nexec %s "$@"\n' %
        DURWARD.encode())(daemon.argv[0] + '.new')
    os.rename(daemon.argv[0] + '.new', daemon.argv[0])
    old = daemon.pid
    daemon.signal(signal.SIGUSR2)
    wait_for(lambda: daemon.pid_from_file() != old, 20, 'a new master')
    daemon.follow()
    daemon.wait_ready()
    with opened(daemon.port('https')) as s:
        client = '127.0.0.1:%d ' % s.getsockname()[1]
    daemon.wait_log(client)
    equal(len(daemon.wait_log('^this is a long story$', count=2000)), 2000,
          'lines that it said')
    equal(daemon.log_lines('did not start'), [], 'complaints')


def test_a_script_that_fails():
    refuses(put(b'#!/bin/sh\necho broken by me >&2\nexit 1\n'),
            r'the new executable says: broken by me')


def test_garbage():
    refuses(put(os.urandom(4096)),
            r'the new executable says: .*(?i:exec format error)')


def test_an_executable_that_is_gone():
    refuses(lambda path: None,
            r'the new executable says: .*No such file or directory')


def test_one_that_must_not_be_executed():
    refuses(put(b'#!/bin/sh\nexit 0\n', 0o644),
            r'the new executable says: .*Permission denied')


DIES_AT_BIRTH = '#!/bin/sh\nexec %s %s %s %s "$@"\n' % (
    sys.executable, forbid.__file__, CAPSET, DURWARD)


def test_one_whose_workers_die_at_birth():
    """It starts, but can serve nobody."""
    if os.geteuid() != 0 or CAPSET is None:
        skip('not root, or no known number of capset')
    refuses(put(DIES_AT_BIRTH.encode()),
            r'the new executable says: .*no worker survives its birth')


def test_after_one_that_gave_up_places_are_swept():
    """What a reload left without a name: workers of the one that goes on are
    its current ones, whatever the other numbered itself."""
    if os.geteuid() != 0 or CAPSET is None:
        skip('not root, or no known number of capset')
    binary = own_binary()
    daemon, a, b = start(binary)
    equal(ledger(daemon)['server_places'], 3)
    daemon.write(CONF.replace(',\n                     "gone=127.0.0.1:@nobody@"',
                              ''))
    equal(daemon.ctl('reload').returncode, 0)
    os.unlink(binary)
    put(DIES_AT_BIRTH.encode())(binary)
    daemon.signal(signal.SIGUSR2)
    daemon.wait_log('the new executable did not start; this one goes on', limit=20)
    wait_for(lambda: ledger(daemon)['server_places'] == 2, 30, 'a sweep')


def test_a_configuration_that_is_bad_by_then():
    """The new one reads it, and its complaint names the line."""
    binary = own_binary()
    daemon, _, _ = start(binary)
    good = daemon.text
    with open(daemon.conf, 'a') as f:
        f.write('colour = "red"\n')
    daemon.signal(signal.SIGUSR2)
    daemon.wait_log('the new executable did not start; this one goes on')
    daemon.wait_log(r'the new executable says: .*durward\.conf:%d: .*colour' %
                    (good.count('\n') + 1))
    opened(daemon.port('https')).close()
    equal(daemon.pid_from_file(), daemon.pid, 'the pid file')


# -- a master that is killed

def test_a_killed_master_leaves_nothing_but_what_is_established():
    daemon, _, _ = start(DURWARD)
    held = opened(daemon.port('https'))
    serving = [p for p, t in daemon.processes().items() if '127.0.0.1:' in t]
    equal(len(serving), 1, 'workers with a client')
    os.kill(daemon.pid, signal.SIGKILL)
    daemon.process.wait(10)
    daemon.stopped = True
    # it lives on, and all others go
    equal(exchange(held, b'still', 5), b'still')

    def left():
        return [p for p in daemon.left_behind()
                if 'logger' not in procs.title(p)]
    wait_for(lambda: left() == serving, 10,
             'only the connection to be left, not %r' % [
                 procs.title(p) for p in left()])
    equal(exchange(held, b'still', 5), b'still')
    # a new master takes the same port meanwhile
    another = Durward(CONF, a=daemon.port('a'), b=daemon.port('b'),
                      https=daemon.port('https'), nobody=daemon.port('nobody'))
    opened(another.port('https')).close()
    equal(exchange(held, b'still', 5), b'still')
    held.close()
    daemon.expect_nothing_left()
    check(re.search(r'127\.0\.0\.1:\d+ \[.*https %s/' % BACKEND,
                    daemon.log()), 'its line is not in the log')


def test_a_killed_master_under_load_can_be_replaced_at_once():
    daemon, _, _ = start(DURWARD)
    port = daemon.port('https')
    held = [opened(port) for _ in range(10)]
    os.kill(daemon.pid, signal.SIGKILL)
    daemon.process.wait(10)
    daemon.stopped = True
    begun = time.monotonic()
    another = Durward(CONF, a=daemon.port('a'), b=daemon.port('b'), https=port,
                      nobody=daemon.port('nobody'))
    check(time.monotonic() - begun < 10, 'it took %.1f s',
          time.monotonic() - begun)
    for _ in range(20):
        opened(port).close()
    for s in held:
        equal(exchange(s, b'still', 5), b'still')
        s.close()
    daemon.expect_nothing_left()
    equal(another.ctl('ping').returncode, 0)


def test_a_stop_while_the_new_one_starts():
    """By the pid file, which names the new one already: the old one goes too."""
    for _ in range(4):
        daemon, _, _ = start(own_binary())
        old = daemon.pid
        daemon.signal(signal.SIGUSR2)

        def another():
            try:
                return daemon.pid_from_file() != old
            except ValueError:
                return False
        wait_for(another, 20, 'another pid in the file', pause=0.0005)
        daemon.follow()
        daemon.stop()
        wait_for(lambda: not alive(old), 10, 'the old master to go')


def test_a_stop_of_the_old_one_while_the_new_one_starts():
    """By a pid that was read before: the new one goes too."""
    for delay in (0, 0.001, 0.002, 0.005, 0.01, 0.02):
        daemon, _, _ = start(own_binary())
        os.kill(daemon.pid, signal.SIGUSR2)
        daemon.wait_log('starting the executable', limit=20)
        time.sleep(delay)       # it lands elsewhere each time
        os.kill(daemon.pid, signal.SIGTERM)
        wait_for(lambda: not alive(daemon.pid), 10, 'the old master to end')
        if daemon.log_lines('a new executable serves'):
            daemon.follow()     # too late: that TERM was for the old one alone
            daemon.stop()
        daemon.stopped = True
        daemon.expect_nothing_left()


main()
