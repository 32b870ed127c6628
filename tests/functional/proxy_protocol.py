#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The client's own address, sent on and taken in (PROXY protocol 1 and 2)."""

import socket
import struct

from lib import (Certs, Durward, EchoBackend, HAProxy, HttpBackend, Nginx,
                 ProxyBackend, check, connect, equal, exchange, free_port,
                 http_request, main, need_ipv6, read_all, run_durward,
                 shared, simple_hello, tls_get)
from lib.backends import field
from lib.clients import _parse_response

NAME = 'www.example.org'
certs = shared(Certs)

SEND = '''
listener "https" { bind = {"127.0.0.1:@https@"} protocol = "tls" }
cluster "one" {
    service "ingress" {
        listeners  = {"https"}
        hosts      = {"www.example.org"}
        servers    = {"server=127.0.0.1:@server@"}
        send-proxy = "@version@"
        check { type = "none" }
    }
}
'''

ACCEPT = '''
listener "https" { bind = {"127.0.0.1:@https@"} protocol = "tls"
                   accept-proxy = {@from@} deny = {"203.0.113.0/24"}
                   timeouts { handshake = "1s" } }
listener "http"  { bind = {"127.0.0.1:@http@"} protocol = "http"
                   accept-proxy = {@from@} }
cluster "one" {
    service "ingress" {
        listeners  = {"https"}
        hosts      = {"www.example.org"}
        servers    = {"server=127.0.0.1:@server@"}
        check { type = "none" }
    }
    service "web" {
        listeners  = {"http"}
        hosts      = {"www.example.org"}
        servers    = {"web=127.0.0.1:@web@"}
        check { type = "none" }
    }
}
'''

SIGNATURE = b'\r\n\r\n\0\r\nQUIT\n'


def v1(source, destination, port=1234, to=443, family='TCP4'):
    return ('PROXY %s %s %s %d %d\r\n' % (family, source, destination, port,
                                          to)).encode()


def v2(source, destination, port=1234, to=443, tlvs=b''):
    family = socket.AF_INET6 if ':' in source else socket.AF_INET
    body = (socket.inet_pton(family, source) +
            socket.inet_pton(family, destination) +
            struct.pack('!HH', port, to) + tlvs)
    return SIGNATURE + b'\x21' + (b'\x21' if ':' in source else b'\x11') + \
        struct.pack('!H', len(body)) + body


LOCAL = SIGNATURE + b'\x20\x00\x00\x00'


def test_sent_to_the_server():
    for version, number in ('v1', 1), ('v2', 2):
        server = ProxyBackend()
        daemon = Durward(SEND, server=server.port, version=version)
        hello = simple_hello(NAME)
        with connect(daemon.port('https'), source='127.0.0.9') as s:
            equal(exchange(s, hello, len(hello)), hello)
            equal(server.wait_client().proxy,
                  (number, '127.0.0.9', s.getsockname()[1], '127.0.0.1',
                   daemon.port('https')), version)


REPORT = '$proxy_protocol_addr $proxy_protocol_server_addr ' \
         '$http_x_forwarded_for'

BEHIND = '''
listener "https" { bind = {"127.0.0.1:@https@", "[::1]:@https@"}
                   protocol = "tls" }
listener "http"  { bind = {"127.0.0.1:@http@", "[::1]:@http@"}
                   protocol = "http" }
cluster "one" {
    service "ingress" {
        listeners  = {"https"}
        hosts      = {"www.example.org"}
        servers    = {"nginx=@address@:@tls@"}
        send-proxy = "@version@"
        check { type = "https" path = "/" interval = "100ms" }
    }
    service "web" {
        listeners  = {"http"}
        hosts      = {"www.example.org"}
        servers    = {"nginx=@address@:@plain@"}
        send-proxy = "@version@"
        check { type = "http" path = "/" interval = "100ms" }
    }
}
'''


def nginx_behind(address):
    """Ports of one that decrypts and of one that needs not; both demand a
    PROXY header."""
    cert, key = certs().server('www', [NAME])
    bare = address.strip('[]')
    tls, plain = free_port(bare), free_port(bare)
    Nginx('    server { listen %s:%d ssl proxy_protocol;\n'
          '        listen %s:%d proxy_protocol;\n'
          '        ssl_certificate %s; ssl_certificate_key %s;\n'
          '        location / { return 200 "%s"; } }\n' % (
              address, tls, address, plain, cert, key, REPORT),
          [(bare, tls), (bare, plain)])
    return tls, plain


def nginx_sees_the_client(address):
    need_ipv6()
    tls, plain = nginx_behind(address)
    for version in 'v1', 'v2':
        daemon = Durward(BEHIND, address=address, tls=tls, plain=plain,
                         version=version)
        for to, source in (('127.0.0.1', '127.0.0.9'), ('::1', '::1')):
            equal(tls_get(daemon.port('https'), NAME, certs().ca, address=to,
                          source=source)[1], '%s %s ' % (source, to), version)
            equal(http_request(daemon.port('http'), NAME, address=to,
                               source=source)[2],
                  ('%s %s %s' % (source, to, source)).encode(), version)
        # its own checks pass the same door
        for backend in 'one.ingress.https', 'one.web.http':
            equal(daemon.server_state(backend, 'nginx'), 'UP')
        equal(daemon.log_lines('is DOWN'), [])


