# SPDX-License-Identifier: ISC
"""A crowd of slow clients from one source, in one thread: each holds its
connection by a byte now and then, and comes again when it is cut."""

import errno
import select
import socket
import threading
import time

from .hello import simple_hello
from .run import own


class Crowd:
    """count connections to this port; opened says how many there ever were,
    standing how many have spoken and are not cut."""

    def __init__(self, port, count, source, name, every=1.0):
        self.port, self.count = port, count
        self.source, self.every = source, every
        self.hello = simple_hello(name)
        self.opened = self.cut = self.standing = 0
        self._end = threading.Event()
        self._poll = select.poll()
        self._clients = {}      # descriptor: [socket, bytes sent, next time]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        own(self)

    def _open(self):
        s = socket.socket()
        s.setblocking(False)
        s.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
        s.bind((self.source, 0))
        s.connect_ex(('127.0.0.1', self.port))
        self._clients[s.fileno()] = [s, 0, 0.0]
        self._poll.register(s, select.POLLIN | select.POLLHUP)
        self.opened += 1

    def _drop(self, fd):
        s, sent, _ = self._clients.pop(fd)
        self._poll.unregister(fd)
        s.close()
        self.standing -= sent > 0
        self.cut += 1

    def _speak(self, fd, now):
        client = self._clients[fd]
        try:
            client[0].send(self.hello[client[1]:client[1] + 1])
        except OSError as e:
            if e.errno not in (errno.EAGAIN, errno.ENOTCONN):
                self._drop(fd)
            return
        self.standing += client[1] == 0
        client[1] += 1
        client[2] = now + self.every

    def _run(self):
        while not self._end.is_set():
            # a few at a time, so that others get their turn
            for _ in range(min(200, self.count - len(self._clients))):
                self._open()
            now = time.monotonic()
            for fd in [fd for fd, c in self._clients.items() if c[2] <= now]:
                self._speak(fd, now)
            for fd, _ in self._poll.poll(50):
                if fd in self._clients:
                    self._drop(fd)

    def close(self):
        self._end.set()
        self._thread.join(10)
        for fd in list(self._clients):
            self._drop(fd)
