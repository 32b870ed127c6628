#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""What the service manager is told: sd_notify(3)'s protocol, word for word,
from a start to a stop, without systemd."""

import os
import shutil
import signal
import socket
import time

from lib import (DURWARD, Durward, EchoBackend, check, connect, equal,
                 exchange, main, own, procs, scratch, simple_hello, wait_for)

NAME = 'www.example.org'
CONF = '''
drain-timeout = "20s"
listener "https" { bind = {"127.0.0.1:@https@"} protocol = "tls" }
spare-workers { min = 2 max = 4 }
cluster "one" {
    service "ingress" {
        listeners = {"https"}
        hosts     = {"www.example.org"}
        servers   = {"echo=127.0.0.1:@echo@"}
        check { type = "none" }
    }
}
'''


class Manager:
    """The manager's end: datagrams, with the pid of who sent them."""

    def __init__(self, name=None):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        name = name or os.path.join(scratch(), 'notify')
        self.socket.bind(name.replace('@', '\0'))
        self.socket.settimeout(15)
        own(self)
        os.environ['NOTIFY_SOCKET'] = name

    def hear(self):
        """The next message, as a dictionary, and its sender's pid."""
        text, ancillary, _, _ = self.socket.recvmsg(4096, 128)
        pid = int.from_bytes(ancillary[0][2][:4], 'little')
        lines = text.decode().split('\n')
        equal(lines.pop(), '', 'what stands behind the last line')
        return dict(line.split('=', 1) for line in lines), pid

    def hears_nothing(self):
        self.socket.setblocking(False)
        try:
            check(False, 'one more message: %r', self.hear())
        except BlockingIOError:
            pass

    def close(self):
        os.environ.pop('NOTIFY_SOCKET', None)
        self.socket.close()


def start(manager, **how):
    echo = EchoBackend()
    daemon = Durward(CONF, echo=echo.port, ready=False, **how)
    said, pid = manager.hear()
    equal(said['READY'], '1')
    equal(pid, daemon.pid, 'who said READY')
    return daemon


def serves(daemon):
    hello = simple_hello(NAME)
    s = connect(daemon.port('https'))
    equal(exchange(s, hello, len(hello)), hello)
    return s


def now_us():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


def through_reload(manager, reload):
    """RELOADING with the time, then READY: what came back in the status."""
    before = now_us()
    reload()
    said, _ = manager.hear()
    equal(said['RELOADING'], '1')
    check(before <= int(said['MONOTONIC_USEC']) <= now_us(),
          'MONOTONIC_USEC=%s is not now', said['MONOTONIC_USEC'])
    said, _ = manager.hear()
    equal(said['READY'], '1')
    check('RELOADING' not in said, 'READY and RELOADING in one')
    return said['STATUS']


def test_a_life():
    manager = Manager()
    daemon = start(manager)
    serves(daemon).close()      # at once: READY is true
    good = through_reload(manager, lambda: daemon.signal(signal.SIGHUP))
    equal(through_reload(manager, lambda: daemon.ctl('reload')), good)

    daemon.write(CONF + 'colour = "red"\n')
    refused = through_reload(manager, lambda: daemon.signal(signal.SIGHUP))
    check('refused' in refused, 'the status after a refused reload is %r',
          refused)
    daemon.write(CONF)
    equal(through_reload(manager, lambda: daemon.signal(signal.SIGHUP)), good)

    daemon.signal(signal.SIGTERM)
    said, pid = manager.hear()
    equal(said['STOPPING'], '1')
    equal(pid, daemon.pid, 'who said STOPPING')
    daemon.wait_end()
    manager.hears_nothing()


def test_a_drain_asks_for_its_time():
    manager = Manager()
    daemon = start(manager)
    client = serves(daemon)
    daemon.signal(signal.SIGQUIT)
    said, _ = manager.hear()
    equal(said['STOPPING'], '1')
    check(20e6 <= int(said['EXTEND_TIMEOUT_USEC']) <= 30e6,
          'drain-timeout is 20 s, asked for %s us', said['EXTEND_TIMEOUT_USEC'])
    client.close()
    daemon.wait_end()


def test_an_upgrade_names_the_new_master():
    manager = Manager()
    daemon = start(manager)
    client = serves(daemon)     # the old one stays as long as this
    daemon.signal(signal.SIGUSR2)
    said, pid = manager.hear()
    old = daemon.follow()
    equal(said, {'MAINPID': str(daemon.pid)})
    equal(pid, old, 'only the one that it knows is believed')
    # systemd kills a main process that is not its child with the TERM of a stop
    check(daemon.pid in procs.children(os.getpid()), 'the new one is no child of ours')
    client.close()

    # the manager believes the new one now, and the old one says nothing more
    through_reload(manager, lambda: daemon.signal(signal.SIGHUP))
    daemon.signal(signal.SIGTERM)
    said, pid = manager.hear()
    equal(said['STOPPING'], '1')
    equal(pid, daemon.pid, 'who said STOPPING')
    daemon.wait_end()
    manager.hears_nothing()


def test_a_stop_before_the_new_one_serves():
    """Who asks for the stop knows the old master alone: the new one, which is
    no child of that, goes too."""
    manager = Manager()
    binary = os.path.join(scratch(), 'durward')
    shutil.copy(DURWARD, binary)
    daemon = start(manager, binary=binary)
    os.unlink(binary)
    with open(binary, 'w') as f:
        f.write('#!/bin/sh\nexec sleep 300\n')
    os.chmod(binary, 0o755)
    daemon.signal(signal.SIGUSR2)

    def sibling():
        return [p for p in procs.children(os.getpid())
                if p != daemon.pid and 'sleep 300' in procs.title(p)]
    new, = wait_for(sibling, 20, 'what stands in for a new master')
    daemon.signal(signal.SIGTERM)
    wait_for(lambda: not procs.alive(new), 10, 'it to go')
    daemon.wait_end()
    equal(daemon.log_lines('did not start'), [], 'complaints')


def test_in_the_background_and_in_the_abstract():
    manager = Manager('@durward-test-%d' % os.getpid())
    daemon = Durward(CONF, echo=EchoBackend().port, detach=True)
    said, pid = manager.hear()
    equal(said['READY'], '1')
    equal(pid, daemon.pid, 'who said READY')


def test_nobody_listens():
    manager = Manager()
    manager.socket.close()
    daemon = Durward(CONF, echo=EchoBackend().port)
    daemon.wait_log('cannot tell the service manager')
    serves(daemon).close()
    daemon.stop()
    os.environ['NOTIFY_SOCKET'] = 'nonsense'
    daemon = Durward(CONF, echo=EchoBackend().port)
    daemon.wait_log('NOTIFY_SOCKET names no socket')
    serves(daemon).close()


if __name__ == '__main__':
    main()
