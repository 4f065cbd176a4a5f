#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""metrics - /metrics beside prometheus-redis-exporter: every name, type and label; and the two forms.

  metrics.py [WORD...]   only the cases with one of the words in their names
"""
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from cases import Cases, check, equal, need, run_words  # noqa: E402
from exposition import Families  # noqa: E402
from server import Server, die_with_parent, free_port, wait_for  # noqa: E402
from web import get, serve  # noqa: E402

cases = Cases()
case = cases.case
OPEN = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4"

# What the exporter's own connection changes, and what grows by itself.
MOVES = re.compile(r"connected_clients|clients_normal|client_recent|_input_bytes|_output_bytes|memory_used|allocator|"
                   r"fragmentation|cpu_|uptime|commands_processed|connections_received|processed$|exporter_|"
                   r"avg_ttl|last_io_seconds|repl_offset|offset_bytes|backlog_history|commands_.*total|percentiles|"
                   r"lag_seconds|start_time|changes_since")

# What the panels of the dashboards 763 and 11835 and the usual alerts ask for.
DASHBOARDS = """redis_up redis_uptime_in_seconds redis_connected_clients redis_blocked_clients redis_memory_used_bytes
    redis_memory_max_bytes redis_commands_processed_total redis_keyspace_hits_total redis_keyspace_misses_total
    redis_net_input_bytes_total redis_net_output_bytes_total redis_db_keys redis_db_keys_expiring
    redis_expired_keys_total redis_evicted_keys_total redis_commands_total redis_commands_duration_seconds_total
    redis_memory_used_rss_bytes redis_mem_fragmentation_ratio redis_connected_slaves redis_slowlog_length
    redis_total_system_memory_bytes redis_config_maxclients redis_instance_info redis_start_time_seconds
    redis_rejected_connections_total redis_rdb_last_save_timestamp_seconds redis_rdb_last_bgsave_status
    redis_aof_last_write_status redis_aof_enabled redis_cluster_enabled redis_db_avg_ttl_seconds""".split()


class Exporter:
    def __init__(self, port):
        self.port = free_port()
        self.proc = subprocess.Popen(
            ["prometheus-redis-exporter", "-redis.addr", "redis://127.0.0.1:%d" % port, "-web.listen-address",
             "127.0.0.1:%d" % self.port, "-include-system-metrics"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=die_with_parent)
        wait_for(lambda: self.get(may_fail=True), "the exporter answers")

    def get(self, may_fail=False):
        try:
            with urllib.request.urlopen("http://127.0.0.1:%d/metrics" % self.port, timeout=60) as r:
                return r.read().decode()
        except OSError:
            if may_fail:
                return None
            raise

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.proc.send_signal(signal.SIGKILL)
        self.proc.wait()


def scrape(port, accept="text/plain"):
    status, head, body = get(port, "/metrics", accept)
    equal("status", status, 200)
    equal("type", head["content-type"].split(";")[0], accept.split(";")[0])
    return Families(body.decode(), "openmetrics" in accept)


def use(c):
    """Some of everything that shows in metrics."""
    c.call("SET", "k", "v")
    c.call("SET", "e", "v", "EX", "1000")
    c.call("HSET", "h", "f", "v")
    c.call("GET", "k")
    c.call("GET", "none")
    c.call("CONFIG", "SET", "slowlog-log-slower-than", "0")
    c.call("INCR", "n")
    c.call("CONFIG", "SET", "slowlog-log-slower-than", "1000000")
    for wrong in (["LPUSH", "k", "x"], ["NOSUCH"], ["GET"], ["EVAL", "return redis.error_reply('O\"d\\\\d x')", "0"]):
        c.ask(*wrong)
    c.call("CONFIG", "SET", "latency-monitor-threshold", "1")
    c.call("EVAL", "for i = 1, 2000000 do end", "0")
    c.call("CONFIG", "SET", "latency-monitor-threshold", "0")
    check(len(c.call("LATENCY", "LATEST")) > 0, "nothing was noted as slow")
    c.call("SELECT", "5")
    c.call("SET", "five", "v")


def theirs_of(exporter):
    all_of = Families(exporter.get())
    return {k: v for k, v in all_of.samples.items() if k[0].startswith("redis_")}, all_of.types, all_of.family_of


def compare(port, http):
    """Every sample of the exporter is here: name, labels, type, and the value if it stands still."""
    with Exporter(port) as x:
        x.get()
        before = scrape(http)
        theirs, types, family_of = theirs_of(x)
        ours = scrape(http)
    values = 0
    for (name, labels), value in theirs.items():
        if name == "redis_exporter_build_info":
            equal("labels", {n for n, _ in labels},
                  {n for k, ls in ours.samples if k == name for n, _ in ls})
            continue
        check((name, labels) in ours.samples, "missing: %s %s" % (name, labels))
        family = family_of[name]
        equal("type of %s" % family, ours.types.get(family), types[family])
        mine = ours.samples[name, labels]
        if not MOVES.search(name) and before.samples.get((name, labels)) == mine:
            equal("value of %s %s" % (name, labels), mine, value)
            values += 1
    for name, family in family_of.items():
        if not name.startswith("redis_") or name == "redis_exporter_build_info":
            continue
        more = {k for k in ours.samples if k[0] == name} - set(theirs)
        check(not more, "the exporter does not have %s" % more)
    check(values > 80, "only %d values were compared" % values)
    return "%d samples, %d values" % (len(theirs), values)


@case
def as_the_exporter():
    with serve("--appendonly", "yes") as (s, http):
        use(s.conn())
        return compare(s.port, http)


@case
def a_master_and_its_replica():
    with serve("--repl-diskless-sync-delay", "0") as (master, http_of_master), \
            serve("--replicaof", "127.0.0.1 %d" % master.port) as (replica, http):
        c = replica.conn()
        wait_for(lambda: c.info("replication")["master_link_status"] == "up", "the link is up")
        use(master.conn())
        m = master.conn()
        wait_for(lambda: "state=online" in m.info("replication").get("slave0", ""), "the replica is online")
        return "master: %s; replica: %s" % (compare(master.port, http_of_master), compare(replica.port, http))


@case
def a_cluster():
    with serve("--cluster-enabled", "yes", "--cluster-emulate-nodes", "2") as (s, http):
        said = compare(s.port, http)
        names = {name for name, _ in scrape(http).samples}
        check({"redis_cluster_state", "redis_cluster_slots_assigned", "redis_cluster_messages_sent_total"} <= names, names)
        equal("both forms", names ^ {name for name, _ in scrape(http, OPEN).samples}, set())
        return said


@case
def what_dashboards_ask_for_is_there():
    with serve("--appendonly", "yes", "--maxmemory", "1gb") as (s, http):
        use(s.conn())
        names = {name for name, _ in scrape(http).samples}
        missing = [n for n in DASHBOARDS if n not in names]
        check(not missing, missing)


@case
def both_forms_say_the_same():
    with serve("--appendonly", "yes") as (s, http):
        use(s.conn())
        plain, openm = scrape(http), scrape(http, OPEN)
        same = {(n, tuple((k, float(v) if k == "le" else v) for k, v in ls)) for n, ls in plain.samples}
        there = {(n, tuple((k, float(v) if k == "le" else v) for k, v in ls)) for n, ls in openm.samples}
        equal("samples", same ^ there, set())
        check(plain.check_histograms() == openm.check_histograms() > 5, "histograms")


@case
def promtool_finds_no_more_than_in_the_exporter():
    if not shutil.which("promtool"):
        return "left out: promtool is missing (Debian: prometheus)"
    with serve("--appendonly", "yes") as (s, http), Exporter(s.port) as x:
        use(s.conn())

        def said(text):
            done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True)
            return set((done.stdout + done.stderr).decode().splitlines())
        more = said(get(http, "/metrics")[2]) - said(x.get().encode())
        # The unit is redis_exporter's.
        check(not any(m.startswith("stet_") for m in more), more)
        more = {m for m in more if not m.startswith("redis_commands_latencies_usec ")}
        check(not more, more)


NEW = """stet_build_info stet_ready stet_durability_info stet_at_risk_bytes stet_at_risk_seconds stet_unsafe_keys
    stet_aof_unwritten_bytes stet_aof_unsynced_bytes stet_aof_oldest_unsynced_seconds stet_aof_fsyncs_total
    stet_aof_write_seconds_bucket stet_aof_fsync_seconds_bucket stet_reply_wait_seconds_bucket stet_aof_rewrites_total
    stet_forks_total stet_backup_last_timestamp_seconds stet_backup_last_age_seconds stet_backup_last_bytes
    stet_history_keep_seconds stet_parked_clients
    stet_recovery_begins_timestamp_seconds""".split()


@case
def what_only_stet_has():
    with serve("--appendonly", "yes", "--appendfsync", "always", "--aof-history-keep", "2d") as (s, http):
        c = s.conn()
        use(c)
        c.call("BACKUP", "START")
        c.call("BACKUP", "SEAL")
        c.call("WAITAOF", "1", "0", "0")
        got = scrape(http)
        names = {name for name, _ in got.samples}
        equal("missing", [n for n in NEW if n not in names], [])

        def value(name, *labels):
            return got.samples[name, labels]
        info = c.info("persistence")
        equal("at risk under always", value("stet_at_risk_bytes"), 0)
        equal("unsynced", value("stet_aof_unsynced_bytes"), int(info["aof_unsynced_bytes"]))
        equal("syncs", value("stet_aof_fsync_seconds_count"),
              float(dict(x.split("=") for x in info["aof_sync_time_usec"].split(","))["count"]))
        equal("level", value("stet_durability_info", ("aof", "on"), ("replies_wait_for", "synced")), 1)
        equal("history", value("stet_history_keep_seconds"), 2 * 86400)
        check(0 <= value("stet_backup_last_age_seconds") < 3600, "age of the backup")
        equal("ready", value("stet_ready"), 1)
        got.check_histograms()


@case
def at_risk_is_what_a_power_cut_takes():
    """Between two syncs of `everysec` what is written is at risk; after one it is not."""
    with serve("--appendonly", "yes") as (s, http):
        c = s.conn()
        at = ("stet_at_risk_bytes", ())
        wait_for(lambda: c.call("INCR", "n") and scrape(http).samples[at] > 0, "bytes at risk")
        wait_for(lambda: scrape(http).samples[at] == 0, "none at risk")
        c.call("CONFIG", "SET", "appendonly", "no")
        check(at not in scrape(http).samples, "at risk without an AOF")


@case
def documented():
    """docs/metrics.md names every stet_ metric, and no other."""
    with serve("--appendonly", "yes") as (s, http):
        c = s.conn()
        c.call("BACKUP", "START")
        c.call("BACKUP", "SEAL")
        got = scrape(http)
        there = {f for f in got.types if f.startswith("stet_")} | {"stet_loading_ratio"}
        text = open(os.path.join(HERE, "..", "..", "docs", "metrics.md")).read()
        equal("names", set(re.findall(r"`(stet_[a-z_]+)", text)) ^ there, set())


@case
def while_commands_run():
    """Scrapes and clients do not wait for each other; every scrape is whole."""
    with serve("--appendonly", "yes", "--databases", "200") as (s, http):
        c = s.conn()
        for i in range(20):
            for k in range(50):
                c.call("SET", "key:%d" % k, "v" * i)
            got = scrape(http)
            calls = got.samples["redis_commands_total", (("cmd", "set"),)]
            equal("calls of SET", calls, (i + 1) * 50)


if __name__ == "__main__":
    need("prometheus-redis-exporter")
    sys.exit(run_words("http-metrics", cases))
