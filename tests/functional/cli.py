#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""durward's options, its exit status and its messages."""

import grp
import os
import pwd
import re
import socket
import subprocess

from lib import (CTL, DURWARD, SRCDIR, Durward, check, equal, free_port, main,
                 run_durward, scratch, skip, wait_for, write_conf)
from lib.daemon import preamble

GOOD = '''\
listener "https" { bind = {"127.0.0.1:@https@"} protocol = "tls" }
cluster "hub" {
    service "ingress" {
        listeners = {"https"}
        hosts     = {"*.apps.hub.example.org"}
        servers   = {"compute0=192.0.2.23", "compute1=192.0.2.24:8443"}
    }
}
'''


def test_t_says_ok():
    path = write_conf(GOOD)
    run = run_durward('-t', '-c', path)
    equal((run.returncode, run.stdout, run.stderr), (0, path + ': ok\n', ''))


def test_the_sample_is_good():
    run = run_durward('-t', '-c', os.path.join(SRCDIR, 'etc', 'durward.conf'))
    equal(run.returncode, 0, run.stderr)
    check(run.stdout.endswith('durward.conf: ok\n'), '%r', run.stdout)


# what is wrong, the text, the line to blame, what the message must name
BAD = [
    ('an unknown key', GOOD + 'colour = "red"\n', 9, 'colour'),
    ('an unknown key in a section', GOOD.replace(
        'hosts ', 'colour = "red"\n        hosts ', 1), 5, 'colour'),
    ('a duration without a unit', 'drain-timeout = "30"\n' + GOOD, 1,
     'drain-timeout'),
    ('a duration of nothing known', 'drain-timeout = "3 moons"\n' + GOOD, 1,
     'drain-timeout'),
    ('an unknown protocol', GOOD.replace('"tls"', '"gopher"'), 1, 'protocol'),
    ('a bad address to bind', GOOD.replace('127.0.0.1:@https@', '127.0.0.300:1'),
     1, 'bind'),
    ('a bad port', GOOD.replace(':8443', ':84430'), 6, '84430'),
    ('an unknown listener', GOOD.replace('{"https"}', '{"nowhere"}'), 4,
     'nowhere'),
    ('no host', GOOD.replace('{"*.apps.hub.example.org"}', '{}'), 3, 'host'),
    ('no server', re.sub(r'servers *= .*', '', GOOD), 3, 'server'),
    ('a server twice', GOOD.replace('compute1=', 'compute0='), 6, 'compute0'),
    ('a bad expression', GOOD.replace('*.apps.hub.example.org', '~(('), 5,
     r'hosts|~\(\('),
    ('a bad network', GOOD.replace('listeners ', 'allow = {"10.0.0.0/33"}\n'
     '        listeners ', 1), 4, 'allow'),
    ('a negative weight', GOOD.replace('servers ', 'server "x" { address = '
     '"192.0.2.9" weight = -1 }\n        servers ', 1), 6, 'weight'),
    ('the same cluster twice', GOOD + 'cluster "hub" {\n}\n', 9, 'hub'),
    ('no string where one is due', GOOD + 'log = {\n', 9, r'log|\{'),
    ('a listener twice', 'listener "https" { bind = {"127.0.0.1:9"} '
     'protocol = "tls" }\n' + GOOD, 2, 'https'),
]


def test_each_error_names_file_line_and_key():
    for what, text, line, word in BAD:
        path = write_conf(text)
        run = run_durward('-t', '-c', path)
        equal((run.returncode, run.stdout), (1, ''), what)
        first = 'durward: %s:%d: ' % (path, line)
        check(any(out.startswith(first) and re.search(word, out[len(first):])
                  for out in run.stderr.split('\n')),
              '%s: no "%s... %s ..." in %r', what, first, word, run.stderr)


def test_a_pattern_twice_names_both_lines():
    path = write_conf(GOOD + GOOD[GOOD.index('cluster'):].replace(
        '"hub"', '"two"'))
    run = run_durward('-t', '-c', path)
    equal(run.returncode, 1)
    check(re.search(r'%s:12: .*\b5\b' % re.escape(path), run.stderr),
          '%r', run.stderr)


