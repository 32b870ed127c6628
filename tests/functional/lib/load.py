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

    def __init__(self, one, sources, threads=4):
        self.one = one
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
        wait_for(lambda: self.served >= goal or self.failures, 30,
                 '%d more exchanges' % more)

    def stop(self):
        self._end.set()
        for t in self._threads:
            t.join(15)

    def close(self):
        self.stop()
