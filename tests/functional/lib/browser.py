# SPDX-License-Identifier: ISC
"""A headless Chromium, driven by its own protocol (CDP) over two pipes: what it
drew, what it asked for, and all it had to complain about."""

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import time

from .daemon import DURWARD
from .run import Failure, check, own, scratch, skip

FLAGS = ['--headless=new', '--remote-debugging-pipe', '--no-first-run', '--disable-gpu',
         '--disable-background-networking', '--disable-component-update', '--disable-sync',
         '--disable-default-apps', '--disable-extensions', '--disable-dev-shm-usage',
         '--no-default-browser-check', '--hide-scrollbars', '--mute-audio']


def artifacts():
    """Where pictures are kept: in the build, or where DURWARD_ARTIFACTS says."""
    where = os.environ.get('DURWARD_ARTIFACTS') or os.path.join(
        os.path.dirname(os.path.abspath(DURWARD)), 'tests', 'artifacts')
    os.makedirs(where, exist_ok=True)
    return where


def _at_3_and_4(read_end, write_end):
    """For the child: the pipe's ends under the numbers that Chromium expects."""
    def move():
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 20) for fd in (read_end, write_end)]
        os.dup2(high[0], 3)
        os.dup2(high[1], 4)
        for fd in high:
            os.close(fd)
    return move


class Browser:
    """One page in one browser; events holds all that came, by method."""

    def __init__(self):
        binary = shutil.which('chromium') or shutil.which('chromium-browser') or \
            shutil.which('google-chrome')
        if not binary:
            skip('no chromium here (Debian: apt-get install chromium)')
        self.log_path = os.path.join(scratch(), 'chromium.log')
        flags = FLAGS + ['--user-data-dir=' + scratch()]
        if os.geteuid() == 0:
            flags.append('--no-sandbox')        # its own refuses root
        down, up = os.pipe(), os.pipe()
        with open(self.log_path, 'wb') as log:
            self.process = subprocess.Popen(
                [binary] + flags + ['about:blank'], stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, close_fds=False, start_new_session=True,
                preexec_fn=_at_3_and_4(down[0], up[1]))
        os.close(down[0])
        os.close(up[1])
        self.to, self.from_ = down[1], up[0]
        self.pending, self.number, self.events = b'', 0, []
        self.session = None
        own(self)
        targets = self.call('Target.getTargets')['targetInfos']
        page = [t for t in targets if t['type'] == 'page'][0]
        self.session = self.call('Target.attachToTarget', targetId=page['targetId'],
                                 flatten=True)['sessionId']
        for domain in 'Page', 'Runtime', 'Log', 'Network', 'Accessibility', 'DOM', 'Audits':
            self.call(domain + '.enable')

    def close(self):
        if self.process is None:
            return
        try:
            self.session = None
            self.call('Browser.close', limit=10)
        except (Failure, OSError):
            pass
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)     # its helpers too
        except ProcessLookupError:
            pass
        self.process.wait(10)
        self.process = None
        os.close(self.to)
        os.close(self.from_)

    def evidence(self):
        with open(self.log_path, errors='replace') as f:
            return '--- chromium\n' + ''.join(f.readlines()[-20:])

    # -- the protocol

    def _message(self, end):
        """The next one; None at the end of our patience."""
        while b'\0' not in self.pending:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.from_], [], [], left)[0]:
                return None
            data = os.read(self.from_, 1 << 20)
            if not data:
                raise Failure('chromium has ended')
            self.pending += data
        text, _, self.pending = self.pending.partition(b'\0')
        return json.loads(text)

    def _note(self, message):
        if 'method' in message:
            self.events.append((message['method'], message['params']))

    def call(self, method, limit=60, **params):
        self.number += 1
        message = {'id': self.number, 'method': method, 'params': params}
        if self.session:
            message['sessionId'] = self.session
        data = json.dumps(message).encode() + b'\0'
        while data:
            data = data[os.write(self.to, data):]
        end = time.monotonic() + limit
        while True:
            got = self._message(end)
            if got is None:
                raise Failure('chromium did not answer %s' % method)
            if got.get('id') == message['id']:
                check('error' not in got, '%s: %s', method, got.get('error'))
                return got['result']
            self._note(got)

    def named(self, method):
        return [params for name, params in self.events if name == method]

    def wait(self, method, count=1, limit=30):
        """Until an event came count times (since the events were cleared)."""
        end = time.monotonic() + limit
        while len(self.named(method)) < count:
            got = self._message(end)
            if got is None:
                raise Failure('no %s in %d s' % (method, limit))
            self._note(got)

    # -- what a test wants

    def open(self, url):
        self.events = []
        self.call('Page.navigate', url=url)
        self.wait('Page.loadEventFired')

    def run(self, script):
        got = self.call('Runtime.evaluate', expression=script, returnByValue=True)
        check('exceptionDetails' not in got, '%s: %s', script, got.get('exceptionDetails'))
        return got['result'].get('value')

    def look(self, width, height=900, scheme='light', phone=False):
        """Be a window, or a phone, of this size."""
        self.call('Emulation.setDeviceMetricsOverride', width=width, height=height,
                  deviceScaleFactor=2 if phone else 1, mobile=phone)
        self.call('Emulation.setEmulatedMedia', media='', features=[
            {'name': 'prefers-color-scheme', 'value': scheme}])

    def picture(self, name):
        """The whole page, kept as NAME.png."""
        size = self.call('Page.getLayoutMetrics')['cssContentSize']
        data = self.call('Page.captureScreenshot', format='png', captureBeyondViewport=True,
                         clip={'x': 0, 'y': 0, 'width': size['width'],
                               'height': size['height'], 'scale': 1})['data']
        path = os.path.join(artifacts(), name + '.png')
        with open(path, 'wb') as f:
            f.write(base64.b64decode(data))
        return path

    def key(self, key, code=0, text=''):
        for kind in 'keyDown', 'keyUp':
            self.call('Input.dispatchKeyEvent', type=kind, key=key, code=key, text=text if
                      kind == 'keyDown' else '', windowsVirtualKeyCode=code)

    def complaints(self):
        """What a developer would see in red or yellow in the console, and what
        the browser would like to see changed."""
        return ([p['entry']['text'] for p in self.named('Log.entryAdded')] +
                [str(p) for p in self.named('Runtime.consoleAPICalled')] +
                [str(p) for p in self.named('Runtime.exceptionThrown')] +
                [str(p['issue']) for p in self.named('Audits.issueAdded')])

    def requests(self):
        return [p['request']['url'] for p in self.named('Network.requestWillBeSent')]
