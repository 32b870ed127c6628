# SPDX-License-Identifier: ISC
"""The runner: each test_* function of a file is a case, one line each.

Exit status for automake: 0 all passed, 1 some failed, 77 all were skipped.
"""

import inspect
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback

from .alone import be_alone

CASE_LIMIT = 120    # seconds; a case that hangs is a case that failed
ENDS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Failure(Exception):
    """The program under test did not do what its contract says."""


class Skip(Exception):
    """This machine lacks what the case needs."""


_owned = []      # by the case that runs
_shared = []     # by the whole file
_keeping = []    # what makes a shared thing now


def own(thing):
    """Have the runner close() this when the case ends, newest first; where
    the case failed it prints what thing.evidence() returns before."""
    _owned.append(thing)
    return thing


def keep(make):
    """What make() makes, for longer than this case: what it owns is closed
    after the last one."""
    if _keeping:        # all of it is kept, in the order in which it came
        return make()
    mark = len(_owned)
    _keeping.append(make)
    try:
        value = make()
    finally:
        _keeping.pop()
    _shared.extend(_owned[mark:])
    del _owned[mark:]
    return value


def shared(make):
    """For a function that makes what several cases use: it runs once."""
    made = []

    def get():
        if not made:
            made.append(keep(make))
        return made[0]
    return get


def check(condition, message, *args):
    if not condition:
        raise Failure(message % args if args else message)


def equal(got, want, what='value'):
    if got != want:
        raise Failure('%s: got %r, want %r' % (what, got, want))


def skip(why):
    raise Skip(why)


def wait_for(condition, limit=10.0, what=None, pause=0.02):
    """Poll until condition() is true and return what it said; fail past
    limit seconds.  A condition that raises OSError is not true yet."""
    end = time.monotonic() + limit
    while True:
        try:
            got = condition()
        except OSError:
            got = None
        if got:
            return got
        if time.monotonic() >= end:
            raise Failure('waited %.1f s for %s' % (
                limit, what or inspect.getsource(condition).strip()))
        time.sleep(pause)


class _Scratch:
    def __init__(self):
        self.path = tempfile.mkdtemp(prefix='durward-test.')
        os.chmod(self.path, 0o755)

    def close(self):
        shutil.rmtree(self.path, ignore_errors=True)


def scratch():
    """A fresh directory, removed when the case ends."""
    return own(_Scratch()).path


def _close_all(owned, failed=False):
    """Close what was owned; returns what went wrong in that."""
    trouble = []
    things = list(reversed(owned))
    del owned[:]
    if failed:
        for thing in things + _shared:
            show = getattr(thing, 'evidence', None)
            if show:
                _print_evidence(show)
    for thing in things:
        try:
            thing.close()
        except Exception as e:  # each must get its turn
            trouble.append(e)
            show = getattr(thing, 'evidence', None)
            if show and not failed:
                _print_evidence(show)
    return trouble


def _print_evidence(show):
    try:
        text = show()
    except Exception as e:
        text = 'no evidence: %r' % e
    for line in text.rstrip('\n').split('\n'):
        print('    | ' + line)


class _Ended(BaseException):
    """Somebody ends the run: no case may take it for its own failure."""


def _too_long(signum, frame):
    raise Failure('the case took over %d s' % CASE_LIMIT)


def _ended(signum, frame):
    """Ended from outside: what was started must not outlive us."""
    for s in ENDS:      # once is enough; a second one must not cut the cleaning
        signal.signal(s, signal.SIG_IGN)
    raise _Ended(signum)


def _end_now(ended):
    """Close everything, and die of the signal as anybody would."""
    signum = ended.args[0]
    signal.alarm(60)
    _close_all(_owned)
    _close_all(_shared)
    print('ended by signal %d' % signum)
    sys.stdout.flush()
    signal.signal(signum, signal.SIG_DFL)
    os.kill(os.getpid(), signum)


def _run_case(name, function):
    begun = time.monotonic()
    problem = skipped = None
    signal.alarm(CASE_LIMIT)
    try:
        function()
    except Skip as e:
        skipped = str(e)
    except Exception as e:
        problem = e
        trace = traceback.format_exc()
    signal.alarm(30)
    if problem is not None:
        print('FAIL %s: %s' % (name, problem))
        print('    ' + trace.rstrip().replace('\n', '\n    '))
    trouble = _close_all(_owned, problem is not None)
    signal.alarm(0)
    for e in trouble:
        print('FAIL %s: at the end: %s: %s' % (name, type(e).__name__, e))
    took = time.monotonic() - begun
    if problem is not None or trouble:
        result = 'FAIL'
    elif skipped is not None:
        result = 'skip'
        print('skip %s: %s' % (name, skipped))
    else:
        result = 'ok'
        print('ok   %s (%.2f s)' % (name, took))
    sys.stdout.flush()
    return result


def main():
    """Run the caller's test_* functions, or those that the arguments name."""
    try:
        _main()
    except _Ended as e:
        _end_now(e)


def _main():
    module = sys.modules['__main__']
    cases = [(n, f) for n, f in vars(module).items()
             if n.startswith('test_') and callable(f)]
    wanted = sys.argv[1:]
    if wanted:
        cases = [c for c in cases if any(w in c[0] for w in wanted)]
    signal.signal(signal.SIGALRM, _too_long)
    for signum in ENDS:
        signal.signal(signum, _ended)
    be_alone()
    before = time.monotonic()
    results = []
    for name, function in cases:
        results.append(_run_case(name, function))
    signal.alarm(60)
    for e in _close_all(_shared):
        print('FAIL after all: %s: %s' % (type(e).__name__, e))
        results.append('FAIL')
    signal.alarm(0)
    counts = {r: results.count(r) for r in ('ok', 'FAIL', 'skip')}
    print('%d cases: %d ok, %d failed, %d skipped, in %.1f s' % (
        len(results), counts['ok'], counts['FAIL'], counts['skip'],
        time.monotonic() - before))
    sys.stdout.flush()
    if counts['FAIL'] or not results:
        status = 1
    elif counts['ok']:
        status = 0
    else:
        status = 77
    # not sys.exit: no thread of a server may keep a finished test alive
    os._exit(status)