def test_every_error_is_named():
    path = write_conf('colour = "red"\ndrain-timeout = "30"\n' +
                      GOOD.replace(':8443', ':84430'))
    run = run_durward('-t', '-c', path)
    equal(run.returncode, 1)
    for line in (1, 2, 8):
        check('durward: %s:%d: ' % (path, line) in run.stderr,
              'line %d is missing in %r', line, run.stderr)


def test_data_is_never_a_format():
    path = write_conf(GOOD.replace('{"https"}', '{"%s%s%n%1000d"}'))
    run = run_durward('-t', '-c', path)
    equal(run.returncode, 1)
    check('%s%s%n%1000d' in run.stderr, '%r', run.stderr)


def test_a_user_or_group_that_is_not_there():
    path = write_conf('user = "no-such"\ngroup = "none-such"\n' + GOOD)
    root = os.geteuid() == 0
    for option in ['-t', '-f'] if root else ['-t']:
        run = run_durward(option, '-c', path)
        equal(run.returncode, 1 if root else 0, option)
        for line, text in (1, 'user = "no-such": there is no such user here'), \
                (2, 'group = "none-such": there is no such group here'):
            check('%s:%d: %s' % (path, line, text) in run.stderr, '%r', run.stderr)


def test_relative_paths_start_at_the_file():
    directory = scratch()
    text = preamble('') + GOOD.replace('bind = {', 'bind = {"unix:x.bound", ')
    text = text.replace('"/durward.', '"x.').replace(':8443', ':1', 1)
    path = write_conf(re.sub(r'(192\.0\.2\.\d+)"', r'\1:1"', text), directory)
    daemon = subprocess.Popen([DURWARD, '-c', path], cwd='/',
                              stdin=subprocess.DEVNULL)
    equal(daemon.wait(20), 0)
    for name in 'x.pid', 'x.sock', 'x.bound':
        check(os.path.exists(os.path.join(directory, name)), 'no %s', name)
    for command in 'reload', 'stop':
        equal(subprocess.run([CTL, '-s', directory + '/x.sock', command],
                             stdout=subprocess.DEVNULL).returncode, 0, command)
    wait_for(lambda: not os.path.exists(directory + '/x.pid'))


def test_files_without_certificates_are_refused():
    for name in '/etc/passwd', '/etc', os.devnull:
        path = write_conf(GOOD.replace(
            'hosts ', 'check { ca-file = "%s" }\n hosts ' % name, 1))
        for option in '-t', '-f':
            run = run_durward(option, '-c', path)
            equal((run.returncode, run.stdout), (1, ''), option)
            check('%s:5: ca-file = "%s": ' % (path, name) in run.stderr, '%r',
                  run.stderr)


def test_a_group_that_was_not_set_follows_the_user():
    try:
        grp.getgrnam('durward')
        skip('there is a group durward')
    except KeyError:
        pass
    root = os.geteuid() == 0
    text = 'user = "nobody"\n'
    run = run_durward('-t', '-c', write_conf(text + GOOD))
    equal((run.returncode, run.stderr), (0, ''))
    run = run_durward('-t', '-c', write_conf(text + 'group = "durward"\n' + GOOD))
    equal(run.returncode, 1 if root else 0)
    check(':2: group = "durward": there is no such group' in run.stderr, '%r',
          run.stderr)
    if not root:
        return
    daemon = Durward(GOOD)
    with open(daemon.conf) as f:
        text = re.sub('(?m)^group = .*\n', '', f.read())
    with open(daemon.conf, 'w') as f:
        f.write(text)
    run = daemon.ctl('reload')
    equal((run.returncode, run.stderr), (0, ''))
    with open('/proc/%d/status' % daemon.workers()[0]) as f:
        check(re.search(r'\nGid:\t%d\t' % pwd.getpwnam('nobody').pw_gid, f.read()),
              'it runs as another group')


def test_a_file_that_is_not_there():
    path = os.path.join(scratch(), 'none.conf')
    for option in '-t', '-T', '-f':
        run = run_durward(option, '-c', path)
        equal(run.returncode, 1, option)
        check(path in run.stderr and 'No such file' in run.stderr, '%r',
              run.stderr)


