#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A log that cannot be written costs lines, which are counted, and no client a
moment.  /dev/log is one of our own, in a mount namespace: as root."""

import ctypes
import os
import re
import signal
import socket
import stat
import time

from lib import (Durward, HttpBackend, HttpClient, alive, check, connect, equal, free_port,
                 http_request, main, scratch, skip, wait_for)

CONF = '''
listener "http"  { bind = {"127.0.0.1:@http@"}  protocol = "http" }
listener "stats" { bind = {"127.0.0.1:@stats@"} protocol = "stats" uri = "/s" }
cluster "one" { service "web" { listeners = {"http"} hosts = {"www.example.org"}
    servers = {"web=127.0.0.1:@web@"} check { type = "none" } } }
'''
LIMIT = 2.0     # seconds a request may take on a busy machine


def start(log):
    return Durward(CONF, log=log, web=HttpBackend().port)


def lost(daemon):
    status, _, body = http_request(daemon.port('stats'), 'localhost', '/metrics')
    equal(status, 200)
    return int(re.search(rb'\ndurward_log_lines_lost_total (\d+)', body).group(1))


def ask_often(daemon, count, target='/'):
    """On one connection; none of them may wait for the log."""
    slowest = 0
    with HttpClient(daemon.port('http')) as c:
        for _ in range(count):
            begin = time.monotonic()
            equal(c.get('www.example.org', target).status, 200)
            slowest = max(slowest, time.monotonic() - begin)
    check(slowest < LIMIT, 'a request took %.2f s', slowest)


def ask_each(daemon, count, target):
    """On connections of their own: after a reload one may be an old worker's last."""
    for _ in range(count):
        equal(http_request(daemon.port('http'), 'www.example.org', target)[0], 200)


def test_nobody_listens_on_the_udp_port():
    port = free_port()

    def came(what):
        return what in receiver.recv(65536)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(('127.0.0.1', port))
        receiver.settimeout(10)
        daemon = start('udp:127.0.0.1:%d:local2' % port)
        equal(lost(daemon), 0)
        wait_for(lambda: came(b'/metrics'), 10, 'the last line before it leaves')
    ask_often(daemon, 50)
    questions = []

    def all_counted():
        """A question has a line as well, which the next one finds counted."""
        questions.append(lost(daemon))
        return questions[-1] == 50 + len(questions) - 1
    wait_for(all_counted, 10, 'every line to be counted, the last one too')
    page = http_request(daemon.port('stats'), 'localhost', '/s')[2].decode()
    check(re.search(r'\d+ log lines could not be written', page), 'the page does not say it')
    # somebody listens again
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(('127.0.0.1', port))
        receiver.settimeout(10)
        ask_often(daemon, 1, '/again')
        wait_for(lambda: came(b'/again'), 10, 'the line')


def test_the_logger_is_stopped():
    """As on a disk that hangs: the pipe fills, then lines are dropped; every
    request has a line or is counted."""
    directory = scratch()
    os.chmod(directory, 0o777)
    path = directory + '/durward.log'
    daemon = start('file:' + path)
    logger, = daemon.workers(r'^durward: logger')
    os.kill(logger, signal.SIGSTOP)
    try:
        asked = 1200
        ask_often(daemon, asked, '/' + 'x' * 1000)
        seen = lost(daemon)
        check(seen > 0, 'nothing was lost, so nothing was tested')
    finally:
        os.kill(logger, signal.SIGCONT)

    def lines():
        with open(path) as f:
            return sum('] http one.web.http/web ' in line for line in f)
    wait_for(lambda: lines() + lost(daemon) >= asked, 20, 'the rest to be written')
    # the statistics' own lines may be among those that were lost
    check(asked <= lines() + lost(daemon) <= asked + 5, '%d written, %d lost', lines(), lost(daemon))


# --- /dev/log -------------------------------------------------------------------

CLONE_NEWNS, MS_BIND, MS_REC, MS_PRIVATE = 0x20000, 0x1000, 0x4000, 0x40000


def mount(libc, source, target, kind=None, flags=0):
    args = [a.encode() if a else None for a in (source, target, kind)]
    if libc.mount(args[0], args[1], args[2], flags, None) != 0:
        raise OSError(ctypes.get_errno(), 'mount ' + target)


def own_dev():
    """A /dev that only we and our children see."""
    if os.geteuid() != 0:
        skip('a /dev of its own needs root')
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        skip('no mount namespace here')
    try:
        mount(libc, None, '/', None, MS_REC | MS_PRIVATE)
        dev = scratch()
        mount(libc, 'tmpfs', dev, 'tmpfs')
        for name in 'null', 'zero', 'full', 'random', 'urandom', 'tty':
            info = os.stat('/dev/' + name)
            if stat.S_ISCHR(info.st_mode):
                open(dev + '/' + name, 'w').close()
                mount(libc, '/dev/' + name, dev + '/' + name, None, MS_BIND)
        mount(libc, dev, '/dev', None, MS_BIND)
        libc.umount2(dev.encode(), 2)
    except OSError as e:
        skip('no /dev of its own: %s' % e)


