# SPDX-License-Identifier: ISC
"""The proxies, each set up for the same job: a TLS listener that routes by
server name and an HTTP one that routes by Host, three servers to a backend,
a log line for every connection or request.

HAProxy has the settings of the article that durward replaces, and its log
formats; durward has those of its sample.  sniproxy knows one server to a
name, logs to a file, and reads only the first request of a connection.
"""

import os
import random
import shutil
import socket
import subprocess
import time

from meter import Meter

PATH = os.environ.get('PATH', '') + ':/usr/local/sbin:/usr/sbin:/sbin'
ADDRESSES = ('127.0.0.2', '127.0.0.3', '127.0.0.4')
TLS_JOBS = ('hello', 'echo', 'bulk')
NO_TLS = ('echo', 'bulk')       # their answer is none of TLS: probed by TCP alone


def find(program):
    return shutil.which(program, path=PATH)


def free_port(kind=socket.SOCK_STREAM):
    """Below those that the kernel gives to clients: a busy machine's ends
    of connections would take it away before we are there."""
    while True:
        port = random.randrange(12000, 32000)
        with socket.socket(socket.AF_INET, kind) as s:
            try:
                s.bind(('', port))
                return port
            except OSError:
                pass


def wait_port(port, process, limit=60):
    end = time.monotonic() + limit
    while True:
        try:
            socket.create_connection(('127.0.0.1', port), 1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError('%s did not start' % process.args[0])
            time.sleep(0.002)


class Peer:
    """One proxy, to be started again for as many jobs as need it.

    world: {'log': port, 'hello': port, ...} the servers' and the sink's.
    names: routes of the form n00000.bench.test besides the three jobs'.
    probed: servers that nobody asks for, to be probed each second.
    """
    what = None             # its executable
    http = True             # does the same work for HTTP
    checks = True           # probes servers

    def __init__(self, world, directory, names=0, probed=()):
        self.world = world
        self.names = names
        self.probed = probed
        self.tls_port = free_port()
        self.http_port = free_port()
        self.dir = os.path.join(directory, '%s-%d' % (self.label, self.tls_port))
        os.mkdir(self.dir)
        os.chmod(self.dir, 0o777)       # its user is not ours
        self.process = None

    def write(self, name, text):
        path = os.path.join(self.dir, name)
        with open(path, 'w') as f:
            f.write(text)
        return path

    def start(self):
        """Seconds until it took a connection."""
        self.meter = Meter('%s-%d' % (self.label, self.tls_port))
        argv = self.argv()
        begin = time.monotonic()
        with open(os.path.join(self.dir, 'output'), 'ab') as out:
            self.process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                preexec_fn=self.meter.enter, start_new_session=True)
        self.meter.attach(self.process.pid)
        try:
            wait_port(self.tls_port, self.process)
        except RuntimeError as e:
            self.stop()
            with open(os.path.join(self.dir, 'output'), errors='replace') as f:
                raise RuntimeError('%s: %s' % (e, f.read()[-2000:]))
        return time.monotonic() - begin

    def stop(self):
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        end = time.monotonic() + 10
        while self.meter.group and self.meter.pids() and time.monotonic() < end:
            time.sleep(0.02)
        self.meter.close()
        self.process = None

    def services(self):
        """(name, port of its servers, names it answers to)"""
        yield from ((job, self.world[job], [job + '.bench.test'])
                    for job in TLS_JOBS)
        for i in range(0, self.names, 100):
            yield ('many%d' % i, self.world['hello'],
                   ['n%05d.bench.test' % n
                    for n in range(i, min(i + 100, self.names))])


