# SPDX-License-Identifier: BSD-3-Clause
"""group - three servers, each on a host of its own, and three genuine Sentinels on hosts of theirs."""
import os
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "faults")]
from disk import Disk  # noqa: E402
from resp import Conn, ReplyError  # noqa: E402
from journal import GONE, GROUP  # noqa: E402
from server import Failed, Server, die_with_parent, free_port, is_stet, wait_for  # noqa: E402

DOWN_MS, FAILOVER_MS = 1000, 4000
COMMON = """save ""
protected-mode no
appendonly yes
repl-diskless-sync-delay 0
repl-timeout 4
repl-ping-replica-period 1
repl-backlog-size 1mb
"""


class Node(Server):
    """A server on a host. Its configuration is a file, which Sentinel has it rewrite."""

    def __init__(self, index, host, program, lines):
        self.index, self.host, self.disk = index, host, None
        self.dir_ = tempfile.mkdtemp(prefix="stet-chaos-%d-" % index)
        if is_stet(program) and os.environ.get("STET_FLAVOUR") not in ("asan", "tsan"):  # no preloading there
            self.disk = Disk()
            self.disk.well()
        super().__init__(program=program, dir=self.dir_, env=self.disk and self.disk.env, start=False)
        self.fixed_port = self.port = 6379 if host.fd is not None else free_port()
        self.conf = [os.path.join(self.dir, "server.conf")]
        with open(self.conf[0], "w") as f:
            f.write("bind %s 127.0.0.1\nport %d\n" % (host.ip, self.port) + COMMON + lines)
        self.read_log = 0

    @property
    def name(self):
        return "%d" % self.index

    def in_child(self):
        die_with_parent()
        self.host.enter()

    def conn(self, **kw):
        with self.host.inside():
            return Conn(self.port, host=self.host.ip, **kw)

    def ask(self, *words, timeout=1.0):
        """The reply, or None if there is none, or an error."""
        try:
            c = self.conn(timeout=timeout)
            try:
                return c.call(*words)
            finally:
                c.close()
        except (ReplyError, *GONE):
            return None

    def info(self, section="replication", timeout=1.0):
        text = self.ask("INFO", section, timeout=timeout)
        lines = (text or b"").decode("latin-1").split("\r\n")
        return dict(x.split(":", 1) for x in lines if ":" in x and x[0] != "#")

    def state(self):
        """For the search of the reason: whether it runs, what it said last, where it stands if it is silent."""
        text = "server %s: %s\n%s" % (self.name, "pid %d" % self.proc.pid if self.running() else
                                      "ended with %s" % self.proc.returncode, self.log()[-3000:])
        if self.running() and not self.info():
            with open("/proc/%d/status" % self.proc.pid) as f:
                text += "silent, %s" % next(line for line in f if line.startswith("State"))
            if shutil.which("gdb"):
                text += subprocess.run(["gdb", "-p", str(self.proc.pid), "-batch", "-ex", "thread apply all bt 25"],
                                       capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout[-9000:]
        return text

    def new_log(self):
        """What it has logged since the last call."""
        with open(self.log_path, "rb") as f:
            f.seek(self.read_log)
            text = f.read()
        whole = text.rfind(b"\n") + 1
        self.read_log += whole
        return text[:whole].decode("latin-1").splitlines()

    def close(self, keep=False):
        super().close()
        if keep:
            print("kept", self.dir_)
        else:
            shutil.rmtree(self.dir_, ignore_errors=True)
        if self.disk:
            self.disk.close()


class Watcher:
    """A Sentinel on a host. Its own periods are a tenth of what they usually are."""

    FAST = ["INFO-PERIOD", 1000, "PUBLISH-PERIOD", 500, "ASK-PERIOD", 500]

    def __init__(self, index, host, master):
        self.index, self.host = index, host
        self.port = 26379 if host.fd is not None else free_port()
        self.dir = tempfile.mkdtemp(prefix="stet-chaos-sentinel-")
        path, group = os.path.join(self.dir, "sentinel.conf"), GROUP.decode()
        with open(path, "w") as f:
            f.write("\n".join([
                "bind %s 127.0.0.1" % host.ip, "port %d" % self.port, "dir %s" % self.dir, "protected-mode no",
                "sentinel monitor %s %s %d 2" % (group, master.host.ip, master.port),
                "sentinel down-after-milliseconds %s %d" % (group, DOWN_MS),
                "sentinel failover-timeout %s %d" % (group, FAILOVER_MS),
                "sentinel parallel-syncs %s 2" % group, ""]))
        self.log = open(os.path.join(self.dir, "log"), "ab")
        self.proc = subprocess.Popen(["redis-sentinel", path], stdout=self.log, stderr=self.log, cwd=self.dir,
                                     stdin=subprocess.DEVNULL, preexec_fn=self.in_child)
        wait_for(lambda: self.ask("SENTINEL", "DEBUG", *self.FAST), "a Sentinel that answers")

    in_child, conn, ask = Node.in_child, Node.conn, Node.ask

    def master(self):
        """(ip, port) that it names, or None."""
        got = self.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", GROUP)
        return got and (got[0].decode(), int(got[1]))

    def told(self, what):
        flat = self.ask("SENTINEL", "MASTER", GROUP) or []
        return dict(zip(flat[::2], flat[1::2])).get(what.encode(), b"").decode()

    def close(self):
        self.proc.kill()
        self.proc.wait()
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)


