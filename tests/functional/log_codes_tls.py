#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""HAProxy's two letters for TLS: each way that a connection can end is made to
happen, and its line must say so, in HAProxy's fields."""

import os
import re
import signal
import socket

from lib import (ask, check, client_hello, connect, equal, exchange, extension, main,
                 record, server_name, simple_hello, wait_for)
from lib.endings import (COUNTS, LATE, abort, as_syslog, halog, just_hello, relayed,
                         run_rows, says, to_end, worker_of, world)

def leaves_early(daemon, s):
    s.sendall(simple_hello('good.test')[:20])
    s.shutdown(socket.SHUT_WR)
    to_end(s)


def finishes(daemon, s):
    relayed(s)
    s.shutdown(socket.SHUT_WR)
    to_end(s)


def resets(daemon, s):
    relayed(s)
    worker_of(daemon, s)
    abort(s)


def server_resets(daemon, s):
    relayed(s)
    s.sendall(b'reset')
    to_end(s)


def stays_quiet(daemon, s):
    relayed(s)
    to_end(s)


def is_killed(how):
    def do(daemon, s):
        relayed(s)
        pid = worker_of(daemon, s)
        if how is None:
            equal(daemon.ctl('kill', str(pid)).returncode, 0)
        else:
            os.kill(pid, how)
        to_end(s)
    return do


def is_killed_reading(daemon, s):
    s.sendall(simple_hello('good.test')[:20])
    os.kill(worker_of(daemon, s), signal.SIGTERM)
    to_end(s)


def loses_its_server(daemon, s):
    relayed(s, 'brief.test')
    equal(daemon.ctl('maint', 'c.brief.*/s').returncode, 0)
    to_end(s)
    equal(daemon.ctl('ready', 'c.brief.*/s').returncode, 0)


def with_a_holder(then):
    """While another has the one place at hold.test."""
    def do(daemon, s):
        with connect(daemon.port('tls'), source='127.0.0.9') as holder:
            relayed(holder, 'hold.test')
            then(daemon, s)
    return do


def waits_in_the_queue(daemon, s):
    s.sendall(simple_hello('hold.test'))
    to_end(s)


def leaves_the_queue(daemon, s):
    s.sendall(simple_hello('hold.test'))
    wait_for(lambda: int(queued(daemon)) > 0, 5, 'it to queue')
    s.shutdown(socket.SHUT_WR)
    to_end(s)


def is_killed_in_the_queue(daemon, s):
    s.sendall(simple_hello('hold.test'))
    wait_for(lambda: int(queued(daemon)) > 0, 5, 'it to queue')
    os.kill(worker_of(daemon, s), signal.SIGTERM)
    to_end(s)


def is_killed_dialing(daemon, s):
    s.sendall(simple_hello('silent.test'))
    pid = worker_of(daemon, s)
    wait_for(lambda: [r for r in daemon.json('connections')
                      if r['pid'] == pid and r['server'] == 's'], 5, 'it to dial')
    os.kill(pid, signal.SIGTERM)
    to_end(s)


def queued(daemon):
    text = ask(daemon.port('stats'), b'GET /metrics HTTP/1.0\r\n\r\n').decode()
    return sum(int(n) for n in re.findall(r'\ndurward_backend_queued\{[^}]*\} (\d+)', text))


def ech_hello(name):
    return record(client_hello(extensions=[
        server_name(name), extension(0xfe0d, b'\0' + os.urandom(40)),
        extension(43, b'\x02\x03\x04')]))


