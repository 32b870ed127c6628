#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""haproxy2durward: what it makes is good, says what it left out, and takes the
same names to the same backends as HAProxy does."""

import base64
import os
import random
import re
import socket
import subprocess

from lib import (Durward, HAProxy, TcpBackend, check, connect, equal,
                 free_port, http_request, main, run_durward, scratch,
                 simple_hello)
from lib.daemon import SRCDIR

TOOL = os.path.join(SRCDIR, 'src', 'haproxy2durward')
DATA = os.path.join(SRCDIR, 'tests', 'data')


def fixture(name):
    with open(os.path.join(DATA, 'haproxy-%s.cfg' % name)) as f:
        return f.read()


def convert(text, status=0):
    run = subprocess.run(['sh', TOOL], input=text, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, universal_newlines=True,
                         timeout=30)
    equal(run.returncode, status, 'exit status (stderr %r)' % run.stderr)
    equal('LEFT OUT' in run.stdout, status == 1, 'LEFT OUT in the result')
    return run.stdout


def accepted(text):
    path = os.path.join(scratch(), 'durward.conf')
    with open(path, 'w') as f:
        f.write(text)
    run = run_durward('-t', '-c', path)
    equal(run.returncode, 0, 'exit status of durward -t: %s in\n%s' % (
        run.stderr, text))
    return path


def routes(path, *cases):
    for query, backend in cases:
        run = run_durward('-r', query, '-c', path)
        got = run.stdout.strip().split('/')[0] if run.returncode == 0 else None
        equal(got, backend, query)


def test_three_clusters():
    text = convert(fixture('article'), status=1)
    left = re.findall(r'LEFT OUT, line:\d+: (.*)', text)
    equal(left, ['http-send-name-header Host'] * 3, 'what was left out')
    path = accepted(text)
    routes(path,
           ('apis-6443,API.hub-cluster.linuxera.lab', 'hub.api.apis-6443'),
           ('apis-6443,api.managed2.linuxera.lab', 'managed2.api.apis-6443'),
           ('apis-6443,api.managed3.linuxera.lab', None),
           ('apis-6443,', None),
           ('routers-https-443,a.apps.hub.linuxera.lab',
            'hub.ingress.routers-https-443'),
           ('routers-https-443,a.b.apps.hub.linuxera.lab', None),
           ('routers-https-443,a.apps.hub.linuxera.lab.example.org', None),
           ('routers-http-80,a.apps.managed1.linuxera.lab:80',
            'managed1.ingress.routers-http-80'))
    for words in ('log = "udp:127.0.0.1:514:local2"', 'max-connections = 4000',
                  'uri = "/haproxy?stats"', 'refresh = "30s"',
                  '"controlplane2=192.168.125.42"', 'keep-alive = "10s"'):
        check(words in text, 'no %s in\n%s', words, text)


def test_openshift_guide():
    text = convert(fixture('openshift'))
    path = accepted(text)
    routes(path,
           ('api-server-6443,api.ocp.example.org', 'default.api.api-server-6443'),
           ('api-server-6443,', 'default.api.api-server-6443'),
           ('machine-config-server-22623,',
            'default.machine-config.machine-config-server-22623'),
           ('ingress-router-443,x.apps.example.org',
            'default.ingress-router-443.ingress-router-443'),
           ('ingress-router-80,x.apps.example.org',
            'default.ingress-router-80.ingress-router-80'))
    check(re.search(r'server "bootstrap" \{ address = "192.0.2.9" backup = true',
                    text), 'the backup server is none')
    check(re.search(r'type = "https" interval = "10s" .*rise = 3 fall = 2', text),
          'the check of the API is another')


def test_kubeadm_guide():
    text = convert(fixture('kubeadm'))
    path = accepted(text)
    routes(path, ('apiserver,any.example.org',
                  'apiserverbackend.apiserverbackend.apiserver'))
    check('path = "/healthz" status = "200"' in text, 'the check is another')
    check('retries = 1' in text, 'retries are others')


# a directive that cannot be carried over, where it stands, and in what section
LEFT = [
    ('global', 'lua-load /etc/x.lua'),
    ('global', 'maxconn 2000000'),
    ('frontend', 'bind :443 ssl crt /etc/x.pem'),
    ('frontend', 'acl x src 10.0.0.0/8\n use_backend b if x'),
    ('frontend', 'acl x req.ssl_sni -f /etc/names\n use_backend b if x'),
    ('frontend', 'use_backend %[req.ssl_sni,map(/etc/m)]'),
    ('frontend', 'acl x req.ssl_sni -i a.example.org\n use_backend b unless x'),
    ('frontend', 'acl x req.ssl_sni -i a.example.org\n acl y dst_port 1\n'
     ' use_backend b if x y'),
    ('frontend', 'acl x req.ssl_sni -m reg (?=a)b\n use_backend b if x'),
    ('frontend', 'use_backend missing if { req.ssl_sni -i a.example.org }'),
    ('frontend', 'http-request deny'),
    ('frontend', 'colour red'),
    ('backend', 'balance uri'),
    ('backend', 'cookie SRV insert'),
    ('backend', 'stick-table type ip size 1m'),
    ('backend', 'option mysql-check'),
    ('backend', 'server s2 192.0.2.2:443 ssl verify none'),
    ('backend', 'server s2 192.0.2.2:443 check'),
    ('backend', 'server s2 192.0.2.2:443 check-send-proxy'),
    ('backend', 'server s2 192.0.2.2:443 weight 50%'),
    ('backend', 'server s2 192.0.2.2:+1000'),
    ('backend', 'server s2 ${HOST}:443'),
    ('backend', 'server-template s 3 x.example.org:443'),
    ('backend', 'option log-separate-errors'),
    ('backend', 'no option redispatch'),
    ('frontend', 'bind :9443 backlog 10'),
    ('frontend', 'backlog 70000'),
    ('frontend', 'bind :9443 maxconn 10'),
    ('frontend', 'bind 192.0.2.1:9000-9003'),
    ('backend', 'http-send-name-header Host'),
    ('peers', 'peers p'),
    ('none', 'mode tcp'),
    ('frontend', 'server s2 192.0.2.2:443'),
    ('backend', 'use_backend b if { req.ssl_sni -i a.example.org }'),
    ('backend', 'bind :9443'),
    ('backend', 'default_backend b'),
    ('backend', 'maxconn 10'),
    ('frontend', 'use-server s1 if { req.ssl_sni -i a.example.org }'),
    ('frontend', 'bind "${ADDR}:9443"'),
    ('frontend', 'bind fd@3'),
    ('frontend', 'bind :9443 interface eth0'),
    ('frontend', 'acl x req.ssl_sni -i a.example.org\n acl x src 192.0.2.0/24\n'
     ' use_backend b if x'),
    ('frontend', 'use_backend b if !{ req.ssl_sni -m found }'),
    ('backend', 'option external-check'),
    ('backend', 'http-check expect ! rstatus ^5'),
    ('backend', 'server s2 unix@/run/x.sock'),
    ('backend', 'server s2 192.0.2.2:443 agent-check agent-port 99'),
    ('backend', 'server s2 192.0.2.2:443 track b/s1'),
    ('backend', 'server s2 192.0.2.2:443 disabled'),
    ('backend', 'tcp-check send x'),
    ('backend', 'server s2 192.0.2.2:443 on-marked-down shutdown-sessions'),
    ('backend', 'server s2'),
    ('backend', 'server "s2 192.0.2.2:443'),
    ('backend', 'option "tcpka'),
    ('stats', 'stats auth "u:$HOME"'),
    ('stats', 'stats auth u:$6$plainword'),
    ('stats', 'stats auth u'),
    ('stats', 'stats uri /a;b'),
    ('stats', 'stats uri "/a#b"'),
    ('stats', 'stats uri a'),
    ('stats', 'bind [2001:db8::1]:9001'),
    ('stats', 'bind :9001 accept-proxy'),
    ('backend', 'retries 3x'),
    ('backend', 'server s2 192.0.2.2:443 inter 1w'),
    ('backend', 'server s2 192.0.2.2:443 "a\\nlog = 1"'),
    ('frontend', 'use_backend "b\\nlog = 1" if { req.ssl_sni -i a.example.org }'),
    ('peers', 'resolvers dns\n nameserver a 192.0.2.53:53\nuserlist u\n user a password b'),
]
WHOLE = '''@none@
global
 daemon
 @global@
frontend f
 mode tcp
 bind :8443
 @frontend@
 default_backend b
backend b
 mode tcp
 server s1 192.0.2.1:443
 @backend@
listen s
 bind 127.0.0.1:9000
 mode http
 stats enable
 @stats@
@peers@
'''


def whole(**more):
    return re.sub('@(.*?)@', lambda m: more.get(m.group(1), ''), WHOLE)


def test_everything_left_out_is_named():
    convert(whole())        # it is none of this that is left out
    for section, line in LEFT:
        text = convert(whole(**{section: line}), status=1)
        found = re.findall(r'LEFT OUT, line:(\d+): (.*)', text)
        wanted = [one.strip() for one in line.split('\n')]
        check(any(one in wanted or one.startswith('checks that differ') or
                  one.endswith('of some servers only') or
                  one in ('backend missing', 'listen s', 'backend b?log = 1') for _, one in found),
              '%r: named is %r', line, found)
        accepted(text)


# what is said of one that is easily said wrong, and nothing else
ONE_THING = 'durward looks at one thing, the name that a client asks for'
NEGATION = 'durward has no negation: it takes a client for the name that it asks for'
REASONS = [
    ('use_backend b if { hdr(host) -i x } { path_beg /a }', ONE_THING),
    ('use_backend b if !{ hdr(host) -i x } { path_beg /a }', ONE_THING),
    ('acl a hdr(host) -i x\n use_backend b if a !{ hdr(host) -i y }', ONE_THING),
    ('acl a hdr(host) -i x\n use_backend b if !a', NEGATION),
    ('use_backend b if ! { hdr(host) -i x }', NEGATION),
    ('use_backend b if gone', 'there is no ACL of this name: gone'),
    ('use_backend b if LOCALHOST', 'durward has none of the ACLs that HAProxy knows by itself'),
    ('option forwardfor header X except 192.0.2.0/24',
     'X-Forwarded-For, appended for every client, is all that durward adds'),
    ('mode http\n option forwardfor except 192.0.2.0/24',
     'of this, except: durward adds the address of every client'),
]


def test_reasons():
    for lines, reason in REASONS:
        text = convert(whole(frontend=lines), status=1)
        equal(re.findall(r'LEFT OUT, line:\d+: .*\n# +(.*)', text), [reason], lines)
    for args in [], ['/dev/null']:
        run = subprocess.run(['sh', TOOL] + args, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        equal(run.stderr.decode(), 'haproxy2durward: %s\n' % (
            '/dev/null: cannot be read' if args else 'standard input: nothing in it'))


# what is in the file, where, and what becomes of it
CARRIED = [
    ('global', 'grace 4s', 'drain-delay = "4s"'),
    ('global', 'hard-stop-after 10m', 'drain-timeout = "10m"'),
    ('frontend', 'tcp-request content reject if !{ req_ssl_hello_type 1 }',
     'bind = {"*:8443"}'),
    ('frontend', 'bind :::8443', 'bind = {"*:8443"}'),
    ('frontend', 'bind *:8443,:::8443 v4v6', 'bind = {"*:8443"}'),
    ('global', 'maxconn 5000', 'bind = {"*:8443"}\n\tprotocol = "tls"\n\tmax-connections = 5000'),
    ('global', 'maxconn 5000', 'protocol = "stats"\n\tmax-connections = 5000'),
    ('frontend', 'bind 0.0.0.0:8444\n bind [::]:8444',
     'bind = {"*:8443", "0.0.0.0:8444", "[::]:8444"}'),
]


def test_what_is_carried_over():
    for section, line, wanted in CARRIED:
        text = convert(whole(**{section: line}))
        check(wanted in text, '%r: no %r in\n%s', line, wanted, text)
        accepted(text)


def test_options_of_one_address():
    """durward has them for a listener, so that those whose clients begin with
    a PROXY header have one of their own: no other client's is believed."""
    both = 'frontend f\n mode tcp\n maxconn 50\n bind :1443%s\n bind :2443%s\n' \
        ' default_backend b\nbackend b\n mode tcp\n server s 192.0.2.1:1443\n'
    proxy = ' accept-proxy'
    for one, other, plain, proxied in (
            ('', '', '"*:1443", "*:2443"', ''), (proxy, proxy, '', '"*:1443", "*:2443"'),
            (proxy, '', '"*:2443"', '"*:1443"'), ('', proxy, '"*:1443"', '"*:2443"')):
        text = convert(both % (one, other))
        for binds, is_proxied in (plain, False), (proxied, True):
            if binds:
                name = 'f-proxy' if plain and is_proxied else 'f'
                listener = section(text, 'listener "%s"' % name)
                check('bind = {%s}' % binds in listener, 'no %s in %s', binds, text)
                equal('accept-proxy = {' in listener, is_proxied, listener)
                routes(accepted(text), (name + ',a.example', 'b.b.' + name))
        check('"s=192.0.2.1:1443"' in text or not (plain and proxied),
              'the port goes with the listener in\n%s', text)
    for one, other, status, wanted in (
            (' maxconn 9', '', 1, 50), ('', ' maxconn 9', 1, 50),
            (' maxconn 9', ' maxconn 8', 1, 17), (' maxconn 99', ' maxconn 9', 1, 50)):
        text = convert(both % (one, other), status)
        check('max-connections = %d' % wanted in text, '%r %r in\n%s', one, other, text)
    check('max-connections = 9' in convert(
        'listen f\n mode tcp\n maxconn 50\n bind :1443 maxconn 9\n server s 192.0.2.1\n'),
        'the limit of the only address')


