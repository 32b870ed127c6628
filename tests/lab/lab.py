#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The article's network, in network namespaces: one address, three clusters.

      client               gateway                         nodes
    203.0.113.7 ------ 203.0.113.1 | 192.168.125.1 --+-- 192.168.125.20 to .25
    and .10 to .29     durward                       +-- 192.168.125.30 to .35
                       6443, 443, 80                 +-- 192.168.125.40 to .45

durward runs with the sample configuration as it is shipped, but for its user
and its log.  Each node is an nginx of its own; one is switched off by taking
its address away.  Needs root and network namespaces; is skipped without.
"""

import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                '..', 'functional'))

from pods import Exec, Pods, has_websocket_exec
from lib import (SRCDIR, Certs, Durward, Network, Nginx, alive, check, connect,
                 curl, equal, find_nginx, http_request, main, own, read_until,
                 scratch, shared, skip, tls_get, wait_for)

PUBLIC = '203.0.113.1'
CLIENT = '203.0.113.7'
SOURCES = ['203.0.113.%d' % n for n in range(10, 30)]
LAN = '192.168.125.'
API, HTTPS, HTTP = 6443, 443, 80

# name, the API's name, the names of an ingress, number of the first node
CLUSTERS = [
    ('hub', 'api.hub-cluster.linuxera.lab',
     ['apps.hub-cluster.linuxera.lab', 'apps.hub.linuxera.lab'], 20),
    ('managed1', 'api.managed1.linuxera.lab',
     ['apps.managed1.linuxera.lab'], 30),
    ('managed2', 'api.managed2.linuxera.lab',
     ['apps.managed2.linuxera.lab'], 40),
]
HUB_API = CLUSTERS[0][1]


# --- the network -----------------------------------------------------------

class LabNetwork(Network):
    def __init__(self):
        super().__init__('lab', ('client', 'gateway', 'nodes'))
        self.wire('gateway', 'wan', 'client')
        self.wire('gateway', 'lan', 'nodes')
        self.ip('nodes', 'link add bridge type bridge')
        self.ip('nodes', 'link set lan master bridge up')
        self.up('client', 'wan', [CLIENT] + SOURCES)
        self.up('gateway', 'wan', [PUBLIC])
        self.up('gateway', 'lan', [LAN + '1'])
        # the kernel drops all others with a network's first address, so
        # that one is no node's
        self.up('nodes', 'bridge', [LAN + '2'] + [LAN + str(first + i)
                                                  for *_, first in CLUSTERS
                                                  for i in range(6)])

    def power(self, address, on):
        """A node without power answers nothing, not even with a refusal."""
        self.ip('nodes', 'address %s %s/24 dev bridge' %
                ('add' if on else 'del', address))


# --- nodes and the gateway ---------------------------------------------------

SERVER = '''
    server {
        listen %(address)s:%(port)d%(ssl)s;
        default_type application/json;
%(lines)s
        location / {
            return 200 '{"cluster": "%(cluster)s", "node": "%(node)s", "host": "$http_host", "forwarded": "$http_x_forwarded_for", "user": "$ssl_client_s_dn"}';
        }
    }
'''


def api_paths(first):
    """As much of a Kubernetes API as `kubectl get nodes` asks for."""
    names = ['controlplane%d' % i for i in range(3)] + \
        ['compute%d' % i for i in range(3)]
    nodes = [{'metadata': {'name': name}, 'status': {'addresses': [
        {'type': 'InternalIP', 'address': LAN + str(first + i)}]}}
        for i, name in enumerate(names)]
    kinds = [{'name': 'nodes', 'singularName': 'node', 'namespaced': False,
              'kind': 'Node', 'verbs': ['get', 'list']},
             {'name': 'pods', 'singularName': 'pod', 'namespaced': True,
              'kind': 'Pod', 'verbs': ['get']}]
    return [('/api', {'kind': 'APIVersions', 'versions': ['v1']}),
            ('/apis', {'kind': 'APIGroupList', 'apiVersion': 'v1',
                       'groups': []}),
            ('/api/v1', {'kind': 'APIResourceList', 'groupVersion': 'v1',
                         'resources': kinds}),
            ('/api/v1/nodes', {'kind': 'NodeList', 'apiVersion': 'v1',
                               'metadata': {}, 'items': nodes})]


PODS = '''
        location /api/v1/namespaces/default/pods/ {
            if ($ssl_client_verify != SUCCESS) { return 401; }
            proxy_pass http://unix:%(path)s:;
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $http_connection;
            proxy_set_header X-User $ssl_client_s_dn;
            proxy_set_header X-Node %(node)s;
        }
'''


def server(cluster, node, address, port, first, pair=None, client_ca=None,
           pods=None):
    lines = []
    if pair:
        lines += ['ssl_certificate %s;' % pair[0],
                  'ssl_certificate_key %s;' % pair[1]]
    if client_ca:
        lines += ['ssl_client_certificate %s;' % client_ca,
                  'ssl_verify_client optional;']
        lines += ['location = %s { return 200 \'%s\'; }' % (
            path, json.dumps(said)) for path, said in api_paths(first)]
        lines.append(PODS % {'path': pods.path, 'node': node})
    return SERVER % {'cluster': cluster, 'node': node, 'address': address,
                     'port': port, 'ssl': ' ssl' if pair else '',
                     'lines': '\n'.join('        ' + x for x in lines)}


class Lab:
    def __init__(self):
        if not shutil.which('openssl'):
            skip('no openssl here')
        if not find_nginx():
            skip('no nginx here')
        self.network = LabNetwork()
        self.certs = Certs()
        self.pods = own(Pods(scratch()))
        self.nodes = {}         # (cluster, node): its nginx
        with self.network.inside('nodes'):
            for cluster in CLUSTERS:
                self._start_cluster(*cluster)
        with self.network.inside('gateway'):
            self.durward = Durward(sample())

    def _start_cluster(self, cluster, api, apps, first):
        for i in range(3):
            self._start_node(cluster, 'controlplane%d' % i, first + i, [
                (API, self.certs.server(cluster + '-api', [api]),
                 self.certs.ca)])
        for i in range(3):
            self._start_node(cluster, 'compute%d' % i, first + 3 + i, [
                (HTTPS, self.certs.server(cluster + '-apps',
                                          ['*.' + a for a in apps]), None),
                (HTTP, None, None)])

    def _start_node(self, cluster, node, number, ports):
        address = LAN + str(number)
        first = number // 10 * 10
        text = ''.join(server(cluster, node, address, port, first, pair, ca,
                              self.pods)
                       for port, pair, ca in ports)
        nginx = Nginx(text, [(address, port) for port, _, _ in ports])
        nginx.evidence = None   # eighteen logs would hide durward's
        self.nodes[cluster, node] = nginx

    def client(self):
        return self.network.inside('client')

    def https(self, name, port, source=CLIENT, **how):
        """(what the node said, the names in its certificate)"""
        status, body, names = tls_get(port, name, self.certs.ca,
                                      address=PUBLIC, source=source, **how)
        equal(status, 200, 'status of %s' % name)
        return json.loads(body), names

    def http(self, name, source=CLIENT):
        status, _, body = http_request(HTTP, name, address=PUBLIC,
                                       source=source)
        equal(status, 200, 'status of %s' % name)
        return json.loads(body.decode())

    def ctl(self, *words):
        run = self.durward.ctl(*words)
        equal(run.returncode, 0, 'durwardctl %s: %s' % (
            ' '.join(words), run.stderr.strip()))
        return run.stdout


def sample():
    """etc/durward.conf, without the keys that the test gives itself."""
    with open(os.path.join(SRCDIR, 'etc/durward.conf')) as f:
        text = f.read()
    text, gone = re.subn(r'(?m)^(user|group|log) *= *"[^"]*"\n', '', text)
    equal(gone, 3, 'keys taken out of the sample')
    return text


lab = shared(Lab)


# --- what is promised --------------------------------------------------------

def test_every_cluster_on_every_port():
    here = lab()
    with here.client():
        for cluster, api, apps, _ in CLUSTERS:
            said, names = here.https(api, API)
            equal((said['cluster'], names), (cluster, [api]), api)
            for suffix in apps:
                name = 'console.' + suffix
                said, names = here.https(name, HTTPS)
                equal(said['cluster'], cluster, name)
                check('*.' + suffix in names, '%s got a certificate for %s',
                      name, names)
                said = here.http(name)
                equal((said['cluster'], said['host'], said['forwarded']),
                      (cluster, name, CLIENT), name)


def test_an_unknown_name_reaches_nobody():
    here = lab()
    with here.client():
        for port in (API, HTTPS):
            try:
                here.https('api.managed3.linuxera.lab', port)
            except ssl.SSLError as e:
                check('UNRECOGNIZED_NAME' in str(e).upper().replace(' ', '_'),
                      'alert: %s', e)
            else:
                check(False, 'port %d served an unknown name', port)
        equal(http_request(HTTP, 'console.apps.managed3.linuxera.lab',
                           address=PUBLIC)[0], 404)


def kubectl(here, api, *words):
    """The command line of the administrator."""
    if not shutil.which('kubectl'):
        skip('no kubectl here')
    certificate, key = here.certs.client('kubernetes-admin', 'system:masters')
    return ['kubectl', '--kubeconfig', '/dev/null', '--cache-dir', scratch(),
            '--server', 'https://%s:%d' % (PUBLIC, API),
            '--tls-server-name', api, '--certificate-authority', here.certs.ca,
            '--client-certificate', certificate, '--client-key', key] + \
        list(words)


def test_kubectl_with_a_client_certificate():
    here = lab()
    with here.client():
        for cluster, api, _, first in CLUSTERS:
            def say(*words):
                run = subprocess.run(
                    kubectl(here, api, *words), stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                    universal_newlines=True, timeout=60)
                equal(run.returncode, 0, 'kubectl: ' + run.stderr)
                return run.stdout
            said = json.loads(say('get', '--raw', '/readyz'))
            equal(said['cluster'], cluster)
            check('CN=kubernetes-admin' in said['user'],
                  'the API saw %r', said['user'])
            nodes = say('get', 'nodes', '-o', 'custom-columns='
                        ':.metadata.name,:.status.addresses[0].address')
            equal(nodes.split()[-2:], ['compute2', LAN + str(first + 5)],
                  'the last one that kubectl get nodes shows')


def test_curl_as_the_article_would():
    here = lab()
    with here.client():
        for cluster, _, apps, _ in CLUSTERS:
            name = 'console.' + apps[0]
            run = curl('--noproxy', '*', '--cacert', here.certs.ca,
                       '--resolve', '%s:443:%s' % (name, PUBLIC),
                       '--resolve', '%s:80:%s' % (name, PUBLIC),
                       'https://%s/' % name, 'http://%s/' % name)
            equal(run.returncode, 0, 'curl: ' + run.stderr)
            equal(run.stdout.count('"cluster": "%s"' % cluster), 2)


class Idle:
    """A TLS connection that says nothing for long, as `kubectl exec` does."""

    def __init__(self, here, name, port):
        self.name = name
        context = ssl.create_default_context(cafile=here.certs.ca)
        self.socket = context.wrap_socket(
            connect(port, PUBLIC, source=CLIENT), server_hostname=name)
        own(self.socket)
        self.node = self.ask()['node']

    def ask(self):
        self.socket.sendall(('GET / HTTP/1.1\r\nHost: %s\r\n\r\n' %
                             self.name).encode())
        head = read_until(self.socket, b'}')
        return json.loads(head[head.index(b'{'):].decode())


def states(here, backend):
    return {row['server']: row['state'] for row in here.durward.json('status')
            if row['backend'] == backend}


def current(here, backend, server_name):
    return [row['current'] for row in here.durward.json('status')
            if (row['backend'], row['server']) == (backend, server_name)][0]


def test_a_node_is_drained():
    """No new client, the old one stays; ready again, its clients return."""
    here = lab()
    name = 'console.' + CLUSTERS[1][2][0]
    with here.client():
        before = {s: here.https(name, HTTPS, s)[0]['node'] for s in SOURCES}
        idle = Idle(here, name, HTTPS)
        here.ctl('drain', 'managed1.ingress.*/' + idle.node)
        equal(states(here, 'managed1.ingress.https')[idle.node], 'DRAIN')
        during = {s: here.https(name, HTTPS, s)[0]['node'] for s in SOURCES}
        check(idle.node not in during.values(), '%s still got clients',
              idle.node)
        equal({s: n for s, n in during.items() if before[s] != idle.node},
              {s: n for s, n in before.items() if n != idle.node},
              'clients of other nodes')
        equal(idle.ask()['node'], idle.node, 'the node of the old client')
        here.ctl('ready', 'managed1.ingress.*/' + idle.node)
        wait_for(lambda: states(here, 'managed1.ingress.https')[idle.node] ==
                 'UP', 10, 'the node to be UP')
        after = {s: here.https(name, HTTPS, s)[0]['node'] for s in SOURCES}
        equal(after, before, 'who is served where, after the drain')


class Load(threading.Thread):
    """Requests to the hub's API without a pause, each a new connection."""

    def __init__(self, here, sources):
        super().__init__(daemon=True)
        self.here, self.sources = here, sources
        self.nodes, self.failures = [], []
        self.enough = threading.Event()

    def run(self):
        with self.here.client():
            while not self.enough.is_set():
                for source in self.sources:
                    self.one(source)

    def one(self, source):
        try:
            said = self.here.https(HUB_API, API, source)[0]
            self.nodes.append(said['node'])
        except Exception as e:      # any of them is a client's failure
            self.failures.append('%s: %r' % (source, e))

    def close(self):
        self.enough.set()
        self.join(60)


