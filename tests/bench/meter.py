# SPDX-License-Identifier: ISC
"""What a proxy costs: processor seconds and memory of all its processes, the
kernel's share with them where control groups (version 1) can be made."""

import os

ROOT = '/sys/fs/cgroup'
TICK = os.sysconf('SC_CLK_TCK')


def read(path):
    with open(path, errors='replace') as f:
        return f.read()


class Meter:
    """Make it before the process starts; call enter() in the child, before
    it executes the proxy, and attach() in the parent."""

    def __init__(self, name):
        self.name = 'durward-bench-%d-%s' % (os.getpid(), name)
        self.pid = None
        self.group = {}
        for controller in ('cpuacct', 'memory'):
            path = os.path.join(ROOT, controller, self.name)
            try:
                os.mkdir(path)
                self.group[controller] = path
            except OSError:
                pass

    def enter(self):
        for path in self.group.values():
            with open(os.path.join(path, 'cgroup.procs'), 'w') as f:
                f.write('0')

    def attach(self, pid):
        self.pid = pid

    def pids(self):
        """The process and all that descend from it."""
        if self.group:
            path = os.path.join(next(iter(self.group.values())), 'cgroup.procs')
            return [int(p) for p in read(path).split()]
        children = {}
        for p in filter(str.isdigit, os.listdir('/proc')):
            try:
                stat = read('/proc/%s/stat' % p).rpartition(')')[2].split()
                children.setdefault(int(stat[1]), []).append(int(p))
            except OSError:
                pass
        found = [self.pid]
        for p in found:
            found.extend(children.get(p, []))
        return found

    def cpu(self):
        """Seconds so far, of children that have ended too."""
        if 'cpuacct' in self.group:
            return int(read(self.group['cpuacct'] + '/cpuacct.usage')) / 1e9
        ticks = 0
        for p in self.pids():
            try:
                stat = read('/proc/%d/stat' % p).rpartition(')')[2].split()
                ticks += sum(int(t) for t in stat[11:15])
            except OSError:
                pass
        return ticks / TICK

    def pss(self):
        """Bytes in user space, what is shared divided among its users."""
        total = 0
        for p in self.pids():
            try:
                for line in read('/proc/%d/smaps_rollup' % p).split('\n'):
                    if line.startswith('Pss:'):
                        total += int(line.split()[1]) * 1024
            except OSError:
                pass
        return total

    def memory(self):
        """Bytes in all, stacks, page tables and socket buffers counted; None
        where there is no control group to ask."""
        if 'memory' not in self.group:
            return None
        stat = dict(line.split() for line in
                    read(self.group['memory'] + '/memory.stat').split('\n') if line)
        used = int(read(self.group['memory'] + '/memory.usage_in_bytes'))
        tcp = int(read(self.group['memory'] + '/memory.kmem.tcp.usage_in_bytes'))
        return used - int(stat['total_cache']) + int(stat['total_shmem']) + tcp

    def close(self):
        for path in self.group.values():
            try:
                os.rmdir(path)
            except OSError:
                pass
