#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Limits: how many at once, from where, and to which server."""

import os
import select
import signal
import socket
import threading
import time

from lib import (ALERT_INTERNAL_ERROR, Durward, EchoBackend, Failure, alert,
                 ask, check,
                 connect, equal, exchange, ledger, main, read_all,
                 read_until, simple_hello, wait_for, wrong_counts)

NAME = 'www.example.org'

CONF = '''
@globals@
listener "https" { bind = {"127.0.0.1:@https@"} protocol = "tls" @listener@ }
listener "other" { bind = {"127.0.0.1:@other@"} protocol = "tls" }
cluster "one" {
    service "ingress" {
        listeners = {"https", "other"}
        hosts     = {"www.example.org"}
        @servers@
        check { type = "none" }
        @service@
    }
}
'''


def start(globals='', listener='', service='', servers=None, **how):
    server = None
    if servers is None:
        server = EchoBackend()
        servers = 'servers = {"echo=127.0.0.1:%d"}' % server.port
    return Durward(CONF, globals=globals, listener=listener, service=service,
                   servers=servers, **how), server


def opened(daemon, listener='https', source=None):
    """A connection that has reached its server."""
    hello = simple_hello(NAME)
    s = connect(daemon.port(listener), source=source)
    equal(exchange(s, hello, len(hello)), hello)
    return s


def waits(s, seconds=0.4):
    """Nothing comes and nothing is closed for so long."""
    return not select.select([s], [], [], seconds)[0]


def waits_then_served(daemon, first, listener='https'):
    hello = simple_hello(NAME)
    with connect(daemon.port(listener)) as s:
        s.sendall(hello)
        check(waits(s), 'it was not made to wait')
        first.close()
        s.settimeout(10)
        equal(s.recv(len(hello), socket.MSG_WAITALL), hello, 'in its turn')


def test_a_listeners_limit_makes_clients_wait():
    daemon, _ = start(listener='max-connections = 3')
    held = [opened(daemon) for _ in range(3)]
    opened(daemon, 'other').close()     # that listener is not full
    waits_then_served(daemon, held[0])


def test_a_listeners_limit_counts_connections_of_before():
    """A reload and a new executable bring workers of their own, and no room."""
    daemon, _ = start(listener='max-connections = 2')
    held = [opened(daemon) for _ in range(2)]
    for renew in (lambda: equal(daemon.ctl('reload').returncode, 0),
                  lambda: daemon.signal(signal.SIGHUP), daemon.renew):
        renew()
        wait_for(lambda: daemon.workers(), 5, 'a new worker')
        waits_then_served(daemon, held.pop(0))
        held.append(opened(daemon))
    for s in held:
        s.close()


def test_the_limit_of_all_makes_clients_wait():
    daemon, _ = start(globals='max-connections = 4')
    held = [opened(daemon) for _ in range(2)]
    held += [opened(daemon, 'other') for _ in range(2)]
    waits_then_served(daemon, held[3])


