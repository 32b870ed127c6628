# SPDX-License-Identifier: ISC
"""One daemon before which a connection or a request can end in every way, and
the reading of its log lines: HAProxy's letters, field by field.  Each row of a
table has a service or a source address of its own, so all can run at once."""

import re
import shutil
import socket
import struct
import subprocess
import threading

from .backends import TcpBackend
from .clients import ask, connect, exchange, read_all
from .daemon import Durward
from .hello import simple_hello
from .ports import free_port
from .run import check, equal, own, shared, skip, wait_for

CONF = '''
timeouts { handshake = "600ms" request = "600ms" connect = "300ms" idle = "900ms"
    client = "600ms" server = "600ms" keep-alive = "400ms" queue = "700ms" }
listener "tls"  { bind = {"*:@tls@"}  protocol = "tls"  deny = {"127.0.0.66"}
    max-connections-per-source = 6 accept-proxy = {"127.0.0.77"} }
listener "http" { bind = {"*:@http@"} protocol = "http" deny = {"127.0.0.66"}
    max-connections-per-source = 6 accept-proxy = {"127.0.0.77"} }
listener "stats" { bind = {"127.0.0.1:@stats@"} protocol = "stats" uri = "/s"
    deny = {"127.0.0.66"} }
cluster "c" {
%s
}
'''

# service, its server, further keys
SERVICES = '''
    service "good"   { listeners = {"tls", "http"} hosts = {"good.test"}
        servers = {"s=127.0.0.1:@good@"} %(none)s }
    service "mine"   { listeners = {"tls", "http"} hosts = {"mine.test"} deny = {"127.0.0.0/8"}
        servers = {"s=127.0.0.1:@good@"} %(none)s }
    service "none"   { listeners = {"tls", "http"} hosts = {"none.test"}
        servers = {"s=127.0.0.1:@nobody@"} check { type = "tcp" interval = "100ms" } }
    service "refuse" { listeners = {"tls", "http"} hosts = {"refuse.test"}
        servers = {"s=127.0.0.1:@nobody@"} %(none)s }
    service "silent" { listeners = {"tls", "http"} hosts = {"silent.test"}
        servers = {"s=127.0.0.1:@full@"} %(none)s }
    service "hold"   { listeners = {"tls", "http"} hosts = {"hold.test"}
        server "s" { address = "127.0.0.1:@hold@" max-connections = 1 } %(none)s }
    service "brief"  { listeners = {"tls", "http"} hosts = {"brief.test"}
        servers = {"s=127.0.0.1:@brief@"} on-down = "close" %(none)s }
''' % {'none': 'check { type = "none" }'}


def serve(c):
    """A server that does what the host or the request's target says."""
    data = c.recv()
    if data.startswith(b'\x16'):
        c.sock.sendall(data)
        while True:
            data = c.recv()
            if data == b'reset':
                c.abort()
                return
            if not data:
                break
            c.sock.sendall(data)
        if c.eof:
            c.sock.shutdown(socket.SHUT_WR)
        return
    while data:
        while b'\r\n\r\n' not in data:
            more = c.recv()
            if not more:
                return
            data += more
        target = data.split()[1].split(b'?')[0]
        if target == b'/gone':
            return
        if target == b'/garbage':
            c.sock.sendall(b'what?\r\n\r\n')
        elif target == b'/half':
            c.sock.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf')
            return
        elif target == b'/stall':
            c.sock.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf')
            c.recv()
            return
        elif target == b'/much':
            c.sock.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 99000000\r\n\r\n')
            try:
                while True:
                    c.sock.sendall(b'x' * 65536)
            except OSError:
                return
        elif target == b'/silence':
            c.recv()
            return
        elif target == b'/upgrade':
            c.sock.sendall(b'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n'
                           b'Upgrade: echo\r\n\r\n')
            while c.recv():
                pass
            return
        else:
            c.sock.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine')
        data = c.recv()


class Full:
    """A port that accepts nothing: its backlog is full, a SYN has no answer."""

    def __init__(self):
        self.s = socket.socket()
        self.s.bind(('127.0.0.1', 0))
        self.s.listen(0)
        self.port = self.s.getsockname()[1]
        self.fill = []
        for _ in range(4):
            c = socket.socket()
            c.setblocking(False)
            c.connect_ex(('127.0.0.1', self.port))
            self.fill.append(c)
        own(self)

    def close(self):
        for s in self.fill + [self.s]:
            s.close()


@shared
def world():
    backends = {name: TcpBackend(name, script=serve) for name in ('good', 'hold', 'brief')}
    daemon = Durward(CONF % SERVICES, full=Full().port, nobody=free_port(),
                     **{name: b.port for name, b in backends.items()})
    daemon.backends = backends
    daemon.wait_state('c.none.tls', 's', 'DOWN')
    daemon.wait_state('c.none.http', 's', 'DOWN')
    return daemon


def abort(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    s.close()


def to_end(s, limit=10):
    try:
        return read_all(s, limit)
    except ConnectionResetError:
        return b''


def worker_of(daemon, s):
    where = '%s:%d' % s.getsockname()[:2]

    def found():
        rows = [r for r in daemon.json('connections') if r['client'] == where]
        return rows and rows[0]['pid']
    return wait_for(found, 10, 'the worker of ' + where)


def relayed(s, name='good.test'):
    data = simple_hello(name)
    equal(exchange(s, data, len(data)), data)


def just_hello(name):
    def do(daemon, s):
        s.sendall(simple_hello(name))
        to_end(s)
    return do


def says(data):
    def do(daemon, s):
        s.sendall(data)
        to_end(s)
    return do


# --- rows and lines ---------------------------------------------------------

# of some hundred ms that a limit was
LATE = r'([2-9]\d\d|\d{4,5})'
DATE = r'\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d\.\d{3}\]'
COUNTS = r'\d+/\d+/\d+/\d+/\+?\d+ \d+/\d+ '


def run_rows(daemon, listener, rows, pattern):
    """All at once, for most of them wait; a complaint for each that is wrong.
    Returns the lines."""
    wrong, lines = [], []

    def one(row):
        source = row[2] or '127.0.1.%d' % (rows.index(row) + 1)
        try:
            with connect(daemon.port(listener), source=source) as s:
                port = s.getsockname()[1]
                row[1](daemon, s)
            want = r'\]: %s:%d %s %s' % (re.escape(source), port, DATE, pattern(row))
            found = daemon.wait_log(r'\]: %s:%d \[' % (re.escape(source), port))
            equal(len(found), 1, 'lines')
            check(re.search(want + '$', found[0]), 'want %s, got %s', want, found[0])
            lines.append(found[0])
        except Exception as e:
            wrong.append('%s: %r' % (row[0], e))
    alone = [r for r in rows if 'queue' in r[0]]
    threads = [threading.Thread(target=one, args=(r,)) for r in rows if r not in alone]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for row in alone:
        one(row)
    equal(wrong, [], 'rows of %d' % len(rows))
    return lines


def halog(lines, *how):
    if not shutil.which('halog'):
        skip('no halog here')
    run = subprocess.run(['halog', '-q'] + list(how), input='\n'.join(lines) + '\n',
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         universal_newlines=True)
    equal(run.returncode, 0, run.stderr)
    return run.stdout.split('\n')[:-1]


def as_syslog(lines):
    """As in a file; to stderr they go the same way."""
    for line in lines:
        check(re.match(r'[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+ durward\[\d+\]: ', line), '%r', line)
    return lines
