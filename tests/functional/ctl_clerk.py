#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""durwardctl and the clerk that answers it."""

import json
import os
import select
import socket
import stat
import subprocess
import threading
import time

from lib import (Durward, EchoBackend, check, connect, equal, exchange,
                 free_port, main, simple_hello, wait_for)

NAME = 'www.example.org'
BACKEND = 'one.ingress.https'

CONF = '''
listener "https" { bind = {"127.0.0.1:@https@"} protocol = "tls" deny = {"127.0.0.66"} }
cluster "one" {
    service "ingress" {
        listeners = {"https"}
        hosts     = {"www.example.org", "*.apps.example.org"}
        servers   = {"echo=127.0.0.1:@server@", "gone=127.0.0.1:@nobody@"}
        check { type = "tcp" interval = "200ms" timeout = "1s" }
    }
    service "dead" {
        listeners = {"https"}
        hosts     = {"dead.example.org"}
        servers   = {"gone=127.0.0.1:@nobody@"}
        check { type = "tcp" interval = "200ms" timeout = "1s" }
    }
}
'''

STATUS = {'backend': str, 'server': str, 'address': str, 'state': str,
          'since': int, 'check': str, 'check_ms': int, 'current': int,
          'total': int, 'bytes_in': int, 'bytes_out': int}
CONNECTIONS = {'pid': int, 'listener': str, 'client': str, 'host': str,
               'backend': str, 'server': str, 'age': int, 'idle': int,
               'bytes_in': int, 'bytes_out': int}


def start(**how):
    server = EchoBackend()
    how.setdefault('nobody', free_port())
    daemon = Durward(CONF, server=server.port, **how)
    daemon.wait_state(BACKEND, 'gone', 'DOWN')
    daemon.wait_state('one.dead.https', 'gone', 'DOWN')
    return daemon, server


def opened(daemon, name=NAME):
    hello = simple_hello(name)
    s = connect(daemon.port('https'))
    equal(exchange(s, hello, len(hello)), hello)
    return s, len(hello)


def good(daemon, *words):
    run = daemon.ctl(*words)
    equal((run.returncode, run.stderr), (0, ''), ' '.join(words))
    return run.stdout


def refused(daemon, *words):
    run = daemon.ctl(*words)
    equal((run.returncode, run.stdout), (1, ''), ' '.join(words))
    check(run.stderr.startswith('durwardctl: '), '%r', run.stderr)
    return run.stderr


def types(rows, want):
    for row in rows:
        equal({key: type(value) for key, value in row.items()}, want)


def test_status():
    daemon, server = start()
    s, size = opened(daemon)
    rows = daemon.json('status')
    types(rows, STATUS)
    equal([(r['backend'], r['server'], r['state']) for r in rows],
          [(BACKEND, 'echo', 'UP'), (BACKEND, 'gone', 'DOWN'),
           ('one.dead.https', 'gone', 'DOWN')])
    equal(rows[0]['address'], '127.0.0.1:%d' % server.port)
    equal((rows[0]['current'], rows[0]['total']), (1, 1))
    check(rows[0]['check'].startswith('L4OK'), '%r', rows[0])
    check(rows[1]['check'].startswith('L4CON') and 'refused' in rows[1]['check'],
          '%r', rows[1])
    s.close()

    def counted():
        row = daemon.json('status')[0]
        return (row['current'], row['bytes_in'], row['bytes_out']) == (0, size, size)
    wait_for(counted, 10, 'the connection to be counted')
    lines = good(daemon, 'status').splitlines()
    equal(len(lines), 4)
    for column in 'BACKEND', 'SERVER', 'ADDRESS', 'STATE':
        at = lines[0].index(column)
        for line in lines[1:]:
            check(line[at] != ' ' and line[at - 1:at].strip() == '',
                  '%s is not lined up: %r', column, line)
    check('\033' not in ''.join(lines), 'colour, but no terminal')


