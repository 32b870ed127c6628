#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""New configurations and new executables under load: no client sees one."""

import os
import re
import shutil
import signal
import socket
import time

from lib import (DURWARD, Durward, EchoBackend, Load, Rate, alive, check,
                 connect, equal, exchange, main, own_binary, procs,
                 simple_hello, skip, wait_for)

NAME = 'www.example.org'
SOURCES = ['127.0.3.%d' % i for i in range(1, 20)]

CONF = '''
listener "https" { bind = {"127.0.0.1:@https@"} protocol = "tls" }
cluster "one" {
    service "ingress" {
        listeners = {"https"}
        hosts     = {"www.example.org"}
        servers   = {"@name@=127.0.0.1:@server@", "gone=127.0.0.1:@nobody@"}
        check { type = "tcp" interval = "200ms" timeout = "1s" }
    }
}
'''


def start(**how):
    server = EchoBackend()
    return Durward(CONF, server=server.port, name='echo', **how), server


def opened(daemon, source=None):
    hello = simple_hello(NAME)
    s = connect(daemon.port('https'), source=source)
    equal(exchange(s, hello, len(hello)), hello)
    return s


def load_on(daemon):
    return Load(lambda source: opened(daemon, source).close(), SOURCES)


def descriptors(pid):
    return len(os.listdir('/proc/%d/fd' % pid))


def test_reloads_under_load():
    """None refused, reset or cut; and nothing is left over."""
    daemon, _ = start()
    daemon.wait_state('one.ingress.https', 'gone', 'DOWN')
    held = opened(daemon)
    load = load_on(daemon)
    load.wait_served(50)
    run = daemon.ctl('reload')
    equal((run.returncode, run.stderr), (0, ''), 'the first')
    before = descriptors(daemon.pid)
    for i in range(10):
        daemon.write(CONF, name='echo%d' % i)
        run = daemon.ctl('reload')
        equal((run.returncode, run.stderr), (0, ''), 'reload %d' % i)
        load.wait_served(20)
        equal(exchange(held, b'still', 5), b'still', 'a connection that stood')
    load.stop()
    equal(load.failures[:3], [], 'failures among %d' % load.served)
    held.close()
    # the answer's own descriptor may still be open for an instant, each time
    wait_for(lambda: descriptors(daemon.pid) <= before, 10,
             "the master's descriptors to be as few as before")
    wait_for(lambda: list(daemon.processes().values()).count(
        'durward: checker') == 1, 10, 'one checker only')


# What changes from one reload to the next: all that may.
CHANGING = (
    ('', ''),
    ('listener "two" { bind = {"127.0.0.1:@two@"} protocol = "tls" }\n',
     'service "second" { listeners = {"two"} hosts = {"two.example.org"}\n'
     'servers = {"127.0.0.1:@server@"} }'),
    ('timeouts { handshake = "3s" idle = "30m" }\n'
     'spare-workers { min = 4 max = 32 }\n',
     'service "more" { listeners = {"https"} hosts = {"*.more.example.org"}\n'
     'servers = {"a=127.0.0.1:@server@", "b=127.0.0.1:@nobody@"}\n'
     'balance = "leastconn" check { interval = "300ms" } }'),
    ('listener "web" { bind = {"127.0.0.1:@web@"} protocol = "http" }\n'
     'max-connections = 3000\n',
     'service "web" { listeners = {"web"} hosts = {"*"}\n'
     'servers = {"127.0.0.1:@server@"} }'),
)


def test_hup_at_300_connections_a_second():
    """Fifty of them, each with another configuration: none refused, reset or
    cut, and one checker in the end, which knows what the first one knew."""
    daemon, _ = start()
    daemon.wait_state('one.ingress.https', 'gone', 'DOWN')
    held = opened(daemon)
    rate = Rate(lambda: opened(daemon).close(), 300)
    rate.wait_served(100)
    begun = time.monotonic()
    for i in range(50):
        before, inside = CHANGING[i % len(CHANGING)]
        daemon.write(before + CONF.rstrip().rstrip('}') + inside + '\n}\n',
                     name='echo%d' % (i % 3))
        daemon.signal(signal.SIGHUP)
        daemon.wait_log(r'reloaded .*: generation \d+', count=i + 1)
        rate.wait_served(10)
    took = time.monotonic() - begun
    rate.stop()
    equal(rate.failures[:3], [], 'failures among %d' % rate.begun)
    print('     %d connections, %.0f a second, over 50 reloads in %.1f s' % (
        rate.begun, rate.begun / (took or 1), took))
    equal(exchange(held, b'still', 5), b'still', 'a connection that stood')
    held.close()
    equal(daemon.server_state('one.ingress.https', 'gone'), 'DOWN')
    equal(len(daemon.log_lines(r'ingress\.https/gone is DOWN')), 1,
          'lines about a server that nothing happened to')


def test_a_reload_keeps_health():
    daemon, _ = start()
    daemon.wait_state('one.ingress.https', 'gone', 'DOWN')
    equal(daemon.ctl('reload').returncode, 0)
    equal(daemon.server_state('one.ingress.https', 'gone'), 'DOWN')
    equal(len(daemon.log_lines(r'/gone is DOWN')), 1, 'lines about it')


def test_a_refused_reload_says_why():
    daemon, _ = start()
    with open(daemon.conf, 'a') as f:
        f.write('colour = "red"\n')
    line = open(daemon.conf).read().count('\n')
    run = daemon.ctl('reload')
    equal((run.returncode, run.stdout), (1, ''))
    check('%s:%d: ' % (daemon.conf, line) in run.stderr and
          'colour' in run.stderr, '%r', run.stderr)
    opened(daemon).close()


