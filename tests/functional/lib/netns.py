# SPDX-License-Identifier: ISC
"""Network namespaces and the wires between them; nothing in the host's.

Needs root; where it cannot be had the case is skipped.
"""

import contextlib
import ctypes
import os
import shutil
import subprocess

from .alone import CLONE_NEWNET
from .run import own, skip


class Network:
    """Namespaces have short names here: the system's begin with a prefix of
    the test's own."""

    def __init__(self, label, names):
        if os.geteuid() != 0:
            skip('not root')
        if not shutil.which('ip'):
            skip('no ip here')
        self.prefix = 'durward-%s-%d-' % (label, os.getpid())
        self.made = []
        own(self)
        for name in names:
            self._add(name)

    def name(self, short):
        return self.prefix + short

    def _add(self, short):
        self._or_skip('ip', 'netns', 'add', self.name(short))
        self.made.append(self.name(short))
        # ip enters it with a mount of its own, which not every chroot allows
        self._or_skip('ip', '-n', self.name(short), 'link', 'set', 'lo', 'up')

    def _or_skip(self, *command):
        run = subprocess.run(command, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             universal_newlines=True)
        if run.returncode != 0:
            skip('no network namespaces here: ' + run.stdout.strip())

    def ip(self, short, command):
        run = subprocess.run(['ip', '-n', self.name(short)] + command.split(),
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             universal_newlines=True, check=True)
        return run.stdout

    def wire(self, one, device, other, other_device=None):
        """A cable from a device of one to a device of the other."""
        self.ip(one, 'link add %s type veth peer name %s netns %s' % (
            device, other_device or device, self.name(other)))

    def up(self, short, device, addresses):
        for address in addresses:
            self.ip(short, 'address add %s/24 dev %s' % (address, device))
        self.ip(short, 'link set %s up' % device)

    @contextlib.contextmanager
    def inside(self, short):
        """This thread, and what it starts, in that namespace."""
        libc = ctypes.CDLL(None, use_errno=True)
        with open('/proc/thread-self/ns/net') as home, \
                open('/run/netns/' + self.name(short)) as there:
            _enter(libc, there)
            try:
                yield
            finally:
                _enter(libc, home)

    def close(self):
        for name in self.made:
            subprocess.run(['ip', 'netns', 'del', name],
                           stdin=subprocess.DEVNULL, check=True)


def _enter(libc, namespace):
    if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
