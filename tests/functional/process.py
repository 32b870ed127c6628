#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The processes: titles, signals, pid file, detaching, sudden deaths."""

import os
import re
import signal
import socket
import subprocess
import time

from lib import (DURWARD, Durward, EchoBackend, Failure, alive, check, connect,
                 equal, exchange, free_port, group_of, main, read_all, scratch,
                 simple_hello, title, wait_for)
from lib.daemon import preamble

NAME = 'www.example.org'

CONF = '''
listener "https" { bind = {"127.0.0.1:@https@"} protocol = "tls" }
spare-workers { min = 4 max = 8 }
drain-timeout = "@drain@"
cluster "one" {
    service "ingress" {
        listeners = {"https"}
        hosts     = {"www.example.org"}
        servers   = {"echo=127.0.0.1:@server@"}
        check { type = "tcp" interval = "200ms" timeout = "1s" }
    }
}
'''
BUSY = r'^durward: https '


def start(drain='30s', **how):
    server = EchoBackend()
    return Durward(CONF, server=server.port, drain=drain, **how), server


class Client:
    """A connection that stands, and can be asked whether it still does."""

    def __init__(self, daemon):
        hello = simple_hello(NAME)
        self.s = connect(daemon.port('https'))
        equal(exchange(self.s, hello, len(hello)), hello)

    def works(self):
        word = os.urandom(32)
        equal(exchange(self.s, word, 32), word, 'a connection that stood')

    def is_over(self, limit=10):
        try:
            equal(read_all(self.s, limit), b'', 'what came at the end')
        except ConnectionResetError:
            pass

    def port(self):
        return self.s.getsockname()[1]


def worker_of(daemon, client):
    """The worker whose title names this client's port."""
    def find():
        found = daemon.workers(r'%s127\.0\.0\.1:%d ' % (BUSY, client.port()))
        return found and found[0]
    return wait_for(find, 10, 'a worker with this client in its title')


def refused(daemon):
    try:
        connect(daemon.port('https')).close()
    except ConnectionRefusedError:
        return True
    return False


def test_ps_tells_it_all():
    daemon, _ = start()
    titles = daemon.processes()
    equal(title(daemon.pid), 'durward: master')
    names = list(titles.values())
    equal(names.count('durward: checker'), 1, 'checkers in %s' % names)
    check(names.count('durward: idle https') >= 4, 'idle workers: %s', names)
    client = Client(daemon)
    pid = worker_of(daemon, client)
    equal(title(pid), 'durward: https 127.0.0.1:%d %s one.ingress.https/echo' %
          (client.port(), NAME))
    run = subprocess.run(['ps', '-o', 'args=', '-p', str(pid)],
                         stdout=subprocess.PIPE, universal_newlines=True)
    equal(run.stdout.strip(), title(pid), 'ps')
    client.s.close()
    wait_for(lambda: not daemon.workers(BUSY), 5, 'the worker to be idle')


def test_a_long_name_cannot_forge_a_title():
    daemon, _ = start()
    with connect(daemon.port('https')) as s:
        s.sendall(simple_hello('x' * 63 + '.' + 'y' * 63 + '.org'))
        read_all(s)
    check(all(re.match('durward: ', t) for t in daemon.processes().values()),
          '%s', daemon.processes())


def test_spares_are_made_up_for():
    daemon, _ = start()
    clients = [Client(daemon) for _ in range(24)]
    wait_for(lambda: len(daemon.workers()) >= 4, 10, 'four spares again')
    for c in clients:
        c.works()
        c.s.close()
    wait_for(lambda: not daemon.workers(BUSY), 10, 'all clients to be gone')

    def surplus_left():
        Client(daemon).s.close()    # a worker leaves after a client, not before
        return len(daemon.workers()) <= 8
    wait_for(surplus_left, 30, 'at most eight spares')
    wait_for(lambda: len(daemon.workers()) >= 4, 10, 'four spares')


def test_term_and_int_stop_at_once():
    for signum in signal.SIGTERM, signal.SIGINT:
        daemon, _ = start()
        client = Client(daemon)
        begun = time.monotonic()
        daemon.stop(signum, limit=5)
        check(time.monotonic() - begun < 5, 'it took its time')
        client.is_over()
        check(refused(daemon), 'something still listens')
        check(not os.path.exists(daemon.dir + '/durward.pid'),
              'the pid file was left')
        check(not os.path.exists(daemon.dir + '/durward.sock'),
              'the control socket was left')


