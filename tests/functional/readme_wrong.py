#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""README's "When something is wrong", command by command against a daemon in the
state that it tells of: what it shows is what there is, but for numbers."""

import html
import os
import re
import signal
import ssl
import subprocess

from lib import (SRCDIR, Certs, Durward, HttpBackend, TlsBackend, check, connect, equal,
                 http_request, main, s_client, shared, skip, wait_for)

CONF = '''
listener "api"   { bind = {"127.0.0.1:6443"} protocol = "tls" }
listener "https" { bind = {"127.0.0.1:443"}  protocol = "tls" }
listener "http"  { bind = {"127.0.0.1:80"}   protocol = "http" }
listener "stats" { bind = {"127.0.0.1:@stats@"} protocol = "stats" uri = "/s" }
cluster "hub" {
    service "ingress" {
        listeners = {"https", "http"}
        hosts     = {"*.apps.hub.linuxera.lab"}
        servers   = {"compute0=127.0.125.23", "compute1=127.0.125.24", "compute2=127.0.125.25"}
        check { interval = "200ms" }
    }
}
cluster "managed1" {
    service "api" {
        hosts   = {"api.managed1.linuxera.lab"}
        servers = {"controlplane0=127.0.125.30", "controlplane1=127.0.125.31",
                   "controlplane2=127.0.125.32"}
        check { interval = "200ms" }
    }
    service "ingress" {
        listeners = {"https"}
        hosts     = {"*.apps.managed1.linuxera.lab"}
        servers   = {"compute0=127.0.125.33"}
        check { type = "none" }
    }
}
'''
CONSOLE, API = 'console.apps.hub.linuxera.lab', 'api.managed1.linuxera.lab'


def section():
    with open(SRCDIR + '/README') as f:
        text = f.read()
    begin = text.index('When something is wrong\n----')
    return text[begin:text.index('\n\n\n', begin)].split('\n')


def shown(command):
    """What README shows for this command, each time that it does: a list of lists
    of lines.  An indented line goes on the one before it."""
    found, lines = [], section()
    for i, line in enumerate(lines):
        if re.match(r' {4}[#$] ' + re.escape(command) + '$', line):
            output = []
            for more in lines[i + 1:]:
                if not more.startswith('    ') or re.match(r' {4}[#$] ', more):
                    break
                output.append(more[4:])
            found.append(output)
    check(found, 'README does not show %s', command)
    return found


def joined(pattern):
    """Samples that begin so, with the lines that go on."""
    found, lines = [], section()
    for i, line in enumerate(lines):
        if re.match(' {4}' + pattern, line):
            text = line.strip()
            for more in lines[i + 1:]:
                if not more.startswith('      '):
                    break
                text += ' ' + more.strip()
            found.append(text)
    check(found, 'README has no %s', pattern)
    return found


def shape(text):
    """The same for whatever numbers, times and sizes."""
    text = re.sub(r'\d\d/[A-Z][a-z]{2}/\d{4}:[\d:.]+', 'DATE', text)
    text = re.sub(r'\d+m\d+s|(?<![\w.])\d[\d.]*(ms|[smhdkM])?(?![\w])', 'N', text)
    return ' '.join(text.split())


def expect(command, output, which=0):
    """All lines that README shows are there, in their order; and no others where
    it does not say `...`."""
    want = [shape(line) for line in shown(command)[which]]
    got = [shape(line) for line in output.rstrip('\n').split('\n')]
    at = 0
    for line in want:
        if line == '...':
            continue
        # a table that is cut at the right has the rest in other columns
        while at < len(got) and not got[at].startswith(line):
            check('...' in want, '%s: got %r, README has %r', command, got[at], line)
            at += 1
        check(at < len(got), '%s: README has %r, got %s', command, line, got)
        at += 1
    check('...' in want or at == len(got), '%s: more than README has: %s', command, got[at:])


@shared
def world():
    if os.geteuid() != 0:
        skip('the ports of the article need root')
    certs = Certs()
    nodes = {}
    for name, address, port, label in (
            [('compute%d' % i, '127.0.125.%d' % (23 + i), 443, CONSOLE) for i in range(3)] +
            [('controlplane%d' % i, '127.0.125.%d' % (30 + i), 6443, API) for i in range(3)]):
        nodes[name] = TlsBackend(name, certs.server(label, [label]), address=address, port=port)
    web = [HttpBackend(address='127.0.125.%d' % (23 + i), port=80) for i in range(3)]
    daemon = Durward(CONF)
    for i in range(3):
        daemon.wait_state('hub.ingress.https', 'compute%d' % i, 'UP')
        wait_for(lambda: daemon.json('status')[i]['check'].startswith('L6OK'), 10, 'a check')
    daemon.nodes, daemon.web = nodes, web
    return daemon


def ctl(daemon, words):
    return daemon.ctl_in_a_terminal(*words.split(), NO_COLOR='1')


def states(daemon, **want):
    """Nodes to be up or down, on both ports."""
    for name, up in want.items():
        i = int(name[-1])
        for backend, node in (('hub.ingress.https', daemon.nodes[name]),
                              ('hub.ingress.http', daemon.web[i])):
            if up and node._listening is None:
                node.start()
            elif not up:
                node.stop()
            daemon.wait_state(backend, name, 'UP' if up else 'DOWN')


def test_1_and_2_ping_and_route():
    daemon = world()
    expect('durwardctl ping', ctl(daemon, 'ping'))
    route = 'route https %s 203.0.113.7' % CONSOLE
    expect('durwardctl ' + route, ctl(daemon, route))
    route = 'route https www.nobody.linuxera.lab'
    expect('durwardctl ' + route, ctl(daemon, route))
    states(daemon, compute0=False, compute1=False, compute2=False)
    route = 'route https ' + CONSOLE
    expect('durwardctl ' + route, ctl(daemon, route))
    states(daemon, compute0=True, compute1=True)


def test_3_status():
    daemon = world()
    states(daemon, compute0=True, compute1=True, compute2=False)
    expect('durwardctl status', ctl(daemon, 'status'))


def lines_like(daemon, sample):
    """The daemon's lines that have the sample's shape."""
    want = shape(re.sub(r'^durward\[\d+\]: ', '', sample))
    got = [line.split(']: ', 1)[-1] for line in daemon.log().split('\n')]
    return [line for line in got if shape(line) == want]


def tls(port, name):
    return s_client(port, '-servername', name)


def test_4_the_log():
    daemon = world()
    # compute2 just went, and the checker does not know yet: another takes over
    states(daemon, compute0=True, compute1=True, compute2=True)
    daemon.ctl('drain', 'hub.ingress.https/compute1')
    samples = joined(r'durward\[\d+\]: 127')
    sample = [s for s in samples if CONSOLE in s][0]
    daemon.nodes['compute2'].stop()
    wait_for(lambda: tls(443, CONSOLE) and lines_like(daemon, sample), 20, sample)
    daemon.ctl('ready', 'hub.ingress.https/compute1')
    states(daemon, compute0=False, compute1=False, compute2=False)
    equal(http_request(80, CONSOLE)[0], 503)
    sample, = joined(r'127\.0\.0\.1:\d+ \[.*\] http hub')
    wait_for(lambda: lines_like(daemon, sample), 10, sample)
    # each letter and word of the tables is one that durward can write
    with open(SRCDIR + '/README') as f:
        text = f.read()
    for word in 'PR', 'cR', 'SC', 'sC', 'sQ', 'SH', 'PH', 'sH', 'CD', 'SD', 'sD', 'KD', 'ID':
        check(re.search(r'^    (.* {2,})?%s  \S' % word, text, re.M), 'README does not tell of %s', word)


def held(port, name):
    """A TLS connection that stays."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(connect(port), server_hostname=name)


