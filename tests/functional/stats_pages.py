#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The stats listener as its readers meet it: HTTP, password, formats."""

import base64
import csv
import fnmatch
import html.parser
import io
import json
import re
import shutil
import socket
import subprocess
import time
import urllib.request

from lib import (SRCDIR, Durward, EchoBackend, HAProxy, HttpBackend, ask, check, connect, equal,
                 exchange, free_port, http_request, main, read_all, run_durward, scratch,
                 simple_hello, skip, wait_for)

URI = '/haproxy?stats'

CONF = '''
listener "https" { bind = {"127.0.0.1:@https@"} protocol = "tls" @listener@ }
listener "stats" { bind = {"127.0.0.1:@stats@"} protocol = "stats"
    uri = "/haproxy?stats" @stats_keys@ }
cluster "one" {
    service "ingress" {
        listeners = {"https"}
        hosts     = {"www.example.org"}
        servers   = {"echo=127.0.0.1:@server@", "gone=127.0.0.1:@gone@"}
        check { type = "tcp" interval = "200ms" timeout = "1s" }
    }
}
'''
PASSWORD = 'user = "admin" password = "pass:word" refresh = "30s"'


def start(stats_keys=PASSWORD, listener=''):
    server = EchoBackend()
    daemon = Durward(CONF, server=server.port, gone=free_port(),
                     stats_keys=stats_keys, listener=listener)
    daemon.wait_state('one.ingress.https', 'gone', 'DOWN')
    return daemon


def basic(user='admin', password='pass:word'):
    pair = base64.b64encode(('%s:%s' % (user, password)).encode()).decode()
    return 'Authorization: Basic %s\r\n' % pair


def get(daemon, path=URI, extra=None, **how):
    return http_request(daemon.port('stats'), 'localhost', path,
                        extra=basic() if extra is None else extra, **how)


def good(daemon, path, **how):
    status, fields, body = get(daemon, path, **how)
    equal(status, 200, path)
    equal(int(fields['content-length'][0]), len(body), 'Content-Length')
    equal(fields['cache-control'], ['no-cache'])
    return fields, body.decode()


class Page(html.parser.HTMLParser):
    """Are elements balanced, and which are there?"""
    void = {'meta', 'br', 'link'}

    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.attrs, self.text = [], [], [], ''
        self.feed(text)
        self.close()
        equal(self.open, [], 'elements that never end')

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.attrs.append((tag, dict(attrs)))
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag):
        equal(self.open.pop(), tag, 'the element that ends')

    def handle_data(self, data):
        if self.open and self.open[-1] != 'style':
            self.text += data


def test_the_page():
    daemon = start()
    fields, text = good(daemon, URI)
    check(fields['content-type'][0].startswith('text/html'), '%s', fields)
    equal(fields['refresh'], ['30'])
    page = Page(text)
    check(page.text.index('has been down for') < page.text.index('Listeners'),
          'what is wrong does not come first')
    for word in ('one.ingress.https/gone', 'Connection refused', 'echo',
                 socket.gethostname()):
        check(word in page.text, 'no %s', word)
    for tag, attrs in page.attrs:
        check('style' not in attrs and not any(a.startswith('on') for a in attrs),
              'style or script in <%s>', tag)
        check(tag != 'th' or attrs.get('scope') in ('row', 'col'), 'th without scope')
    for tag in 'script', 'img', 'link', 'iframe':
        check(tag not in page.seen, 'a <%s>', tag)
    equal(page.seen.count('table'), page.seen.count('caption'), 'captions')
    for tag, attrs in page.attrs:
        if tag == 'a':
            check(attrs['href'][0] in '/#', 'a link elsewhere: %s', attrs['href'])
    ids = [attrs['id'] for _, attrs in page.attrs if 'id' in attrs]
    equal(len(ids), len(set(ids)), 'ids')
    for _, attrs in page.attrs:
        if attrs.get('href', '').startswith('#'):
            check(attrs['href'][1:] in ids, 'a link to nowhere: %s', attrs['href'])


def test_the_policy_is_strict():
    daemon = start()
    fields, text = good(daemon, URI)
    policy, = fields['content-security-policy']
    check("default-src 'none'" in policy and 'unsafe' not in policy, '%s', policy)
    nonce = re.search("style-src 'nonce-([0-9a-f]+)'", policy).group(1)
    equal(text.count('nonce="%s"' % nonce), 1)
    check(good(daemon, URI)[0]['content-security-policy'] != [policy],
          'the same nonce twice')


