# SPDX-License-Identifier: ISC
"""A real HAProxy, run in the foreground by whoever runs the test."""

import os
import shutil
import subprocess

from .ports import is_listening
from .run import check, own, scratch, skip, wait_for


class HAProxy:
    """HAProxy with this configuration; listens is [(address, port)] to wait
    for."""

    def __init__(self, text, listens=()):
        program = shutil.which('haproxy',
                               path=os.environ['PATH'] + ':/usr/sbin:/sbin')
        if not program:
            skip('no haproxy here')
        directory = scratch()
        self.conf = os.path.join(directory, 'haproxy.cfg')
        with open(self.conf, 'w') as f:
            f.write(text)
        self.log = open(os.path.join(directory, 'log'), 'w+')
        self.process = subprocess.Popen(
            [program, '-db', '-f', self.conf], stdin=subprocess.DEVNULL,
            stdout=self.log, stderr=self.log)
        own(self)

        def up():
            check(self.process.poll() is None, 'haproxy ended')
            return all(is_listening(a, p) for a, p in listens)
        wait_for(up, 10, 'haproxy to listen')

    def evidence(self):
        self.log.seek(0)
        return '--- haproxy\n' + self.log.read()

    def close(self):
        self.process.terminate()
        self.process.wait(10)
        self.log.close()
