#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The ClientHello, however it is cut, and what each bad one is answered."""

import os
import re
import socket
import struct
import time

from lib import (ALERT_DECODE_ERROR, ALERT_INTERNAL_ERROR,
                 ALERT_UNRECOGNIZED_NAME, Certs, Durward, EchoBackend,
                 TlsBackend, alert, ask, check, client_hello, connect, equal,
                 exchange, extension, free_port, main, read_all, record,
                 records, server_name, shared, simple_hello, tls_get,
                 wait_for)

NAME = 'www.example.org'

CONF = '''
listener "https" { bind = {"127.0.0.1:@https@"} protocol = "tls"
                   timeouts { handshake = "@handshake@" } }
cluster "one" {
    service "ingress" {
        listeners = {"https"}
        hosts     = {"www.example.org"}
        servers   = {"echo=127.0.0.1:@server@"}
        check { type = "none" }
    }
    service "down" {
        listeners = {"https"}
        hosts     = {"down.example.org"}
        servers   = {"127.0.0.1:@nobody@"}
        check { type = "none" }
    }
}
'''


def start(handshake='100s'):
    server = EchoBackend()
    daemon = Durward(CONF, server=server.port, handshake=handshake,
                     nobody=free_port())
    return daemon, server


@shared
def world():
    return start()


def taken_in(s):
    """True once the daemon has read all that we sent on this socket: its end
    of the connection is there and its queue is empty.  Asked of the kernel
    for this one connection, sock_diag(7): /proc/net/tcp lists them all."""
    ours, theirs = s.getsockname(), s.getpeername()
    request = struct.pack('=BBBBI', socket.AF_INET, socket.IPPROTO_TCP, 0, 0,
                          0xffffffff)
    request += struct.pack('!HH', theirs[1], ours[1])
    request += socket.inet_aton(theirs[0]) + bytes(12)
    request += socket.inet_aton(ours[0]) + bytes(12)
    request += struct.pack('=III', 0, 0xffffffff, 0xffffffff)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4) as diag:
        diag.settimeout(5)
        diag.send(struct.pack('=IHHII', 16 + len(request), 20, 1, 1, 0) +
                  request)
        answer = diag.recv(8192)
    if struct.unpack_from('=H', answer, 4)[0] != 20:
        return False                    # an error: no such connection
    state = answer[17]
    unread = struct.unpack_from('=I', answer, 16 + 4 + 48 + 4)[0]
    return state in (1, 8) and unread == 0      # ESTABLISHED, CLOSE_WAIT


def passes(daemon, pieces, what):
    """Sent in these pieces, each read by the daemon before the next goes
    out, it reaches the server and comes back as it is."""
    whole = b''.join(pieces)
    with connect(daemon.port('https')) as s:
        for piece in pieces[:-1]:
            s.sendall(piece)
            wait_for(lambda: taken_in(s), 10, 'the piece to be read',
                     pause=0.0005)
        got = exchange(s, pieces[-1], len(whole))
        equal(got, whole, what)
        equal(exchange(s, b'more', 4), b'more', what)


def test_cut_at_every_byte():
    daemon, _ = world()
    hello = simple_hello(NAME)
    for i in range(1, len(hello)):
        passes(daemon, [hello[:i], hello[i:]], 'a hello cut at %d' % i)


def test_one_byte_at_a_time():
    daemon, _ = world()
    hello = simple_hello(NAME)
    passes(daemon, [hello[i:i + 1] for i in range(len(hello))],
           'a hello byte by byte')


def test_over_several_records():
    daemon, _ = world()
    message = client_hello(NAME)
    for size in (1, 2, 3, 4, 5, 37, 100, len(message) - 1):
        passes(daemon, [records(message, size)], 'records of %d' % size)


def test_a_record_for_each_byte_cut_everywhere():
    daemon, _ = world()
    hello = records(client_hello(NAME), 1)
    for i in range(1, 60):
        passes(daemon, [hello[:i], hello[i:]], 'cut at %d' % i)


def test_large_hellos():
    daemon, _ = world()
    for size in (1500, 16384, 16385, 60 * 1024):
        passes(daemon, [records(client_hello(NAME, size=size))],
               'a hello of %d bytes' % size)


def test_the_largest_hello_and_one_byte_more():
    """64 KiB with the record headers; here four of them."""
    daemon, _ = world()
    hello = records(client_hello(NAME, size=65536 - 4 * 5))
    equal(len(hello), 65536)
    passes(daemon, [hello], 'a hello of 64 KiB')
    hello = records(client_hello(NAME, size=65536 - 4 * 5 + 1))
    equal(alert(ask(daemon.port('https'), hello)), ALERT_DECODE_ERROR)


