#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""bench - compares servers that take redis-server's arguments, on one machine.

  bench.py redis=/usr/bin/redis-server stet=build/stet-server null=./null_responder
           [--ref redis] [--only ops,aof,...] [--quick] [--rounds 3] [--json F [--append]] [--md F]

NAME=PATH,ARG,ARG passes more arguments to a server. null_responder takes part in the scenario "ops"
only. Servers run on the CPUs of --server-cpus (0), the load generator on those of --client-cpus (1).
The generator is `blast` in $BLAST, or beside this file.

The servers are interleaved: every server is measured once before a measurement is repeated, and the
order rotates. A ratio is the median of the ratios of the rounds. "cpu" is the CPU time of all threads
of the server per operation, the lowest of the rounds: other load on the machine disturbs it least.
Throughput and latency mean something only if the head of the report says that other processes took
next to nothing.
"""
import argparse, collections, ctypes, glob, json, os, platform, resource, shutil, signal
import socket, statistics, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import wider  # noqa: E402

BLAST = os.environ.get("BLAST", os.path.join(HERE, "blast"))
TICK = os.sysconf("SC_CLK_TCK")
median = statistics.median


class ReplyError(Exception):
    pass


class Conn:
    """A small blocking RESP2 client."""

    def __init__(self, port, timeout=60):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout)
        self.file = self.sock.makefile("rb")

    def send(self, *args):
        parts = [str(a).encode() for a in args]
        self.sock.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))

    def read(self):
        line = self.file.readline()
        if not line:
            raise ConnectionError("closed")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise ReplyError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2].decode("latin1")
        if kind == b"*":
            return [self.read() for _ in range(int(rest))]
        return rest.decode()

    def cmd(self, *args):
        self.send(*args)
        return self.read()

    def info(self, section):
        lines = self.cmd("INFO", section).splitlines()
        return dict(l.split(":", 1) for l in lines if ":" in l)

    def close(self):
        self.file.close()
        self.sock.close()


class Instance:
    """One running server process with a data directory of its own."""

    def __init__(self, spec, bench, *args, cpus=None, folder=None):
        self.spec, self.bench = spec, bench
        self.name = spec.name
        self.folder = folder or tempfile.mkdtemp(dir=bench.tmp)
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        argv = [spec.path, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.folder, "--save", "",
                "--loglevel", "warning", "--protected-mode", "no", "--auto-aof-rewrite-percentage", "0"]
        argv += [str(a) for a in (args or ("--appendonly", "no"))] + list(spec.extra)
        cpus = cpus or bench.opt.server_cpus
        self.log = open(os.path.join(self.folder, "server.log"), "ab")

        began = time.monotonic()
        self.proc = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                     preexec_fn=child_setup(cpus, bench.opt.nice), cwd=self.folder)
        self.pid = self.proc.pid
        bench.running.append(self)
        self.conn = None
        while True:
            try:
                self.conn = self.conn or Conn(self.port)
                self.conn.cmd("PING")
                break
            except ReplyError:          # -LOADING
                time.sleep(0.002)
            except (ConnectionError, OSError):
                self.conn = None
                time.sleep(0.0005)
            if self.proc.poll() is not None or time.monotonic() - began > 120:
                tail = open(self.log.name, "rb").read()[-600:].decode("latin1")
                self.stop()
                raise RuntimeError(f"{self.name} did not start: {tail}")
        self.boot = time.monotonic() - began

    def cpu(self):
        """CPU seconds of all threads; from schedstat (ns) where every thread has it."""
        try:
            total = 0
            for t in os.listdir(f"/proc/{self.pid}/task"):
                with open(f"/proc/{self.pid}/task/{t}/schedstat") as f:
                    total += int(f.read().split()[0])
            return total / 1e9
        except (OSError, ValueError, IndexError):
            with open(f"/proc/{self.pid}/stat") as f:
                v = f.read().rsplit(")", 1)[1].split()
            return (int(v[11]) + int(v[12])) / TICK

    def children_cpu(self):
        """CPU seconds of the children it has waited for (10 ms steps)."""
        with open(f"/proc/{self.pid}/stat") as f:
            v = f.read().rsplit(")", 1)[1].split()
        return (int(v[13]) + int(v[14])) / TICK

    def rss(self):
        with open(f"/proc/{self.pid}/smaps_rollup") as f:
            return next(int(l.split()[1]) * 1024 for l in f if l.startswith("Rss:"))

    def used(self):
        try:
            return int(self.conn.info("memory")["used_memory"])
        except (ReplyError, KeyError):
            return None

    def load(self, count, template, *args, depth=50, **kw):
        """COUNT commands with sequential keys; raises on an error reply."""
        r = self.blast("-S", "-n", count, "-P", depth, "-c", 4, "-C", template, *args, secs=120, **kw)
        if r["errors"]:
            raise ReplyError(r["first_error"])
        return r

    def blast(self, *args, secs=None, wait=True, cpus=None):
        """Runs the generator; adds server CPU per op and how busy everything was."""
        secs = secs or self.bench.opt.secs
        argv = [BLAST, "-p", str(self.port), "-t", str(secs)] + [str(a) for a in args]
        cpus = cpus or self.bench.opt.client_cpus
        run = Run(self, argv, cpus)
        return run.result(secs + 60) if wait else run

    def stop(self, keep=False):
        if self.proc.poll() is None:
            try:
                self.conn.send("SHUTDOWN", "NOSAVE")
                self.proc.wait(10)
            except (OSError, AttributeError, subprocess.TimeoutExpired):
                self.proc.terminate()
                try:
                    self.proc.wait(5)
                except subprocess.TimeoutExpired:
                    self.proc.kill()
                    self.proc.wait()
        if self.conn:
            self.conn.close()
        self.log.close()
        if self in self.bench.running:
            self.bench.running.remove(self)
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)


class Run:
    """A generator under way."""

    def __init__(self, server, argv, cpus):
        self.server = server
        self.before = (server.cpu(), busy_cpu(), time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN))
        self.proc = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True,
                                     preexec_fn=child_setup(cpus, server.bench.opt.nice))

    def finish(self):
        self.proc.send_signal(signal.SIGTERM)
        return self.result(30)

    def result(self, timeout):
        try:
            out, _ = self.proc.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            out, _ = self.proc.communicate()
        if not out.strip():
            raise RuntimeError(f"{self.server.name}: the load generator failed")
        r = json.loads(out)
        cpu0, busy0, t0, ru0 = self.before
        cpu, busy, ru1 = self.server.cpu() - cpu0, busy_cpu() - busy0, resource.getrusage(resource.RUSAGE_CHILDREN)
        mine = ru1.ru_utime - ru0.ru_utime + ru1.ru_stime - ru0.ru_stime
        wall = time.monotonic() - t0
        r["cpu_ns"] = cpu * 1e9 / max(1, r["ops"])
        r["client_ns"] = r["client_cpu_s"] * 1e9 / max(1, r["ops"])
        r["foreign"] = max(0.0, (busy - cpu - mine) / wall)
        self.server.bench.foreign.append(r["foreign"])
        return r


def child_setup(cpus, nice):
    """Pins a child, ties its life to ours and gives it a scheduling group of its own."""
    def setup():
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        os.sched_setaffinity(0, cpus)
        os.setsid()
        if nice:
            os.nice(nice)
            if os.path.exists("/proc/self/autogroup"):
                with open("/proc/self/autogroup", "w") as f:
                    f.write(str(nice))
    return setup


def busy_cpu():
    """CPU seconds spent by everything on the machine."""
    with open("/proc/stat") as f:
        v = [int(x) for x in f.readline().split()[1:]]
    return (sum(v[:8]) - v[3] - v[4]) / TICK


Spec = collections.namedtuple("Spec", "name path extra null")


class Bench:
    def __init__(self, opt):
        self.opt, self.rows, self.running, self.foreign = opt, {}, [], []
        self.tmp = tempfile.mkdtemp(prefix="bench-", dir=opt.tmp)
        self.specs = []
        for s in opt.servers:
            name, rest = s.split("=", 1)
            path, *extra = rest.split(",")
            self.specs.append(Spec(name, os.path.abspath(path), tuple(extra), os.path.basename(path) == "null_responder"))
        self.real = [s for s in self.specs if not s.null]

    def rec(self, scenario, metric, case, server, value, better="low"):
        row = self.rows.setdefault((scenario, metric, case), {"better": better, "samples": {}})
        row["samples"].setdefault(server.name, []).append(value)

    def rounds(self, servers, n=None):
        """(round, server) pairs, interleaved, the order rotating."""
        for r in range(n or self.opt.rounds):
            k = r % max(1, len(servers))
            for s in servers[k:] + servers[:k]:
                yield r, s

    def start(self, spec, *args, **kw):
        return Instance(spec, self, *args, **kw)

    def start_all(self, *args, specs=None, **kw):
        return [Instance(s, self, *args, **kw) for s in specs or self.real]

    def measure(self, scenario, case, server, *args, metrics=("ops/s", "cpu ns/op"), **kw):
        r = server.blast(*args, **kw)
        if r["errors"]:
            print(f"  {server.name} {case}: {r['first_error']}", file=sys.stderr)
            return None
        for m in metrics:
            self.rec(scenario, m, case, server, r[KEYS[m]], "high" if m == "ops/s" else "low")
        return r


KEYS = {"ops/s": "ops_s", "cpu ns/op": "cpu_ns", "p50 us": "p50_us", "p99 us": "p99_us", "p99.9 us": "p999_us",
        "max us": "max_us", "client cpu ns/op": "client_ns"}
OPS = "GET SET INCR HSET LPUSH SADD ZADD MSET"


def scn_ops(b):
    """simple commands, append-only file off"""
    q = b.opt.quick
    keys = 200000 if q else 1000000
    up = b.start_all(specs=b.specs)
    for s in up:
        if not s.spec.null:
            s.load(keys, "SET key:%k %v")
    for depth, conns in ((1, 50), (16, 50), (100, 20)):
        for op in ("GET SET" if q else OPS).split():
            for r, s in b.rounds(up):
                space = keys if op in ("GET", "SET", "MSET") else 100000
                got = b.measure("ops", f"{op} P={depth} c={conns}", s, "-m", op.lower(), "-c", conns, "-P", depth,
                                "-k", space, "-x", r + 1,
                                metrics=("ops/s", "cpu ns/op", "p50 us", "p99 us", "p99.9 us", "client cpu ns/op"))
                if got and op == "GET" and got["nils"]:
                    print(f"  {s.name}: GET missed {got['nils']} times", file=sys.stderr)
    for s in up:
        s.stop()


def scn_aof(b):
    """append-only file: everysec against off; appendfsync always; reads beside it"""
    yes = ("--appendonly", "yes", "--appendfsync")
    off, sec = b.start_all(), b.start_all(*yes, "everysec")
    for depth in (1, 16):
        for r, (a, s) in ((r, p) for r, p in b.rounds(list(zip(off, sec)))):
            args = ("-m", "set", "-c", 50, "-P", depth, "-x", r + 1)
            x = b.measure("aof", f"SET P={depth} c=50 off", a, *args)
            y = b.measure("aof", f"SET P={depth} c=50 everysec", s, *args, metrics=("ops/s", "cpu ns/op", "p99.9 us"))
            if x and y:
                b.rec("aof", "everysec cpu / off cpu", f"SET P={depth} c=50", s, y["cpu_ns"] / x["cpu_ns"])
    for s in off + sec:
        s.stop()
    up = b.start_all(*yes, "always")
    for conns in (1, 50, 200):
        for r, s in b.rounds(up):
            b.measure("aof", f"SET P=1 c={conns} always", s, "-m", "set", "-c", conns, "-x", r + 1,
                      metrics=("ops/s", "p50 us", "p99.9 us", "cpu ns/op"))
    for s in up:
        s.load(10000, "SET rd:%k %v")
    for r, s in b.rounds(up):
        # enough connections that the pace holds though each reply takes 20 ms
        reads = ("-C", "GET rd:%k", "-k", 10000, "-c", 40, "-R", 2000)
        lat = ("p50 us", "p99 us", "p99.9 us")
        b.measure("aof", "GET 2000/s alone (always)", s, *reads, metrics=lat)
        writer = s.blast("-m", "set", "-c", 50, secs=b.opt.secs + 0.3, wait=False)
        time.sleep(0.15)
        b.measure("aof", "GET 2000/s beside SET c=50 always", s, *reads, metrics=lat)
        writer.result(60)
    for s in up:
        s.stop()


def scn_memory(b):
    """bytes per key, or per element of the single big ones"""
    ten = lambda fmt: " ".join(fmt.format(i) for i in range(10))
    k = 5 if b.opt.quick else 1
    cases = [("1M string 16 B", 1000000, 16, "SET key:%k %v"), ("1M string 100 B", 1000000, 100, "SET key:%k %v"),
             ("1M string 16 B + TTL", 1000000, 16, "SET key:%k %v EX 100000"),
             ("200k hash x10", 200000, 8, "HSET h:%k " + ten("f{0} %v")), ("200k list x10", 200000, 8, "RPUSH l:%k " + ten("%v")),
             ("200k set x10 ints", 200000, 8, "SADD s:%k " + ten("%r")), ("200k zset x10", 200000, 8, "ZADD z:%k " + ten("%r m{0}")),
             ("one zset of 1M", 1000000, 8, "ZADD big %r m:%k"), ("one hash of 1M", 1000000, 16, "HSET big f:%k %v")]
    for case, n, size, tmpl in cases[:1] + cases[3:4] if b.opt.quick else cases:
        n //= k
        for spec in b.real:
            s = Instance(spec, b)
            used, rss = s.used(), s.rss()
            try:
                s.load(n, tmpl, "-d", size)
            except ReplyError as e:
                print(f"  {s.name} {case}: {e}", file=sys.stderr)
            else:
                if used is not None:
                    b.rec("memory", "used_memory B/key", case, s, (s.used() - used) / n)
                b.rec("memory", "RSS B/key", case, s, (s.rss() - rss) / n)
            s.stop()


def rewrite(b, s, n, label):
    """One BGREWRITEAOF under a light paced load."""
    light = ("-C", "4*GET key:%k", "-C", "1*SET key:%k %v", "-k", n, "-c", 4, "-R", 2000)
    every = os.sched_getaffinity(0)
    b.measure("persist", "paced load, no rewrite", s, *light, metrics=("p99.9 us", "max us"), cpus=every)
    run = s.blast(*light, secs=60, wait=False, cpus=every)
    time.sleep(0.1)
    began, child = time.monotonic(), s.children_cpu()
    s.conn.cmd("BGREWRITEAOF")
    while time.monotonic() - began < 60:
        i = s.conn.info("persistence")
        if i.get("aof_rewrite_in_progress") == "0" and i.get("aof_rewrite_scheduled", "0") == "0":
            break
        time.sleep(0.005)
    took = time.monotonic() - began
    r = run.finish()
    if i.get("aof_last_bgrewrite_status") != "ok":
        print(f"  {s.name}: rewrite status {i.get('aof_last_bgrewrite_status')}", file=sys.stderr)
    b.rec("persist", "ms", f"BGREWRITEAOF, {label}", s, took * 1e3)
    b.rec("persist", "cpu ms", f"rewriting child, {label}", s, (s.children_cpu() - child) * 1e3)
    fork = s.conn.info("stats").get("latest_fork_usec")
    if fork:
        b.rec("persist", "ms", "fork", s, int(fork) / 1e3)
    b.rec("persist", "p99.9 us", f"paced load during rewrite, {label}", s, r["p999_us"])
    b.rec("persist", "max us", f"paced load during rewrite, {label}", s, r["max_us"])
    files = glob.glob(os.path.join(s.folder, "**", "*.base.*"), recursive=True) or glob.glob(os.path.join(s.folder, "*.aof"))
    b.rec("persist", "MB", f"base file, {label}", s, sum(map(os.path.getsize, files)) / 1e6)


def scn_persist(b):
    """2M strings: BGREWRITEAOF, and restarts from its file and from plain commands (both CPUs)"""
    n = 200000 if b.opt.quick else 2000000
    flags = ["--appendonly", "yes", "--appendfsync", "everysec", "--aof-use-rdb-preamble"]
    every = os.sched_getaffinity(0)
    up = {spec: Instance(spec, b, *flags, "yes", cpus=every) for spec in b.real}
    for s in up.values():
        r = s.load(n, "SET key:%k %v", cpus=every)
        b.rec("persist", "cpu ns/op", "SET P=50 while loading, everysec", s, r["cpu_ns"])

    def restart(spec, preamble, label):
        old = up[spec]
        old.stop(keep=True)
        s = up[spec] = Instance(spec, b, *flags, preamble, cpus=every, folder=old.folder)
        if s.conn.cmd("DBSIZE") != n:
            print(f"  {s.name}: {s.conn.cmd('DBSIZE')} keys after a restart, not {n}", file=sys.stderr)
        b.rec("persist", "ms", f"restart, {label}", s, s.boot * 1e3)
        b.rec("persist", "cpu ms", f"restart, {label}", s, s.cpu() * 1e3)

    for r, spec in b.rounds(b.real):
        if r == 0:
            restart(spec, "yes", "plain commands (incr file)")
        rewrite(b, up[spec], n, "preamble yes")
        restart(spec, "no", "preamble base")
        rewrite(b, up[spec], n, "preamble no")
        restart(spec, "yes", "command base")
    for s in up.values():
        s.stop()


def scn_startup(b):
    """an empty server"""
    for r, spec in b.rounds(b.real, 3 if b.opt.quick else 7):
        s = Instance(spec, b)
        b.rec("startup", "ms", "exec to PONG", s, s.boot * 1e3)
        b.rec("startup", "cpu ms", "exec to PONG", s, s.cpu() * 1e3)
        b.rec("startup", "MB", "RSS", s, s.rss() / 1e6)
        if s.used():
            b.rec("startup", "MB", "used_memory", s, s.used() / 1e6)
        if s.conn.cmd("DBSIZE"):
            print(f"  {s.name}: not empty at start", file=sys.stderr)
        s.stop()


def scn_large(b):
    """large values and long replies"""
    up = b.start_all()
    for s in up:
        for key, verb, fmt, n in (("l", "RPUSH", "element:{}", 1000), ("s", "SADD", "member:{}", 1000),
                                  ("z", "ZADD", "{0}|member:{0}", 1000)):
            s.conn.cmd(verb, key, *(w for i in range(n) for w in fmt.format(i).split("|")))
        s.load(20, "SET big:%k %v", "-d", 1 << 20, depth=1)
        s.load(2000, "SET mid:%k %v", "-d", 1 << 14, depth=1)
    cases = [("SET 16 KB", "SET mid:%k %v", 20, 1 << 14, 2000), ("GET 16 KB", "GET mid:%k", 20, 16, 2000),
             ("SET 1 MB", "SET big:%k %v", 4, 1 << 20, 20), ("GET 1 MB", "GET big:%k", 4, 16, 20),
             ("LRANGE 0 99", "LRANGE l 0 99", 20, 16, 1), ("LRANGE 0 599", "LRANGE l 0 599", 20, 16, 1),
             ("SMEMBERS of 1000", "SMEMBERS s", 20, 16, 1), ("ZRANGE 0 -1 of 1000", "ZRANGE z 0 -1", 20, 16, 1)]
    for case, tmpl, conns, size, space in cases[:5:2] if b.opt.quick else cases:
        for r, s in b.rounds(up):
            b.measure("large", case, s, "-C", tmpl, "-c", conns, "-d", size, "-k", space,
                      metrics=("ops/s", "cpu ns/op", "client cpu ns/op"))
    for s in up:
        s.stop()


def scn_conns(b):
    """memory of idle connections"""
    for n in (1000,) if b.opt.quick else (1000, 5000):
        for spec in b.real:
            s = Instance(spec, b, "--appendonly", "no", "--maxclients", n + 200)
            used, rss = s.used(), s.rss()
            held = [socket.create_connection(("127.0.0.1", s.port)) for _ in range(n)]
            s.conn.cmd("PING")
            stages = [("connected", s.used(), s.rss())]
            for h in held:
                h.sendall(b"PING\r\n")
            for h in held:
                h.recv(64)
            time.sleep(0.5 if b.opt.quick else 3)
            stages.append(("after a PING each", s.used(), s.rss()))
            for label, u, m in stages:
                if used is not None:
                    b.rec("conns", "used_memory B/conn", f"{n} {label}", s, (u - used) / n)
                b.rec("conns", "RSS B/conn", f"{n} {label}", s, (m - rss) / n)
            for h in held:
                h.close()
            s.stop()


def scn_expiry(b):
    """keys that all expire within 2 s, with paced GETs of other keys meanwhile"""
    n = 200000 if b.opt.quick else 1000000
    span = 500 if b.opt.quick else 2000
    for r, spec in b.rounds(b.real, 1 if b.opt.quick else min(2, b.opt.rounds)):
        s = Instance(spec, b)
        s.load(n // 10, "SET tmp:%k %v")        # how long will the whole take?
        began = time.time()
        s.load(n // 10, "SET tmp:%k %v EX 1000")
        took = time.time() - began
        for factor in (15, 30, 60):
            s.conn.cmd("FLUSHALL")
            s.load(1000, "SET stay:%k %v")
            due = int((time.time() + factor * took + 0.5) * 1000)
            s.load(n, "SET tmp:%k %v PXAT %e", "-e", due, "-w", span)
            late = time.time() * 1000 - due
            if late <= 0:
                break
        else:
            print(f"  {s.name} expiry: loading took too long, sample left out", file=sys.stderr)
            s.stop()
            continue
        time.sleep(max(0, -late / 1e3 - 0.3))
        cpu = s.cpu()
        run = s.blast("-C", "GET stay:%k", "-k", 1000, "-c", 4, "-R", 1000, secs=60, wait=False)
        while s.conn.cmd("DBSIZE") > 1000 and time.time() * 1000 < due + span + 30000:
            time.sleep(0.01)
        lag = time.time() * 1000 - due - span
        got = run.finish()
        if s.conn.cmd("DBSIZE") != 1000:
            print(f"  {s.name} expiry: {s.conn.cmd('DBSIZE') - 1000} keys left after 30 s", file=sys.stderr)
        b.rec("expiry", "ms", "last reclaimed after the last deadline", s, max(0, lag))
        b.rec("expiry", "cpu ns/key", "reclaiming (with the paced GETs)", s, (s.cpu() - cpu) * 1e9 / n)
        b.rec("expiry", "p99.9 us", "GET 1000/s meanwhile", s, got["p999_us"])
        b.rec("expiry", "max us", "GET 1000/s meanwhile", s, got["max_us"])
        s.stop()


SCENARIOS = {k[4:]: v for k, v in list(globals().items()) + list(vars(wider).items()) if k.startswith("scn_")}


# ------------------------------------------------------------------ reports
def fsync_floor(folder):
    """Median microseconds of a 60-byte append and fdatasync."""
    took, path = [], os.path.join(folder, "fsync")
    fd, end = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND), time.monotonic() + 0.3
    while time.monotonic() < end:
        t = time.monotonic()
        os.write(fd, b"x" * 60)
        os.fdatasync(fd)
        took.append((time.monotonic() - t) * 1e6)
    os.close(fd)
    os.unlink(path)
    return round(median(took), 1)


def num(v):
    if v >= 1e5:
        return f"{v / 1e3:,.0f}k"
    return f"{v:,.0f}" if v >= 100 else f"{v:.1f}" if v >= 10 else f"{v:.2f}"


def centre(metric, samples):
    """The typical round; of CPU times the least disturbed one, as a crowded machine only ever adds to them."""
    return min(samples) if is_cpu(metric) else median(samples)


def is_cpu(metric):
    return metric.startswith(("cpu ", "client cpu "))


def ratio(metric, row, name, ref):
    a, z = row["samples"].get(name), row["samples"].get(ref)
    if not a or not z:
        return None
    if is_cpu(metric):
        return min(a) / min(z) if min(z) else None
    pairs = [x / y for x, y in zip(a, z) if y] if len(a) == len(z) else []
    return median(pairs) if pairs else (median(a) / median(z) if median(z) else None)


def spread(row):
    """Widest (max - min) / median among the servers."""
    w = [(max(v) - min(v)) / median(v) for v in row["samples"].values() if len(v) > 1 and median(v)]
    return max(w) if w else None


def markdown(meta, rows, ref, brief=False):
    names = meta["servers"]
    out = [f"Measured {meta['date']} on {meta['machine']}; fdatasync of a 60-byte append: {meta['fsync_us']} us.",
           f"{meta['rounds']} rounds of {meta['secs']} s, interleaved. CPU figures: lowest of the rounds; "
           f"others: median, and median of the paired ratios. In brackets: over {ref}. Bold: best (null_responder aside). "
           "spread: widest (max-min)/median over the rounds of any server.",
           "CPUs taken by other processes during the measurements: " + (
               "median {:.2f}, max {:.2f} of {}.".format(*meta["foreign"], os.cpu_count()) if meta["foreign"] else "not sampled."), ""]
    groups = collections.OrderedDict()
    for (scn, metric, case), row in rows.items():
        groups.setdefault((scn, metric), []).append((case, row))
    last = None
    for scn in SCENARIOS:
        for (g, metric), cases in groups.items():
            if g != scn or (brief and g == "ops" and metric not in ("ops/s", "cpu ns/op")):
                continue
            if last != scn:
                out += [f"## {scn}: {SCENARIOS[scn].__doc__}", ""]
                last = scn
            here = [n for n in names if any(n in row["samples"] for _, row in cases)]
            out += [f"| {metric} | " + " | ".join(here) + " | spread |", "|---|" + "---:|" * (len(here) + 1)]
            for case, row in cases:
                mids = {n: centre(metric, v) for n, v in row["samples"].items()}
                contest = [v for n, v in mids.items() if n not in meta["null"]]
                best = (max if row["better"] == "high" else min)(contest) if len(contest) > 1 else None
                cells = []
                for n in here:
                    if n not in mids:
                        cells.append("-")
                        continue
                    text, q = num(mids[n]), ratio(metric, row, n, ref)
                    if mids[n] == best and n not in meta["null"] and "client" not in metric:
                        text = f"**{text}**"
                    cells.append(text + (f" ({q:.2f})" if q is not None and n != ref else ""))
                w = spread(row)
                out.append(f"| {case} | " + " | ".join(cells) + (f" | {w:.0%} |" if w is not None else " | |"))
            out.append("")
    return "\n".join(out)


def cpu_list(text):
    return {int(x) for x in text.split(",")}


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("servers", nargs="+", metavar="NAME=PATH[,ARG...]")
    ap.add_argument("--ref", help="server the ratios refer to (the first)")
    ap.add_argument("--only", help="scenarios, comma-separated: " + ",".join(SCENARIOS))
    ap.add_argument("--quick", action="store_true", help="smaller sizes, fewer cases, one short round")
    ap.add_argument("--rounds", type=int)
    ap.add_argument("--secs", type=float, help="length of one measurement")
    ap.add_argument("--json", help="write every sample here")
    ap.add_argument("--append", action="store_true", help="keep what --json already holds and add to it")
    ap.add_argument("--md", help="write the tables here too")
    ap.add_argument("--tmp", help="where the data directories go")
    ap.add_argument("--brief", action="store_true", help="leave the latencies of ops out of the tables")
    ap.add_argument("--nice", type=int, default=0, help="of servers and generator (a shared machine may call for -5)")
    ap.add_argument("--server-cpus", type=cpu_list, default={0})
    ap.add_argument("--client-cpus", type=cpu_list, default={1})
    opt = ap.parse_args()
    opt.rounds = opt.rounds or (1 if opt.quick else 3)
    opt.secs = opt.secs or (0.25 if opt.quick else 0.8)
    b = Bench(opt)
    ref = opt.ref or b.specs[0].name
    wanted = opt.only.split(",") if opt.only else list(SCENARIOS)
    began = time.monotonic()
    meta = {"date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()), "rounds": opt.rounds, "secs": opt.secs,
            "machine": f"{os.cpu_count()} CPUs ({cpu_model()}), Linux {platform.release().split('-')[0]}",
            "servers": [s.name for s in b.specs], "null": [s.name for s in b.specs if s.null]}
    try:
        meta["fsync_us"] = fsync_floor(b.tmp)
        for name in wanted:
            t = time.monotonic()
            try:
                if b.real or name == "ops":
                    SCENARIOS[name](b)
            except (RuntimeError, ReplyError, ConnectionError, OSError) as e:
                print(f"  {name}: {e}", file=sys.stderr)
            for s in list(b.running):
                s.stop()
            print(f"{name}: {time.monotonic() - t:.1f} s", file=sys.stderr)
    finally:
        for s in list(b.running):
            s.stop()
        shutil.rmtree(b.tmp, ignore_errors=True)
    meta["foreign"] = [median(b.foreign), max(b.foreign)] if b.foreign else None
    rows = {}
    if opt.append and opt.json and os.path.exists(opt.json):
        with open(opt.json) as f:
            old = json.load(f)
        for r in old["rows"]:
            rows[(r["scenario"], r["metric"], r["case"])] = {"better": r["better"], "samples": r["samples"]}
        meta["servers"] = old["meta"]["servers"] + [n for n in meta["servers"] if n not in old["meta"]["servers"]]
        meta["null"] = sorted(set(meta["null"] + old["meta"]["null"]))
    for key, row in b.rows.items():
        mine = rows.setdefault(key, {"better": row["better"], "samples": {}})
        for n, v in row["samples"].items():
            mine["samples"].setdefault(n, []).extend(v)
    if opt.json:
        with open(opt.json, "w") as f:
            json.dump({"meta": meta, "rows": [dict(scenario=s, metric=m, case=c, **row) for (s, m, c), row in rows.items()]}, f, indent=1)
    text = markdown(meta, rows, ref, opt.brief)
    if opt.md:
        with open(opt.md, "w") as f:
            f.write(text)
    print(text)
    print(f"took {time.monotonic() - began:.0f} s", file=sys.stderr)


def cpu_model():
    with open("/proc/cpuinfo") as f:
        return next((l.split(":", 1)[1].strip() for l in f if l.startswith("model name")), "?")


if __name__ == "__main__":
    main()
