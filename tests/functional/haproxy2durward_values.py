#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""haproxy2durward: a setting means in durward what it means in HAProxy."""

import base64
import os
import re

from lib import Durward, HAProxy, check, equal, free_port, http_request, main
from lib.convert import accepted, convert, fixture, routes, section
from lib.daemon import SRCDIR


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


if __name__ == '__main__':
    main()