class Group:
    def __init__(self, network, programs, lines):
        self.network, self.servers, self.sentinels = network, [], []
        self.last_ack, self.longest = None, 0.0
        try:
            for i, program in enumerate(programs):
                first = self.servers[0] if i else None
                mine = "".join(x + "\n" for x in lines if is_stet(program) or not x.startswith("replica-ack"))
                if first:
                    mine += "replicaof %s %d\n" % (first.host.ip, first.port)
                self.servers.append(Node(i, network.host("server-%d" % i), program, mine))
                self.servers[-1].start()
            for i in range(3):
                self.sentinels.append(Watcher(i, network.host("sentinel-%d" % i), self.servers[0]))
        except BaseException:
            self.close()
            raise

    def at(self, ip, port):
        return next(s for s in self.servers if (s.host.ip, s.port) == (ip, port))

    def note_ack(self, now):
        if self.last_ack:
            self.longest = max(self.longest, now - self.last_ack)
        self.last_ack = now

    def named(self):
        """The server that most Sentinels name as the master, or None."""
        names = [s.master() for s in self.sentinels]
        best = max(names, key=names.count)
        return self.at(*best) if best and names.count(best) >= 2 else None

    def trouble(self):
        """What is not as it should be once all is healed; None: nothing."""
        names = {s.master() for s in self.sentinels}
        if len(names) != 1 or None in names:
            return "the Sentinels name %s" % names
        for s in self.sentinels:
            if s.told("flags") != "master":
                return "Sentinel %d calls the master %s" % (s.index, s.told("flags"))
        master = self.at(*names.pop())
        for s in self.servers:
            i = s.info()
            if s is master and (i.get("role"), i.get("connected_slaves")) != ("master", "2"):
                return "the master %s: %s, %s replicas" % (s.name, i.get("role"), i.get("connected_slaves"))
            if s is not master and (i.get("master_host"), i.get("master_port")) != (master.host.ip, str(master.port)):
                return "server %s does not follow %s: %s" % (s.name, master.name, i)
            if s is not master and i.get("master_link_status") != "up":
                return "server %s: its link is down: %s" % (s.name, i)
        return None

    def part_equals(self):
        """SENTINEL FAILOVER asks no other Sentinel. Two that are told so at once may take the same epoch, and go on naming
        two masters for ever: one more failover has a higher epoch."""
        told = {(s.master(), s.told("config-epoch")) for s in self.sentinels}
        if len(told) == 2 and len({epoch for _, epoch in told}) == 1:
            self.sentinels[0].ask("SENTINEL", "FAILOVER", GROUP)

    def settle(self, seconds):
        """The master, once everything is in order."""
        said, parted = [], time.monotonic() + seconds / 3

        def look():
            nonlocal parted
            said[:] = [self.trouble()]
            if said[0] and time.monotonic() > parted:
                parted += 10
                self.part_equals()
            return said[0] is None
        try:
            wait_for(look, "order", seconds, 0.1)
        except Failed:
            raise Failed("\n".join(["no order after %d s: %s" % (seconds, said[0])] + [s.state() for s in self.servers] +
                                   ["Sentinel %d: %s, epoch %s" % (s.index, s.master(), s.told("config-epoch")) for s in self.sentinels]))
        return self.named()

    def close(self, keep=False):
        for s in self.sentinels:
            s.close()
        for s in self.servers:
            s.close(keep)
