#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""HTTP with real programs: nginx behind, curl, wrk and ab before, halog
reading the log."""

import hashlib
import os
import re
import shutil
import subprocess

from lib import (Durward, HttpClient, HttpServer, Nginx, check, curl, equal,
                 free_port, main, scratch, shared, skip)

CONF = '''
listener "http" { bind = {"127.0.0.1:@http@"} protocol = "http" }
cluster "one" { service "ingress" { listeners = {"http"} hosts = {"one.test"}
    servers = {"n1=127.0.0.1:@n1@", "n2=127.0.0.1:@n2@"}
    balance = "roundrobin"  check { type = "http" path = "/" } } }
cluster "two" { service "ingress" { listeners = {"http"} hosts = {"two.test"}
    servers = {"n2=127.0.0.1:@n2@"}  check { type = "none" } } }
cluster "long" { service "ingress" { listeners = {"http"} hosts = {"127.0.0.1", "*"}
    servers = {"n1=127.0.0.1:@n1@"}  check { type = "none" } } }
'''

SERVER = '''
    server {
        listen 127.0.0.1:%(port)d;
        root %(dir)s;
        client_max_body_size 20m;
        keepalive_requests %(requests)d;
        location = / { return 200 "%(name)s $host $http_x_forwarded_for\\n"; }
        location = /close { keepalive_timeout 0; return 200 "closed\\n"; }
        location /put/ { dav_methods PUT; create_full_put_path on; }
        location = /small-only { client_max_body_size 1k;
            proxy_pass http://127.0.0.1:%(port)d/; }
        location = /chunked { ssi on; default_type text/html; alias %(dir)s/page.html; }
        location = /204 { return 204; }
    }
'''


@shared
def world():
    d = scratch()
    os.makedirs(os.path.join(d, 'put'))
    data = hashlib.sha512(b'seed').digest() * (10 << 14)
    with open(os.path.join(d, 'big'), 'wb') as f:
        f.write(data)
    with open(os.path.join(d, 'page.html'), 'w') as f:
        f.write('a<!--#echo var="host" -->b' * 1000)
    ports = free_port(), free_port()
    servers = ''.join(SERVER % {'port': p, 'name': n, 'dir': d, 'requests': r}
                      for p, n, r in zip(ports, ('n1', 'n2'), (1000, 7)))
    if '--with-http_dav_module' not in nginx_version():
        servers = re.sub(r'.*dav_methods.*\n', '', servers)
    Nginx(servers, [('127.0.0.1', p) for p in ports])
    daemon = Durward(CONF, n1=ports[0], n2=ports[1])
    return daemon, d, data


def nginx_version():
    from lib import find_nginx
    if not find_nginx():
        skip('no nginx here')
    return subprocess.run([find_nginx(), '-V'], stderr=subprocess.PIPE,
                          universal_newlines=True).stderr


def url(daemon, host, path):
    return ['--resolve', '%s:%d:127.0.0.1' % (host, daemon.port('http')),
            'http://%s:%d%s' % (host, daemon.port('http'), path)]


def test_both_clusters_on_one_connection():
    daemon, _, _ = world()
    with HttpClient(daemon.port('http')) as c:
        for i in range(60):         # n2 closes after each seventh
            a = c.get(('one.test', 'two.test')[i % 2])
            equal((a.status, a.field('connection')), (200, []), 'request %d' % i)
            check(re.match((rb'n[12] one.test 127.0.0.1\n',
                            rb'n2 two.test 127.0.0.1\n')[i % 2], a.body),
                  '%r', a.body)


def test_files_by_curl():
    daemon, d, data = world()
    want = hashlib.sha256(data).hexdigest()
    out = os.path.join(scratch(), 'out')
    for extra in ([], ['--http1.0'], ['-H', 'Connection: close']):
        run = curl('-o', out, *extra, *url(daemon, 'two.test', '/big'))
        equal(run.returncode, 0, run.stderr)
        with open(out, 'rb') as f:
            equal(hashlib.sha256(f.read()).hexdigest(), want, 'sum %s' % extra)
    run = curl('-r', '1000-1999', '-o', out, '-w', '%{http_code}',
               *url(daemon, 'two.test', '/big'))
    equal((run.stdout, open(out, 'rb').read()), ('206', data[1000:2000]))


def test_uploads_by_curl():
    daemon, d, data = world()
    if '--with-http_dav_module' not in nginx_version():
        skip('this nginx takes no PUT')
    source = os.path.join(d, 'big')
    for i, extra in enumerate(([], ['-H', 'Transfer-Encoding: chunked'],
                               ['-H', 'Expect: 100-continue'],
                               ['--http1.0'])):
        run = curl('-T', source, '-o', '/dev/null', '-w', '%{http_code}',
                   *(extra + url(daemon, 'two.test', '/put/%d' % i)))
        equal((run.returncode, run.stdout), (0, '201'), '%s %s' % (
            extra, run.stderr))
        with open(os.path.join(d, 'put', str(i)), 'rb') as f:
            check(f.read() == data, 'another file, with %s', extra)


def test_an_upload_that_is_too_large():
    daemon, d, _ = world()
    for extra in ([], ['-H', 'Expect:']):
        run = curl('--data-binary', '@' + os.path.join(d, 'big'), '-o',
                   '/dev/null', '-w', '%{http_code}',
                   *(extra + url(daemon, 'two.test', '/small-only')))
        equal(run.stdout, '413', '%s %s' % (extra, run.stderr))


def test_chunked_and_empty_answers():
    daemon, _, _ = world()
    with HttpClient(daemon.port('http')) as c:
        a = c.get('two.test', '/chunked')
        equal((a.status, a.field('transfer-encoding'), a.body),
              (200, ['chunked'], b'atwo.testb' * 1000))
        equal(c.get('two.test', '/chunked', method='HEAD').status, 200)
        equal(c.get('two.test', '/204').status, 204)
        equal(c.get('two.test', '/close').field('connection'), [])
        equal(c.get('two.test').status, 200)
        # 1.0: nginx sends no chunks then, but ends by close
        a = c.get('two.test', '/chunked', version='1.0')
        equal((a.field('transfer-encoding'), a.body), ([], b'atwo.testb' * 1000))


def tool(name):
    path = shutil.which(name, path=os.environ.get('PATH', '') +
                        ':/usr/sbin:/usr/local/bin')
    if not path:
        skip('no %s here' % name)
    return path


def run(*args, limit=60):
    return subprocess.run(args, stdin=subprocess.DEVNULL, timeout=limit,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True).stdout


def failures(daemon):
    return daemon.log_lines(r' (5\d\d|-1|4\d\d) \d+ - - ')[:5]


def test_wrk_sees_no_error():
    wrk = tool('wrk')
    daemon, _, _ = world()
    before = len(failures(daemon))
    for extra in ([], ['-H', 'Connection: close']):
        out = run(wrk, '-t1', '-c16', '-d2s', '-H', 'Host: one.test', *extra,
                  'http://127.0.0.1:%d/' % daemon.port('http'))
        check('requests in' in out, '%s', out)
        check('Non-2xx' not in out and 'Socket errors' not in out, '%s', out)
        print('     wrk%s: %s' % (' without keep-alive' if extra else '',
                                  out.split('Requests/sec:')[1].split()[0]))
    equal(failures(daemon)[before:], [])


def test_ab_sees_no_error():
    ab = tool('ab')
    daemon, d, _ = world()
    small = os.path.join(scratch(), 'small')
    with open(small, 'w') as f:
        f.write('x' * 3000)
    for extra in (['-k'], [], ['-k', '-p', small]):
        out = run(ab, '-q', '-n', '2000', '-c', '8', '-l', *extra, '-H',
                  'Host: two.test', 'http://127.0.0.1:%d/' % daemon.port('http'))
        check(re.search(r'Complete requests: +2000\n', out), '%s', out)
        check(re.search(r'Failed requests: +0\n', out), '%s', out)
        check('Non-2xx' not in out, '%s', out)


def test_halog_reads_the_log():
    halog = tool('halog')
    server = HttpServer('one')
    daemon = Durward(CONF.replace('"n1=127.0.0.1:@n1@", ', '')
                     .replace('check { type = "http" path = "/" }',
                              'check { type = "none" }'),
                     n1=server.port, n2=server.port)
    with HttpClient(daemon.port('http')) as c:
        for i in range(20):
            c.get(('one.test', 'two.test')[i % 2], '/page?%d' % (i % 3))
    with HttpClient(daemon.port('http')) as c:
        c.send(b'nonsense\r\n\r\n')
        equal(c.answer().status, 400)
    lines = daemon.wait_log(r' - - ', 21)
    path = os.path.join(scratch(), 'log')
    with open(path, 'w') as f:
        f.write('\n'.join(lines) + '\n')

    def said(*args):
        with open(path) as f:
            done = subprocess.run([halog, *args], stdin=f, timeout=20,
                                  stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE,
                                  universal_newlines=True)
        return done.stdout, done.stderr
    out, err = said('-srv')
    rows = {line.split()[0]: line.split() for line in out.split('\n')
            if line and not line.startswith('#')}
    equal((rows['one.ingress.http/n2'][2], rows['two.ingress.http/n2'][2]),
          ('10', '10'), out + err)
    out, err = said('-st')
    equal(sorted(out.split('\n')[:2]), ['200 20', '400 1'], out + err)
    out, err = said('-u')
    check(re.search(r'^20 0 .* /page$', out, re.M), '%s%s', out, err)
    out, err = said('-tc')
    equal(sorted(out.split('\n')[:2]), ['-- 20', 'PR 1'], out + err)
    err = said('-pct')[1]
    check('21 lines in' in err and ' 0 parsing errors' in err, '%s', err)


main()
