#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The peers that the other tests trust, without durward between them."""

import socket

from lib import (Certs, EchoBackend, Failure, HttpBackend, Nginx, ProxyBackend,
                 TlsBackend, check, client_hello, connect, curl, equal,
                 exchange, free_port, http_request, main, read_all, read_until,
                 records, s_client, tls_get, wait_for)


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


def test_wait_for_gives_up():
    try:
        wait_for(lambda: False, 0.1)
    except Failure:
        return
    raise Failure('wait_for waited for ever, or not at all')


main()
