# SPDX-License-Identifier: ISC
"""What the functional tests share: the daemon, its peers, and a runner.

Standard library only.  Everything made here (daemons, servers, directories)
is known to the runner, which ends it when its case ends and, where the case
failed, first prints what it has to tell.
"""

from .backends import (EchoBackend, HttpBackend, ProxyBackend, TcpBackend,
                       TlsBackend)
from .census import Census, ledger, wrong_counts
from .certs import Certs
from .clients import (alert, ask, connect, curl, exchange, http_request,
                      read_all, read_until, s_client, tls_get)
from .crowd import Crowd
from .daemon import (CTL, DURWARD, SRCDIR, Durward, own_binary, run_durward,
                     sanitized, write_conf)
from .haproxy import HAProxy
from .hello import (HANDSHAKE, client_hello, extension, grease_extension,
                    record, records, server_name, simple_hello)
from .http import Gate, HttpClient, HttpServer, Message, Reader, ok
from .load import Load, Rate
from .netns import Network
from .nginx import Nginx, find_nginx
from .ports import free_port, need_ipv6
from .procs import alive, children, group_of, title
from .run import (Failure, Skip, check, equal, keep, main, own, scratch,
                  shared, skip, wait_for)

ALERT_CLOSE_NOTIFY = 0
ALERT_UNEXPECTED_MESSAGE = 10
ALERT_DECODE_ERROR = 50
ALERT_INTERNAL_ERROR = 80
ALERT_UNRECOGNIZED_NAME = 112
