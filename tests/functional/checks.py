#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The checks: what each type takes for up and for down, when, and in which
words the log says so."""

import os
import re
import signal
import subprocess
import time

from lib import (Certs, Durward, HttpBackend, TcpBackend, TlsBackend, alive,
                 check, equal, main, scratch, shared, wait_for)
from lib.backends import field

NAME = 'www.example.org'
BACKEND = 'one.ingress.https'

CONF = '''
listener "https" { bind = {"127.0.0.1:@https@"} protocol = "tls" }
cluster "one" {
    service "ingress" {
        listeners = {"https"}
        hosts     = {"*.hidden.example", "www.example.org"}
        servers   = {@servers@}
        check { @grid@ timeout = "400ms" rise = 2
                @check@ }
    }
}
'''

PLUGIN = os.path.join(os.path.dirname(os.environ.get('DURWARD', '')),
                      'durward-https.so')
certs = shared(Certs)

DOWN = (r'Server one\.ingress\.https/%s is DOWN, reason: %s, '
        r'check duration: \d+ms\. %d active and 0 backup servers left\. '
        r'0 sessions active, 0 requeued, 0 remaining in queue\.$')
UP = (r'Server one\.ingress\.https/%s is UP, reason: %s, '
      r'check duration: \d+ms\. %d active and 0 backup servers online\. '
      r'0 sessions requeued, 0 total in queue\.$')


def start(servers, what, grid='interval = "100ms" fall = 3'):
    return Durward(CONF, servers=', '.join('"%s"' % s.entry for s in servers),
                   check=what, grid=grid)


def stays_up(daemon, *servers):
    """Up after several more probes than it takes to go down."""
    for s in servers:
        before = len(s.connections)
        wait_for(lambda: len(s.connections) >= before + 5, 10,
                 'probes of ' + s.name)
        equal(daemon.server_state(BACKEND, s.name), 'UP', s.name)
        equal(daemon.log_lines('/%s is ' % s.name), [], 'lines about it')


def goes_and_comes(server, what, good, good_code=''):
    """Down where it refuses, up again where it answers."""
    daemon = start([server], what)
    stays_up(daemon, server)
    server.stop()
    daemon.wait_log(DOWN % (server.name, 'Layer4 connection problem, '
                            'info: "Connection refused"', 0))
    daemon.wait_log(r'backend one\.ingress\.https has no server available!')
    server.start()
    daemon.wait_log(UP % (server.name, good + good_code, 1))
    equal(daemon.server_state(BACKEND, server.name), 'UP')


def test_tcp():
    goes_and_comes(TcpBackend('a'), 'type = "tcp"', 'Layer4 check passed')


def test_tls():
    goes_and_comes(TlsBackend('a', certs().server('good', [NAME])),
                   'type = "tls"', 'Layer6 check passed')


def test_http():
    goes_and_comes(HttpBackend('a'), 'type = "http"', 'Layer7 check passed',
                   ', code: 200')


def test_none():
    server = TcpBackend('a', start=False)
    daemon = start([server], 'type = "none"')
    equal(daemon.server_state(BACKEND, 'a'), 'NO CHECK')
    server.start()
    other = TcpBackend('b')
    daemon.write(CONF, servers='"%s", "%s"' % (server.entry, other.entry),
                 check='type = "none"')
    equal(daemon.ctl('reload').returncode, 0)
    equal(daemon.server_state(BACKEND, 'b'), 'NO CHECK')
    equal(len(server.connections) + len(other.connections), 0, 'probes')
    equal(daemon.log_lines(r'Server .* is '), [])


def test_tls_hello_of_a_client():
    """It names the first exact host; OpenSSL takes it and gets as far as
    the certificate."""
    names = []
    server = TlsBackend('a', certs().server('good', [NAME]), start=False)
    server.context.sni_callback = lambda s, name, c: names.append(name)
    server.start()
    start([server], 'type = "tls"')
    wait_for(lambda: len(names) > 2, 10, 'probes')
    equal(set(names), {NAME})


def test_tls_host():
    names = []
    server = TlsBackend('a', certs().server('good', [NAME]), start=False)
    server.context.sni_callback = lambda s, name, c: names.append(name)
    server.start()
    start([server], 'type = "tls" host = "probe.example.org"')
    wait_for(lambda: len(names) > 2, 10, 'probes')
    equal(set(names), {'probe.example.org'})


def says(data, then=None):
    def script(c):
        c.recv()
        if data:
            c.sock.sendall(data)
        if then:
            then(c)
    return script


def test_tls_refuses_what_is_not_tls():
    plain = TcpBackend('plain', script=says(b'HTTP/1.1 400 Bad Request\r\n'))
    silent = TcpBackend('silent')
    closing = TcpBackend('closing', script=says(b''))
    alarm = TcpBackend('alarm', script=says(b'\x15\x03\x03\0\2\2\x28'))
    split = TcpBackend('split', script=lambda c: [
        c.recv(), c.sock.sendall(b'\x16'), time.sleep(0.05),
        c.sock.sendall(b'\x03\x03\0\x7a'), c.recv()])
    daemon = start([plain, silent, closing, alarm, split], 'type = "tls"')
    daemon.wait_log(r'/plain is DOWN, reason: Layer6 invalid response, '
                    r'info: "not a TLS record"')
    daemon.wait_log(r'/closing is DOWN, reason: Layer6 invalid response, '
                    r'info: "the server closed without an answer"')
    daemon.wait_log(r'/silent is DOWN, reason: Layer6 timeout, info: "')
    stays_up(daemon, alarm, split)


def test_http_asks_as_told():
    plain, told = HttpBackend('plain'), HttpBackend('told')
    start([plain], 'type = "http"')
    wait_for(lambda: plain.heads(), 10, 'a probe')
    head = plain.heads()[0]
    equal(head.split(b'\r\n')[0], b'GET /readyz HTTP/1.1')
    equal(field(head, 'host'), ['127.0.0.1'])
    equal(field(head, 'connection'), ['close'])
    start([told], 'type = "http" path = "/healthz?full=1" '
          'host = "probe.example.org"')
    wait_for(lambda: told.heads(), 10, 'a probe')
    head = told.heads()[0]
    equal(head.split(b'\r\n')[0], b'GET /healthz?full=1 HTTP/1.1')
    equal(field(head, 'host'), ['probe.example.org'])


def test_another_port():
    """Where the server is, say, a router whose health has a port of its own;
    and that program knows nothing of PROXY headers."""
    health = HttpBackend('health')
    server = TcpBackend('a')
    conf = CONF.replace('check {', 'send-proxy = "v2"\n        check {')
    daemon = Durward(conf, servers='"%s"' % server.entry, grid='interval = "100ms"',
                     check='type = "http" port = %d' % health.port)
    wait_for(lambda: len(health.heads()) > 3, 10, 'probes')
    equal(health.heads()[0].split(b'\r\n')[0], b'GET /readyz HTTP/1.1')
    equal(daemon.server_state(BACKEND, 'a'), 'UP')
    equal(server.connections, [], 'what came to the server itself')
    health.stop()
    daemon.wait_state(BACKEND, 'a', 'DOWN')


def test_the_timeout_is_for_the_whole_probe():
    """A server that says a byte now and then is not alive for it."""
    def drip(c):
        c.recv()
        for byte in b'HTTP/1.1 2' * 20:
            c.sock.sendall(bytes([byte]))
            time.sleep(0.1)
    server = TcpBackend('a', script=drip)
    daemon = start([server, HttpBackend('b')], 'type = "http"')
    line, = daemon.wait_log(r'/a is DOWN, reason: Layer7 timeout, info: '
                            r'"no answer in time", check duration: \d+ms')
    took = int(re.search(r'duration: (\d+)ms', line).group(1))
    check(350 <= took <= 1200, 'after %d ms', took)


def answers(status):
    return lambda head: (b'HTTP/1.1 %d Whatever\r\nContent-Length: 0\r\n\r\n'
                         % status)


def test_http_status_ranges():
    """The ends of each range and what lies beyond."""
    up = [201, 204, 399, 403]
    down = [200, 205, 398, 401, 404, 503]
    servers = {s: HttpBackend('s%d' % s, answer=answers(s))
               for s in up + down}
    daemon = start(list(servers.values()),
                   'type = "http" status = "201-204,399,403"')
    for s in down:
        daemon.wait_log(
            r'/s%d is DOWN, reason: Layer7 wrong status, code: %d, '
            r'info: "HTTP status %d"' % (s, s, s))
    stays_up(daemon, *[servers[s] for s in up])


def test_http_refuses_what_is_not_http():
    other = TcpBackend('other', script=says(b'\x15\x03\x03\0\2\2\x28 and '
                                            b'some more'))
    closing = TcpBackend('closing', script=says(b''))
    silent = TcpBackend('silent')
    slow = TcpBackend('slow', script=lambda c: [
        c.recv(), c.sock.sendall(b'HTT'), time.sleep(0.05),
        c.sock.sendall(b'P/1.0 200 OK\r\n\r\n')])
    daemon = start([other, closing, silent, slow], 'type = "http"')
    daemon.wait_log(r'/other is DOWN, reason: Layer7 invalid response')
    daemon.wait_log(r'/closing is DOWN, reason: Layer7 invalid response')
    daemon.wait_log(r'/silent is DOWN, reason: Layer7 timeout')
    stays_up(daemon, slow)


def test_a_server_fails_after_fall_and_comes_after_rise():
    """By answers alone, while the server stands."""
    status = [200]
    server = HttpBackend('a', answer=lambda head: answers(status[0])(head))
    daemon = start([server, HttpBackend('b')], 'type = "http"')
    stays_up(daemon, server)
    before = len(server.heads())
    status[0] = 503
    daemon.wait_log(DOWN % ('a', 'Layer7 wrong status, code: 503, '
                            'info: "HTTP status 503"', 1))
    check(3 <= len(server.heads()) - before <= 5, '%d probes until DOWN',
          len(server.heads()) - before)
    before = len(server.heads())
    status[0] = 200
    daemon.wait_log(UP % ('a', 'Layer7 check passed, code: 200', 2))
    check(2 <= len(server.heads()) - before <= 4, '%d probes until UP',
          len(server.heads()) - before)


def test_the_first_probe_alone_decides():
    dead = TcpBackend('dead', start=False)
    daemon = start([dead, TcpBackend('b')], 'type = "tcp"',
                   'interval = "100ms" fall = 100')
    daemon.wait_log(r'/dead is DOWN, reason: Layer4', limit=5)


def test_probes_end_without_a_reset():
    """A server that said more than a probe reads is not alarmed for it."""
    tls = TcpBackend('tls', script=lambda c: [
        c.recv(), c.sock.sendall(b'\x16\x03\x03\x0f\xa0' + bytes(4000)),
        c.recv()])
    daemon = start([tls], 'type = "tls"')
    stays_up(daemon, tls)
    http = TcpBackend('http', script=lambda c: [
        c.recv(), c.sock.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 9000'
                                 b'\r\n\r\n' + bytes(9000)), c.recv()])
    daemon = start([http], 'type = "http"')
    stays_up(daemon, http)
    for s in tls, http:
        ended = [c for c in s.connections if c.done.is_set()]
        check(len(ended) > 3, '%d probes', len(ended))
        equal([c.reset for c in ended], [False] * len(ended), 'resets')


# -- time

def test_probes_keep_their_grid():
    """As many as there are intervals, with a silent neighbour or without."""
    times = []
    server = TcpBackend('a', script=lambda c: times.append(time.monotonic()))
    start([server], 'type = "tcp"')
    wait_for(lambda: len(times) > 3, 10, 'probes')
    del times[:]
    begun = time.monotonic()
    wait_for(lambda: time.monotonic() - begun > 3, 5, 'three seconds')
    count, took = len(times), time.monotonic() - begun
    want = took / 0.1
    check(want * 0.85 - 2 <= count <= want + 2, '%d probes in %.1f s', count,
          took)


def test_a_silent_server_delays_no_other():
    silent = [TcpBackend('silent%d' % i) for i in range(20)]
    times = []
    server = TcpBackend('a', script=lambda c: [c.recv(), times.append(
        time.monotonic()), c.sock.sendall(b'\x15\x03\x03\0\2\2\x28')])
    begun = time.monotonic()
    daemon = start(silent + [server], 'type = "tls"')
    for s in silent:
        daemon.wait_log(r'/%s is DOWN, reason: Layer6 timeout' % s.name)
    # the first probe alone decides: its time-out, and an interval at most
    check(time.monotonic() - begun < 5, 'DOWN after %.1f s',
          time.monotonic() - begun)
    del times[:]
    begun = time.monotonic()
    wait_for(lambda: time.monotonic() - begun > 2, 5, 'two seconds')
    want = (time.monotonic() - begun) / 0.1
    check(want * 0.8 - 2 <= len(times) <= want + 2, '%d probes of %.0f',
          len(times), want)
    equal(daemon.server_state(BACKEND, 'a'), 'UP')


def test_a_server_that_falls_silent_goes_down_after_fall():
    """fall probes, each with its whole time-out: 3 x 0.4 s and the grid's."""
    speaks = [True]

    def script(c):
        c.recv()
        if speaks[0]:
            c.sock.sendall(b'\x15\x03\x03\0\2\2\x28')
        else:
            c.recv()
    server = TcpBackend('a', script=script)
    daemon = start([server, TcpBackend('b', script=script)], 'type = "tls"')
    stays_up(daemon, server)
    speaks[0] = False
    begun = time.monotonic()
    daemon.wait_log(r'/a is DOWN, reason: Layer6 timeout')
    took = time.monotonic() - begun
    check(1.1 <= took <= 4, 'DOWN after %.2f s', took)