def test_control_planes_are_rolled_one_by_one():
    """As an operator does: drain, stop, start, ready; no request fails."""
    here = lab()
    backend = 'hub.api.api'
    loads = [own(Load(here, SOURCES[i::2])) for i in range(2)]
    for load in loads:
        load.start()
    wait_for(lambda: all(len(x.nodes) > 10 for x in loads), 30, 'traffic')
    for node in ('controlplane0', 'controlplane1', 'controlplane2'):
        here.ctl('drain', '%s/%s' % (backend, node))
        wait_for(lambda: current(here, backend, node) == 0, 30,
                 'the clients of %s to end' % node)
        marks = [len(x.nodes) for x in loads]
        here.nodes['hub', node].stop()
        wait_for(lambda: all(len(x.nodes) > m + 20
                             for x, m in zip(loads, marks)), 60,
                 'traffic without ' + node)
        served = {n for x, m in zip(loads, marks) for n in x.nodes[m + 1:]}
        check(node not in served, '%s served while it was away', node)
        with here.network.inside('nodes'):
            here.nodes['hub', node].start()
        here.ctl('ready', '%s/%s' % (backend, node))
        wait_for(lambda: states(here, backend)[node] == 'UP', 20,
                 node + ' to be UP')
        wait_for(lambda: any(node in x.nodes[m:]
                             for x, m in zip(loads, marks)), 30,
                 node + ' to serve again')
    for load in loads:
        load.close()
    equal(sum((x.failures for x in loads), []), [], 'failed requests')
    print('     %d requests, none failed' % sum(len(x.nodes) for x in loads))


