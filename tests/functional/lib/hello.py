# SPDX-License-Identifier: ISC
"""ClientHellos made by hand (RFC 8446, 4.1.2), good and bad."""

import os
import struct

HANDSHAKE = 0x16


def _v8(data):
    return struct.pack('!B', len(data)) + data


def _v16(data):
    return struct.pack('!H', len(data)) + data


def _v24(data):
    return struct.pack('!I', len(data))[1:] + data


def extension(kind, body):
    return struct.pack('!H', kind) + _v16(body)


def server_name(name):
    """RFC 6066, 3: a list of one host_name."""
    if isinstance(name, str):
        name = name.encode()
    return extension(0, _v16(b'\0' + _v16(name)))


def grease_extension(value=0x4a4a, body=b''):
    """RFC 8701: a reserved value that a server must ignore."""
    return extension(value, body)


def client_hello(name=None, extensions=None, session=32, ciphers=None,
                 size=None, grease=True, version=0x0303, compression=b'\0',
                 message_type=1):
    """The handshake message, without its record.  extensions replaces the
    whole list (None for the usual one, [] for a hello with none at all);
    size pads the message to that many bytes."""
    if ciphers is None:
        ciphers = [0x1301, 0x1302, 0xc02b, 0xc02f]
        if grease:
            ciphers.insert(0, 0x0a0a)
    suites = b''.join(struct.pack('!H', c) for c in ciphers)
    if isinstance(session, int):
        session = os.urandom(session)
    if extensions is None:
        extensions = [grease_extension()] if grease else []
        if name is not None:
            extensions.append(server_name(name))
        extensions += [
            extension(23, b''),                         # extended master secret
            extension(43, _v8(b'\x03\x04\x03\x03')),    # supported_versions
            extension(10, _v16(b'\x00\x1d\x00\x17')),   # supported_groups
            extension(13, _v16(b'\x04\x03\x08\x04')),   # signature_algorithms
            extension(16, _v16(_v8(b'h2') + _v8(b'http/1.1'))),
            extension(51, _v16(b'\x00\x1d' + _v16(os.urandom(32)))),
        ]
    head = (struct.pack('!H', version) + os.urandom(32) + _v8(session) +
            _v16(suites) + _v8(compression))
    block = b''.join(extensions)
    if size is not None:
        block += extension(21, b'')     # padding, RFC 7685
        missing = size - (4 + len(head) + 2 + len(block))
        if missing < 0:
            raise ValueError('the hello has %d bytes already' %
                             (size - missing))
        block = block[:-4] + extension(21, b'\0' * missing)
    body = head + (_v16(block) if extensions or block else b'')
    return struct.pack('!B', message_type) + _v24(body)


def record(data, kind=HANDSHAKE, version=0x0301):
    return struct.pack('!BH', kind, version) + _v16(data)


def records(message, size=16384, **how):
    """The message in records of at most size bytes."""
    return b''.join(record(message[i:i + size], **how)
                    for i in range(0, len(message), size))


def simple_hello(name=None, **how):
    return record(client_hello(name, **how))
