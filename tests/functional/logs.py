#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The log: where it goes, and each field of a line."""

import os
import re
import signal
import socket

from lib import (Durward, EchoBackend, ask, check, connect, equal, exchange,
                 free_port, main, simple_hello, wait_for)

NAME = 'www.example.org'

CONF = '''
listener "https" { bind = {"127.0.0.1:@https@"} protocol = "tls" }
cluster "one" {
    service "ingress" {
        listeners = {"https"}
        hosts     = {"www.example.org"}
        servers   = {"echo=127.0.0.1:@server@"}
        check { type = "tcp" interval = "200ms" timeout = "1s" }
    }
    service "down" {
        listeners = {"https"}
        hosts     = {"down.example.org"}
        servers   = {"nobody=127.0.0.1:@nobody@"}
        check { type = "none" }
    }
}
'''

DATE = r'\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d\.\d{3}\]'


def tcplog(backend, code, name, bytes_out=r'\d+', times=r'-?\d+/-?\d+/\d+',
           client=r'127\.0\.0\.1:\d+'):
    """HAProxy's tcplog, with the name asked for at its end."""
    return (r'%s %s https %s %s %s %s \d+/\d+/\d+/\d+/\+?\d+ \d+/\d+ \{%s\}$' %
            (client, DATE, backend, times, bytes_out, code, name))


def start(**how):
    server = EchoBackend()
    how.setdefault('nobody', free_port())
    return Durward(CONF, server=server.port, **how), server


def visit(daemon, name=NAME, more=b''):
    """A client that gets its hello echoed, and goes; its port and the bytes
    that it got."""
    hello = simple_hello(name)
    with connect(daemon.port('https')) as s:
        exchange(s, hello, len(hello))
        if more:
            exchange(s, more, len(more))
        s.shutdown(socket.SHUT_WR)
        equal(s.recv(1), b'')
        return s.getsockname()[1], len(hello) + len(more)


def test_a_line_for_each_connection():
    daemon, _ = start()
    for more in b'', b'x' * 1000:
        port, size = visit(daemon, more=more)
        line, = daemon.wait_log(r'127\.0\.0\.1:%d ' % port)
        check(re.search(tcplog(r'one\.ingress\.https/echo', '--',
                               re.escape(NAME), bytes_out=size,
                               client=r'127\.0\.0\.1:%d' % port), line),
              '%s', line)


def test_the_time_is_now():
    import time
    daemon, _ = start()
    port, _ = visit(daemon)
    line, = daemon.wait_log(r'127\.0\.0\.1:%d ' % port)
    stamp = re.search(r'\[(\S+)\.\d{3}\]', line).group(1)
    then = time.mktime(time.strptime(stamp, '%d/%b/%Y:%H:%M:%S'))
    check(abs(time.time() - then) < 60, '%s is not now', stamp)


def test_who_gets_no_server_is_logged_too():
    daemon, _ = start()
    ask(daemon.port('https'), simple_hello('unknown.example.org'))
    line, = daemon.wait_log(r'\{unknown\.example\.org\}')
    check(re.search(tcplog(r'https/<NOSRV>', r'[SP][CR]',
                           r'unknown\.example\.org'), line), '%s', line)
    ask(daemon.port('https'), simple_hello('down.example.org'))
    line, = daemon.wait_log(r'\{down\.example\.org\}')
    check(re.search(tcplog(r'one\.down\.https/\S+', r'SC',
                           r'down\.example\.org'), line), '%s', line)


def test_the_wire_cannot_write_lines():
    """Names and garbage from the wire are escaped."""
    daemon, _ = start()
    for name in (b'a\nb.example.org', b'\x1b[31m.example.org',
                 b'a\r\nServer x/y is DOWN', b'%s%n.example.org'):
        ask(daemon.port('https'), simple_hello(name))
    visit(daemon)
    daemon.wait_log(r'\{www\.example\.org\}')
    check(not re.search(r'[^\x20-\x7e\n\t]', daemon.log()), 'control characters')
    equal(daemon.log_lines(r'^(b\.example|Server x/y)'), [], 'forged lines')


def test_state_changes_are_at_notice():
    """log-level = warning hides them and the access log, notice only the
    latter."""
    for level, changes in (('notice', True), ('warning', False)):
        daemon, server = start(before='log-level = "%s"\n' % level)
        port, _ = visit(daemon)
        server.stop()
        daemon.wait_state('one.ingress.https', 'echo', 'DOWN')
        if changes:
            daemon.wait_log(r'Server one\.ingress\.https/echo is DOWN')
        else:
            equal(daemon.log_lines(r'is DOWN'), [], 'at level ' + level)
        equal(daemon.log_lines(r'127\.0\.0\.1:%d ' % port), [],
              'access lines at level ' + level)


def test_a_file_and_usr1():
    """The file is made anew where it was moved away, and no line is lost."""
    import lib
    directory = lib.scratch()
    os.chmod(directory, 0o777)
    path = directory + '/durward.log'
    daemon, _ = start(log='file:' + path)
    port, _ = visit(daemon)

    def lines(where, pattern):
        with open(where) as f:
            return [line for line in f if re.search(pattern, line)]
    found = wait_for(lambda: lines(path, r'127\.0\.0\.1:%d ' % port), 10,
                     'a line in the file')
    # as syslog writes it: date, host, program
    check(re.match(r'[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d %s durward\[\d+\]: '
                   r'127\.0\.0\.1:%d ' %
                   (re.escape(socket.gethostname().split('.')[0]) + r'\S*',
                    port), found[0]), '%r', found[0])
    os.rename(path, path + '.1')
    daemon.signal(signal.SIGUSR1)
    wait_for(lambda: os.path.exists(path), 10, 'a new file')

    def in_the_new_file():
        port, _ = visit(daemon)
        return wait_for(lambda: lines(path, r':%d ' % port) or
                        lines(path + '.1', r':%d ' % port), 10, 'a line') and \
            lines(path, r':%d ' % port)
    wait_for(in_the_new_file, 10, 'lines in the new file')


def test_udp_as_haproxy_sends_it():
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(('127.0.0.1', 0))
    receiver.settimeout(10)
    daemon, server = start(log='udp:127.0.0.1:%d:local2' %
                           receiver.getsockname()[1])
    port, _ = visit(daemon)

    def datagram(pattern):
        while True:
            text = receiver.recv(65536).decode()
            if re.search(pattern, text):
                return text
    head = r'^<%d>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d durward\[\d+\]: '
    text = datagram(r'127\.0\.0\.1:%d ' % port)
    # local2.info is 18 * 8 + 6
    check(re.match(head % 150 + tcplog(r'one\.ingress\.https/echo', '--',
                                       re.escape(NAME)),
                   text.rstrip('\n')), '%r', text)
    server.stop()
    text = datagram(r'is DOWN')
    check(re.match(head % 149, text), '%r', text)
    receiver.close()


def test_a_line_for_every_one_of_many():
    daemon, _ = start()
    ports = [visit(daemon)[0] for _ in range(60)]
    daemon.wait_log(r'\{www\.example\.org\}$', count=60)
    for port in ports:
        equal(len(daemon.log_lines(r'127\.0\.0\.1:%d ' % port)), 1,
              'lines for one client')


main()
