#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""clients - the ordinary use of real client libraries, each a script of its own beside this one.

  clients.py      all of them
  clients.py rq   only those with this in their names

A library that is not installed is a failure; tools/setup --test installs them. The npm packages are
kept in build/clients, or stand where $STET_NODE_MODULES says. $STET_JOBS is how many jobs bullmq's
queue gets (1000).
"""
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib")]
from cases import summary  # noqa: E402
from server import ROOT, Server  # noqa: E402
from tls import Certs, TlsServer  # noqa: E402

NODE = os.environ.get("STET_NODE_MODULES", os.path.join(ROOT, "build", "clients"))
PYTHON, RUBY = "/usr/bin/python3", "/usr/bin/ruby"  # Debian's, which find Debian's packages
SECONDS = 120


def works(*words):
    try:
        return subprocess.run(words, capture_output=True, timeout=SECONDS).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def has_node(*packages):
    return bool(shutil.which("node")) and all(
        os.path.isdir(os.path.join(NODE, "node_modules", p)) for p in packages)


def has_php():
    return works("php", "-r", "exit(class_exists('Redis') ? 0 : 1);")


# name, is it there, Debian's packages ("" for one of package.json's), the command line (the port is
# added after the script)
CLIENTS = [
    ("python3-redis", lambda: works(PYTHON, "-c", "import redis"), "python3-redis",
     [PYTHON, "python_redis.py"], []),
    ("php-redis", has_php, "php-cli php-redis", ["php", "php_redis.php"], []),
    ("npm ioredis, redis", lambda: has_node("ioredis", "redis"), "", ["node", "node_clients.mjs"], [NODE]),
    ("npm bullmq", lambda: has_node("bullmq"), "", ["node", "bullmq.mjs"], [NODE]),
    ("npm redlock, rate-limiter-flexible", lambda: has_node("redlock", "rate-limiter-flexible"), "",
     ["node", "locks.mjs"], [NODE]),
    ("npm connect-redis, express-session", lambda: has_node("connect-redis", "express-session"), "",
     ["node", "sessions.mjs"], [NODE]),
    ("php-redis sessions", has_php, "php-cli php-redis", ["php", "php_sessions.php"], []),
    ("python3-rq", lambda: works(PYTHON, "-c", "import rq"), "python3-rq", [PYTHON, "rq_jobs.py"], []),
    ("python3-celery", lambda: works(PYTHON, "-c", "import celery, redis"),
     "python3-celery python3-redis", [PYTHON, "celery_tasks.py"], []),
    ("ruby-redis", lambda: works(RUBY, "-e", "require 'redis'"), "ruby-redis", [RUBY, "ruby_redis.rb"], []),
    ("prometheus-redis-exporter", lambda: bool(shutil.which("prometheus-redis-exporter")),
     "prometheus-redis-exporter", [PYTHON, "exporter.py"], []),
    ("ruby-sidekiq", lambda: works(RUBY, "-e", "require 'sidekiq'"), "ruby-sidekiq",
     [RUBY, "sidekiq_jobs.rb"], []),
]
OVER_TLS = {"python3-redis", "php-redis", "npm ioredis, redis"}  # these also so


def run(command, more):
    with Server() as s:
        words = [command[0], os.path.join(HERE, command[1]), str(s.port), *more]
        p = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS)
        s.stop()
        return p


def run_over_tls(command, more):
    """With a certificate of its own, which the server wants."""
    with tempfile.TemporaryDirectory() as dir:
        certs = Certs(dir)
        pair = certs.pair("server")
        certs.pair("client")
        with TlsServer(certs, pair) as s:
            words = [command[0], os.path.join(HERE, command[1]), str(s.tls_port), *more]
            return subprocess.run(words, capture_output=True, text=True, timeout=SECONDS,
                                  env={**os.environ, "STET_TLS": dir})


def main():
    passed = failed = 0
    for name, there, packages, command, more in CLIENTS:
        if len(sys.argv) > 1 and not any(word in name for word in sys.argv[1:]):
            continue
        if not there():
            print("FAIL %s is missing (%s; tools/setup --test installs it)" % (
                name, "Debian: " + packages if packages else "tests/clients/package.json"))
            failed += 1
            continue
        for way in [run, run_over_tls] if name in OVER_TLS else [run]:
            p = way(command, more)
            if p.returncode:
                print("FAIL %s (%s)\n%s%s" % (name, way.__name__, p.stdout[-2000:],
                                              p.stderr[-2000:]))
            failed += p.returncode != 0
            passed += p.returncode == 0
    return summary("clients", passed, failed)


if __name__ == "__main__":
    sys.exit(main())
