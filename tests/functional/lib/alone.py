# SPDX-License-Identifier: ISC
"""A network of its own for each test file, where we may: tests that run side
by side then cannot meet on a port that one has just given back."""
import ctypes
import fcntl
import os
import socket
import struct

CLONE_NEWNET = 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS = 0x8913, 0x8914
IFF_UP = 1


def _loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        request = struct.pack('16sh14x', b'lo', 0)
        flags = struct.unpack('16sh14x',
                              fcntl.ioctl(s, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(s, SIOCSIFFLAGS,
                    struct.pack('16sh14x', b'lo', flags | IFF_UP))


def be_alone():
    """Leave the machine's network; where that is not allowed, stay in it."""
    if os.geteuid() != 0 or os.environ.get('DURWARD_TEST_NETWORK') == 'shared':
        return
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWNET) == 0:
            _loopback_up()
    except (OSError, AttributeError):
        pass
