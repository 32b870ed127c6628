#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Page, CSV, JSON, metrics, log and durwardctl tell one story: the clients'.

DURWARD_MANY says how many connections (10000)."""

import csv
import html
import io
import json
import os
import re
import shutil
import socket
import subprocess
import threading

from lib import (Durward, EchoBackend, HttpBackend, check, connect, equal, exchange,
                 free_port, http_request, main, simple_hello, wait_for)

MANY = int(os.environ.get('DURWARD_MANY', '10000'))
THREADS = 8

CONF = '''
listener "https" { bind = {"127.0.0.1:@https@"} protocol = "tls" }
listener "stats" { bind = {"127.0.0.1:@stats@"} protocol = "stats" uri = "/s?t" }
cluster "one" {
    service "ingress" {
        listeners = {"https"}
        hosts     = {"www.example.org"}
        servers   = {"a=127.0.0.1:@a@", "b=127.0.0.1:@b@"}
        balance   = "roundrobin"
        check { type = "none" }
    }
}
cluster "two" {
    service "ingress" {
        listeners = {"https"}
        hosts     = {"www.example.net"}
        servers   = {"gone=127.0.0.1:@gone@"}
        check { type = "none" }
    }
}
'''

# what a client does, in turn: most are served, some are turned away
KINDS = ['www.example.org'] * 5 + ['www.example.net', 'nope.example.org', None,
                                   'garbage', 'www.example.org']


class Count:
    """What the clients saw."""

    def __init__(self):
        self.lock = threading.Lock()
        self.served = self.bytes = 0
        self.turned = {}

    def add(self, kind, size):
        with self.lock:
            if kind == 'www.example.org':
                self.served += 1
                self.bytes += size
            else:
                self.turned[kind] = self.turned.get(kind, 0) + 1


def one_client(port, number, count):
    kind = KINDS[number % len(KINDS)]
    hello = b'\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00' if kind == 'garbage' \
        else simple_hello(kind)
    with connect(port) as s:
        if kind == 'www.example.org':
            more = b'x' * (number % 700)
            equal(exchange(s, hello, len(hello)), hello)
            if more:
                equal(exchange(s, more, len(more)), more)
            s.shutdown(socket.SHUT_WR)
            equal(s.recv(1), b'')
            count.add(kind, len(hello) + len(more))
        else:
            s.sendall(hello)
            check(s.recv(100).startswith(b'\x15\x03'), 'no alert for %s', kind)
            count.add(kind, 0)


def run_clients(port):
    count, errors = Count(), []

    def some(first):
        try:
            for number in range(first, MANY, THREADS):
                one_client(port, number, count)
        except Exception as e:
            errors.append(repr(e))
    threads = [threading.Thread(target=some, args=(i,)) for i in range(THREADS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    equal(errors, [])
    return count


def get(daemon, path):
    status, _, body = http_request(daemon.port('stats'), 'localhost', path)
    equal(status, 200, path)
    return body.decode()


def rows_of_csv(daemon):
    text = get(daemon, '/s?t;csv')
    check(text.startswith('# pxname,svname,'), '%r', text[:40])
    return {(r['pxname'], r['svname']): r
            for r in csv.DictReader(io.StringIO(text[2:]))}


def metrics_of(daemon):
    found = {}
    for line in get(daemon, '/metrics').splitlines():
        if not line.startswith('#'):
            name, value = line.rsplit(' ', 1)
            found[name] = float(value)
    return found


def words_of(page):
    """The page's cells, by the row's name."""
    rows = {}
    for row in re.findall(r'<tr[^>]*>(.*?)</tr>', page, re.S):
        head = re.search(r'<th scope="row">(.*?)</th>', row)
        if head:
            cells = [html.unescape(re.sub(r'<small>.*|<[^>]*>', '', c))
                     for c in re.findall(r'<td[^>]*>(.*?)</td>', row, re.S)]
            rows.setdefault(head.group(1), cells)
    return rows


def test_they_agree():
    a, b = EchoBackend(), EchoBackend()
    daemon = Durward(CONF, a=a.port, b=b.port, gone=free_port())
    count = run_clients(daemon.port('https'))
    turned = sum(count.turned.values())
    equal(count.served + turned, MANY)
    wait_for(lambda: rows_of_csv(daemon)['https', 'FRONTEND']['scur'] == '0',
             10, 'all of them to end')
    rows = rows_of_csv(daemon)
    front = rows['https', 'FRONTEND']
    back = rows['one.ingress.https', 'BACKEND']
    servers = [rows['one.ingress.https', name] for name in 'ab']

    equal(int(front['stot']), MANY, 'csv: connections')
    # an alert is 7 bytes
    equal((int(front['bin']), int(front['bout'])),
          (count.bytes, count.bytes + 7 * turned), 'csv: bytes of the listener')
    equal(int(back['stot']), count.served, 'csv: backend')
    equal((int(back['bin']), int(back['bout'])), (count.bytes,) * 2, 'csv: bytes')
    equal(sum(int(r['stot']) for r in servers), count.served, 'csv: servers')
    equal(sum(int(r['bin']) for r in servers), count.bytes, 'csv: servers')
    equal(int(rows['two.ingress.https', 'gone']['stot']), 0)
    check(int(rows['two.ingress.https', 'gone']['econ']) >=
          count.turned['www.example.net'], 'csv: connect errors')

    for row in json.loads(get(daemon, '/s?t;json')):
        if row['pxname'] == 'stats':
            continue
        other = rows[row['pxname'], row['svname']]
        for key in 'stot', 'bin', 'bout', 'scur', 'econ', 'ereq', 'lbtot', 'status':
            equal('' if row[key] is None else str(row[key]), other[key],
                  'json: %s of %s/%s' % (key, row['pxname'], row['svname']))

    m = metrics_of(daemon)
    one = 'cluster="one",service="ingress",listener="https"'
    equal(m['durward_listener_connections_total{listener="https"}'], MANY)
    equal(m['durward_backend_connections_total{%s}' % one], count.served)
    equal(m['durward_backend_received_bytes_total{%s}' % one], count.bytes)
    equal(m['durward_backend_sent_bytes_total{%s}' % one], count.bytes)
    equal(m['durward_backend_connect_seconds_count{%s}' % one], count.served)
    equal(m['durward_backend_duration_seconds_count{%s}' % one], count.served)
    equal(m['durward_listener_duration_seconds_count{listener="https"}'], MANY)
    equal(m['durward_log_lines_lost_total'], 0)
    for kind, reason in (('www.example.net', 'no server'),
                         ('nope.example.org', 'unknown name'),
                         (None, 'no name'), ('garbage', 'malformed')):
        equal(m['durward_listener_rejects_total{listener="https",reason="%s"}' %
                reason], count.turned[kind], reason)

    status = {r['server']: r for r in daemon.json('status')}
    equal([status[n]['total'] for n in 'ab'], [int(r['stot']) for r in servers])
    equal(sum(status[n]['bytes_in'] for n in 'ab'), count.bytes)
    equal(sum(status[n]['bytes_out'] for n in 'ab'), count.bytes)
    equal([status[n]['current'] for n in 'ab'], [0, 0])

    page = words_of(get(daemon, '/s?t'))
    check(str(MANY) in page['https'] and str(turned) in page['https'],
          'page: %s', page['https'])
    for name in 'ab':
        check(str(status[name]['total']) in page[name], 'page: %s', page[name])

    wait_for(lambda: len(daemon.log_lines(r'\] https \S+/\S+ ')) >= MANY, 10,
             'the log to be written')
    log = daemon.log_lines(r'\] https \S+/\S+ ')
    equal(len(log), MANY, 'log lines')
    for server in 'ab':
        mine = [line for line in log if ' one.ingress.https/%s ' % server in line]
        equal(len(mine), status[server]['total'], 'log lines of ' + server)
        equal(sum(int(line.split(' one.ingress.https/')[1].split()[2]) for line in mine),
              status[server]['bytes_out'], 'bytes in the log lines of ' + server)
    equal(len([line for line in log if ' https/<NOSRV> ' in line]),
          turned - count.turned['www.example.net'])
    for server, ours in (('a', a), ('b', b)):
        equal(len(ours.connections), status[server]['total'], 'what the server saw')


HTTP_CONF = """
listener "http" { bind = {"127.0.0.1:@http@"} protocol = "http" }
listener "stats" { bind = {"127.0.0.1:@stats@"} protocol = "stats" uri = "/s?t" }
cluster "one" {
    service "ingress" {
        listeners = {"http"}
        hosts     = {"www.example.org"}
        servers   = {"a=127.0.0.1:@a@", "b=127.0.0.1:@b@"}
        balance   = "roundrobin"
        check { type = "none" }
    }
}
"""


def one_http_client(port, hosts):
    """Requests one after the other on one connection; the bytes that came and
    the statuses."""
    statuses, size = [], 0
    with connect(port) as s:
        for host in hosts:
            s.sendall(b'GET /x HTTP/1.1\r\nHost: %s\r\n\r\n' % host.encode())
            data = b''
            while b'\r\n\r\n' not in data:
                data += s.recv(65536) or check(False, 'closed: %r', data)
            head, _, body = data.partition(b'\r\n\r\n')
            length = int(re.search(rb'(?i)content-length: (\d+)', head).group(1))
            while len(body) < length:
                body += s.recv(65536) or check(False, 'closed in a body')
            equal(len(body), length)
            statuses.append(int(head.split()[1]))
            size += len(head) + 4 + length
    return statuses, size


def test_they_agree_about_http():
    a, b = HttpBackend(name='a'), HttpBackend(name='b')
    daemon = Durward(HTTP_CONF, a=a.port, b=b.port)
    served = unknown = size = 0
    clients = 60
    for number in range(clients):
        hosts = ['www.example.org'] * (number % 7) + ['nope.example.org'] + \
            ['www.example.org'] * 3
        statuses, got = one_http_client(daemon.port('http'), hosts)
        equal(statuses, [200 if h == 'www.example.org' else 404 for h in hosts])
        served += statuses.count(200)
        unknown += 1
        size += got
    wait_for(lambda: rows_of_csv(daemon)['http', 'FRONTEND']['scur'] == '0', 10,
             'all of them to end')
    rows = rows_of_csv(daemon)
    front, back = rows['http', 'FRONTEND'], rows['one.ingress.http', 'BACKEND']
    servers = [rows['one.ingress.http', name] for name in 'ab']
    equal((int(front['stot']), int(front['req_tot'])), (clients, served + unknown))
    equal((int(front['hrsp_2xx']), int(front['hrsp_4xx'])), (served, unknown))
    equal(int(front['bout']), size, 'csv: bytes to clients')
    equal((int(back['stot']), int(back['hrsp_2xx']), int(back['req_tot'])),
          (served,) * 3, 'csv: backend')
    equal(sum(int(r['stot']) for r in servers), served, 'csv: servers')
    equal(sum(int(r['connect']) + int(r['reuse']) for r in servers), served)
    equal([int(r['stot']) for r in servers], [len(a.heads()), len(b.heads())],
          'what the servers saw')
    m = metrics_of(daemon)
    equal(m['durward_listener_requests_total{listener="http"}'], served + unknown)
    equal(m['durward_listener_responses_total{listener="http",code="2xx"}'], served)
    equal(m['durward_listener_rejects_total{listener="http",reason="unknown name"}'],
          unknown)
    equal([r['total'] for r in daemon.json('status')], [int(r['stot']) for r in servers])
    page = words_of(get(daemon, '/s?t'))
    check(str(served + unknown) in page['http'], 'page: %s', page['http'])
    wait_for(lambda: len(daemon.log_lines(r'\] http \S+/\S+ ')) >=
             served + unknown, 10, 'the log to be written')
    log = daemon.log_lines(r'\] http \S+/\S+ ')
    equal(len(log), served + unknown, 'log lines')
    equal(sum(int(line.split('] http ')[1].split()[3]) for line in log), size,
          'bytes in the log')
    if shutil.which('halog'):
        run = subprocess.run(['halog', '-q', '-st'], input='\n'.join(log) + '\n',
                             stdout=subprocess.PIPE, universal_newlines=True)
        equal(sorted(run.stdout.split('\n')[:-1]),
              ['200 %d' % served, '404 %d' % unknown], 'halog')


main()
