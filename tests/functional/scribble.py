#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A worker that was taken over writes to all of the shared memory that it can:
the others live, clients are served, and the counts come right again."""

import os
import random
import re
import signal
import time

from lib import (Durward, EchoBackend, Failure, HttpBackend, alive, check, connect,
                 equal, exchange, http_request, ledger, main, simple_hello, skip, wait_for,
                 wrong_counts)

NAME = 'www.example.org'
HELLO = simple_hello(NAME)
PAGE = 4096

CONF = '''
max-connections = 60
listener "https" { bind = {"127.0.0.1:@https@"} protocol = "tls"
                   max-connections-per-source = 50 max-connections = 40 }
listener "http"  { bind = {"127.0.0.1:@http@"}  protocol = "http" max-connections = 40 }
listener "stats" { bind = {"127.0.0.1:@stats@"} protocol = "stats" }
spare-workers { min = 4 max = 8 }
cluster "one" {
    service "ingress" {
        listeners = {"https"}
        hosts     = {"www.example.org"}
        server "a" { address = "127.0.0.1:@a@" max-connections = 30 }
        server "b" { address = "127.0.0.1:@b@" }
        balance   = "leastconn"
        check { type = "tcp" interval = "200ms" timeout = "1s" }
    }
    service "web" {
        listeners = {"http"}
        hosts     = {"www.example.org"}
        servers   = {"web=127.0.0.1:@web@"}
        check { type = "tcp" interval = "200ms" timeout = "1s" }
    }
}
'''

# What may do most harm where a number is expected, and anything.
PATTERNS = [
    ('ones', lambda n: b'\xff' * n),
    ('the most', lambda n: b'\xff\xff\xff\x7f' * (n // 4)),
    ('the least', lambda n: b'\x00\x00\x00\x80' * (n // 4)),
    ('the most of 64 bits', lambda n: b'\xff' * 7 + b'\x7f' + (b'\xff' * 7 + b'\x7f') * (n // 8 - 1)),
    ('the least of 64 bits', lambda n: (b'\x00' * 7 + b'\x80') * (n // 8)),
    ('nothing', bytes),
] + [('bytes at random', os.urandom)] * 4

HELPERS = ['checker', 'clerk', 'logger']


def mappings(pid):
    """The shared segment in a process: [(rights, address, length, offset)]."""
    found = []
    with open('/proc/%d/maps' % pid) as f:
        for line in f:
            m = re.match(r'(\w+)-(\w+) (\S+) (\w+) .* /memfd:durward', line)
            if m:
                at, end, offset = (int(m.group(i), 16) for i in (1, 2, 4))
                found.append((m.group(3), at, end - at, offset))
    return found


def used_pages(daemon):
    """Offsets of the segment's pages that anybody ever touched."""
    fds = '/proc/%d/fd' % daemon.pid
    path = next(os.path.join(fds, fd) for fd in os.listdir(fds)
                if '/memfd:durward' in os.readlink(os.path.join(fds, fd)))
    fd, at, pages = os.open(path, os.O_RDONLY), 0, []
    try:
        while True:
            at = os.lseek(fd, at, os.SEEK_DATA)
            end = os.lseek(fd, at, os.SEEK_HOLE)
            pages += range(at, end, PAGE)
            at = end
    except OSError:     # no more data
        return pages
    finally:
        os.close(fd)


def scribble(daemon, pid, pattern):
    """All that this worker can write, of what is in use."""
    (_, at, length, offset), = [m for m in mappings(pid) if 'w' in m[0]]
    pages = [p for p in used_pages(daemon) if offset <= p < offset + length]
    check(len(pages) > 3, 'only %d pages', len(pages))
    with open('/proc/%d/mem' % pid, 'wb', 0) as mem:
        for page in pages:
            mem.seek(at + page - offset)
            mem.write(pattern(PAGE))
    return len(pages)


def helpers(daemon):
    return {title: pid for pid, title in daemon.processes().items()
            for title in [title.replace('durward: ', '')] if title in HELPERS}


def https(daemon):
    try:
        with connect(daemon.port('https'), limit=5) as s:
            return exchange(s, HELLO, len(HELLO)) == HELLO
    except (OSError, Failure):
        return False


def http(daemon):
    try:
        return http_request(daemon.port('http'), NAME, '/')[0] == 200
    except (OSError, Failure):
        return False


def page(daemon, path):
    try:
        return http_request(daemon.port('stats'), 'x', path)[0] == 200
    except (OSError, Failure):
        return False


def everybody_reads(daemon):
    for command in 'status', 'connections':
        for args in [command], ['-j', command]:
            equal(daemon.ctl(*args).returncode, 0, 'durwardctl ' + command)
    daemon.ctl('ping')
    daemon.ctl('route', 'https', NAME)
    for path in '/haproxy?stats', '/haproxy?stats;csv', '/haproxy?stats;json', '/metrics':
        wait_for(lambda: page(daemon, path), 60, 'the stats page ' + path)


def a_death(daemon):
    """The master reads all of it when a worker died, here one with a client."""
    client = connect(daemon.port('https'), limit=60)
    client.sendall(HELLO)
    pid = wait_for(lambda: next(iter(daemon.workers(r'^durward: https 127')), None),
                   60, 'a worker with a client')
    os.kill(pid, signal.SIGKILL)
    client.close()


def start():
    if os.geteuid() != 0:
        skip('only root writes to the memory of others')
    daemon = Durward(CONF, a=EchoBackend('a').port, b=EchoBackend('b').port,
                     web=HttpBackend().port)
    daemon.may_crash = True
    for server in 'a', 'b':
        wait_for(lambda: daemon.server_state('one.ingress.https', server) == 'UP', 10, 'servers')
    return daemon


def test_nobody_dies_of_it():
    daemon = start()
    before = wait_for(lambda: helpers(daemon) if len(helpers(daemon)) == len(HELPERS) else None,
                      10, 'the helpers')
    check(https(daemon) and http(daemon), 'not served before')
    for name, pattern in PATTERNS:
        pid = random.choice(list(daemon.workers(r'^durward: idle https')))
        began = time.monotonic()
        pages = scribble(daemon, pid, pattern)
        everybody_reads(daemon)
        wait_for(lambda: https(daemon), 60, 'a client to be served after ' + name)
        wait_for(lambda: http(daemon), 60, 'a request to be served after ' + name)
        scribble(daemon, pid if alive(pid) else next(iter(
            daemon.workers(r'^durward: idle https'))), pattern)
        a_death(daemon)
        equal(helpers(daemon), before, 'the helpers after ' + name)
        print('     %s in %d pages: %.1f s' % (name, pages, time.monotonic() - began))
    for server in 'a', 'b':
        equal(daemon.server_state('one.ingress.https', server), 'UP', 'server ' + server)
    equal(daemon.ctl('reload').returncode, 0, 'a reload')
    wait_for(lambda: https(daemon), 60, 'a client to be served after a reload')
    check(alive(daemon.pid), 'the master is gone')


def test_counts_come_right():
    daemon = start()
    scribble(daemon, next(iter(daemon.workers(r'^durward: idle https'))), os.urandom)
    wait_for(lambda: https(daemon), 60, 'a client to be served')

    def right():
        return not {'connections', 'idle', 'listeners', 'permit_waiters'} & \
            set(wrong_counts(ledger(daemon)))
    wait_for(right, 60, 'the counts to come right')


main()