def pid_of(daemon, host):
    return wait_for(lambda: [r['pid'] for r in daemon.json('connections')
                             if r['host'] == host and r['bytes_out'] > 0], 10, 'its worker')[0]


def test_5_what_it_is_doing():
    daemon = world()
    states(daemon, compute0=False, compute1=False, compute2=True)
    with held(443, CONSOLE) as s:
        s.sendall(b'GET / HTTP/1.1\r\nHost: x\r\n\r\n')
        check(s.recv(10), 'no answer')
        pid_of(daemon, CONSOLE)
        expect('durwardctl connections', ctl(daemon, 'connections'))
        ps = subprocess.run("ps -eo pid,user,args | grep '[d]urward:'", shell=True,
                            stdout=subprocess.PIPE, universal_newlines=True).stdout
        got = {shape(line) for line in ps.split('\n')}
        for line in shown("ps -eo pid,user,args | grep '[d]urward:'")[0]:
            check(line == '...' or shape(line) in got, 'ps: README has %r, not in %s', line, ps)
    with held(6443, API):
        command = [line for line in section() if '# durwardctl kill' in line][0].strip('# ')
        expect(command, ctl(daemon, 'kill %d' % pid_of(daemon, API)))
    sample = [s for s in joined(r'durward\[\d+\]: 127') if ' KD ' in s][0]
    want = re.sub('controlplane.', 'X', shape(re.sub(r'^durward\[\d+\]: ', '', sample)))
    wait_for(lambda: [line for line in daemon.log().split('\n') if re.sub(
        'controlplane.', 'X', shape(line.split(']: ', 1)[-1])) == want], 10, sample)


