#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""haproxy2durward: the same names go to the same backends through both."""

import random
import re
import socket
import subprocess

from lib import (Durward, HAProxy, TcpBackend, check, connect, equal,
                 free_port, main, simple_hello)
from lib.convert import TOOL, fixture


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
    run = subprocess.run([TOOL], input=text, stdout=subprocess.PIPE,
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
