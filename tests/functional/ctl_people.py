#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""durwardctl for people and for programs: every command in both, colour where
there is a terminal, a reload that was refused, and bash's completion."""

import json
import os
import re
import shutil
import subprocess

from lib import (CTL, SRCDIR, Durward, EchoBackend, check, connect, equal, exchange,
                 free_port, main, scratch, shared, simple_hello, skip, wait_for)

CONF = '''
listener "https" { bind = {"127.0.0.1:@https@"} protocol = "tls" }
cluster "hub" {
    service "ingress" {
        listeners = {"https"}
        hosts     = {"*.apps.hub.linuxera.lab"}
        servers   = {"compute0=127.0.0.1:@echo@", "compute1=127.0.0.1:@gone@"}
        check { type = "tcp" interval = "200ms" }
    }
}
cluster "managed1" {
    service "ingress" {
        listeners = {"https"}
        hosts     = {"*.apps.managed1.linuxera.lab"}
        servers   = {"compute0=127.0.0.1:@echo@", "other=127.0.0.1:@echo@"}
        check { type = "none" }
    }
}
'''


def start():
    daemon = Durward(CONF, echo=EchoBackend().port, gone=free_port())
    daemon.wait_state('hub.ingress.https', 'compute1', 'DOWN')
    return daemon


def opened(daemon, name):
    hello = simple_hello(name)
    s = connect(daemon.port('https'))
    exchange(s, hello + b'x' * 5000, len(hello) + 5000)
    return s


@shared
def world():
    daemon = start()
    daemon.held = [opened(daemon, 'console.apps.%s.linuxera.lab' % c) for c in ('hub', 'managed1')]
    wait_for(lambda: len(daemon.json('connections')) == 2, 10, 'both')
    return daemon


SPAN = r'\d+(s|m\d*s?|h\d*m?|d\d*h?)'
SIZE = r'\d+(\.\d)?[kMGTPE]?'
CHANGED = {'backend', 'server', 'was', 'state'}
ROUTE = ['route', 'https', 'console.apps.hub.linuxera.lab', '192.0.2.1']
# words, what people read (line by line), keys that programs read
COMMANDS = [
    (['status'],
     [r'BACKEND +SERVER +ADDRESS +STATE +SINCE +CHECK +CURRENT +TOTAL +IN +OUT',
      r'hub\.ingress\.https +compute0 +127\.0\.0\.1:\d+ +UP +%s +L4OK in \d\.\dms, 0s ago +1 +1 +'
      r'%s +%s' % (SPAN, SIZE, SIZE),
      r'hub\.ingress\.https +compute1 +127\.0\.0\.1:\d+ +DOWN +%s +L4CON: Connection refused in '
      r'\d\.\dms, 0s ago +0 +0 +0 +0' % SPAN,
      r'managed1\.ingress\.https +compute0 +127\.0\.0\.1:\d+ +NO CHECK +%s +- +\d +\d +%s +%s' % (
          SPAN, SIZE, SIZE),
      r'managed1\.ingress\.https +other +127\.0\.0\.1:\d+ +NO CHECK .*'],
     {'backend', 'server', 'address', 'state', 'since', 'check', 'check_ms', 'current', 'total',
      'bytes_in', 'bytes_out'}),
    (['connections'],
     [r' *PID +LISTENER +CLIENT +HOST +BACKEND/SERVER +AGE +IDLE +IN +OUT'] +
     [r' *\d+ +https +127\.0\.0\.1:\d+ +console\.apps\.\w+\.linuxera\.lab +'
      r'\w+\.ingress\.https/\w+ +%s +%s +5\.\dk +5\.\dk' % (SPAN, SPAN)] * 2,
     {'pid', 'listener', 'client', 'host', 'backend', 'server', 'age', 'idle', 'bytes_in',
      'bytes_out'}),
    (ROUTE, [r'hub\.ingress\.https/compute0'], {'backend', 'server', 'address'}),
    (['drain', '*/other'],
     [r'1 server .*', r'  managed1\.ingress\.https/other: DRAIN, was NO CHECK'], CHANGED),
    (['maint', 'managed1.*/oth*'],
     [r'1 server .*', r'  managed1\.ingress\.https/other: MAINT, was DRAIN'], CHANGED),
    (['ready', '*/[ox]ther'],
     [r'1 server .*', r'  managed1\.ingress\.https/other: NO CHECK, was MAINT'],
     CHANGED),
    (['ping'], [r'accepting connections'], None),
    (['reload'], [r'reloaded: generation \d+ is in service'], None),
]


