#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""system - what `make install` puts on a system: files, the unit's own command line, user and directories, manual
pages, completion, and what uninstall leaves."""
import configparser
import glob
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib")]
from cases import Cases, check, equal, run_words  # noqa: E402
from resp import Conn  # noqa: E402
from server import BIN, ROOT, Failed, die_with_parent, wait_for  # noqa: E402

CASES = Cases()
SCRIPT = os.path.join(ROOT, "packages", "system", "install.sh")


def run(*words, status=0, **more):
    p = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, **more)
    if status is not None and p.returncode != status:
        raise Failed("%s: status %d:\n%s" % (" ".join(words), p.returncode, p.stdout[-2000:]))
    return p.stdout


def files_in(root):
    return sorted(os.path.relpath(os.path.join(d, f), root) for d, _, names in os.walk(root) for f in names)


class Root:
    """A directory in the place of `/` (PREFIX /usr), or with `own` a PREFIX of its own."""

    def __init__(self, own=False):
        self.dir = tempfile.mkdtemp(prefix="stet-root-")
        os.chmod(self.dir, 0o755)
        self.env = {k: v for k, v in os.environ.items() if k not in ("SYSCONFDIR", "LOCALSTATEDIR", "NOTIFY_SOCKET")}
        self.env.update(BIN=os.path.abspath(BIN), PREFIX=self.dir if own else "/usr", DESTDIR="" if own else self.dir)
        if own:  # nothing of the running system is touched
            self.env["PATH"] = self.path_without("systemd-sysusers")
        self.lib = "lib" if own else "usr/lib"
        self.share = "share" if own else "usr/share"

    def path_without(self, name):
        place = os.path.join(self.dir, "tools")
        os.mkdir(place)
        for tool in ("sh", "id", "sed", "cat", "mv", "rm", "rmdir", "mkdir", "chmod", "cmp", "dirname", "env"):
            os.symlink(shutil.which(tool), os.path.join(place, tool))
        assert not os.path.exists(os.path.join(place, name))
        return place

    def __enter__(self):
        self.said = self.script("install")
        return self

    def __exit__(self, *exc):
        shutil.rmtree(self.dir)

    def script(self, what):
        return run(SCRIPT, what, env=self.env)

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def text(self, *names):
        with open(self.path(*names), encoding="utf-8") as f:
            return f.read()

    def command(self, unit, instance=""):
        """The words of the unit's ExecStart."""
        found = re.search(r"^ExecStart=(.*)$", self.text(self.lib, "systemd/system", unit), re.M).group(1)
        return shlex.split(found.replace("%i", instance))


class Manager:
    """Starts a command as systemd would, as far as the messages go, and listens to them."""

    def __init__(self, root, words):
        self.at = root.path("notify")
        if os.path.exists(self.at):
            os.unlink(self.at)
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(self.at)
        os.chmod(self.at, 0o777)
        self.messages, self.port_file = [], root.path("var/lib/stet/port")
        self.log = open(root.path("log"), "a+", encoding="utf-8")
        self.proc = subprocess.Popen(words + ["--port", "auto", "--port-file", self.port_file], stdout=self.log, stderr=self.log,
                                     cwd="/", preexec_fn=die_with_parent, env={**root.env, "NOTIFY_SOCKET": self.at})

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.proc.poll() is None:
            self.proc.kill()
        self.proc.wait()
        self.sock.close()
        self.log.close()

    def wait(self, message):
        def heard():
            self.sock.settimeout(0.05)
            try:
                self.messages.append(self.sock.recv(4096).decode())
            except TimeoutError:
                if self.proc.poll() is not None:
                    self.log.seek(0)
                    raise Failed("the server has ended: %s" % self.log.read()[-2000:]) from None
            return any(message in m for m in self.messages)
        wait_for(heard, message)
        return self

    def conn(self):
        with open(self.port_file, encoding="utf-8") as f:
            return Conn(int(f.read()))

    def stop(self):
        self.proc.send_signal(signal.SIGTERM)
        equal("exit status", self.proc.wait(60), 0)