class Durward(Peer):
    label = what = 'durward'
    spares = 'spare-workers { min = 8  max = 64 }'      # the defaults

    @staticmethod
    def installed():
        return os.environ.get('DURWARD', './durward')

    def argv(self):
        conf = '''user = "nobody"  group = "nogroup"
pid-file = "%s/pid"  control = "%s/control"
log = "udp:127.0.0.1:%d:local2"
max-connections = 4000
%s
listener "tls"  { bind = {"127.0.0.1:%d"}  protocol = "tls"  max-connections = 3500 }
listener "web"  { bind = {"127.0.0.1:%d"}  protocol = "http"  max-connections = 3500 }
cluster "bench" {
''' % (self.dir, self.dir, self.world['log'], self.spares, self.tls_port, self.http_port)
        for name, port, hosts in self.services():
            conf += self.service('tls', name, hosts, [(a, port) for a in ADDRESSES])
        conf += self.service('web', 'web', ['http.bench.test'],
                             [(a, self.world['http']) for a in ADDRESSES])
        if self.probed:
            conf += self.service('tls', 'probed', ['probed.bench.test'], self.probed)
        return [os.path.abspath(self.installed()), '-f', '-c',
                self.write('conf', conf + '}\n')]

    @staticmethod
    def service(listener, name, hosts, servers):
        check = '    check { type = "tcp" }\n' if name in NO_TLS else ''
        return 'service "%s" { listeners = {"%s"}  hosts = {%s}\n' \
               '    servers = {%s}\n%s}\n' % (
                   name, listener, ', '.join('"%s"' % h for h in hosts),
                   ', '.join('"%s:%d"' % s for s in servers), check)

    def reload(self):
        """Seconds until the configuration was in service again."""
        begin = time.monotonic()
        subprocess.run([os.environ.get('DURWARDCTL', './durwardctl'), '-s',
                        self.dir + '/control', 'reload'], check=True,
                       stdout=subprocess.DEVNULL)
        return time.monotonic() - begin


class Haproxy(Peer):
    label = what = 'haproxy'
    more = ''

    @staticmethod
    def installed():
        return find('haproxy')

    def argv(self):
        conf = '''global
    log 127.0.0.1:%d local2
    maxconn 4000
%s
defaults
    mode tcp
    log global
    retries 3
    timeout http-request 10s
    timeout queue 1m
    timeout connect 10s
    timeout client 1m
    timeout server 1m
    timeout http-keep-alive 10s
    timeout check 10s
    maxconn 3500
%s
frontend tls
    bind 127.0.0.1:%d
    option tcplog
    tcp-request inspect-delay 5s
    tcp-request content accept if { req_ssl_hello_type 1 }
''' % (self.world['log'], 'tune.pipesize 1048576' if self.more else '',
            self.more, self.tls_port)
        # 10,000 names as the article does names: a chain of rules
        for name, _, hosts in self.services():
            conf += ''.join('    use_backend be_%s if { req_ssl_sni -i %s }\n' %
                            (name, h) for h in hosts)
        if self.probed:
            conf += '    use_backend be_probed if { req_ssl_sni -i probed.bench.test }\n'
        conf += '''
frontend web
    bind 127.0.0.1:%d
    mode http
    option httplog
    acl ACL_web hdr(host) -m reg -i ^[^\\.]+\\.bench\\.test
    use_backend be_web if ACL_web
backend be_web
    mode http
    balance hdr(Host)
    hash-type consistent
    option forwardfor
    http-send-name-header Host
''' % self.http_port
        conf += self.servers([(a, self.world['http']) for a in ADDRESSES])
        for name, port, _ in self.services():
            conf += self.backend(name, [(a, port) for a in ADDRESSES])
        if self.probed:
            conf += self.backend('probed', self.probed)
        return [self.installed(), '-db', '-f', self.write('conf', conf)]

    def backend(self, name, servers):
        hello = '' if name in NO_TLS else '    option ssl-hello-chk\n'
        return 'backend be_%s\n    balance source\n%s%s' % (
            name, hello, self.servers(servers))

    @staticmethod
    def servers(servers):
        return ''.join('    server s%d %s:%d check inter 1s\n' % (i, a, p)
                       for i, (a, p) in enumerate(servers))


class HaproxySplice(Haproxy):
    label = 'haproxy+splice'
    more = '    option splice-request\n    option splice-response'
    http = False


