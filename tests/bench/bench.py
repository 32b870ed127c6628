#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""durward beside HAProxy, nginx and sniproxy: the same job, the same
machine, in turns.  `make bench` prints figures; it neither passes nor fails.

	BENCH_SECONDS	how long each measurement takes (1)
	BENCH_ROUNDS	how often each is taken; the median counts (3)
	BENCH_JOBS	a word or more of the jobs' titles, | between (all)
	BENCH_PEERS	which, with spaces between (all that are installed)
	NGINX_STREAM_MODULE	where nginx's ngx_stream_module.so lies, if unusual

A processor second is one of the proxy's processes alone.  Load, servers and
proxies share the machine, as its kernel does: compare within one run only.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from statistics import median

import peers

SECONDS = int(os.environ.get('BENCH_SECONDS', '1'))
ROUNDS = int(os.environ.get('BENCH_ROUNDS', '3'))
JOBS = re.compile(os.environ.get('BENCH_JOBS', ''), re.I)
PEERS = os.environ.get('BENCH_PEERS', '').split()
LOAD = os.environ.get('BENCH_LOAD', './tests/bench/load')
DIRECT = 'no proxy'
HELD = (2000, 3000)
NAMES = 10000
PROBED = 1000


# -- one measurement

class Direct:
    """The servers without a proxy, as the measure of what is possible."""
    label = DIRECT

    def __init__(self, world):
        self.world = world


def load(kind, peer, name, *args):
    if peer.label == DIRECT:
        address, port = peers.ADDRESSES[0], peer.world[name]
    else:
        address, port = '127.0.0.1', peer.tls_port
    host = name if '.' in name else name + '.bench.test'
    run = subprocess.run([LOAD, kind, address, str(port), host] +
                         [str(a) for a in args], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, universal_newlines=True,
                         timeout=60 + 10 * SECONDS)
    if run.returncode:
        raise RuntimeError(run.stderr.strip())
    return json.loads(run.stdout)


def microseconds(text):
    value, unit = re.fullmatch(r'([0-9.]+)(us|ms|s)', text).groups()
    return float(value) * {'us': 1, 'ms': 1e3, 's': 1e6}[unit]


def wrk(peer, connections, *headers):
    argv = ['wrk', '--latency', '-t1', '-c%d' % connections, '-d%ds' % SECONDS,
            '-H', 'Host: http.bench.test']
    for h in headers:
        argv += ['-H', h]
    where = '127.0.0.1:%d' % peer.http_port if peer.label != DIRECT else \
        '%s:%d' % (peers.ADDRESSES[0], peer.world['http'])
    out = subprocess.run(argv + ['http://%s/' % where], check=True,
                         stdout=subprocess.PIPE, universal_newlines=True).stdout

    def field(pattern, default='0'):
        found = re.search(pattern, out)
        return found.group(1) if found else default
    failed = sum(int(n) for n in re.findall(
        r'(?:connect|read|write|timeout|2xx or 3xx responses:) (\d+)', out))
    return {'count': int(field(r'(\d+) requests in')), 'failed': failed,
            'rate': float(field(r'Requests/sec:\s+([0-9.]+)')),
            'p50_us': microseconds(field(r'(?m)^\s+50%\s+(\S+)', '0us')),
            'p99_us': microseconds(field(r'(?m)^\s+99%\s+(\S+)', '0us'))}


def with_cpu(peer, measure):
    """The measurement, with the proxy's processor seconds added."""
    if peer.label == DIRECT:
        return measure(peer)
    before = peer.meter.cpu()
    got = measure(peer)
    time.sleep(0.1)     # what was closed last is cleared away
    got['cpu'] = peer.meter.cpu() - before
    return got


# -- the table

def shown(value):
    if value is None:
        return '-'
    return ('%.3f' if value < 10 else '%.1f' if value < 1000 else '%.0f') % value


def ratio(ours, theirs):
    return 'x %.2f' % (ours / theirs) if ours is not None and theirs else '-'


