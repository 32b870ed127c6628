#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""TLS by name: every client gets its own cluster's certificate and body."""

from lib import (ALERT_UNRECOGNIZED_NAME, Certs, Durward, TlsBackend, alert,
                 ask, check, connect, curl, equal, main, run_durward, s_client, shared,
                 simple_hello, tls_get)

CONF = '''
listener "api"   { bind = {"127.0.0.1:@api@"}   protocol = "tls" }
listener "https" { bind = {"127.0.0.1:@https@"} protocol = "tls"
                   default = "other.fallback" no-name = "other.nameless" }
listener "bare"  { bind = {"127.0.0.1:@bare@"}  protocol = "tls" }
listener "all"   { bind = {"127.0.0.1:@all@"}   protocol = "tls" }

cluster "hub" {
    service "api" {
        hosts   = {"api.hub.example.org"}
        servers = {"@hub_api@"}
    }
    service "ingress" {
        listeners = {"https", "bare"}
        hosts     = {"*.apps.hub.example.org", "Hub.Example.ORG"}
        servers   = {"@hub@"}
    }
}
cluster "managed1" {
    service "api" {
        hosts   = {"api.managed1.example.org"}
        servers = {"@managed1_api@"}
    }
    service "ingress" {
        listeners = {"https"}
        hosts     = {"**.managed1.example.org"}
        servers   = {"@managed1@"}
    }
    service "deep" {
        listeners = {"https"}
        hosts     = {"*.deep.managed1.example.org",
                     "console.apps.hub.example.org"}
        servers   = {"@deep@"}
    }
}
cluster "other" {
    service "first" {
        listeners = {"https"}
        hosts     = {"~^node[0-9]+[.]rx[.]example[.]org$"}
        servers   = {"@first@"}
    }
    service "second" {
        listeners = {"https"}
        hosts     = {"~^node1.*[.]example[.]org$"}
        servers   = {"@second@"}
    }
    service "fallback" {
        listeners = {"https"}
        hosts     = {"fallback.example.org"}
        servers   = {"@fallback@"}
    }
    service "nameless" {
        listeners = {"https"}
        hosts     = {"nameless.example.org"}
        servers   = {"@nameless@"}
    }
    service "all" {
        hosts   = {"*"}
        servers = {"@everything@"}
    }
}
'''

# server, the names its certificate is for
SERVERS = {
    'hub_api': ['api.hub.example.org'],
    'hub': ['*.apps.hub.example.org', 'hub.example.org'],
    'managed1_api': ['api.managed1.example.org'],
    'managed1': ['*.managed1.example.org', '*.a.managed1.example.org',
                 '*.x.deep.managed1.example.org'],
    'deep': ['*.deep.managed1.example.org', 'console.apps.hub.example.org'],
    'first': ['*.rx.example.org'],
    'second': ['node1.example.org', 'node1x.ry.example.org'],
    'fallback': ['fallback.example.org', 'unknown.example.org',
                 'apps.hub.example.org', 'a.b.apps.hub.example.org',
                 'managed1.example.org', '*.apps.hub.example.org.evil.test',
                 'xapi.hub.example.org'],
    'nameless': ['nameless.example.org'],
    'everything': ['anything.example.org'],
}

# listener, name asked for, server that must answer
ROUTES = [
    ('api', 'api.hub.example.org', 'hub_api'),
    ('api', 'api.managed1.example.org', 'managed1_api'),
    ('https', 'grafana.apps.hub.example.org', 'hub'),
    ('https', 'hub.example.org', 'hub'),
    ('bare', 'grafana.apps.hub.example.org', 'hub'),
    # an exact name before a wildcard, whoever's it is
    ('https', 'console.apps.hub.example.org', 'deep'),
    # *. is one label, neither none nor two
    ('https', 'apps.hub.example.org', 'fallback'),
    ('https', 'a.b.apps.hub.example.org', 'fallback'),
    # **. is one or more
    ('https', 'a.managed1.example.org', 'managed1'),
    ('https', 'b.a.managed1.example.org', 'managed1'),
    ('https', 'managed1.example.org', 'fallback'),
    # the longest suffix wins, as far as it matches
    ('https', 'a.deep.managed1.example.org', 'deep'),
    ('https', 'a.x.deep.managed1.example.org', 'managed1'),
    # expressions in the file's order
    ('https', 'node1.rx.example.org', 'first'),
    ('https', 'node2.rx.example.org', 'first'),
    ('https', 'node1x.ry.example.org', 'second'),
    # a suffix is not a prefix
    ('https', 'a.apps.hub.example.org.evil.test', 'fallback'),
    ('https', 'unknown.example.org', 'fallback'),
    ('all', 'anything.example.org', 'everything'),
]


@shared
def world():
    certs = Certs()
    servers = {name: TlsBackend(name, certs.server(name, names))
               for name, names in SERVERS.items()}
    return certs, Durward(CONF, **{n: s.entry for n, s in servers.items()})


