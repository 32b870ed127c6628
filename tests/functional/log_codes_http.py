#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""HAProxy's two letters for HTTP and the statistics: each way that a request can
end is made to happen, its line must say so, and halog counts them all."""

import os
import re
import signal
import socket

from lib import (HttpClient, check, connect, equal, main, simple_hello, wait_for)
from lib.endings import (COUNTS, LATE, abort, as_syslog, halog, run_rows, says, to_end,
                         worker_of, world)

UPGRADE = 'Connection: upgrade\r\nUpgrade: echo\r\n'


def request(target='/', host='good.test', extra='', method='GET'):
    return ('%s %s HTTP/1.1\r\nHost: %s\r\n%s\r\n' % (method, target, host, extra)).encode()


def asks(*args, **how):
    def do(daemon, s):
        s.sendall(request(*args, **how))
        to_end(s)
    return do


def leaves_in_its_head(daemon, s):
    s.sendall(b'GET / HT')
    s.shutdown(socket.SHUT_WR)
    to_end(s)


def asks_and_resets(daemon, s):
    s.sendall(request('/silence'))
    worker_of(daemon, s)
    wait_for(lambda: [r for r in daemon.json('connections') if r['server'] and
                      r['client'] == '%s:%d' % s.getsockname()[:2]], 5, 'a server')
    abort(s)


def resets_in_the_answer(daemon, s):
    s.sendall(request('/much'))
    equal(len(s.recv(10)), 10)
    abort(s)


def does_not_take_the_answer(daemon, s):
    s.sendall(request('/much'))
    wait_for(lambda: daemon.log_lines(r':%d \[' % s.getsockname()[1]), 10, 'its line')


def is_killed_waiting(how):
    """Once the server has the request."""
    def do(daemon, s):
        target = '/silence?%d' % how
        s.sendall(request(target))
        wait_for(lambda: any(target.encode() in c.received
                             for c in daemon.backends['good'].clients()), 5, 'its request')
        os.kill(worker_of(daemon, s), how)
        to_end(s)
    return do


def waits_in_http_queue(daemon, s):
    with connect(daemon.port('http'), source='127.0.0.9') as holder:
        holder.sendall(request('/upgrade', 'hold.test', UPGRADE))
        equal(len(holder.recv(10)), 10)
        s.sendall(request('/', 'hold.test'))
        to_end(s)


GOOD = r'c\.good\.http/s'
# name, what the client does, source, backend/server, times, status, letters, captured
HTTP = [
    ('all went well', asks(extra='Connection: close\r\n'), None, GOOD, r'\d+/0/\d+/\d+/\d+',
     '200', '--', r'\{good\.test\}'),
    ('unknown name', asks('/', 'nobody.test'), None, 'http/<NOSRV>', r'\d+/-1/-1/-1/\d+',
     '404', 'SC', r'\{nobody\.test\}'),
    ('no name', says(b'GET / HTTP/1.0\r\n\r\n'), None, 'http/<NOSRV>', r'\d+/-1/-1/-1/\d+',
     '404', 'SC', None),
    ('malformed', says(b'GET / HTTP/1.1\r\nHost : good.test\r\n\r\n'), None, 'http/<NOSRV>',
     r'-1/-1/-1/-1/\d+', '400', 'PR', r'\{\} \{malformed\}'),
    ('a host with blanks', asks('/', 'a b"c.test'), None, 'http/<NOSRV>', r'-1/-1/-1/-1/\d+',
     '400', 'PR', r'\{\} \{malformed\}'),
    ('a host that none can have', asks('/', 'a' * 70 + '.test'), None, 'http/<NOSRV>',
     r'\d+/-1/-1/-1/\d+', '400', 'PR', r'\{a{70}\.test\} \{malformed\}'),
    ('too large', asks('/' + 'x' * 17000), None, 'http/<NOSRV>', r'-1/-1/-1/-1/\d+', '431',
     'PR', r'\{\} \{malformed\}'),
    ('HTTP/2', says(b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), None, 'http/<NOSRV>',
     r'-1/-1/-1/-1/\d+', '505', 'PR', r'\{\} \{malformed\}'),
    ('a TLS hello', says(simple_hello('good.test')), None, 'http/<NOSRV>', r'-1/-1/-1/-1/\d+', '-1',
     'PR', r'\{\} \{malformed\}'),
    ('silence', says(b''), None, 'http/<NOSRV>', r'-1/-1/-1/-1/' + LATE, '-1', 'cR', None),
    ('half a head', says(b'GET / HT'), None, 'http/<NOSRV>', r'-1/-1/-1/-1/' + LATE, '408',
     'cR', None),
    ('half a head, and away', leaves_in_its_head, None, 'http/<NOSRV>', r'-1/-1/-1/-1/\d+',
     '400', 'CR', None),
    ('denied by the listener', asks(), '127.0.0.66', 'http/<NOSRV>', r'-1/-1/-1/-1/\d+', '-1',
     'PR', r'\{\} \{denied\}'),
    ('denied by the service', asks('/', 'mine.test'), None, r'c\.mine\.http/<NOSRV>',
     r'\d+/-1/-1/-1/\d+', '-1', 'PR', r'\{mine\.test\} \{denied\}'),
    ('no PROXY header', asks(), '127.0.0.77', 'http/<NOSRV>', r'-1/-1/-1/-1/\d+', '-1', 'PR',
     r'\{\} \{malformed\}'),
    ('a late PROXY header', says(b'PROXY TCP4'), '127.0.0.77', 'http/<NOSRV>',
     r'-1/-1/-1/-1/\d+', '-1', 'cR', None),
    ('no server up', asks('/', 'none.test'), None, r'c\.none\.http/<NOSRV>',
     r'\d+/-1/-1/-1/\d+', '503', 'SC', r'\{none\.test\}'),
    ('refused', asks('/', 'refuse.test'), None, r'c\.refuse\.http/s', r'\d+/\d+/-1/-1/\d+',
     '503', 'SC', r'\{refuse\.test\}'),
    ('no answer to connect', asks('/', 'silent.test'), None, r'c\.silent\.http/s',
     r'\d+/\d+/-1/-1/' + LATE, '503', 'sC', r'\{silent\.test\}'),
    ('the queue is too slow', waits_in_http_queue, None, r'c\.hold\.http/<NOSRV>',
     r'\d+/\d+/-1/-1/' + LATE, '503', 'sQ', r'\{hold\.test\}'),
    ('the server left', asks('/gone'), None, GOOD, r'\d+/0/\d+/-1/\d+', '502', 'SH',
     r'\{good\.test\}'),
    ('no HTTP', asks('/garbage'), None, GOOD, r'\d+/0/\d+/-1/\d+', '502', 'PH',
     r'\{good\.test\}'),
    ('the server is silent', asks('/silence'), None, GOOD, r'\d+/0/\d+/-1/' + LATE, '504',
     'sH', r'\{good\.test\}'),
    ('the server left in its body', asks('/half'), None, GOOD, r'\d+/0/\d+/\d+/\d+', '200',
     'SD', r'\{good\.test\}'),
    ('the server is silent in its body', asks('/stall'), None, GOOD, r'\d+/0/\d+/\d+/' + LATE,
     '200', 'sD', r'\{good\.test\}'),
    ('the client left', asks_and_resets, None, GOOD, r'\d+/0/\d+/-1/\d+', '-1', 'CH',
     r'\{good\.test\}'),
    ('the client left in the answer', resets_in_the_answer, None, GOOD, r'\d+/0/\d+/\d+/\d+',
     '200', 'CD', r'\{good\.test\}'),
    ('the client does not take it', does_not_take_the_answer, None, GOOD,
     r'\d+/0/\d+/\d+/\d+', '200', 'cD', r'\{good\.test\}'),
    ('the client keeps its body', asks('/silence', method='POST', extra='Content-Length: 9\r\n'), None, GOOD,
     r'\d+/0/\d+/-1/' + LATE, '408', 'cH', r'\{good\.test\}'),
    ('idle after an upgrade', asks('/upgrade', extra=UPGRADE), None, GOOD, r'\d+/0/\d+/\d+/\d+',
     '101', 'sD', r'\{good\.test\}'),
    ('TERM', is_killed_waiting(signal.SIGTERM), None, GOOD, r'\d+/0/\d+/-1/\d+', '-1', 'KH',
     r'\{good\.test\}'),
    ('a crash', is_killed_waiting(signal.SIGTRAP), None, GOOD, r'\d+/0/\d+/-1/\d+', '-1', 'IH',
     r'\{good\.test\}'),
]



def http_pattern(row):
    return r'http %s %s %s \d+ - - %s-- %s%s"[^"]*"' % (
        row[3], row[4], row[5], row[6], COUNTS, '' if row[7] is None else row[7] + ' ')


def test_http():
    daemon = world()
    lines = run_rows(daemon, 'http', HTTP, http_pattern)
    letters = [re.search(r' - - (\S\S)-- ', line).group(1) for line in lines]
    want = sorted('%s %d' % (code, letters.count(code)) for code in set(letters))
    equal(sorted(halog(as_syslog(lines), '-tc')), want, 'halog')
    equal(halog(lines, '-H', '-c'), [str(len(HTTP))])
    counted = halog(lines, '-st')
    equal(sum(int(line.split()[1]) for line in counted), len(HTTP), 'halog: statuses')


def test_what_is_no_request_line():
    """HAProxy's word for it, and nothing that the client did not send."""
    daemon = world()
    for line in (b'OPTIONS * RTSP/1.0', b'GET /a b HTTP/1.1', b'GET / HTTP/1.10',
                 b'GET / http/1.1', b'PROXY TCP4 1.2.3.4 1.2.3.4 1 2', b'GET /'):
        with connect(daemon.port('http')) as s:
            s.sendall(line + b'\r\nHost: good.test\r\n\r\n')
            to_end(s)
            port = s.getsockname()[1]
        got, = daemon.wait_log(r'127\.0\.0\.1:%d \[' % port)
        check(got.endswith(' "<BADREQ>"'), '%r: %s', line, got)


