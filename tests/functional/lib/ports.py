# SPDX-License-Identifier: ISC
"""Free loopback ports, no two alike in all the tests that run at once.

They lie below the range from which the kernel takes ports for outgoing
connections; an abstract unix socket named after the port is the lock, and
goes with the process.
"""

import random
import socket

from .run import skip

FIRST, LAST = 11000, 19999

_locks = []


def free_port(address='127.0.0.1'):
    for port in random.sample(range(FIRST, LAST + 1), LAST - FIRST + 1):
        lock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            lock.bind('\0durward-test-port-%d' % port)
        except OSError:
            lock.close()
            continue
        if _is_free(port, address):
            _locks.append(lock)
            return port
        lock.close()
    raise RuntimeError('no port is free between %d and %d' % (FIRST, LAST))


def _is_free(port, address):
    for where in {address, '127.0.0.1', '0.0.0.0'}:
        with socket.socket(socket.AF_INET6 if ':' in where
                           else socket.AF_INET) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind((where, port))
            except OSError:
                return False
    return True


def need_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(('::1', 0))
    except OSError:
        skip('no IPv6 here')


def is_listening(address, port):
    """Asked of the kernel, so that no connection is made for it."""
    family, table = (socket.AF_INET6, 'tcp6') if ':' in address else \
        (socket.AF_INET, 'tcp')
    raw = socket.inet_pton(family, address)
    words = ''.join(raw[i:i + 4][::-1].hex().upper()
                    for i in range(0, len(raw), 4))
    want = {'%s:%04X' % (w, port) for w in (words, '0' * len(words))}
    with open('/proc/thread-self/net/' + table) as f:
        return any(line.split()[1] in want and line.split()[3] == '0A'
                   for line in list(f)[1:])
