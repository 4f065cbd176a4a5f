#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""replication - what replicas cost, each server with replicas of its own kind, all in one run:

  cpu    CPU time of the master for one SET (P=16, 50 clients) with 0, 1 and 2 replicas attached
  full   time of a full sync of --keys strings, from REPLICAOF to the link being up; CPU of both; and
         p99.9 and the longest time of a client that pings the master meanwhile
  catch  time in which a replica that was stopped catches up with --lag MB

  replication.py redis=/usr/bin/redis-server stet=build/stet-server [--only cpu,full,catch] [--rounds 3]

The servers are interleaved, the lowest of the rounds counts. NAME=PATH,ARG,ARG passes more arguments.
"""
import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

TICK = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Node:
    def __init__(self, command, *args):
        self.dir, self.port = tempfile.mkdtemp(prefix="bench-repl-"), free_port()
        path, *more = command.split(",")
        self.proc = subprocess.Popen([path, "--port", str(self.port), "--dir", self.dir, "--save", "",
                                      "--repl-diskless-sync-delay", "0", "--client-output-buffer-limit",
                                      "replica 0 0 0", *more, *args], stdout=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL)
        self.sock = None
        while not self.sock:
            try:
                self.sock = socket.create_connection(("127.0.0.1", self.port))
            except OSError:
                time.sleep(0.01)
        self.file = self.sock.makefile("rb")

    def ask(self, *words):
        text = b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in (str(w).encode() for w in words))
        self.sock.sendall(b"*%d\r\n" % len(words) + text)
        line = self.file.readline()
        if line[:1] == b"$" and line != b"$-1\r\n":
            return self.file.read(int(line[1:]) + 2)[:-2].decode()
        return line.decode().strip()

    def info(self, section="replication"):
        return dict(x.split(":", 1) for x in self.ask("INFO", section).split("\r\n") if ":" in x)

    def cpu(self):
        f = open("/proc/%d/stat" % self.proc.pid).read().rsplit(")", 1)[1].split()
        return sum(int(x) for x in f[11:15]) / TICK  # its children too

    def follow(self, master):
        self.ask("REPLICAOF", "127.0.0.1", master.port)

    def wait_up(self):
        while self.info().get("master_link_status") != "up":
            time.sleep(0.005)

    def wait_offset(self, offset):
        while int(self.info()["master_repl_offset"]) < offset:
            time.sleep(0.005)

    def close(self):
        self.proc.kill()
        self.proc.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


def load(node, n, keys, size=16):
    subprocess.run(["redis-benchmark", "-p", str(node.port), "-q", "-n", str(n), "-r", str(keys), "-d", str(size),
                    "-P", "16", "-c", "50", "-t", "set"], stdout=subprocess.DEVNULL, check=True)


def fill(node, keys):
    """Strings of 16 bytes, each key once."""
    value, at = b"v" * 16, 0
    while at < keys:
        part = b"".join(b"*3\r\n$3\r\nSET\r\n$14\r\nkey:%010d\r\n$16\r\n%s\r\n" % (i, value)
                        for i in range(at, min(at + 5000, keys)))
        node.sock.sendall(part)
        for _ in range(at, min(at + 5000, keys)):
            node.file.readline()
        at += 5000


def measure_cpu(command, o):
    out = {}
    for n in (0, 1, 2):
        master, replicas = Node(command), [Node(command) for _ in range(n)]
        try:
            for r in replicas:
                r.follow(master)
                r.wait_up()
            before = master.cpu()
            load(master, o.ops, 100000)
            for r in replicas:
                r.wait_offset(int(master.info()["master_repl_offset"]))
            out["%d replicas, ns" % n] = (master.cpu() - before) / o.ops * 1e9
        finally:
            for x in [master, *replicas]:
                x.close()
    return out


class Pinger:
    def __init__(self, port):
        self.port, self.on, self.times = port, True, []
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        s = socket.create_connection(("127.0.0.1", self.port))
        while self.on:
            at = time.perf_counter()
            s.sendall(b"GET x\r\n")
            s.recv(100)
            self.times.append(time.perf_counter() - at)
            time.sleep(0.0005)

    def end(self):
        self.on = False
        self.thread.join()
        t = sorted(self.times)
        return t[int(len(t) * 0.999)] * 1000, t[-1] * 1000


def measure_full(command, o):
    master, replica = Node(command), Node(command)
    try:
        fill(master, o.keys)
        cpu = master.cpu()
        ping, at = Pinger(master.port), time.perf_counter()
        replica.follow(master)
        replica.wait_up()
        took = time.perf_counter() - at
        p999, longest = ping.end()
        time.sleep(0.2)  # the child is waited for
        return {"full sync, ms": took * 1000, "master's CPU, ms": (master.cpu() - cpu) * 1000,
                "replica's CPU, ms": replica.cpu() * 1000, "p99.9 of a client, ms": p999,
                "longest, ms": longest}
    finally:
        master.close()
        replica.close()


def measure_catch(command, o):
    master, replica = Node(command, "--repl-backlog-size", "2gb", "--repl-timeout", "600"), Node(command)
    try:
        replica.follow(master)
        replica.wait_up()
        replica.proc.send_signal(signal.SIGSTOP)
        load(master, o.lag * 1000000 // 60, 100000)
        offset, at = int(master.info()["master_repl_offset"]), time.perf_counter()
        replica.proc.send_signal(signal.SIGCONT)
        replica.wait_offset(offset)
        took = time.perf_counter() - at
        return {"catching up, MB/s": offset / took / 1e6}
    finally:
        master.close()
        replica.close()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("servers", nargs="+", metavar="NAME=PATH[,ARG...]")
    p.add_argument("--only", default="cpu,full,catch")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--ops", type=int, default=1000000)
    p.add_argument("--keys", type=int, default=2000000)
    p.add_argument("--lag", type=int, default=200, help="MB")
    o = p.parse_args()
    servers = dict(s.split("=", 1) for s in o.servers)
    what = {"cpu": measure_cpu, "full": measure_full, "catch": measure_catch}
    for word in o.only.split(","):
        found = {}
        for _ in range(o.rounds):
            for name, command in servers.items():
                for field, value in what[word](command, o).items():
                    found.setdefault(field, {}).setdefault(name, []).append(value)
        for field, values in found.items():
            best = {n: (max if "MB/s" in field else min)(v) for n, v in values.items()}
            print("%-26s %s" % (field, "  ".join("%s %.1f" % x for x in best.items())), flush=True)


if __name__ == "__main__":
    sys.exit(main())
