#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""/metrics for Prometheus: the format, what never falls, what does not grow, and
each reason to turn a client away, as all who count it say it."""

import csv
import io
import os
import re
import shutil
import signal
import socket
import subprocess

from lib import (Durward, EchoBackend, HttpBackend, ask, check, connect, equal, exchange,
                 free_port, http_request, main, simple_hello, wait_for)

CONF = '''
timeouts { handshake = "500ms" request = "500ms" queue = "100ms" }
listener "https" { bind = {"127.0.0.1:@https@"} protocol = "tls" deny = {"127.0.0.66"}
    max-connections-per-source = 3 }
listener "http"  { bind = {"127.0.0.1:@http@"} protocol = "http" deny = {"127.0.0.66"}
    max-connections-per-source = 3 }
listener "stats" { bind = {"127.0.0.1:@stats@"} protocol = "stats" uri = "/s" }
cluster "one" {
    service "ingress" {
        listeners = {"https"}
        hosts     = {"www.example.org", "*.apps.example.org"}
        servers   = {"echo=127.0.0.1:@echo@"}
        check { type = "none" }
    }
    service "web" {
        listeners = {"http"}
        hosts     = {"www.example.org", "*.apps.example.org"}
        servers   = {"web=127.0.0.1:@web@"}
        check { type = "none" }
    }
    service "gone" {
        listeners = {"https", "http"}
        hosts     = {"gone.example.org"}
        servers   = {"gone=127.0.0.1:@gone@"}
        check { type = "none" }
    }
}
'''
ONE = 'cluster="one",service="ingress",listener="https"'


def start():
    return Durward(CONF, echo=EchoBackend().port, web=HttpBackend().port, gone=free_port())


def get(daemon, path):
    status, fields, body = http_request(daemon.port('stats'), 'localhost', path)
    equal(status, 200, path)
    return fields, body.decode()


def samples(daemon):
    """{name with labels: value}, and {family: its type}."""
    found, types = {}, {}
    for line in get(daemon, '/metrics')[1].splitlines():
        if line.startswith('# TYPE'):
            _, _, name, types[name] = line.split(' ')
        elif not line.startswith('#'):
            name, value = line.rsplit(' ', 1)
            found[name] = float(value)
    return found, types


def visit(daemon, name='www.example.org', more=b'', source=None):
    hello = simple_hello(name)
    with connect(daemon.port('https'), source=source) as s:
        equal(exchange(s, hello + more, len(hello + more)), hello + more)
        s.shutdown(socket.SHUT_WR)
        equal(s.recv(1), b'')


def test_they_are_prometheus():
    daemon = start()
    visit(daemon)
    fields, text = get(daemon, '/metrics')
    check('version=0.0.4' in fields['content-type'][0], '%s', fields)
    done, current = set(), None
    for line in text.splitlines():
        name = re.match(r'# TYPE (\S+) (counter|gauge|histogram)$', line)
        if name:
            check(name.group(1) not in done, '%s in two pieces', name.group(1))
            current = name.group(1)
            done.add(current)
            check(name.group(2) != 'counter' or current.endswith('_total'), '%s', current)
        elif not line.startswith('#'):
            match = re.match(r'(durward_[a-z_]+)(\{[^{}]*\})? -?[0-9.e+-]+$', line)
            check(match and match.group(1).startswith(current), '%r', line)
    names = [line.rsplit(' ', 1)[0] for line in text.splitlines() if not line.startswith('#')]
    equal(len(names), len(set(names)), 'samples')
    check(text.count('# HELP') == len(done), 'a family without help')
    if shutil.which('promtool'):
        run = subprocess.run(['promtool', 'check', 'metrics'], input=text,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             universal_newlines=True)
        equal((run.returncode, run.stdout), (0, ''), 'promtool')


def row_of(daemon, s):
    """What durwardctl lists of this connection; one that has just ended may be
    there, too."""
    row, = [r for r in daemon.json('connections')
            if r['client'] == '127.0.0.1:%d' % s.getsockname()[1]]
    return row


def test_histograms():
    """Cumulative, up to +Inf, which is the count; a time falls where it belongs."""
    daemon = start()
    for _ in range(5):
        visit(daemon)
    hello = simple_hello('www.example.org')
    with connect(daemon.port('https')) as held:
        exchange(held, hello, len(hello))
        row = row_of(daemon, held)
        wait_for(lambda: [r['age'] for r in daemon.json('connections')
                          if r['pid'] == row['pid']] == [1], 10, 'it to be a second old')
    wait_for(lambda: daemon.json('status')[0]['current'] == 0, 10, 'it to end')
    found, types = samples(daemon)
    for family in ('durward_backend_connect_seconds', 'durward_backend_duration_seconds'):
        equal(types[family], 'histogram')
        prefix = family + '_bucket{%s,le="' % ONE
        buckets = [(name[len(prefix):-2], value) for name, value in found.items()
                   if name.startswith(prefix)]
        bounds = [float(bound) for bound, _ in buckets]
        equal(bounds, sorted(bounds), 'bounds')
        equal(buckets[-1], ('+Inf', 6.0))
        counts = [count for _, count in buckets]
        equal(counts, sorted(counts), 'they are cumulative')
        equal(found[family + '_count{%s}' % ONE], 6)
    # five short ones; the one that was held lasted from one second to some
    buckets = {float(name.split('le="')[1][:-2]): value for name, value in found.items()
               if name.startswith('durward_backend_duration_seconds_bucket{%s,' % ONE)}
    equal((buckets[1], buckets[30]), (5, 6))
    total = found['durward_backend_duration_seconds_sum{%s}' % ONE]
    check(1 <= total < 30, 'the sum is %s', total)


def counters(daemon):
    found, types = samples(daemon)
    return {name: value for name, value in found.items()
            if types.get(name.split('{')[0]) != 'gauge'}


def expect_no_fall(before, after, what):
    for name, value in before.items():
        check(after.get(name, -1) >= value, '%s: %s fell from %s to %s', what, name, value,
              after.get(name))


def test_counters_never_fall():
    """Not by a reload, a worker that is killed or crashes, nor another executable."""
    daemon = start()
    hello = simple_hello('www.example.org')
    for how in (signal.SIGKILL, signal.SIGTRAP):
        with connect(daemon.port('https')) as held:
            exchange(held, hello, len(hello))
            before = counters(daemon)
            equal(daemon.ctl('reload').returncode, 0)
            after = counters(daemon)
            expect_no_fall(before, after, 'reload')
            row = row_of(daemon, held)
            os.kill(row['pid'], how)
            wait_for(lambda: daemon.json('status')[0]['current'] == 0, 10, 'it to be buried')
        last = counters(daemon)
        expect_no_fall(after, last, 'a worker that died')
        name = 'durward_server_sent_bytes_total{%s,server="echo"}' % ONE
        equal(last[name], before[name] + len(hello), 'bytes of the worker that died')
        name = 'durward_listener_connections_total{listener="https"}'
        equal(last[name], before[name])
        # each connection that ended has its duration, however it ended
        equal(last['durward_listener_duration_seconds_count{listener="https"}'], last[name])
        equal(last['durward_backend_duration_seconds_count{%s}' % ONE], last[name])
    with connect(daemon.port('https')) as held:
        exchange(held, hello, len(hello))
        before = counters(daemon)
        daemon.renew()
        after = counters(daemon)
        expect_no_fall(before, after, 'USR2')
        equal(exchange(held, b'still', 5), b'still')
    wait_for(lambda: daemon.json('status')[0]['current'] == 0, 10, 'it to end')
    last = counters(daemon)
    expect_no_fall(after, last, 'after USR2')
    equal(last['durward_listener_duration_seconds_count{listener="https"}'], 3)


def test_names_from_the_wire_are_no_labels():
    """As many clients, hosts and paths as there may be: not one sample more."""
    daemon = start()
    visit(daemon)
    http_request(daemon.port('http'), 'www.example.org')
    before = set(samples(daemon)[0])
    for i in range(30):
        visit(daemon, 'n%d.apps.example.org' % i, source='127.0.1.%d' % (i + 1))
        ask(daemon.port('https'), simple_hello('no%d.example.org' % i))
        http_request(daemon.port('http'), 'n%d.apps.example.org' % i, '/p%d' % i)
        http_request(daemon.port('http'), 'no%d.example.org' % i)
    found, _ = samples(daemon)
    equal(set(found), before, 'samples')
    allowed = {'cluster', 'service', 'listener', 'server', 'reason', 'code', 'side', 'le',
               'state', 'version'}
    used = {key for name in found for key in re.findall(r'([a-z]+)="', name)}
    check(used <= allowed, 'labels: %s', used - allowed)


def fill_the_source(daemon, listener):
    held = [connect(daemon.port(listener), source='127.0.0.5') for _ in range(3)]
    for s in held:
        if listener == 'https':
            hello = simple_hello('www.example.org')
            exchange(s, hello, len(hello))
        else:
            s.sendall(b'GET / HTTP/1.1\r\nHost: www.example.org\r\n\r\n')
            s.recv(10)
    return held


def request(host, version='1.1'):
    return ('GET / HTTP/%s\r\n%s\r\n' % (version, 'Host: %s\r\n' % host if host else '')).encode()


# reason, what a client of https and one of http sends, its source, letters in the log
REASONS = [
    ('unknown name', simple_hello('nope.example.org'), request('nope.example.org'), None, 'SC'),
    ('no name', simple_hello(None), request(None, '1.0'), None, 'SC'),
    ('malformed', b'\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00', b'GET\r\n\r\n', None, 'PR'),
    ('deadline', simple_hello('www.example.org')[:20], b'GET / HT', None, 'cR'),
    ('denied', b'', b'', '127.0.0.66', 'PR'),
    ('limit', b'', b'', '127.0.0.5', 'PR'),
    ('no server', simple_hello('gone.example.org'), request('gone.example.org'), None, 'SC'),
]


def test_each_reason_is_counted_everywhere():
    daemon = start()
    held = {name: fill_the_source(daemon, name) for name in ('https', 'http')}
    for times, (reason, tls, http, source, letters) in enumerate(REASONS, 1):
        for _ in range(times):
            for listener, data in (('https', tls), ('http', http)):
                with connect(daemon.port(listener), source=source) as s:
                    port = s.getsockname()[1]
                    s.sendall(data)
                    if reason not in ('denied', 'limit', 'malformed', 'deadline') and \
                            listener == 'http':
                        s.shutdown(socket.SHUT_WR)      # it keeps the connection else
                    try:
                        while s.recv(4096):
                            pass
                    except ConnectionResetError:
                        pass
                # the other listener's client may have had the same port
                line, = daemon.wait_log(r'127\.0\.\d+\.\d+:%d \[\S+ %s ' % (port, listener))
                check(re.search(r' %s(--)? \d+/' % letters, line), '%s: %s', reason, line)
    found, _ = samples(daemon)
    for listener in 'https', 'http':
        for times, row in enumerate(REASONS, 1):
            equal(found['durward_listener_rejects_total{listener="%s",reason="%s"}' % (
                listener, row[0])], times, '%s of %s' % (row[0], listener))
    for listener in 'https', 'http':
        equal(found['durward_backend_rejects_total{cluster="one",service="gone",listener="%s",'
                    'reason="no server"}' % listener], 7)
    rows = {(r['pxname'], r['svname']): r for r in
            csv.DictReader(io.StringIO(get(daemon, '/s;csv')[1][2:]))}
    page = re.sub(r'<[^>]*>', ' ', get(daemon, '/s;norefresh')[1])
    for listener in 'https', 'http':
        front = rows[listener, 'FRONTEND']
        equal(int(front['dreq']), 5 + 6, 'csv: denied and over the limit')
        equal(int(front['ereq']), 3 + 4, 'csv: malformed and late')
    equal(page.count('1 unknown name, 2 no name, 3 malformed, 4 deadline, 5 denied, 6 limit, '
                     '7 no server'), 2, 'page')
    for s in held['https'] + held['http']:
        s.close()


main()