def test_a_reload_without_certificates_is_refused():
    """Every server would go down."""
    daemon, _ = start()
    text = open(daemon.conf).read()
    with open(daemon.conf, 'w') as f:
        f.write(text.replace('check {', 'check {\nca-file = "/etc/passwd"'))
    line = text[:text.index('check {')].count('\n') + 2
    run = daemon.ctl('reload')
    equal((run.returncode, run.stdout), (1, ''))
    check('%s:%d: ca-file = ' % (daemon.conf, line) in run.stderr, '%r',
          run.stderr)
    opened(daemon).close()


def test_a_reload_with_nobody_that_is_known_is_refused():
    if os.geteuid() != 0:
        skip('only root changes its user')
    daemon, _ = start()
    text = open(daemon.conf).read()
    for key in 'user', 'group':
        wrong = re.sub(r'^%s = .*' % key, '%s = "no-such"' % key, text, flags=re.M)
        line = wrong[:wrong.index('%s = "no-such"' % key)].count('\n') + 1
        with open(daemon.conf, 'w') as f:
            f.write(wrong)
        run = daemon.ctl('reload')
        equal(run.returncode, 1, key)
        check('%s:%d: %s = "no-such": ' % (daemon.conf, line, key) in run.stderr,
              '%r', run.stderr)
        opened(daemon).close()
    with open(daemon.conf, 'w') as f:
        f.write(text)
    equal(daemon.ctl('reload').returncode, 0)


def test_a_refused_reload_says_which_address_is_taken():
    daemon, _ = start()
    holder = socket.socket()
    holder.bind(('127.0.0.1', 0))
    holder.listen(1)
    port = holder.getsockname()[1]
    with open(daemon.conf, 'a') as f:
        f.write('listener "new" { bind = {"127.0.0.1:%d"} protocol = "tls" '
                'default = "one.ingress" }\n' % port)
    line = open(daemon.conf).read().count('\n')
    run = daemon.ctl('reload')
    equal(run.returncode, 1)
    check('%s:%d: ' % (daemon.conf, line) in run.stderr and
          '127.0.0.1:%d' % port in run.stderr, '%r', run.stderr)
    opened(daemon).close()


def test_a_listener_may_come_back_at_once():
    """Its workers of a moment ago are in nobody's way."""
    daemon, _ = start()
    with_two = CONF + 'listener "two" { bind = {"127.0.0.1:@two@"} ' \
        'protocol = "tls" default = "one.ingress" }\n'
    for _ in range(20):
        for text in with_two, CONF:
            daemon.write(text)
            run = daemon.ctl('reload')
            equal((run.returncode, run.stderr), (0, ''))


def listening(pid):
    """The sockets that listen, by inode."""
    with open('/proc/net/tcp') as f:
        inodes = {row.split()[9] for row in list(f)[1:] if row.split()[3] == '0A'}
    links = [os.readlink('/proc/%d/fd/%s' % (pid, fd))
             for fd in os.listdir('/proc/%d/fd' % pid)]
    return sorted(inodes.intersection(link[8:-1] for link in links
                                      if link.startswith('socket:[')))


def test_unchanged_sockets_stay_open():
    daemon, _ = start()
    before = listening(daemon.pid)
    equal(len(before), 1, 'sockets that listen')
    for i in range(3):
        daemon.write(CONF, name='other%d' % i)
        equal(daemon.ctl('reload').returncode, 0)
        equal(listening(daemon.pid), before, 'sockets that listen')


def test_a_listener_that_goes_is_closed():
    daemon, _ = start()
    with_two = CONF + 'listener "two" { bind = {"127.0.0.1:@two@"} ' \
        'protocol = "tls" default = "one.ingress" }\n'
    daemon.write(with_two)
    equal(daemon.ctl('reload').returncode, 0)
    held = opened(daemon)
    connect(daemon.port('two')).close()
    daemon.write(CONF)
    equal(daemon.ctl('reload').returncode, 0)

    def is_closed():
        try:
            connect(daemon.port('two')).close()
        except ConnectionRefusedError:
            return True
    wait_for(is_closed, 10, 'the listener to go')
    equal(exchange(held, b'still', 5), b'still')
    held.close()


def test_usr2_replaces_the_executable_under_load():
    binary = own_binary()
    daemon, _ = start(binary=binary)
    held = opened(daemon)
    load = load_on(daemon)
    load.wait_served(50)
    for _ in range(2):
        shutil.copy(DURWARD, binary + '.new')
        os.rename(binary + '.new', binary)
        old = daemon.renew()
        load.wait_served(50)
        equal(exchange(held, b'still', 5), b'still', 'a connection that stood')
    load.stop()
    equal(load.failures[:3], [], 'failures among %d' % load.served)
    held.close()
    wait_for(lambda: not alive(old), 20, 'the old master to go')
    equal(procs.title(daemon.pid), 'durward: master')


def test_usr2_with_a_bad_executable_changes_nothing():
    binary = own_binary()
    daemon, _ = start(binary=binary)
    load = load_on(daemon)
    load.wait_served(30)
    os.unlink(binary)
    with open(binary, 'w') as f:
        f.write('#!/bin/sh\nexit 1\n')
    os.chmod(binary, 0o755)
    daemon.signal(signal.SIGUSR2)
    wait_for(lambda: len(daemon.log_lines(
        r'(?i)upgrade|executable|new master')) > 0, 10, 'a reason in the log')
    load.wait_served(30)
    load.stop()
    equal(load.failures[:3], [], 'failures among %d' % load.served)
    equal(daemon.pid_from_file(), daemon.pid, 'the pid file')
    check(alive(daemon.pid), 'the old master is gone')


main()