def test_errors_are_the_same_without_t():
    path = write_conf('colour = "red"\n' + GOOD)
    for options in ['-T'], ['-f'], [], ['-r', 'https,x']:
        run = run_durward(*options, '-c', path)
        equal((run.returncode, run.stdout), (1, ''), str(options))
        check('durward: %s:1: ' % path in run.stderr, '%r', run.stderr)


def test_upper_t_prints_what_parses_back():
    for text in (GOOD, open(os.path.join(SRCDIR, 'etc/durward.conf')).read(),
                 GOOD + 'listener "stats" { bind = {"127.0.0.1:@stats@"} '
                 'protocol = "stats" user = "admin" password = "password" '
                 'uri = "/haproxy?stats" }\n'):
        path = write_conf(text)
        first = run_durward('-T', '-c', path)
        equal(first.returncode, 0, first.stderr)
        check('password = "password"' not in first.stdout,
              'a password in clear')
        again = write_conf(first.stdout)
        run = run_durward('-t', '-c', again)
        equal(run.returncode, 0, run.stderr)
        second = run_durward('-T', '-c', again)
        equal((second.returncode, second.stdout), (0, first.stdout),
              'the second printing')
        for key in ('drain-timeout', 'max-connections', 'handshake', 'rise',
                    'retries', 'tcp-keepalive', 'spare-workers'):
            check(key in first.stdout, 'no %s in -T', key)


def test_three_ways_to_write_a_regular_expression():
    """As durward.conf(5) has them."""
    page = open(os.path.join(SRCDIR, 'man', 'durward.conf.5')).read()
    ways = re.findall(r'^hosts = \{(.*pr-\[0-9\]\+.*)\}$', page, re.M)
    equal(len(ways), 3, 'ways')
    for way in ways:
        run = run_durward('-T', '-c', write_conf(
            GOOD.replace('"*.apps.hub.example.org"', way.replace('\\e', '\\'))))
        equal(run.returncode, 0, run.stderr)
        check(r'hosts = {"~^pr-[0-9]+\\.a$"}' in run.stdout, '%r', run.stdout)


def test_r_goes_over_t():
    path = write_conf(GOOD)
    route = run_durward('-c', path, '-r', 'https,a.apps.hub.example.org')
    for options in ['-t'], ['-T'], ['-t', '-T']:
        run = run_durward(*options, '-c', path, '-r',
                          'https,a.apps.hub.example.org,127.0.0.1')
        equal((run.returncode, run.stdout), (0, route.stdout), str(options))
    check(run_durward('-t', '-T', '-c', path).stdout.startswith('user = '), '-T')


def test_r_routes():
    path = write_conf(GOOD)
    run = run_durward('-c', path, '-r', 'https,a.apps.hub.example.org,192.0.2.7')
    equal((run.returncode, run.stderr), (0, ''))
    check(re.match(r'hub\.ingress\.https/compute[01]\n$', run.stdout), '%r',
          run.stdout)
    chosen = {run_durward('-c', path, '-r',
                          'https,a.apps.hub.example.org,192.0.2.%d' % i).stdout
              for i in range(1, 20)}
    equal(len(chosen), 2, 'servers in use')
    for question in ('https,b.example.org', 'https,', 'nowhere,x',
                     'https,a.b.apps.hub.example.org'):
        run = run_durward('-c', path, '-r', question)
        equal((run.returncode, run.stdout), (1, ''), question)
        check(run.stderr.startswith('durward: '), '%r', run.stderr)


def test_usage():
    for args in (['-Z'], ['-r'], ['stray'], ['-c']):
        run = run_durward(*args)
        equal((run.returncode, run.stdout), (2, ''), str(args))
        check('usage' in run.stderr.lower(), '%r', run.stderr)
    run = run_durward('-h')
    equal((run.returncode, run.stderr), (0, ''))
    check('durward [-fhtTV]' in run.stdout, '%r', run.stdout)
    run = run_durward('-V')
    equal(run.returncode, 0)
    check(re.match(r'durward \d+\.\d+', run.stdout), '%r', run.stdout)