def test_6_what_changed():
    daemon = world()
    states(daemon, compute0=True, compute1=True, compute2=True)
    daemon.ctl('maint', 'hub.ingress.https/compute1')
    states(daemon, compute2=False)
    daemon.ctl('ready', 'hub.ingress.https/compute1')
    states(daemon, compute0=False, compute1=False)
    with held(6443, API):
        os.kill(pid_of(daemon, API), signal.SIGTRAP)
        wait_for(lambda: daemon.log_lines('was killed by signal'), 10, 'its line')
    log = [shape(line.split(']: ', 1)[-1]) for line in daemon.log().split('\n')]
    log = [line.replace('(Trace/breakpoint trap)', '(Segmentation fault)') for line in log]
    for sample in joined('Server hub') + joined('backend hub') + joined('worker '):
        check(shape(sample) in log, 'README has %r', sample)
    # two errors: each by its line
    output = '\n'.join(shown('durwardctl reload')[0])
    lines = [int(n) for n in re.findall(r'durward\.conf:(\d+):', output)]
    text = [''] * (lines[0] - 1) + ['cluster "x" { service "api" { hosts = {"x.test"} } '] + \
        [''] * (lines[1] - lines[0] - 1) + \
        ['service "y" { hosts = {"y.test"} listeners = {"https"} serverz = {} servers = {"127.0.0.1"} } }']
    with open(daemon.conf, 'w') as f:
        f.write('\n'.join(text) + '\n')
    run = daemon.ctl('reload')
    equal(run.returncode, 1)
    equal(run.stderr.replace(daemon.conf, '/etc/durward.conf').rstrip('\n'), output)


def test_the_page_says_it_in_these_words():
    daemon = world()
    daemon.ctl('drain', 'managed1.ingress.https/compute0')
    daemon.nodes['controlplane1'].stop()
    states(daemon, compute0=False, compute1=False, compute2=False)
    daemon.wait_state('managed1.api.api', 'controlplane1', 'DOWN')
    page = http_request(daemon.port('stats'), 'localhost', '/s')[2].decode()
    items = [shape(html.unescape(re.sub(r'<span aria-hidden[^>]*>.*?</span>|<[^>]*>', ' ', item)))
             for item in re.findall(r'<li>(.*?)</li>', page, re.S)]
    items = [re.sub(r' ([:,.])', r'\1', item) for item in items]
    items = [re.sub('compute.|controlplane.', 'X', item) for item in items]
    for sample in joined(r'(Failure|Notice) '):
        want = re.sub('compute.|controlplane.', 'X', shape(sample))
        check(any(item.startswith(want) for item in items), 'README has %r, the page %s', sample, items)
    for word in ('Connections now', 'Listeners', 'Turned away', 'Cluster hub', ' up</span></h2>',
                 'Last check', 'Per second', 'Retries', 'Aborts', 'Downtime'):
        check(word in page, 'no %s', word)
    daemon.nodes['controlplane1'].start()
    daemon.ctl('ready', 'managed1.ingress.https/compute0')


main()
