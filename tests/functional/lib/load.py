# SPDX-License-Identifier: ISC
"""Clients without a pause, and what went wrong for them."""

import threading
import time

from .run import own, wait_for


class Load:
    """Clients from many sources, one after the other in each thread: each
    calls one(source), which raises where the client was not served.

    A server dies between two of their exchanges, not within one: what it had
    accepted dies with it, and no one in between could mend that."""

    def __init__(self, one, sources, threads=4, tolerant=False):
        self.one = one
        self.tolerant = tolerant    # failures are the caller's to count
        self.sources = sources
        self.failures = []
        self.served = 0
        self._end = threading.Event()
        self._turn = [threading.Lock() for _ in range(threads)]
        self._threads = [threading.Thread(target=self._run, args=(i,),
                                          daemon=True)
                         for i in range(threads)]
        for t in self._threads:
            t.start()
        own(self)

    def _run(self, number):
        i = number
        while not self._end.is_set():
            with self._turn[number]:
                source = self.sources[i % len(self.sources)]
                try:
                    self.one(source)
                    self.served += 1
                except Exception as e:
                    self.failures.append('%s: %r' % (source, e))
            i += len(self._turn)
            time.sleep(0.001)       # so that others get their turn

    def between_exchanges(self, function):
        for lock in self._turn:
            lock.acquire()
        try:
            function()
        finally:
            for lock in self._turn:
                lock.release()

    def wait_served(self, more):
        goal = self.served + more
        wait_for(lambda: self.served >= goal or
                 (self.failures and not self.tolerant), 30,
                 '%d more exchanges' % more)

    def stop(self):
        self._end.set()
        for t in self._threads:
            t.join(15)

    def close(self):
        self.stop()


class Rate:
    """one() at this rate, whatever becomes of those before: a thread each,
    so that a stall shows as failures and not as a pause."""

    def __init__(self, one, per_second=200):
        self.one = one
        self.pause = 1.0 / per_second
        self.served, self.failures = 0, []
        self._end = threading.Event()
        self._changed = threading.Condition()
        self._held = False
        self._busy = 0
        self.begun = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        own(self)

    def _run(self):
        due = time.monotonic()
        while not self._end.is_set():
            due = max(due + self.pause, time.monotonic() - 0.1)
            time.sleep(max(0, due - time.monotonic()))
            self.begun += 1
            threading.Thread(target=self._one, daemon=True).start()

    def _one(self):
        with self._changed:
            self._changed.wait_for(lambda: not self._held)
            self._busy += 1
        failure = None
        try:
            self.one()
        except Exception as e:
            failure = repr(e)
        with self._changed:
            self._busy -= 1
            if failure:
                self.failures.append(failure)
            else:
                self.served += 1
            self._changed.notify_all()

    def between_exchanges(self, function):
        """Who comes meanwhile waits; see Load."""
        with self._changed:
            self._held = True
            self._changed.wait_for(lambda: self._busy == 0, 15)
            function()
            self._held = False
            self._changed.notify_all()

    def wait_served(self, more):
        goal = self.served + more
        wait_for(lambda: self.served >= goal or self.failures, 30,
                 '%d more connections' % more)

    def stop(self):
        self._end.set()
        self._thread.join(5)
        wait_for(lambda: self.served + len(self.failures) >= self.begun, 15,
                 'the last connections')

    def close(self):
        self._end.set()