def test_nginx_sees_the_client():
    nginx_sees_the_client('127.0.0.1')


def test_nginx_sees_the_client_over_ipv6():
    nginx_sees_the_client('[::1]')


IN_FRONT = '''
defaults
    mode tcp
    timeout connect 5s
    timeout client 10s
    timeout server 10s
frontend tls
    bind 127.0.0.1:%(tls)d
    bind :::%(tls)d v6only
    default_backend tls
backend tls
    server durward %(address)s:%(https)d %(how)s
frontend plain
    bind 127.0.0.1:%(plain)d
    bind :::%(plain)d v6only
    default_backend plain
backend plain
    server durward %(address)s:%(http)d %(how)s
'''


def haproxy_in_front(how, address):
    """Log and X-Forwarded-For have the client that HAProxy had."""
    need_ipv6()
    server, web = EchoBackend(), HttpBackend('web')
    daemon = Durward(ACCEPT.replace('127.0.0.1:@http', address + ':@http'),
                     server=server.port, web=web.port,
                     **{'from': '"127.0.0.0/8", "::1"'})
    tls, plain = free_port(), free_port()
    HAProxy(IN_FRONT % {
        'tls': tls, 'plain': plain, 'address': address, 'how': how,
        'https': daemon.port('https'), 'http': daemon.port('http')},
        [('127.0.0.1', tls), ('127.0.0.1', plain), ('::1', plain)])
    hello = simple_hello(NAME)
    for to, source in (('127.0.0.1', '127.0.0.9'), ('::1', '::1')):
        with connect(tls, address=to, source=source) as s:
            equal(exchange(s, hello, len(hello)), hello)
            port = s.getsockname()[1]
        daemon.wait_log(r' %s:%d \[.* one\.ingress\.https/server .*\{www' % (
            source, port))
        equal(http_request(plain, NAME, address=to, source=source)[2], b'web')
        equal(field(web.heads()[-1], 'x-forwarded-for'), [source])
        daemon.wait_log(r' %s:\d+ \[.* one\.web\.http/web .*"GET ' % source)


def test_haproxy_in_front_with_send_proxy():
    haproxy_in_front('send-proxy', '127.0.0.1')


def test_haproxy_in_front_with_send_proxy_v2():
    haproxy_in_front('send-proxy-v2', '127.0.0.1')


def test_haproxy_in_front_over_ipv6():
    haproxy_in_front('send-proxy-v2', '[::1]')


def test_the_hash_goes_by_the_client_in_the_header():
    """Not by the peer, who is the same for all."""
    servers = [EchoBackend(n) for n in 'abc']
    daemon = Durward(ACCEPT.replace('"server=127.0.0.1:@server@"', ', '.join(
        '"%s"' % s.entry for s in servers)), web=1, **{'from': '"127.0.0.1"'})
    hello = simple_hello(NAME)
    seen = set()
    for i in range(12):
        for header, client in (
                (v1('192.0.2.%d' % i, '192.0.2.1'), '192.0.2.%d' % i),
                (v2('2001:db8::%x' % i, '2001:db8::1'), '2001:db8::%x' % i)):
            before = [len(s.clients()) for s in servers]
            with connect(daemon.port('https')) as s:
                equal(exchange(s, header + hello, len(hello)), hello)
            got, = [s.name for s, b in zip(servers, before)
                    if len(s.clients()) > b]
            run = run_durward('-c', daemon.conf, '-r', 'https,%s,%s' % (
                NAME, client))
            equal('one.ingress.https/' + got, run.stdout.strip(), client)
            seen.add(got)
    equal(seen, set('abc'))


def start_accepting(source='"127.0.0.0/8"'):
    server, web = EchoBackend(), HttpBackend('web')
    return Durward(ACCEPT, server=server.port, web=web.port,
                   **{'from': source}), server, web


def test_taken_in_before_tls():
    daemon, _, _ = start_accepting()
    hello = simple_hello(NAME)
    for what, header, client in (
            ('v1', v1('192.0.2.7', '192.0.2.1'), '192.0.2.7:1234'),
            ('v2', v2('192.0.2.8', '192.0.2.1'), '192.0.2.8:1234'),
            ('v2 with TLVs', v2('192.0.2.9', '192.0.2.1',
                                tlvs=b'\x02\x00\x03abc\x04\x00\x00'),
             '192.0.2.9:1234'),
            ('v1, IPv6', v1('2001:db8::7', '2001:db8::1', family='TCP6'),
             '2001:db8::7:1234'),
            ('v2, IPv6', v2('2001:db8::8', '2001:db8::1'), '2001:db8::8:1234'),
            ('v2, a mapped address', v2('::ffff:192.0.2.10', '::ffff:192.0.2.1'),
             '192.0.2.10:1234')):
        with connect(daemon.port('https')) as s:
            equal(exchange(s, header + hello, len(hello)), hello, what)
        plain = client.replace('.', '[.]').replace(':1234', ']?:1234')
        daemon.wait_log(r'[ \[]' + plain + r' .*\{www\.example\.org\}')