def test_connections_and_kill():
    daemon, _ = start()
    equal(daemon.json('connections'), [])
    equal(len(good(daemon, 'connections').splitlines()), 1)
    s, size = opened(daemon, 'a.apps.example.org')
    t, _ = opened(daemon)
    rows = daemon.json('connections')
    types(rows, CONNECTIONS)
    row, = [r for r in rows if r['host'] == 'a.apps.example.org']
    equal(row['client'], '127.0.0.1:%d' % s.getsockname()[1])
    equal((row['listener'], row['backend'], row['server']),
          ('https', BACKEND, 'echo'))
    wait_for(lambda: [r['bytes_out'] for r in daemon.json('connections')
                      if r['pid'] == row['pid']] == [size], 10, 'its bytes')
    check('a.apps.example.org' in good(daemon, 'connections'), 'not for people')
    good(daemon, 'kill', str(row['pid']))
    try:
        equal(s.recv(1), b'', 'the one that was killed')
    except ConnectionResetError:
        pass
    equal(exchange(t, b'still', 5), b'still', 'the other')
    wait_for(lambda: len(daemon.json('connections')) == 1, 10, 'it to be gone')
    for pid in row['pid'], daemon.pid, os.getpid(), 1:
        refused(daemon, 'kill', str(pid))
    equal(exchange(t, b'still', 5), b'still', 'after refused kills')


def test_route():
    daemon, server = start()
    equal(good(daemon, 'route', 'https', 'WWW.example.org.').splitlines()[0],
          BACKEND + '/echo')
    equal(json.loads(good(daemon, '-j', 'route', 'https', 'x.apps.example.org',
                          '192.0.2.1')),
          [{'backend': BACKEND, 'server': 'echo',
            'address': '127.0.0.1:%d' % server.port}])
    check('gone' not in good(daemon, 'route', 'https', NAME), 'it is down')
    for words, why in ((('https', 'dead.example.org'), 'one.dead.https'),
                       (('https', 'nope.example.org'), 'nope.example.org'),
                       (('https', ''), 'names nobody'),
                       (('other', NAME), 'other'),
                       (('https', NAME, 'here'), 'here'),
                       (('https', NAME, '127.0.0.66'), 'denied')):
        check(why in refused(daemon, 'route', *words), '%s', words)


def test_patterns():
    daemon, _ = start()
    check(good(daemon, 'drain', '*/gone').startswith('2 servers'), 'how many')
    check(good(daemon, 'maint', BACKEND + '/*').startswith('2 servers'), 'how many')
    equal([r['state'] for r in daemon.json('status')],
          ['MAINT', 'MAINT', 'DRAIN'])
    rows = json.loads(good(daemon, '-j', 'ready', '*'))
    equal([r['server'] for r in rows], ['echo', 'gone', 'gone'])
    equal([r['state'] for r in daemon.json('status')], ['UP', 'DOWN', 'DOWN'])
    check('nobody/x' in refused(daemon, 'drain', 'nobody/x'), 'which')
    daemon.wait_log(r'Server one\S+ is (DRAIN|MAINT|UP|DOWN), reason: durwardctl', 7)


def test_ping_and_drain_all():
    daemon, _ = start()
    good(daemon, 'ping')
    s, _ = opened(daemon)
    good(daemon, 'drain-all')
    check('draining' in refused(daemon, 'ping'), 'why')
    equal(exchange(s, b'still', 5), b'still')
    s.close()
    equal(daemon.wait_end(), 0)


def test_stop_is_answered():
    daemon, _ = start()
    good(daemon, 'stop')
    equal(daemon.wait_end(), 0)


def test_reloads_at_the_same_time():
    """Each is answered, though each replaces the clerk that was asked."""
    daemon, _ = start()
    results = []

    def one():
        results.append(daemon.ctl('reload'))
    threads = [threading.Thread(target=one) for _ in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    equal([(r.returncode, r.stderr) for r in results], [(0, '')] * 6)


def test_ping_succeeds_all_through_reloads():
    """keepalived must not move the address because of one."""
    daemon, _ = start()
    pings, end = [], threading.Event()

    def ping():
        while not end.is_set():
            run = daemon.ctl('ping')
            pings.append((run.returncode, run.stderr))
    thread = threading.Thread(target=ping)
    thread.start()
    for i in range(8):
        more = 'listener "more" { bind = {"127.0.0.1:@more@"} protocol = "tls" ' \
            'default = "one.ingress" }\n'
        daemon.write(CONF + (more if i % 2 == 0 else ''))
        good(daemon, 'reload')
        seen = len(pings)
        wait_for(lambda: len(pings) > seen + 3, 10, 'some pings')
    end.set()
    thread.join()
    equal([p for p in pings if p != (0, '')], [], 'failures of %d' % len(pings))


def test_the_socket_is_its_owners():
    daemon, _ = start()
    mode = os.stat(daemon.dir + '/durward.sock').st_mode
    check(stat.S_ISSOCK(mode), 'no socket')
    equal(stat.S_IMODE(mode), 0o600)


def control(daemon):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20)
    s.connect(daemon.dir + '/durward.sock')
    return s


