#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Fill the corpora of tls_hello, proxy_header, hostname and cidr anew.

Hellos and PROXY headers are captured on loopback from the real programs that
are installed (openssl, curl, wget, Python, Java; haproxy); the rest is written
out here.  Run by hand when a new client is worth having, never by a test: the
corpora are in the repository.
"""

import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
HOST = 'console.apps.hub.linuxera.lab'
LIMIT = 20      # seconds for any one capture

JAVA = '''
import javax.net.ssl.*;
public class Hello {
    public static void main(String[] a) throws Exception {
        java.net.Socket t = new java.net.Socket("127.0.0.1", Integer.parseInt(a[1]));
        SSLSocketFactory f = (SSLSocketFactory) SSLSocketFactory.getDefault();
        try { ((SSLSocket) f.createSocket(t, a[0], 443, true)).startHandshake(); }
        catch (java.io.IOException e) { }
    }
}
'''


def write(target, name, data):
    folder = os.path.join(HERE, 'corpus', target)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), 'wb') as f:
        f.write(data)
    print('%s/%s: %d bytes' % (target, name, len(data)))


def listen():
    s = socket.create_server(('127.0.0.1', 0))
    s.settimeout(LIMIT)
    return s, s.getsockname()[1]


def exactly(c, n):
    data = b''
    while len(data) < n:
        piece = c.recv(n - len(data))
        if not piece:
            raise EOFError('the client said only %r' % data)
        data += piece
    return data


def read_hello(c):
    """Records until the handshake message in them is whole."""
    wire = message = b''
    while len(message) < 4 or \
            len(message) < 4 + int.from_bytes(message[1:4], 'big'):
        head = exactly(c, 5)
        body = exactly(c, int.from_bytes(head[3:], 'big'))
        wire, message = wire + head + body, message + body
    return wire


def hello_of(argv):
    """What this program sends first; @PORT@ in its words is where to."""
    s, port = listen()
    with s:
        argv = [word.replace('@PORT@', str(port)) for word in argv]
        p = subprocess.Popen(argv, stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
        try:
            c, _ = s.accept()
            with c:
                c.settimeout(LIMIT)
                return read_hello(c)
        finally:
            p.kill()
            p.wait()


def python_hello():
    """No socket is needed: the library writes into memory."""
    out = ssl.MemoryBIO()
    context = ssl.create_default_context()
    context.set_alpn_protocols(['h2', 'http/1.1'])
    tls = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=HOST)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


def in_records(wire, size):
    """The same hello, cut into records of size bytes."""
    message = b''
    while wire:
        n = int.from_bytes(wire[3:5], 'big')
        message, wire = message + wire[5:5 + n], wire[5 + n:]
    return b''.join(b'\x16\x03\x01' +
                    len(message[i:i + size]).to_bytes(2, 'big') +
                    message[i:i + size]
                    for i in range(0, len(message), size))


def make_hellos():
    s_client = ['openssl', 's_client', '-connect', '127.0.0.1:@PORT@']
    url = 'https://%s:@PORT@/' % HOST
    resolve = ['--resolve', '%s:@PORT@:127.0.0.1' % HOST]
    clients = {
        'openssl': s_client + ['-servername', HOST],
        'openssl-tls12': s_client + ['-tls1_2', '-servername', HOST],
        'openssl-no-name': s_client + ['-noservername'],
        'openssl-alpn': s_client + ['-servername', HOST,
                                    '-alpn', 'h2,http/1.1'],
        'openssl-status': s_client + ['-servername', HOST, '-status'],
        'curl': ['curl', '-sk', '--noproxy', '*'] + resolve + [url],
        'curl-http11': ['curl', '-sk', '--noproxy', '*', '--http1.1'] +
                       resolve + [url],
        'wget': ['wget', '-q', '-O', '/dev/null', '--no-check-certificate',
                 '--no-proxy', '--tries=1', 'https://localhost:@PORT@/'],
    }
    for name, argv in clients.items():
        if shutil.which(argv[0]):
            write('tls_hello', name, hello_of(argv))
    if shutil.which('java'):
        with tempfile.TemporaryDirectory() as d:
            source = os.path.join(d, 'Hello.java')
            with open(source, 'w') as f:
                f.write(JAVA)
            try:
                write('tls_hello', 'java',
                      hello_of(['java', source, HOST, '@PORT@']))
            except (OSError, EOFError) as e:
                print('java: %s' % e)
    hello = python_hello()
    write('tls_hello', 'python', hello)
    write('tls_hello', 'python-records-of-1', in_records(hello, 1))
    write('tls_hello', 'python-records-of-40', in_records(hello, 40))
    write('tls_hello', 'python-message', hello[5:])
    write('tls_hello', 'python-cut', hello[:-1])
    write('tls_hello', 'python-and-data', hello + b'\x17\x03\x03\x00\x02hi')
    for name, data in (('http', b'GET / HTTP/1.1\r\nHost: a\r\n\r\n'),
                       ('h2c', b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
                       ('ssh', b'SSH-2.0-OpenSSH_9.2\r\n'),
                       ('alert', b'\x15\x03\x03\x00\x02\x02\x28'),
                       ('ssl2', b'\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00'
                                b'\x10' + bytes(37))):
        write('tls_hello', name, data)


# --- PROXY headers ----------------------------------------------------------

HAPROXY = '''
defaults
    mode tcp
    timeout connect 5s
    timeout client 5s
    timeout server 5s
frontend in
    bind %(bind)s
    unique-id-format %%{+X}o\\ %%ci%%cp
    default_backend out
backend out
    server one 127.0.0.1:%(port)d %(how)s
'''


def proxied(family, how):
    """What haproxy says of a client, before the client's own words."""
    words = b'<the client>'
    s, port = listen()
    with s, tempfile.TemporaryDirectory() as d:
        address = '127.0.0.1' if family == socket.AF_INET else '::1'
        with socket.socket(family) as probe:
            probe.bind((address, 0))
            mine = probe.getsockname()[1]
        conf = os.path.join(d, 'haproxy.cfg')
        with open(conf, 'w') as f:
            f.write(HAPROXY % {'bind': '%s:%d' % (address, mine),
                               'port': port, 'how': how})
        p = subprocess.Popen(['haproxy', '-db', '-q', '-f', conf])
        try:
            client = None
            for _ in range(LIMIT * 20):
                client = socket.socket(family)
                if client.connect_ex((address, mine)) == 0:
                    break
                client.close()
                threading.Event().wait(0.05)
            with client:
                client.sendall(words)
                c, _ = s.accept()
                with c:
                    c.settimeout(LIMIT)
                    data = b''
                    while not data.endswith(words):
                        data += exactly(c, 1)
                    return data[:-len(words)]
        finally:
            p.kill()
            p.wait()


