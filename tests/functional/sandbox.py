#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""What each process has given up, by what the kernel says of it: user,
capabilities, root directory, limits, descriptors, secrets.  (Ways out are
tried from inside in tests/unit/test_sandbox.c.)"""

import os
import re

from lib import (Durward, EchoBackend, check, connect, equal, exchange,
                 http_request, main, run_durward, sanitized, shared, simple_hello, skip,
                 wait_for)

NAME = 'www.example.org'
PASSWORD = 'correct-horse-battery-staple'

CONF = '''
listener "https" { bind = {"127.0.0.1:@https@"} protocol = "tls" }
listener "http"  { bind = {"127.0.0.1:@http@"}  protocol = "http" }
listener "stats" { bind = {"127.0.0.1:@stats@"} protocol = "stats"
                   user = "admin" password = "%s" }
spare-workers { min = 2 max = 4 }
cluster "one" {
    service "ingress" {
        listeners = {"https", "http"}
        hosts     = {"www.example.org"}
        servers   = {"echo=127.0.0.1:@server@"}
        check { type = "tcp" interval = "1h" timeout = "1s" }
    }
}
''' % PASSWORD

SHARED = 32     # as base/descriptor.h says

# A process by its title; what stands behind its descriptors from 3 on.
KINDS = {
    'idle https': ['log', 'event', 'event', 'tcp'],
    'idle http': ['log', 'event', 'event', 'tcp'],
    'idle stats': ['log', 'event', 'tcp'],
    'https': ['log', 'event', 'event', 'tcp', 'tcp', 'tcp'],
    'checker': ['log', 'event', 'event', 'epoll'],
    'clerk': ['log', 'unix', 'unix'],
    'logger': ['log', 'unix'],
}


def need_root():
    if os.geteuid() != 0:
        skip('it is about what root gives up')
    if sanitized():
        skip('a sanitizer needs more')


@shared
def running():
    """One daemon with a client of each kind of worker, for all cases."""
    need_root()
    daemon = Durward(CONF, server=EchoBackend().port)
    client = connect(daemon.port('https'))
    hello = simple_hello(NAME)
    equal(exchange(client, hello, len(hello)), hello)
    daemon.client = client
    return daemon


def processes():
    """{pid: kind}, once the spares are complete and nothing is on its way."""
    daemon = running()

    def settled():
        found = {}
        for pid, title in daemon.processes().items():
            kind = title.replace('durward: ', '')
            found[pid] = 'https' if kind.startswith('https ') else kind
        return found if set(found.values()) == set(KINDS) else None
    return wait_for(settled, 10, 'all kinds of processes')


def status(pid):
    with open('/proc/%d/status' % pid) as f:
        return dict(line.rstrip('\n').split(':\t', 1) for line in f
                    if ':\t' in line)


def test_nobody_is_anybody():
    need_root()
    for pid, kind in processes().items():
        s = status(pid)
        for ids in s['Uid'], s['Gid']:
            check('0' not in ids.split(), '%s is %s', kind, ids)
        equal(s['Groups'].strip(), '', 'groups of the ' + kind)
        for which in 'CapInh', 'CapPrm', 'CapEff', 'CapAmb':
            equal(int(s[which], 16), 0, '%s of the %s' % (which, kind))
        equal(s['NoNewPrivs'], '1', 'NoNewPrivs of the ' + kind)


def test_the_master_keeps_what_it_needs():
    need_root()
    own = int(status(os.getpid())['CapBnd'], 16)
    # bind a port, become and signal others, enter an empty root, write the log
    needed = sum(1 << n for n in (10, 7, 6, 18, 5, 1))
    daemon = running()
    s = status(daemon.pid)
    for which in 'CapPrm', 'CapEff', 'CapBnd':
        equal(int(s[which], 16) & ~needed, 0, which + ' of the master')
    equal(int(s['CapPrm'], 16), needed & own, 'what it has')
    for pid, kind in processes().items():
        equal(int(status(pid)['CapBnd'], 16) & ~needed, 0, 'CapBnd of the ' + kind)


def test_everybody_has_a_filter():
    need_root()
    if 'system call filter: no' in run_durward('-V').stdout:
        skip('built without libseccomp')
    for pid, kind in processes().items():
        equal(status(pid)['Seccomp'], '2', 'Seccomp of the ' + kind)


def test_everybody_has_an_empty_root():
    need_root()
    for pid, kind in processes().items():
        for link in 'root', 'cwd':
            at = os.readlink('/proc/%d/%s' % (pid, link))
            check(at.endswith(' (deleted)'), '%s of the %s: %s', link, kind, at)
        equal(os.listdir('/proc/%d/root' % pid), [], 'files of the ' + kind)


def test_limits():
    need_root()
    for pid, kind in processes().items():
        with open('/proc/%d/limits' % pid) as f:
            limits = {line[:26].strip(): line[26:].split()[:2] for line in f}
        equal(limits['Max core file size'], ['0', '0'], kind)
        equal(limits['Max processes'], ['0', '0'], kind)
        if kind != 'logger':
            equal(limits['Max file size'], ['0', '0'], kind)
        if kind != 'checker':
            check(int(limits['Max open files'][1]) <= 128, '%s: %s', kind,
                  limits['Max open files'])


def descriptors(pid):
    """What stands behind them from 3 on: a word each, sorted."""
    tcp, unix = set(), set()
    for path, found, column in (('tcp', tcp, 9), ('tcp6', tcp, 9),
                                ('unix', unix, 6)):
        with open('/proc/%d/net/%s' % (pid, path)) as f:
            found.update(line.split()[column] for line in list(f)[1:])
    words = []
    for fd in os.listdir('/proc/%d/fd' % pid):
        at = os.readlink('/proc/%d/fd/%s' % (pid, fd))
        inode = re.match(r'socket:\[(\d+)\]', at)
        if int(fd) < 3:
            continue
        if inode:
            words.append('tcp' if inode.group(1) in tcp else
                         'unix' if inode.group(1) in unix else at)
        elif at.startswith('pipe:'):
            words.append('log')
        elif at.startswith('anon_inode:'):
            words.append(re.sub(r'anon_inode:\[event(poll|fd)\]', lambda m: {
                'poll': 'epoll', 'fd': 'event'}[m.group(1)], at))
        else:
            words.append(at)
    return sorted(words)


def test_only_the_descriptors_it_needs():
    need_root()
    for pid, kind in processes().items():
        wait_for(lambda: descriptors(pid) == sorted(KINDS[kind]), 5,
                 'the %s to hold %s, and not %s' % (
                     kind, sorted(KINDS[kind]), descriptors(pid)))
        # without sanitizers; the others' stderr is this foreground run's
        for fd in (0, 1, 2) if kind.startswith('idle ') or kind == 'https' else (0, 1):
            equal(os.readlink('/proc/%d/fd/%d' % (pid, fd)), '/dev/null',
                  'descriptor %d of the %s' % (fd, kind))


def test_what_workers_share_stands_apart():
    """From SHARED on, where the filter lets nobody change it; their own below,
    as a new executable has it too."""
    need_root()
    daemon = Durward(CONF, server=EchoBackend().port)
    for which in 'first', 'new':
        idle = [pid for pid, title in daemon.processes().items() if ' idle ' in title]
        check(idle, 'nobody is idle')
        for pid in idle:
            numbers = sorted(map(int, os.listdir('/proc/%d/fd' % pid)))
            check(all(n < 3 or n >= SHARED for n in numbers), 'of the %s: %s', which, numbers)
            with open('/proc/%d/limits' % pid) as f:
                most = re.search(r'Max open files\s+(\d+)\s+(\d+)', f.read())
            equal(most.groups(), (str(SHARED), str(SHARED)), 'descriptors it may have')
        if which == 'first':
            daemon.renew()


def memory(pid):
    """All that is private to it and can be read."""
    with open('/proc/%d/maps' % pid) as maps, \
            open('/proc/%d/mem' % pid, 'rb', 0) as mem:
        for line in maps:
            m = re.match(r'([0-9a-f]+)-([0-9a-f]+) r..p ', line)
            if not m or '[v' in line:
                continue
            start, end = (int(x, 16) for x in m.groups())
            try:
                mem.seek(start)
                yield mem.read(end - start)
            except OSError:
                continue


def test_workers_only_read_what_they_are_told():
    need_root()
    for pid, kind in processes().items():
        with open('/proc/%d/maps' % pid) as f:
            rights = [line.split()[1] for line in f if '/memfd:durward' in line]
        counts_only = kind == 'logger' or kind == 'https' or kind.startswith('idle ')
        equal(rights, ['r--s', 'rw-s'] if counts_only else ['rw-s'],
              'rights to shared memory of the ' + kind)


def test_secrets_are_where_they_are_needed():
    """The hash is in the master and in stats workers, the password itself in
    nobody: the file said it, and it was read."""
    need_root()
    daemon = running()
    text = run_durward('-T', '-c', daemon.conf).stdout
    method = re.search(r'password\s*= "(\$\w+\$[^"]*\$)', text).group(1)
    # another salt each time it is read: its method and rounds, and 16 letters
    method = re.match(r'\$\w+\$rounds=\d+\$', method).group(0).encode()
    found = {}
    for pid, kind in list(processes().items()) + [(daemon.pid, 'master')]:
        blocks = list(memory(pid))
        check(sum(map(len, blocks)) > 100000, 'no memory of the %s', kind)
        for block in blocks:
            check(PASSWORD.encode() not in block,
                  'the clear password is in the %s', kind)
        hashes = sum(len(re.findall(re.escape(method) + rb'[./\w]{16}\$[./\w]{86}', b))
                     for b in blocks)
        found.setdefault(kind, []).append(hashes > 0)
    for kind, has in found.items():
        equal(set(has), {kind in ('master', 'idle stats')},
              'the hash is in the ' + kind)


def test_the_password_is_still_asked_for():
    need_root()
    daemon = running()
    equal(http_request(daemon.port('stats'), 'x', '/metrics')[0], 401)
    equal(http_request(daemon.port('stats'), 'x', '/metrics',
                       'Authorization: Basic %s\r\n' % __import__(
                           'base64').b64encode(b'admin:' + PASSWORD.encode()
                                               ).decode())[0], 200)


def test_the_log_says_what_is_in_force():
    need_root()
    running().wait_log(r'sandbox: user changed, chroot yes, no_new_privs yes, '
                       r'Landlock .*, system call filter ')
    check(re.search(r'^this kernel: .*Landlock', run_durward('-V').stdout,
                    re.M), '-V')


main()
