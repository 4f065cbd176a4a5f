#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""deb - the Debian packages of `make deb`, installed into roots of debootstrap: start, upgrade, removal, purge, beside
and in the place of Debian's redis-server, and the pages of docs/ that an administrator follows.

  deb.py             all cases
  deb.py purge       only those with this in their names

Needs root; the first run needs a network for debootstrap. The packages are built twice, as versions V-1 and V-2.
"""
import glob
import os
import shutil
import stat
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "docs")]
from blocks import follow  # noqa: E402
from cases import Cases, check, equal, run_words  # noqa: E402
from debroot import BootedRoot, DebRoot, enter_namespaces, make_base, run  # noqa: E402
from resp import Closed, Conn  # noqa: E402
from server import ROOT, Failed, wait_for  # noqa: E402

CASES = Cases()
BUILT = os.path.join(ROOT, "build", "deb-test")


def build():
    for revision in ("1", "2"):
        run(os.path.join(ROOT, "tools", "deb"), "--revision", revision)
        to = os.path.join(BUILT, revision)
        shutil.rmtree(to, ignore_errors=True)
        os.makedirs(to)
        for f in glob.glob(os.path.join(ROOT, "build", "deb", "*.deb")):
            if "-dbgsym_" not in f:
                shutil.copy(f, to)


def root(kind=DebRoot):
    return kind(one=os.path.join(BUILT, "1"), two=os.path.join(BUILT, "2"))


def install(r, *names):
    return r.do("apt-get install -y --no-install-recommends " + " ".join(names))


STET = ("./one/stet-server_*.deb", "./one/stet-tools_*.deb")
REDIS = ("redis-server", "redis", "redis-sentinel")


def call(*words):
    return Conn(6379).call(*words)


def server_name():
    return "stet" if b"server_name:stet\r\n" in call("INFO", "server") else "redis"


def owned_by(r, name):
    st = os.stat(r.path(name))
    users = {int(l.split(":")[2]): l.split(":")[0] for l in r.text("etc/passwd").splitlines()}
    return users[st.st_uid], oct(stat.S_IMODE(st.st_mode))


@CASES.case
def lintian():
    """lintian has no errors and no warnings."""
    if not shutil.which("lintian"):
        raise Failed("lintian is not installed (tools/setup --deb installs it)")
    said = run("lintian", "--allow-root", "--fail-on", "none", *sorted(glob.glob(os.path.join(BUILT, "1", "*.deb"))))
    wrong = [l for l in said.splitlines() if l.startswith(("E:", "W:"))]
    check(not wrong, "\n".join(wrong))


@CASES.case
def installs_and_starts():
    """User, owners and modes; the unit's own command, as the unit's user, keeps what is written."""
    with root() as r:
        install(r, *STET)
        equal("data", owned_by(r, "var/lib/stet"), ("stet", "0o750"))
        equal("logs", owned_by(r, "var/log/stet"), ("stet", "0o750"))
        equal("configuration", owned_by(r, "etc/stet/stet.conf"), ("root", "0o660"))
        r.do("systemctl start stet-server")
        pid = r.text("run/journal/stet-server.pid").strip()
        status = r.text("proc/%s/status" % pid)
        check("Uid:\t0\t" not in status and "CapEff:\t0000000000000000" in status, status)
        call("SET", "k", "v")
        call("CONFIG", "SET", "maxclients", "77")
        equal("CONFIG REWRITE", call("CONFIG", "REWRITE"), b"OK")
        r.do("systemctl restart stet-server")
        equal("GET", call("GET", "k"), b"v")
        check("maxclients 77" in r.text("etc/stet/stet.conf"), "the configuration was not rewritten")
        check(glob.glob(r.path("var/lib/stet/appendonlydir/*.manifest")), "the data is elsewhere")


@CASES.case
def upgrade_remove_purge():
    """An upgrade and a removal keep data and changed configuration; a purge leaves nothing but the user."""
    with root() as r:
        install(r, *STET)
        r.do("systemctl start stet-server")
        call("SET", "k", "v")
        r.do("systemctl stop stet-server")
        r.do("echo 'maxclients 99' >>/etc/stet/stet.conf; chmod 640 /etc/stet/stet.conf")
        install(r, "./two/stet-server_*.deb", "./two/stet-tools_*.deb")
        check("-2\n" in r.do("dpkg-query -W -f '${Version}\\n' stet-server"), "not upgraded")
        check(r.text("etc/stet/stet.conf").endswith("maxclients 99\n"), "the configuration was replaced")
        equal("mode of the administrator", owned_by(r, "etc/stet/stet.conf"), ("root", "0o640"))
        r.do("systemctl start stet-server")
        equal("GET", call("GET", "k"), b"v")
        r.do("systemctl stop stet-server")
        r.do("apt-get remove -y stet-server stet-tools")
        check(not r.has("usr/bin/stet-server") and not r.has("lib/systemd/system/stet-server.service"), "not removed")
        check(r.has("etc/stet/stet.conf") and r.has("var/lib/stet/appendonlydir"), "configuration or data removed")
        install(r, *STET)
        r.do("systemctl start stet-server")
        equal("GET", call("GET", "k"), b"v")
        r.do("systemctl stop stet-server")
        r.do("apt-get purge -y stet-server stet-tools")
        for name in ("etc/stet", "var/lib/stet", "var/log/stet", "etc/logrotate.d/stet-server", "usr/share/stet"):
            check(not r.has(name), "%s is left" % name)
        check("stet:" in r.text("etc/passwd"), "the user is gone")


@CASES.case
def beside_redis():
    """Both are installed, no file is shared, and each has its own check tools."""
    with root() as r:
        install(r, *REDIS)
        install(r, *STET)
        check("build=stet" not in r.do("redis-server --version"), "redis-server is another program")
        check("build=stet" in r.do("stet-server --version"), "stet-server is another program")
        r.do("dpkg --audit && apt-get check")
        r.do("systemctl start redis-server")
        equal("server", server_name(), "redis")


@CASES.case
def in_place_of_redis():
    """stet-as-redis takes the names; packages that depend on redis-server stay; sentinel still works; and back."""
    with root() as r:
        install(r, *REDIS)
        r.do("mkdir -p needs-redis/DEBIAN && printf '%s' >needs-redis/DEBIAN/control && dpkg-deb -b needs-redis && dpkg -i needs-redis.deb"
             % "Package: needs-redis\\nVersion: 1\\nArchitecture: all\\nMaintainer: a <a@b>\\nDepends: redis-server (>= 5:6.0)\\nDescription: d\\n")
        check("redis-server" in install(r, *STET, "./one/stet-as-redis_*.deb"), "nothing is said of redis-server")
        state = r.do("dpkg-query -W -f '${db:Status-Abbrev} ${Package}\\n'")
        for line in ("rc  redis-server", "ii  redis-sentinel", "ii  redis-tools", "ii  stet-as-redis", "ii  needs-redis"):
            check(line in state.splitlines(), state)
        r.do("apt-get check")
        check("build=stet" in r.do("redis-server --version"), "redis-server is not stet")
        check("stet" in r.do("redis-check-aof --version"), "redis-check-aof is not stet's")
        check("build=stet" not in r.do("redis-sentinel --version"), "redis-sentinel is another program")
        r.do("systemctl start redis-server")
        equal("server", server_name(), "stet")
        r.do("systemctl stop redis-server")
        install(r, "./two/stet-as-redis_*.deb", "./two/stet-server_*.deb", "./two/stet-tools_*.deb")
        install(r, "redis-server")
        check("build=stet" not in r.do("redis-server --version"), "redis-server is still stet")
        check("stet" not in r.do("redis-check-aof --version 2>&1 || true"), "redis-check-aof is still stet's")
        check(not r.has("usr/bin/redis-check-aof.redis"), "a diverted file is left")
        r.do("dpkg --purge stet-as-redis && dpkg --audit && apt-get check")


def with_redis(r, *settings):
    """Debian's redis-server with stet beside it, and some data of each type."""
    install(r, *REDIS)
    install(r, *STET)
    for line in settings:
        r.do("sed -i 's/^%s .*/%s/' /etc/redis/redis.conf" % (line.split()[0], line))
    r.do("systemctl start redis-server")
    call("SET", "greeting", "let it stand")
    call("SET", "soon", "gone", "EX", "100000")
    call("RPUSH", "list", *"abc")
    call("HSET", "hash", "f", "v")
    call("ZADD", "zset", "1", "m")
    call("XADD", "stream", "1-1", "f", "v")
    call("SADD", "set", *"123")
    call("FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('f', function() return 1 end)")


