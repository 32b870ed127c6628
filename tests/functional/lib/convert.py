# SPDX-License-Identifier: ISC
"""haproxy2durward, and what it makes."""

import os
import re
import subprocess

from .daemon import DURWARD, SRCDIR, run_durward
from .run import check, equal, scratch

TOOL = os.path.join(os.path.dirname(DURWARD), 'haproxy2durward')
DATA = os.path.join(SRCDIR, 'tests', 'data')


def fixture(name):
    with open(os.path.join(DATA, 'haproxy-%s.cfg' % name)) as f:
        return f.read()


def convert(text, status=0):
    run = subprocess.run([TOOL], input=text, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, universal_newlines=True,
                         timeout=30)
    equal(run.returncode, status, 'exit status (stderr %r)' % run.stderr)
    equal('LEFT OUT' in run.stdout, status == 1, 'LEFT OUT in the result')
    return run.stdout


def accepted(text):
    path = os.path.join(scratch(), 'durward.conf')
    with open(path, 'w') as f:
        f.write(text)
    run = run_durward('-t', '-c', path)
    equal(run.returncode, 0, 'exit status of durward -t: %s in\n%s' % (
        run.stderr, text))
    return path


def routes(path, *cases):
    for query, backend in cases:
        run = run_durward('-r', query, '-c', path)
        got = run.stdout.strip().split('/')[0] if run.returncode == 0 else None
        equal(got, backend, query)


def section(text, title):
    """What stands in the section that begins so."""
    found = re.search(r'(?ms)^(\t*)%s \{\n(.*?)^\1\}' % re.escape(title), text)
    check(found, 'no %s in\n%s', title, text)
    return found.group(2)