def test_cut_anywhere():
    daemon, server, _ = start_accepting()
    hello = simple_hello(NAME)
    for header in v1('192.0.2.7', '192.0.2.1'), v2('192.0.2.7', '192.0.2.1'):
        whole = header + hello
        for i in range(1, len(header) + 8):
            with connect(daemon.port('https')) as s:
                s.sendall(whole[:i])
                equal(exchange(s, whole[i:], len(hello)), hello,
                      'cut at %d' % i)


def test_local_keeps_the_peers_address():
    daemon, _, _ = start_accepting()
    hello = simple_hello(NAME)
    for header in LOCAL, b'PROXY UNKNOWN\r\n':
        with connect(daemon.port('https')) as s:
            equal(exchange(s, header + hello, len(hello)), hello)
            port = s.getsockname()[1]
        daemon.wait_log(r'127\.0\.0\.1:%d .*\{www' % port)


def test_taken_in_before_http():
    daemon, _, web = start_accepting()
    request = b'GET / HTTP/1.1\r\nHost: www.example.org\r\n' \
              b'Connection: close\r\n\r\n'
    for header, client in ((v1('192.0.2.7', '192.0.2.1'), '192.0.2.7'),
                           (v2('2001:db8::7', '2001:db8::1'), '2001:db8::7')):
        with connect(daemon.port('http')) as s:
            s.sendall(header + request)
            equal(_parse_response(read_all(s))[::2], (200, b'web'))
        equal(field(web.heads()[-1], 'x-forwarded-for'), [client])


def closed_without_a_server(daemon, server, data, what):
    before = len(server.connections)
    with connect(daemon.port('https')) as s:
        try:
            s.sendall(data)
            read_all(s)
        except (ConnectionResetError, BrokenPipeError):
            pass
        port = s.getsockname()[1]
    equal(len(server.connections), before, 'connections for ' + what)
    return port


def test_where_it_is_due_it_must_be_good():
    daemon, server, _ = start_accepting()
    hello = simple_hello(NAME)
    for what, header in (
            ('nothing', b''),
            ('half a word', b'PROX'),
            ('a leading zero', b'PROXY TCP4 192.0.02.7 192.0.2.1 1 2\r\n'),
            ('a port too large', v1('192.0.2.7', '192.0.2.1', 65536)),
            ('IPv6 called TCP4', v1('2001:db8::1', '192.0.2.1')),
            ('an unknown family', v1('192.0.2.7', '192.0.2.1', family='TCP5')),
            ('no CR', b'PROXY TCP4 192.0.2.7 192.0.2.1 1 2\n'),
            ('two spaces', b'PROXY TCP4  192.0.2.7 192.0.2.1 1 2\r\n'),
            ('over 107 bytes', b'PROXY UNKNOWN ' + b'a' * 100 + b'\r\n'),
            ('version 3', SIGNATURE + b'\x31\x11\x00\x0c' + b'\0' * 12),
            ('an unknown command', SIGNATURE + b'\x2f\x11\x00\x0c' + b'\0' * 12),
            ('too short a body', SIGNATURE + b'\x21\x11\x00\x04' + b'\0' * 4)):
        port = closed_without_a_server(daemon, server, header + hello, what)
        daemon.wait_log(r' 127\.0\.0\.1:%d \[.* https https/<NOSRV> '
                        r'-1/-1/\d+ 0 PR ' % port)
    with connect(daemon.port('https')) as s:
        equal(exchange(s, v1('192.0.2.7', '192.0.2.1') + hello, len(hello)),
              hello, 'the next')


def test_a_header_that_never_ends_is_cut_off():
    daemon, server, _ = start_accepting()
    closed_without_a_server(daemon, server, b'PROXY TCP4 192.0.2.7',
                            'half a header')


def test_lists_are_asked_after_the_header():
    daemon, server, _ = start_accepting()
    hello = simple_hello(NAME)
    closed_without_a_server(daemon, server,
                            v1('203.0.113.5', '192.0.2.1') + hello,
                            'a client that is denied')


def test_from_others_it_is_no_header():
    """Who is not in accept-proxy cannot choose an address."""
    daemon, server, _ = start_accepting('"192.0.2.0/24"')
    hello = simple_hello(NAME)
    closed_without_a_server(daemon, server,
                            v1('192.0.2.7', '192.0.2.1') + hello, 'a forger')
    with connect(daemon.port('https')) as s:
        equal(exchange(s, hello, len(hello)), hello, 'a plain client')


main()
