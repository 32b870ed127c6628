#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Everything at once, for as long as you like (make check-soak).

All kinds of clients (traffic.py) while workers, the checker and the clerk are
killed, servers go and come back, and the daemon is reloaded, its logs
reopened, its executable replaced.  Not one byte may be wrong, and no
connection may fail but those whose worker was killed, which are known one by
one.  Along the way and at the end: nothing has grown, and every count is
exact.

	SOAK_MINUTES	how long (30)
	SOAK_SEED	the order of deeds; printed at the start
"""

import os
import random
import re
import shutil
import signal
import socket
import struct
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, '..', 'functional')]

import lib.run                                                      # noqa: E402
from lib import (DURWARD, Census, Certs, Durward, Failure, alive, check,     # noqa: E402
                 children, equal, main, own, procs, scratch, title, wait_for)
from lib.census import descriptors, status_kib                      # noqa: E402
import traffic                                                      # noqa: E402

MINUTES = float(os.environ.get('SOAK_MINUTES', '30'))
SEED = int(os.environ.get('SOAK_SEED', random.randrange(10000)))
SPARES = 32
lib.run.CASE_LIMIT = int(MINUTES * 60 + 600)

CONF = '''
max-connections = @most@
spare-workers { min = 8 max = 32 }
drain-timeout = "20s"
timeouts { handshake = "5s" idle = "@idle@" }
listener "https" { bind = {"127.0.0.1:@https@"} protocol = "tls"
                   max-connections-per-source = 60 }
listener "http"  { bind = {"127.0.0.1:@http@"}  protocol = "http"
                   max-connections-per-source = 60 }
listener "proxied" { bind = {"127.0.0.1:@proxied@"} protocol = "tls"
                   accept-proxy = {"127.0.0.0/8"} }
listener "stats" { bind = {"127.0.0.1:@stats@"} protocol = "stats" uri = "/stats"
                   user = "admin" password = "password" }
@listener@
cluster "one" {
    service "echo" { listeners = {"https"} hosts = {"www.example.org"}
        server "a" { address = "127.0.0.1:@echo_a@" max-connections = 40 }
        server "b" { address = "127.0.0.1:@echo_b@" max-connections = 40 }
        @check@ }
    service "sum" { listeners = {"https"} hosts = {"sum.example.org"}
        servers = {"a=127.0.0.1:@sum_a@", "b=127.0.0.1:@sum_b@"}
        balance = "@balance@" @check@ }
    service "real" { listeners = {"https"} hosts = {"*.example.org"}
        servers = {"a=127.0.0.1:@real_a@", "b=127.0.0.1:@real_b@"}
        check { type = "tls" interval = "1s" } }
    service "proxied" { listeners = {"proxied"} hosts = {"*"}
        servers = {"a=127.0.0.1:@proxied_a@", "b=127.0.0.1:@proxied_b@"}
        send-proxy = "@version@" @check@ }
    service "web" { listeners = {"http"} hosts = {"*.example.org"}
        servers = {"a=127.0.0.1:@web_a@", "b=127.0.0.1:@web_b@",
                   "gone=127.0.0.1:@nobody@"}
        balance = "@balance@" @check@ }
    @service@
}
'''
BACKENDS = {'echo': 'one.echo.https', 'sum': 'one.sum.https',
            'real': 'one.real.https', 'proxied': 'one.proxied.proxied',
            'web': 'one.web.http'}


def variant(number):
    """What changes from one reload to the next."""
    more = number % 3 == 2
    return {
        'most': (3000, 2500)[number % 2],
        'idle': ('1h', '50m', '40m')[number % 3],
        'check': ('check { type = "tcp" interval = "500ms" timeout = "2s" }',
                  'check { type = "tcp" interval = "700ms" timeout = "2s" '
                  'rise = 1 }')[number % 2],
        'balance': ('source', 'leastconn', 'roundrobin')[number % 3],
        'version': ('v1', 'v2')[number // 2 % 2],
        'listener': 'listener "more" { bind = {"127.0.0.1:@more@"} '
                    'protocol = "tls" }' if more else '',
        'service': 'service "more" { listeners = {"more"} hosts = {"*"} '
                   'servers = {"127.0.0.1:@echo_a@"} }' if more else '',
    }


def endpoints(pid):
    """Whom the process is connected to: the far ends of its sockets."""
    inodes = set()
    for fd in os.listdir('/proc/%d/fd' % pid):
        try:
            found = re.match(r'socket:\[(\d+)\]',
                             os.readlink('/proc/%d/fd/%s' % (pid, fd)))
        except OSError:
            continue
        if found:
            inodes.add(found.group(1))
    with open('/proc/net/tcp') as f:
        rows = [line.split() for line in list(f)[1:]]
    far = set()
    for row in rows:
        if row[9] in inodes:
            address, port = row[2].split(':')
            far.add((socket.inet_ntoa(struct.pack('<I', int(address, 16))),
                     int(port, 16)))
    return far


class Soak:
    def __init__(self):
        random.seed(SEED)
        certs = Certs()
        self.servers = traffic.Servers(certs)
        self.log_dir = scratch()
        os.chmod(self.log_dir, 0o777)
        self.log_path = self.log_dir + '/durward.log'
        self.binary = os.path.join(scratch(), 'durward')
        shutil.copy(DURWARD, self.binary)
        self.number = 0
        self.daemon = Durward(CONF, binary=self.binary,
                              log='file:' + self.log_path,
                              **self.servers.ports(), **self.fresh())
        self.ca = certs.ca
        self.ours = set()       # addresses of clients whose worker we killed
        self.excused, self.explained = 0, 0
        self.counts = {}
        self.masters = [self.daemon.pid]
        self.reopened = 0
        self.last = None        # census

    def fresh(self):
        """The next configuration's values; ports stay as they are."""
        values = variant(self.number)
        self.number += 1
        fill = lib.daemon.fill
        held = getattr(self, 'daemon', None)
        ports = held.values if held else self.early
        for name in 'listener', 'service':
            values[name] = fill(values[name], ports)
        return values

    @property
    def early(self):
        return dict(self.servers.ports())

    def count(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1

    # -- deeds

    def pids(self, pattern):
        return [pid for master in self.masters for pid in children(master)
                if re.match(pattern, title(pid))]

    def kill_worker(self):
        workers = self.pids(r'durward: (?!master|checker|clerk|logger|resolver)')
        busy = [pid for pid in workers if ': idle ' not in title(pid)]
        pid = random.choice(busy if busy and random.random() < 0.8 else workers)
        try:
            os.kill(pid, signal.SIGSTOP)    # so that its clients are known
            wait_for(lambda: procs._stat(pid)[0] in 'TZX', 5, 'it to stop')
            self.ours |= endpoints(pid)
        except OSError:
            return              # it went by itself
        except Failure as e:
            raise Failure('%s: %d, %r, %s, %s' % (
                e, pid, title(pid), procs._stat(pid), procs.where(pid)))
        finally:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.count('workers killed')

    def kill_checker(self):
        for pid in self.pids('durward: checker$'):
            os.kill(pid, signal.SIGKILL)
            self.count('checkers killed')
        begun = time.monotonic()
        wait_for(lambda: self.pids('durward: checker$'), 2, 'a checker again')
        check(time.monotonic() - begun < 2, 'the checker was away too long')

    def kill_clerk(self):
        for pid in self.pids('durward: clerk$'):
            os.kill(pid, signal.SIGKILL)
            self.count('clerks killed')
        wait_for(lambda: self.daemon.ctl('ping').returncode == 0, 10, 'a clerk')

    def reload(self):
        self.daemon.write(CONF, **self.fresh())
        run = self.daemon.ctl('reload')
        equal((run.returncode, run.stderr), (0, ''), 'a reload')
        self.count('reloads')

    def bad_reload(self):
        with open(self.daemon.conf, 'a') as f:
            f.write('colour = "red"\n')
        equal(self.daemon.ctl('reload').returncode, 1, 'of a bad file')
        with open(self.daemon.conf, 'w') as f:
            f.write(self.daemon.text)
        self.count('reloads refused')

    def restart_server(self):
        """Drained, as an operator would: no client may notice."""
        kind, server = random.choice(sorted(BACKENDS)), random.choice('ab')
        backend = BACKENDS[kind]
        pattern = '%s/%s' % (backend, server)
        equal(self.daemon.ctl('drain', pattern).returncode, 0, 'drain')

        def left():
            return [r for r in self.daemon.json('status') if
                    (r['backend'], r['server']) == (backend, server)][0]['current']
        end = time.monotonic() + 50
        while left() and time.monotonic() < end:
            self.also(0.2)
        check(not left(), '%s has clients after 50 s of DRAIN', pattern)
        # a connection that HTTP workers kept for their next client is no
        # client's: the server may close it whenever it likes
        self.servers.all['%s_%s' % (kind, server)].stop()
        self.also(random.uniform(0.5, 3))
        self.servers.all['%s_%s' % (kind, server)].start()
        wait_for(lambda: self.daemon.server_state(backend, server) == 'DRAIN',
                 10, 'DRAIN to be what it was')
        self.also(2)
        equal(self.daemon.ctl('ready', pattern).returncode, 0, 'ready')
        self.count('servers restarted')

    def reopen_log(self):
        self.reopened += 1
        os.rename(self.log_path, '%s.%d' % (self.log_path, self.reopened))
        self.daemon.signal(signal.SIGUSR1)
        wait_for(lambda: os.path.exists(self.log_path), 10, 'a new log')
        self.count('logs reopened')

    def upgrade(self):
        shutil.copy(DURWARD, self.binary + '.new')
        os.rename(self.binary + '.new', self.binary)
        old = self.daemon.pid
        self.daemon.signal(signal.SIGUSR2)

        def another():
            try:
                return self.daemon.pid_from_file() != old
            except ValueError:
                return False
        wait_for(another, 20, 'a new master')
        self.daemon.follow()
        self.daemon.wait_ready()
        self.masters = [p for p in self.masters if alive(p)] + [self.daemon.pid]
        self.count('upgrades')

    # -- the run

    DEEDS = (('kill_worker', 0.5), ('reload', 6), ('kill_checker', 17),
             ('kill_clerk', 29), ('reopen_log', 37), ('restart_server', 11),
             ('bad_reload', 43), ('upgrade', 71))

    def also(self, seconds):
        """Let time pass, with what may go on meanwhile."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            now = time.monotonic()
            for deed in self.due:
                if now >= self.due[deed] and deed in ('kill_worker', 'kill_checker'):
                    self.due[deed] = now + dict(self.DEEDS)[deed]
                    getattr(self, deed)()
            self.judge()
            time.sleep(0.05)

    def judge(self):
        """Every failure must be one of ours."""
        t = self.traffic
        with t.lock:
            failures, t.failures[:] = list(t.failures), []
        for when, kind, addresses, error in failures:
            if self.ours.intersection(addresses):
                self.excused += 1
                continue
            raise lib.run.Failure('%s failed and nobody meant it: %s at %s' % (
                kind, error, addresses))

    def turn(self, minutes):
        """All deeds, in the order of chance, for so long."""
        begun = time.monotonic()
        self.due = {deed: begun + random.uniform(0, every)
                    for deed, every in self.DEEDS}
        report = begun + 60
        while time.monotonic() < begun + minutes * 60:
            now = time.monotonic()
            for deed, every in self.DEEDS:
                if now >= self.due[deed]:
                    self.due[deed] = now + every * random.uniform(0.5, 1.5)
                    getattr(self, deed)()
                    self.judge()
            if now >= report:
                report += 60
                self.say(now - begun)
            time.sleep(0.02)
            self.judge()

    def say(self, seconds):
        small = {procs.title(p)[9:]: (descriptors(p), status_kib(p, 'VmRSS'))
                 for p in [self.daemon.pid] + self.pids(
                     'durward: (checker|clerk|logger)$') if alive(p)}
        print('     %4.0f s: %d exchanges, %d cut by a kill, %s; '
              'descriptors and KiB: %s' % (
                  seconds, sum(self.traffic.done.values()), self.excused,
                  ', '.join('%d %s' % (n, w) for w, n in
                            sorted(self.counts.items())), small))
        sys.stdout.flush()

    def quiet(self):
        def settled():
            self.masters = [p for p in self.masters if alive(p)]
            if self.masters != [self.daemon.pid]:
                return None
            census = self.last = Census(self.daemon)
            return census if census.quiet() and all(
                n <= SPARES for name, n in census.processes.items()
                if name.startswith('idle')) and \
                census.book['pools'] == 4 else None
        return wait_for(settled, 90, 'the daemon to be quiet', 0.5)

    def lines(self):
        """Of clients, in all the log files there were."""
        total = 0
        for name in os.listdir(self.log_dir):
            with open(os.path.join(self.log_dir, name), errors='replace') as f:
                total += sum(1 for line in f if re.search(
                    r'\[\d\d/[A-Z][a-z]{2}/\d{4}:[\d:.]+\] ', line))
        return total

    def spell(self, minutes):
        self.traffic = own(traffic.Traffic(self.daemon, self.ca))
        self.traffic.close = self.traffic.end.set
        self.turn(minutes)
        self.traffic.stop()
        self.judge()
        self.number = 0     # as the other spell ended
        self.reload()
        return self.quiet()

    def run(self):
        print('     seed %d, %.1f minutes' % (SEED, MINUTES))
        self.reload()
        before = self.spell(min(0.5, MINUTES / 10))
        served, lines = sum(self.traffic.done.values()), self.lines()
        after = self.spell(MINUTES)
        self.say(MINUTES * 60)
        print('     served: %s' % ', '.join(
            '%d %s' % (n, kind) for kind, n in sorted(self.traffic.done.items())))
        print('     before: %s\n     after:  %s' % (before, after))
        drift = after.drift(before, SPARES, 1024)
        equal(drift, [], 'what drifted')
        for kind in ('tls_echo', 'tls_sum', 'tls_bulk', 'tls_real', 'tls_proxied',
                     'tls_long', 'http_kept', 'http_pipelined', 'http_upload',
                     'websocket', 'stats', 'slow', 'silent', 'garbage', 'leaves'):
            check(self.traffic.done.get(kind), 'no %s was served', kind)
        more = self.lines() - lines
        least = sum(n for kind, n in self.traffic.done.items()
                    if kind.startswith(('tls', 'http', 'web')))
        print('     %d lines of the log for at least %d exchanges' % (more, least))
        check(more >= least, 'lines are missing: %d of %d', more, least)
        check(served > 0, 'nobody was served')

    def evidence(self):
        with open(self.log_path, errors='replace') as f:
            lines = [line.rstrip('\n') for line in f]
        said = [line for line in lines if not re.search(
            r'\[\d\d/[A-Z][a-z]{2}/\d{4}:', line)]
        return '\n'.join(['--- the last census: %s' % self.last,
                          '--- the end of its log'] + said[-60:] + lines[-40:])

    def close(self):
        pass


def test_soak():
    own(Soak()).run()


main()