@CASES.case
def files():
    """Every kind of file is there, and no @WORD@ is left in one."""
    with Root() as r:
        there = files_in(r.dir)
        for f in ("etc/stet/stet.conf", "etc/logrotate.d/stet-server", "usr/bin/stet-server", "usr/bin/stet-check-aof",
                  "usr/bin/stet-check-rdb", "usr/bin/stet-backup", "usr/share/man/man1/stet-backup.1",
                  "usr/lib/systemd/system/stet-backup.service", "usr/lib/systemd/system/stet-backup.timer", "usr/lib/systemd/system/stet-server.service",
                  "usr/lib/systemd/system/stet-server@.service", "usr/lib/sysusers.d/stet.conf",
                  "usr/lib/tmpfiles.d/stet.conf", "usr/share/man/man8/stet-server.8", "usr/share/man/man5/stet.conf.5",
                  "usr/share/man/man1/stet-check-aof.1", "usr/share/man/man1/stet-check-rdb.1",
                  "usr/share/bash-completion/completions/stet-server", "usr/share/stet/redis-compat.conf"):
            check(f in there, "%s is missing: %s" % (f, there))
        for f in there:
            if not f.startswith("usr/bin/"):
                check(not re.search(r"@[A-Z]+@", r.text(f)), "%s has a word that was not filled in" % f)
        check(os.path.isdir(r.path("var/lib/stet")), "no directory for data")
        check(r.dir not in r.text("etc/stet/stet.conf"), "the configuration names DESTDIR")


@CASES.case
def starts():
    """The installed configuration starts as it is, keeps its data, and CONFIG REWRITE works."""
    with Root(own=True) as r:
        words = [r.path("bin/stet-server"), r.path("etc/stet/stet.conf"), "--supervised", "systemd"]
        with Manager(r, words).wait("READY=1") as m:
            c = m.conn()
            equal("SET", c.call("SET", "k", "v"), b"OK")
            c.call("CONFIG", "SET", "maxclients", "77")
            equal("REWRITE", c.call("CONFIG", "REWRITE"), b"OK")
            m.stop()
        check("maxclients 77" in r.text("etc/stet/stet.conf"), "not rewritten")
        check(glob.glob(r.path("var/lib/stet/appendonlydir/*.manifest")), "the data is elsewhere")
        with Manager(r, words).wait("READY=1") as m:
            equal("GET", m.conn().call("GET", "k"), b"v")
            m.stop()


@CASES.case
def unit():
    """The units' own command lines: ready after loading, stopped by SIGTERM; an instance has its own data."""
    with Root(own=True) as r:
        with Manager(r, r.command("stet-server.service")) as m:
            m.wait("READY=1").conn().call("SET", "k", "v")
            m.stop()
            m.wait("STOPPING=1")
        shutil.copy(r.path("etc/stet/stet.conf"), r.path("etc/stet/stet-two.conf"))
        os.mkdir(r.path("var/lib/stet-two"))
        with Manager(r, r.command("stet-server@.service", "two")) as m:
            equal("another data set", m.wait("READY=1").conn().call("DBSIZE"), 0)
            equal("dir", m.conn().call("CONFIG", "GET", "dir")[1], r.path("var/lib/stet-two").encode())
            m.stop()


@CASES.case
def reload():
    """The unit's ExecReload makes the server read its configuration again."""
    with Root(own=True) as r:
        with Manager(r, r.command("stet-server.service")) as m:
            m.wait("READY=1")
            with open(r.path("etc/stet/stet.conf"), "a", encoding="utf-8") as f:
                f.write("\nhz 37\n")
            words = re.search(r"^ExecReload=(.*)$", r.text(r.lib, "systemd/system/stet-server.service"), re.M)[1]
            run(*words.replace("$MAINPID", str(m.proc.pid)).split())
            wait_for(lambda: m.conn().call("CONFIG", "GET", "hz")[1] == b"37", "the new value")
            m.stop()


@CASES.case
def progress():
    """While data is loaded, systemd is told how much, and given time."""
    with Root(own=True) as r:
        words = r.command("stet-server.service") + ["--enable-debug-command", "yes"]
        with Manager(r, words) as m:
            m.wait("READY=1").conn().call("DEBUG", "POPULATE", "200000")
            m.stop()
        with Manager(r, words) as m:
            m.wait("READY=1")
            told = [i for i, t in enumerate(m.messages) if re.search(r"^STATUS=Loading the data set: \d+ %", t, re.M)]
            ready = next(i for i, t in enumerate(m.messages) if "READY=1" in t)
            check(told and told[0] < ready, "no progress was told before READY: %s" % m.messages)
            for i in told:
                check(re.search(r"^EXTEND_TIMEOUT_USEC=\d{8,}$", m.messages[i], re.M), m.messages[i])
            m.stop()


