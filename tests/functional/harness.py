#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The peers that the other tests trust, without durward between them."""

import os
import signal
import socket
import subprocess
import sys

from lib import (Certs, EchoBackend, Failure, HttpBackend, Nginx, ProxyBackend,
                 TlsBackend, alive, check, client_hello, connect, curl, equal,
                 exchange, free_port, group_of, http_request, main, read_all,
                 read_until, records, s_client, scratch, tls_get, wait_for)


def test_echo_and_half_close():
    server = EchoBackend()
    with connect(server.port) as s:
        equal(exchange(s, b'abc', 3), b'abc')
        s.shutdown(socket.SHUT_WR)
        equal(read_all(s), b'')
    equal(server.wait_client().received, b'abc')


def test_a_stopped_server_refuses_and_comes_back():
    server = EchoBackend()
    server.stop()
    try:
        connect(server.port)
        raise Failure('a stopped server accepted')
    except ConnectionRefusedError:
        pass
    server.start()
    with connect(server.port) as s:
        equal(exchange(s, b'x', 1), b'x')


def test_tls_with_each_client():
    certs = Certs()
    server = TlsBackend('one', certs.server('one', ['a.example.org',
                                                    '*.apps.example.org']))
    status, body, names = tls_get(server.port, 'a.example.org', certs.ca)
    equal((status, body, names[0]), (200, 'one', 'a.example.org'))
    name = 'x.apps.example.org'
    run = curl('--cacert', certs.ca, '--resolve',
               '%s:%d:127.0.0.1' % (name, server.port),
               'https://%s:%d/' % (name, server.port))
    equal(run.stdout, 'one', run.stderr)
    run = s_client(server.port, '-servername', name, '-CAfile', certs.ca)
    check('Verify return code: 0' in run.stdout, '%s', run.stdout)


def test_mutual_tls():
    certs = Certs()
    server = TlsBackend('api', certs.server('api', ['api.example.org']),
                        client_ca=certs.ca)
    status, body, _ = tls_get(server.port, 'api.example.org', certs.ca,
                              client=certs.client('admin', 'system:masters'))
    equal((status, body), (200, 'api'))


def test_our_hellos_are_good_to_a_real_server():
    certs = Certs()
    server = TlsBackend('one', certs.server('one', ['a.example.org']))
    for size in 1, 7, 16384:
        with connect(server.port) as s:
            s.sendall(records(client_hello('a.example.org'), size))
            equal(read_until(s, 6)[5], 2, 'a ServerHello, records of %d' % size)
    with connect(server.port) as s:
        s.sendall(records(client_hello('a.example.org', size=60000)))
        equal(read_until(s, 6)[5], 2, 'a ServerHello to a hello of 60000')


def test_http():
    server = HttpBackend('web')
    equal(http_request(server.port, 'x.example.org')[::2], (200, b'web'))
    equal(len(server.heads()), 1)


def test_nginx():
    port = free_port()
    Nginx('    server { listen 127.0.0.1:%d;\n'
          '        location / { return 200 "hi"; } }\n' % port,
          [('127.0.0.1', port)])
    equal(http_request(port, 'x')[2], b'hi')


def test_proxy_headers():
    server = ProxyBackend()
    one = b'PROXY TCP4 192.0.2.1 192.0.2.2 1000 443\r\n'
    two = (b'\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c' + bytes(
        [192, 0, 2, 1, 192, 0, 2, 2]) + b'\x03\xe8\x01\xbb')
    for version, header in (1, one), (2, two):
        with connect(server.port) as s:
            equal(exchange(s, header + b'abc', 3), b'abc')
            equal(server.connections[-1].proxy,
                  (version, '192.0.2.1', 1000, '192.0.2.2', 443))


# A test that starts a daemon and waits for ever; argv: where lib is.
ENDLESS = '''
import sys, time
sys.path.insert(0, sys.argv.pop(1))
from lib import Durward, EchoBackend, main
def test_without_end():
    daemon = Durward("""
listener "https" { bind = {"127.0.0.1:@https@"} protocol = "tls"
                   default = "one.ingress" }
cluster "one" { service "ingress" { listeners = {"https"} hosts = {"*"}
                servers = {"127.0.0.1:%d"} } }
""" % EchoBackend().port)
    print(daemon.pid, daemon.dir, flush=True)
    while True:
        time.sleep(60)
main()
'''


def test_a_run_that_is_ended_takes_its_daemon_along():
    script = scratch() + '/endless.py'
    with open(script, 'w') as f:
        f.write(ENDLESS)
    for signum in signal.SIGTERM, signal.SIGINT, signal.SIGHUP:
        run = subprocess.Popen(
            [sys.executable, script, os.path.dirname(os.path.abspath(__file__))],
            stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
            universal_newlines=True, start_new_session=True)
        pid, directory = run.stdout.readline().split()
        check(alive(int(pid)), 'the daemon did not start')
        run.send_signal(signum)
        run.communicate(timeout=30)
        equal(run.returncode, -signum, 'how it ended')
        equal(group_of(int(pid)), [], 'processes of the daemon')
        check(not os.path.exists(directory), 'its directory was left')


def test_wait_for_gives_up():
    try:
        wait_for(lambda: False, 0.1)
    except Failure:
        return
    raise Failure('wait_for waited for ever, or not at all')


main()