GOOD, HOST = r'c\.good\.tls/s', r'good\.test'
# name, what the client does, source, backend/server, times, letters, a word, host
TLS = [
    ('all went well', finishes, None, GOOD, r'0/\d+/\d+', '--', '', HOST),
    ('an ECH', says(ech_hello('nobody.test')), None, 'tls/<NOSRV>', r'-1/-1/\d+', 'SC', 'ech ',
     r'nobody\.test'),
    ('unknown name', just_hello('nobody.test'), None, 'tls/<NOSRV>', r'-1/-1/\d+', 'SC', '',
     r'nobody\.test'),
    ('a name that none can have', just_hello('a b"c.test'), None, 'tls/<NOSRV>', r'-1/-1/\d+',
     'SC', '', r'a#20b#22c\.test'),
    ('no name', just_hello(None), None, 'tls/<NOSRV>', r'-1/-1/\d+', 'SC', '', ''),
    ('malformed', says(b'\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00'), None, 'tls/<NOSRV>',
     r'-1/-1/\d+', 'PR', r'\(malformed\) ', ''),
    ('plain HTTP', says(b'GET / HTTP/1.1\r\nHost: good.test\r\n\r\n'), None, 'tls/<NOSRV>',
     r'-1/-1/\d+', 'PR', r'\(malformed\) ', ''),
    ('silence', says(b''), None, 'tls/<NOSRV>', r'-1/-1/' + LATE, 'cR', '', ''),
    ('half a hello', says(simple_hello('good.test')[:30]), None, 'tls/<NOSRV>', r'-1/-1/' + LATE,
     'cR', '', ''),
    ('half a hello, and away', leaves_early, None, 'tls/<NOSRV>', r'-1/-1/\d+', 'CR', '', ''),
    ('denied by the listener', just_hello('good.test'), '127.0.0.66', 'tls/<NOSRV>',
     r'-1/-1/\d+', 'PR', r'\(denied\) ', ''),
    ('denied by the service', just_hello('mine.test'), None, r'c\.mine\.tls/<NOSRV>',
     r'-1/-1/\d+', 'PR', r'\(denied\) ', r'mine\.test'),
    ('no PROXY header', just_hello('good.test'), '127.0.0.77', 'tls/<NOSRV>', r'-1/-1/\d+',
     'PR', r'\(malformed\) ', ''),
    ('a late PROXY header', says(b'PROXY TCP4'), '127.0.0.77', 'tls/<NOSRV>', r'-1/-1/\d+',
     'cR', '', ''),
    ('no server up', just_hello('none.test'), None, r'c\.none\.tls/<NOSRV>', r'-1/-1/\d+',
     'SC', '', r'none\.test'),
    ('refused', just_hello('refuse.test'), None, r'c\.refuse\.tls/s', r'\d+/-1/\d+', 'SC', '',
     r'refuse\.test'),
    ('no answer', just_hello('silent.test'), None, r'c\.silent\.tls/s', r'\d+/-1/' + LATE,
     'sC', '', r'silent\.test'),
    ('the queue is too slow', with_a_holder(waits_in_the_queue), None, r'c\.hold\.tls/<NOSRV>',
     r'\d+/-1/' + LATE, 'sQ', '', r'hold\.test'),
    ('left the queue', with_a_holder(leaves_the_queue), None, r'c\.hold\.tls/<NOSRV>',
     r'\d+/-1/\d+', 'CQ', '', r'hold\.test'),
    ('killed in the queue', with_a_holder(is_killed_in_the_queue), None,
     r'c\.hold\.tls/<NOSRV>', r'\d+/-1/\d+', 'KQ', '', r'hold\.test'),
    ('killed while dialling', is_killed_dialing, None, r'c\.silent\.tls/s', r'\d+/-1/\d+', 'KC',
     '', r'silent\.test'),
    ('killed in its hello', is_killed_reading, None, 'tls/<NOSRV>', r'-1/-1/\d+', 'KR', '', ''),
    ('the client reset it', resets, None, GOOD, r'0/\d+/\d+', 'CD', '', HOST),
    ('the server reset it', server_resets, None, GOOD, r'0/\d+/\d+', 'SD', '', HOST),
    ('idle', stays_quiet, None, GOOD, r'0/\d+/' + LATE, 'sD', '', HOST),
    ('durwardctl kill', is_killed(None), None, GOOD, r'0/\d+/\d+', 'KD', '', HOST),
    ('TERM', is_killed(signal.SIGTERM), None, GOOD, r'0/\d+/\d+', 'KD', '', HOST),
    ('KILL', is_killed(signal.SIGKILL), None, GOOD, r'0/\d+/\d+', 'KD', '', HOST),
    ('a crash', is_killed(signal.SIGTRAP), None, GOOD, r'0/\d+/\d+', 'ID', '', HOST),
    ('the server went to MAINT', loses_its_server, None, r'c\.brief\.tls/s', r'0/\d+/\d+', 'DD',
     '', r'brief\.test'),
]


def test_tls():
    daemon = world()
    before = len(daemon.log_lines(r'\] tls \S+/\S+ '))
    lines = run_rows(daemon, 'tls', TLS, lambda row: (
        r'tls %s %s \d+ %s %s%s\{%s\}' % (row[3], row[4], row[5], COUNTS, row[6], row[7])))
    # those that held a place at hold.test
    holders = sum('queue' in row[0] for row in TLS)
    wait_for(lambda: len(daemon.log_lines(r'\] tls \S+/\S+ ')) == before + len(TLS) + holders,
             10, 'a line each')
    equal(halog(as_syslog(lines), '-c'), [str(len(TLS))])


def test_over_the_limit_of_a_source():
    daemon = world()
    held = [connect(daemon.port('tls'), source='127.0.0.5') for _ in range(6)]
    for s in held:
        relayed(s)
    with connect(daemon.port('tls'), source='127.0.0.5') as s:
        s.sendall(simple_hello('good.test'))
        to_end(s)
        port = s.getsockname()[1]
    line, = daemon.wait_log(r'127\.0\.0\.5:%d \[' % port)
    check(re.search(r'tls tls/<NOSRV> -1/-1/\d+ 0 PR ' + COUNTS + r'\(limit\) \{\}$', line),
          '%s', line)
    for s in held:
        s.close()


main()
