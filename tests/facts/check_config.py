#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""check_config - `stet-server --check-config FILE`: what it says of each setting, and its exit status."""
import glob
import json
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib")]
from cases import Cases, check, equal, run_words  # noqa: E402
from server import ROOT, SERVER, Server  # noqa: E402

CASES = Cases()
LINE = re.compile(r"^(.*?):(\d+): (works|other|no effect|unknown|refused) +(\S+?)(?:: (.*))?$")
DEBIAN = "/etc/redis/redis.conf"
# As tools of hosting write it: everything at once, a password, a unix socket.
FORGE = """
bind 127.0.0.1 -::1
protected-mode yes
port 6379
tcp-backlog 511
unixsocket DIR/redis.sock
unixsocketperm 770
timeout 0
tcp-keepalive 300
daemonize yes
supervised systemd
pidfile DIR/redis.pid
loglevel notice
logfile DIR/redis-server.log
databases 16
requirepass hunter2
rename-command FLUSHALL ""
maxmemory 512mb
maxmemory-policy allkeys-lru
save 900 1
save 300 10
dir DIR
io-threads 4
io-threads-do-reads yes
activedefrag yes
jemalloc-bg-thread yes
"""


def ask(text, dir=None, options=()):
    """(exit status, {(line, name): (word, reason)}, the output) of a file with this text."""
    with tempfile.TemporaryDirectory(prefix="stet-check-") as made:
        dir = dir or made
        path = os.path.join(dir, "redis.conf")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text.replace("DIR", dir))
        before = sorted(os.listdir(dir))
        p = subprocess.run([SERVER, "--check-config", path, *options], capture_output=True, text=True, timeout=60, cwd=dir)
        equal("files made", sorted(os.listdir(dir)), before)
    found = {}
    for line in p.stdout.splitlines():
        m = LINE.match(line)
        if m:
            found[int(m.group(2)), m.group(4)] = m.group(3), m.group(5)
    return p.returncode, found, p.stdout + p.stderr


@CASES.case
def every_line():
    """Each kind of answer, at its line; nothing is started."""
    status, found, said = ask("# a comment\nport 7000\ndynamic-hz yes\nsanitize-dump-payload no\nnosuch 1\nmaxmemory 1x\n\nMAXCLIENTS 5\n")
    equal("status", status, 1)
    equal("answers", {k: v[0] for k, v in found.items()},
          {(2, "port"): "works", (3, "dynamic-hz"): "no effect", (4, "sanitize-dump-payload"): "other",
           (5, "nosuch"): "unknown", (6, "maxmemory"): "refused", (8, "maxclients"): "works"})
    equal("why", found[6, "maxmemory"][1], "argument must be a memory value")
    check("hz is the same for any number of clients" in found[3, "dynamic-hz"][1], said)
    check("2 settings work, 1 have another effect, 1 have no effect, 1 are unknown, 1 are refused.\n"
          "The server refuses this file." in said, said)


@CASES.case
def status():
    """0 for a file that a start accepts, 1 for one that it refuses."""
    for text, want in (("port 1\n", 0), ("", 0), ("nosuch 1\n", 1), ("loadmodule /x.so\n", 1),
                       ("loadmodule /x.so\nignore-unsupported yes\n", 0), ("dir /nonexistent/x\n", 1),
                       ("cluster-enabled yes\nreplicaof 127.0.0.1 1\n", 1), ('requirepass "x\n', 1),
                       ("include DIR/none.conf\n", 1), ("include DIR/redis.conf\n", 1)):
        got, _, said = ask(text)
        equal("%r: %s" % (text, said[-600:]), got, want)
    p = subprocess.run([SERVER, "--check-config", "/nonexistent/file"], capture_output=True, text=True, timeout=60)
    equal("no file", p.returncode, 1)
    check("can't open config file '/nonexistent/file'" in p.stdout, p.stdout)


@CASES.case
def includes():
    """Lines of an included file are named with that file."""
    with tempfile.TemporaryDirectory(prefix="stet-check-") as d:
        with open(os.path.join(d, "more.conf"), "w", encoding="utf-8") as f:
            f.write("\ndynamic-hz yes\n")
        said = ask("port 1\ninclude DIR/more.conf\nhz 20\n", dir=d)[2]
        check(re.search(r"/more\.conf:2: no effect  dynamic-hz: .*\n.*/redis\.conf:2: works      include\n"
                        r".*/redis\.conf:3: works      hz\n", said), said)


@CASES.case
def every_parameter_of_redis():
    """Redis 7.2's own names with their defaults: none is unknown or refused."""
    with open(os.path.join(ROOT, "tests", "data", "config.json"), encoding="utf-8") as f:
        names = json.load(f)
    skip = {"dir", "replicaof", "slaveof", "logfile", "unixsocket"}  # paths of another machine, empty values
    lines = ['%s %s' % (n, '"%s"' % v if not v or "{" in v else v) for n, v in names.items() if n not in skip]
    got, found, said = ask("\n".join(lines) + "\n")
    bad = [k for k, v in found.items() if v[0] in ("unknown", "refused")]
    equal("refused", bad, [])
    equal("status", got, 0)
    equal("answered", len(found), len(lines))


