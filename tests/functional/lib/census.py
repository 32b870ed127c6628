# SPDX-License-Identifier: ISC
"""All that a daemon holds: processes, descriptors, mappings, memory, counts.
Taken when it is quiet, before and after, it says whether anything drifted."""

import collections
import json
import os
import re
import subprocess

from . import procs
from .daemon import DURWARD, sanitized
from .run import Failure, skip

LEDGER = os.path.join(os.path.dirname(DURWARD), 'tests', 'functional', 'ledger')


def ledger(daemon):
    """What its shared memory counts (see ledger.c); "held" is what its
    workers' slots add up to."""
    if not os.access(LEDGER, os.X_OK):
        skip('tests/functional/ledger is not built')
    run = subprocess.run([LEDGER, str(daemon.pid)], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, universal_newlines=True)
    if run.returncode:
        raise Failure('ledger: ' + run.stderr.strip())
    return json.loads(run.stdout)


def wrong_counts(book):
    """Counts that are not what the slots add up to, as {name: (is, should)}."""
    return {name: (book[name], should) for name, should in book['held'].items()
            if book[name] != should}


def role(title):
    """'idle https' of 'durward: idle https', '-' where it has a client."""
    found = re.match(r'durward: ((?:master|checker|clerk|logger|resolver)$|'
                     r'idle \S+$)', title)
    return found.group(1) if found else '-'


def descriptors(pid):
    return len(os.listdir('/proc/%d/fd' % pid))


def mappings(pid):
    with open('/proc/%d/maps' % pid) as f:
        return sum(1 for _ in f)


def status_kib(pid, field):
    with open('/proc/%d/status' % pid) as f:
        found = re.search(r'^%s:\s+(\d+) kB' % field, f.read(), re.M)
    return int(found.group(1)) if found else 0


class Census:
    """counts must be the same at every quiet moment; kib may breathe."""

    def __init__(self, daemon):
        titles = daemon.processes()
        titles[daemon.pid] = procs.title(daemon.pid)
        roles = {pid: role(t) for pid, t in titles.items()}
        self.processes = collections.Counter(roles.values())
        self.descriptors, self.mappings, self.kib = {}, {}, {}
        for pid, name in roles.items():
            try:
                fds, maps = descriptors(pid), mappings(pid)
                rss = status_kib(pid, 'RssAnon')
            except OSError:     # it went while we looked
                continue
            for table, value in ((self.descriptors, fds), (self.mappings, maps),
                                 (self.kib, rss)):
                table[name] = max(value, table.get(name, 0))
        self.kib['shared memory'] = self._segment(daemon.pid)
        self.book = ledger(daemon)

    @staticmethod
    def _segment(pid):
        """KiB of the segment that were ever touched."""
        for fd in os.listdir('/proc/%d/fd' % pid):
            path = '/proc/%d/fd/%s' % (pid, fd)
            if os.readlink(path).startswith('/memfd:durward'):
                return os.stat(path).st_blocks // 2
        return 0

    def quiet(self):
        """Nobody is served, and every count says so."""
        return not self.processes['-'] and not wrong_counts(self.book) and \
            not any(n for name, n in self.book['held'].items() if name != 'idle')

    def drift(self, before, spares, grown_kib=512):
        """What is not as it was, as lines; spares are the most idle workers
        that a listener may keep."""
        lines = ['%s is %d, should be %d' % (name, is_, should)
                 for name, (is_, should) in wrong_counts(self.book).items()]
        for name in sorted(set(self.processes) | set(before.processes)):
            was, now = before.processes[name], self.processes[name]
            most = spares if name.startswith('idle ') else was
            if now > most or (now < was and not name.startswith('idle ')):
                lines.append('processes %r: %d, were %d' % (name, now, was))
        rows = [('descriptors', self.descriptors, before.descriptors)]
        if not sanitized():
            rows.append(('mappings', self.mappings, before.mappings))
        for what, now, was in rows:
            # an idle worker may keep connections to some servers, or none
            lines += ['%s of %r: %d, were %d' % (what, name, now[name], was[name])
                      for name in now if name in was and
                      abs(now[name] - was[name]) >
                      (4 if name.startswith('idle ') else 0)]
        lines += ['%s grew by %d KiB' % (name, self.kib[name] - before.kib[name])
                  for name in self.kib if name in before.kib and
                  not sanitized() and
                  self.kib[name] - before.kib[name] > grown_kib]
        for name in 'pools', 'source_places', 'log_lost':
            if self.book[name] > before.book[name]:
                lines.append('%s: %d, were %d' % (name, self.book[name],
                                                  before.book[name]))
        return lines

    def __str__(self):
        return '%s; descriptors %s; mappings %s; KiB %s; %s' % (
            dict(self.processes), self.descriptors, self.mappings, self.kib,
            self.book)
