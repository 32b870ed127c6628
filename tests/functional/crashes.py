#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Workers that crash: what the log says, and who is refused for it."""

import os
import signal
import time

from lib import (Durward, EchoBackend, HttpBackend, check, connect,
                 equal, exchange, http_request, main, read_all, sanitized,
                 simple_hello, skip, wait_for)

NAME = 'www.example.org'
GUILTY, OTHER = '127.0.0.2', '127.0.0.3'

CONF = '''
listener "https" { bind = {"127.0.0.1:@https@"} protocol = "tls" @proxy@ }
listener "http"  { bind = {"127.0.0.1:@http@"}  protocol = "http" }
listener "stats" { bind = {"127.0.0.1:@stats@"} protocol = "stats" }
spare-workers { min = 4 max = 8 }
cluster "one" {
    service "ingress" {
        listeners = {"https"}
        hosts     = {"www.example.org"}
        servers   = {"echo=127.0.0.1:@server@"}
        check { type = "none" }
    }
    service "web" {
        listeners = {"http"}
        hosts     = {"www.example.org"}
        servers   = {"web=127.0.0.1:@web@"}
        check { type = "none" }
    }
}
'''
HELLO = simple_hello(NAME)


def start(proxy=''):
    if sanitized():
        skip('a sanitizer takes these signals itself')
    daemon = Durward(CONF, server=EchoBackend().port,
                     web=HttpBackend().port, proxy=proxy)
    daemon.may_crash = True
    return daemon


def kill(pid, signum):
    """And wait until the master has reaped it: it is no zombie any more."""
    os.kill(pid, signum)
    wait_for(lambda: not os.path.exists('/proc/%d' % pid), 5,
             'the worker to be reaped')


class Client:
    def __init__(self, daemon, source, before=b''):
        self.daemon = daemon
        self.s = connect(daemon.port('https'), source=source)
        self.s.sendall(before + HELLO)

    def is_served(self):
        """Whether the server's echo of the hello came; else it was closed."""
        try:
            data = b''
            while len(data) < len(HELLO):
                more = self.s.recv(65536)
                if not more:
                    break
                data += more
        except ConnectionResetError:
            data = b''
        check(data in (b'', HELLO), 'half an answer: %r', data)
        return data == HELLO

    def worker(self):
        def find():
            found = self.daemon.workers(
                r'^durward: https \S+:%d( |$)' % self.s.getsockname()[1])
            return found and found[0]
        return wait_for(find, 10, 'a worker with this client in its title')

    def kill_worker(self, signum):
        kill(self.worker(), signum)
        self.s.close()


def crash(daemon, source, times):
    for i in range(times):
        client = Client(daemon, source)
        check(client.is_served(), 'client %d of %s was not served', i, source)
        client.kill_worker(signal.SIGSEGV)


def served(daemon, source, before=b''):
    client = Client(daemon, source, before)
    try:
        return client.is_served()
    finally:
        client.s.close()


def test_a_crash_is_told_in_full():
    daemon = start()
    client = Client(daemon, GUILTY)
    check(client.is_served(), 'not served')
    equal(exchange(client.s, b'x' * 1000, 1000), b'x' * 1000)
    port = client.s.getsockname()[1]
    total = len(HELLO) + 1000
    # it writes down what it sent once it is sent
    wait_for(lambda: [(r['bytes_in'], r['bytes_out']) for r in daemon.json('connections')] ==
             [(total, total)], 10, 'it to have counted all')
    client.kill_worker(signal.SIGBUS)
    daemon.wait_log(r'worker \d+ of https was killed by signal 7 \(Bus error\) '
                    r'while relaying %s:%d %s: %d bytes in, %d out' %
                    (GUILTY, port, NAME, total, total))


def test_who_crashes_workers_is_refused_for_a_while():
    daemon = start()
    crash(daemon, GUILTY, 1)
    check(served(daemon, GUILTY), 'refused after one crash')
    crash(daemon, GUILTY, 1)
    held = time.monotonic()
    daemon.wait_log(r'%s has crashed 2 workers: it is refused for 1 s' % GUILTY)
    check(not served(daemon, GUILTY), 'served after two crashes')
    check(served(daemon, OTHER), 'somebody else was refused')
    # on every listener
    with connect(daemon.port('http'), source=GUILTY) as s:
        s.sendall(b'GET / HTTP/1.1\r\nHost: %s\r\n\r\n' % NAME.encode())
        try:
            equal(read_all(s), b'', 'the answer')
        except ConnectionResetError:
            pass
    wait_for(lambda: served(daemon, GUILTY), 5, 'the time to be over')
    check(time.monotonic() - held > 0.8, 'it was over too soon')
    daemon.wait_log(r'%s:\d+ \[.*\] https https/<NOSRV> .* PR .*\(crash\)' %
                    GUILTY)
    # and longer the next time
    crash(daemon, GUILTY, 1)
    daemon.wait_log(r'%s has crashed 3 workers: it is refused for 2 s' % GUILTY)
    check(not served(daemon, GUILTY), 'served after three crashes')
    text = http_request(daemon.port('stats'), 'localhost', '/metrics')
    check(b'durward_listener_rejects_total{listener="https",reason="crash"}'
          in text[2], '%r', text[2])


def test_an_end_by_an_administrator_is_no_crash():
    daemon = start()
    for signum in signal.SIGTERM, signal.SIGKILL:
        for _ in range(3):
            client = Client(daemon, GUILTY)
            check(client.is_served(), 'not served')
            client.kill_worker(signum)
    for _ in range(3):
        client = Client(daemon, GUILTY)
        check(client.is_served(), 'not served')
        equal(daemon.ctl('kill', str(client.worker())).returncode, 0)
        equal(client.s.recv(1), b'', 'after the kill')
    check(served(daemon, GUILTY), 'refused')
    check(not daemon.log_lines('it is refused'), 'held off')


def test_behind_a_proxy_the_client_is_to_blame():
    daemon = start('accept-proxy = {"127.0.0.0/8"}')
    guilty = b'PROXY TCP4 198.51.100.1 192.0.2.1 1234 443\r\n'
    other = b'PROXY TCP4 198.51.100.2 192.0.2.1 1234 443\r\n'

    # before the header, nobody knows who it was
    for _ in range(3):
        s = connect(daemon.port('https'), source=GUILTY)
        s.sendall(b'PROXY')
        pid = wait_for(lambda: (daemon.workers(r'^durward: https %s:%d' % (
            GUILTY, s.getsockname()[1])) or [0])[0], 10, 'its worker')
        kill(pid, signal.SIGSEGV)
        s.close()
    check(served(daemon, GUILTY, other), 'the go-between was refused')

    for _ in range(2):
        client = Client(daemon, GUILTY, guilty)
        check(client.is_served(), 'not served')
        pid = wait_for(lambda: (daemon.workers(
            r'^durward: https 198\.51\.100\.1:1234') or [0])[0], 10, 'its worker')
        kill(pid, signal.SIGSEGV)
        client.s.close()
    daemon.wait_log(r'198\.51\.100\.1 has crashed 2 workers')
    check(not served(daemon, GUILTY, guilty), 'served')
    check(served(daemon, GUILTY, other), 'another client was refused')


main()
