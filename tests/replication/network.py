# SPDX-License-Identifier: BSD-3-Clause
"""network - hosts that can be cut off: a network namespace each, joined by a bridge.

A host that is cut off is moved to a second bridge, the island: hosts there reach each other and no
others. Packets between the two are lost without an error. The namespaces have no names, so they
vanish with the processes in them, however these end.

Where namespaces are not permitted, all hosts are 127.0.0.1 and `is_real` is False: nothing can be
cut off then.
"""
import contextlib
import ctypes
import os
import subprocess

CLONE_NEWNET = 0x40000000
MAIN, ISLAND = "main", "island"
_libc = ctypes.CDLL(None, use_errno=True)


def _call(name, *args):
    if getattr(_libc, name)(*args) < 0:
        code = ctypes.get_errno()
        raise OSError(code, "%s: %s" % (name, os.strerror(code)))


class Host:
    """`ip` is its address; `fd` its namespace, None: that of this process."""

    def __init__(self, name, ip, fd):
        self.name, self.ip, self.fd = name, ip, fd

    def enter(self):
        """The calling thread, and what it starts, is on this host from now on."""
        if self.fd is not None:
            _call("setns", self.fd, CLONE_NEWNET)

    @contextlib.contextmanager
    def inside(self):
        """Sockets made meanwhile by the calling thread belong to this host."""
        if self.fd is None:
            yield
            return
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            self.enter()
            yield
        finally:
            _call("setns", before, CLONE_NEWNET)
            os.close(before)


def _ip(batch, fds=()):
    p = subprocess.run(["ip", "-batch", "-"], input="\n".join(batch) + "\n", text=True, pass_fds=fds,
                       capture_output=True)
    if p.returncode:
        raise OSError("ip: %s" % p.stderr.strip())


class Network:
    """One per process: this process moves to a namespace of its own."""

    def __init__(self, names):
        self.is_real, self.why, self.hosts, self.cut = True, None, [], set()
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            _call("unshare", CLONE_NEWNET)
            self._build(names)
        except OSError as e:
            if _libc.setns(before, CLONE_NEWNET) < 0:
                raise
            self.is_real, self.why = False, str(e)
            self.hosts = [Host(n, "127.0.0.1", None) for n in names]
        finally:
            os.close(before)

    def _build(self, names):
        root = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        _ip(["link set lo up"] + ["link add %s type bridge" % b for b in (MAIN, ISLAND)] +
            ["link set %s up" % b for b in (MAIN, ISLAND)])
        for i, name in enumerate(names):
            _call("unshare", CLONE_NEWNET)
            host = Host(name, "10.77.0.%d" % (i + 1), os.open("/proc/thread-self/ns/net", os.O_RDONLY))
            _call("setns", root, CLONE_NEWNET)
            _ip(["link add p%d type veth peer name eth0 netns /proc/self/fd/%d" % (i, host.fd),
                 "link set p%d master %s" % (i, MAIN), "link set p%d up" % i], [host.fd])
            with host.inside():
                _ip(["link set lo up", "link set eth0 up", "addr add %s/24 dev eth0" % host.ip])
            self.hosts.append(host)
        os.close(root)

    def host(self, name):
        return next(h for h in self.hosts if h.name == name)

    def _move(self, hosts, to):
        _ip(["link set p%d master %s" % (self.hosts.index(h), to) for h in hosts])

    def cut_off(self, hosts):
        """Main thread only, as the ports belong to its namespace; the same for join()."""
        self._move(hosts, ISLAND)
        self.cut |= set(hosts)

    def join(self, hosts):
        self._move(hosts, MAIN)
        self.cut -= set(hosts)