def test_every_command_for_people_and_programs():
    daemon = world()
    for words, lines, keys in COMMANDS:
        run = daemon.ctl(*words)
        equal((run.returncode, run.stderr), (0, ''), ' '.join(words))
        got = run.stdout.rstrip('\n').split('\n')
        equal(len(got), len(lines), '%s: %s' % (words, got))
        for want, line in zip(lines, got):
            check(re.match(want + r' *$', line), '%s: want %s, got %r', words, want, line)
        run = daemon.ctl('-j', *words)
        equal((run.returncode, run.stderr), (0, ''), '-j ' + ' '.join(words))
        rows = json.loads(run.stdout)
        check(isinstance(rows, list) and rows, '-j %s: %r', words, rows)
        for row in rows:
            check(keys is None or set(row) == keys, '-j %s: %r', words, row)


def test_kill_for_people_and_programs():
    daemon = world()
    for flags in [], ['-j']:
        with opened(daemon, 'a.apps.hub.linuxera.lab'):
            pid, = wait_for(lambda: [r['pid'] for r in daemon.json('connections')
                                     if r['host'] == 'a.apps.hub.linuxera.lab'], 10, 'it')
            run = daemon.ctl(*flags, 'kill', str(pid))
            equal(run.returncode, 0)
            check(str(pid) in (json.loads(run.stdout)[0]['result'] if flags else run.stdout),
                  '%r', run.stdout)
        wait_for(lambda: len(daemon.json('connections')) == 2, 10, 'it to be gone')


def test_stop_and_drain_all():
    for flags in [], ['-j']:
        for word in 'stop', 'drain-all':
            daemon = start()
            run = daemon.ctl(*flags, word)
            equal((run.returncode, run.stderr), (0, ''), word)
            check(run.stdout.strip(), '%s says nothing', word)
            if flags:
                json.loads(run.stdout)
            equal(daemon.wait_end(), 0)


def test_errors_are_for_people_in_both():
    """What went wrong is on stderr and in the exit status, never in stdout."""
    daemon = world()
    for words, status in ((['drain', 'nobody/*'], 1), (['kill', '1'], 1), (['route', 'x', 'y'], 1),
                          (['route', 'https', 'no.example.org'], 1), (['drain'], 2), ([], 2),
                          (['nonsense'], 2), (['status', 'more'], 2), (['kill', 'x'], 2)):
        for flags in [], ['-j']:
            run = daemon.ctl(*flags, *words)
            equal((run.returncode, run.stdout), (status, ''), ' '.join(flags + words))
            check(run.stderr.startswith('durwardctl: '), '%r', run.stderr)


def test_a_reload_that_is_refused():
    """It answers with the file and the line of each error; nothing has changed."""
    daemon = start()
    daemon.write(CONF + 'cluster "bad" {\n    service "x" { hosts = {"x.test"} }\n'
                 '    service "y" { hosts = {"y.test"} servers = {"127.0.0.1"} wrong = 1 }\n}\n')
    with open(daemon.conf) as f:
        first = f.read().split('\n').index('cluster "bad" {') + 1
    run = daemon.ctl('reload')
    equal((run.returncode, run.stdout), (1, ''))
    for line, word in ((first + 1, 'servers'), (first + 2, 'wrong')):
        check(re.search(r'^durwardctl: %s:%d: .*%s' % (re.escape(daemon.conf), line, word),
                        run.stderr, re.M), 'line %d: %s', line, run.stderr)
    equal(len(daemon.json('status')), 4)
    equal(daemon.ctl('ping').returncode, 0)
    daemon.write(CONF)
    equal(daemon.ctl('reload').returncode, 0)