# -- https

def https(servers, what=''):
    if not os.path.exists(PLUGIN):
        from lib import skip
        skip('built without OpenSSL')
    return start(servers, 'type = "https" ' + what)


def test_https():
    if not os.path.exists(PLUGIN):
        from lib import skip
        skip('built without OpenSSL')
    goes_and_comes(TlsBackend('a', certs().server('good', [NAME])),
                   'type = "https"', 'Layer7 check passed', ', code: 200')


def signed(label, ca=None, days=None, names=NAME):
    """A certificate that something is wrong with."""
    d = scratch()
    pair = os.path.join(d, label + '.pem'), os.path.join(d, label + '.key')
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
                    'ec_paramgen_curve:prime256v1', '-nodes', '-subj',
                    '/CN=' + label, '-addext', 'subjectAltName=DNS:' + names,
                    '-days', str(days or 30), '-keyout', pair[1], '-out',
                    pair[0]], check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return pair


def expired():
    """By the authority, over since yesterday."""
    c = certs()
    d = scratch()
    base = os.path.join(d, 'old')
    for f, text in (('index.txt', ''), ('serial', '01\n'), ('ca.cnf', '''
[ca]
default_ca = x
[x]
database = %s/index.txt
serial = %s/serial
new_certs_dir = %s
default_md = sha256
policy = p
x509_extensions = e
[p]
commonName = supplied
[e]
subjectAltName = DNS:%s
''' % (d, d, d, NAME))):
        with open(os.path.join(d, f), 'w') as out:
            out.write(text)

    def openssl(*args):
        subprocess.run(('openssl',) + args, check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
    openssl('req', '-new', '-newkey', 'ec', '-pkeyopt',
            'ec_paramgen_curve:prime256v1', '-nodes', '-subj', '/CN=old',
            '-keyout', base + '.key', '-out', base + '.csr')
    openssl('ca', '-batch', '-config', os.path.join(d, 'ca.cnf'), '-cert',
            c.ca, '-keyfile', c._ca_key, '-startdate', '20200101000000Z',
            '-enddate', '20200201000000Z', '-in', base + '.csr', '-out',
            base + '.pem', '-notext')
    return base + '.pem', base + '.key'


def test_https_verifies_nothing_without_a_ca():
    servers = [TlsBackend('wrong', certs().server('other', ['other.test'])),
               TlsBackend('self', signed('self')),
               TlsBackend('old', expired())]
    daemon = https(servers)
    stays_up(daemon, *servers)


def test_https_verifies_against_a_ca():
    good = TlsBackend('good', certs().server('good', [NAME]))
    daemon = https([
        good,
        TlsBackend('wrong', certs().server('other', ['other.test'])),
        TlsBackend('self', signed('self')),
        TlsBackend('old', expired())], 'ca-file = "%s"' % certs().ca)
    for name, why in (('wrong', '(?i)host ?name mismatch'),
                      ('self', '(?i)self.signed'),
                      ('old', '(?i)expired')):
        line, = daemon.wait_log(r'/%s is DOWN, reason: Layer6 invalid '
                                r'response, info: "' % name)
        check(re.search(why, line), '%s', line)
    stays_up(daemon, good)


def test_https_name_and_status():
    """Name and Host are `host`; a wrong status is layer 7's."""
    names = []
    good = TlsBackend('good', certs().server('probe', ['probe.example.org']),
                      start=False)
    good.context.sni_callback = lambda s, name, c: names.append(name)
    good.start()
    daemon = https([good], 'ca-file = "%s" host = "probe.example.org"'
                   % certs().ca)
    stays_up(daemon, good)
    equal(set(names), {'probe.example.org'})
    daemon.write(CONF, check='type = "https" status = "500"')
    equal(daemon.ctl('reload').returncode, 0)
    daemon.wait_log(r'/good is DOWN, reason: Layer7 wrong status, code: 200, '
                    r'info: "HTTP status 200"')


def test_https_asks_as_told():
    """What Kubernetes wants asked of its API, by the name of its certificate."""
    server = TlsBackend('a', certs().server('good', [NAME]))
    https([server], 'path = "/readyz?verbose"')
    other = TlsBackend('b', certs().server('good', [NAME]))
    https([other], 'host = "probe.example.org"')
    wait_for(lambda: server.served and other.served, 10, 'probes')

    def first(s):
        return [c.received for c in s.connections if c.received][0]
    head = first(server)
    equal(head.split(b'\r\n')[0], b'GET /readyz?verbose HTTP/1.1')
    equal(field(head, 'host'), ['127.0.0.1'])
    equal(field(head, 'connection'), ['close'])
    head = first(other)
    equal(head.split(b'\r\n')[0], b'GET /readyz HTTP/1.1')
    equal(field(head, 'host'), ['probe.example.org'])


def test_tls_is_in_the_checker_alone():
    """A library that no worker has cannot be what breaks one."""
    server = TlsBackend('a', certs().server('good', [NAME]))
    daemon = https([server])
    wait_for(lambda: server.served, 10, 'a probe')
    for pid, name in daemon.processes().items():
        with open('/proc/%d/maps' % pid) as f:
            mapped = set(re.findall(r'lib(?:ssl|crypto)\b|durward-https',
                                    f.read()))
        equal(mapped, {'libssl', 'libcrypto', 'durward-https'}
              if name == 'durward: checker' else set(), name)


def test_https_refuses_what_is_not_tls():
    plain = HttpBackend('plain')
    raw = TcpBackend('raw', script=says(b'HTTP/1.1 200 OK\r\n\r\n'))
    silent = TcpBackend('silent')
    daemon = https([plain, raw, silent])
    daemon.wait_log(r'/raw is DOWN, reason: Layer6 invalid response, info: "')
    daemon.wait_log(r'/silent is DOWN, reason: Layer6 timeout, info: "')
    daemon.wait_log(r'/plain is DOWN, reason: Layer6 ')


# -- the checker itself

def test_a_killed_checker_comes_back_without_a_flap():
    living, dead = TcpBackend('living'), TcpBackend('dead', start=False)
    daemon = start([living, dead], 'type = "tcp"')
    daemon.wait_state(BACKEND, 'dead', 'DOWN')
    checker, = daemon.workers(r'^durward: checker$')
    os.kill(checker, signal.SIGKILL)
    begun = time.monotonic()
    wait_for(lambda: not alive(checker), 5, 'it to end')
    before = len(living.connections)
    wait_for(lambda: len(living.connections) > before, 5, 'a probe by another')
    took = time.monotonic() - begun
    check(took < 2, 'it came back after %.2f s', took)
    another, = daemon.workers(r'^durward: checker$')
    check(another != checker, 'the same process')
    wait_for(lambda: len(living.connections) > before + 5, 5, 'more probes')
    equal(len(daemon.log_lines(r'Server .* is (UP|DOWN)')), 1,
          'lines about changes')
    equal([daemon.server_state(BACKEND, s) for s in ('living', 'dead')],
          ['UP', 'DOWN'])
    daemon.wait_log(r'the checker was killed by signal 9')
    dead.start()
    daemon.wait_state(BACKEND, 'dead', 'UP')


def test_nobody_probes_a_server_in_maintenance():
    server = TcpBackend('a')
    daemon = start([server, TcpBackend('b')], 'type = "tcp"')
    stays_up(daemon, server)
    equal(daemon.ctl('maint', BACKEND + '/a').returncode, 0)
    other = TcpBackend('c')
    before = len(server.connections) + 1    # one may be under way
    begun = time.monotonic()
    wait_for(lambda: time.monotonic() - begun > 1, 5, 'a second')
    check(len(server.connections) <= before, '%d probes in MAINT',
          len(server.connections) - before)
    equal(len(other.connections), 0)
    equal(daemon.ctl('ready', BACKEND + '/a').returncode, 0)
    wait_for(lambda: len(server.connections) > before + 2, 5, 'probes again')
    equal(daemon.server_state(BACKEND, 'a'), 'UP')


def test_a_refused_client_makes_the_checker_look():
    """Long before the grid's next point."""
    from lib import ask, simple_hello
    server = TcpBackend('a')
    daemon = start([server, TcpBackend('b', script=lambda c: c.recv())],
                   'type = "tcp"', 'interval = "20s" fall = 1')
    wait_for(lambda: server.connections, 5, 'the first probe')
    server.stop()
    for i in range(1, 9):
        ask(daemon.port('https'), simple_hello(NAME), source='127.0.4.%d' % i)
    daemon.wait_log(r'/a is DOWN, reason: Layer4', limit=5)


main()
