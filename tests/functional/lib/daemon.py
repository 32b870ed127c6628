# SPDX-License-Identifier: ISC
"""The real durward, started with a configuration of the test's own."""

import grp
import json
import os
import pty
import pwd
import re
import shutil
import signal as signals
import subprocess

from . import procs
from .ports import free_port
from .run import Failure, check, own, scratch, wait_for

SRCDIR = os.environ.get('DURWARD_SRCDIR') or os.path.abspath(
    os.path.join(os.path.dirname(__file__), '..', '..', '..'))
DURWARD = os.environ.get('DURWARD') or os.path.join(SRCDIR, 'durward')
CTL = os.environ.get('DURWARDCTL') or os.path.join(SRCDIR, 'durwardctl')

# No log of a healthy run has one of these.
BAD_SIGNS = re.compile(
    r'AddressSanitizer|LeakSanitizer|runtime error:|Assertion|'
    r'SIGSEGV|SIGABRT|SIGSYS|SIGBUS|SIGILL|SIGFPE|'
    r'signal (4|6|7|8|11|31)\b|stack smashing|buffer overflow', re.I)


def fill(text, values):
    """Replace each @NAME@: by values[NAME], or by a free port, which values
    then holds."""
    def one(match):
        name = match.group(1)
        if name not in values:
            values[name] = free_port()
        return str(values[name])
    return re.sub(r'@(\w+)@', one, text)


def preamble(directory, log='stderr'):
    """The lines that any test's configuration begins with."""
    lines = ['pid-file = "%s/durward.pid"' % directory,
             'control = "%s/durward.sock"' % directory]
    if log:
        lines.append('log = "%s"' % log)
    if os.geteuid() == 0:
        nobody = pwd.getpwnam('nobody')
        lines.append('user = "nobody"')
        lines.append('group = "%s"' % grp.getgrgid(nobody.pw_gid).gr_name)
    return '\n'.join(lines) + '\n'


def write_conf(text, directory=None, **values):
    """A configuration file with exactly this text; returns its path."""
    path = os.path.join(directory or scratch(), 'durward.conf')
    with open(path, 'w') as f:
        f.write(fill(text, values))
    return path


def own_binary():
    """A copy of the executable that a test may replace."""
    path = os.path.join(scratch(), 'durward')
    shutil.copy(DURWARD, path)
    plugin = os.path.join(os.path.dirname(DURWARD), 'durward-https.so')
    if os.path.exists(plugin):
        shutil.copy(plugin, os.path.dirname(path))
    return path


def run_durward(*args, stdin=None, limit=30):
    """Run durward to its end (-t, -T, -r, ...)."""
    return subprocess.run([DURWARD] + list(args), input=stdin,
                          stdin=None if stdin else subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          universal_newlines=True, timeout=limit)


def sanitized():
    """A build with sanitizers: its memory is not the program's own, and it
    needs calls and takes signals that the program does not."""
    return 'sanitizers: yes' in run_durward('-V').stdout