def test_a_node_loses_power():
    """Its clients wait for one connect timeout at most; then it is DOWN."""
    here = lab()
    with here.client():
        nodes = {s: here.https(HUB_API, API, s)[0]['node'] for s in SOURCES}
        lost = nodes[SOURCES[0]]
        address = LAN + str(20 + int(lost[-1]))
        here.network.power(address, False)
        try:
            said, _ = here.https(HUB_API, API, SOURCES[0], limit=25)
            check(said['node'] != lost, 'a node without power answered')
            wait_for(lambda: states(here, 'hub.api.api')[lost] == 'DOWN', 15,
                     lost + ' to be DOWN')
            begun = time.monotonic()
            for source in SOURCES:
                said, _ = here.https(HUB_API, API, source)
                check(said['node'] != lost, 'a node without power answered')
                if nodes[source] != lost:
                    equal(said['node'], nodes[source], 'node of ' + source)
            check(time.monotonic() - begun < 5, 'clients still wait for it')
        finally:
            here.network.power(address, True)
        wait_for(lambda: states(here, 'hub.api.api')[lost] == 'UP', 20,
                 lost + ' to be UP')
        equal({s: here.https(HUB_API, API, s)[0]['node'] for s in SOURCES},
              nodes, 'who is served where, with the power back')