class Nginx(Peer):
    label = what = 'nginx'
    checks = False

    @classmethod
    def installed(cls):
        program = find('nginx')
        return program if program and cls.stream() is not None else None

    @staticmethod
    def stream():
        """The line that loads the stream module; None where there is none."""
        version = subprocess.run([find('nginx'), '-V'], stderr=subprocess.PIPE,
                                 universal_newlines=True).stderr
        if '--with-stream=dynamic' not in version:
            return '' if '--with-stream' in version else None
        for path in (os.environ.get('NGINX_STREAM_MODULE', ''),
                     '/usr/lib/nginx/modules/ngx_stream_module.so',
                     '/usr/lib64/nginx/modules/ngx_stream_module.so'):
            if os.path.exists(path):
                return 'load_module %s;\n' % path
        return None

    def argv(self):
        group = ''.join('  upstream %s { hash $remote_addr consistent; %s }\n' % (
            name, self.servers(port)) for name, port, _ in self.services())
        names = ''.join('    %s %s;\n' % (h, name)
                        for name, _, hosts in self.services() for h in hosts)
        temp = ''.join('  %s_temp_path %s/%s;\n' % (what, self.dir, what) for what in
                       ('client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'))
        values = {'dir': self.dir, 'stream': self.stream(), 'log': self.world['log'],
                  'tls': self.tls_port, 'http': self.http_port, 'group': group,
                  'names': names, 'temp': temp,
                  'web': self.servers(self.world['http'])}
        text = '''%(stream)sdaemon off;
user nobody nogroup;
worker_processes auto;
worker_rlimit_nofile 16000;
pid %(dir)s/pid;
error_log %(dir)s/error notice;
events { worker_connections 8000; }
stream {
  map_hash_max_size 65536;
  map_hash_bucket_size 128;
  log_format tcp '$remote_addr:$remote_port [$time_local] $ssl_preread_server_name '
    '$upstream_addr $upstream_connect_time/$session_time $bytes_sent $status';
  access_log syslog:server=127.0.0.1:%(log)d,facility=local2 tcp;
  map $ssl_preread_server_name $to {
%(names)s  }
%(group)s
  server {
    listen 127.0.0.1:%(tls)d backlog=4096;
    ssl_preread on;
    preread_timeout 5s;
    proxy_connect_timeout 10s;
    proxy_timeout 1h;
    proxy_pass $to;
  }
}
http {
%(temp)s  access_log syslog:server=127.0.0.1:%(log)d,facility=local2 combined;
  keepalive_requests 100000000;
  upstream web { hash $host consistent; %(web)s keepalive 64;
    keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:%(http)d backlog=4096;
    server_name *.bench.test;
    location / {
      proxy_pass http://web;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }
  }
}
''' % values
        return [self.installed(), '-p', self.dir, '-c', self.write('conf', text),
                '-e', self.dir + '/error']

    @staticmethod
    def servers(port):
        return ' '.join('server %s:%d;' % (a, port) for a in ADDRESSES)


class Sniproxy(Peer):
    label = what = 'sniproxy'
    http = False
    checks = False

    @staticmethod
    def installed():
        return find('sniproxy')

    def argv(self):
        log = self.dir + '/access'
        text = 'user nobody\npidfile %s/pid\nerror_log {\n    filename %s/error\n}\n' % (
            self.dir, self.dir)
        text += 'listen 127.0.0.1:%d {\n    proto tls\n    table tls\n' \
                '    access_log {\n        filename %s\n    }\n}\n' % (self.tls_port, log)
        text += 'table tls {\n' + ''.join(
            '    ^%s$ %s:%d\n' % (h.replace('.', '\\\\.'), ADDRESSES[0], port)
            for _, port, hosts in self.services() for h in hosts) + '}\n'
        return [self.installed(), '-f', '-c', self.write('conf', text)]


ALL = (Durward, Haproxy, HaproxySplice, Nginx, Sniproxy)
