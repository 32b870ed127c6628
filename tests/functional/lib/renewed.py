# SPDX-License-Identifier: ISC
"""What the tests of USR2 have in common: three servers, one of them gone."""

from .backends import EchoBackend
from .clients import connect, exchange
from .daemon import Durward
from .hello import simple_hello
from .run import equal

NAME = 'www.example.org'
BACKEND = 'one.ingress.https'

CONF = '''
listener "https" { bind = {"127.0.0.1:@https@"} protocol = "tls" }
cluster "one" {
    service "ingress" {
        listeners = {"https"}
        hosts     = {"www.example.org"}
        servers   = {"a=127.0.0.1:@a@", "b=127.0.0.1:@b@",
                     "gone=127.0.0.1:@nobody@"}
        check { type = "tcp" interval = "200ms" timeout = "1s" }
    }
}
'''


def start(binary):
    a, b = EchoBackend('a'), EchoBackend('b')
    daemon = Durward(CONF, a=a.port, b=b.port, binary=binary)
    daemon.wait_state(BACKEND, 'gone', 'DOWN')
    return daemon, a, b


def opened(port):
    hello = simple_hello(NAME)
    s = connect(port)
    equal(exchange(s, hello, len(hello)), hello)
    return s
