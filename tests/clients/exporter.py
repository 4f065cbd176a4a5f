# SPDX-License-Identifier: BSD-3-Clause
"""What Debian's prometheus-redis-exporter reads of a server, as the default user and as one of
ACL's. Argument: the port. Silent if all is well."""
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib")]
from resp import Conn  # noqa: E402

PORT = int(sys.argv[1])
SCRIPT = "return {'from_script', tostring(redis.call('llen', 'list'))}"
# What the exporter's own documentation asks for its user, without the key space's contents.
RIGHTS = ("+client +ping +info +config|get +cluster|info +slowlog +latency +memory +select +get +scan +xinfo +type "
          "+pfcount +strlen +llen +scard +zcard +hlen +xlen +eval").split()
EXPECTED = {
    "redis_up": 1, "redis_connected_clients": None, "redis_memory_used_bytes": None, "redis_config_maxmemory": 0,
    'redis_db_keys{db="db0"}': 5, 'redis_db_keys_expiring{db="db0"}': 1, "redis_commands_processed_total": None,
    'redis_commands_total{cmd="set"}': 2, 'redis_commands_duration_seconds_total{cmd="set"}': None,
    "redis_keyspace_hits_total": None, "redis_uptime_in_seconds": None, "redis_slowlog_length": None,
    "redis_blocked_clients": 0, "redis_aof_enabled": None, "redis_expired_keys_total": None,
    'redis_key_size{db="db0",key="list"}': 3, 'redis_key_value{db="db0",key="number"}': 42,
    'redis_stream_length{db="db0",stream="stream"}': 1, 'redis_stream_groups{db="db0",stream="stream"}': 1,
    'redis_script_values{key="from_script"}': 3, "redis_exporter_last_scrape_error": 0,
    "redis_instance_info": 1, "redis_connected_slaves": 0, "redis_latency_spike_last": "may be absent",
}


def scrape(*options):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        web = s.getsockname()[1]
    script = os.path.join(os.getcwd(), "exporter-%d.lua" % os.getpid())
    with open(script, "w") as f:
        f.write(SCRIPT)
    p = subprocess.Popen(
        ["prometheus-redis-exporter", "-redis.addr", "redis://127.0.0.1:%d" % PORT, "-web.listen-address",
         "127.0.0.1:%d" % web, "-check-single-keys", "db0=list,db0=number", "-check-single-streams", "db0=stream",
         "-include-config-metrics", "-export-client-list", "-include-system-metrics", "-ping-on-connect",
         "-script", script, *options], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        end = time.monotonic() + 20
        while True:
            try:
                with urllib.request.urlopen("http://127.0.0.1:%d/metrics" % web, timeout=20) as answer:
                    return answer.read().decode()
            except (urllib.error.URLError, ConnectionError):
                assert time.monotonic() < end and p.poll() is None, "the exporter does not answer"
                time.sleep(0.02)
    finally:
        p.kill()
        p.communicate()
        os.unlink(script)


def check(text, up=1):
    found = {}
    for line in text.split("\n"):
        m = re.match(r"([a-zA-Z_:]+(?:\{[^}]*\})?) (\S+)$", line)
        if m:
            found[m[1]] = float(m[2])
            found.setdefault(m[1].split("{")[0], float(m[2]))
    assert found.get("redis_up") == up, "redis_up is %s" % found.get("redis_up")
    if not up:
        return
    for name, value in EXPECTED.items():
        assert name in found or value == "may be absent", "%s is missing" % name
        assert not isinstance(value, int) or found[name] == value, "%s is %s" % (name, found[name])


def main():
    c = Conn(PORT)
    c.call("FLUSHALL")
    c.call("CONFIG", "RESETSTAT")
    c.pipeline([["SET", "number", "42"], ["SET", "t", "x", "EX", "1000"], ["RPUSH", "list", "a", "b", "c"],
                ["XADD", "stream", "1-1", "f", "v"], ["XGROUP", "CREATE", "stream", "g", "0"], ["SADD", "set", "a"],
                ["XREADGROUP", "GROUP", "g", "c", "STREAMS", "stream", ">"]])
    check(scrape())
    c.call("ACL", "SETUSER", "exporter", "on", ">secret", "allkeys", *RIGHTS)
    check(scrape("-redis.user", "exporter", "-redis.password", "secret"))
    check(scrape("-redis.user", "exporter", "-redis.password", "wrong"), up=0)
    c.call("ACL", "DELUSER", "exporter")


main()