def table(title, columns, rows, better):
    """rows: {label: {column: value}}; better: 'more' or 'less' a column."""
    print('\n%s' % title)
    print('  %-16s' % '' + ''.join('%16s' % c for c in columns))
    for label, row in rows.items():
        print('  %-16s' % label + ''.join('%16s' % shown(row.get(c)) for c in columns))
    ours = rows.get('durward')
    others = {k: r for k, r in rows.items() if k not in ('durward', DIRECT)}
    if not ours or not others:
        return
    for what, pick in (('to HAProxy', [r for k, r in others.items() if k == 'haproxy']),
                       ('to the best', list(others.values()))):
        ratios = []
        for c in columns:
            values = [r[c] for r in pick if r.get(c)]
            best = (max if better[c] == 'more' else min)(values) if values else None
            ratios.append(ratio(ours.get(c), best))
        print('  %-16s' % what + ''.join('%16s' % r for r in ratios))
    sys.stdout.flush()


def turns(title, who, measure, columns):
    """Measure each peer in turn, ROUNDS times; columns is a list of
    (heading, more or less, function of one measurement)."""
    if not JOBS.search(title):
        return
    got = {p.label: [] for p in who}
    for _ in range(ROUNDS):
        for p in who:
            try:
                got[p.label].append(with_cpu(p, measure))
            except (RuntimeError, subprocess.SubprocessError) as e:
                print('  %s: %s' % (p.label, e))
    rows = {}
    for label, runs in got.items():
        row = {}
        for heading, _, value in columns:
            values = [v for v in map(value, runs) if v is not None]
            row[heading] = median(values) if values else None
        rows[label] = row
        failed = sum(r.get('failed', 0) for r in runs)
        if failed:
            print('  %s: %d failed' % (label, failed))
    table(title, [c[0] for c in columns], rows, {c[0]: c[1] for c in columns})


def cpu_each(run):
    return run['cpu'] * 1e6 / run['count'] if 'cpu' in run and run['count'] else None


TIMES = [('rate/s', 'more', lambda r: r['rate']),
         ('median us', 'less', lambda r: r['p50_us']),
         ('p99 us', 'less', lambda r: r['p99_us']),
         ('CPU us each', 'less', cpu_each)]
BULK = [('GB/s', 'more', lambda r: r['bytes'] / r['seconds'] / 1e9),
        ('CPU s/GB', 'less', lambda r: r['cpu'] * 1e9 / r['bytes'] if 'cpu' in r else None)]


# -- the jobs

def jobs_tls(who):
    for n in (1, 32, 256):
        turns('TLS connections, %d at a time (hello, 1 KiB back, close)' % n, who,
              lambda p, n=n: load('connect', p, 'hello', n, SECONDS), TIMES)


def jobs_http(who):
    if not shutil.which('wrk'):
        print('\nHTTP: wrk is not installed')
        return
    for n in (1, 32):
        turns('HTTP keep-alive, %d connection%s' % (n, 's' * (n > 1)), who,
              lambda p, n=n: wrk(p, n), TIMES)
    turns('HTTP, a connection a request, 32 at a time', who,
          lambda p: wrk(p, 32, 'Connection: close'), TIMES)


def jobs_bulk(who):
    for n in (1, 4):
        turns('Download, %d at once' % n, who,
              lambda p, n=n: load('bulk', p, 'bulk', n, SECONDS), BULK)


def jobs_echo(who):
    for n in (100, 16384):
        turns('Round trips of %d bytes on an open connection' % n, who,
              lambda p, n=n: load('echo', p, 'echo', n, SECONDS), TIMES)


