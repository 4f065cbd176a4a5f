# SPDX-License-Identifier: BSD-3-Clause
"""debroot - a Debian root to install packages in: debootstrap's, made once in build/debian, with an overlay for each
test that takes all changes. Processes, mounts and the network are in namespaces of their own, so that port 6379 is
free and nothing is left of a test. A root may also be booted, with systemd as its first process. Needs root, for that
also a mountable cgroup2, and for the first run a network."""
import fcntl
import hashlib
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile

from server import ROOT, Failed, wait_for

SUITE = "bookworm"
PLACE = os.path.join(ROOT, "build", "debian")
BASE = os.path.join(PLACE, "base")
HERE = os.path.dirname(os.path.abspath(__file__))
# What the packages under test depend on is installed, the rest is in apt's cache: a test needs no network.
INSTALLED = "adduser libevent-core-2.1-7 libisal2 libjemalloc2 liblzf1 libssl3 logrotate redis-tools"
LATER = "redis redis-server redis-sentinel systemd systemd-sysv dbus"
RECIPE = """set -e
printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d
chmod +x /usr/sbin/policy-rc.d
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -qq -y --no-install-recommends %s
apt-get install -qq -y --no-install-recommends --download-only %s
""" % (INSTALLED, LATER)


def run(*words, status=0, **more):
    p = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, timeout=1800,
                       check=False, **more)
    if status is not None and p.returncode != status:
        raise Failed("%s: status %d:\n%s" % (" ".join(words), p.returncode, p.stdout[-3000:]))
    return p.stdout


def mirror():
    """Where this machine's packages of Debian come from."""
    words = run("sh", "-c", "cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null", status=None).split()
    return next((w for w in words if w.startswith("http") and w.rstrip("/").endswith("/debian")), "http://deb.debian.org/debian")


def make_base():
    done = os.path.join(PLACE, "base.done")
    wanted = hashlib.sha256((SUITE + RECIPE).encode()).hexdigest()
    if os.path.exists(done) and open(done, encoding="utf-8").read() == wanted:
        return
    if not shutil.which("debootstrap"):
        raise Failed("debootstrap is not installed (tools/setup --deb installs it)")
    shutil.rmtree(BASE, ignore_errors=True)
    os.makedirs(PLACE, exist_ok=True)
    run("debootstrap", "--variant=minbase", SUITE, BASE, mirror())
    if os.path.exists("/etc/resolv.conf"):
        shutil.copy("/etc/resolv.conf", os.path.join(BASE, "etc/resolv.conf"))
    run("chroot", BASE, "sh", "-c", RECIPE)
    with open(done, "w", encoding="utf-8") as f:
        f.write(wanted)