class Durward:
    """A running daemon.

    In the text @NAME@ stands for a value given by keyword or, where none was
    given, for a free port: port('NAME') tells it.  The runner stops the
    daemon, sees that it left no process behind and no bad sign in its log.
    """

    def __init__(self, text, log='stderr', args=(), detach=False, ready=True,
                 before='', binary=DURWARD, directory=None, inside=None,
                 output=None, **values):
        self.dir = directory or scratch()
        self.values = values
        self.conf = os.path.join(self.dir, 'durward.conf')
        self.stderr_path = os.path.join(self.dir, 'stderr')
        self.stopped = False
        self.may_crash = False      # a case that kills workers says so
        self.sessions = set()
        self.logname = log
        self.before = before
        self.write(text)
        self.argv = ([binary] + ([] if detach else ['-f']) +
                     ['-c', self.conf] + list(args))
        self._stderr = open(self.stderr_path, 'ab')
        self.process = subprocess.Popen(
            self.argv, stdin=subprocess.DEVNULL, stdout=output or self._stderr,
            stderr=output or self._stderr, start_new_session=True, preexec_fn=inside)
        self.sessions.add(self.process.pid)
        self.pid = self.process.pid
        own(self)
        if detach:
            status = self.process.wait(30)
            check(status == 0, 'durward went to the background with exit '
                  'status %d', status)
            self.pid = self.pid_from_file()
            self.sessions.add(os.getsid(self.pid))
        if ready:
            self.wait_ready()

    def write(self, text, **values):
        """Write the configuration (again); a reload is the caller's."""
        self.values.update(values)
        self.text = self.before + preamble(self.dir, self.logname) + \
            fill(text, self.values)
        with open(self.conf, 'w') as f:
            f.write(self.text)

    def port(self, name):
        return int(self.values[name])

    def follow(self):
        """The pid file names another master now: that one is ours."""
        old, self.pid = self.pid, self.pid_from_file()
        self.sessions.add(os.getsid(self.pid))
        return old

    def renew(self, limit=20):
        """USR2: the executable that is on disk now takes over.  Returns the pid
        of the master that made way."""
        old = self.pid
        self.signal(signals.SIGUSR2)

        def another():
            try:
                return self.pid_from_file() != old
            except ValueError:
                return False        # it is being written
        wait_for(another, limit, 'another pid in the file')
        self.follow()
        self.wait_ready()
        return old

    def pid_from_file(self):
        with open(os.path.join(self.dir, 'durward.pid')) as f:
            return int(f.read().strip())

    # -- what it says

    def log(self):
        with open(self.stderr_path, errors='replace') as f:
            return f.read()

    def log_lines(self, pattern):
        return [line for line in self.log().split('\n')
                if re.search(pattern, line)]

    def wait_log(self, pattern, count=1, limit=10):
        """The log's lines that match, once there are count of them."""
        def enough():
            lines = self.log_lines(pattern)
            return lines if len(lines) >= count else None
        return wait_for(enough, limit, '%d log line(s) like %s' % (
            count, pattern))

    def ctl(self, *args, limit=30):
        return subprocess.run(
            [CTL, '-s', os.path.join(self.dir, 'durward.sock')] + list(args),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, universal_newlines=True, timeout=limit)

    def ctl_in_a_terminal(self, *args, **env):
        """What durwardctl writes to a terminal, lines as elsewhere."""
        master, slave = pty.openpty()
        process = subprocess.Popen(
            [CTL, '-s', os.path.join(self.dir, 'durward.sock')] + list(args),
            stdin=subprocess.DEVNULL, stdout=slave, stderr=slave,
            env=dict(os.environ, **env))
        os.close(slave)
        text = b''
        try:
            while True:
                data = os.read(master, 65536)
                if not data:
                    break
                text += data
        except OSError:     # its end, for a terminal
            pass
        os.close(master)
        process.wait(20)
        return text.decode().replace('\r\n', '\n')

    def json(self, command):
        run = self.ctl('-j', command)
        check(run.returncode == 0, 'durwardctl %s: %s', command, run.stderr)
        return json.loads(run.stdout)

    def server_state(self, backend, server):
        for row in self.json('status'):
            if row['backend'] == backend and row['server'] == server:
                return row['state']
        raise Failure('status does not list %s/%s' % (backend, server))

    def wait_state(self, backend, server, state, limit=15):
        wait_for(lambda: self.server_state(backend, server) == state, limit,
                 '%s/%s to be %s' % (backend, server, state))

    # -- its processes

    def wait_ready(self, limit=20):
        def is_ready():
            if not procs.alive(self.pid):
                raise Failure('durward ended before it was ready')
            return self.ctl('ping').returncode == 0
        wait_for(is_ready, limit, 'durwardctl ping to succeed')

    def processes(self):
        return {pid: procs.title(pid) for pid in procs.children(self.pid)}

    def workers(self, pattern=r'^durward: idle '):
        return [pid for pid, name in self.processes().items()
                if re.search(pattern, name)]

    def signal(self, signum):
        os.kill(self.pid, signum)

    def wait_end(self, limit=15):
        """The exit status once it has ended; None for a detached one."""
        if self.pid == self.process.pid:
            try:
                status = self.process.wait(limit)
            except subprocess.TimeoutExpired:
                raise Failure('durward was still there after %d s' % limit)
        else:
            wait_for(lambda: not procs.alive(self.pid), limit,
                     'durward to end')
            status = None
        self.stopped = True
        return status

    def left_behind(self):
        found = set()
        for session in self.sessions:
            found.update(procs.group_of(session))
        return sorted(found)

    def expect_nothing_left(self, limit=10):
        wait_for(lambda: not self.left_behind(), limit,
                 'every process of the daemon to be gone')

    def stop(self, signum=signals.SIGTERM, limit=15):
        if not self.stopped:
            self.signal(signum)
            status = self.wait_end(limit)
            check(status in (0, None), 'durward ended with status %s', status)
        self.expect_nothing_left()

    def close(self):
        try:
            if not self.stopped and not procs.alive(self.pid):
                self.process.poll()
                self.stopped = True
                raise Failure('durward had ended by itself, status %s' %
                              self.process.returncode)
            self.stop()
        finally:
            for pid in self.left_behind():
                try:
                    os.kill(pid, signals.SIGKILL)
                except ProcessLookupError:
                    pass
            self._stderr.close()
            if self.process.poll() is None:
                self.process.wait(5)
        bad = not self.may_crash and BAD_SIGNS.search(self.log())
        check(not bad, 'a bad sign in the log: %s', bad and bad.group(0))

    def evidence(self):
        text = '--- %s\n%s\n--- its log\n' % (self.conf, self.text)
        lines = self.log().split('\n')
        if len(lines) > 200:    # the access log's share is cut down
            said = [line for line in lines[:-100]
                    if not re.search(r'\d \[\d\d/[A-Z]', line)]
            lines = said[:200] + ['...'] + lines[-100:]
        text += '\n'.join(lines)
        if procs.alive(self.pid):
            text += '\n--- its processes\n' + '\n'.join(
                '%d %s' % item for item in
                [(self.pid, procs.title(self.pid))] +
                sorted(self.processes().items()))
        return text