@CASES.case
def migration_by_snapshot():
    """docs/migration.md, word by word, with Debian's configuration: dump.rdb."""
    with root() as r:
        with_redis(r)
        before = call("DBSIZE")
        follow("migration.md", r.shell, "From Redis, by its files")
        equal("keys", (call("DBSIZE"), server_name()), (before + 1, "stet"))
        equal("a function", call("FCALL", "f", "0"), 1)
        follow("migration.md", r.shell, "Back to Redis, by the files")
        equal("keys", (call("DBSIZE"), server_name()), (before + 2, "redis"))
        equal("a function", call("FCALL", "f", "0"), 1)


@CASES.case
def migration_of_an_aof():
    """The same with the multi-part append-only file of `appendonly yes`."""
    with root() as r:
        with_redis(r, "appendonly yes")
        call("BGREWRITEAOF")
        before = call("DBSIZE")
        follow("migration.md", r.shell, "From Redis, by its files")
        equal("keys", (call("DBSIZE"), server_name()), (before + 1, "stet"))
        follow("migration.md", r.shell, "Back to Redis, by the files")
        equal("keys", (call("DBSIZE"), server_name()), (before + 2, "redis"))


@CASES.case
def first_hour():
    """docs/first-hour.md, word by word."""
    with root() as r:
        install(r, *STET)
        follow("first-hour.md", r.shell)


