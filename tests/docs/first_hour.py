#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""first-hour - docs/first-hour.md, word by word, against a fresh `make install` below a directory of its own.

The commands are the page's. Paths of the system become those below the directory, port 6379 becomes a free one, and
`systemctl` is a small program that starts the unit's ExecStart; tests/packages/deb.py follows the page without any of
this, in a Debian root with the packages.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from blocks import follow  # noqa: E402
from cases import need, run  # noqa: E402
from server import BIN, ROOT, die_with_parent, free_port  # noqa: E402

# Starts and stops the unit's command.
SYSTEMCTL = r"""
unit=$ROOT/lib/systemd/system/stet-server.service
ended() { ! grep -qs '^State:.[^ZX]' /proc/$1/status; }  # its new parent may not have asked for it yet
stop() { [ ! -s $ROOT/pid ] || { local pid=$(<$ROOT/pid); kill $pid 2>/dev/null; until ended $pid; do sleep 0.01; done; rm -f $ROOT/pid; }; }
start() {
    $(sed -n 's/^ExecStart=//p' $unit) --supervised no --daemonize yes --port $PORT --pidfile $ROOT/pid --logfile $ROOT/log || exit 1
    for i in $(seq 1000); do [ "$(redis-cli PING)" != PONG ] || exit 0; sleep 0.01; done
    exit 1
}
case $1 in
    enable | start) start ;;
    restart) stop; start ;;
    stop) stop ;;
    kill) kill -KILL $(<$ROOT/pid) ;;
esac
"""


class Installed:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="stet-hour-")
        self.port = free_port()
        self.tools = os.path.join(self.dir, "tools")
        os.mkdir(self.tools)
        self.tool("sudo", 'exec "$@"')
        self.tool("redis-cli", 'exec %s --no-raw -p $PORT "$@"' % shutil.which("redis-cli"))
        self.tool("systemctl", SYSTEMCTL)
        self.env = {"ROOT": self.dir, "PORT": str(self.port), "LANG": "C.UTF-8", "HOME": self.dir,
                    "PATH": "%s:%s/bin:%s" % (self.tools, self.dir, os.environ["PATH"])}
        subprocess.run([os.path.join(ROOT, "packages", "system", "install.sh"), "install"], check=True, stdout=subprocess.DEVNULL,
                       env={**self.env, "PREFIX": self.dir, "BIN": os.path.abspath(BIN), "PATH": self.without_systemd()})

    def without_systemd(self):
        """install.sh makes users and directories if it finds systemd-sysusers: a PATH that lacks it."""
        place = os.path.join(self.dir, "plain")
        os.mkdir(place)
        for tool in ("sh", "id", "sed", "cat", "mv", "rm", "rmdir", "mkdir", "chmod", "cmp", "dirname"):
            os.symlink(shutil.which(tool), os.path.join(place, tool))
        return place

    def tool(self, name, text):
        path = os.path.join(self.tools, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write("#!/bin/bash\n%s\n" % text)
        os.chmod(path, 0o755)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        subprocess.run([os.path.join(self.tools, "systemctl"), "stop"], env=self.env, check=False)
        shutil.rmtree(self.dir)

    def shell(self, command):
        here = re.sub(r"(?<![\w/])(/etc/stet|/var/lib/stet)", lambda m: self.dir + m[1], command)
        with tempfile.TemporaryFile("w+", encoding="utf-8") as said:  # the server holds it as long as it runs
            p = subprocess.run(["bash", "-c", here], stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, timeout=120,
                               check=False, env=self.env, cwd=self.dir, preexec_fn=die_with_parent)
            said.seek(0)
            return p.returncode, said.read().replace(self.dir, "")


def first_hour():
    """All steps of the page."""
    with Installed() as i:
        return "%d commands" % follow("first-hour.md", i.shell)


if __name__ == "__main__":
    need("redis-cli")
    sys.exit(run("first-hour", {"first_hour": first_hour}))
