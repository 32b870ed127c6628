#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Servers that are DNS names: looked up at the start and now and then.

In a mount namespace of its own, where /etc/resolv.conf names a dnsmasq on a
loopback address of ours; needs root."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from lib import (ALERT_INTERNAL_ERROR, Durward, EchoBackend, alert, alive, check,
                 connect, equal, exchange, main, own, own_binary, read_all,
                 sanitized, scratch, simple_hello, skip, wait_for)

NAME = 'www.example.org'
BACKEND = 'one.ingress.https'
INSIDE = 'DURWARD_TEST_DNS_INSIDE'
# Port 53 of an address that nobody else takes, another run of this one neither.
ADDRESS = '127.53.%d.%d' % (os.getpid() // 250 % 250, os.getpid() % 250 + 1)

CONF = '''
resolve-interval = "1s"
listener "https" { bind = {"127.0.0.1:@https@"} protocol = "tls" }
cluster "one" {
    service "ingress" {
        listeners = {"https"}
        hosts     = {"www.example.org"}
        server "node" { address = "node.test:@server@" }
        check { type = "@type@" interval = "100ms" timeout = "1s"
                rise = 2 fall = 3 }
    }
}
'''


def bail(why):
    print('skip all: ' + why)
    sys.exit(77)


def enter():
    if os.geteuid() != 0:
        bail('changing /etc/resolv.conf in a mount namespace needs root')
    for tool in 'dnsmasq', 'unshare', 'mount':
        if not shutil.which(tool):
            bail('no %s here' % tool)
    run = subprocess.run(['unshare', '-m', '--propagation', 'private', 'mount',
                          '--bind', '/etc/resolv.conf', '/etc/resolv.conf'],
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         universal_newlines=True)
    if run.returncode != 0:
        bail('no mount namespace to be had: ' + run.stdout.strip())
    os.environ[INSIDE] = '1'
    os.execvp('unshare', ['unshare', '-m', '--propagation', 'private',
                          sys.executable] + sys.argv)


def mount_over(path, text):
    """Root's /etc stays as it is: this is seen in our namespace alone, and
    has no other name there."""
    with tempfile.TemporaryDirectory() as directory:
        mine = os.path.join(directory, 'file')
        with open(mine, 'w') as f:
            f.write(text)
        os.chmod(mine, 0o644)
        subprocess.run(['mount', '--bind', mine, path], check=True)


class Dns:
    """dnsmasq with these names; set() changes them."""

    def __init__(self, **names):
        self.dir = scratch()
        self.hosts = os.path.join(self.dir, 'hosts')
        self.process = None
        self.write(names)
        own(self)
        self.start()

    def write(self, names):
        with open(self.hosts, 'w') as f:
            for name, addresses in names.items():
                for a in addresses.split():
                    f.write('%s %s.test\n' % (a, name))
        os.chmod(self.hosts, 0o644)

    def start(self):
        self.log = open(os.path.join(self.dir, 'log'), 'ab')
        self.process = subprocess.Popen(
            ['dnsmasq', '--keep-in-foreground', '--conf-file=/dev/null',
             '--no-resolv', '--no-hosts', '--addn-hosts=' + self.hosts,
             '--listen-address=' + ADDRESS, '--bind-interfaces',
             '--local=/test/', '--local-ttl=0', '--user=root', '--pid-file',
             '--log-facility=-', '--log-queries'],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        wait_for(self._listens, 10, 'dnsmasq to listen')

    def _listens(self):
        check(self.process.poll() is None, 'dnsmasq ended: %s',
              self.evidence())
        want = socket.inet_aton(ADDRESS)[::-1].hex().upper() + ':0035'
        with open('/proc/net/udp') as f:
            return any(line.split()[1] == want for line in list(f)[1:])

    def set(self, **names):
        self.write(names)
        self.process.send_signal(1)     # HUP: reads its files again

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(10)
        self.log.close()

    def evidence(self):
        with open(os.path.join(self.dir, 'log'), errors='replace') as f:
            return '--- dnsmasq\n' + ''.join(f.readlines()[-30:])


def look_ups(dns, answer, count):
    """Wait until the name's answer, so it ends, was given count times more."""
    with open(os.path.join(dns.dir, 'log')) as f:
        f.seek(0, 2)
        seen = []
        wait_for(lambda: seen.append(f.read()) or ''.join(seen).count(
            'node.test is ' + answer) >= count, 10, '%d look-ups' % count)


def served_by(daemon, *servers):
    """Which of the servers a new client gets."""
    before = [len(s.clients()) for s in servers]
    hello = simple_hello(NAME)
    with connect(daemon.port('https')) as s:
        equal(exchange(s, hello, len(hello)), hello)
    return [s.address for s, b in zip(servers, before)
            if len(s.clients()) > b]


def two_servers():
    one = EchoBackend('one', address='127.0.5.1')
    two = EchoBackend('two', address='127.0.5.2', port=one.port)
    return one, two


def resolves_at_start(kind, word):
    one, two = two_servers()
    dns = Dns(node='127.0.5.1')
    daemon = Durward(CONF, server=one.port, type=kind)
    daemon.wait_log(r'Server %s/node: node\.test is 127\.0\.5\.1:%d' % (
        BACKEND, one.port))
    daemon.wait_state(BACKEND, 'node', word, limit=3)
    equal(served_by(daemon, one, two), ['127.0.5.1'])
    equal(daemon.json('status')[0]['address'], '127.0.5.1:%d' % one.port)
    # and moves with its name, for new connections alone
    hello = simple_hello(NAME)
    held = connect(daemon.port('https'))
    equal(exchange(held, hello, len(hello)), hello)
    dns.set(node='127.0.5.2')
    begun = time.monotonic()
    daemon.wait_log(r'Server %s/node changed its address from '
                    r'127\.0\.5\.1:%d to 127\.0\.5\.2:%d' % (
                        BACKEND, one.port, one.port))
    check(time.monotonic() - begun < 4, 'it took %.1f s',
          time.monotonic() - begun)
    equal(served_by(daemon, one, two), ['127.0.5.2'])
    equal(exchange(held, b'still', 5), b'still', 'the one that was there')
    held.close()
    equal(daemon.log_lines('node is DOWN'), [])


def test_a_name_is_looked_up_at_the_start_and_again():
    resolves_at_start('tcp', 'UP')


def test_a_name_without_checks():
    resolves_at_start('none', 'NO CHECK')


def does_not_resolve(kind, word):
    one, two = two_servers()
    dns = Dns(other='127.0.5.1')
    daemon = Durward(CONF, server=one.port, type=kind)
    line, = daemon.wait_log(r'Server %s/node is DOWN: its name does not '
                            r'resolve: node\.test: \w' % BACKEND)
    equal(daemon.server_state(BACKEND, 'node'), 'DOWN')
    # said once, not at every look
    with open(os.path.join(dns.dir, 'log')) as f:
        wait_for(lambda: f.seek(0) == 0 and
                 f.read().count('query[A] node.test') >= 3, 10,
                 'three look-ups')
    equal(len(daemon.log_lines('does not resolve')), 1, 'lines about it')
    equal(daemon.server_state(BACKEND, 'node'), 'DOWN')
    dns.set(node='127.0.5.2')
    daemon.wait_log(r'Server %s/node: node\.test is 127\.0\.5\.2' % BACKEND)
    daemon.wait_state(BACKEND, 'node', word, limit=3)
    equal(served_by(daemon, one, two), ['127.0.5.2'])


def test_a_name_that_does_not_resolve_is_down():
    does_not_resolve('tcp', 'UP')


def test_a_name_that_does_not_resolve_without_checks():
    does_not_resolve('none', 'NO CHECK')


def test_a_name_that_fails_later_keeps_its_address():
    one, two = two_servers()
    dns = Dns(node='127.0.5.1')
    daemon = Durward(CONF, server=one.port, type='tcp')
    daemon.wait_state(BACKEND, 'node', 'UP')
    dns.set(other='127.0.5.9')
    daemon.wait_log(r'Server %s/node keeps its last address' % BACKEND)
    equal(served_by(daemon, one, two), ['127.0.5.1'])
    equal(daemon.server_state(BACKEND, 'node'), 'UP')


def test_a_rotating_answer_moves_nobody():
    one, two = two_servers()
    dns = Dns(node='127.0.5.1')
    daemon = Durward(CONF, server=one.port, type='tcp')
    daemon.wait_state(BACKEND, 'node', 'UP')
    dns.set(node='127.0.5.2 127.0.5.1 127.0.5.3')
    look_ups(dns, '127.0.5.3', 2)
    equal(served_by(daemon, one, two), ['127.0.5.1'])
    equal(daemon.log_lines('changed its address'), [])


def test_two_machines_choose_the_same_of_several():
    """By number, not by the order in which the answer happens to come."""
    one, two = two_servers()
    for order in '127.0.5.2 127.0.5.1', '127.0.5.1 127.0.5.2':
        dns = Dns(node=order)
        daemon = Durward(CONF, server=one.port, type='tcp')
        daemon.wait_log(r'node: node\.test is 127\.0\.5\.1:')
        equal(served_by(daemon, one, two), ['127.0.5.1'], order)
        daemon.stop()
        dns.close()


def test_aaaa():
    """A server that has an IPv6 address alone, and one that changes over."""
    six = EchoBackend('six', address='::1')
    four = EchoBackend('four', address='127.0.5.1', port=six.port)
    dns = Dns(node='::1')
    daemon = Durward(CONF, server=six.port, type='tcp')
    daemon.wait_log(r'node: node\.test is \[::1\]:%d' % six.port)
    daemon.wait_state(BACKEND, 'node', 'UP')
    equal(served_by(daemon, six, four), ['::1'])
    equal(daemon.json('status')[0]['address'], '[::1]:%d' % six.port)
    dns.set(node='127.0.5.1')
    daemon.wait_log(r'node changed its address from \[::1\]:%d to '
                    r'127\.0\.5\.1:%d' % (six.port, six.port))
    equal(served_by(daemon, six, four), ['127.0.5.1'])
    equal(daemon.log_lines('node is DOWN'), [])


def test_the_resolver_gives_up_what_it_can():
    """It needs files, so it has a root directory, and nothing else."""
    if sanitized():
        skip('a sanitizer needs more')
    one, _ = two_servers()
    dns = Dns(node='127.0.5.1')
    daemon = Durward(CONF, server=one.port, type='tcp')
    daemon.wait_state(BACKEND, 'node', 'UP')
    dns.process.send_signal(signal.SIGSTOP)     # so that it has to wait

    def waiting():
        for pid in daemon.workers('^durward: resolver$'):
            with open('/proc/%d/status' % pid) as f:
                status = dict(line.rstrip('\n').split(':\t', 1) for line in f
                              if ':\t' in line)
            if status['NoNewPrivs'] == '1' and status['Seccomp'] == '2':
                return status, sorted(os.listdir('/proc/%d/fd' % pid), key=int)
    try:
        status, fds = wait_for(waiting, 20, 'a resolver that waits')
    finally:
        dns.process.send_signal(signal.SIGCONT)
    for ids in status['Uid'], status['Gid']:
        check('0' not in ids.split(), 'it is %s', ids)
    equal(status['Groups'].strip(), '', 'groups')
    for which in 'CapPrm', 'CapEff', 'CapAmb':
        equal(int(status[which], 16), 0, which)
    check(len(fds) <= 6, 'descriptors %s: the first three, the log, one to '
          'wake the checker, one to the server', fds)


def stopped_resolver(daemon, dns):
    """One that waits for an answer, held there as if DNS were slow."""
    dns.process.send_signal(signal.SIGSTOP)

    def one():
        for pid in daemon.workers('^durward: resolver$'):
            os.kill(pid, signal.SIGSTOP)
            return pid
    try:
        return wait_for(one, 20, 'a resolver', pause=0.001)
    finally:
        dns.process.send_signal(signal.SIGCONT)


def test_a_slow_resolver_does_not_outlive_its_configuration():
    """It would write into the places of servers that are others' by then, and
    the new names would have to wait for it."""
    one, two = two_servers()
    dns = Dns(node='127.0.5.1', other='127.0.5.2')
    daemon = Durward(CONF, server=one.port, type='tcp')
    daemon.wait_state(BACKEND, 'node', 'UP')
    slow = stopped_resolver(daemon, dns)
    daemon.write(CONF.replace('"node"', '"other"').replace('node.', 'other.'))
    equal(daemon.ctl('reload').stderr, '')
    daemon.wait_log(r'/other: other\.test is 127\.0\.5\.2')
    wait_for(lambda: not alive(slow), 10, 'the slow one to be gone')
    daemon.wait_state(BACKEND, 'other', 'UP')
    equal(served_by(daemon, one, two), ['127.0.5.2'])


def test_nor_its_executable():
    one, _ = two_servers()
    dns = Dns(node='127.0.5.1')
    daemon = Durward(CONF, server=one.port, type='tcp', binary=own_binary())
    daemon.wait_state(BACKEND, 'node', 'UP')
    hello = simple_hello(NAME)
    held = connect(daemon.port('https'))
    equal(exchange(held, hello, len(hello)), hello)
    slow = stopped_resolver(daemon, dns)
    old = daemon.renew()
    wait_for(lambda: not alive(slow), 10, 'the slow one to be gone')
    check(alive(old), 'the old master left a connection alone')
    held.close()


def is_unknown_until_it_resolves(address, kind, word):
    """A server that a reload gives another name: nobody is sent to where the
    one before was."""
    one, two = two_servers()
    dns = Dns(node='127.0.5.1')
    conf = CONF.replace('node.test', '@address@')
    daemon = Durward(conf, server=one.port, type=kind, address=address)
    daemon.wait_state(BACKEND, 'node', word)
    equal(served_by(daemon, one, two), ['127.0.5.1'])
    daemon.write(conf, address='next.test')
    equal(daemon.ctl('reload').stderr, '')
    row, = daemon.json('status')
    equal((row['state'], '127.0.5' in row['address']), ('DOWN', False),
          'state, and whether it has the address of before')
    daemon.wait_log(r'/node is DOWN: its name does not resolve: next\.test')
    with connect(daemon.port('https')) as s:
        s.sendall(simple_hello(NAME))
        equal(alert(read_all(s)), ALERT_INTERNAL_ERROR)
    dns.set(node='127.0.5.1', next='127.0.5.2')
    daemon.wait_state(BACKEND, 'node', word)
    equal(served_by(daemon, one, two), ['127.0.5.2'])
    # the same name, in whatever spelling, has its last address
    dns.set(node='127.0.5.1')
    daemon.write(conf, address='NEXT.test')
    equal(daemon.ctl('reload').stderr, '')
    equal(daemon.server_state(BACKEND, 'node'), word)
    equal(served_by(daemon, one, two), ['127.0.5.2'])


def test_another_name_is_unknown_until_it_resolves():
    is_unknown_until_it_resolves('node.test', 'tcp', 'UP')


def test_another_name_without_checks():
    is_unknown_until_it_resolves('node.test', 'none', 'NO CHECK')


def test_a_name_for_an_address():
    is_unknown_until_it_resolves('127.0.5.1', 'tcp', 'UP')


def test_a_new_name_is_looked_up_before_those_that_are_known():
    one, two = two_servers()
    dns = Dns(node='127.0.5.1', other='127.0.5.2')
    more = CONF.replace('        check {', '''
        server "new" { address = "@new@:@server@" weight = 0 }
        check {''')
    daemon = Durward(more, server=one.port, type='tcp', new='node.test')
    daemon.wait_state(BACKEND, 'new', 'UP')
    daemon.write(more, new='other.test')
    with open(os.path.join(dns.dir, 'log')) as f:
        f.seek(0, 2)
        equal(daemon.ctl('reload').stderr, '')
        daemon.wait_log(r'/new: other\.test is 127\.0\.5\.2')
        said = f.read()
    asked = [said.find('query[A] %s.test' % n) for n in ('other', 'node')]
    check(0 <= asked[0] and (asked[1] < 0 or asked[0] < asked[1]), '%s', said)


if INSIDE not in os.environ:
    enter()
mount_over('/etc/resolv.conf', 'nameserver %s\noptions timeout:1 attempts:1\n'
           % ADDRESS)
if os.path.exists('/etc/nsswitch.conf'):
    mount_over('/etc/nsswitch.conf', 'passwd: files\ngroup: files\n'
               'hosts: files dns\n')
main()
