#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Listeners that have a path: who ends takes it away, unless somebody else
listens there."""

import os
import shutil
import signal
import socket

from lib import (DURWARD, Durward, EchoBackend, alive, check, equal, exchange,
                 main, own, own_binary, scratch, simple_hello, wait_for)

NAME = 'www.example.org'
CONF = '''
listener "https" { bind = {"unix:@path@"} protocol = "tls" }
cluster "one" {
    service "ingress" {
        listeners = {"https"}
        hosts     = {"www.example.org"}
        servers   = {"echo=127.0.0.1:@server@"}
        check { type = "none" }
    }
}
'''


def start(**how):
    directory = scratch()
    os.chmod(directory, 0o777)
    path = os.path.join(directory, 'https.sock')
    return Durward(CONF, server=EchoBackend().port, path=path, **how), path


def opened(path):
    s = own(socket.socket(socket.AF_UNIX))
    s.settimeout(10)
    s.connect(path)
    hello = simple_hello(NAME)
    equal(exchange(s, hello, len(hello)), hello)
    return s


def test_it_goes_with_the_daemon():
    for signum in signal.SIGTERM, signal.SIGQUIT:
        daemon, path = start()
        opened(path).close()
        daemon.stop(signum)
        check(not os.path.exists(path), 'signal %d leaves it', signum)


def test_it_goes_when_the_listener_closes():
    """And is another's from then on, who may come before the last client has left."""
    daemon, path = start()
    held = opened(path)
    daemon.signal(signal.SIGQUIT)
    wait_for(lambda: not os.path.exists(path), 10, 'the path to go')
    equal(exchange(held, b'still', 5), b'still')
    another = Durward(CONF, server=daemon.port('server'), path=path)
    opened(path).close()
    held.close()
    daemon.wait_end()
    opened(path).close()
    another.stop(signal.SIGQUIT)
    check(not os.path.exists(path), 'it is left')


def test_it_is_the_new_executables():
    for signum in signal.SIGTERM, None:
        daemon, path = start(binary=own_binary())
        held = opened(path)
        old = daemon.renew()
        daemon.wait_log('a new executable serves')
        equal(exchange(held, b'still', 5), b'still')
        if signum is None:
            held.close()
        else:
            os.kill(old, signum)
        wait_for(lambda: not alive(old), 10, 'the old master to go')
        opened(path).close()
        daemon.stop(signal.SIGQUIT)
        check(not os.path.exists(path), 'it is left')


def test_it_goes_with_a_new_executable_that_has_no_such_listener():
    daemon, path = start(binary=own_binary())
    daemon.write(CONF, path=path + '.2')
    daemon.renew()
    daemon.wait_log('a new executable serves')
    wait_for(lambda: not os.path.exists(path), 10, 'the path to go')
    opened(path + '.2').close()


def drained_while_a_new_one_starts(then):
    """The old one is told to drain when it has already handed the socket on."""
    binary = own_binary()
    daemon, path = start(binary=binary)
    held = opened(path)
    gate = os.path.join(daemon.dir, 'gate')
    os.mkfifo(gate)
    shutil.copy(DURWARD, binary + '.real')
    with open(binary + '.new', 'w') as f:
        f.write('#!/bin/sh\nread line < %s\n%s\n' % (
            gate, then.replace('DURWARD', binary + '.real')))
    os.chmod(binary + '.new', 0o755)
    os.rename(binary + '.new', binary)
    daemon.signal(signal.SIGUSR2)
    with open(gate, 'w'):       # it waits for us
        daemon.signal(signal.SIGQUIT)
        daemon.wait_log('draining')
    return daemon, path, held


def test_it_stays_for_one_that_starts():
    daemon, path, held = drained_while_a_new_one_starts('exec DURWARD "$@"')
    old = daemon.pid
    daemon.wait_log('a new executable serves')
    daemon.follow()
    opened(path).close()
    held.close()
    wait_for(lambda: not alive(old), 10, 'the old master to go')
    opened(path).close()


def test_it_goes_where_that_one_does_not():
    daemon, path, held = drained_while_a_new_one_starts('exit 1')
    daemon.wait_log('this one goes on')
    wait_for(lambda: not os.path.exists(path), 10, 'the path to go')
    held.close()
    daemon.wait_end()


main()