@CASES.case
def debian():
    """Debian's redis.conf."""
    if not os.path.exists(DEBIAN):
        return "left out: %s is not here" % DEBIAN
    with open(DEBIAN, encoding="utf-8") as f:
        text = re.sub(r"(?m)^dir .*", "dir DIR", f.read())
    want = sum(1 for l in text.splitlines() if l.strip() and not l.startswith("#"))
    got, found, said = ask(text)
    equal("status: " + said, got, 0)
    equal("answered", len(found), want)
    check(all(v[0] in ("works", "no effect", "other") for v in found.values()), said)


@CASES.case
def forge():
    """One as a hosting tool writes it: what has no effect is named; no secret is printed."""
    got, found, said = ask(FORGE)
    equal("status", got, 0)
    equal("without effect", sorted(n for (_, n), v in found.items() if v[0] == "no effect"),
          ["activedefrag", "jemalloc-bg-thread"])
    check("hunter2" not in said, said)


@CASES.case
def the_list_is_that_of_the_documents():
    """Every parameter that redis-compat.conf says has no effect is in the list."""
    with open(os.path.join(ROOT, "redis-compat.conf"), encoding="utf-8") as f:
        text = f.read()
    with open(os.path.join(ROOT, "server", "effects.c"), encoding="utf-8") as f:
        listed = set(re.findall(r'^    \{"([a-z0-9-]+)"', f.read(), re.M))
    for block in re.split(r"\n\s*\n", text):
        m = re.search(r"Accepted and\s*(?:# )?kept; no\s*(?:# )?effect", block)
        if m:
            for name in re.findall(r"^# ([a-z]+(?:-[a-z]+)+) \S+$", block[m.end():], re.M):
                check(name in listed, "'%s' is not in server/effects.c" % name)


@CASES.case
def what_no_code_reads_is_in_the_list():
    """A parameter whose field no source names has no effect."""
    def text(*names):
        return "\n".join(open(n, encoding="utf-8").read() for n in names)
    folders = ("conf", "persistence", "protocol", "server", "storage")
    files = [f for d in folders for f in glob.glob(os.path.join(ROOT, d, "**", "*.[ch]"), recursive=True)]
    words = set(re.findall(r"\b\w+\b", text(*files)))
    listed = set(re.findall(r'^    \{"([a-z0-9-]+)"', text(os.path.join(ROOT, "server", "effects.c")), re.M))
    rows = re.findall(r'^[A-Z]+\((?:[^",]+, )?(\w+), "([a-z0-9-]+)"', text(os.path.join(ROOT, "conf", "params.def")), re.M)
    check(len(rows) > 200, "%d rows" % len(rows))
    missing = [name for field, name in rows if field not in words and name not in listed]
    equal("neither read nor listed", missing, [])
    for name, value in (("active-expire-effort", "5"), ("dynamic-hz", "yes"), ("cluster-announce-human-nodename", "x")):
        _, found, _ = ask("%s %s\n" % (name, value))
        equal(name, found[1, name][0], "no effect")
    equal("replica-lazy-flush", ask("replica-lazy-flush no\n")[1][1, "replica-lazy-flush"][0], "other")


@CASES.case
def the_log_names_them():
    """A start names what the file asks for in vain, once; defaults are not named."""
    with Server("--active-expire-effort", "5", "--jemalloc-bg-thread", "yes", "--crash-memcheck-enabled", "no",
                "--hide-user-data-from-log", "yes") as s:
        said = re.findall(r"These settings have no effect: (.*?)\. ", s.log())
        equal("named", said, ["'active-expire-effort', 'hide-user-data-from-log'"])
    with Server() as s:
        check("have no effect" not in s.log(), s.log())


@CASES.case
def a_start_says_where_and_how():
    """Addresses, port and socket, the policy, and memory beyond maxmemory; a backlog that the kernel cuts."""
    with Server("--bind", "127.0.0.1", "--unixsocket", "s.sock", "--appendonly", "yes", "--appendfsync", "always",
                "--tcp-backlog", "1000000", "--maxmemory", "100000") as s:
        log = s.log()
        check("Configured to listen on: tcp 127.0.0.1 port %d, unix socket 's.sock'." % s.port in log, log)
        check("Durability: AOF on, appendfsync always. Memory in use: " in log, log)
        check("maxmemory (100000 bytes) is below the memory in use" in log, log)
        check(re.search(r"tcp-backlog is 1000000, but the kernel queues at most \d+ connections", log), log)
        check(log.index("Configured to listen") < log.index("Ready to accept connections tcp"), log)
    with Server("--maxmemory", "1gb") as s:
        check("is below the memory" not in s.log() and "tcp-backlog" not in s.log(), s.log())


if __name__ == "__main__":
    sys.exit(run_words("check_config", CASES))
