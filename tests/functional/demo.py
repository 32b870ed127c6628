#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The demo shows what it promises, and leaves nothing behind."""

import os
import re
import signal
import subprocess
import sys

from lib import (SRCDIR, Failure, check, connect, equal, find_nginx, group_of,
                 main, own, scratch, skip, wait_for)

CLUSTERS = ('hub', 'managed1', 'managed2')


class Demo:
    """The demo on free ports, its files below a directory of the test's."""

    def __init__(self, *args):
        if not find_nginx():
            skip('no nginx here')
        self.dir = scratch()
        self.output = os.path.join(self.dir, 'output')
        own(self)
        with open(self.output, 'wb') as f:
            self.process = subprocess.Popen(
                [sys.executable, os.path.join(SRCDIR, 'tests/demo/demo'),
                 '--free-ports'] + list(args),
                stdin=subprocess.DEVNULL, stdout=f, stderr=f,
                start_new_session=True, env=dict(os.environ, TMPDIR=self.dir))

    def said(self):
        with open(self.output, errors='replace') as f:
            return f.read()

    def end(self, limit=60):
        """Its exit status; none of its processes and files may be left."""
        status = self.process.wait(limit)
        wait_for(lambda: not group_of(self.process.pid), 10,
                 'the demo\'s own processes to be gone')
        equal(sorted(os.listdir(self.dir)), ['output'], 'files left')
        for port in set(re.findall(r'127\.0\.0\.1:(\d+)', self.said())):
            try:
                connect(int(port)).close()
            except ConnectionRefusedError:
                continue
            raise Failure('somebody still listens on port ' + port)
        return status

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)

    def evidence(self):
        return '--- the demo said\n' + self.said()


def rows(text):
    """[(scheme, name, verdict, what came back)]"""
    return re.findall(r'(?m)^  (https?)://([\w.-]+):\d+ +(ok|WRONG) +(.*)$',
                      text)


def test_every_row_is_right():
    demo = Demo('--once')
    equal(demo.end(), 0, 'exit status')
    found = rows(demo.said())
    equal([r for r in found if r[2] != 'ok'], [], 'wrong rows')
    for cluster in CLUSTERS:
        for start in (('https', 'api.'), ('https', 'console.'),
                      ('http', 'console.')):
            check(any(r[0] == start[0] and r[1].startswith(start[1]) and
                      r[3].startswith(cluster + ' ') for r in found),
                  '%s was not asked for %s://%s', cluster, *start)
    check('user CN=kubernetes-admin' in demo.said(), 'no client certificate')
    check('unrecognized name' in demo.said(), 'no unknown name was tried')
    check('curl --resolve ' in demo.said(), 'it does not say what to try')


def test_it_stays_up_until_ctrl_c():
    demo = Demo()
    wait_for(lambda: 'Up until Ctrl-C' in demo.said() or
             demo.process.poll() is not None, 60, 'the demo to be up')
    equal(demo.process.poll(), None, 'exit status before Ctrl-C')
    demo.process.send_signal(signal.SIGINT)
    equal(demo.end(), 0, 'exit status')


if __name__ == '__main__':
    main()