def test_ctl_usage():
    for args in ([], ['-Z'], ['dance'], ['kill'], ['drain']):
        run = ctl(*args)
        equal((run.returncode, run.stdout), (2, ''), str(args))
        check('usage' in run.stderr.lower(), '%r', run.stderr)


def ctl(*args):
    return subprocess.run([CTL] + list(args), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          universal_newlines=True, timeout=20)


def test_ctl_says_what_is_wrong():
    run = ctl('-s', '', 'ping')
    equal((run.returncode, run.stdout), (2, ''))
    check(run.stderr.startswith("durwardctl: -s: the socket's path is missing\n"),
          '%r', run.stderr)
    daemon = Durward(GOOD)
    for pid in '0', '1', '2147483647', '2147483648', '9' * 30:
        run = daemon.ctl('kill', pid)
        equal((run.returncode, run.stdout), (1, ''))
        check(run.stderr.startswith(
            'durwardctl: no worker with a client has this pid'), '%r', run.stderr)


def test_a_directory_is_named_once():
    run = run_durward('-t', '-c', '/tmp')
    equal((run.returncode, run.stderr), (1, 'durward: /tmp: Is a directory\n'))


def test_ctl_without_a_daemon():
    run = ctl('-s', scratch() + '/none.sock', 'ping')
    equal((run.returncode, run.stdout), (1, ''))
    check('none.sock' in run.stderr, '%r', run.stderr)


def test_include():
    directory = scratch()
    os.mkdir(directory + '/conf.d')
    with open(directory + '/conf.d/hub.conf', 'w') as f:
        f.write(GOOD[GOOD.index('cluster'):])
    head = GOOD[:GOOD.index('cluster')]
    path = write_conf(head + 'include("conf.d/*.conf")\n', directory)
    run = run_durward('-t', '-c', path)
    equal((run.returncode, run.stdout), (0, path + ': ok\n'), run.stderr)
    with open(directory + '/conf.d/two.conf', 'w') as f:
        f.write('\n\ncolour = "red"\n')
    run = run_durward('-t', '-c', path)
    equal(run.returncode, 1)
    check('conf.d/two.conf:3: ' in run.stderr and 'colour' in run.stderr,
          '%r', run.stderr)


def test_warnings_do_not_fail():
    slow = GOOD.replace('listeners ', 'check { interval = "20s" }\n'
                        '        listeners ', 1)
    joined = '''\
listener "https" { bind = {"127.0.0.1:@https@"} protocol = "tls" }
cluster "one" { service "a" { listeners = {"https"}
    hosts = {"a.example.org"} servers = {"192.0.2.1"} } }
cluster "two" { service "b" { listeners = {"https"}
    hosts = {"b.example.org"} servers = {"192.0.2.2"} } }
'''
    hidden = GOOD + '''\
cluster "two" { service "x" { listeners = {"https"}
    hosts = {"a.apps.hub.example.org"} servers = {"192.0.2.1"} } }
'''
    for what, text in (('slow', slow), ('joined', joined), ('hidden', hidden)):
        path = write_conf(text)
        run = run_durward('-t', '-c', path)
        equal((run.returncode, run.stdout), (0, path + ': ok\n'), what)
        check(run.stderr.strip(), 'no warning: %s', what)


def test_the_articles_listeners_are_the_default():
    path = write_conf('cluster "hub" { service "api" {\n'
                      'hosts = {"api.example.org"} servers = {"192.0.2.1"} } }\n')
    run = run_durward('-T', '-c', path)
    equal(run.returncode, 0, run.stderr)
    for port in ('*:6443', '*:443', '*:80'):
        check('"%s"' % port in run.stdout, 'no %s', port)


def test_a_busy_port_is_said():
    holder = socket.socket()
    port = free_port()
    holder.bind(('127.0.0.1', port))
    holder.listen(1)
    directory = scratch()
    path = write_conf(preamble(directory) + GOOD, directory, https=port)
    for options in ['-f'], []:
        run = run_durward(*options, '-c', path)
        equal(run.returncode, 1, '%s: %s' % (options, run.stderr))
        check(str(port) in run.stderr and 'in use' in run.stderr, '%r',
              run.stderr)
    holder.close()


main()