def dev_log():
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.bind('/dev/log')
    os.chmod('/dev/log', 0o666)
    s.settimeout(10)
    return s


def drain(s):
    s.setblocking(False)
    lines = []
    try:
        while True:
            lines.append(s.recv(65536).decode())
    except BlockingIOError:
        s.settimeout(10)
        return lines


def test_dev_log():
    own_dev()
    syslog = dev_log()
    daemon = start('syslog:local2')
    ask_often(daemon, 1, '/first')

    def came(mark):
        return [line for line in drain(syslog) if mark in line]
    line, = wait_for(lambda: came('/first'), 10, 'a line')
    # local2.info is 18 * 8 + 6; syslogd adds the host's name
    check(re.match(r'<150>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d durward\[\d+\]: 127\.0\.0\.1:', line),
          '%r', line)
    # it is full
    equal(lost(daemon), 0)
    ask_often(daemon, 1500)
    wait_for(lambda: lost(daemon) > 0, 10, 'lines to be lost')
    read = 0

    def all_there():
        nonlocal read
        read += len([line for line in drain(syslog) if '] http ' in line])
        return read + lost(daemon) >= 1500
    wait_for(all_there, 20, 'the rest')
    # it goes away, and comes back as another
    syslog.close()
    os.unlink('/dev/log')
    before = lost(daemon)
    ask_often(daemon, 20)
    wait_for(lambda: lost(daemon) >= before + 20, 10, 'the lines to be counted')
    syslog = dev_log()
    ask_often(daemon, 1, '/back')
    wait_for(lambda: came('/back'), 10, 'a line')
    daemon.stop()
    syslog.close()


def test_the_logger_rests_when_the_master_was_killed():
    """Also where its target took no line just before: it goes on for the one
    worker that still has a client."""
    out, into = os.pipe()
    os.set_blocking(into, False)
    daemon = Durward(CONF, log='stderr', web=HttpBackend().port, output=into)
    with connect(daemon.port('http')) as s:
        s.sendall(b'GET / HT')
        wait_for(lambda: daemon.workers(r'^durward: http 127'), 5, 'the client')
        try:
            while True:
                os.write(into, b'x' * 512)
        except BlockingIOError:
            pass
        before = lost(daemon)
        ask_each(daemon, 3, '/')
        wait_for(lambda: lost(daemon) > before, 5, 'a line to be lost')
        logger, = daemon.workers(r'^durward: logger')
        daemon.signal(signal.SIGKILL)
        daemon.wait_end()

        def rests():
            states = []
            for _ in range(20):
                with open('/proc/%d/stat' % logger) as f:
                    states.append(f.read().rpartition(')')[2].split()[0])
                time.sleep(0.005)
            return states == ['S'] * 20
        wait_for(rests, 10, 'the logger to sleep')
    os.close(out)
    os.close(into)


def test_another_target_by_reload():
    """In the middle of its work (it writes to a pipe that is full): what the old
    logger has read goes where it went, the rest to the new one; no line is lost,
    none is cut."""
    directory = scratch()
    os.chmod(directory, 0o777)
    pipe, path = directory + '/pipe', directory + '/durward.log'
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    daemon = start('file:' + pipe)
    ask_often(daemon, 200, '/' + 'x' * 1000)
    old, = daemon.workers(r'^durward: logger')
    daemon.logname = 'file:' + path
    daemon.write(CONF)
    equal(daemon.ctl('reload').returncode, 0)
    ask_each(daemon, 10, '/' + 'x' * 1000)
    text = b''

    def all_read():
        nonlocal text
        try:
            while True:
                data = os.read(reader, 65536)
                text += data
                if not data:
                    break
        except BlockingIOError:
            pass
        return not alive(old)
    wait_for(all_read, 20, 'the old logger to end')
    all_read()
    os.close(reader)

    def asked(text):
        lines = text.split('\n')
        equal(lines[-1], '', 'the last line is not whole')
        for line in lines[:-1]:
            check(re.match(r'[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+ durward\[\d+\]: ', line),
                  'torn: %r', line)
        return len([line for line in lines if 'GET /xxx' in line])
    before = asked(text.decode())
    check(0 < before <= 210, '%d lines went to the old one', before)
    ask_each(daemon, 10, '/' + 'x' * 1000)

    def rest():
        with open(path) as f:
            return asked(f.read()) >= 220 - before
    wait_for(rest, 10, '%d lines in the new file' % (220 - before))
    equal(lost(daemon), 0)


main()
