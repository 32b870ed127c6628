#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The machine is short of something, or a worker cannot be born: who is served
stays served, the log says so now and again and not at every try, and with
what was missing everything comes back by itself."""

import ctypes
import errno
import os
import re
import resource
import select
import shutil
import signal
import subprocess
import time

from lib import (ALERT_INTERNAL_ERROR, DURWARD, Durward, EchoBackend, alert,
                 alive, ask, check, connect, equal, exchange, free_port, ledger,
                 main, own, read_until, scratch, simple_hello, skip,
                 wait_for)
from lib.daemon import preamble
from lib.forbid import ACCEPT4, CAPSET, forbid

NAME = 'www.example.org'
BACKEND = 'one.ingress.https'
UNLIMITED = resource.RLIM_INFINITY
CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 0x40000

CONF = '''
@before@
listener "https" { bind = {"127.0.0.1:@https@"} protocol = "tls" }
spare-workers { min = 4 max = 8 }
cluster "one" {
    service "ingress" {
        listeners = {"https"}
        hosts     = {"www.example.org"}
        servers   = {"echo=127.0.0.1:@server@"}
        check { type = "tcp" interval = "100ms" timeout = "1s" }
    }
}
'''
libc = ctypes.CDLL(None, use_errno=True)


def need_root():
    if os.geteuid() != 0:
        skip('not root')


def start(**how):
    server = EchoBackend()
    how.setdefault('before', '')
    before = how.pop('before')
    return Durward(CONF.replace('@before@', before), server=server.port,
                   **how), server


def opened(daemon, limit=10):
    hello = simple_hello(NAME)
    s = connect(daemon.port('https'), limit=limit)
    equal(exchange(s, hello, len(hello), limit), hello)
    return s


def waiting(daemon):
    s = connect(daemon.port('https'))
    s.sendall(simple_hello(NAME))
    return s


def served(s, limit=10):
    size = len(simple_hello(NAME))
    equal(len(read_until(s, size, limit)), size, 'bytes of the echo')


def only(daemon, pattern):
    """The one process of this title."""
    pid, = wait_for(lambda: daemon.workers(pattern), 15, pattern)
    return pid


def limit(pid, what, soft):
    """Set the soft limit; the hard one stays.  As the process's own user, who
    alone may where root has not all its privileges."""
    with open('/proc/%d/status' % pid) as f:
        status = f.read()
    uid, gid = (int(re.search(r'^%s:\s+(\d+)' % name, status, re.M).group(1))
                for name in ('Uid', 'Gid'))
    child = os.fork()
    if child == 0:
        try:
            if uid != os.getuid():
                os.setresgid(gid, gid, gid)
                os.setresuid(uid, uid, uid)
            hard = resource.prlimit(pid, what)[1]
            resource.prlimit(pid, what, (hard if soft == UNLIMITED else soft,
                                         hard))
            os._exit(0)
        except OSError:
            os._exit(1)
    check(os.waitpid(child, 0)[1] == 0, 'cannot set the limits of %d', pid)


SAY_AGAIN = 10          # seconds: what goes on failing is said this often


def said_now_and_again(daemon, pattern, since, least=1):
    """Once, and again where it went on for so long."""
    lines = daemon.log_lines(pattern)
    most = 1 + int((time.monotonic() - since) / SAY_AGAIN)
    check(least <= len(lines) <= most, 'said %d times, and not %d to %d: %s',
          len(lines), least, most, lines)


def free_descriptors(pid, count):
    """The lowest count numbers that a new descriptor would get."""
    used = {int(fd) for fd in os.listdir('/proc/%d/fd' % pid)}
    return [n for n in range(1000) if n not in used][:count]


# -- processes

def as_an_ordinary_user():
    """One of whom there is no other process, with an executable of its own."""
    need_root()
    uid = 60000 + os.getpid() % 5000
    directory = scratch()
    os.chmod(directory, 0o777)
    binary = os.path.join(directory, 'executable')
    shutil.copy(DURWARD, binary)

    def inside():
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    return dict(inside=inside, binary=binary, directory=directory)


def test_no_process_can_be_had():
    daemon, _ = start(**as_an_ordinary_user())
    standing = opened(daemon)
    wait_for(lambda: len(daemon.workers()) >= 4, 5, 'four spares')
    there = 1 + len(daemon.processes())
    limit(daemon.pid, resource.RLIMIT_NPROC, there)
    begun = time.monotonic()
    clients = [waiting(daemon) for _ in range(12)]
    daemon.wait_log('cannot fork a worker.*: Resource temporarily unavailable')
    checker = only(daemon, '^durward: checker$')
    os.kill(checker, signal.SIGKILL)
    os.kill(only(daemon, '^durward: clerk$'), signal.SIGKILL)
    clients += [waiting(daemon) for _ in range(4)]
    quiet_until = time.monotonic() + 2.5    # of tries, a second apart at most
    while time.monotonic() < quiet_until:
        equal(exchange(standing, b'still', 5), b'still')
        check(alive(daemon.pid), 'the master is gone')
        time.sleep(0.1)
    said_now_and_again(daemon, 'cannot fork a worker', begun)
    for what in 'the checker', 'the clerk':     # they may be in luck
        said_now_and_again(daemon, 'cannot fork ' + what, begun, least=0)
    limit(daemon.pid, resource.RLIMIT_NPROC, UNLIMITED)
    begun = time.monotonic()
    for s in clients:
        served(s, 5)
    check(time.monotonic() - begun < 5, 'they waited on')
    daemon.wait_log('workers can be forked again')
    check(only(daemon, '^durward: checker$') != checker, 'the old checker')
    wait_for(lambda: daemon.ctl('ping').returncode == 0, 5, 'the clerk')
    standing.close()


def test_an_upgrade_that_cannot_be_forked_leaves_nothing():
    daemon, _ = start(**as_an_ordinary_user())
    before = len(os.listdir('/proc/%d/fd' % daemon.pid))
    limit(daemon.pid, resource.RLIMIT_NPROC, 1)
    for i in range(5):
        daemon.signal(signal.SIGUSR2)
        daemon.wait_log('cannot start it: Resource temporarily', count=i + 1)
    equal(len(os.listdir('/proc/%d/fd' % daemon.pid)), before, 'descriptors')


def test_reloads_without_processes_take_no_places():
    """Of sockets, for workers that were never born."""
    daemon, _ = start(**as_an_ordinary_user())
    limit(daemon.pid, resource.RLIMIT_NPROC, 1)
    for i in range(5):
        daemon.signal(signal.SIGHUP)
        daemon.wait_log('reloaded .*: generation', count=i + 1)
    limit(daemon.pid, resource.RLIMIT_NPROC, UNLIMITED)
    opened(daemon).close()
    wait_for(lambda: ledger(daemon)['pools'] == 1, 5, 'one place for one socket')


# -- descriptors

def test_a_worker_cannot_accept():
    """Who waits in accept has a descriptor for one more client already; then
    there is none, and clients wait."""
    daemon, _ = start()
    standing = opened(daemon)
    wait_for(lambda: len(daemon.workers()) >= 4, 5, 'four spares')
    lowest = free_descriptors(daemon.workers()[0], 1)[0]
    begun = time.monotonic()
    for _ in range(40):
        for pid in daemon.workers():
            limit(pid, resource.RLIMIT_NOFILE, lowest)
        s = waiting(daemon)
        if not select.select([s], [], [], 0.7)[0]:
            break
        s.close()
    else:
        check(False, 'none was made to wait')
    equal(exchange(standing, b'still', 5), b'still')
    daemon.wait_log('https: cannot accept a client: Too many open files')
    for what in 'cannot accept a client', 'cannot make a connection':
        said_now_and_again(daemon, what, begun)
    for pid in daemon.workers():
        limit(pid, resource.RLIMIT_NOFILE, UNLIMITED)
    served(s, 3)
    standing.close()


def test_a_worker_cannot_connect():
    daemon, _ = start()
    # three more than the least, so that none is born while clients ask
    held = [opened(daemon) for _ in range(3)]
    wait_for(lambda: len(daemon.workers()) >= 4, 5, 'four spares')
    for s in held:
        s.close()
    wait_for(lambda: len(daemon.workers()) >= 7, 5, 'seven spares')
    idle = daemon.workers()
    begun = time.monotonic()
    for pid in idle:
        limit(pid, resource.RLIMIT_NOFILE, free_descriptors(pid, 2)[1])
    for _ in range(3):
        equal(alert(ask(daemon.port('https'), simple_hello(NAME))),
              ALERT_INTERNAL_ERROR)
    daemon.wait_log('cannot make a connection to a server: Too many open files')
    said_now_and_again(daemon, 'Too many open files', begun)
    equal(daemon.server_state(BACKEND, 'echo'), 'UP')
    for pid in idle:
        if alive(pid):
            limit(pid, resource.RLIMIT_NOFILE, UNLIMITED)
    opened(daemon).close()


def wakes(pid):
    """How often it has slept so far."""
    with open('/proc/%d/status' % pid) as f:
        return int(re.search(r'\nvoluntary_ctxt_switches:\s+(\d+)', f.read()).group(1))


def test_the_checker_cannot_probe():
    """That is no reason to call the servers DOWN."""
    daemon, server = start()
    wait_for(lambda: len(server.connections) > 3, 5, 'some probes')
    pid = only(daemon, '^durward: checker$')
    begun = time.monotonic()
    limit(pid, resource.RLIMIT_NOFILE, free_descriptors(pid, 1)[0])
    daemon.wait_log('cannot probe servers.*: Too many open files')
    before, turns = len(server.connections), wakes(pid)
    # as many turns as probes would have had, of which three failed are DOWN
    wait_for(lambda: wakes(pid) >= turns + 10, 10, 'the checker to go on')
    equal(len(server.connections), before, 'probes that came all the same')
    equal(daemon.server_state(BACKEND, 'echo'), 'UP')
    said_now_and_again(daemon, 'cannot probe', begun)
    opened(daemon).close()
    limit(pid, resource.RLIMIT_NOFILE, UNLIMITED)
    wait_for(lambda: len(server.connections) > before + 3, 5, 'probes again')
    server.stop()
    daemon.wait_state(BACKEND, 'echo', 'DOWN')


def test_the_master_has_no_descriptor_left():
    daemon, _ = start()
    standing = opened(daemon)
    begun = time.monotonic()
    limit(daemon.pid, resource.RLIMIT_NOFILE, free_descriptors(daemon.pid, 1)[0])
    daemon.write(CONF.replace('@before@', '') + 'listener "new" { bind = '
                 '{"127.0.0.1:@new@"} protocol = "tls" default = "one.ingress" }\n')
    daemon.signal(signal.SIGHUP)
    daemon.wait_log('Too many open files')
    daemon.wait_log('the configuration in service stays')
    os.kill(only(daemon, '^durward: clerk$'), signal.SIGKILL)
    os.kill(only(daemon, '^durward: checker$'), signal.SIGKILL)
    wait_for(lambda: daemon.workers('^durward: checker$'), 3, 'a checker')
    opened(daemon).close()
    daemon.wait_log("cannot make the clerk's socket")
    limit(daemon.pid, resource.RLIMIT_NOFILE, UNLIMITED)
    wait_for(lambda: daemon.ctl('ping').returncode == 0, 5, 'the clerk')
    equal(daemon.ctl('reload').stderr, '', 'a reload')
    said_now_and_again(daemon, "the clerk's socket", begun)
    connect(daemon.port('new')).close()
    equal(exchange(standing, b'still', 5), b'still')
    standing.close()


# -- the disk

def small_disk():
    """A file system of 64 KiB, of which nobody else knows."""
    need_root()
    path = scratch()
    if libc.unshare(CLONE_NEWNS) != 0 or \
            libc.mount(b'none', b'/', None, MS_REC | MS_PRIVATE, None) != 0 or \
            libc.mount(b'none', path.encode(), b'tmpfs', 0, b'size=64k') != 0:
        skip('no file system can be mounted here')

    class Mounted:
        def close(self):
            libc.umount2(path.encode(), 2)
    own(Mounted())
    os.chmod(path, 0o777)
    return path


def test_the_disk_under_the_log_is_full():
    path = small_disk()
    log = path + '/durward.log'
    daemon, _ = start(log='file:' + log)
    opened(daemon).close()

    def lines(pattern):
        with open(log, errors='replace') as f:
            return [line for line in f.read().split('\n')
                    if re.search(pattern, line)]
    wait_for(lambda: lines(r'\{www'), 5, 'a line in the file')
    with open(path + '/ballast', 'wb', buffering=0) as f:
        try:
            while True:
                f.write(bytes(4096))
        except OSError:
            pass
    # the page that the log ends in has some room yet
    for _ in range(60):
        opened(daemon).close()
    daemon.wait_log('cannot write the log: No space left on device')
    full = len(lines(r'\{www'))
    check(full < 60, 'the disk never was full')
    for _ in range(20):
        opened(daemon).close()
    equal(len(daemon.log_lines('cannot write the log')), 1, 'complaints')
    os.unlink(path + '/ballast')
    opened(daemon).close()
    missing, = wait_for(lambda: lines('lines are missing'), 5,
                        'the log to say what is missing')
    check(int(re.search(r'(\d+) lines', missing).group(1)) >= 20, '%s', missing)
    opened(daemon).close()
    wait_for(lambda: len(lines(r'\{www')) >= full + 2, 5, 'new lines')
    # one line may have been cut; the next one has a line of its own
    whole = re.compile(r'[A-Z][a-z]{2} [ \d]\d [\d:]{8} \S+ durward\[\d+\]: ')
    cut = [line for line in lines('.') if not whole.match(line)]
    check(len(cut) <= 1, 'cut lines: %s', cut)
    check(all(len(whole.findall(line)) <= 1 for line in lines('.')),
          'two lines in one')


# -- births

def without(call, error):
    """For a daemon's start: this call cannot be had, which the master does
    not find out by trying it beforehand."""
    need_root()
    if call is None:
        skip('what is the number of that call here?')
    return lambda: forbid(call, error)


def test_who_dies_at_birth_is_tried_again_ever_later():
    daemon, _ = start(inside=without(ACCEPT4, errno.ENOSYS), ready=False)
    lines = daemon.wait_log('died at birth', count=5, limit=15)
    pauses = [int(re.search(r'trying again in (\d+) ms', line).group(1))
              for line in lines]
    equal(pauses[:5], [100, 200, 400, 800, 1600], 'pauses')
    check(all(re.search(r'worker of https died at birth \(status 75\)', line)
              for line in lines), '%s', lines)
    daemon.wait_log('https: accept: Function not implemented')
    check(alive(daemon.pid), 'the master gave up')


def test_a_start_says_that_none_survives():
    """Whoever waits for it to serve hears that it does not, and why: also
    where even the logger cannot be born."""
    inside = without(CAPSET, errno.EPERM)
    directory = scratch()
    log = directory + '/log'
    path = directory + '/durward.conf'
    with open(path, 'w') as f:
        f.write(preamble(directory, 'file:' + log) + MANY.replace(
            '8443', str(free_port())) % 100)
    run = subprocess.run([DURWARD, '-c', path], preexec_fn=inside,
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, timeout=30,
                         universal_newlines=True)
    equal(run.returncode, 1, 'exit status')
    check('no worker survives its birth' in run.stderr and
          'cannot give up privileges: Operation not permitted' in run.stderr,
          '%s', run.stderr)
    pid = int(re.search(r'durward\[(\d+)\]: durward \S+ starts',
                        run.stderr).group(1))
    wait_for(lambda: not alive(pid), 5, 'it to be gone')
    equal(sorted(os.listdir(directory)), ['durward.conf', 'log'], 'files left')


def test_births_go_well_again():
    """An illness that passes: the pauses end, clients are served."""
    daemon, _ = start()
    for _ in range(3):
        victims = daemon.workers()
        for pid in victims:
            try:
                os.kill(pid, signal.SIGXCPU)    # none has served anybody yet
            except ProcessLookupError:
                pass
        # whom one of them takes on its way out is its last client
        wait_for(lambda: not any(map(alive, victims)), 5, 'the sick to be gone')
        wait_for(lambda: daemon.workers(), 10, 'new workers')
    daemon.wait_log(r'died at birth \(signal %d\)' % signal.SIGXCPU)
    opened(daemon, 10).close()
    wait_for(lambda: len(daemon.workers()) >= 4, 10, 'four spares')


# -- said before it happens

def warnings(conf, inside=None):
    path = scratch() + '/durward.conf'
    with open(path, 'w') as f:
        f.write(conf)
    run = subprocess.run([DURWARD, '-t', '-c', path], preexec_fn=inside,
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, universal_newlines=True,
                         timeout=30)
    equal((run.returncode, run.stdout), (0, path + ': ok\n'), run.stderr)
    return run.stderr


MANY = 'max-connections = %d\n' + CONF.replace('@before@', '').replace(
    '@https@', '8443').replace('@server@', '1')


def test_warned_of_too_few_processes():
    def few():
        resource.setrlimit(resource.RLIMIT_NPROC, (100, 100))
    said = warnings(MANY % 2000, few)
    check(re.search(r'max-connections = 2000 can need 20\d\d processes, but '
                    r'RLIMIT_NPROC \(ulimit -u\) allows 100', said), '%s', said)
    check('RLIMIT_NPROC' not in warnings(MANY % 20, few), 'warned for nothing')


def test_warned_of_pid_max():
    with open('/proc/sys/kernel/pid_max') as f:
        most = int(f.read())
    if most >= 1000000:
        skip('no configuration can need as many')
    said = warnings(MANY % 1000000)
    check(re.search(r'can need 1000\d\d\d processes, but /proc/sys/kernel/'
                    r'pid_max allows %d' % most, said), '%s', said)


def test_warned_of_too_few_descriptors():
    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))
    said = warnings(MANY % 20, few)
    check(re.search(r'the master can need \d+ descriptors, but RLIMIT_NOFILE '
                    r'\(ulimit -n\) allows 20', said), '%s', said)
    check('RLIMIT_NOFILE' not in warnings(MANY % 20), 'warned for nothing')


def small_group():
    """A control group that allows 150 tasks."""
    need_root()
    for root in '/sys/fs/cgroup/pids', '/sys/fs/cgroup':
        path = '%s/durward-test-%d' % (root, os.getpid())
        if not os.path.exists(root + '/cgroup.procs'):
            continue
        try:
            os.mkdir(path)
            with open(path + '/pids.max', 'w') as f:
                f.write('150')
            break
        except OSError:
            if os.path.isdir(path):
                os.rmdir(path)
    else:
        skip('no control group can be made here')

    class Group:
        def close(self):
            wait_for(lambda: os.rmdir(path) is None, 5, 'the group to be empty')
    own(Group())
    return path


def test_warned_of_the_control_group():
    path = small_group()

    def enter():
        with open(path + '/cgroup.procs', 'w') as f:
            f.write('0')
    said = warnings(MANY % 2000, enter)
    check(re.search(r'can need 20\d\d processes, but the control group '
                    r'\(pids\.max.*\) allows 150', said), '%s', said)


main()
