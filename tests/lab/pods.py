# SPDX-License-Identifier: ISC
"""Both ends of `kubectl exec`: a real kubectl, and pods that all run cat.

The pods are behind the nginx that stands for an API server: plain HTTP on a
unix socket, WebSocket (RFC 6455) with Kubernetes' channels on top
(v5.channel.k8s.io).
"""

import base64
import hashlib
import json
import os
import re
import select
import shutil
import socketserver
import struct
import subprocess
import threading

from lib import check, own

MAGIC = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
STDIN, STDOUT, ERROR, CLOSES = 0, 1, 3, 255
DONE = json.dumps({'metadata': {}, 'status': 'Success'}).encode()


def pod(name):
    return json.dumps({
        'kind': 'Pod', 'apiVersion': 'v1',
        'metadata': {'name': name, 'namespace': 'default'},
        'spec': {'containers': [{'name': 'shell'}]},
        'status': {'phase': 'Running'}}).encode()


class Session(socketserver.StreamRequestHandler):
    def handle(self):
        first = self.rfile.readline().decode().split()
        self.head = {}
        for line in iter(lambda: self.rfile.readline().decode().strip(), ''):
            name, _, value = line.partition(':')
            self.head[name.lower()] = value.strip()
        if not first:
            return
        path = first[1].partition('?')[0]
        if path.endswith('/exec') and self.head.get('upgrade') == 'websocket':
            self.execute()
        elif path.endswith('/exec'):
            self.answer('400 Bad Request', b'{}')
        else:
            self.answer('200 OK', pod(path.rpartition('/')[2]))

    def answer(self, status, body):
        self.wfile.write(('HTTP/1.1 %s\r\nContent-Type: application/json\r\n'
                          'Content-Length: %d\r\nConnection: close\r\n\r\n' % (
                              status, len(body))).encode() + body)

    def execute(self):
        accept = base64.b64encode(hashlib.sha1(
            (self.head['sec-websocket-key'] + MAGIC).encode()).digest())
        self.wfile.write(
            b'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n'
            b'Connection: Upgrade\r\nSec-WebSocket-Protocol: '
            b'v5.channel.k8s.io\r\nSec-WebSocket-Accept: ' + accept +
            b'\r\n\r\n')
        pods = self.server.pods
        pods.sessions.append((self.head['x-node'], self.head['x-user']))
        while True:
            kind, data = self.frame()
            if kind == PING:
                pods.pings += 1
                self.say(PONG, data)
            elif kind == BINARY and data[0] == STDIN and len(data) > 1:
                self.say(BINARY, bytes([STDOUT]) + data[1:])
            elif kind == BINARY and data[0] == CLOSES:
                self.say(BINARY, bytes([ERROR]) + DONE)
                self.say(CLOSE, struct.pack('>H', 1000))
            elif kind in (CLOSE, None):
                return

    def frame(self):
        """One that came whole; a client's are masked."""
        head = self.rfile.read(2)
        if len(head) < 2:
            return None, b''
        size = head[1] & 0x7f
        if size == 126:
            size, = struct.unpack('>H', self.rfile.read(2))
        elif size == 127:
            size, = struct.unpack('>Q', self.rfile.read(8))
        mask = self.rfile.read(4)
        return head[0] & 0xf, bytes(
            c ^ mask[i % 4] for i, c in enumerate(self.rfile.read(size)))

    def say(self, kind, data):
        head = struct.pack('>BB', 0x80 | kind, len(data)) if len(data) < 126 \
            else struct.pack('>BBH', 0x80 | kind, 126, len(data))
        self.wfile.write(head + data)


class Pods:
    def __init__(self, directory):
        self.path = os.path.join(directory, 'pods')
        self.sessions = []      # (node, user) of each exec
        self.pings = 0          # that clients sent in them

        class Server(socketserver.ThreadingMixIn,
                     socketserver.UnixStreamServer):
            daemon_threads = True
        self.server = Server(self.path, Session)
        self.server.pods = self
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


# --- kubectl ---------------------------------------------------------------------

def has_websocket_exec():
    """Older ones speak SPDY, unless asked."""
    if not shutil.which('kubectl'):
        return False
    run = subprocess.run(['kubectl', 'version', '--client', '-o', 'json'],
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    version = json.loads(run.stdout.decode())['clientVersion']
    return int(re.match(r'\d+', version['minor']).group()) >= 31


class Exec:
    """kubectl with its pipes."""

    def __init__(self, command):
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, bufsize=0)
        own(self)

    def echoes(self, line, when):
        self.process.stdin.write(line + b'\n')
        readable = select.select([self.process.stdout], [], [], 20)[0]
        said = self.process.stdout.readline() if readable else b''
        if said != line + b'\n':
            self.process.kill()
            check(False, '%s: %r, and kubectl says %r', when, said,
                  self.process.stderr.read())

    def end(self):
        """Its exit status at the end of what it reads."""
        self.process.stdin.close()
        return self.process.wait(20)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout,
                     self.process.stderr):
            pipe.close()
