# SPDX-License-Identifier: ISC
"""A real nginx, run in the foreground by whoever runs the test."""

import os
import shutil
import signal
import subprocess

from . import procs
from .ports import is_listening
from .run import Failure, check, own, scratch, skip, wait_for


def find_nginx():
    path = os.environ.get('PATH', '') + ':/usr/sbin:/usr/local/sbin:/sbin'
    return shutil.which('nginx', path=path)


class Nginx:
    """nginx with these server blocks; listens is [(address, port)] to wait
    for.  Temporary files stay in a directory of its own."""

    def __init__(self, servers, listens, directory=None, http=''):
        self.binary = find_nginx()
        if not self.binary:
            skip('no nginx here')
        self.dir = directory or scratch()
        self.listens = listens
        self.conf = os.path.join(self.dir, 'nginx.conf')
        self.error_log = os.path.join(self.dir, 'nginx-error.log')
        temp = ''.join('    %s_temp_path %s/temp-%s;\n' % (what, self.dir, what)
                       for what in ('client_body', 'proxy', 'fastcgi', 'uwsgi',
                                    'scgi'))
        text = 'daemon off;\nworker_processes 1;\npid %s/nginx.pid;\n' \
               'error_log %s notice;\n' % (self.dir, self.error_log)
        if os.geteuid() == 0:
            text = 'user root;\n' + text    # it reads this run's own keys
        text += 'events { worker_connections 1024; }\nhttp {\n' \
                '    access_log off;\n    server_tokens off;\n' \
                '    keepalive_timeout 65s;\n' + temp + http + servers + '}\n'
        with open(self.conf, 'w') as f:
            f.write(text)
        self.process = None
        own(self)
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [self.binary, '-p', self.dir, '-c', self.conf, '-e',
             self.error_log], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True)

        def up():
            if self.process.poll() is not None:
                raise Failure('nginx ended: ' + Nginx.evidence(self))
            return all(is_listening(a, p) for a, p in self.listens)
        try:
            wait_for(up, 10, 'nginx to listen')
        except Failure as e:
            raise Failure('%s\n%s' % (e, Nginx.evidence(self)))

    def stop(self, signum=signal.SIGTERM):
        if self.process is None:
            return
        group = self.process.pid
        if self.process.poll() is None:
            self.process.send_signal(signum)
            self.process.wait(10)
        self.process = None
        wait_for(lambda: not procs.group_of(group), 10, 'nginx to be gone')

    def reload(self):
        check(self.process.poll() is None, 'nginx is not running')
        self.process.send_signal(signal.SIGHUP)

    def close(self):
        self.stop()

    def evidence(self):
        try:
            with open(self.error_log, errors='replace') as f:
                return '--- %s\n%s' % (self.error_log,
                                       ''.join(f.readlines()[-30:]))
        except OSError as e:
            return '--- %s' % e