def test_nothing_is_wrong():
    server = EchoBackend()
    daemon = Durward(CONF, server=server.port, gone=server.port,
                     stats_keys='', listener='')
    check('Nothing is wrong' in Page(good(daemon, URI, extra='')[1]).text, 'calm')
    daemon.ctl('drain', '*')
    text = Page(good(daemon, URI, extra='')[1]).text
    check('has no server left' in text and 'DRAIN' in text, 'drained')


def test_all_servers_down_are_one_sentence():
    servers = ', '.join('"n%d=127.0.0.1:@nobody@"' % i for i in range(20))
    daemon = Durward('''
listener "https" { bind = {"127.0.0.1:@https@"} protocol = "tls" }
listener "stats" { bind = {"127.0.0.1:@stats@"} protocol = "stats" uri = "/s" }
cluster "one" { service "many" { listeners = {"https"} hosts = {"*"}
    servers = {%s} check { type = "tcp" interval = "200ms" timeout = "1s" } } }
''' % servers)
    for i in range(20):
        daemon.wait_state('one.many.https', 'n%d' % i, 'DOWN')
    text = Page(good(daemon, '/s', extra='')[1]).text
    check('1 failure\n' in text, 'how many: %s', text[:300])
    check('one.many.https/n0: Layer4 connection problem, Connection refused' in text,
          'why')


def test_names_are_escaped():
    server = EchoBackend()
    daemon = Durward('''
listener "stats" { bind = {"127.0.0.1:@stats@"} protocol = "stats" uri = "/?a&b" }
listener "https" { bind = {"127.0.0.1:@https@"} protocol = "tls" }
cluster "one" { service "ingress" { listeners = {"https"}
    hosts = {"~^[a-z]+&<b>$"} servers = {"echo=127.0.0.1:@server@"}
    check { type = "none" } } }
''', server=server.port)
    text = good(daemon, '/?a&b', extra='')[1]
    check('&amp;&lt;b&gt;$' in text and '<b>' not in text, 'the pattern')
    check('href="/?a&amp;b;csv"' in text, 'the URI')
    Page(text)


def test_views_and_options():
    daemon = start()
    fields, _ = good(daemon, URI + ';norefresh')
    check('refresh' not in fields, '%s', fields)
    fields, text = good(daemon, URI + ';csv;norefresh')
    check(fields['content-type'][0].startswith('text/plain'), '%s', fields)
    fields, text = good(daemon, URI + ';json')
    equal(fields['content-type'], ['application/json'])
    rows = list(csv.DictReader(io.StringIO(good(daemon, URI + ';csv')[1][2:])))
    objects = json.loads(text)
    equal([(r['pxname'], r['svname']) for r in rows],
          [('https', 'FRONTEND'), ('stats', 'FRONTEND'), ('one.ingress.https', 'echo'),
           ('one.ingress.https', 'gone'), ('one.ingress.https', 'BACKEND')])
    for row, o in zip(rows, objects):
        equal(set(o), {key for key in row if key}, 'keys')
    for path in ('/', '/haproxy', URI + 'x', URI + ';xml', URI + ';', '/metric',
                 '/healthz/', '/..%2f'):
        equal(get(daemon, path)[0], 404, path)


