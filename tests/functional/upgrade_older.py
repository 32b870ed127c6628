#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Connections of an executable that was replaced (USR2) are durward's as any other:
what is said to the new one holds for them, too."""

import os
import signal

from lib import (Durward, EchoBackend, alive, check, equal, exchange, main,
                 own_binary, procs, scratch, wait_for)
from lib.renewed import BACKEND, CONF, opened, start


def is_over(s):
    s.settimeout(10)
    try:
        equal(s.recv(1), b'', 'what came at the end')
    except ConnectionResetError:
        pass


def test_on_down_ends_connections_of_the_old_one_too():
    close = CONF.replace('check {', 'on-down = "close" check {')
    for command in 'maint', 'its server goes':
        server = EchoBackend('a')
        daemon = Durward(close, a=server.port, b=server.port,
                         binary=own_binary())
        daemon.wait_state(BACKEND, 'gone', 'DOWN')
        held = opened(daemon.port('https'))
        old = daemon.renew()
        equal(exchange(held, b'still', 5), b'still', 'a connection that stood')
        if command == 'maint':
            equal(daemon.ctl(command, '*').returncode, 0)
        else:
            server.stop(abort=False)
        is_over(held)
        daemon.wait_log(r'durward\[%d\]: ended 1 connections to' % old)
        wait_for(lambda: not alive(old), 10, 'the old master to go')


def test_kill_of_connections_of_the_old_one():
    """Only what the list has; and by a master that knows it as its own child."""
    daemon, _, _ = start(own_binary())
    held = [opened(daemon.port('https')) for _ in range(2)]
    old = daemon.renew()
    client = '127.0.0.1:%d' % held[0].getsockname()[1]
    pid, = [r['pid'] for r in daemon.json('connections')
            if r['client'] == client]
    check(pid in procs.children(old), 'it is not a worker of the old one')
    for other in old, daemon.pid, os.getpid(), 1:
        equal(daemon.ctl('kill', str(other)).returncode, 1, 'kill %d' % other)
    run = daemon.ctl('kill', str(pid))
    equal((run.returncode, run.stdout, run.stderr),
          (0, 'ended the connection of worker %d\n' % pid, ''))
    is_over(held[0])
    equal(exchange(held[1], b'still', 5), b'still', 'the other')
    wait_for(lambda: [r['pid'] for r in daemon.json('connections')
                      if r['pid'] == pid] == [], 10, 'it to be gone')
    equal(daemon.ctl('kill', str(pid)).returncode, 1, 'kill, once more')
    # nobody is left who could say whether a pid is still that worker's
    pid, = [r['pid'] for r in daemon.json('connections')]
    os.kill(old, signal.SIGKILL)
    daemon.process.wait(10)
    run = daemon.ctl('kill', str(pid))
    equal((run.returncode, run.stderr), (1, 'durwardctl: the master of this '
          'worker was killed: it ends with its client\n'))
    equal(exchange(held[1], b'still', 5), b'still', 'the other')
    held[1].close()
    wait_for(lambda: not alive(pid), 10, 'its worker to end')


def test_a_stop_is_for_those_before_it_too():
    """One that lives on for a connection ends with the new one."""
    daemon, _, _ = start(own_binary())
    held = opened(daemon.port('https'))
    old = daemon.renew()
    equal(exchange(held, b'still', 5), b'still', 'a connection that stood')
    daemon.stop()
    wait_for(lambda: not alive(old), 10, 'the old master to go')
    equal(held.recv(1), b'', 'its connection')


def test_a_drain_has_its_end_for_older_connections_too():
    server = EchoBackend('a')
    daemon = Durward('drain-timeout = "2s"\n' + CONF, a=server.port, b=server.port)
    old = opened(daemon.port('https'))
    daemon.renew()
    new = opened(daemon.port('https'))
    daemon.signal(signal.SIGQUIT)
    for s in old, new:
        equal(exchange(s, b'still', 5), b'still')
    for s in old, new:
        is_over(s)
    daemon.wait_end()
    daemon.expect_nothing_left()


def test_logs_are_opened_anew_for_older_connections_too():
    path = scratch() + '/durward.log'
    os.chmod(os.path.dirname(path), 0o777)
    server = EchoBackend('a')
    daemon = Durward(CONF, log='file:' + path, a=server.port, b=server.port)
    old = opened(daemon.port('https'))
    port = old.getsockname()[1]
    daemon.renew()
    os.rename(path, path + '.1')
    daemon.signal(signal.SIGUSR1)

    def says(what, times=1):
        with open(path) as f:
            return f.read().count(what) >= times
    wait_for(lambda: os.path.exists(path) and says('log file opened anew', 2), 10,
             'both to open it anew')
    old.close()
    wait_for(lambda: says('127.0.0.1:%d ' % port), 10, 'the line of the old connection')


main()
