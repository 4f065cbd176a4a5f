#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""clients - the programs people have: redis-cli in its modes, redis-benchmark, and the npm packages
redis and ioredis in build/clients. Each must end well and say what it should.
"""
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from cases import need, summary  # noqa: E402
from server import ROOT, Server  # noqa: E402


def run(words, stdin=None, seconds=60):
    done = subprocess.run(words, input=stdin, capture_output=True, timeout=seconds)
    return done.returncode, (done.stdout + done.stderr).decode("latin-1")


def until_killed(words, seconds):
    """Output of a program that does not end by itself."""
    return run(["timeout", "--foreground", "-s", "INT", str(seconds), "stdbuf", "-oL",
                *words])[1]


def cli(port, *words, stdin=None):
    return run(["redis-cli", "-p", str(port), *words], stdin)


def session(port):
    said = [cli(port, *w.split())[1].strip() for w in (
        "SET greeting hello", "GET greeting", "INCR n", "EXPIRE n 100", "TTL n")]
    assert said == ["OK", "hello", "1", "1", "100"], said
    assert "aof_enabled" in cli(port, "INFO", "persistence")[1]
    assert '"hello"' in cli(port, "--no-raw", "GET", "greeting")[1]
    assert cli(port, "-3", "CONFIG", "GET", "databases")[1].split() == ["databases", "16"]


def interactive(port):
    """Hints come from COMMAND DOCS; the prompt shows them only on a terminal, but asks always."""
    out = cli(port, stdin=b"SET a 1\nGET a\nHELP GET\nDBSIZE\n")[1]
    assert "OK" in out and "summary:" in out and "string" in out, out


def bulk(port):
    data = b"".join(b"*3\r\n$3\r\nSET\r\n$%d\r\np%d\r\n$1\r\nv\r\n" % (len("p%d" % i), i)
                    for i in range(20000))
    out = cli(port, "--pipe", stdin=data)[1]
    assert "errors: 0, replies: 20000" in out, out


def scans(port):
    lines = cli(port, "--scan", "--pattern", "p*")[1].split()
    assert len(set(lines)) == 20000, len(lines)
    out = cli(port, "--bigkeys")[1]
    assert re.search(r"2000\d strings with", out), out[-400:]
    assert "Biggest string" in out


def watchers(port):
    out = until_killed(["redis-cli", "-p", str(port), "--stat", "-i", "0.1"], 1)
    assert "keys" in out and len(out.splitlines()) > 3, out
    out = until_killed(["redis-cli", "-p", str(port), "--latency", "-i", "1"], 2)
    assert len(out.split()) >= 4, out
    out = run(["redis-cli", "-p", str(port), "--intrinsic-latency", "1"])[1]
    assert "Max latency so far" in out, out


def benchmark(port):
    words = ["redis-benchmark", "-p", str(port), "-n", "2000", "-q", "-t",
             "ping_inline,ping_mbulk,set,get,incr,mset"]
    for extra in ([], ["-P", "16"], ["-c", "1"], ["--threads", "2"]):
        code, out = run(words + extra)
        assert code == 0 and out.count("requests per second") >= 6, out
        assert "rror" not in out, out


def node_package(script):
    def check(port):
        with tempfile.NamedTemporaryFile("w", suffix=".js") as f:
            f.write("const port = %d;\n%s" % (port, script))
            f.flush()
            os.environ.setdefault("NODE_PATH", os.path.join(ROOT, "build", "clients", "node_modules"))
            code, out = run(["node", f.name])
        assert code == 0 and "fine" in out, out
    return check


NODE_REDIS = """
const { createClient } = require('redis');
(async () => {
  const c = createClient({ socket: { port } });
  await c.connect();
  await c.set('k', 'v', { EX: 100 });
  const all = await c.mGet(['k', 'none']);
  const found = [];
  for await (const key of c.scanIterator({ MATCH: 'k' })) found.push(...[].concat(key));
  if (await c.get('k') === 'v' && await c.ttl('k') > 90 && all[1] === null
      && found.includes('k')) console.log('fine');
  await c.quit();
})();
"""
IOREDIS = """
const Redis = require('ioredis');
(async () => {
  const c = new Redis(port);
  const replies = await c.pipeline().set('k', 'v').incr('io').mget('k', 'none').exec();
  if (replies[0][1] === 'OK' && replies[2][1][0] === 'v' && /redis_version/.test(await c.info()))
    console.log('fine');
  await c.quit();
})();
"""

CHECKS = {"redis-cli session": session, "redis-cli on standard input": interactive,
          "redis-cli --pipe": bulk, "redis-cli --scan, --bigkeys": scans,
          "redis-cli --stat, --latency, --intrinsic-latency": watchers,
          "redis-benchmark": benchmark, "npm redis": node_package(NODE_REDIS),
          "npm ioredis": node_package(IOREDIS)}


def main():
    need("redis-cli", "redis-benchmark", "node")
    passed = failed = 0
    with Server("--appendonly", "yes", "--aof-use-rdb-preamble", "no") as s:
        for name, check in CHECKS.items():
            try:
                check(s.port)
                passed += 1
            except AssertionError as e:
                failed += 1
                print("FAIL %s: %s" % (name, str(e)[-600:]))
        s.stop()
    return summary("clients", passed, failed)


if __name__ == "__main__":
    sys.exit(main())