def raw(daemon, line):
    """durwardctl's question, without the time that a process takes."""
    while True:
        with control(daemon) as s:
            s.sendall(line)
            answer = b''.join(iter(lambda: s.recv(65536), b'')).decode()
        if answer != 'again\n':
            return answer


def in_order(daemon):
    """Where we may: of us, the master and the clerk, who must share a
    processor, the first one runs, as may happen on a busy machine; the next
    clerk after all of them."""
    clerk, = daemon.workers('^durward: clerk$')
    for priority, pid in enumerate((clerk, daemon.pid, 0), 1):
        try:
            os.sched_setaffinity(pid, {min(os.sched_getaffinity(0))})
            os.sched_setscheduler(pid, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK,
                                  os.sched_param(priority))
        except PermissionError:
            pass


def test_after_a_reload_the_new_configuration_answers():
    """At once: the clerk of the old one takes no question any more."""
    daemon, _ = start()
    for i in range(10):
        daemon.write(CONF.replace('"echo=', '"echo%d=' % i))
        wait_for(lambda: len(daemon.workers('^durward: clerk$')) == 1, 10,
                 'one clerk')
        in_order(daemon)
        answer = raw(daemon, b'reload\n')
        check(answer.startswith('ok\n'), 'reload: %s', answer)
        answer = raw(daemon, b'-j\tstatus\n')
        check('"echo%d"' % i in answer, 'reload %d, and then status: %s', i,
              answer)


def test_garbage():
    daemon, _ = start()
    for line in (b'\n', b'\0\n', b'\xff' * 100 + b'\n', b'-j\n', b'-j\t-j\n',
                 b'status\tmore\n', b'drain\n', b'drain\t\n', b'kill\t-1\n',
                 b'kill\t99999999999999999999\n', b'route\thttps\n', b'\t' * 50 + b'\n',
                 b'x' * 3000, b'route\thttps\t' + b'a' * 1900 + b'\n',
                 b'drain\t[\n', b'drain\t%s%n/%d\n'):
        with control(daemon) as s:
            s.sendall(line)
            answer = b''
            while True:
                try:
                    data = s.recv(65536)
                except ConnectionResetError:
                    break
                if not data:
                    break
                answer += data
        check(answer.startswith(b'error\n'), '%r: %r', line, answer)
    good(daemon, 'ping')


def test_many_clients_and_those_that_say_nothing():
    """The silent ones are dropped after 5 s; others are served meanwhile as
    long as there is a place, and after."""
    daemon, _ = start()
    silent = [control(daemon) for _ in range(40)]
    begin = time.monotonic()
    good(daemon, 'ping')
    check(time.monotonic() - begin < 3, 'the silent ones are in the way')
    silent += [control(daemon) for _ in range(40)]
    good(daemon, 'ping')
    for s in silent:
        try:
            equal(s.recv(1), b'')
        except ConnectionResetError:
            pass
        s.close()
    check(time.monotonic() - begin < 15, 'they were not dropped')


def test_a_client_that_never_reads():
    """Its answer is larger than a socket holds: nobody else waits for it."""
    servers = ', '.join('"n%d=127.0.0.1:9"' % i for i in range(4000))
    daemon = Durward('''
listener "https" { bind = {"127.0.0.1:@https@"} protocol = "tls" }
cluster "one" { service "many" { listeners = {"https"} hosts = {"*"}
    servers = {%s} check { type = "none" } } }
''' % servers)
    s = control(daemon)
    s.sendall(b'-j\tstatus\n')
    check(select.select([s], [], [], 10)[0], 'no answer begins')
    equal(len(daemon.json('status')), 4000)
    time_of_other = time.monotonic()
    good(daemon, 'ping')
    check(time.monotonic() - time_of_other < 3, 'it is in the way')

    def dropped():
        poll = select.poll()
        poll.register(s, select.POLLHUP)
        return any(events & select.POLLHUP for _, events in poll.poll(0))
    wait_for(dropped, 15, 'it to be dropped')
    s.close()


def test_output_that_cannot_be_written():
    daemon, _ = start()
    with open('/dev/full', 'w') as full:
        run = subprocess.run(
            [os.environ['DURWARDCTL'], '-s', daemon.dir + '/durward.sock', 'status'],
            stdout=full, stderr=subprocess.PIPE, universal_newlines=True)
    equal(run.returncode, 1)
    check('write' in run.stderr, '%r', run.stderr)


main()