def make_proxy_headers():
    v4, v6 = socket.AF_INET, socket.AF_INET6
    if shutil.which('haproxy'):
        for name, family, how in (
                ('haproxy-v1-ipv4', v4, 'send-proxy'),
                ('haproxy-v1-ipv6', v6, 'send-proxy'),
                ('haproxy-v2-ipv4', v4, 'send-proxy-v2'),
                ('haproxy-v2-ipv6', v6, 'send-proxy-v2'),
                ('haproxy-v2-crc', v4,
                 'send-proxy-v2 proxy-v2-options crc32c'),
                ('haproxy-v2-id-crc', v6,
                 'send-proxy-v2 proxy-v2-options unique-id,crc32c')):
            write('proxy_header', name, proxied(family, how))
    signature = b'\r\n\r\n\0\r\nQUIT\n'
    for name, data in (
            ('v1-unknown', b'PROXY UNKNOWN\r\n'),
            ('v1-unknown-rest', b'PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n'),
            ('v1-mapped', b'PROXY TCP6 ::ffff:192.0.2.1 ::1 5 6\r\n'),
            ('v1-longest', b'PROXY TCP6 ' + b':'.join([b'ffff'] * 8) + b' ' +
             b':'.join([b'ffff'] * 8) + b' 65535 65535\r\n'),
            ('v1-bad-port', b'PROXY TCP4 192.0.2.1 192.0.2.2 01 65536\r\n'),
            ('v2-local', signature + b'\x20\x00\x00\x00'),
            ('v2-unspec', signature + b'\x21\x00\x00\x03abc'),
            ('v2-udp', signature + b'\x21\x12\x00\x0c' + bytes(12)),
            ('v2-unix', signature + b'\x21\x31\x00\xd8' + bytes(216)),
            ('v2-alpn', signature + b'\x21\x11\x00\x14' + bytes(12) +
             b'\x01\x00\x02h2\x04\x00\x00')):
        write('proxy_header', name, data)


# --- text ---------------------------------------------------------------------

def make_texts():
    label = b'abcdefghijklmnopqrstuvwxyz-0123456789_abcdefghijklmnopqrstuvwxy'
    for name, data in (
            ('name', HOST.encode()), ('case', b'WWW.Example.ORG.'),
            ('port', b'www.example.org:8080'), ('no-port', b'a.example:'),
            ('only-port', b':80'), ('ipv4', b'192.0.2.1:443'),
            ('ipv6', b'[2001:0DB8:0:0::1]:443'),
            ('mapped', b'[::ffff:192.0.2.1]'), ('zone', b'[fe80::1%eth0]'),
            ('longest', b'.'.join([label] * 3 + [label[:61]]) + b'.'),
            ('userinfo', b'user:pass@example.org'),
            ('nul', b'www.example.org\0.evil.test'), ('empty', b'')):
        write('hostname', name, data)
    v4 = bytes(10) + b'\xff\xff' + bytes([192, 0, 2, 7])
    v6 = bytes([0x20, 1, 0x0d, 0xb8]) + bytes(11) + b'\1'
    for name, ip, net in (
            ('in4', v4, b'192.0.2.0/24'), ('out4', v4, b'192.0.3.0/24'),
            ('one4', v4, b'192.0.2.7'), ('all4', v4, b'0.0.0.0/0'),
            ('in6', v6, b'2001:db8::/32'), ('one6', v6, b'2001:db8::1'),
            ('all6', v4, b'::/0'), ('mapped', v4, b'::ffff:192.0.2.0/120'),
            ('mapped-all', v6, b'::ffff:0.0.0.0/96'),
            ('odd', v4, b'192.0.2.0/25'), ('bits-behind', v4, b'192.0.2.1/24'),
            ('long-prefix', v6, b'2001:db8::/129'), ('name', v4, b'a.example')):
        write('cidr', name, ip + net)


if __name__ == '__main__':
    if len(sys.argv) > 1:
        sys.exit('usage: make_corpus.py')
    make_hellos()
    make_proxy_headers()
    make_texts()