def test_every_name_gets_its_certificate_and_body():
    certs, daemon = world()
    for listener, name, server in ROUTES:
        status, body, names = tls_get(daemon.port(listener), name, certs.ca)
        equal((status, body), (200, server), '%s on %s' % (name, listener))
        equal(names, SERVERS[server], 'certificate for %s' % name)


def test_durward_r_says_the_same():
    _, daemon = world()
    for listener, name, server in ROUTES:
        run = run_durward('-c', daemon.conf, '-r',
                          '%s,%s,192.0.2.1' % (listener, name))
        equal((run.returncode, run.stdout.strip().rpartition('/')[2]),
              (0, server), '-r %s,%s (%s)' % (listener, name, run.stderr))


def test_curl_reaches_the_right_server():
    certs, daemon = world()
    for name, server in (('grafana.apps.hub.example.org', 'hub'),
                         ('b.a.managed1.example.org', 'managed1'),
                         ('node2.rx.example.org', 'first')):
        port = daemon.port('https')
        run = curl('--cacert', certs.ca, '--resolve',
                   '%s:%d:127.0.0.1' % (name, port),
                   'https://%s:%d/' % (name, port))
        equal((run.returncode, run.stdout), (0, server), run.stderr)


def test_letter_case_and_a_trailing_dot_do_not_matter():
    certs, daemon = world()
    for name in ('GRAFANA.Apps.hub.EXAMPLE.org', 'grafana.apps.hub.example.org.',
                 'HUB.example.org'):
        run = s_client(daemon.port('https'), '-servername', name,
                       '-CAfile', certs.ca)
        check('Verify return code: 0' in run.stdout and
              'subject=CN = hub\n' in run.stdout, '%s: %s', name, run.stdout)


def test_who_names_nobody_gets_the_no_name_service():
    certs, daemon = world()
    run = s_client(daemon.port('https'), '-noservername', '-CAfile', certs.ca)
    check('subject=CN = nameless\n' in run.stdout, '%s', run.stdout)


def test_a_star_takes_a_missing_name_too():
    certs, daemon = world()
    run = s_client(daemon.port('all'), '-noservername', '-CAfile', certs.ca)
    check('subject=CN = everything\n' in run.stdout, '%s', run.stdout)


def test_without_a_default_no_route_is_alert_112():
    _, daemon = world()
    for listener, name in (('bare', 'unknown.example.org'), ('bare', None),
                           ('api', 'grafana.apps.hub.example.org'),
                           ('api', 'api.hub.example.org.evil.test'),
                           ('api', 'xapi.hub.example.org'), ('api', None)):
        answer = ask(daemon.port(listener), simple_hello(name))
        equal(alert(answer), ALERT_UNRECOGNIZED_NAME,
              '%s on %s, %r' % (name, listener, answer))
        run = run_durward('-c', daemon.conf, '-r',
                          '%s,%s' % (listener, name or ''))
        equal((run.returncode, run.stdout), (1, ''), '-r of the same')
        check(run.stderr, '-r gave no reason for %s', name)


def test_a_name_that_no_host_can_have():
    """It matches nothing, whatever part of it would: the default's, or alert 112;
    the log shows it escaped."""
    _, daemon = world()
    for name in ('a"b.apps.hub.example.org', 'a b.example.org', 'a..b', 'x' * 64 + '.test',
                 '*.apps.hub.example.org', 'a/b', 'hub.example.org:443', '\xe4.test'):
        answer = ask(daemon.port('bare'), simple_hello(name))
        equal(alert(answer), ALERT_UNRECOGNIZED_NAME, '%r, no default: %r' % (name, answer))
        with connect(daemon.port('https')) as s:
            s.sendall(simple_hello(name))
            check(s.recv(7)[:1] == b'\x16', '%r got no default', name)
    daemon.wait_log(r'https other\.fallback\.https/\S+ .*\{hub\.example\.org:443\}$')
    daemon.wait_log(r'https other\.fallback\.https/\S+ .*\{#C3#A4\.test\}$')


def test_hub_api_and_ingress_share_no_port():
    """The name of an API is not served where the ingress is, nor the other
    way round: there the default answers."""
    certs, daemon = world()
    run = s_client(daemon.port('https'), '-servername', 'api.hub.example.org',
                   '-CAfile', certs.ca)
    check('subject=CN = fallback\n' in run.stdout, '%s', run.stdout)


def test_mutual_tls_is_between_client_and_cluster():
    certs = Certs()
    server = TlsBackend('api', certs.server('api', ['api.example.org']),
                        client_ca=certs.ca)
    daemon = Durward('''
        listener "api" { bind = {"127.0.0.1:@api@"} protocol = "tls" }
        cluster "one" { service "api" { hosts = {"api.example.org"}
                                        servers = {"@server@"} } }''',
                     server=server.entry)
    status, body, _ = tls_get(daemon.port('api'), 'api.example.org', certs.ca,
                              client=certs.client('admin'))
    equal((status, body), (200, 'api'))
    run = curl('--cacert', certs.ca, '--resolve',
               'api.example.org:%d:127.0.0.1' % daemon.port('api'),
               'https://api.example.org:%d/' % daemon.port('api'))
    check(run.returncode != 0, 'without a certificate the API said %s',
          run.stdout)


main()