def test_unknown_things_pass():
    daemon, _ = world()
    share = b'\x11\xec' + struct.pack('!H', 1216) + os.urandom(1216)
    for what, hello in (
            ('a post-quantum key share', client_hello(NAME, extensions=[
                server_name(NAME),
                extension(51, struct.pack('!H', len(share)) + share)])),
            ('an unknown extension', client_hello(NAME, extensions=[
                extension(0xfefe, os.urandom(700)), server_name(NAME)])),
            ('every GREASE value', client_hello(NAME, extensions=[
                extension(0x0a0a + 0x1010 * i, b'\0') for i in range(16)] +
                [server_name(NAME)])),
            ('an empty session id', client_hello(NAME, session=0)),
            ('TLS 1.0', client_hello(NAME, version=0x0301)),
            ('an unknown version', client_hello(NAME, version=0x0399))):
        passes(daemon, [record(hello)], what)
    passes(daemon, [record(client_hello(NAME), version=0x0303)],
           'record version 3.3')


def test_what_follows_the_hello_goes_with_it():
    daemon, _ = world()
    passes(daemon, [simple_hello(NAME) + record(os.urandom(500), kind=0x17)],
           'early data')


def _names(*entries):
    """A server_name extension with this list."""
    return extension(0, struct.pack('!H', sum(map(len, entries))) +
                     b''.join(entries))


def _host(name, kind=0):
    return struct.pack('!BH', kind, len(name)) + name


def _with(*extensions):
    return record(client_hello(NAME, extensions=list(extensions)))


def _patched(offset, value):
    message = bytearray(client_hello(NAME))
    message[offset] = value
    return record(bytes(message))


# Offsets in the message: 4 version, 6 random, 38 session id length, 71 cipher
# suites' length, 73 + 10 compression methods' length.
MALFORMED = [
    ('a ServerHello', record(client_hello(NAME, message_type=2))),
    ('a Finished', record(client_hello(NAME, message_type=20))),
    ('a HelloRequest', record(b'\0\0\0\0')),
    ('an alert record', record(b'\x02\x28', kind=0x15)),
    ('an application data record', record(b'GET / HTTP', kind=0x17)),
    ('a change cipher spec', record(b'\x01', kind=0x14)),
    ('an empty record', record(b'') + simple_hello(NAME)),
    ('an empty record in the midst', record(client_hello(NAME)[:50]) +
     record(b'') + record(client_hello(NAME)[50:])),
    ('a record over 2^14', record(client_hello(NAME, size=16385))),
    ('another record type in the midst', record(client_hello(NAME)[:50]) +
     record(client_hello(NAME)[50:], kind=0x17)),
    ('another message behind it', record(client_hello(NAME) + b'\x0b\0\0\0')),
    ('an empty message', record(b'\x01\0\0\0')),
    ('session id of 33 bytes', record(client_hello(NAME, session=33))),
    ('session id past the end', _patched(38, 255)),
    ('odd cipher suites', _patched(72, 9)),
    ('no cipher suite', record(client_hello(NAME, ciphers=[]))),
    ('cipher suites past the end', _patched(71, 0xff)),
    ('no compression method', record(client_hello(NAME, compression=b''))),
    ('a byte after the extensions', record(
        b'\x01' + struct.pack('!I', len(client_hello(NAME)) - 3)[1:] +
        client_hello(NAME)[4:] + b'\0')),
    ('extensions past the end', _patched(86, 0xff)),
    ('an extension past the block',
     _with(struct.pack('!HH', 0xfefe, 40) + b'short')),
    ('half an extension header', _with(server_name(NAME), b'\0\x15\0')),
    ('the same extension twice', _with(server_name(NAME), server_name(NAME))),
    ('an empty server_name', _with(extension(0, b''))),
    ('an empty list of names', _with(extension(0, b'\0\0'))),
    ('an empty name', _with(_names(_host(b'')))),
    ('two names', _with(_names(_host(b'a.example.org'),
                               _host(b'www.example.org')))),
    ('a name past its list', _with(extension(
        0, struct.pack('!HBH', 5, 0, 40) + b'ab'))),
    ('a list shorter than its extension', _with(extension(
        0, struct.pack('!H', 3 + 15) + _host(NAME.encode()) + b'!'))),
    ('a list longer than its extension', _with(extension(
        0, struct.pack('!H', 99) + _host(NAME.encode())))),
]


def test_each_malformed_hello_is_alert_50():
    daemon, _ = world()
    for what, data in MALFORMED:
        answer = ask(daemon.port('https'), data)
        equal(alert(answer), ALERT_DECODE_ERROR, '%s, %r' % (what, answer))
        passes(daemon, [simple_hello(NAME)], 'the next after ' + what)


def test_the_malformed_byte_by_byte():
    """How it was cut changes no verdict."""
    daemon, _ = world()
    for what, data in MALFORMED[:6] + MALFORMED[-6:]:
        with connect(daemon.port('https')) as s:
            try:
                for i in range(len(data)):
                    s.sendall(data[i:i + 1])
            except (BrokenPipeError, ConnectionResetError):
                pass    # it had seen enough
            try:
                answer = read_all(s)
            except ConnectionResetError:
                continue
        equal(alert(answer), ALERT_DECODE_ERROR, '%s, %r' % (what, answer))


