#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""clients - the ordinary use of real client libraries, each a script of its own beside this one.

  clients.py             those that are installed; the others are left out
  clients.py rq          only those with this in their names
  clients.py --install   installs what is missing first (apt-get, npm), where that is possible

The npm packages are kept in build/clients, or stand where $STET_NODE_MODULES says. $STET_JOBS is
how many jobs bullmq's queue gets (1000).
"""
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib")]
from server import ROOT, Server  # noqa: E402
from tls import Certs, TlsServer  # noqa: E402

NODE = os.environ.get("STET_NODE_MODULES", os.path.join(ROOT, "build", "clients"))
PYTHON, RUBY = "/usr/bin/python3", "/usr/bin/ruby"  # Debian's, which find Debian's packages
APT = ["apt-get", "install", "-y", "-qq"]
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


# name, is it there, what installs it, the command line (the port is added behind the script)
CLIENTS = [
    ("python3-redis", lambda: works(PYTHON, "-c", "import redis"),
     [*APT, "python3-redis"], [PYTHON, "python_redis.py"], []),
    ("php-redis", has_php, [*APT, "php-cli", "php-redis"], ["php", "php_redis.php"], []),
    ("npm ioredis, redis", lambda: has_node("ioredis", "redis"),
     ["npm", "install", "--silent", "--prefix", NODE, "ioredis", "redis"],
     ["node", "node_clients.mjs"], [NODE]),
    ("npm bullmq", lambda: has_node("bullmq"),
     ["npm", "install", "--silent", "--prefix", NODE, "bullmq"], ["node", "bullmq.mjs"], [NODE]),
    ("npm redlock, rate-limiter-flexible", lambda: has_node("redlock", "rate-limiter-flexible"),
     ["npm", "install", "--silent", "--prefix", NODE, "ioredis", "redlock",
      "rate-limiter-flexible"], ["node", "locks.mjs"], [NODE]),
    ("npm connect-redis, express-session", lambda: has_node("connect-redis", "express-session"),
     ["npm", "install", "--silent", "--prefix", NODE, "redis", "connect-redis", "express-session",
      "express"], ["node", "sessions.mjs"], [NODE]),
    ("php-redis sessions", has_php, [*APT, "php-cli", "php-redis"], ["php", "php_sessions.php"],
     []),
    ("python3-rq", lambda: works(PYTHON, "-c", "import rq"), [*APT, "python3-rq"],
     [PYTHON, "rq_jobs.py"], []),
    ("python3-celery", lambda: works(PYTHON, "-c", "import celery, redis"),
     [*APT, "python3-celery", "python3-redis"], [PYTHON, "celery_tasks.py"], []),
    ("ruby-redis", lambda: works(RUBY, "-e", "require 'redis'"), [*APT, "ruby-redis"],
     [RUBY, "ruby_redis.rb"], []),
    ("prometheus-redis-exporter", lambda: bool(shutil.which("prometheus-redis-exporter")),
     [*APT, "prometheus-redis-exporter"], [PYTHON, "exporter.py"], []),
    ("ruby-sidekiq", lambda: works(RUBY, "-e", "require 'sidekiq'"), [*APT, "ruby-sidekiq"],
     [RUBY, "sidekiq_jobs.rb"], []),
]
OVER_TLS = {"python3-redis", "php-redis", "npm ioredis, redis"}  # these also so


def install(command):
    os.makedirs(NODE, exist_ok=True)
    if not shutil.which(command[0]) or not works(*command):
        print("  not installed: %s" % " ".join(command))


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
    passed = failed = left_out = 0
    only = [a for a in sys.argv[1:] if not a.startswith("-")]
    for name, there, how, command, more in CLIENTS:
        if only and not any(o in name for o in only):
            continue
        if not there() and "--install" in sys.argv:
            install(how)
        if not there():
            print("  left out: %s is not installed" % name)
            left_out += 1
            continue
        for way in [run, run_over_tls] if name in OVER_TLS else [run]:
            p = way(command, more)
            if p.returncode:
                print("FAIL %s (%s)\n%s%s" % (name, way.__name__, p.stdout[-2000:],
                                              p.stderr[-2000:]))
            failed += p.returncode != 0
            passed += p.returncode == 0
    print("clients: %d passed, %d failed, %d left out" % (passed, failed, left_out))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
