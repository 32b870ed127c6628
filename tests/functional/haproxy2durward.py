#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""haproxy2durward: what it makes is good, and says what it left out."""

import re
import subprocess

from lib import check, equal, main
from lib.convert import TOOL, accepted, convert, fixture, routes


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
        run = subprocess.run([TOOL] + args, stdin=subprocess.DEVNULL,
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


def test_usage_and_errors():
    for args, status in ((['-x'], 2), (['a', 'b'], 2), (['/nonexistent'], 2),
                         (['-h'], 0)):
        run = subprocess.run([TOOL] + args, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        equal(run.returncode, status, 'exit status with %r' % args)


if __name__ == '__main__':
    main()