def test_names_that_are_none_are_refused():
    daemon, _ = world()
    for name in (b'www.example.org\0.evil.test', b'www example.org',
                 b'www..example.org', b'-\xff-.example.org', b'.',
                 b'x' * 64 + b'.example.org', b'a.' * 127 + b'example.org',
                 b'192.0.2.1', b'www.example.org:443', b'%s%n%x'):
        answer = ask(daemon.port('https'), _with(_names(_host(name))))
        check(alert(answer) in (ALERT_DECODE_ERROR, ALERT_UNRECOGNIZED_NAME),
              '%r was answered %r', name, answer)
    passes(daemon, [simple_hello(NAME)], 'the next')


def test_no_server_is_alert_80():
    daemon, _ = world()
    answer = ask(daemon.port('https'), simple_hello('down.example.org'))
    equal(alert(answer), ALERT_INTERNAL_ERROR, repr(answer))


def test_http_is_told_so():
    daemon, _ = world()
    for request in (b'GET / HTTP/1.1\r\nHost: www.example.org\r\n\r\n',
                    b'POST /x HTTP/1.0\r\n\r\n', b'OPTIONS * HTTP/1.1\r\n\r\n'):
        answer = ask(daemon.port('https'), request)
        head, _, body = answer.partition(b'\r\n\r\n')
        check(re.match(rb'HTTP/1\.[01] 400 ', head), '%r', answer)
        check(re.search(rb'(?im)^content-type: *text/plain', head), '%r', head)
        check(body, 'the 400 says nothing')
    passes(daemon, [simple_hello(NAME)], 'the next')


def test_anything_else_is_closed_at_once():
    daemon, _ = world()
    for data in (b'SSH-2.0-OpenSSH_9.2\r\n', b'\0' * 64, b'\xff' * 64,
                 b'EHLO example.org\r\n', b'hello\r\n',
                 b'\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10' + b'\1' * 37,
                 b'\x03\x00\x00\x13\x0e\xe0' + b'\0' * 13):
        begun = time.monotonic()
        try:
            answer = ask(daemon.port('https'), data)
        except ConnectionResetError:
            answer = b''
        equal(answer, b'', 'the answer to %r' % data[:20])
        check(time.monotonic() - begun < 5, '%r was held on to', data[:20])
    passes(daemon, [simple_hello(NAME)], 'the next')


def test_half_a_hello_and_goodbye():
    daemon, _ = world()
    hello = simple_hello(NAME)
    for i in (1, 5, 6, 50, len(hello) - 1):
        with connect(daemon.port('https')) as s:
            s.sendall(hello[:i])
            s.shutdown(socket.SHUT_WR)
            begun = time.monotonic()
            read_all(s)
            check(time.monotonic() - begun < 5, 'the rest was waited for')
    passes(daemon, [simple_hello(NAME)], 'the next')


def test_the_handshake_has_one_deadline():
    """A byte now and then does not stretch it."""
    daemon, _ = start(handshake='700ms')
    hello = simple_hello(NAME)
    with connect(daemon.port('https')) as s:
        s.settimeout(0.05)
        begun = time.monotonic()
        answer = None
        for i in range(len(hello) - 1):
            try:
                s.sendall(hello[i:i + 1])
                answer = s.recv(100)
                break
            except socket.timeout:
                check(time.monotonic() - begun < 5, 'it never ended')
            except (BrokenPipeError, ConnectionResetError):
                answer = b''
                break
        took = time.monotonic() - begun
    equal(answer, b'', 'the answer past the deadline')
    check(0.5 < took < 3, 'it ended after %.2f s, not 0.7', took)
    passes(daemon, [hello], 'the next')


def test_who_says_nothing_is_closed_too():
    daemon, _ = start(handshake='500ms')
    with connect(daemon.port('https')) as s:
        equal(read_all(s, 15), b'')


def test_silent_clients_keep_nobody_out():
    daemon, _ = world()
    silent = [connect(daemon.port('https')) for _ in range(100)]
    half = [connect(daemon.port('https')) for _ in range(60)]
    for s in half:
        s.sendall(simple_hello(NAME)[:20])
    for _ in range(20):
        passes(daemon, [simple_hello(NAME)], 'a client among silent ones')
    for s in silent + half:
        s.close()


def test_a_real_handshake_after_all_that():
    certs = Certs()
    server = TlsBackend('www', certs.server('www', [NAME]))
    daemon = Durward(CONF, server=server.port, handshake='5s',
                     nobody=free_port())
    equal(tls_get(daemon.port('https'), NAME, certs.ca)[:2], (200, 'www'))


main()