def test_a_quiet_connection_outlives_all_that():
    """exec-like: silent while the other cluster's nodes come and go."""
    here = lab()
    with here.client():
        idle = Idle(here, CLUSTERS[2][1], API)
        for node in ('controlplane0', 'controlplane1', 'controlplane2'):
            here.ctl('maint', 'hub.api.api/' + node)
            wait_for(lambda: states(here, 'hub.api.api')[node] == 'MAINT', 10,
                     node + ' to be in MAINT')
            here.ctl('ready', 'hub.api.api/' + node)
            wait_for(lambda: states(here, 'hub.api.api')[node] == 'UP', 20,
                     node + ' to be UP')
        here.ctl('reload')
        equal(idle.ask()['node'], idle.node, 'the node of the quiet client')


def test_kubectl_exec_outlives_a_reload_and_an_upgrade():
    """Quiet all the while, but for kubectl's own pings."""
    here = lab()
    if not has_websocket_exec():
        skip('no kubectl of 1.31 or later here, which speaks WebSocket')
    with here.client():
        session = Exec(kubectl(here, HUB_API, 'exec', '-i', 'shell', '--',
                               'cat'))
    session.echoes(b'one', 'at first')
    (node, user), = here.pods.sessions
    check('CN=kubernetes-admin' in user, 'the API saw %r', user)

    def quiet(when, what):
        pings = here.pods.pings
        what()
        wait_for(lambda: here.pods.pings > pings, 30, 'a ping ' + when)
        session.echoes(when.encode(), when)
    quiet('after silence', lambda: None)
    quiet('after a reload', lambda: here.ctl('reload'))
    old = here.durward.pid
    quiet('after an upgrade', here.durward.renew)
    check(here.durward.pid != old and alive(old),
          'the old master did not wait for it')
    here.ctl('drain', 'hub.api.api/' + node)
    quiet('while its node drains', lambda: None)
    here.ctl('ready', 'hub.api.api/' + node)
    equal(len(here.pods.sessions), 1, 'sessions, all in all')
    equal(session.end(), 0, 'exit status of kubectl')
    wait_for(lambda: not alive(old), 20, 'the old master to leave')


if __name__ == '__main__':
    main()