@CASES.case
def units_are_accepted():
    """systemd's own check has nothing to say, and the units are hardened."""
    if not shutil.which("systemd-analyze"):
        raise Failed("systemd-analyze is not installed (Debian: systemd)")
    with Root() as r:
        os.makedirs(r.path("etc/systemd/system"))
        for name in ("sysinit", "basic", "shutdown", "network", "multi-user"):
            with open(r.path("etc/systemd/system/%s.target" % name), "w", encoding="utf-8") as f:
                f.write("[Unit]\nDescription=%s\n" % name)
        os.makedirs(r.path("bin"))
        shutil.copy("/bin/kill", r.path("bin/kill"))
        for name in ("stet-server.service", "stet-server@one.service"):
            said = run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", "--root=" + r.dir, name, status=None)
            wrong = [l for l in said.splitlines() if "stet" in l and "Failed to create" not in l]
            check(not wrong, said)
            keys = configparser.ConfigParser(strict=False, interpolation=None)
            keys.optionxform = str
            keys.read_string(r.text("usr/lib/systemd/system", name.replace("one", "")))
            for key, value in (("Type", "notify"), ("ProtectSystem", "strict"), ("MemoryDenyWriteExecute", "yes"),
                               ("NoNewPrivileges", "yes"), ("CapabilityBoundingSet", ""), ("User", "stet")):
                equal(name + " " + key, keys["Service"].get(key), value)
        for name in ("stet-backup.service", "stet-backup.timer"):
            said = run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", "--root=" + r.dir, name, status=None)
            wrong = [l for l in said.splitlines() if "stet-backup" in l and "Failed to create" not in l]
            check(not wrong, said)


@CASES.case
def user_and_directories():
    """sysusers and tmpfiles make the user, and directories that it may write to."""
    if os.geteuid() != 0:
        raise Failed("needs root")
    with Root() as r:
        run("systemd-sysusers", "--root=" + r.dir, "stet.conf")
        check(re.search(r"^stet:", r.text("etc/passwd"), re.M), r.text("etc/passwd"))
        run("systemd-sysusers", "--root=" + r.dir, "--inline", "g adm 4")
        run("systemd-tmpfiles", "--root=" + r.dir, "--create", "stet.conf")
        uid = int(re.search(r"^stet:[^:]*:(\d+):", r.text("etc/passwd"), re.M).group(1))
        for d in ("var/lib/stet", "var/log/stet", "run/stet"):
            equal("owner of " + d, os.stat(r.path(d)).st_uid, uid)
        st = os.stat(r.path("etc/stet/stet.conf"))
        equal("mode of the configuration", st.st_mode & 0o777, 0o660)
        check(os.stat(r.path("etc/stet")).st_gid == st.st_gid != 0, "the configuration's group")


@CASES.case
def again_and_away():
    """A changed configuration survives a second install and uninstall; everything else is taken away."""
    with Root() as r:
        with open(r.path("etc/stet/stet.conf"), "a", encoding="utf-8") as f:
            f.write("maxclients 99\n")
        check("kept: " in r.script("install"), "the second install does not say that it keeps the configuration")
        check(r.text("etc/stet/stet.conf").endswith("maxclients 99\n"), "the configuration was replaced")
        with open(r.path("var/lib/stet/data"), "w", encoding="utf-8") as f:
            f.write("x")
        check("kept: " in r.script("uninstall"), "uninstall does not say what it keeps")
        equal("what is left", files_in(r.dir), ["etc/stet/stet.conf", "var/lib/stet/data"])
    with Root() as r:
        r.script("uninstall")
        equal("what is left of an untouched one", files_in(r.dir), [])


@CASES.case
def manual():
    """The pages have no errors, and stet.conf(5) has every parameter."""
    if not shutil.which("man"):
        raise Failed("man is not installed (Debian: man-db)")
    with Root() as r:
        for page in glob.glob(r.path("usr/share/man/man*/*")):
            p = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", page], capture_output=True, text=True,
                               timeout=60, check=True, env={**os.environ, "MANWIDTH": "100"})
            check(not p.stderr, "%s: %s" % (page, p.stderr))
            check(len(p.stdout.splitlines()) > 15, page)
        for name in ("appendfsync", "maxmemory\\-policy", "replicaof", "save", "tls\\-port"):
            check("\n.B %s\n" % name in r.text("usr/share/man/man5/stet.conf.5"), name)


@CASES.case
def completion():
    """Parameters and options are completed."""
    with Root() as r:
        def complete(*words):
            script = '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _stet; printf "%s\\n" "${COMPREPLY[@]}"'
            return run("bash", "-c", script, "-", r.path("usr/share/bash-completion/completions/stet-server"), *words,
                       env={**os.environ, "STET_CONF_REFERENCE": r.path("usr/share/stet/redis-compat.conf")}).split()
        equal("a parameter", complete("stet-server", "--appendfs"), ["--appendfsync"])
        check("--maxmemory-policy" in complete("stet-server", "--"), "not all parameters")
        equal("an option", complete("/usr/bin/stet-check-aof", "--sal"), ["--salvage="])
        check(r.path("etc") in complete("stet-server", r.path("et")), "no files")


if __name__ == "__main__":
    sys.exit(run_words("system", CASES))
