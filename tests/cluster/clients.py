#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""clients - the cluster clients of real libraries against both kinds of cluster: one node, and three
emulated masters with a replica each. Each is a script beside this one, and gets the ports.

  clients.py           all of them
  clients.py ioredis   only those with this in their names

They write and read keys of all slots, publish and subscribe, pipeline; where nodes are emulated they go on
when a slot moves, is on its way, and when a master fails."""
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib")]
from cases import summary  # noqa: E402
from server import ROOT, Server  # noqa: E402

NODE = os.environ.get("STET_NODE_MODULES", os.path.join(ROOT, "build", "clients"))
PYTHON, RUBY = "/usr/bin/python3", "/usr/bin/ruby"  # Debian's, which find Debian's packages
SECONDS = 120
TEST = ["--enable-test-commands", "yes"]
CLUSTERS = {"one node": ["--cluster-enabled", "yes", *TEST],
            "emulated": ["--cluster-emulate-nodes", "3", "--cluster-emulate-replicas", "1", *TEST]}


def works(*words):
    try:
        return subprocess.run(words, capture_output=True, timeout=SECONDS).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def has_node(package):
    return bool(shutil.which("node")) and os.path.isdir(os.path.join(NODE, "node_modules", package))


# name, is it there, where it comes from, the command line
CLIENTS = [
    ("python3-redis", lambda: works(PYTHON, "-c", "import redis.cluster"), "Debian: python3-redis",
     [PYTHON, "python_cluster.py"]),
    ("php-redis", lambda: works("php", "-r", "exit(class_exists('RedisCluster') ? 0 : 1);"),
     "Debian: php-cli php-redis", ["php", "php_cluster.php"]),
    ("ruby-redis", lambda: works(RUBY, "-e", "require 'redis'"), "Debian: ruby-redis", [RUBY, "ruby_cluster.rb"]),
    ("npm ioredis", lambda: has_node("ioredis"), "tests/clients/package.json", ["node", "ioredis_cluster.mjs"]),
    ("npm redis", lambda: has_node("redis"), "tests/clients/package.json", ["node", "node_redis_cluster.mjs"]),
]


def main():
    passed = failed = 0
    for name, there, source, command in CLIENTS:
        if len(sys.argv) > 1 and not any(word in name for word in sys.argv[1:]):
            continue
        if not there():
            print("FAIL %s is missing (%s; tools/setup --test installs it)" % (name, source))
            failed += 1
            continue
        for kind, args in CLUSTERS.items():
            with Server(*args) as s:
                words = [command[0], os.path.join(HERE, command[1]), *map(str, s.ports)]
                p = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS,
                                   env={**os.environ, "STET_NODE_MODULES": NODE})
            if p.returncode:
                print("FAIL %s (%s)\n%s%s" % (name, kind, p.stdout[-2000:], p.stderr[-2000:]))
            failed += p.returncode != 0
            passed += p.returncode == 0
    return summary("cluster-clients", passed, failed)


if __name__ == "__main__":
    sys.exit(main())