def test_quit_lets_connections_finish():
    daemon, _ = start()
    clients = [Client(daemon) for _ in range(3)]
    daemon.signal(signal.SIGQUIT)
    wait_for(lambda: refused(daemon), 10, 'new clients to be refused')
    for c in clients:
        c.works()
    clients[0].s.close()
    clients[1].s.close()
    clients[2].works()
    check(alive(daemon.pid), 'it did not wait for the last one')
    clients[2].s.close()
    equal(daemon.wait_end(), 0, 'exit status')
    daemon.expect_nothing_left()


def test_quit_waits_no_longer_than_drain_timeout():
    daemon, _ = start(drain='700ms')
    client = Client(daemon)
    begun = time.monotonic()
    daemon.signal(signal.SIGQUIT)
    client.is_over()
    took = time.monotonic() - begun
    check(0.5 < took < 5, 'cut after %.2f s, not 0.7', took)
    equal(daemon.wait_end(), 0, 'exit status')
    daemon.expect_nothing_left()


def test_quit_takes_clients_until_drain_delay_is_over():
    """ping says no at once, so that they are sent elsewhere meanwhile."""
    daemon, _ = start(before='drain-delay = "2500ms"\n')
    old = Client(daemon)
    begun = time.monotonic()
    run = daemon.ctl('drain-all')
    equal((run.returncode, run.stdout),
          (0, 'draining: new connections are taken for another 2.5 s\n'))
    run = daemon.ctl('ping')
    equal((run.returncode, run.stderr), (1, 'durwardctl: draining: new '
                                         'connections are to go elsewhere\n'))
    new, closed = [], 0
    for _ in range(4 * 8):      # more than there are spare workers
        new.append(Client(daemon))
    check(time.monotonic() - begun < 2.5, 'too slow a machine for this test')
    daemon.signal(signal.SIGQUIT)       # once more is no more
    while not closed:
        try:
            Client(daemon).s.close()
        except (OSError, Failure):
            closed = time.monotonic() - begun
    check(2.4 < closed < 5, 'listeners closed after %.2f s, not 2.5', closed)
    wait_for(lambda: refused(daemon), 10, 'new clients to be refused')
    check('no new connections are taken' in daemon.ctl('ping').stderr, 'why')
    for c in [old] + new:
        c.works()
        c.s.close()
    equal(daemon.wait_end(), 0, 'exit status')
    daemon.expect_nothing_left()


def test_drain_delay_ends_with_term():
    daemon, _ = start(before='drain-delay = "1h"\n')
    daemon.signal(signal.SIGQUIT)
    wait_for(lambda: daemon.ctl('ping').returncode == 1, 10, 'ping to fail')
    Client(daemon).works()
    daemon.stop(signal.SIGTERM, limit=5)


def test_quit_with_nobody_there_is_quick():
    daemon, _ = start()
    begun = time.monotonic()
    daemon.stop(signal.SIGQUIT)
    check(time.monotonic() - begun < 5, 'it waited for nobody')


def test_hup_takes_the_new_file():
    daemon, _ = start()
    client = Client(daemon)
    other = EchoBackend()
    daemon.write(CONF + 'listener "new" { bind = {"127.0.0.1:@new@"} '
                 'protocol = "tls" default = "one.ingress" }\n',
                 server=other.port)
    daemon.signal(signal.SIGHUP)

    def new_is_open():
        try:
            connect(daemon.port('new')).close()
            return True
        except ConnectionRefusedError:
            return False
    wait_for(new_is_open, 10, 'the new listener')

    def at_the_new_server():
        Client(daemon).s.close()
        return other.clients()
    wait_for(at_the_new_server, 10, 'clients at the new server')
    client.works()
    client.s.close()


def test_hup_with_a_bad_file_changes_nothing():
    daemon, _ = start()
    client = Client(daemon)
    with open(daemon.conf, 'a') as f:
        f.write('colour = "red"\n')
    line = open(daemon.conf).read().count('\n')
    daemon.signal(signal.SIGHUP)
    daemon.wait_log(r'durward\.conf:%d: .*colour' % line)
    client.works()
    Client(daemon).works()
    check(alive(daemon.pid), 'the master is gone')


def test_hup_with_a_busy_port_changes_nothing():
    daemon, _ = start()
    holder = socket.socket()
    port = free_port()
    holder.bind(('127.0.0.1', port))
    holder.listen(1)
    daemon.write(CONF + 'listener "new" { bind = {"127.0.0.1:@busy@"} '
                 'protocol = "tls" default = "one.ingress" }\n', busy=port)
    daemon.signal(signal.SIGHUP)
    daemon.wait_log(r'(?i)%d.*in use' % port)
    Client(daemon).works()
    holder.close()


