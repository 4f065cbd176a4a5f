#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""sentinel - genuine Sentinels watch a group of servers: they find the replicas, fail over when the
master ends or hangs, and make the old master a replica when it comes back.

Usage: sentinel.py [WORD...]: only the cases with one of the words in their names.
"""
import os
import shutil
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib")]
from cases import check, need, run_words  # noqa: E402
from resp import Closed, Conn, ReplyError  # noqa: E402
from server import SERVER, Failed, Server, die_with_parent, free_port, wait_for, wait_info  # noqa: E402

SENTINELS, QUORUM, DOWN_MS = 3, 2, 1000
GROUP = "group"


class Sentinel:
    """One of them; its configuration stands in a directory of its own."""

    def __init__(self, program, master_port, *lines):
        self.port, self.dir = free_port(), tempfile.mkdtemp(prefix="stet-sentinel-")
        conf = ["port %d" % self.port, "dir %s" % self.dir,
                "sentinel monitor %s 127.0.0.1 %d %d" % (GROUP, master_port, QUORUM),
                "sentinel down-after-milliseconds %s %d" % (GROUP, DOWN_MS),
                "sentinel failover-timeout %s 10000" % GROUP, "sentinel parallel-syncs %s 2" % GROUP, *lines]
        path = os.path.join(self.dir, "sentinel.conf")
        with open(path, "w") as f:
            f.write("\n".join(conf) + "\n")
        self.log = open(os.path.join(self.dir, "log"), "ab")
        self.proc = subprocess.Popen([program, path], stdout=self.log, stderr=self.log, cwd=self.dir,
                                     stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)
        self.conn = wait_for(self._connect, "a Sentinel that answers")

    def _connect(self):
        try:
            c = Conn(self.port, timeout=10)
            c.call("PING")
            return c
        except (OSError, Closed):
            return None

    def table(self, *words):
        """What SENTINEL says of a master, a replica...: a dict, or a list of them."""
        got = self.conn.call("SENTINEL", *words)

        def pairs(flat):
            texts = [x.decode() for x in flat]
            return dict(zip(texts[::2], texts[1::2]))
        if isinstance(got, dict):
            return {k.decode(): v.decode() for k, v in got.items()}
        return [pairs(x) for x in got] if got and isinstance(got[0], list) else pairs(got)

    def master_port(self):
        return int(self.conn.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", GROUP)[1])

    def whole_log(self):
        with open(self.log.name, errors="replace") as f:
            return f.read()

    def close(self):
        self.proc.kill()
        self.proc.wait()
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)


class Watched:
    """A master, its replicas and Sentinels that know each other."""

    def __init__(self, programs, sentinel="redis-sentinel", args=(), lines=()):
        self.servers, self.sentinels = [], []
        try:
            for program in programs:
                s = Server("--repl-diskless-sync-delay", "0", *args, program=program)
                self.servers.append(s)
                if len(self.servers) > 1:
                    s.conn().call("REPLICAOF", "127.0.0.1", self.servers[0].port)
            for s in self.servers[1:]:
                wait_info(s.conn(), "master_link_status", lambda v: v == "up", "replication")
            self.sentinels = [Sentinel(sentinel, self.servers[0].port, *lines) for _ in range(SENTINELS)]
            wait_for(self._all_known, "Sentinels that know each other and the replicas")
        except BaseException:
            self.close()
            raise

    def _all_known(self):
        return all(int(m["num-slaves"]) == len(self.servers) - 1 and
                   int(m["num-other-sentinels"]) == SENTINELS - 1 and m["flags"] == "master"
                   for m in (s.table("MASTER", GROUP) for s in self.sentinels))

    def by_port(self, port):
        return next(s for s in self.servers if s.port == port)

    def wait_new_master(self, old, seconds=60):
        """All Sentinels name the same other server, and it says that it is the master."""
        def look():
            ports = {s.master_port() for s in self.sentinels}
            if len(ports) != 1 or old.port in ports:
                return None
            new = self.by_port(ports.pop())
            return new if new.conn().info("replication")["role"] == "master" else None
        return wait_for(look, "a new master", seconds, 0.05)

    def wait_settled(self, but=()):
        """The master that all Sentinels name, once all other servers follow it. On a busy machine it is not always
        the one that was named first: it may be slow enough for a second failover."""
        def settled():
            ports = {s.master_port() for s in self.sentinels}
            if len(ports) != 1:
                return None
            master = self.by_port(ports.pop())
            others = [s for s in self.servers if s is not master and s not in but]
            return master if all(follows(s, master) for s in others) else None
        return wait_for(settled, "a master that all others follow", 90, 0.05)

    def tell(self):
        """Why it failed is in the logs."""
        for x in self.sentinels + self.servers:
            print("----- port %d\n%s" % (x.port, x.whole_log()[-3000:]))

    def close(self):
        for s in self.sentinels:
            s.close()
        for s in self.servers:
            s.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if exc[0] is None:
            for s in self.servers:
                s.check_sanitizers()
        else:
            self.tell()
        self.close()


def follows(s, master):
    try:
        i = s.conn().info("replication")
    except (OSError, Closed):
        return False
    return i["role"] == "slave" and int(i["master_port"]) == master.port and i["master_link_status"] == "up"


def read_everywhere(w, key, value):
    for s in w.servers:
        if s.running():
            wait_for(lambda: s.conn().call("GET", key) == value, "%s on port %d" % (key, s.port), 30, 0.02)


def the_master_is_killed(programs, **kw):
    with Watched(programs, **kw) as w:
        old = w.servers[0]
        old.conn().call("SET", "before", "1")
        read_everywhere(w, "before", b"1")
        old.fixed_port = old.port
        old.kill()
        new = w.wait_new_master(old)
        new = w.wait_settled(but=[old])
        new.conn().call("SET", "after", "2")
        # It comes back at its old port, as a master; the Sentinels make it a replica.
        old.start()
        new = w.wait_settled()
        read_everywhere(w, "after", b"2")
        check(new.conn().call("GET", "before") == b"1", "what was written before the failover is there")


def the_master_hangs(programs, **kw):
    with Watched(programs, **kw) as w:
        old = w.servers[0]
        old.freeze()
        new = w.wait_new_master(old)
        new.conn().call("SET", "after", "2")
        old.proc.send_signal(signal.SIGCONT)
        w.wait_settled()
        read_everywhere(w, "after", b"2")


def a_failover_is_asked_for(programs, **kw):
    with Watched(programs, **kw) as w:
        old = w.servers[0]
        w.sentinels[0].conn.call("SENTINEL", "FAILOVER", GROUP)
        w.wait_new_master(old)
        new = w.wait_settled()
        new.conn().call("SET", "after", "2")
        read_everywhere(w, "after", b"2")


def clients_are_cut_off(programs):
    """Sentinel disconnects the clients of a server whose part it changes, so that they look anew."""
    with Watched(programs) as w:
        old = w.servers[0]
        idle = w.servers[1].conn(), w.servers[2].conn()
        for c in idle:
            c.call("PING")
        old.kill()
        new = w.wait_new_master(old)
        at = idle[w.servers[1:].index(new)]
        try:
            at.call("PING")
            raise Failed("the client of the promoted server is still connected")
        except (Closed, ReplyError):
            pass


def without_replica_priority(programs):
    with Watched(programs) as w:
        old, never, wanted = w.servers
        never.conn().call("CONFIG", "SET", "replica-priority", "0")
        wanted.conn().call("CONFIG", "SET", "replica-priority", "10")
        wait_for(lambda: all({r["slave-priority"] for r in s.table("REPLICAS", GROUP)} == {"0", "10"}
                             for s in w.sentinels), "Sentinels that know the priorities", 30, 0.1)
        old.kill()
        check(w.wait_new_master(old) is wanted, "priority 0 is never a master")


def mine(n=3):
    return [SERVER] * n


def cases():
    redis = shutil.which("redis-server")
    return {
        "the master is killed": lambda: the_master_is_killed(mine()),
        "the master is killed, with AOF": lambda: the_master_is_killed(mine(), args=["--appendonly", "yes"]),
        "the master hangs": lambda: the_master_hangs(mine()),
        "a failover is asked for": lambda: a_failover_is_asked_for(mine()),
        "clients are cut off": lambda: clients_are_cut_off(mine()),
        "replica-priority": lambda: without_replica_priority(mine()),
        "from Redis to stet": lambda: the_master_is_killed([redis] + mine(2)),
        "from stet to Redis": lambda: the_master_is_killed(mine(1) + [redis] * 2),
    }


if __name__ == "__main__":
    need("redis-server", "redis-sentinel")
    sys.exit(run_words("sentinel", cases(), before="ok   "))
