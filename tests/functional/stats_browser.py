#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The stats page in a browser: a headless Chromium draws it for a desk, a phone,
the dark and the keyboard.  The pictures are kept (tests/artifacts in the build,
or where DURWARD_ARTIFACTS says)."""

import socket

from lib import Durward, EchoBackend, HttpBackend, ask, check, connect, equal, exchange, \
    free_port, http_request, main, shared, simple_hello, wait_for
from lib.browser import Browser

CONF = '''
listener "api"   { bind = {"127.0.0.1:@api@"}   protocol = "tls" }
listener "https" { bind = {"127.0.0.1:@https@"} protocol = "tls" deny = {"127.0.0.66"} }
listener "http"  { bind = {"127.0.0.1:@http@"}  protocol = "http" }
listener "stats" { bind = {"127.0.0.1:@stats@"} protocol = "stats" uri = "/haproxy?stats"
    refresh = "30s" max-connections = 10 }
listener "quick" { bind = {"127.0.0.1:@quick@"} protocol = "stats" uri = "/s" refresh = "1s" }
%s
'''

CLUSTER = '''
cluster "%(name)s" {
    service "api" { hosts = {"api.%(name)s.linuxera.lab"}
        servers = {%(masters)s} check { type = "tcp" interval = "500ms" } }
    service "ingress" { listeners = {"https"} hosts = {"*.apps.%(name)s.linuxera.lab"}
        servers = {%(tls)s} check { type = "tcp" interval = "500ms" } }
    service "web" { listeners = {"http"} hosts = {"*.apps.%(name)s.linuxera.lab"}
        servers = {%(http)s} check { type = "tcp" interval = "500ms" } }
}
'''


def servers(label, first, ports):
    return ', '.join('"%s%d=127.0.125.%d:%d"' % (label, i, first + i, port)
                     for i, port in enumerate(ports))


@shared
def world():
    """Three clusters, of which one lost a node and another its control planes,
    after some traffic."""
    tls, http = EchoBackend(address='0.0.0.0'), HttpBackend(address='0.0.0.0')
    gone = free_port()
    text = ''
    for name, first, masters, nodes, web in (
            ('hub', 20, [tls.port] * 3, [tls.port, gone, tls.port], [http.port, gone, http.port]),
            ('managed1', 30, [gone] * 3, [tls.port] * 3, [http.port] * 3),
            ('managed2', 40, [tls.port] * 3, [tls.port] * 3, [http.port] * 3)):
        text += CLUSTER % {'name': name, 'masters': servers('controlplane', first, masters),
                           'tls': servers('compute', first + 3, nodes),
                           'http': servers('compute', first + 3, web)}
    daemon = Durward(CONF % text)
    for i in range(3):
        daemon.wait_state('managed1.api.api', 'controlplane%d' % i, 'DOWN')
    for backend in 'hub.ingress.https', 'hub.web.http':
        daemon.wait_state(backend, 'compute1', 'DOWN')
    daemon.ctl('maint', 'managed2.*/compute2')
    for i in range(40):
        name = ('hub', 'managed1', 'managed2')[i % 3]
        hello = simple_hello('console.apps.%s.linuxera.lab' % name)
        with connect(daemon.port('https'), source='127.0.2.%d' % (i + 1)) as s:
            exchange(s, hello + b'x' * 2000, len(hello) + 2000)
        http_request(daemon.port('http'), 'web%d.apps.%s.linuxera.lab' % (i, name))
    for name in 'api.managed1.linuxera.lab', 'www.nobody.test':
        ask(daemon.port('api'), simple_hello(name))
    with connect(daemon.port('https'), source='127.0.0.66') as s:
        s.recv(1)
    held = connect(daemon.port('https'))
    hello = simple_hello('oauth.apps.hub.linuxera.lab')
    exchange(held, hello, len(hello))
    daemon.held = held
    wait_for(lambda: [r['host'] for r in daemon.json('connections') if r['listener'] == 'https'] ==
             ['oauth.apps.hub.linuxera.lab'], 10, 'the others to end')
    return daemon


@shared
def browser():
    return Browser()


def url(daemon, more=';norefresh', listener='stats', uri='/haproxy?stats'):
    return 'http://127.0.0.1:%d%s%s' % (daemon.port(listener), uri, more)


LOOKS = [('stats-light', 1440, 900, 'light', False), ('stats-dark', 1440, 900, 'dark', False),
         ('stats-phone', 390, 844, 'light', True)]


def test_it_is_drawn_without_a_complaint():
    daemon, b = world(), browser()
    origin = 'http://127.0.0.1:%d/' % daemon.port('stats')
    for name, width, height, scheme, phone in LOOKS:
        b.look(width, height, scheme, phone)
        b.open(url(daemon))
        b.run('new Promise(done => requestAnimationFrame(done)) && 1')
        equal(b.complaints(), [], name)
        equal([u for u in b.requests() if not u.startswith(origin)], [], name)
        equal(b.requests(), [url(daemon)], 'one request is all')
        b.picture(name)


def test_it_fits_its_window():
    """Tables scroll in their frames, the page itself only downwards."""
    daemon, b = world(), browser()
    for width in 320, 390, 820, 1440:
        b.look(width, 900, phone=width < 600)
        b.open(url(daemon))
        equal(b.run('innerWidth'), width)
        equal(b.run('document.documentElement.scrollWidth'), width, 'width of all')
        # nothing that is no table sticks out
        equal(b.run('''[...document.querySelectorAll("body *")].filter(e => !e.closest(".frame") &&
            !e.closest(".skip") && e.getBoundingClientRect().right > innerWidth + 1)
            .map(e => e.tagName + "." + e.className)'''), [], 'at %d' % width)
        check(b.run('''[...document.querySelectorAll(".frame")].every(e =>
            e.getBoundingClientRect().width <= innerWidth)'''), 'a frame sticks out')
    # on a desk no table need be scrolled
    equal(b.run('''[...document.querySelectorAll(".frame")].filter(e =>
        e.scrollWidth > e.clientWidth).map(e => e.getAttribute("aria-labelledby"))'''), [])


def test_what_is_wrong_comes_first():
    daemon, b = world(), browser()
    for width, height in (1440, 900), (390, 844):
        b.look(width, height, phone=width < 600)
        b.open(url(daemon))
        box = b.run('''(r => [r.top, r.bottom])(document.querySelector(".trouble")
            .getBoundingClientRect())''')
        check(box[0] < height / 4, 'trouble begins at %s of %d', box, height)
        equal(b.run('document.querySelector("main").firstElementChild.className'), 'trouble bad')
        first = b.run('document.querySelector(".trouble li").innerText')
        check('managed1.api.api' in first and 'no server left' in first, 'first is: %s', first)
        # the worst first, and each line leads to its table
        graded = b.run('''[...document.querySelectorAll(".trouble li")].map(e =>
            e.firstElementChild.className)''')
        equal(graded, sorted(graded), 'the order of the lines')
        equal(set(graded), {'s bad', 's warn'})
        check(b.run('''[...document.querySelectorAll(".trouble a")].every(a =>
            document.querySelector(a.getAttribute("href")))'''), 'a link to nowhere')


# each text against what is painted behind it
CONTRAST = '''(() => {
    const rgb = c => c.match(/[\\d.]+/g).map(Number);
    const lum = c => { const f = v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
        return .2126 * f(c[0]) + .7152 * f(c[1]) + .0722 * f(c[2]); };
    const behind = e => { for (; e; e = e.parentElement) {
        const c = rgb(getComputedStyle(e).backgroundColor);
        if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
    const low = [];
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
        const e = walk.currentNode.parentElement;
        if (!walk.currentNode.data.trim() || !e.getClientRects().length) continue;
        const a = lum(rgb(getComputedStyle(e).color)), b = lum(behind(e));
        const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
        if (ratio < 4.5) low.push(e.className + ": " + e.innerText + " " + ratio.toFixed(2));
    }
    return low; })()'''


def test_light_and_dark():
    daemon, b = world(), browser()
    painted = {}
    for scheme in 'light', 'dark':
        b.look(1440, 900, scheme)
        b.open(url(daemon))
        painted[scheme] = b.run('getComputedStyle(document.body).backgroundColor')
        equal(b.run(CONTRAST), [], 'too little contrast, ' + scheme)
    light, dark = [sum(int(n) for n in painted[s][4:-1].split(',')) for s in ('light', 'dark')]
    check(light > 600 and dark < 150, '%s', painted)


def test_by_keyboard():
    daemon, b = world(), browser()
    b.look(1440, 900)
    b.open(url(daemon))
    wanted = b.run('''[...document.querySelectorAll("a[href], [tabindex]")].map(e =>
        e.getAttribute("href") || e.getAttribute("aria-labelledby"))''')
    seen = []
    for _ in wanted:
        b.key('Tab', 9)
        seen.append(b.run('''(e => e.getAttribute("href") || e.getAttribute("aria-labelledby"))
            (document.activeElement)'''))
        style = b.run('''(e => [getComputedStyle(e).outlineStyle, getComputedStyle(e).outlineWidth,
            e.getBoundingClientRect().left >= 0])(document.activeElement)''')
        check(style[0] != 'none' and float(style[1][:-2]) >= 2, 'no ring around %s', seen[-1])
        check(style[2], '%s is out of sight', seen[-1])
    equal(seen, wanted, 'the order of Tab')
    equal(seen[0], '#content', 'the first one')
    # the first leads over the header
    b.open(url(daemon))
    b.key('Tab', 9)
    b.key('Enter', 13, '\r')
    equal(b.run('location.hash'), '#content')
    b.key('Tab', 9)
    check(b.run('!!document.activeElement.closest("main")'), 'Tab after it is not in main')
    # a table wider than its frame is scrolled by the arrows
    b.look(390, 844, phone=True)
    b.open(url(daemon))
    b.run('document.querySelector(".backend .frame").focus()')
    b.key('ArrowRight', 39)
    b.key('ArrowRight', 39)
    wait_for(lambda: b.run('document.querySelector(".backend .frame").scrollLeft > 0'), 5,
             'the frame to scroll')


def ax_nodes(b):
    nodes = []
    for node in b.call('Accessibility.getFullAXTree')['nodes']:
        if not node.get('ignored'):
            nodes.append((node['role']['value'], node.get('name', {}).get('value', ''),
                          {p['name']: p['value'].get('value') for p in
                           node.get('properties', [])}))
    return nodes


def test_for_a_screen_reader():
    """What it is told: landmarks, headings in order, tables with names, cells
    with their row and column."""
    daemon, b = world(), browser()
    b.look(1440, 900)
    b.open(url(daemon))
    nodes = ax_nodes(b)

    def named(role):
        return [name for r, name, _ in nodes if r == role]
    for role, count in (('banner', 1), ('main', 1), ('navigation', 1), ('contentinfo', 1)):
        equal(len(named(role)), count, role)
    equal(named('navigation'), ['Other views'])
    for role in 'link', 'table', 'region', 'rowheader', 'columnheader', 'heading':
        check(named(role) and all(name.strip() for name in named(role)), '%s without a name', role)
    equal(len(named('table')), b.run('document.querySelectorAll("table").length'), 'tables')
    levels = [p['level'] for r, _, p in nodes if r == 'heading']
    equal(levels[0], 1)
    equal(levels.count(1), 1)
    for before, after in zip(levels, levels[1:]):
        check(after <= before + 1, 'heading %d after %d', after, before)
    headings = named('heading')
    for name in ('Listeners', 'Cluster hub', 'Cluster managed1', 'Cluster managed2'):
        check(any(h.startswith(name) for h in headings), 'no heading %s in %s', name, headings)
    # a sign is not read out, the word beside it is
    told = ' '.join(name for r, name, _ in nodes if r == 'StaticText')
    check('Failure' in told and 'DOWN' in told and not set(told) & set('\u2716\u25b2\u25cf\u2714'), 'signs are read out')
    equal(b.run('document.documentElement.lang'), 'en')
    check(b.run('document.title').startswith('durward'), 'title')


def test_it_refreshes_as_configured():
    """Without a script of ours, and with none allowed at all."""
    daemon, b = world(), browser()
    b.call('Emulation.setScriptExecutionDisabled', value=True)
    try:
        b.open(url(daemon, '', 'quick', '/s'))
        b.wait('Page.loadEventFired', 3, limit=20)
        equal({u for u in b.requests()}, {url(daemon, '', 'quick', '/s')})
        equal(b.complaints(), [])
        b.open(url(daemon, ';norefresh', 'quick', '/s'))
        try:
            b.wait('Page.frameNavigated', 2, limit=2.5)
            check(False, 'it did not hold still')
        except Exception as e:
            check('no Page.frameNavigated' in str(e), '%s', e)
    finally:
        b.call('Emulation.setScriptExecutionDisabled', value=False)


main()
