#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The init script: every command of it, with start-stop-daemon and without,
and that its exit status can be believed."""

import os
import re
import shutil
import signal
import subprocess

from lib import (DURWARD, EchoBackend, alive, check, connect, equal, exchange,
                 free_port, group_of, main, scratch, simple_hello, skip,
                 wait_for)
from lib.daemon import CTL, SRCDIR, preamble
from lib.run import own

NAME = 'www.example.org'
CONF = '''
listener "https" { bind = {"127.0.0.1:%d"} protocol = "tls" }
spare-workers { min = 2 max = 4 }
cluster "one" {
    service "ingress" {
        listeners = {"https"}
        hosts     = {"www.example.org"}
        servers   = {"%s=127.0.0.1:%d"}
        check { type = "none" }
    }
}
'''


class Init:
    """The script as `make install` would have made it, with paths of ours."""

    def __init__(self, plain):
        if not plain and not shutil.which(
                'start-stop-daemon', path=os.environ['PATH'] + ':/sbin:/usr/sbin'):
            skip('no start-stop-daemon here')
        self.dir = scratch()
        self.sbin = os.path.join(self.dir, 'sbin')
        os.mkdir(self.sbin)
        os.symlink(DURWARD, os.path.join(self.sbin, 'durward'))
        os.symlink(CTL, os.path.join(self.sbin, 'durwardctl'))
        self.conf = os.path.join(self.dir, 'durward.conf')
        self.pidfile = os.path.join(self.dir, 'durward.pid')
        self.log = os.path.join(self.dir, 'log')
        if plain:
            os.mkdir(os.path.join(self.dir, 'default'))
            with open(os.path.join(self.dir, 'default', 'durward'), 'w') as f:
                f.write('SSD=\n')
        with open(os.path.join(SRCDIR, 'etc', 'durward.init.in')) as f:
            text = f.read()
        # the machine's own lsb functions might hand all over to systemctl
        text = text.replace('/lib/lsb/init-functions', '/nonexistent')
        text = text.replace('@sbindir@', self.sbin).replace(
            '@sysconfdir@', self.dir)
        check(not re.search(r'@\w+@', text), 'a variable is left open')
        self.path = os.path.join(self.dir, 'init')
        with open(self.path, 'w') as f:
            f.write(text)
        self.port, self.echo = free_port(), EchoBackend()
        self.write('first')
        self.pids = set()
        own(self)

    def write(self, server, more=''):
        with open(self.conf, 'w') as f:
            f.write(preamble(self.dir, 'file:' + self.log) +
                    CONF % (self.port, server, self.echo.port) + more)

    def run(self, *words, status=0):
        """Returns what it said; its exit status must be as given."""
        run = subprocess.run(['sh', self.path] + list(words),
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, timeout=60,
                             universal_newlines=True)
        if os.path.exists(self.pidfile) and self.pid() != os.getpid():
            self.pids.add(self.pid())
        equal(run.returncode, status, 'exit status of %s, which said %r' % (
            ' '.join(words), run.stdout))
        return run.stdout

    def pid(self):
        with open(self.pidfile) as f:
            return int(f.read())

    def serves(self):
        hello = simple_hello(NAME)
        s = connect(self.port)
        equal(exchange(s, hello, len(hello)), hello)
        return s

    def evidence(self):
        if not os.path.exists(self.log):
            return 'no log'
        with open(self.log, errors='replace') as f:
            return f.read()

    def close(self):
        for pid in self.pids:
            if alive(pid):
                os.kill(pid, signal.SIGTERM)
        for pid in self.pids:
            wait_for(lambda: not alive(pid), 10, 'durward to end')
            wait_for(lambda: not group_of(pid), 10, 'its processes to end')


def through_life(plain):
    init = Init(plain)
    init.run('status', status=3)
    init.run('configtest')
    init.run('start')
    pid = init.pid()
    check(alive(pid), 'start said yes and no durward is there')
    client = init.serves()      # at once: start returns when it serves
    init.run('status')
    init.run('start')           # already there: fine, and no second one
    equal(init.pid(), pid, 'pid after a second start')

    # a reload takes the new file, and cuts nothing
    init.write('second')
    init.run('reload')
    check('one.ingress.https/second' in status_of(init),
          'reload came back before the new file was in service')
    equal(init.pid(), pid, 'pid after a reload')
    init.write('third')
    init.run('force-reload')
    check('one.ingress.https/third' in status_of(init), 'force-reload did nothing')
    word = b'still here'
    equal(exchange(client, word, len(word)), word, 'a connection that stood')

    # a mistake in the file costs nothing
    init.write('fourth', 'colour = "red"\n')
    for command in 'reload', 'force-reload', 'restart', 'try-restart':
        said = init.run(command, status=6)
        check('durward.conf:' in said and 'colour' in said, '%s said %r',
              command, said)
        equal(init.pid(), pid, 'pid after a refused ' + command)
    init.run('configtest', status=1)
    init.serves()
    init.run('status')

    init.write('fifth')
    init.run('restart')
    check(init.pid() != pid and not alive(pid), 'restart did not')
    init.serves()
    pid = init.pid()
    init.run('stop')
    check(not alive(pid), 'stop came back before durward had gone')
    check(not os.path.exists(init.pidfile), 'stop left the pid file')
    check(not group_of(pid), 'stop left processes')
    init.run('stop')            # not there: that is what was asked for
    init.run('status', status=3)
    init.run('reload', status=7)
    init.run('try-restart')
    check(not os.path.exists(init.pidfile), 'try-restart started it')
    init.run('restart')
    init.serves()
    init.run('stop')


def status_of(init):
    run = subprocess.run([CTL, '-s', os.path.join(init.dir, 'durward.sock'), '-j',
                          'status'], stdout=subprocess.PIPE, timeout=20,
                         universal_newlines=True)
    return re.sub(r'"backend": ?"([^"]*)", ?"server": ?"([^"]*)"', r'\1/\2',
                  run.stdout)


def test_with_start_stop_daemon():
    through_life(plain=False)


def test_with_plain_sh():
    through_life(plain=True)


def test_a_reload_that_fails_says_so_whatever_ping_says():
    """Which may fail in the moment when a listener has no worker."""
    init = Init(plain=True)
    init.run('start')
    os.unlink(init.sbin + '/durwardctl')
    with open(init.sbin + '/durwardctl', 'w') as f:
        f.write('#!/bin/sh\ncase " $* " in *" ping "*) exit 1;; esac\n'
                'exec %s "$@"\n' % CTL)
    os.chmod(init.sbin + '/durwardctl', 0o755)
    other = EchoBackend()       # no error of the file: that port is another's
    init.write('second', 'listener "new" { bind = {"127.0.0.1:%d"} '
               'protocol = "tls" default = "one.ingress" }\n' % other.port)
    said = init.run('reload', status=1)
    check(str(other.port) in said, 'it said only %r', said)
    check('one.ingress.https/first' in status_of(init), 'what was in service')
    init.write('second')
    init.run('reload')
    check('one.ingress.https/second' in status_of(init),
          'reload came back before the new file was in service')
    init.run('stop')


def test_a_daemon_without_control_socket_is_told_to_reload():
    init = Init(plain=True)
    init.run('start')
    os.unlink(init.dir + '/durward.sock')
    check('log' in init.run('reload'), 'it does not say where to look')
    wait_for(lambda: 'reloaded ' in open(init.log).read(), 10,
             'the master to reload')
    init.run('stop')


def start_that_fails(plain):
    init = Init(plain)
    # the port is another's
    other = EchoBackend()
    init.port = other.port
    init.write('first')
    said = init.run('start', status=1)
    check(str(other.port) in said, 'it said only %r', said)
    check(not os.path.exists(init.pidfile), 'a pid file of nobody')
    init.run('status', status=3)
    # a mistake in the file
    init.write('first', 'colour = "red"\n')
    check('colour' in init.run('start', status=6), 'the mistake is not named')
    # no file
    os.unlink(init.conf)
    init.run('start', status=6)


def test_a_start_that_fails_says_so():
    start_that_fails(plain=False)


def test_a_start_that_fails_says_so_with_plain_sh():
    start_that_fails(plain=True)


def test_a_pid_file_that_outlived_its_daemon():
    init = Init(plain=True)
    with open(init.pidfile, 'w') as f:
        f.write('%d\n' % os.getpid())       # somebody, but no durward
    init.run('status', status=1)
    init.run('reload', status=7)
    init.run('stop')
    init.run('start')
    init.serves()
    init.run('stop')


def test_a_daemon_is_found_when_its_file_has_errors():
    init = Init(plain=True)
    init.run('start')
    pid = init.pid()
    init.write('first', 'colour = "red"\n')
    init.run('status')
    init.run('stop')
    check(not alive(pid), 'stop came back before durward had gone')


def test_upgrade():
    init = Init(plain=True)
    init.run('upgrade', status=7)
    init.run('start')
    pid = init.pid()
    client = init.serves()
    init.run('upgrade')
    check(init.pid() != pid, 'the pid file names the old one')
    word = b'still here'
    equal(exchange(client, word, len(word)), word, 'a connection that stood')
    client.close()
    init.serves().close()
    wait_for(lambda: not alive(pid), 10, 'the old master to leave')
    init.run('status')
    init.run('stop')


def test_drain():
    init = Init(plain=True)
    init.run('drain', status=7)
    init.write('first', 'drain-delay = "1s"\n')
    init.run('start')
    pid = init.pid()
    client = init.serves()
    script = subprocess.Popen(['sh', init.path, 'drain'],
                              stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL)
    wait_for(lambda: subprocess.run(
        [CTL, '-s', init.dir + '/durward.sock', 'ping'],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 1, 10, 'ping to fail')
    init.serves().close()       # within drain-delay
    word = b'still here'
    equal(exchange(client, word, len(word)), word, 'a connection that stood')
    check(script.poll() is None, 'drain came back while a client was there')
    client.close()
    equal(script.wait(20), 0, 'exit status of drain')
    check(not alive(pid), 'drain came back before durward had gone')
    init.run('status', status=3)


def test_usage():
    init = Init(plain=True)
    check('usage' in init.run('dance', status=2), 'no usage')
    init.run(status=2)


def test_rotation():
    """What the logrotate file's postrotate does, on a file that was moved."""
    init = Init(plain=True)
    with open(os.path.join(SRCDIR, 'etc', 'durward.logrotate')) as f:
        text = f.read()
    command = re.search(r'postrotate\n(.*?)endscript', text, re.S).group(1)
    command = command.replace('/run/durward.pid', init.pidfile)
    subprocess.run(['sh', '-ec', command], check=True)  # none there: no error
    init.run('start')
    init.serves().close()
    os.rename(init.log, init.log + '.1')
    subprocess.run(['sh', '-ec', command], check=True)
    wait_for(lambda: os.path.exists(init.log), 10, 'a new log file')
    init.serves().close()
    wait_for(lambda: NAME in open(init.log).read(), 10,
             'a connection in the new log file')
    init.run('stop')


if __name__ == '__main__':
    main()