def test_a_start_waits_a_moment_for_its_port():
    holder = socket.socket()
    port = free_port()
    holder.bind(('127.0.0.1', port))
    holder.listen(1)
    daemon, _ = start(ready=False, https=port)
    daemon.wait_log(r'127.0.0.1:%d is in use' % port)
    holder.close()
    daemon.wait_ready()
    Client(daemon).works()


def test_a_start_does_not_wait_for_ever():
    holder = socket.socket()
    port = free_port()
    holder.bind(('127.0.0.1', port))
    holder.listen(1)
    daemon, _ = start(ready=False, https=port)
    check(daemon.wait_end() != 0, 'it started on a port that is taken')
    daemon.wait_log(r'durward.conf:\d+: .*cannot bind 127.0.0.1:%d' % port)


def test_the_pid_file():
    daemon, _ = start()
    equal(daemon.pid_from_file(), daemon.pid, 'pid in the file')
    second = subprocess.run(
        [DURWARD, '-f', '-c', daemon.conf], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=20,
        universal_newlines=True)
    equal(second.returncode, 1, 'a second one on the same file')
    check(second.stderr.strip(), 'the second one says no reason')
    equal(daemon.pid_from_file(), daemon.pid, 'pid in the file, after that')
    Client(daemon).works()


def test_p_names_another_pid_file():
    path = scratch() + '/other.pid'
    daemon, _ = start(args=('-p', path))
    equal(int(open(path).read()), daemon.pid, 'pid in the file')


def test_detach_returns_when_it_serves():
    server = EchoBackend()
    daemon = Durward(CONF, server=server.port, drain='1s', detach=True,
                     ready=False)
    Client(daemon).works()      # no waiting: exit status 0 said it serves
    check(daemon.pid != daemon.process.pid, 'it did not detach')
    equal(title(daemon.pid), 'durward: master')
    equal(os.readlink('/proc/%d/cwd' % daemon.pid), '/', 'its directory')
    for fd in 0, 1:
        equal(os.readlink('/proc/%d/fd/%d' % (daemon.pid, fd)), '/dev/null',
              'descriptor %d' % fd)


def test_detach_says_what_is_wrong():
    directory = scratch()
    path = directory + '/durward.conf'
    with open(path, 'w') as f:
        f.write('colour = "red"\n')
    run = subprocess.run([DURWARD, '-c', path], stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         universal_newlines=True, timeout=20)
    equal(run.returncode, 1)
    check('%s:1: ' % path in run.stderr, '%r', run.stderr)


def test_term_to_a_worker_ends_one_connection():
    daemon, _ = start()
    clients = [Client(daemon) for _ in range(4)]
    pid = worker_of(daemon, clients[1])
    os.kill(pid, signal.SIGTERM)
    clients[1].is_over(5)
    for i in 0, 2, 3:
        clients[i].works()
    Client(daemon).works()
    wait_for(lambda: len(daemon.workers()) >= 4, 10, 'four spares')


def test_killing_idle_workers_refuses_nobody():
    daemon, _ = start()
    for signum in (signal.SIGTERM, signal.SIGKILL) * 3:
        victims = daemon.workers()
        for pid in victims:
            os.kill(pid, signum)
        # whom one of them takes on its way out is its last client
        wait_for(lambda: not any(alive(pid) for pid in victims), 5,
                 'the idle workers to be gone')
        Client(daemon).works()
    wait_for(lambda: len(daemon.workers()) >= 4, 10, 'four spares')


def test_kill_9_of_a_worker_harms_nobody_else():
    daemon, _ = start()
    clients = [Client(daemon) for _ in range(4)]
    pid = worker_of(daemon, clients[2])
    os.kill(pid, signal.SIGKILL)
    clients[2].is_over(5)
    for i in 0, 1, 3:
        clients[i].works()
    Client(daemon).works()
    wait_for(lambda: not alive(pid), 5, 'the dead worker to be reaped')
    daemon.wait_log(r'worker %d of https was killed by signal 9 \(Killed\) while '
                    r'relaying 127\.0\.0\.1:%d %s: \d+ bytes in, \d+ out' %
                    (pid, clients[2].port(), re.escape(NAME)))


