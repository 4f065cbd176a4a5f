#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""backup_tool - stet-backup: takes, lists, verifies and copies backups; what `restore` prints is carried out by a shell.

  backup_tool.py [WORD...]     only the cases with one of the words in their names
"""
import atexit
import json
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib")]
from cases import Cases, check, equal, run_words  # noqa: E402
from server import BIN, SERVER, Server, wait_for  # noqa: E402
from tls import Certs, TlsServer  # noqa: E402

TOOL = os.path.join(BIN, "stet-backup")
CASES = Cases()


def tool(*args, env=None, want=0):
    """What it prints on both channels; the exit status is checked."""
    done = subprocess.run([TOOL, *args], capture_output=True, text=True, env=dict(os.environ, **(env or {})), timeout=60,
                          check=False)
    if done.returncode != want:
        raise AssertionError("%s: exit %d: %s%s" % (args, done.returncode, done.stdout, done.stderr))
    return done.stdout + done.stderr


def scratch():
    path = tempfile.mkdtemp(prefix="stet-backup-")
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


class Source:
    """A sealed backup of two keys, and the moment before the second one. Made once."""
    path = moment = None

    @classmethod
    def get(cls):
        if cls.path:
            return cls.path
        keep = scratch()
        with Server("--appendonly", "yes", "--requirepass", "secret") as s:
            c = s.conn()
            c.call("AUTH", "secret")
            c.call("SET", "a", "1")
            c.call("WAITAOF", "1", "0", "0")
            cls.moment = int(c.call("TIME")[0]) * 1000 + int(c.call("TIME")[1]) // 1000
            wait_for(lambda: int(c.call("TIME")[0]) * 1000 + int(c.call("TIME")[1]) // 1000 > cls.moment + 5, "time passes")
            c.call("SET", "b", "2")
            out = tool("take", "-p", str(s.port), "--copy-to", keep, "--keep", "1", env={"STET_PASSWORD": "secret"})
            first = re.search(r"sealed: (.+)", out)[1]
            equal("directory", os.path.dirname(first), os.path.join(s.dir, "backups"))
            out = tool("take", "-p", str(s.port), "--keep", "1", env={"STET_PASSWORD": "secret"})
            check("removed: " + os.path.basename(first) in out, out)
            equal("left", len(os.listdir(os.path.join(s.dir, "backups"))), 1)
            check("NOAUTH" in tool("take", "-p", str(s.port), want=1), "no error without a password")
        cls.path = os.path.join(keep, os.path.basename(first))
        return cls.path


def fresh():
    """A copy that may be damaged."""
    to = os.path.join(scratch(), os.path.basename(Source.get()))
    shutil.copytree(Source.get(), to)
    return to


def data_file(path, kind):
    return os.path.join(path, [f for f in os.listdir(path) if kind in f][0])


@CASES.case
def copies():
    path = Source.get()
    sums = subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=path, capture_output=True, text=True, check=False)
    equal("sha256sum", (sums.returncode, sums.stdout + sums.stderr), (0, ""))
    check("equal to SHA256SUMS" in tool("verify", path), "verify")
    to = scratch()
    tool("copy", path, to)
    equal("the same files", sorted(os.listdir(os.path.join(to, os.path.basename(path)))), sorted(os.listdir(path)))
    check("is there already" in tool("copy", path, to, want=1), "a copy over a copy")


@CASES.case
def a_copy_that_fails_has_another_name():
    path, to = Source.get(), scratch()
    name = os.path.basename(path)
    check("No space left" in tool("copy", path, to, want=1, env={"STET_IO_FAULT": "sync:code=28,count=1"}), "no error")
    equal("left", os.listdir(to), [name + ".partial"])
    tool("copy", path, to)
    equal("replaced", os.listdir(to), [name])


@CASES.case
def damage_is_found():
    for kind, with_sums in (("base", True), ("incr", True), ("incr", False), ("manifest", True), (".sealed", False)):
        path = fresh()
        if not with_sums:
            os.remove(os.path.join(path, "SHA256SUMS"))
        name = data_file(path, kind)
        with open(name, "r+b") as f:
            f.seek(os.path.getsize(name) // 2)
            f.write(b"\0")
        out = tool("verify", path, want=1)
        check(kind in out, "%s: %s" % (kind, out))
        tool("copy", path, scratch(), want=1)
    path = fresh()
    os.remove(data_file(path, "incr"))
    check("No such file" in tool("verify", path, want=1), "a file that is missing")
    path = fresh()
    os.remove(os.path.join(path, ".sealed"))
    check("never sealed" in tool("verify", path, want=1), "no seal")
    check("never sealed" in tool("copy", path, scratch(), want=1), "no seal")


def last_batch_at(name):
    with open(name, "rb") as f:
        return f.read().rindex(b"#{\r\n")


@CASES.case
def copies_in_part_are_refused():
    """What is there holds, so only the seal tells."""
    for kind, size, why in (("manifest", lambda name: os.path.getsize(name) // 2, "copied in part"),
                            ("incr", lambda name: 0, "copied in part"), ("incr", last_batch_at, "copied in part"),
                            ("base", lambda name: 0, "is empty")):
        path = fresh()
        os.remove(os.path.join(path, "SHA256SUMS"))
        name = data_file(path, kind)
        os.truncate(name, size(name))
        out = tool("verify", path, want=1)
        check(why in out, "%s: %s" % (kind, out))
        tool("copy", path, scratch(), want=1)
        data = scratch()
        with Server("--appendonly", "yes", "--restore-from", path, dir=data, start=False) as s:
            s.spawn()
            check(not s.wait_ready() and why in s.log(), "%s: %s" % (kind, s.log()))
            check(not os.path.exists(os.path.join(data, "appendonlydir", "appendonly.aof.manifest")), "it was made")
        if why == "copied in part":
            os.remove(os.path.join(path, ".sealed"))  # as the message says
            with Server("--appendonly", "yes", "--restore-from", path, dir=scratch()):
                pass


@CASES.case
def hostile_directories():
    """Links, FIFOs, names with a path, sums without a line: refused, and nothing outside is read."""
    path = fresh()
    name = data_file(path, "incr")
    os.remove(name)
    os.symlink("/etc/passwd", name)
    check("cannot open" in tool("copy", path, scratch(), want=1), "a link")
    os.remove(name)
    os.mkfifo(name)
    check("no regular file" in tool("verify", path, want=1), "a FIFO")
    path = fresh()
    with open(data_file(path, "manifest"), "a", encoding="ascii") as f:
        f.write("file ../../etc/passwd seq 9 type i\n")
    tool("verify", path, want=1)
    path = fresh()
    with open(os.path.join(path, "SHA256SUMS"), "w", encoding="ascii") as f:
        f.write("0" * 64 + "  other\n")
    check("has no line for" in tool("verify", path, want=1), "no line")
    to = scratch()
    os.symlink("/tmp", os.path.join(to, os.path.basename(Source.get()) + ".partial"))
    check("is in the way" in tool("copy", Source.get(), to, want=1), "a link in the way")
    os.mkdir(os.path.join(to, "backup-\x1b[2J"))
    check("\x1b" not in tool("list", to), "a name for the terminal")
    check("holds no manifest" in tool("verify", scratch(), want=1), "an empty directory")
    check("No such file" in tool("verify", "/nowhere/at all", want=1), "no directory")


@CASES.case
def lists():
    path = Source.get()
    folder = scratch()
    shutil.copytree(path, os.path.join(folder, os.path.basename(path)))
    os.mkdir(os.path.join(folder, "backup-1.partial"))
    shown = json.loads(tool("list", "--json", folder))
    equal("states", [b["state"] for b in shown], ["partial", "sealed"])
    one = shown[1]
    check(one["first_ms"] <= Source.moment <= one["last_ms"], "%r: %r" % (Source.moment, one))
    text = tool("list", folder)
    check("(%d)" % one["last_ms"] in text and "restores any moment from" in text, text)
    with Server("--appendonly", "yes") as s:
        check("append-only file, " in tool("list", os.path.join(s.dir, "appendonlydir")), "the directory of an AOF")


def keys_after(commands, data):
    """Carries the lines out, the server's in the background."""
    lines = [line for line in commands.splitlines() if not line.startswith("#")]
    for line in lines[:-1]:
        subprocess.run(["sh", "-c", line], check=True)
    check(lines[-1].startswith("stet-server "), lines[-1])
    proc = subprocess.Popen(["sh", "-c", "exec " + lines[-1].replace("stet-server", SERVER, 1) +
                             " --port auto --port-file port"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        for line in proc.stdout:
            if b"Ready to accept" in line:
                break
        with open(os.path.join(data, "port"), encoding="ascii") as f:
            from resp import Conn
            return sorted(Conn(int(f.read())).call("KEYS", "*"))
    finally:
        proc.terminate()
        proc.wait()


@CASES.case
def restore_prints_what_restores():
    data = os.path.join(scratch(), "it's data")
    os.mkdir(data)
    with Server("--appendonly", "yes", dir=data) as s:
        s.conn().call("SET", "newer", "1")
        s.stop()
    check("give the server's directory" in tool("restore", Source.get(), want=1), "no directory")
    commands = tool("restore", Source.get(), "--dir", data)
    equal("nothing was done", os.path.isdir(os.path.join(data, "appendonlydir")), True)
    equal("keys", keys_after(commands, data), [b"a", b"b"])
    kept = [f for f in os.listdir(data) if "before-restore" in f]
    equal("kept", len(kept), 1)
    shutil.rmtree(os.path.join(data, "appendonlydir"))
    check("restores moments from" in tool("restore", Source.get(), "--dir", data, "--to", "1700000000000", want=1), "too early")
    equal("then", keys_after(tool("restore", Source.get(), "--dir", data, "--to", str(Source.moment)), data), [b"a"])
    last = json.loads(tool("list", "--json", Source.get()))[0]["last_ms"]
    shutil.rmtree(os.path.join(data, "appendonlydir"))
    first = json.loads(tool("list", "--json", Source.get()))[0]["first_ms"]
    equal("at the beginning", keys_after(tool("restore", Source.get(), "--dir", data, "--to", str(first)), data), [])
    shutil.rmtree(os.path.join(data, "appendonlydir"))
    equal("at the end", keys_after(tool("restore", Source.get(), "--dir", data, "--to", str(last)), data), [b"a", b"b"])


@CASES.case
def progress_is_shown_on_standard_error():
    """Lines in a log, a bar on a terminal, nothing of work that is over in a second."""
    slow = {"STET_IO_FAULT": "open:delay=350"}
    done = subprocess.run([TOOL, "copy", Source.get(), scratch()], capture_output=True, text=True, env=dict(os.environ, **slow),
                          check=True)
    check(re.search(r"^copy: \d+ of \d+ bytes \(\d+ %\), \d+ s left$", done.stderr, re.M), done.stderr)
    check("copied: " in done.stdout and " s left" not in done.stdout, done.stdout)
    done = subprocess.run([TOOL, "verify", Source.get()], capture_output=True, text=True, check=True)
    equal("nothing", done.stderr, "")
    master, terminal = pty.openpty()
    subprocess.run([TOOL, "verify", Source.get()], stdout=subprocess.DEVNULL, stderr=terminal, env=dict(os.environ, **slow),
                   check=True)
    shown = os.read(master, 4096)
    check(b"\rverify [" in shown and b" %, " in shown, "%r" % shown)
    os.close(master)
    os.close(terminal)


@CASES.case
def check_tools_show_theirs():
    """stet-check-aof and stet-check-rdb: on standard error only, what is printed besides is as ever."""
    folder = scratch()
    with Server("--appendonly", "no", dir=folder) as s:
        s.conn().call("SET", "a", "1")
        s.conn().call("SAVE")
    with open(os.path.join(folder, "old.aof"), "wb") as f:
        f.write(b"*1\r\n$4\r\nPING\r\n" * 1000)
    runs = []
    for name, path in (("stet-check-aof", "old.aof"), ("stet-check-rdb", "dump.rdb")):
        command = [os.path.join(BIN, name), os.path.join(folder, path)]
        quick = subprocess.run(command, capture_output=True, text=True, check=True)
        equal("quiet", quick.stderr, "")
        runs.append((quick.stdout, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                                    env=dict(os.environ, STET_IO_FAULT="open:delay=1100"))))
    for want, proc in runs:
        out, err = proc.communicate(timeout=60)
        equal("output", re.sub(r"[\d:.]+", "", out), re.sub(r"[\d:.]+", "", want))
        check(re.search(r"^\S+: \d+ of \d+ bytes \(\d+ %\), \d+ s left$", err, re.M), err)


@CASES.case
def the_server_is_not_there():
    check("cannot connect to 127.0.0.1" in tool("take", "-p", "1", want=1), "refused")
    check("cannot connect to '/nowhere'" in tool("take", "-s", "/nowhere", want=1), "no socket")
    check("is no command" in tool("bogus", want=1), "no command")


@CASES.case
def take_over_tls():
    dir = scratch()
    certs, others = Certs(dir), Certs(dir, "stranger")
    pair, own = certs.pair("server"), certs.pair("client", "client")
    with TlsServer(certs, pair, "--appendonly", "yes", "--tls-auth-clients", "yes") as s:
        at = ("take", "-p", str(s.tls_port), "--tls")
        mine = ("--cert", own[0], "--key", own[1])
        check("sealed: " in tool(*at, "--cacert", certs.ca, *mine), "with a certificate")
        check("sealed: " in tool(*at, "--cacert", certs.ca, *mine, "--sni", "localhost", "--keep", "1"), "by name")
        check("sealed: " in tool(*at, "--insecure", *mine), "without a look at the server's")
        check("certificate" in tool(*at, "--cacert", others.ca, *mine, want=1), "another authority is believed")
        check("certificate" in tool(*at, *mine, want=1), "the system's authorities are believed")
        tool(*at, "--cacert", certs.ca, want=1)
        check("cannot load the certificate" in tool(*at, "--cacert", certs.ca, "--cert", "/nowhere", "--key", own[1], want=1),
              "a file that is missing")
        check("cannot load the authorities" in tool(*at, "--cacert", "/nowhere", want=1), "an authority that is missing")
        check("belong together" in tool(*at, "--cert", own[0], want=1), "half a pair")
        check("need --tls" in tool("take", "-p", str(s.tls_port), "--insecure", want=1), "without --tls")
        tool("take", "-p", str(s.tls_port), want=1)
    with Server("--appendonly", "yes") as s:
        check("no TLS connection" in tool("take", "-p", str(s.port), "--tls", "--insecure", want=1), "a plain port")


@CASES.case
def take_as_a_user_over_a_socket():
    with Server("--appendonly", "yes", "--unixsocket", "s", "--requirepass", "secret") as s:
        c = s.conn()
        c.call("AUTH", "secret")
        c.call("ACL", "SETUSER", "op", "on", ">pw", "+backup")
        path = os.path.join(s.dir, "s")
        for name in ("STET_PASSWORD", "REDISCLI_AUTH"):
            check("sealed: " in tool("take", "-s", path, "--user", "op", env={name: "pw"}), name)
        both = {"STET_PASSWORD": "pw", "REDISCLI_AUTH": "wrong"}
        check("sealed: " in tool("take", "-s", path, "--user", "op", env=both), "ours first")
        check("WRONGPASS" in tool("take", "-s", path, "--user", "op", env={"REDISCLI_AUTH": "x"}, want=1), "a wrong one")


if __name__ == "__main__":
    sys.exit(run_words("backup-tool", CASES))