def hold(peer, count):
    """So many connections at once, into a pool that has just been started."""
    peer.start()
    try:
        time.sleep(1)
        before, pss = peer.meter.memory(), peer.meter.pss()
        cpu = peer.meter.cpu()
        held = subprocess.Popen(
            [LOAD, 'hold', '127.0.0.1', str(peer.tls_port), 'hello.bench.test',
             str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            universal_newlines=True)
        got = json.loads(held.stdout.readline())
        got['cpu'] = peer.meter.cpu() - cpu
        time.sleep(4)       # quiet ones give back what they can
        after = peer.meter.memory()
        if after is not None:
            got['kib'] = (after - before) / 1024 / count
        got['pss_kib'] = (peer.meter.pss() - pss) / 1024 / count
        held.communicate('\n')
        return got
    finally:
        peer.stop()


def job_held(kinds, world, scratch, count):
    title = '%d connections held, from a cold pool' % count
    if not JOBS.search(title):
        return
    columns = ('all served s', 'CPU s', 'KiB each', 'of it PSS')
    rows = {}
    for kind in kinds:
        got = hold(kind(world, scratch), count)
        if got['failed']:
            print('  %s: %d failed' % (kind.label, got['failed']))
        rows[kind.label] = dict(zip(columns, (
            got['seconds'], got['cpu'], got.get('kib'), got['pss_kib'])))
    table(title, columns, rows, {c: 'less' for c in columns})


def job_names(kinds, world, scratch):
    title = '%d names against 1 (connections, 32 at a time)' % NAMES
    if not JOBS.search(title):
        return
    columns = ('1: rate/s', '%d: rate/s' % NAMES, '% kept', 'start s', 'reload s')
    rows = {}
    for kind in kinds:
        one, many = kind(world, scratch, names=1), kind(world, scratch, names=NAMES)
        rates = {one: [], many: []}
        try:
            one.start()
            row = {'start s': many.start()}
            for _ in range(ROUNDS):
                for p in (one, many):
                    rates[p].append(load('connect', p, 'n00000.bench.test', 32,
                                         SECONDS, p.names)['rate'])
            if hasattr(many, 'reload'):
                row['reload s'] = many.reload()
        except RuntimeError as e:
            print('  %s' % e)
            continue
        finally:
            one.stop()
            many.stop()
        row[columns[0]], row[columns[1]] = median(rates[one]), median(rates[many])
        row['% kept'] = 100 * row[columns[1]] / row[columns[0]]
        rows[kind.label] = row
    table(title, columns, rows, {c: 'less' if c.endswith(' s') else 'more' for c in columns})


def job_probes(kinds, world, scratch):
    title = '%d servers probed each second' % PROBED
    if not JOBS.search(title):
        return
    probed = [('127.2.%d.%d' % divmod(i, 250), world['hello']) for i in range(250, PROBED + 250)]
    seconds = 5 * SECONDS
    rows = {}
    for kind in [k for k in kinds if k.checks]:
        p = kind(world, scratch, probed=probed)
        try:
            p.start()
            time.sleep(2)
            before = p.meter.cpu()
            time.sleep(seconds)
            rows[kind.label] = {'% of a core': (p.meter.cpu() - before) * 100 / seconds}
        except RuntimeError as e:
            print('  %s' % e)
        finally:
            p.stop()
    table(title, ['% of a core'], rows, {'% of a core': 'less'})


# -- the run

def servers(world, started):
    """The sink and the servers; their processes are appended to started."""
    for what in ('hello', 'echo', 'bulk', 'http'):
        world[what] = peers.free_port()
        started.append(subprocess.Popen([LOAD, 'serve', what, str(world[what])]))
        peers.wait_port(world[what], started[-1])
    world['log'] = peers.free_port(socket.SOCK_DGRAM)
    started.append(subprocess.Popen([LOAD, 'sink', str(world['log'])]))


def chosen():
    for kind in peers.ALL:
        if PEERS and kind.label not in PEERS:
            continue
        if kind.installed():
            yield kind
        else:
            print('%s: not installed%s' % (
                kind.label, ', or without its stream module' * (kind is peers.Nginx)))


def run(kinds, world, scratch):
    splice = peers.HaproxySplice
    usual = [k for k in kinds if k is not splice]
    running = {k: k(world, scratch) for k in kinds}
    try:
        for p in running.values():
            p.start()
        time.sleep(1.5)         # first probes
        direct = Direct(world)
        tcp = [running[k] for k in usual]
        jobs_tls([direct] + tcp)
        jobs_http([direct] + [p for p in tcp if p.http])
        jobs_bulk([direct] + list(running.values()))
        jobs_echo([direct] + list(running.values()))
    finally:
        for p in running.values():
            p.stop()
    for count in HELD:
        job_held(usual, world, scratch, count)
    job_names(usual, world, scratch)
    job_probes(usual, world, scratch)


def main():
    begin = time.monotonic()
    scratch = tempfile.mkdtemp(prefix='durward-bench-')
    os.chmod(scratch, 0o755)
    world, started = {}, []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    print('%s; %d processors; %s' % (time.strftime('%Y-%m-%d'), os.cpu_count(),
                                     ' '.join(os.uname()[i] for i in (0, 2, 4))))
    print('%d s each, median of %d; load before: %.1f' % (
        SECONDS, ROUNDS, os.getloadavg()[0]))
    try:
        servers(world, started)
        run(list(chosen()), world, scratch)
    finally:
        for p in started:
            p.terminate()
            p.wait()
        shutil.rmtree(scratch, ignore_errors=True)
    print('\n%.0f s in all' % (time.monotonic() - begin))


if __name__ == '__main__':
    main()