def test_csv_has_haproxys_columns():
    if not shutil.which('haproxy'):
        skip('no haproxy here')
    version = subprocess.run(['haproxy', '-v'], stdout=subprocess.PIPE,
                             universal_newlines=True).stdout
    if not version.startswith('HAProxy version 2.6'):
        skip('this haproxy is not 2.6')
    daemon = start()
    ours = good(daemon, URI + ';csv')[1].split('\n')
    port = free_port()
    path = scratch() + '/haproxy.cfg'
    with open(path, 'w') as f:
        f.write('defaults\n mode http\n timeout client 5s\n timeout server 5s\n'
                ' timeout connect 1s\nlisten s\n bind 127.0.0.1:%d\n stats enable\n'
                ' stats uri /s\n server x 127.0.0.1:9\n' % port)
    process = subprocess.Popen(['haproxy', '-db', '-f', path],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        def answer():
            try:
                return urllib.request.urlopen('http://127.0.0.1:%d/s;csv' % port).read()
            except OSError:
                return None
        theirs = wait_for(answer, 10, 'haproxy to answer').decode().split('\n')
    finally:
        process.kill()
        process.wait()
    equal(ours[0], theirs[0], 'the header')
    for line in ours[:-1]:
        equal(line.count(','), theirs[0].count(','), 'columns')
        check(line.endswith(','), '%r', line)


def always_empty():
    """README names them, in the shell's patterns."""
    with open(SRCDIR + '/README') as f:
        text = f.read()
    named = text[text.index('Always empty:'):text.index('URI;json', text.index('Always empty:'))]
    return named.split()[2:]


def test_columns_that_are_always_empty():
    """Each other one says something in some row."""
    patterns = always_empty()
    server = HttpBackend()
    daemon = Durward('''
listener "https" { bind = {"127.0.0.1:@https@"} protocol = "tls" }
listener "http" { bind = {"127.0.0.1:@http@"} protocol = "http" }
listener "stats" { bind = {"127.0.0.1:@stats@"} protocol = "stats" uri = "/s" }
cluster "one" { service "ingress" { listeners = {"https", "http"} hosts = {"*.example.org"}
    servers = {"echo=127.0.0.1:@echo@", "gone=127.0.0.1:@gone@"} balance = "roundrobin"
    check { type = "http" interval = "200ms" timeout = "1s" } } }
''', echo=server.port, gone=free_port())
    daemon.wait_state('one.ingress.https', 'gone', 'DOWN')
    wait_for(lambda: daemon.json('status')[0]['check'].startswith('L7'), 10, 'a check')
    ask(daemon.port('https'), simple_hello('nope.test'))
    equal(http_request(daemon.port('http'), 'www.example.org')[0], 200)
    rows = list(csv.DictReader(io.StringIO(good(daemon, '/s;csv', extra='')[1][2:])))
    for column in rows[0]:
        if not column or column == '-':
            continue
        empty = all(row[column] == '' for row in rows)
        equal(empty, any(fnmatch.fnmatch(column, p) for p in patterns), column)


ALIKE = '''
listener "https" { bind = {"127.0.0.1:@https@"} protocol = "tls" }
listener "http" { bind = {"127.0.0.1:@http@"} protocol = "http" }
listener "stats" { bind = {"127.0.0.1:@stats@"} protocol = "stats" uri = "/haproxy?stats" }
cluster "one" {
    service "tls" { listeners = {"https"} hosts = {"*"}
        servers = {"echo=127.0.0.1:@echo@"}
        server "spare" { address = "127.0.0.1:@echo@" backup = true }
        check { type = "tcp" interval = "200ms" timeout = "1s" } }
    service "web" { listeners = {"http"} hosts = {"www.example.org"}
        servers = {"up=127.0.0.1:@web@", "gone=127.0.0.1:@gone@"}
        check { type = "tcp" interval = "200ms" timeout = "1s" } }
    service "down" { listeners = {"http"} hosts = {"down.example.org"}
        servers = {"gone=127.0.0.1:@gone@"}
        check { type = "tcp" interval = "200ms" timeout = "1s" } }
}
'''
HAPROXY = '''
defaults
 timeout client 5s
 timeout server 5s
 timeout connect 1s
 default-server inter 200ms fall 1
frontend https
 mode tcp
 bind 127.0.0.1:%(https)d
 default_backend one.tls.https
frontend http
 mode http
 bind 127.0.0.1:%(http)d
 use_backend one.down.http if { hdr(host) down.example.org }
 default_backend one.web.http
frontend stats
 mode http
 bind 127.0.0.1:%(stats)d
 stats enable
 stats uri /haproxy?stats
backend one.tls.https
 mode tcp
 server echo 127.0.0.1:%(echo)d check
 server spare 127.0.0.1:%(echo)d check backup
backend one.web.http
 mode http
 server up 127.0.0.1:%(web)d check
 server gone 127.0.0.1:%(gone)d check
backend one.down.http
 mode http
 server gone 127.0.0.1:%(gone)d check
'''
# whatever the hour: what both say of the same clients
SAME = ('qcur qmax scur stot status weight act bck chkdown type rate_lim check_status '
        'hrsp_1xx hrsp_2xx hrsp_3xx hrsp_4xx hrsp_5xx hrsp_other econ eresp wretr wredis '
        'dreq dresp cli_abrt srv_abrt lbtot mode conn_tot dcon dses wrew uweight').split()


def rows_of(port):
    text = urllib.request.urlopen('http://127.0.0.1:%d%s;csv' % (port, URI)).read().decode()
    return {(r['pxname'], r['svname']): r for r in csv.DictReader(io.StringIO(text[2:]))}


def its_rows(ports):
    """What a table says after the same clients, once it knows who is down."""
    def settled():
        rows = rows_of(ports['stats'])
        return all(rows[name, 'gone']['status'] == 'DOWN'
                   for name in ('one.web.http', 'one.down.http'))
    wait_for(settled, 10, 'the checks')
    for _ in range(3):
        hello = simple_hello('www.example.org')
        with connect(ports['https']) as s:
            equal(exchange(s, hello, len(hello)), hello)
            s.shutdown(socket.SHUT_WR)
            equal(s.recv(1), b'')
        equal(http_request(ports['http'], 'www.example.org', '/slow')[0], 200)
        equal(http_request(ports['http'], 'down.example.org')[0], 503)
    rows = {}

    def over():
        rows.update(rows_of(ports['stats']))
        return all(rows[name, 'FRONTEND']['scur'] == '0' for name in ('http', 'https')) and \
            int(rows['one.down.http', 'BACKEND']['downtime']) > 0
    wait_for(over, 10, 'the clients to end, and a second to be over')
    return rows


def test_rows_are_filled_as_haproxys():
    """The same servers and clients behind both: where HAProxy says something
    so does durward, and the same where it can be the same."""
    echo, gone = EchoBackend(), free_port()

    def slow(head):
        if b' /slow ' in head:
            time.sleep(0.1)     # a server's own time, and no wait of ours
        return b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok'
    web = HttpBackend(answer=slow)
    daemon = Durward(ALIKE, echo=echo.port, web=web.port, gone=gone)
    ports = {name: free_port() for name in ('https', 'http', 'stats')}
    HAProxy(HAPROXY % dict(ports, echo=echo.port, web=web.port, gone=gone),
            [('127.0.0.1', port) for port in ports.values()])
    theirs = its_rows(ports)
    ours = its_rows({name: daemon.port(name) for name in ports})
    patterns = always_empty()
    for key, row in theirs.items():
        if key[0] == 'stats':
            continue
        for column, text in row.items():
            if not column or any(fnmatch.fnmatch(column, p) for p in patterns):
                continue
            check(text == '' or ours[key][column] != '', '%s of %s: HAProxy has %s', column, key, text)
            if column in SAME:
                equal(ours[key][column], text, '%s of %s' % (column, key))
    for key in ('one.web.http', 'up'), ('one.web.http', 'BACKEND'):
        for column in 'rtime', 'ttime', 'rtime_max', 'ttime_max':
            for rows in theirs, ours:
                check(int(rows[key][column]) >= 50, '%s of %s: %s', column, key, rows[key][column])


def test_a_backend_that_went_and_came_back():
    daemon = start('')
    key = 'one.ingress.https', 'BACKEND'

    def row():
        return rows_of(daemon.port('stats'))[key]
    equal([row()[c] for c in ('status', 'chkdown', 'downtime')], ['UP', '0', '0'])
    daemon.ctl('maint', '*/echo')
    wait_for(lambda: row()['downtime'] == '2', 10, 'two seconds without a server')
    equal([row()[c] for c in ('status', 'chkdown')], ['DOWN', '1'])
    daemon.ctl('ready', '*/echo')
    wait_for(lambda: row()['lastchg'] == '1', 10, 'a second with one')
    check(row()['status'] == 'UP' and row()['downtime'] in ('2', '3'), '%s', row())
    # a reload leaves that alone
    daemon.ctl('reload')
    check(row()['downtime'] in ('2', '3') and row()['chkdown'] == '1', '%s', row())


def test_a_password_is_asked_for():
    daemon = start()
    for path in URI, URI + ';csv', URI + ';json', '/metrics':
        status, fields, _ = get(daemon, path, extra='')
        equal(status, 401, path)
        check(fields['www-authenticate'][0].startswith('Basic realm="'), '%s', fields)
        equal(get(daemon, path)[0], 200, path)
    equal(get(daemon, '/healthz', extra='')[0], 200)
    equal(get(daemon, URI, extra=basic() * 2)[0], 401, 'twice')


def test_a_wrong_password_costs_time():
    daemon = start(PASSWORD + ' max-connections = 40')
    for wrong in (basic('admin', 'pass:worD'), basic('Admin'), basic('admin', ''),
                  'Authorization: Basic !!!!\r\n'):
        begin = time.monotonic()
        equal(get(daemon, '/metrics', extra=wrong, limit=30)[0], 401, wrong)
        check(time.monotonic() - begin > 0.9, 'no pause for %s', wrong)
    # others are served meanwhile
    with connect(daemon.port('stats')) as s:
        s.sendall(('GET /metrics HTTP/1.1\r\nHost: x\r\n%s\r\n' %
                   basic('eve')).encode())
        begin = time.monotonic()
        equal(get(daemon, '/metrics')[0], 200)
        check(time.monotonic() - begin < 0.9, 'the right one waits')
        # who does not wait gets no answer
        s.shutdown(socket.SHUT_WR)
        equal(read_all(s), b'')
    daemon.wait_log('wrong user or password from 127.0.0.1', 5)


def test_a_hash_is_a_password():
    run = subprocess.run(['openssl', 'passwd', '-6', '-salt', 'abcdefgh', 'secret'],
                         stdout=subprocess.PIPE, universal_newlines=True)
    hashed = run.stdout.strip()
    daemon = start('user = "x" password = "%s"' % hashed)
    equal(get(daemon, '/metrics', extra=basic('x', 'secret'))[0], 200)
    equal(get(daemon, '/metrics', extra=basic('x', hashed))[0], 401)


def raw(daemon, data):
    return ask(daemon.port('stats'), data)


def test_http():
    daemon = start('')
    host = b'Host: x\r\n'
    answer = raw(daemon, b'HEAD ' + URI.encode() + b' HTTP/1.1\r\n' + host +
                 b'Connection: close\r\n\r\n')
    check(answer.startswith(b'HTTP/1.1 200 ') and answer.endswith(b'\r\n\r\n'), 'HEAD')
    answer = raw(daemon, b'POST ' + URI.encode() + b' HTTP/1.1\r\n' + host +
                 b'Content-Length: 3\r\n\r\nabc')
    check(answer.startswith(b'HTTP/1.1 405 ') and b'\r\nAllow: GET, HEAD\r\n' in answer,
          '%r', answer)
    # three at once, kept alive; the last closes
    one = b'GET /healthz HTTP/1.1\r\n' + host + b'\r\n'
    answer = raw(daemon, one * 2 + one[:-2] + b'Connection: close\r\n\r\n')
    equal(answer.count(b'HTTP/1.1 200 '), 3)
    answer = raw(daemon, b'GET http://x/healthz HTTP/1.0\r\n\r\n')
    check(answer.startswith(b'HTTP/1.1 200 ') and b'Connection: close' in answer, '1.0')
    for data, want in ((b'GET /healthz HTTP/1.1\r\n\r\n', b'HTTP/1.1 400 '),
                       (b'GET /healthz HTTP/2.0\r\n\r\n', b'HTTP/1.1 505 '),
                       (b'GET /' + b'a' * 20000 + b' HTTP/1.1\r\n\r\n', b'HTTP/1.1 431 '),
                       (b'\x16\x03\x01\x00\x05', b'\x15\x03')):
        check(raw(daemon, data).startswith(want), '%r', data[:30])
    lines = daemon.wait_log(r' stats stats/<STATS> .* 405 .* LR-- .* '
                            r'"POST /haproxy\?stats HTTP/1\.1"')
    equal(len(lines), 1)


def test_healthz_while_draining():
    daemon = start('')
    hello = simple_hello('www.example.org')
    held = connect(daemon.port('https'))
    exchange(held, hello, len(hello))
    equal(get(daemon, '/healthz')[0], 200)
    daemon.ctl('drain-all')
    wait_for(lambda: get(daemon, '/healthz')[0] == 503, 10, 'healthz to say so')
    check('draining' in good(daemon, URI)[1], 'the page does not say it')
    held.close()
    equal(daemon.wait_end(), 0)


def test_many_servers():
    """A large answer arrives whole, and its memory is given back."""
    servers = ', '.join('"n%d=127.0.0.1:9"' % i for i in range(1000))
    daemon = Durward('''
listener "https" { bind = {"127.0.0.1:@https@"} protocol = "tls" }
listener "stats" { bind = {"127.0.0.1:@stats@"} protocol = "stats" uri = "/s" }
cluster "one" { service "many" { listeners = {"https"} hosts = {"*"}
    servers = {%s} check { type = "none" } } }
''' % servers)
    Page(good(daemon, '/s', extra='')[1])
    equal(len(json.loads(good(daemon, '/s;json', extra='')[1])), 1003)
    check(len(good(daemon, '/metrics', extra='')[1]) > 1000000, 'metrics')
    if 'sanitizers: yes' in run_durward('-V').stdout:
        return      # they keep what they like
    for pid in daemon.workers(r'^durward: idle stats'):
        with open('/proc/%d/status' % pid) as f:
            size = int(re.search(r'VmData:\s+(\d+)', f.read()).group(1))
        check(size < 2500, 'worker %d keeps %d kB', pid, size)


main()
