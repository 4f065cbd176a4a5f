#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""replica - stet as a replica: of redis-server and valkey-server, of itself, and of scripted masters
that send what no master should. Newer servers are taken from $STET_PEERS, where they are unpacked.

  replica.py           all
  replica.py hostile   only the tests with this in their names
"""
import os
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from cases import Cases, ask, check, equal, run_words  # noqa: E402
from contents import strings  # noqa: E402
from masters import (EMPTY_RDB, FAST, Closed, Real, Script, caught_up, encode, follow, link_up, offset,  # noqa: E402
                     programs, rdb_of, same, wait_for, wait_info, write_some)
from server import Server, rewrite_done  # noqa: E402
from tls import Certs  # noqa: E402

REAL = programs()
REDIS = REAL.get("redis-7")
CASES = Cases()
case = CASES.case


def info(conn, field, section="replication"):
    return conn.info(section).get(field)


# ------------------------------------------------------------------ real masters

def full_sync_and_stream(program, *master_args, replica_args=()):
    with Real(program, *master_args) as m, Server(*replica_args) as s:
        mc = m.conn()
        write_some(mc, 1, 3000)
        sc = follow(s, m)
        same(mc, sc)
        write_some(mc, 2, 5000)
        same(mc, sc)
        mc.call("FLUSHDB")
        mc.call("SWAPDB", 0, 1)
        write_some(mc, 3, 1000)
        same(mc, sc)
        equal("link", info(sc, "master_link_status"), "up")
        check("CRITICAL" not in s.log(), "an error of a command of the stream")


for name, program in REAL.items():
    CASES["full_sync_and_stream_of_" + name] = lambda p=program: full_sync_and_stream(p)
    CASES["full_sync_by_disk_of_" + name] = lambda p=program: full_sync_and_stream(
        p, "--repl-diskless-sync", "no")
    CASES["full_sync_with_aof_of_" + name] = lambda p=program: full_sync_and_stream(
        p, replica_args=("--appendonly", "yes"))
    CASES["full_sync_swapdb_of_" + name] = lambda p=program: full_sync_and_stream(
        p, replica_args=("--repl-diskless-load", "swapdb"))


@case
def a_link_that_was_killed_goes_on():
    with Real(REDIS) as m, Server() as s:
        mc = m.conn()
        sc = follow(s, m)
        for i in range(5):
            write_some(mc, i, 300)
            equal("killed", sc.call("CLIENT", "KILL", "TYPE", "master"), 1)
            write_some(mc, i + 50, 300)
            wait_info(mc, "sync_partial_ok", lambda v, i=i: int(v) > i, "stats")
            link_up(sc)
            same(mc, sc)
        equal("full syncs", info(mc, "sync_full", "stats"), "1")


REDIRECTED = """GET k;SET k v;KEYS *;SCAN 0;DBSIZE;EVAL_RO return(1) 0;XREAD STREAMS a 0;FLUSHALL;SWAPDB 0 1;TYPE k;PFCOUNT k;
LOLWUT;RANDOMKEY;OBJECT ENCODING k;MEMORY USAGE k;DUMP k;SORT_RO k;FCALL_RO f 0;MIGRATE x 1 k 0 1""".replace("\n", "")
SERVED = "PING;PUBLISH a b;SELECT 0;TIME;ROLE;WATCH k;UNWATCH;EVAL return(1) 1 k;EVALSHA aaaa 0;FCALL f 0;COMMAND COUNT"


@case
def clients_that_say_so_are_sent_to_the_master():
    """CLIENT CAPA redirect, as Valkey 9.1.2 answers it."""
    with Server() as m, Server() as s:
        sc = follow(s, m)
        sent_away = "REDIRECT 127.0.0.1:%d" % m.port
        equal("CAPA", sc.call("CLIENT", "CAPA", "other", "redirect"), b"OK")
        for line in REDIRECTED.split(";"):
            equal(line, ask(sc, *line.split(" ")), sent_away)
        for line in SERVED.split(";"):
            check("REDIRECT" not in str(ask(sc, *line.split(" "))), line)
        equal("a script that may write", ask(sc, "EVAL", "#!lua\nreturn 1", 0), sent_away)
        equal("one that may not", ask(sc, "EVAL", "#!lua flags=no-writes\nreturn 1", 0), 1)
        sc.call("MULTI")
        equal("queued", ask(sc, "GET", "k"), sent_away)
        check(str(ask(sc, "EXEC")).startswith("EXECABORT"), "EXEC")
        check(b" capa=r " in sc.call("CLIENT", "INFO"), "CLIENT INFO")
        equal("LIST CAPA", sc.call("CLIENT", "LIST", "CAPA", "r").count(b"\n"), 1)
        equal("LIST CAPA x", ask(sc, "CLIENT", "LIST", "CAPA", "x"), "ERR Unknown capa found in the provided filter: x")
        equal("READONLY", sc.call("READONLY"), b"OK")
        equal("read", ask(sc, "GET", "k"), None)
        equal("write", ask(sc, "SET", "k", "v"), sent_away)
        equal("READWRITE", sc.call("READWRITE"), b"OK")
        equal("read again", ask(sc, "GET", "k"), sent_away)
        equal("RESET", sc.call("RESET"), b"RESET")
        equal("forgotten", ask(sc, "GET", "k"), None)
        equal("without it", ask(sc, "READONLY"), "ERR This instance has cluster support disabled")


@case
def what_producers_sent_is_known_to_a_replica():
    """XADD with IDMP, before and after the full sync; redis-server has the entries, and no error."""
    with Server("--enable-debug-command", "yes") as m, Server("--enable-debug-command", "yes") as s, Real(REDIS) as r:
        mc = m.conn()
        mc.call("XADD", "s", "IDMP", "p", "one", "1-1", "f", "v")
        sc, rc = follow(s, m), follow(r, m)
        mc.call("XADD", "s", "IDMP", "p", "two", "1-2", "f", "v")
        mc.call("XCFGSET", "s", "IDMP-MAXSIZE", "7")
        mc.call("SET", "k", "v")
        for c in (sc, rc):
            caught_up(mc, c)
            equal("entries", c.call("XLEN", "s"), 2)
            equal("what follows", c.call("GET", "k"), b"v")
        equal("digest", sc.call("DEBUG", "DIGEST"), mc.call("DEBUG", "DIGEST"))
        check("CRITICAL" not in r.log(), "an error of redis-server")
        sc.call("REPLICAOF", "NO", "ONE")
        for iid, want in (("one", b"1-1"), ("two", b"1-2")):
            equal(iid, sc.call("XADD", "s", "IDMP", "p", iid, "*", "f", "v"), want)


@case
def clients_that_wait_are_sent_to_the_new_master():
    with Server() as m, Server() as s:
        waits, queues = s.conn(), s.conn()
        for c in (waits, queues):
            c.call("CLIENT", "CAPA", "redirect")
        queues.call("MULTI")
        queues.call("SET", "k", "v")
        waits.send(encode(["BLPOP", "l", 0]))
        wait_info(s.conn(), "blocked_clients", lambda v: v == "1", "clients")
        follow(s, m)
        sent_away = "REDIRECT 127.0.0.1:%d" % m.port
        equal("BLPOP", waits.read(), ["-", sent_away])
        equal("it stays", waits.call("PING"), b"PONG")
        equal("EXEC", ask(queues, "EXEC"), sent_away)
        equal("over", ask(queues, "EXEC"), "ERR EXEC without MULTI")


@case
def a_link_that_the_master_killed_goes_on():
    with Real(REDIS) as m, Server() as s:
        mc = m.conn()
        sc = follow(s, m)
        for i in range(3):
            write_some(mc, i, 300)
            mc.call("CLIENT", "KILL", "TYPE", "replica")
            wait_info(mc, "sync_partial_ok", lambda v, i=i: int(v) > i, "stats")
        same(mc, sc)


@case
def kills_under_load_lose_and_repeat_nothing():
    for args in ((), ("--appendonly", "yes", "--appendfsync", "always")):
        with Real(REDIS) as m, Server(*args) as s:
            mc = m.conn()
            sc = follow(s, m)
            done = threading.Event()

            def write():
                c = m.conn()
                seed = 100
                while not done.is_set():
                    write_some(c, seed, 400)
                    seed += 1
            writer = threading.Thread(target=write)
            writer.start()
            for i in range(12):
                before = offset(mc)
                wait_for(lambda b=before: offset(mc) > b + 20000, "some writes")
                link_up(sc)
                if i % 2:
                    sc.call("CLIENT", "KILL", "TYPE", "master")
                else:
                    mc.call("CLIENT", "KILL", "TYPE", "replica")
            done.set()
            writer.join()
            link_up(sc)
            same(mc, sc)
            check("CRITICAL" not in s.log(), "an error of a command of the stream")


@case
def it_is_shown_as_the_link_that_it_is():
    with Real(REDIS) as m, Server() as s:
        sc = follow(s, m)
        line = [x for x in sc.call("CLIENT", "LIST").decode().splitlines() if "flags=M" in x]
        check(len(line) == 1 and "user=(superuser)" in line[0], line)
        check(":S " in s.log(), "the log file's letter of a replica")
        equal("role", sc.call("ROLE")[:4], [b"slave", b"127.0.0.1", m.port, b"connected"])
        equal("same", sc.call("REPLICAOF", "127.0.0.1", m.port), b"OK Already connected to specified master")
        equal("config", sc.call("CONFIG", "GET", "replicaof")[1], b"127.0.0.1 %d" % m.port)
        client = line[0].split()[0][3:]
        equal("unblock", sc.call("CLIENT", "UNBLOCK", client), 0)


@case
def a_restart_goes_on_where_the_aof_ends():
    for args in ((), ("--repl-diskless-load", "swapdb")):
        with Real(REDIS) as m, tempfile.TemporaryDirectory(prefix="stet-test-") as d:
            mc = m.conn()
            write_some(mc, 1, 1000)
            args = ("--appendonly", "yes", "--replicaof", "127.0.0.1", str(m.port), *args)
            with Server(*args, dir=d) as s:
                link_up(s.conn())
                wait_info(s.conn(), "aof_enabled", lambda v: v == "1")
                rewrite_done(s.conn())
                write_some(mc, 2, 500)
                same(mc, s.conn())
                s.terminate()
            write_some(mc, 3, 500)
            with Server(*args, dir=d) as s:
                link_up(s.conn())
                same(mc, s.conn())
                equal("partial", info(mc, "sync_partial_ok", "stats"), "1")
                left = [f for f in os.listdir(os.path.join(d, "appendonlydir")) if "temp" in f]
                equal("temporary files", left, [])


@case
def auth_by_password_and_by_user():
    with Real(REDIS, "--requirepass", "geheim") as m:
        mc = m.conn()
        mc.call("AUTH", "geheim")
        mc.call("SET", "k", "v")
        with Server("--masterauth", "geheim") as s:
            same(mc, follow(s, m))
        mc.call("ACL", "SETUSER", "rep", "on", ">pass", "+psync", "+replconf", "+ping")
        with Server("--masteruser", "rep", "--masterauth", "pass") as s:
            same(mc, follow(s, m))
        with Server("--masterauth", "wrong") as s:
            s.conn().call("REPLICAOF", "127.0.0.1", m.port)
            s.wait_log("Unable to AUTH to MASTER: -WRONGPASS")


@case
def names_are_resolved():
    with Real(REDIS) as m, Server() as s:
        sc = s.conn()
        sc.call("REPLICAOF", "localhost", m.port)
        link_up(sc)
        sc.call("REPLICAOF", "no-such-name.invalid", 1)
        s.wait_log("Unable to connect to MASTER")
        equal("PING", sc.call("PING"), b"PONG")
        sc.call("REPLICAOF", "127.0.0.1", m.port)
        link_up(sc)


@case
def over_tls():
    with tempfile.TemporaryDirectory(prefix="stet-tls-") as d:
        certs = Certs(d)
        pair = certs.pair("server")
        tls = ["--tls-cert-file", pair[0], "--tls-key-file", pair[1], "--tls-ca-cert-file", certs.ca,
               "--tls-replication", "yes"]
        from server import free_port
        port = free_port()
        with Real(REDIS, *tls, "--tls-port", str(port)) as m, Server(*tls) as s:
            mc, sc = m.conn(), s.conn()
            write_some(mc, 1, 2000)
            sc.call("REPLICAOF", "127.0.0.1", port)
            link_up(sc)
            write_some(mc, 2, 2000)
            same(mc, sc)
            mc.call("SET", "big", b"x" * 20000000)
            same(mc, sc)


@case
def a_large_data_set_arrives_while_clients_are_served():
    with Real(REDIS) as m, Server() as s:
        mc = m.conn()
        mc.call("DEBUG", "POPULATE", 400000, "key", 300)
        sc = follow(s, m, 120)
        caught_up(mc, sc)
        equal("keys", sc.call("DBSIZE"), 400000)


def polled_while_loading(m, *args):
    """What clients of a replica with the key `old` get during a sync: the set of answers to GET, and
    whether INFO said that it loads, and loads beside."""
    answers, flags = set(), set()
    with Server(*args) as s:
        sc = s.conn()
        sc.call("SET", "old", "1")
        sc.call("REPLICAOF", "127.0.0.1", m.port)
        while True:
            i = sc.info()
            answers.add(ask(sc, "GET", "old"))
            flags.add((i["loading"], i["async_loading"]))
            if i["master_link_status"] == "up":
                return answers, flags, sc.call("DBSIZE")


@case
def clients_during_a_sync_get_old_data_or_an_error():
    loading = "LOADING Redis is loading the dataset in memory"
    with Real(REDIS) as m:
        m.conn().call("DEBUG", "POPULATE", 1000000)
        answers, flags, keys = polled_while_loading(m)
        equal("answers", answers - {loading}, {b"1", None})
        check(loading in answers and ("1", "0") in flags, (answers, flags))
        equal("keys", keys, 1000000)
        answers, flags, keys = polled_while_loading(m, "--repl-diskless-load", "swapdb")
        equal("answers", answers, {b"1", None})
        check(("0", "1") in flags, flags)
        equal("keys", keys, 1000000)


def slow_to_load(how, loading, refused):
    """key-load-delay holds a replica in its load, as long as a test wants."""
    with Server(*FAST) as m, Server("--repl-diskless-load", how, "--key-load-delay", "20000") as s:
        mc, sc = m.conn(), s.conn()
        mc.pipeline([("SET", "k%d" % i, i) for i in range(3000)])
        sc.call("SET", "mine", 1)
        sc.call("REPLICAOF", "127.0.0.1", m.port)
        wait_info(sc, loading, lambda v: v == "1", "persistence")
        wait_info(sc, "loading_loaded_bytes", lambda v: int(v) > 100, "persistence")
        perc = float(info(sc, "loading_loaded_perc", "persistence"))
        check(0 < perc < 50, "%s %% are loaded" % perc)
        equal("in INFO", (info(sc, "master_link_status"), info(sc, "master_sync_in_progress")), ("down", "1"))
        equal("GET", sc.ask("GET", "mine")[0] == "-", refused)
        sc.call("CONFIG", "SET", "key-load-delay", 0)
        same(mc, sc)


for how, loading, refused in (("disabled", "loading", True), ("swapdb", "async_loading", False)):
    CASES["a_load_is_slowed_" + how] = lambda *_, x=(how, loading, refused): slow_to_load(*x)


@case
def a_transaction_that_was_queued_before_a_sync_is_refused_during_it():
    want = "EXECABORT Transaction discarded because of: LOADING Redis is loading the dataset in memory"
    with Real(REDIS) as m:
        m.conn().call("DEBUG", "POPULATE", 1000000)
        for words, field, args in ((("GET", "old"), "loading", ()),
                                   (("REPLICAOF", "NO", "ONE"), "async_loading",
                                    ("--repl-diskless-load", "swapdb"))):
            with Server(*args) as s:
                sc, c = s.conn(), s.conn()
                sc.call("SET", "old", "1")
                c.call("MULTI")
                c.call(*words)
                sc.call("REPLICAOF", "127.0.0.1", m.port)
                wait_for(lambda: sc.info("persistence")[field] == "1", field, step=0)
                equal(words, ask(c, "EXEC"), want)
                link_up(sc)
                equal("keys", sc.call("DBSIZE"), 1000000)


@case
def promotion_and_demotion():
    """A former master goes on with a partial sync from its promoted replica."""
    with Real(REDIS) as m, Server() as s:
        mc = m.conn()
        write_some(mc, 1, 500)
        sc = follow(s, m)
        write_some(mc, 2, 500)
        caught_up(mc, sc)
        old = info(sc, "master_replid")
        sc.call("REPLICAOF", "NO", "ONE")
        i = sc.info("replication")
        equal("role", i["role"], "master")
        equal("replid2", i["master_replid2"], old)
        equal("second", int(i["second_repl_offset"]), int(i["master_repl_offset"]) + 1)
        equal("config", sc.call("CONFIG", "GET", "replicaof")[1], b"")
        sc.call("SET", "after", "1")
        mc.call("REPLICAOF", "127.0.0.1", s.port)
        link_up(mc)
        equal("partial", info(sc, "sync_partial_ok", "stats"), "1")
        same(sc, mc)
        mc.call("REPLICAOF", "NO", "ONE")
        mc.call("SET", "again", "2")
        sc.call("REPLICAOF", "127.0.0.1", m.port)
        link_up(sc)
        equal("partial", info(mc, "sync_partial_ok", "stats"), "1")
        same(mc, sc)


@case
def what_a_transaction_wrote_as_a_master_is_in_its_stream():
    with Server() as m, Server() as s:
        mc, sc = m.conn(), follow(s, m)
        mc.call("SET", "k", 1)
        caught_up(mc, sc)
        sc.call("REPLICAOF", "NO", "ONE")
        mc.pipeline([("MULTI",), ("SET", "k", 2), ("SET", "only", "here"), ("REPLICAOF", "127.0.0.1", s.port), ("EXEC",)])
        link_up(mc)
        same(sc, mc)
        equal("partial", info(sc, "sync_partial_ok", "stats"), "0")


@case
def a_chain_has_one_history():
    with Real(REDIS) as m, Server() as a, Server() as b, Real(REDIS) as c:
        mc = m.conn()
        write_some(mc, 1, 1000)
        ac = follow(a, m)
        bc, cc = follow(b, a), follow(c, a)
        for seed in (2, 3):
            write_some(mc, seed, 1000)
            same(mc, ac)
            same(mc, bc)
            same(mc, cc)
        ids = {info(x, "master_replid") for x in (mc, ac, bc, cc)}
        equal("ids", len(ids), 1)
        ac.call("CLIENT", "KILL", "TYPE", "master")
        write_some(mc, 4, 500)
        for x in (ac, bc, cc):
            same(mc, x)
        equal("partial", info(ac, "sync_full", "stats"), "2")


def below_in_a_chain(program):
    """The stream goes on in the database that it has selected, of which a replica says nothing: neither one below that
    has a full sync in the middle of it, nor the one between, whose link ends after that, goes on in another one."""
    with Real(REDIS) as m, Server() as a, (Real(program) if program else Server()) as b:
        mc = m.conn()
        ac = follow(a, m)
        mc.call("SELECT", 2)
        mc.call("SET", "k", 1)
        caught_up(mc, ac)
        bc = follow(b, a)
        ac.call("CLIENT", "KILL", "TYPE", "master")
        link_up(ac)
        mc.call("SET", "k", 2)
        same(mc, ac)
        same(mc, bc)
        equal("full syncs", info(ac, "sync_full", "stats"), "1")


for name, below in {"stet": None, **programs()}.items():
    CASES["a_chain_keeps_its_database_below_%s" % name] = lambda p=below: below_in_a_chain(p)


@case
def a_configuration_says_it():
    with Real(REDIS) as m, tempfile.TemporaryDirectory(prefix="stet-test-") as d:
        m.conn().call("SET", "k", "v")
        with Server("--replicaof", "127.0.0.1", str(m.port), dir=d) as s:
            link_up(s.conn())
            equal("k", s.conn().call("GET", "k"), b"v")


@case
def sentinel_reconfigures_in_a_transaction():
    with Real(REDIS) as m, tempfile.TemporaryDirectory(prefix="stet-test-") as d:
        path = os.path.join(d, "a.conf")
        open(path, "w").close()
        s = Server(dir=d, start=False)
        s.conf = [path]
        with s.start():
            sc, other = s.conn(), s.conn()
            for master in (("127.0.0.1", m.port), ("NO", "ONE")):
                sc.call("MULTI")
                for words in (("SLAVEOF", *master), ("CONFIG", "REWRITE"), ("CLIENT", "KILL", "TYPE", "normal")):
                    equal(words, sc.call(*words), b"QUEUED")
                equal("EXEC", sc.call("EXEC")[:2], [b"OK", b"OK"])
                line = "replicaof 127.0.0.1 %d" % m.port
                wait_for(lambda: (line in open(path).read()) == (master[0] != "NO"), "written")
                if master[0] != "NO":
                    link_up(sc)
            try:
                other.call("PING")
                check(False, "other clients are killed")
            except Closed:
                pass


# ------------------------------------------------------------------ what a replica does otherwise

@case
def clients_may_not_write():
    with Real(REDIS) as m, Server() as s, Real(REDIS) as r:
        m.conn().call("SET", "k", "v")
        sc, rc = follow(s, m), follow(r, m)
        for words in (("SET", "k", "1"), ("EVAL", "return redis.call('set','k','1')", "0"),
                      ("EVAL", "#!lua\nreturn 1", "0"),
                      ("EVAL", "#!lua flags=no-writes\nreturn redis.call('get','k')", "0"),
                      ("WAIT", "0", "0"), ("BLPOP", "l", "0.01"), ("GETDEL", "k"),
                      ("EVAL", "return redis.call('get','k')", "0")):
            equal(words, ask(sc, *words), ask(rc, *words))
        for c in (sc, rc):
            c.call("MULTI")
        equal("in MULTI", ask(sc, "SET", "k", "1"), ask(rc, "SET", "k", "1"))
        equal("EXEC", ask(sc, "EXEC"), ask(rc, "EXEC"))
        equal("still", sc.call("GET", "k"), b"v")


@case
def a_writable_replica_keeps_its_own_writes_to_itself():
    with Real(REDIS) as m, Server("--replica-read-only", "no") as s:
        mc = m.conn()
        sc = follow(s, m)
        before = offset(sc)
        sc.call("SET", "own", "1")
        sc.call("RPUSH", "l", "a")
        mc.call("SET", "k", "v")
        caught_up(mc, sc)
        check(offset(sc) >= before, "offset")
        equal("own", sc.call("GET", "own"), b"1")
        equal("master", mc.call("EXISTS", "own"), 0)
        sc.call("SET", "short", "1", "PX", 1)
        wait_for(lambda: sc.call("GET", "short") is None, "over")
        equal("written again", sc.call("SETNX", "short", "2"), 1)
        same_offset = offset(mc)
        wait_for(lambda: offset(sc) == offset(mc), "offsets agree (%d)" % same_offset)


@case
def keys_expire_by_the_master_alone():
    with Real(REDIS) as m, Server() as s:
        mc = m.conn()
        sc = follow(s, m)
        mc.call("DEBUG", "SET-ACTIVE-EXPIRE", 0)
        mc.call("SET", "k", "v", "PX", 50)
        mc.call("SET", "n", "5", "PX", 50)
        caught_up(mc, sc)
        wait_for(lambda: sc.call("GET", "k") is None and sc.call("GET", "n") is None, "hidden")
        equal("keys", sc.call("DBSIZE"), 2)
        equal("exists", sc.call("EXISTS", "k", "n"), 0)
        equal("scan", sc.call("SCAN", 0)[1], [])
        equal("keys", sc.call("KEYS", "*"), [])
        mc.call("DEBUG", "SET-ACTIVE-EXPIRE", 1)
        wait_for(lambda: sc.call("DBSIZE") == 0, "the master's deletion")


@case
def members_expire_by_the_master_alone():
    """So they do on a replica that gets them, due already, by a full sync."""
    debug = "--enable-debug-command", "yes"
    with Server(*debug) as m, Server(*debug) as s, Server(*debug) as late:
        mc, sc = m.conn(), follow(s, m)
        mc.call("DEBUG", "SET-ACTIVE-EXPIRE", 0)
        mc.call("SADD", "s", "stays")
        mc.call("SADDEX", "s", "PX", 50, "MEMBERS", 2, "a", "b")
        caught_up(mc, sc)
        wait_for(lambda: sc.call("SCARD", "s") == 1, "hidden")
        lc = follow(late, m)
        for c in sc, lc:
            caught_up(mc, c)
            equal("members", c.call("SMEMBERS", "s"), [b"stays"])
            equal("times", c.call("STTL", "s", "MEMBERS", 2, "a", "stays"), [-2, -1])
            equal("what is there", c.call("DEBUG", "DIGEST"), mc.call("DEBUG", "DIGEST"))
        before = mc.call("DEBUG", "DIGEST")
        mc.call("DEBUG", "SET-ACTIVE-EXPIRE", 1)
        wait_for(lambda: mc.call("DEBUG", "DIGEST") != before, "the master's deletion")
        for c in sc, lc:
            caught_up(mc, c)
            equal("what is left", c.call("DEBUG", "DIGEST"), mc.call("DEBUG", "DIGEST"))


@case
def stale_data_is_served_or_not():
    with Real(REDIS) as m, Server() as s:
        m.conn().call("SET", "k", "v")
        sc = follow(s, m)
        m.kill()
        wait_info(sc, "master_link_status", lambda v: v == "down", "replication")
        equal("served", sc.call("GET", "k"), b"v")
        sc.call("CONFIG", "SET", "replica-serve-stale-data", "no")
        down = "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."
        equal("GET", ask(sc, "GET", "k"), down)
        equal("PING", ask(sc, "PING"), down)
        check(b"role:slave" in sc.call("INFO", "replication"), "INFO")


@case
def blocked_clients_are_told():
    with Real(REDIS) as m, Server() as s:
        sc, bc = s.conn(), s.conn()
        bc.send(encode(["BLPOP", "l", "0"]))
        wait_info(sc, "blocked_clients", lambda v: v == "1", "clients")
        follow(s, m)
        equal("told", bc.read()[1], "UNBLOCKED force unblock from blocking operation, instance state "
              "changed (master -> replica?)")


@case
def local_clients_see_the_stream():
    """Keyspace events, tracking, XREAD BLOCK and MONITOR of clients of the replica."""
    with Real(REDIS) as m, Server("--notify-keyspace-events", "KEA") as s:
        mc = m.conn()
        sc = follow(s, m)
        sub, track, reader, mon = s.conn(), s.conn(proto=3), s.conn(), s.conn()
        sub.call("SUBSCRIBE", "__keyevent@0__:set", "news")
        sub.read()
        track.call("CLIENT", "TRACKING", "ON")
        track.call("GET", "k")
        reader.send(encode(["XREAD", "BLOCK", "0", "STREAMS", "x", "$"]))
        wait_info(sc, "blocked_clients", lambda v: v == "1", "clients")
        mon.call("MONITOR")
        mc.call("SET", "k", "v")
        equal("event", sub.read()[1][2][1], "k")
        equal("invalidation", track.read()[1][1][1][0][1], "k")
        mc.call("XADD", "x", "1-1", "f", "v")
        equal("stream", reader.read()[1][0][1][0][1], "x")
        mc.call("PUBLISH", "news", "hello")
        equal("message", sub.read()[1][2][1], "hello")
        while "SET" not in mon.read()[1].upper():
            pass


# ------------------------------------------------------------------ scripted masters

SET_1 = encode(["SELECT", "0"]) + encode(["SET", "a", "1"])


@case
def the_handshake_is_as_it_should_be():
    seen = []

    def serve(link):
        while True:
            w = link.words()
            seen.append(w)
            if w[0] == "PSYNC":
                break
            link.send(b"+PONG\r\n" if w[0] == "PING" else b"+OK\r\n")
        link.send(b"\n")
        link.full(offset=1000)
        link.ack()
        link.send(SET_1 + encode(["REPLCONF", "GETACK", "*"]))
        while True:
            seen.append(("ACK", link.ack()))
    with Script(serve) as m, Server("--replica-announce-ip", "1.2.3.4") as s:
        own = info(s.conn(), "master_replid")
        sc = follow(s, m)
        equal("words", seen[:6], [["PING"], ["REPLCONF", "listening-port", str(s.port)],
                                  ["REPLCONF", "ip-address", "1.2.3.4"], ["REPLCONF", "version", "9.0.0"],
                                  ["REPLCONF", "capa", "eof", "capa", "psync2", "capa", "history"], ["PSYNC", own, "1"]])
        at = 1000 + len(SET_1)
        wait_for(lambda: ("ACK", at) in seen, "an ACK as of before GETACK")
        wait_for(lambda: ("ACK", at + 37) in seen, "the ACK of the next second")
        equal("offset", int(info(sc, "slave_repl_offset")), at + 37)


@case
def a_master_without_psync_is_asked_by_sync():
    def serve(link):
        if link.handshake()[0] == "PSYNC":
            link.send(b"-ERR unknown command 'PSYNC'\r\n")
        equal("SYNC", link.words(), ["SYNC"])
        rdb = rdb_of([(b"k", b"v")])
        link.send(b"$%d\r\n" % len(rdb) + rdb + SET_1)
        link.wait_closed()
    with Script(serve) as m, Server() as s:
        sc = follow(s, m)
        wait_for(lambda: sc.call("GET", "a") == b"1", "stream")
        equal("k", sc.call("GET", "k"), b"v")


@case
def a_transaction_counts_as_a_whole():
    """Cut in its middle it has no effect, and the master is asked for all of it."""
    asked = []

    def serve(link):
        asked.append(link.handshake())
        multi = encode(["MULTI"]) + encode(["SET", "b", "1"]) + encode(["INCR", "n"])
        if len(asked) == 1:
            link.full(offset=100)
            link.ack()
            link.send(SET_1 + multi)
            return
        link.send(b"+CONTINUE\r\n" + multi + encode(["EXEC"]))
        link.wait_closed()
    with Script(serve) as m, Server() as s:
        sc = follow(s, m)
        wait_for(lambda: sc.call("GET", "n") == b"1", "applied once")
        equal("asked", asked[1], ["PSYNC", "a" * 40, str(100 + len(SET_1) + 1)])
        equal("b", sc.call("GET", "b"), b"1")


@case
def a_master_that_asked_is_told_when_it_is_synced():
    """Not only by the ACK of the next second; one of 20 questions is enough, as the disk may be slow."""
    gaps = []

    def facked(link):
        while True:
            w = link.words()
            if w[:2] == ["REPLCONF", "ACK"] and len(w) > 3:
                return int(w[2]), int(w[4])

    def serve(link):
        link.handshake()
        link.full(offset=0)
        link.ack()
        at = 0
        for _ in range(20):
            link.send(SET_1 + encode(["REPLCONF", "GETACK", "*"]))
            at += len(SET_1)
            while facked(link)[0] < at:
                pass
            begin = time.monotonic()
            while facked(link)[1] < at:
                pass
            gaps.append(time.monotonic() - begin)
            at += 37
    with Script(serve) as m, Server("--appendonly", "yes", "--appendfsync", "always") as s:
        follow(s, m)
        wait_for(lambda: len(gaps) == 20, "20 questions are answered")
        check(min(gaps) < 0.5, "every one waited for the next second: %s" % gaps)


@case
def an_unknown_command_is_told_and_counts():
    bad = encode(["NOSUCH", "x"]) + encode(["SET", "a"]) + encode(["CONFIG", "SET", "maxmemory", "1"])
    multi = (encode(["MULTI"]) + encode(["SET", "m", "1"]) + encode(["NOSUCH"]) + encode(["SELECT", "1"])
             + encode(["SET", "n", "1"]) + encode(["EXEC"]))
    good = encode(["SELECT", "0"]) + encode(["SET", "z", "1"])
    whole = SET_1 + bad + multi + good

    def serve(link):
        link.handshake()
        link.full(offset=0)
        link.ack()
        link.send(whole)
        link.wait_closed()
    with Script(serve) as m, tempfile.TemporaryDirectory(prefix="stet-test-") as d:
        with Server("--appendonly", "yes", dir=d) as s:
            sc = follow(s, m)
            wait_for(lambda: sc.call("GET", "z") == b"1", "what follows is applied")
            equal("offset", int(info(sc, "slave_repl_offset")), len(whole))
            s.wait_log("== CRITICAL == This replica is sending an error to its master")
            equal("counted", info(sc, "unexpected_error_replies", "stats"), "4")
            equal("maxmemory", sc.call("CONFIG", "GET", "maxmemory")[1], b"0")
            rewrite_done(sc)
            before = strings(sc)
            equal("n", before[1, b"n"][0], b"1")
            s.terminate()
        with Server("--appendonly", "yes", dir=d) as s:
            equal("loaded again", strings(s.conn()), before)


@case
def a_command_in_small_pieces_is_whole_in_the_end():
    def serve(link):
        link.handshake()
        link.full()
        link.ack()
        for b in SET_1 + encode(["MULTI"]) + encode(["SET", "b", "x" * 50]) + encode(["EXEC"]):
            link.send(bytes([b]))
        link.wait_closed()
    with Script(serve) as m, Server() as s:
        sc = follow(s, m)
        wait_for(lambda: sc.call("GET", "b") == b"x" * 50, "applied")


HOSTILE_STREAMS = {
    "inline": b"SET a 2\r\n",
    "a newline": b"\n",
    "zeros": b"\0" * 100,
    "a negative length": b"*2\r\n$-1\r\n$1\r\nx\r\n",
    "a leading zero": b"*01\r\n$4\r\nPING\r\n",
    "an endless number": b"*" + b"1" * 100000,
    "EXEC alone": encode(["EXEC"]),
    "MULTI twice": encode(["MULTI"]) + encode(["MULTI"]),
    "a database that is not there": encode(["SELECT", "99"]) + encode(["SET", "a", "2"]),
    "a string without its end": b"*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPING\r\n",
}


def hostile_stream(bad):
    asked = []

    def serve(link):
        asked.append(link.handshake())
        if len(asked) > 1:
            link.send(b"-LOADING wait\r\n")
            return
        link.full(rdb_of([(b"k", b"v")]), offset=10)
        link.ack()
        link.send(SET_1)
        link.ack()
        link.send(bad)
        link.wait_closed()
    with Script(serve) as m, Server() as s:
        sc = follow(s, m)
        s.wait_log("The replication stream does not hold after offset %d" % (10 + len(SET_1)))
        wait_for(lambda: len(asked) > 1, "asked again")
        equal("asked", asked[1], ["PSYNC", "a" * 40, str(10 + len(SET_1) + 1)])
        equal("data", (sc.call("GET", "k"), sc.call("GET", "a")), (b"v", b"1"))


for name, bad in HOSTILE_STREAMS.items():
    CASES["hostile_stream_" + name.replace(" ", "_")] = lambda b=bad: hostile_stream(b)

GOOD = rdb_of([(b"new%d" % i, b"w" * 50) for i in range(2000)])
HOSTILE_SYNCS = {
    "endless line": b"+" * 5000,
    "endless header": b"+FULLRESYNC " + b"a" * 40 + b" 1\r\n" + b"$" + b"1" * 5000,
    "wrong id": b"+FULLRESYNC " + b"x" * 39 + b" 1\r\n",
    "negative offset": b"+FULLRESYNC " + b"a" * 40 + b" -5\r\n",
    "no number": b"+FULLRESYNC " + b"a" * 40 + b" 1\r\n$hello\r\n",
    "length 0": b"+FULLRESYNC " + b"a" * 40 + b" 1\r\n$0\r\n",
    "negative length": b"+FULLRESYNC " + b"a" * 40 + b" 1\r\n$-5\r\n",
    "a short mark": b"+FULLRESYNC " + b"a" * 40 + b" 1\r\n$EOF:abc\r\n",
    "no RDB": b"+FULLRESYNC " + b"a" * 40 + b" 1\r\n$9\r\nNOTREDIS1",
    "a version from the future": b"+FULLRESYNC " + b"a" * 40 + b" 1\r\n$10\r\nREDIS9999\xff",
    "CONTINUE without a question": b"+CONTINUE " + b"b" * 40 + b"\r\n",
}


def hostile_sync(bad, *args, kept=True):
    """The old data set stays whatever comes before a data set, or is its beginning."""
    asked = []

    def serve(link):
        asked.append(link.handshake())
        if len(asked) > 1:
            link.wait_closed()
        link.send(bad)
        link.wait_closed()
    with Script(serve) as m, Server(*args) as s:
        sc = s.conn()
        sc.call("SET", "old", "1")
        sc.call("REPLICAOF", "127.0.0.1", m.port)
        wait_for(lambda: len(asked) > 1, "tried again")
        equal("data", list(strings(sc)), [(0, b"old")] if kept else [])
        return s.log()
        equal("link", info(sc, "master_link_status"), "down")


for name, bad in HOSTILE_SYNCS.items():
    CASES["hostile_sync_" + name.replace(" ", "_")] = lambda b=bad: hostile_sync(b) and None


def sync_of(rdb, length=None):
    return b"+FULLRESYNC " + b"a" * 40 + b" 1\r\n$%d\r\n" % (length or len(rdb)) + rdb


@case
def hostile_data_sets_leave_all_or_nothing():
    """Damaged at many places: the old data set stays, as the new one is read before."""
    for key in (0, 9, 1000, 1999):
        at = GOOD.index(b"new%d" % key) - 2
        broken = GOOD[:at] + b"\xf0" + GOOD[at + 1:]
        hostile_sync(sync_of(broken))
        hostile_sync(sync_of(broken), "--repl-diskless-load", "swapdb")
    hostile_sync(sync_of(GOOD[:-20]))
    hostile_sync(sync_of(GOOD[:-20]), "--repl-diskless-load", "swapdb")
    hostile_sync(sync_of(GOOD + b"*1\r\n$4\r\nPING\r\n"))


@case
def a_library_that_does_not_compile_takes_no_data_with_it():
    """It is found by the load itself, when the old data set is gone."""
    code = b"#!lua name=x\nthis is no Lua("
    rdb = b"REDIS0010\xf5" + bytes([len(code)]) + code + GOOD[9:]
    hostile_sync(sync_of(rdb), "--repl-diskless-load", "swapdb")
    log = hostile_sync(sync_of(rdb), "--appendonly", "yes")
    check("Failed trying to load the MASTER synchronization DB" in log, "loaded")
    hostile_sync(sync_of(rdb), "--appendonly", "yes", "--repl-diskless-load", "swapdb")
    hostile_sync(sync_of(rdb), kept=False)


@case
def a_master_that_goes_in_the_middle_of_its_data_set():
    asked = []

    def serve(link):
        asked.append(link.handshake())
        if len(asked) < 3:
            link.send(sync_of(GOOD)[:len(GOOD) // 2])
            return
        link.full(GOOD, offset=1)
        link.wait_closed()
    with Script(serve) as m, Server() as s:
        sc = s.conn()
        sc.call("SET", "old", "1")
        sc.call("REPLICAOF", "127.0.0.1", m.port)
        wait_for(lambda: len(asked) == 2, "second try")
        equal("old", sc.call("GET", "old"), b"1")
        link_up(sc)
        equal("keys", sc.call("DBSIZE"), 2000)


@case
def a_master_that_has_lost_its_data_is_refused():
    asked, go = [], threading.Event()

    def serve(link):
        asked.append(link.handshake())
        if len(asked) == 1:
            link.full(rdb_of([(b"k", b"v")]), offset=10, id="a" * 40)
            go.wait(60)
            return
        link.full(EMPTY_RDB, offset=0, id="b" * 40)
        link.wait_closed()
    with Script(serve) as m, Server() as s:
        sc = follow(s, m)
        go.set()
        wait_info(sc, "replica_refused_empty", lambda v: v == "1", "replication")
        equal("k", sc.call("GET", "k"), b"v")
        sc.call("CONFIG", "SET", "replica-accept-empty", "yes")
        wait_for(lambda: sc.call("DBSIZE") == 0, "accepted")
        link_up(sc)


@case
def an_empty_master_that_was_named_is_followed():
    with Real(REDIS) as m, Server() as s:
        s.conn().call("SET", "k", "v")
        sc = follow(s, m)
        equal("keys", sc.call("DBSIZE"), 0)


@case
def a_silent_master_is_given_up():
    def serve(link):
        link.handshake()
        link.full()
        link.wait_closed()
    with Script(serve) as m, Server("--repl-timeout", "2") as s:
        follow(s, m)
        s.wait_log("MASTER timeout: no data nor PING received...")
        wait_for(lambda: m.links > 1, "connects again")


@case
def a_fast_master_does_not_fill_the_memory():
    """More comes than the disk takes: the socket is not read meanwhile."""
    size = 300 * 1024 * 1024

    def serve(link):
        link.handshake()
        link.send(b"+FULLRESYNC " + b"a" * 40 + b" 1\r\n$%d\r\n" % size)
        for _ in range(size // (1 << 20)):
            link.sock.sendall(b"x" * (1 << 20))
        link.wait_closed()
    with Script(serve) as m, Server() as s:
        sc = s.conn()
        before = int(info(sc, "used_memory", "memory"))
        sc.call("REPLICAOF", "127.0.0.1", m.port)
        most = 0
        while m.links < 2:
            most = max(most, int(info(sc, "used_memory", "memory")))
            time.sleep(0.005)
        check(most - before < 64 * 1024 * 1024, "used %d more" % (most - before))
        check("Failed trying to load" in s.log(), "refused")


if __name__ == "__main__":
    if not REDIS:
        print("replica: skipped, redis-server is not installed (Debian: redis-server)")
        sys.exit(0)
    sys.exit(run_words("replica", CASES))