def test_reasons_only_on_a_terminal():
    """A script gets the answer of `durward -r`, and nothing to skip."""
    got = world().ctl_in_a_terminal(*ROUTE).rstrip('\n').split('\n')
    want = [r'hub\.ingress\.https/compute0', r'  at 127\.0\.0\.1:\d+',
            r'  because the name matches "\*\.apps\.hub\.linuxera\.lab" and balance is source',
            r'  1 of 2 servers can serve now']
    check(len(got) == 4 and all(map(re.fullmatch, want, got)), '%r', got)


def test_colour_only_on_a_terminal():
    daemon = world()
    text = daemon.ctl_in_a_terminal('status')
    check('\033[32mUP\033[0m' in text and '\033[1;31mDOWN\033[0m' in text, '%r', text)
    # it is lined up all the same
    plain = re.sub(r'\033\[[0-9;]*m', '', text).replace('\r', '')
    shape = re.compile(r'\S+')
    equal([[m.start() for m in shape.finditer(line)][:4] for line in plain.split('\n')],
          [[m.start() for m in shape.finditer(line)][:4]
           for line in daemon.ctl('status').stdout.split('\n')])
    for text in (daemon.ctl('status').stdout, daemon.ctl_in_a_terminal('status', NO_COLOR='1'),
                 daemon.ctl_in_a_terminal('-j', 'status')):
        check('\033' not in text, 'colour: %r', text)


# --- completion -------------------------------------------------------------------

def completes(line, directory=None):
    """What bash offers at the end of this line."""
    if not shutil.which('bash'):
        skip('no bash here')
    words = line.split(' ')
    script = '''
compopt() { :; }        # works within a completion alone
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
function=$(complete -p "$1") && function=${function##*-F } && ${function%% *} "$1" "${!#}" ""
printf '%s\\n' "${COMPREPLY[@]}"
'''
    run = subprocess.run(
        ['bash', '--norc', '-c', script, 'bash', SRCDIR + '/etc/durward.bash-completion'] + words,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, cwd=directory,
        env=dict(os.environ, PATH=os.path.dirname(CTL) + ':' + os.environ['PATH']), timeout=30)
    equal((run.returncode, run.stderr), (0, ''), line)
    return sorted(run.stdout.split())


def test_completion():
    daemon = world()
    ctl = 'durwardctl -s %s/durward.sock ' % daemon.dir
    usage = daemon.ctl('-h').stdout
    commands = sorted(re.findall(r'^  ([a-z][a-z-]*)', usage, re.M))
    equal(completes('durwardctl '), commands, 'every command that the usage names')
    equal(completes('durwardctl dr'), ['drain', 'drain-all'])
    equal(completes('durwardctl -'), ['-h', '-j', '-s'])
    equal(completes('durwardctl -j st'), ['status', 'stop'])
    equal(completes(ctl + 'drain hub'), ['hub.ingress.https/compute0', 'hub.ingress.https/compute1'])
    equal(completes(ctl + '-j maint m'), ['managed1.ingress.https/compute0',
                                          'managed1.ingress.https/other'])
    pids = sorted(str(r['pid']) for r in daemon.json('connections'))
    equal(completes(ctl + 'kill '), pids)
    equal(completes(ctl + 'route '), ['https'])
    equal(completes(ctl + 'ready hub.ingress.https/compute0 '), [])
    equal(completes(ctl + 'status '), [])
    # where nobody answers there is nothing to offer, and no complaint
    equal(completes('durwardctl -s /nonexistent drain '), [])
    directory = scratch()
    open(directory + '/my.conf', 'w').close()
    equal(completes('durward -c my', directory), ['my.conf'])
    equal(completes('durward -'), sorted('-f -h -t -T -V -c -p -r'.split()))
    equal(completes('durwardctl -s my', directory), ['my.conf'])


main()