def test_usage_and_errors():
    for args, status in ((['-x'], 2), (['a', 'b'], 2), (['/nonexistent'], 2),
                         (['-h'], 0)):
        run = subprocess.run(['sh', TOOL] + args, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        equal(run.returncode, status, 'exit status with %r' % args)


def test_names_are_as_the_page_says():
    with open(os.path.join(SRCDIR, 'man', 'haproxy2durward.1')) as f:
        page = f.read()

    def made(backend):
        text = convert('frontend f\n mode tcp\n bind :8443\n default_backend %s\n'
                       'backend %s\n server s 192.0.2.1:443\n' % (backend, backend))
        return re.search(r'cluster "(.*)"[^"]*service "(.*)"', text).groups()
    for start, end, wanted in (
            ('\nThe former are\n', ' ;\n', lambda w: ('one', w)),
            ('\nDropped everywhere are\n', '\nand the port', lambda w: ('one', 'one'))):
        words = re.findall(r'\b[a-z0-9]{2,}\b', page.split(start)[1].split(end)[0].replace(
            '\nand\n', '\n'))
        check(len(words) > 15, 'these words only: %r', words)
        for word in words:
            equal(made('one_' + word), wanted(word), 'cluster and service of one_' + word)
    for backend, *names in (('be_api_hub_6443', 'hub', 'api'), ('bk_a', 'a', 'a'),
                            ('bk_prod2', 'prod2', 'prod2'), ('bk_api', 'default', 'api'),
                            ('one_ingress_http', 'one', 'ingress'),
                            ('be_8443', 'default', 'be_8443')):
        equal(made(backend), tuple(names), 'cluster and service of ' + backend)


INHERITS = """
defaults base
 mode http
 maxconn 77
 option forwardfor except 192.0.2.0/24
 default-server send-proxy check inter 3s
 timeout client 30s
 timeout server 30s
 timeout connect 5s
 timeout http-request 9s
defaults other from base
 retries 5
 timeout client 40s
defaults from other
 balance leastconn
 stats uri /s
 disabled
frontend bystander
 bind 127.0.0.1:8001
 default_backend b
listen page
 bind 127.0.0.1:8002
 enabled
defaults plain
 mode tcp
 timeout client 1m
 timeout server 1m
 timeout connect 1m
frontend f from other
 bind 127.0.0.1:8003
 default_backend b
backend b from base
 server s 192.0.2.1:80
listen g
 bind 127.0.0.1:8443
 server s 192.0.2.1:443
"""


def section(text, title):
    """What stands in the section that begins so."""
    found = re.search(r'(?ms)^(\t*)%s \{\n(.*?)^\1\}' % re.escape(title), text)
    check(found, 'no %s in\n%s', title, text)
    return found.group(2)


def test_sections_that_begin_as_another():
    """defaults NAME from OTHER, and frontend NAME from DEFAULTS."""
    text = convert(INHERITS, status=1)
    equal(re.findall(r'LEFT OUT, line:\d+: (.*)', text),
          ['option forwardfor except 192.0.2.0/24'])
    accepted(text)
    for title, words in (
            ('listener "f"', ['protocol = "http"', 'max-connections = 77',
                              'timeouts { client = "40s" }']),
            ('listener "page"', ['protocol = "stats"', 'uri = "/s"']),
            ('cluster "b"', ['send-proxy = "v1"', 'interval = "3s"']),
            ('listener "g"', ['protocol = "tls"']),
            ('cluster "g"', ['type = "none"', 'connect = "1m"', 'idle = "1m"'])):
        for word in words:
            check(word in section(text, title), 'no %s in %s of\n%s', word, title, text)
    check('forwarded-for = false' not in text, 'an address is not forwarded')
    check('max-connections' not in section(text, 'listener "g"'), 'g has no maxconn')
    check('listener "bystander"' not in text, 'what is disabled is there')
    convert(INHERITS + 'backend c from nowhere\n', status=1)


# timeouts, the check, and how long a probe of durward may take; HAProxy: the
# connection min(connect, inter), and then timeout check
PROBES = [
    ('', 'check inter 3s', '3s'),
    ('timeout check 10s', 'check inter 3s', '6s'),
    ('timeout check 10s\n timeout connect 1500ms', 'check inter 3s', '4500ms'),
    ('option ssl-hello-chk', 'check inter 3s', '3s'),
    ('option ssl-hello-chk\n timeout check 500ms', 'check inter 3s', '3500ms'),
    ('option ssl-hello-chk\n timeout check 10s', 'check inter 3s', '6s'),
    ('option httpchk GET /\n timeout check 10s\n timeout connect 1s', 'check inter 3s', '4s'),
]


def test_how_long_a_probe_may_take():
    for lines, words, wanted in PROBES:
        text = convert('backend b\n %s\n server s 192.0.2.1:443 %s\n'
                       'frontend f\n mode tcp\n bind :8443\n default_backend b\n'
                       % (lines, words))
        check('timeout = "%s"' % wanted in section(text, 'cluster "b"'),
              '%r: no %s in\n%s', lines, wanted, text)
        equal('later counts as down' in text,
              'option' in lines and '10s' in lines, 'a remark on %r' % lines)
        accepted(text)
    # README's table has this file, and says "2s", which is the default
    text = convert(fixture('article'), status=1)
    equal(re.findall('(?m)^[^#]* timeout = "(.*?)"', text), [], 'others than 2s')
    equal(text.count('later counts as down'), 1, 'remarks')


# a password as haproxy.cfg has it, and what a client must say
PASSWORDS = [
    ('plain', 'plain'), (r'p\\q', r'p\q'), (r'"p\\\\q"', r'p\\q'), (r"'end\'", 'end\\'),
    (r"'a\\'", r'a\\'), (r'\\\\\\a', '\\\\\\a'), (r"\\\'", "\\'"), (r'"\"a\\\""', '"a\\"'),
    ("\"it's\"", "it's"), (r"it\'s\"", "it's\""), (r'a\ b\#c', 'a b#c'), (r'a\.b', r'a\.b'),
    (r'"a\$b"', 'a$b'), ("'a${HOME}b'", 'a${HOME}b'), (r'"a\${HOME}\\"', 'a${HOME}\\'),
    (r'\x41\x7a\\x41', r'Az\x41'), (r'a\tb', 'a\tb'), (r"'\n'", r'\n'), ('p:q', 'p:q'),
    (r"\t\'\"\\\${a", "\t'\"\\\\${a"),
]


def test_passwords():
    """The same one opens both, however it is written."""
    text, ports = 'defaults\n mode http\n timeout client 9s\n timeout server 9s\n' \
        ' timeout connect 9s\n', []
    for i, (written, _) in enumerate(PASSWORDS):
        ports.append(free_port())
        text += 'listen s%d\n bind 127.0.0.1:%d\n stats enable\n stats auth u:%s\n' % (
            i, ports[i], written)
    HAProxy(text, [('127.0.0.1', port) for port in ports])
    mine = [free_port() for _ in PASSWORDS]
    converted = convert(text)
    for theirs, ours in zip(ports, mine):
        converted = converted.replace(':%d"' % theirs, ':%d"' % ours)
    Durward(converted)
    for i, (written, password) in enumerate(PASSWORDS):
        for port in ports[i], mine[i]:
            pair = base64.b64encode(('u:' + password).encode()).decode()
            status, _, _ = http_request(port, 'localhost', '/haproxy?stats',
                                        'Authorization: Basic %s\r\n' % pair)
            equal(status, 200, 'status with %r, by %s' % (
                written, 'HAProxy' if port == ports[i] else 'durward'))


# --- the same names through both programs -----------------------------------

class Teller(TcpBackend):
    """Says which backend it is once a byte came; an HTTP answer to HTTP."""

    def serve(self, c):
        data = c.recv()
        if not data:
            return
        word = self.name.encode()
        if data[0] != 0x16:
            word = (b'HTTP/1.1 200 OK\r\nConnection: close\r\n'
                    b'Content-Length: %d\r\n\r\n%s' % (len(word), word))
        c.sock.sendall(word)


def on_loopback(text):
    """The same configuration with all on this machine: each backend is one
    teller, and in the second text, for HAProxy, each frontend has a free
    port.  Returns both texts and the ports."""
    ports, tellers, out, bound, section = {}, {}, [], [], None
    for line in text.split('\n'):
        words = line.split()
        if words and words[0] in ('frontend', 'backend', 'listen', 'global',
                                  'defaults'):
            section = words[1] if len(words) > 1 else None
        elif words and words[0] == 'bind':
            ports[section] = free_port()
            out.append(line)
            bound.append(' bind 127.0.0.1:%d' % ports[section])
            continue
        elif words and words[0] == 'server':
            if section not in tellers:
                tellers[section] = Teller(section)
            line = ' server %s 127.0.0.1:%d verify none' % (
                words[1], tellers[section].port)
        elif words and words[0] in ('http-send-name-header', 'log', 'daemon'):
            continue
        out.append(line)
        bound.append(line)
    return '\n'.join(out), '\n'.join(bound), ports


def where(port, is_http, name):
    """Which backend answers a client that asks for this name."""
    with connect(port) as s:
        if is_http:
            s.sendall(b'GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n'
                      % name.encode())
        else:
            s.sendall(simple_hello(name or None))
        data = b''
        try:
            while True:
                more = s.recv(4096)
                if not more:
                    break
                data += more
                if not is_http:
                    break
        except (ConnectionResetError, socket.timeout):
            pass
    if is_http:
        head, _, body = data.partition(b'\r\n\r\n')
        return body.decode() if b' 200 ' in head[:16] else None
    return data.decode() if data and data[0] != 0x15 else None


def made_up(count, stems, seed):
    """Names near to those that are routed, and far from them."""
    r = random.Random(seed)
    labels = ['a', 'www', 'console', 'api', 'apps', 'x-1', 'node7', 'node',
              'deep', 'old-shop', 'legacy', 'my-legacy', 'special', 'three']
    names = list(stems)
    while len(names) < count:
        name = '.'.join(r.sample(labels, r.randint(0, 2)) + [r.choice(stems)])
        if r.random() < 0.15:
            name = name.upper()
        if r.random() < 0.1:
            name = name.replace('.', '-', 1)
        if name not in names:
            names.append(name)
    return names[:count]


def compare(text, stems, is_http, count):
    """Every name goes to the same backend through both."""
    text, bound, ports = on_loopback(text)
    HAProxy(bound, [('127.0.0.1', port) for port in ports.values()])
    run = subprocess.run(['sh', TOOL], input=text, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, universal_newlines=True)
    check(run.returncode in (0, 1), 'haproxy2durward: %s', run.stderr)
    mine = {}

    def other(match):
        mine[match.group(2)] = free_port()
        return '%s"127.0.0.1:%d"' % (match.group(1), mine[match.group(2)])
    converted = re.sub(r'(listener "(.*)" \{\n\tbind = \{)".*?"', other,
                       run.stdout)
    converted = re.sub(r'(?m)^log = .*\n', '', converted)
    # one server a backend: its port is not to change with the listener's
    Durward(converted)
    asked = reached = 0
    for front, names in made_for(ports, stems, count):
        for name in names:
            http = is_http(front)
            theirs = where(ports[front], http, name)
            ours = where(mine[front], http, name)
            equal(ours, theirs, 'the backend of %r on %s' % (name, front))
            asked += 1
            reached += ours is not None
    check(asked >= count, 'only %d names', asked)
    check(asked / 10 < reached, 'only %d of %d names led anywhere', reached, asked)


def made_for(ports, stems, count):
    fronts = [f for f in ports if 'stats' not in f]
    for i, front in enumerate(fronts):
        yield front, made_up(-(-count // len(fronts)), stems, seed=i)


def test_a_thousand_names_of_three_clusters():
    stems = ['api.hub-cluster.linuxera.lab', 'api.managed1.linuxera.lab',
             'api.managed2.linuxera.lab', 'apps.hub.linuxera.lab',
             'apps.managed1.linuxera.lab', 'apps.managed2.linuxera.lab',
             'apps.hub-cluster.linuxera.lab']
    compare(fixture('article'), stems, lambda f: 'http-80' in f, 1000)


def test_names_of_the_guides():
    for name, is_http in (('openshift', lambda f: f.endswith('-80')),
                          ('kubeadm', lambda f: False)):
        compare(fixture(name), ['api.ocp.example.org', 'apps.ocp.example.org'],
                is_http, 200)


def test_a_thousand_names_by_every_kind_of_rule():
    stems = ['api.one.example.org', 'api.uno.example.org', 'apps.one.example.org',
             'apps.two.example.org', 'two.example.org', 'three.example.org',
             'node12.three.example.org', 'one.example.org', 'example.org']
    compare(fixture('names'), stems, lambda f: f == 'web', 1000)


if __name__ == '__main__':
    main()
