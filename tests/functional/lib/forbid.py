#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A system call that fails from here on, as a container's profile or an old
kernel has it: for the test's child before it becomes a program or, as a
program (the call then fails with EPERM),

    forbid.py NUMBER PROGRAM [ARGUMENT ...]
"""

import ctypes
import errno
import os
import struct
import sys

PR_SET_SECCOMP, SECCOMP_MODE_FILTER, PR_SET_NO_NEW_PRIVS = 22, 2, 38
LOAD_NUMBER, IS, RETURN = 0x20, 0x15, 0x06      # of classic BPF
ALLOW, FAIL = 0x7fff0000, 0x00050000
# a 32-bit system on a 64-bit kernel; its C library accepts by socketcall, with
# much else
MACHINE = os.uname().machine if struct.calcsize('P') == 8 else 'i386'
CAPSET, ACCEPT4 = {'x86_64': (126, 288), 'aarch64': (91, 242), 'i386': (185, None)}.get(
    MACHINE, (None, None))


def forbid(number, error=errno.EPERM):
    """True where it worked.  Without new privileges anybody may: an upgrade's
    root has no capability for it."""
    program = struct.pack('HBBI' * 4, LOAD_NUMBER, 0, 0, 0, IS, 0, 1, number,
                          RETURN, 0, 0, FAIL | error, RETURN, 0, 0, ALLOW)
    buffer = ctypes.create_string_buffer(program, len(program))
    head = struct.pack('HP', 4, ctypes.addressof(buffer))
    prctl = ctypes.CDLL(None).prctl
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 and \
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, head, 0, 0) == 0


def main():
    if not forbid(int(sys.argv[1])):
        sys.exit('forbid.py: no filter can be had')
    os.execv(sys.argv[2], sys.argv[2:])


if __name__ == '__main__':
    main()