def test_what_ends_between_requests_has_no_line():
    """HAProxy is silent too: there was no request."""
    daemon = world()
    for leave in (lambda c: c.s.shutdown(socket.SHUT_WR), lambda c: None):
        with HttpClient(daemon.port('http'), source='127.0.0.8') as c:
            equal(c.get('good.test').status, 200)
            leave(c)
            check(c.ended(), 'it goes on')
            port = c.s.getsockname()[1]
        daemon.wait_log(r'127\.0\.0\.8:%d ' % port)
        with HttpClient(daemon.port('http'), source='127.0.0.8') as c:
            equal(c.get('good.test').status, 200)       # its line is after all of those
            later = c.s.getsockname()[1]
        daemon.wait_log(r'127\.0\.0\.8:%d ' % later)
        equal(len(daemon.log_lines(r'127\.0\.0\.8:%d ' % port)), 1)


def test_over_the_limit_of_a_source():
    daemon = world()
    held = [connect(daemon.port('http'), source='127.0.0.5') for _ in range(6)]
    for s in held:
        s.sendall(request('/stall'))
        equal(len(s.recv(10)), 10)
    with connect(daemon.port('http'), source='127.0.0.5') as s:
        to_end(s)
        port = s.getsockname()[1]
    line, = daemon.wait_log(r'127\.0\.0\.5:%d \[' % port)
    check(re.search(r'http http/<NOSRV> -1/-1/-1/-1/\d+ -1 0 - - PR-- ' + COUNTS +
                    r'\{\} \{limit\} "<BADREQ>"$', line), '%s', line)
    for s in held:
        s.close()


def test_the_stats_listener():
    daemon = world()
    for source, data, pattern in (
            (None, b'GET /s HTTP/1.0\r\n\r\n', r'200 \d+ - - LR-- %s"GET /s HTTP/1.0"' % COUNTS),
            (None, b'GET /s HTTP/3.0\r\n\r\n',
             r'505 \d+ - - PR-- %s\{\} \{malformed\} "[^"]*"' % COUNTS),
            (None, b'GET /s HT', r'408 \d+ - - cR-- %s"[^"]*"' % COUNTS),
            ('127.0.0.66', b'', r'-1 0 - - PR-- %s\{\} \{denied\} "<BADREQ>"' % COUNTS)):
        with connect(daemon.port('stats'), source=source) as s:
            s.sendall(data)
            to_end(s)
            port = s.getsockname()[1]
        line, = daemon.wait_log(r'127\.0\.0\.\d+:%d \[' % port)
        want = r'stats stats/<STATS> \d+/0/0/0/\d+ ' + pattern + '$'
        check(re.search(want, line), 'want %s, got %s', want, line)


main()