def test_many_over_the_limit_all_get_their_turn():
    daemon, _ = start(listener='max-connections = 5')
    served, failures = [], []

    def client():
        try:
            s = opened(daemon)
            served.append(1)
            s.close()
        except Exception as e:
            failures.append(e)
    threads = [threading.Thread(target=client) for _ in range(60)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(30)
    equal((len(served), failures), (60, []), 'clients')


def test_per_source():
    daemon, _ = start(listener='max-connections-per-source = 2')
    held = [opened(daemon, source='127.0.0.7') for _ in range(2)]
    hello = simple_hello(NAME)
    with connect(daemon.port('https'), source='127.0.0.7') as s:
        try:
            s.sendall(hello)
            equal(read_all(s), b'', 'what the third got')
        except (ConnectionResetError, BrokenPipeError):
            pass
    opened(daemon, source='127.0.0.8').close()
    daemon.wait_log(r'127\.0\.0\.7:\d+ .*<NOSRV>')
    held[0].close()

    def again():
        try:
            opened(daemon, source='127.0.0.7').close()
            return True
        except Exception:
            return False
    wait_for(again, 10, 'the source to be let in again')


def refused(daemon, source):
    with connect(daemon.port('https'), source=source) as s:
        try:
            s.sendall(simple_hello(NAME))
            return read_all(s) == b''
        except (ConnectionResetError, BrokenPipeError):
            return True


def test_allow_and_deny():
    daemon, _ = start(listener='allow = {"127.0.0.0/28"} '
                      'deny = {"127.0.0.8/31"}')
    opened(daemon, source='127.0.0.1').close()
    opened(daemon, source='127.0.0.15').close()
    check(refused(daemon, '127.0.0.16'), 'not in allow, and yet let in')
    check(refused(daemon, '127.0.0.8'), 'denied, and yet let in')
    check(refused(daemon, '127.0.0.9'), 'denied, and yet let in')
    opened(daemon, source='127.0.0.10').close()
    daemon.wait_log(r'127\.0\.0\.16:\d+ .*<NOSRV>')


def test_who_is_denied_need_not_say_a_word():
    """The kernel does not keep silent clients where some are to be closed
    at once; it would for 15 s here."""
    for rule in 'deny = {"127.0.0.9"}', 'allow = {"127.0.0.8"}':
        daemon, _ = start(listener=rule +
                          ' timeouts { handshake = "30s" }')
        with connect(daemon.port('https'), source='127.0.0.9') as s:
            try:
                equal(read_all(s, 8), b'')
            except ConnectionResetError:
                pass
        daemon.wait_log(r'127\.0\.0\.9:\d+ .*<NOSRV>')


def test_the_kernels_time_is_part_of_the_handshake():
    daemon, _ = start(listener='timeouts { handshake = "7s" }')
    with connect(daemon.port('https')) as s:
        try:
            equal(read_all(s, 12), b'')
        except ConnectionResetError:
            pass


def test_a_services_own_lists():
    daemon, _ = start(service='deny = {"127.0.0.9"}')
    opened(daemon, source='127.0.0.8').close()
    check(refused(daemon, '127.0.0.9'), 'denied, and yet let in')


def test_a_full_server_is_passed_over():
    a, b = EchoBackend('a'), EchoBackend('b')
    daemon, _ = start(servers='''
        server "a" { address = "127.0.0.1:%d" max-connections = 1 }
        server "b" { address = "127.0.0.1:%d" max-connections = 1 }''' %
                      (a.port, b.port), globals='timeouts { queue = "20s" }')
    held = [opened(daemon), opened(daemon)]
    equal((len(a.clients()), len(b.clients())), (1, 1), 'clients at each')
    waits_then_served(daemon, held[1])


def test_who_waits_longer_comes_first():
    """A place becomes free while the one who waits for it is slow to wake: the
    one who comes just then waits behind."""
    a = EchoBackend('a')
    daemon, _ = start(servers='server "a" { address = "127.0.0.1:%d" '
                      'max-connections = 1 }' % a.port)
    hello = simple_hello(NAME)
    held = opened(daemon)
    with connect(daemon.port('https')) as first, connect(daemon.port('https')) as second:
        first.sendall(hello)
        wait_for(lambda: ledger(daemon)['queued'] == 1, 10, 'one to wait')
        worker, = daemon.workers('127.0.0.1:%d ' % first.getsockname()[1])
        os.kill(worker, signal.SIGSTOP)
        held.close()
        wait_for(lambda: daemon.json('status')[0]['current'] == 0, 10, 'a free place')
        second.sendall(hello)
        check(waits(second, 0.1), 'the second one went past the first')
        os.kill(worker, signal.SIGCONT)
        equal(read_until(first, len(hello)), hello, 'the first')
        check(waits(second, 0.1), 'two at a server that takes one')
        first.close()
        equal(read_until(second, len(hello)), hello, 'the second')


def test_one_that_cannot_be_served_holds_nobody_up():
    """It waits by the limit of a configuration that is over; whoever comes by the
    new one finds room, and no queue."""
    a = EchoBackend('a')
    line = 'server "a" { address = "127.0.0.1:%d" max-connections = %d }'
    daemon, _ = start(servers=line % (a.port, 1))
    held = opened(daemon)
    with connect(daemon.port('https')) as late:
        late.sendall(simple_hello(NAME))
        wait_for(lambda: ledger(daemon)['queued'] == 1, 10, 'one to wait')
        older = set(daemon.workers())
        daemon.write(CONF, servers=line % (a.port, 100))
        equal(daemon.ctl('reload').returncode, 0)
        wait_for(lambda: not older & set(daemon.workers()), 10, 'older workers to end')
        begun = time.monotonic()
        for _ in range(8):
            opened(daemon).close()
        took = time.monotonic() - begun
        check(took < 1.5, '8 clients took %.1f s, as if each had to wait', took)
        equal(ledger(daemon)['queued'], 1, 'it waits still')
    held.close()


def test_the_queue_has_an_end():
    a = EchoBackend('a')
    daemon, _ = start(servers='server "a" { address = "127.0.0.1:%d" '
                      'max-connections = 1 }' % a.port,
                      globals='timeouts { queue = "500ms" }')
    held = opened(daemon)
    begun = time.monotonic()
    equal(alert(ask(daemon.port('https'), simple_hello(NAME))),
          ALERT_INTERNAL_ERROR)
    took = time.monotonic() - begun
    check(0.4 < took < 3, 'after %.2f s, not 0.5', took)
    held.close()


def kill_who_waits(daemon, kind, clients):
    """Clients that must wait, counted as this kind; their workers killed."""
    waiting = []
    for _ in range(clients):
        waiting.append(connect(daemon.port('https')))
        waiting[-1].sendall(simple_hello(NAME))
    wait_for(lambda: ledger(daemon)[kind] == clients, 10, 'clients to wait')
    titles = daemon.processes()
    for s in waiting:
        pid, = [pid for pid, title in titles.items()
                if ' 127.0.0.1:%d' % s.getsockname()[1] in title]
        os.kill(pid, signal.SIGKILL)
    for s in waiting:
        try:
            equal(read_all(s), b'', 'what a killed one got')
        except ConnectionResetError:
            pass
    # at once, by what its slot says; not when some audit finds it missing
    wait_for(lambda: ledger(daemon)[kind] == 0, 0.9, 'nobody to be waited for')
    equal(wrong_counts(ledger(daemon)), {}, 'counts that are off')


def test_who_is_killed_in_a_queue_is_not_waited_for():
    daemon, _ = start(servers='server "a" { address = "127.0.0.1:%d" '
                      'max-connections = 1 }' % EchoBackend('a').port)
    held = opened(daemon)
    kill_who_waits(daemon, 'waiters', 3)
    equal(ledger(daemon)['queued'], 0, 'queued')
    waits_then_served(daemon, held)


def test_who_is_killed_waiting_for_a_place_is_not_waited_for():
    daemon, _ = start(globals='max-connections = 2')
    held = [opened(daemon), opened(daemon, 'other')]
    kill_who_waits(daemon, 'permit_waiters', 2)
    waits_then_served(daemon, held[1])


def test_ipv6_counts_by_64():
    daemon, _ = start(listener='max-connections-per-source = 2 '
                      'accept-proxy = {"127.0.0.1"}')
    hello = simple_hello(NAME)

    def come(source):
        s = connect(daemon.port('https'))
        s.sendall(b'PROXY TCP6 %s 2001:db8::1 1000 443\r\n' % source + hello)
        try:
            return s, len(read_until(s, len(hello)))
        except (Failure, ConnectionResetError):
            return s, 0
    held = [come(b'2001:db8:0:7::1'), come(b'2001:db8:0:7:ffff::2'),
            come(b'2001:db8:0:7:1:2:3:4'), come(b'2001:db8:0:8::1')]
    equal([n > 0 for _, n in held], [True, True, False, True],
          'who was let in')
    equal(ledger(daemon)['source_places'], 2, 'sources that are counted')


def test_a_cold_pool_serves_hundreds_at_once():
    """None refused, none reset; the long form opens 2000."""
    daemon, _ = start(globals='spare-workers { min = 8 max = 64 }')
    count = 400
    hello = simple_hello(NAME)
    begun = time.monotonic()
    clients = []
    for _ in range(count):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(('127.0.0.1', daemon.port('https')))
        clients.append(s)
    poll = select.poll()
    by_fd = {s.fileno(): s for s in clients}
    got = dict.fromkeys(by_fd, 0)
    for fd in by_fd:
        poll.register(fd, select.POLLOUT)
    done = 0
    while done < count:
        check(time.monotonic() - begun < 30, 'only %d of %d after 30 s', done,
              count)
        for fd, event in poll.poll(1000):
            s = by_fd[fd]
            if event & select.POLLOUT:
                equal(s.send(hello), len(hello))
                poll.modify(fd, select.POLLIN)
                continue
            data = s.recv(65536)
            check(data, 'a client was closed')
            got[fd] += len(data)
            if got[fd] == len(hello):
                poll.unregister(fd)
                done += 1
    print('     %d clients at once, all served in %.2f s' % (
        count, time.monotonic() - begun))
    for s in clients:
        s.close()

    def shrunk():
        opened(daemon).close()      # a worker leaves after a client, not before
        return len(daemon.workers('idle https')) <= 64
    wait_for(shrunk, 60, 'the pool to shrink again')


main()