def serves(port=6379):
    """The process that answers, once one does."""
    def pid():
        try:
            return Conn(port).info("server")["process_id"]
        except (OSError, Closed):
            return None
    return wait_for(pid, "a server answers on port %d" % port)


@CASES.case
def under_systemd():
    """With systemd as the first process: started, restarted after a kill and by an upgrade, instances too, stopped."""
    with root(BootedRoot) as r:
        install(r, *STET)
        equal("state", r.do("systemctl is-active stet-server; systemctl is-enabled stet-server"), "active\nenabled\n")
        check("Ready to accept connections" in r.do("systemctl status --no-pager stet-server"), "systemd was not told of readiness")
        call("SET", "k", "v")
        call("CONFIG", "SET", "maxclients", "77")
        equal("CONFIG REWRITE", call("CONFIG", "REWRITE"), b"OK")
        first = serves()
        r.do("systemctl kill --signal=KILL stet-server")
        wait_for(lambda: serves() != first, "it is restarted")
        equal("GET", call("GET", "k"), b"v")
        r.do("sed 's/^port .*/port 6380/' /etc/stet/stet.conf >/etc/stet/stet-two.conf && systemctl start stet-server@two")
        r.do("chmod 640 /etc/stet/stet.conf")
        before = serves(), serves(6380)
        install(r, "./two/stet-server_*.deb", "./two/stet-tools_*.deb")
        after = serves(), serves(6380)
        check(before[0] != after[0] and before[1] != after[1], "an upgrade has not restarted both: %s %s" % (before, after))
        equal("GET", call("GET", "k"), b"v")
        equal("mode of the administrator", owned_by(r, "etc/stet/stet.conf")[1], "0o640")
        r.do("apt-get remove -y stet-server")
        equal("servers that are left", r.shell("cat /proc/[0-9]*/comm | grep -c stet-server")[1], "0\n")


@CASES.case
def under_systemd_beside_redis():
    """While Redis has the port, stet is not started; in its place, the units' names of Redis lead to stet."""
    with root(BootedRoot) as r:
        install(r, *REDIS)
        serves()
        check("is not started" in install(r, *STET), "nothing is said of the port")
        equal("server", server_name(), "redis")
        check("migration.md" in install(r, "./one/stet-as-redis_*.deb"), "nothing is said of the data")
        equal("state", r.shell("systemctl is-active stet-server")[1], "inactive\n")
        r.do("systemctl start redis-server")
        serves()
        equal("server", server_name(), "stet")
        equal("state", r.do("systemctl is-active stet-server redis redis-server"), "active\nactive\nactive\n")
        r.do("systemctl stop redis")
        install(r, "redis-server")
        serves()
        equal("server", server_name(), "redis")


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("FAIL deb: needs root")
    if not os.environ.get("STET_IN_NAMESPACES"):
        make_base()
        build()
    enter_namespaces()
    sys.exit(run_words("deb", CASES))