def enter_namespaces():
    """Starts this program again with mounts, network and processes of its own; they end with it."""
    if os.environ.get("STET_IN_NAMESPACES"):
        with socket.socket() as s:
            fcntl.ioctl(s, 0x8914, struct.pack("16sH14x", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP
        return
    os.environ["STET_IN_NAMESPACES"] = "1"
    os.execvp("unshare", ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable, *sys.argv])


# The first process of a root that is booted: its file system becomes /, then it is systemd.
BOOT = """set -e
echo $$ >{cgroups}/cgroup.procs
exec unshare --mount --pid --uts --ipc --cgroup --fork --kill-child sh -ec '
cd {root}
mount -t proc proc proc
mount -t sysfs -o ro sys sys
mount -t cgroup2 cgroup sys/fs/cgroup
mount -t tmpfs run run
mkdir old
pivot_root . old
umount -l old
rmdir old
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --log-target=null --show-status=false
'
"""


class DebRoot:
    """A fresh root. `debs` are copied to /root/NAME."""

    def __init__(self, **debs):
        self.top = tempfile.mkdtemp(prefix="stet-debroot-")
        run("mount", "-t", "tmpfs", "stet", self.top)
        upper, work, self.dir = [os.path.join(self.top, d) for d in ("upper", "work", "root")]
        for d in (upper, work, self.dir):
            os.mkdir(d)
        os.chmod(upper, 0o755)
        run("mount", "-t", "overlay", "stet", "-o", "lowerdir=%s,upperdir=%s,workdir=%s" % (BASE, upper, work), self.dir)
        run("mount", "-t", "proc", "proc", self.path("proc"))
        for name, dir in debs.items():
            shutil.copytree(dir, self.path("root", name))
        shutil.copy(os.path.join(HERE, "systemctl"), self.path("usr/local/bin/systemctl"))
        self.script("usr/local/bin/sudo", 'exec "$@"')
        # It prints as on a terminal.
        self.script("usr/local/bin/redis-cli", 'exec /usr/bin/redis-cli --no-raw "$@"')

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for unit in ("stet-server", "redis-server"):
            if os.path.exists(self.path("run/journal", unit + ".pid")):
                self.shell("/usr/local/bin/systemctl stop " + unit)
        run("umount", "--recursive", "--lazy", self.top, status=None)
        os.rmdir(self.top)

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def script(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write("#!/bin/sh\n%s\n" % text)
        os.chmod(self.path(name), 0o755)

    enter = property(lambda self: ["chroot", self.dir])

    def shell(self, command):
        """(status, output) of a command, as root."""
        environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8",
                       "DEBIAN_FRONTEND": "noninteractive"}
        with tempfile.TemporaryFile("w+", encoding="utf-8") as said:  # a server that goes on may hold it
            p = subprocess.run([*self.enter, "bash", "-c", "cd /root\n" + command], stdin=subprocess.DEVNULL, stdout=said,
                               stderr=subprocess.STDOUT, timeout=300, check=False, env=environment)
            said.seek(0)
            return p.returncode, said.read()

    def do(self, command):
        status, said = self.shell(command)
        if status:
            raise Failed("%s: status %d:\n%s" % (command, status, said[-3000:]))
        return said

    def has(self, name):
        return os.path.lexists(self.path(name))

    def text(self, name):
        with open(self.path(name), encoding="utf-8") as f:
            return f.read()


class BootedRoot(DebRoot):
    """A root that has systemd as its first process, with a control group of its own. The network is the test's."""

    def __init__(self, **debs):
        super().__init__(**debs)
        self.init = None
        self.do("apt-get install -y --no-install-recommends systemd systemd-sysv dbus")
        os.unlink(self.path("usr/local/bin/systemctl"))
        os.unlink(self.path("usr/sbin/policy-rc.d"))
        run("umount", self.path("proc"))
        hierarchy = os.path.join(self.top, "cgroups")
        os.mkdir(hierarchy)
        run("mount", "-t", "cgroup2", "cgroup", hierarchy)
        self.cgroups = os.path.join(hierarchy, os.path.basename(self.top))
        os.mkdir(self.cgroups)
        self.started = subprocess.Popen(["sh", "-c", BOOT.format(cgroups=self.cgroups, root=self.dir)], stdin=subprocess.DEVNULL)
        self.init = wait_for(self.first_process, "systemd is the first process of the root")
        wait_for(lambda: self.shell("systemctl is-system-running")[1].strip() in ("running", "degraded"), "the root is booted")

    def first_process(self):
        """The number of systemd as seen from here, once the root is its own."""
        if self.started.poll() is not None:
            raise Failed("the root was not booted")
        with open("/proc/%d/task/%d/children" % (self.started.pid, self.started.pid), encoding="utf-8") as f:
            children = f.read().split()
        try:
            return children and os.readlink("/proc/%s/exe" % children[0]).endswith("/systemd") and children[0]
        except FileNotFoundError:
            return None

    @property
    def enter(self):
        return ["nsenter", "--target", self.init, "--all"] if self.init else ["chroot", self.dir]

    def has_ended(self):
        with open(os.path.join(self.cgroups, "cgroup.events"), encoding="utf-8") as f:
            return "populated 0" in f.read()

    def __exit__(self, *exc):
        self.started.kill()  # and with it all processes of the root
        self.started.wait()
        wait_for(self.has_ended, "all processes of the root have ended")
        for where, _, _ in os.walk(self.cgroups, topdown=False):
            os.rmdir(where)
        super().__exit__(*exc)
