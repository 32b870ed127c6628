# SPDX-License-Identifier: ISC
"""What /proc tells of processes: parents, sessions, titles."""

import os


def _stat(pid):
    with open('/proc/%d/stat' % pid) as f:
        fields = f.read().rpartition(')')[2].split()
    # state, ppid, pgrp, session
    return fields[0], int(fields[1]), int(fields[2]), int(fields[3])


def where(pid):
    """What a process waits for in the kernel, as far as that says."""
    try:
        with open('/proc/%d/wchan' % pid) as f:
            return f.read()
    except OSError:
        return '-'


def _all():
    for name in os.listdir('/proc'):
        if name.isdigit():
            try:
                yield (int(name),) + _stat(int(name))
            except (OSError, ValueError, IndexError):
                continue        # it went while we looked


def alive(pid):
    """True while the process exists and is no zombie."""
    try:
        return _stat(pid)[0] not in 'ZX'
    except (OSError, ValueError):
        return False


def children(pid):
    return sorted(p for p, state, parent, _, _ in _all()
                  if parent == pid and state not in 'ZX')


def group_of(session):
    """Every process that lives in this session or process group."""
    return sorted(p for p, state, _, group, sess in _all()
                  if session in (group, sess) and state not in 'ZX')


def title(pid):
    """The process's title as ps shows it; '' where it is gone."""
    try:
        with open('/proc/%d/cmdline' % pid, 'rb') as f:
            text = f.read()
    except OSError:
        return ''
    return text.replace(b'\0', b' ').decode('utf-8', 'replace').strip()