def test_kill_9_of_the_checker_is_mended():
    """It is back within two seconds, and knows what the first one knew: who
    is DOWN, since when, and why; who is in DRAIN."""
    server, other = EchoBackend(), EchoBackend()
    daemon = Durward(CONF.replace('servers   = {', 'servers   = {'
                                  '"gone=127.0.0.1:@gone@", "b=127.0.0.1:@b@", '),
                     server=server.port, b=other.port, drain='30s')
    daemon.wait_state('one.ingress.https', 'gone', 'DOWN')
    equal(daemon.ctl('drain', '*/b').returncode, 0)

    def table():
        return {row['server']: (row['state'], row['check'])
                for row in daemon.json('status')}

    def down_for():
        return [row['since'] for row in daemon.json('status')
                if row['server'] == 'gone'][0]
    wait_for(lambda: 'INI' not in [result for _, result in table().values()], 5,
             'a first probe of each')
    before, begun = table(), time.monotonic()
    known = down_for()
    for _ in range(3):
        first, = daemon.workers(r'^durward: checker$')
        os.kill(first, signal.SIGKILL)
        # at once: what is shown does not wait for the next one
        equal(table(), before, 'the table without a checker')
        killed = time.monotonic()
        wait_for(lambda: daemon.workers(r'^durward: checker$') not in
                 ([], [first]), 2, 'another checker')
        check(time.monotonic() - killed < 2, 'it took too long')
        probes = len(server.connections)
        wait_for(lambda: len(server.connections) > probes + 1, 5, 'its probes')
        equal(table(), before, 'the table with the next one')
    check(down_for() >= known + int(time.monotonic() - begun) - 1,
          'it is DOWN anew')
    equal(len(daemon.log_lines('Server .* is (UP|DOWN), reason: Layer')), 1,
          'lines about changes')
    Client(daemon).works()
    server.stop(abort=False)
    daemon.wait_state('one.ingress.https', 'echo', 'DOWN')


def test_kill_9_of_the_others_is_mended():
    daemon, _ = start()
    client = Client(daemon)
    for name in 'logger', 'clerk':
        first, = daemon.workers(r'^durward: %s$' % name)
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: daemon.workers(r'^durward: %s$' % name) not in
                 ([], [first]), 3, 'another ' + name)
        daemon.wait_log('the %s was killed by signal 9' % name)
    wait_for(lambda: daemon.ctl('ping').returncode == 0, 5, 'the clerk')
    client.works()
    port = client.port()
    client.s.close()
    daemon.wait_log(r'127\.0\.0\.1:%d ' % port)


def test_the_master_killed_connections_finish():
    daemon, _ = start()
    clients = [Client(daemon) for _ in range(3)]
    daemon.signal(signal.SIGKILL)
    daemon.wait_end()
    for c in clients:
        c.works()
    wait_for(lambda: refused(daemon), 10, 'the door to be shut')
    for c in clients[:2]:
        c.s.close()
    clients[2].works()
    clients[2].s.close()
    daemon.expect_nothing_left()


def test_who_runs_what():
    """As root: the master stays root, nobody else is."""
    if os.geteuid() != 0:
        from lib import skip
        skip('not root')
    daemon, _ = start()
    client = Client(daemon)
    equal(os.stat('/proc/%d' % daemon.pid).st_uid, 0, "the master's user")
    # one that was forked just now is still called as the master is
    wait_for(lambda: 'durward: master' not in daemon.processes().values(), 10,
             'each child to be what it is')
    for pid, name in daemon.processes().items():
        with open('/proc/%d/status' % pid) as f:
            status = f.read()
        for kind in 'Uid', 'Gid':
            ids = re.search(r'^%s:\s+(.*)$' % kind, status, re.M).group(1)
            check('0' not in ids.split(), '%s has %s %s', name, kind, ids)
        groups = re.search(r'^Groups:(.*)$', status, re.M).group(1)
        check('0' not in groups.split(), '%s has groups %s', name, groups)
        caps = re.search(r'^CapEff:\s+(\S+)', status, re.M).group(1)
        equal(int(caps, 16), 0, 'capabilities of %s' % name)
    client.works()


def test_nothing_leaks_into_the_children():
    """Each child closes what is not its own: no listener in the checker, one
    in a worker, no pid file, no other client."""
    daemon, _ = start()
    client = Client(daemon)
    pid = worker_of(daemon, client)
    wait_for(lambda: len(daemon.workers()) >= 4, 10, 'four spares')
    for child, name in daemon.processes().items():
        try:
            links = [os.readlink('/proc/%d/fd/%s' % (child, fd))
                     for fd in os.listdir('/proc/%d/fd' % child)]
        except PermissionError:
            continue
        check(not any(link.endswith('durward.pid') for link in links),
              '%s holds the pid file: %s', name, links)
    daemon.stop()


main()
