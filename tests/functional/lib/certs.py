# SPDX-License-Identifier: ISC
"""A certificate authority for a run, by the openssl command."""

import os
import shutil
import subprocess

from .run import scratch, skip


class Certs:
    """ca is the authority's file; server() and client() return the pair
    (certificate, key), made once for each name."""

    def __init__(self, directory=None):
        if not shutil.which('openssl'):
            skip('no openssl here')
        self.dir = directory or scratch()
        self._made = {}
        self.ca = os.path.join(self.dir, 'ca.pem')
        self._ca_key = os.path.join(self.dir, 'ca.key')
        if not os.path.exists(self.ca):
            self._openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt',
                          'ec_paramgen_curve:prime256v1', '-nodes', '-days',
                          '30', '-subj', '/CN=durward test CA',
                          '-addext', 'keyUsage=critical,keyCertSign,cRLSign',
                          '-keyout', self._ca_key, '-out', self.ca)

    def _openssl(self, *args):
        run = subprocess.run(('openssl',) + args, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             universal_newlines=True)
        if run.returncode != 0:
            raise RuntimeError('openssl %s: %s' % (args[0], run.stdout))

    def _issue(self, label, subject, extensions):
        base = os.path.join(self.dir, label)
        cert, key = base + '.pem', base + '.key'
        if os.path.exists(cert):
            return cert, key
        with open(base + '.ext', 'w') as f:
            f.write(extensions)
        self._openssl('req', '-new', '-newkey', 'ec', '-pkeyopt',
                      'ec_paramgen_curve:prime256v1', '-nodes', '-subj',
                      subject, '-keyout', key, '-out', base + '.csr')
        self._openssl('x509', '-req', '-in', base + '.csr', '-CA', self.ca,
                      '-CAkey', self._ca_key, '-CAcreateserial', '-days',
                      '30', '-extfile', base + '.ext', '-out', cert)
        return cert, key

    def server(self, label, names):
        if label not in self._made:
            alt = ','.join('DNS:' + n for n in names)
            self._made[label] = self._issue(
                label, '/CN=%s' % label,
                'subjectAltName=%s\nextendedKeyUsage=serverAuth\n'
                'basicConstraints=CA:FALSE\n' % alt)
        return self._made[label]

    def client(self, name, organisation=None):
        label = 'client-' + name
        if label not in self._made:
            subject = '/CN=' + name
            if organisation:
                subject = '/O=%s%s' % (organisation, subject)
            self._made[label] = self._issue(
                label, subject, 'extendedKeyUsage=clientAuth\n'
                'basicConstraints=CA:FALSE\n')
        return self._made[label]
