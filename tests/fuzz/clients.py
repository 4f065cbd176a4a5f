#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""clients - random commands of several clients at once, each round ended by a restart.

  clients.py [--rounds 10 | --seconds 600] [--steps 300] [--seed 1] [--round N]

Clients wait for keys, subscribe, track, watch, pause, kill and unblock each other, run scripts,
restore mutated payloads, and some do not read what they are sent; limits are small. Each step sends
to several clients, so that the second event comes in the same turn. Nothing may end the server, or
make it silent; when all clients are gone nothing is left of them; and what it holds then is what it
holds after a kill or a stop, and a start. --round N repeats one round of a seed.
"""
import argparse
import os
import random
import shutil
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from cases import summary  # noqa: E402
from contents import differences, snapshot  # noqa: E402
from payloads import corpus, mutate, seal  # noqa: E402
from pings import loop_cpu_ms  # noqa: E402
from resp import Closed, ReplyError, encode  # noqa: E402
from server import Failed, Server, wait_for  # noqa: E402

SILENCE = 20  # seconds until a server that does not answer counts as hanging

LIBRARY = ("#!lua name=lib%d\nredis.register_function('f%d', function(keys, args) "
           "redis.call('RPUSH', keys[1], args[1]) return redis.call('LLEN', keys[1]) end)")
SCRIPTS = [
    "redis.call('SET', KEYS[1], ARGV[1]) return redis.call('GET', KEYS[1])",
    "redis.call('RPUSH', KEYS[1], ARGV[1], ARGV[1]) return 1",
    "redis.call('DEL', KEYS[1]) redis.call('ZADD', KEYS[1], 1, ARGV[1]) return redis.pcall('INCR', KEYS[1])",
    "redis.call('FLUSHALL') return redis.call('SET', KEYS[1], ARGV[1])",
    "for i = 1, 3 do redis.call('PUBLISH', 'c' .. i, ARGV[1]) end return redis.call('LPUSH', KEYS[1], 'x')",
    "redis.call('INCR', 'n') error('on purpose')",
    "for i = 1, 20000 do redis.call('EXISTS', KEYS[1]) end redis.call('RPUSH', KEYS[1], 'late') return 1",
    "for i = 1, 300000 do local x = i * i end return redis.call('TYPE', KEYS[1])",
    "return redis.call('CLIENT', 'LIST')",
    "while true do end",
]

# A word: K a key, V a value, N a small number, M milliseconds, C a channel, I a client's id, PORT.
COMMANDS = """
SET K V|SET K V PX M|SET K V EX 100|SET K V GET|GET K|GETDEL K|GETEX K PX M|APPEND K V|INCR K|SETRANGE K N V|MSET K V K V
DEL K|UNLINK K K|EXISTS K K|TYPE K|RENAME K K|COPY K K REPLACE|MOVE K 1|EXPIRE K 100|PEXPIRE K M|PERSIST K|TOUCH K|OBJECT ENCODING K
RPUSH K V|LPUSH K V V|LPOP K|RPOP K 2|LRANGE K 0 -1|LMOVE K K LEFT RIGHT|LREM K 0 V|LINSERT K BEFORE V V|LTRIM K 0 3|LSET K 0 V
SADD K V V|SREM K V|SPOP K|SPOP K 2|SMEMBERS K|SMOVE K K V|SUNIONSTORE K K K|SDIFFSTORE K K K|SINTERCARD 2 K K
SADDEX K PX M MEMBERS 2 V V|SADDEX K KEEPTTL MEMBERS 1 V|SADDEX K EX 100 MEMBERS 2 V 1|SPEXPIRE K M MEMBERS 2 V V|SEXPIRE K 100 NX MEMBERS 1 V|SPERSIST K MEMBERS 1 V
SUNIONSTORE K K|SORT K ALPHA STORE K|ZUNIONSTORE K 2 K K|SRANDMEMBER K -5|SPTTL K MEMBERS 2 V V
ZADD K N V|ZADD K GT CH N V N V|ZINCRBY K N V|ZREM K V|ZPOPMIN K|ZRANGE K 0 -1 WITHSCORES|ZUNIONSTORE K 2 K K|ZRANGESTORE K K 0 -1
HSET K V V|HDEL K V|HGETALL K|HINCRBY K V N|HPEXPIRE K M FIELDS 1 V|HRANDFIELD K 2
XADD K * V V|XADD K MAXLEN 3 * V V|XTRIM K MAXLEN 2|XRANGE K - +|XGROUP CREATE K g 0 MKSTREAM|XGROUP DESTROY K g|XDEL K 1-1
LMOVEM K K LEFT RIGHT COUNT 2 OBO|LMOVEM K K LEFT LEFT COUNT 9 BULK|ZMOVE K K MAX COUNT 2|XADD K IDMP p V * f V|XADD K IDMPAUTO q MAXLEN 3 * f V
XADD K 1-1 f V|XCFGSET K IDMP-MAXSIZE 3|XREADGROUP GROUP g d CLAIM 0 COUNT 3 STREAMS K >|XNACK K g FAIL IDS 1 1-1 FORCE|XNACK K g FATAL IDS 1 1-1 FORCE|XCLAIM K g c 0 1-1 FORCE RETRYCOUNT 9223372036854775807|XCLAIM K g d 0 1-1|HIMPORT PREPARE s a V|HIMPORT SET K s V 2
JSON.SET K $ {"a":[1,{"a":2}],"b":"c"}|JSON.SET K $.a[*] V|JSON.MSET K $ [1,2] K $[*] [3,4]|JSON.DEL K $..a|JSON.MERGE K $ {"a":null}
JSON.ARRAPPEND K $..* 1 [2]|JSON.NUMINCRBY K $..* N|JSON.CLEAR K $..*|JSON.ARRPOP K $.a|JSON.GET K $..a $.b|JSON.TOGGLE K $..*|JSON.STRAPPEND K $..* "x"
BF.RESERVE K 0.01 N|BF.MADD K V V|BF.INSERT K CAPACITY 2 EXPANSION 1 ITEMS V V V|BF.LOADCHUNK K N V|BF.SCANDUMP K N|CF.RESERVE K 4 BUCKETSIZE 1
CF.INSERT K CAPACITY 4 ITEMS V V V|CF.ADDNX K V|CF.DEL K V|CF.LOADCHUNK K N V|CMS.INITBYDIM K 3 2|CMS.INCRBY K V N V N|CMS.MERGE K 2 K K
TOPK.RESERVE K 2 3 2 0.9|TOPK.ADD K V V V|TOPK.INCRBY K V 9 V 100000|TOPK.LIST K WITHCOUNT|TDIGEST.CREATE K COMPRESSION 1|TDIGEST.ADD K N N N
TDIGEST.MERGE K 2 K K|TDIGEST.MERGE K 1 K OVERRIDE|TDIGEST.RESET K|TDIGEST.QUANTILE K 0.5|VADD K VALUES 2 1 N V CAS|VADD K VALUES 2 N 1 V|VREM K V
VSIM K ELE V|VSETATTR K V V|VRANDMEMBER K 2|VRANGE K (V + 2|MEMORY USAGE K|SCAN 0 TYPE MBbloom--|CLIENT CAPA redirect|CLIENT IMPORT-SOURCE ON|CONFIG SET import-mode yes
CONFIG SET import-mode no|CONFIG SET maxmemory 4mb maxmemory-policy allkeys-lrm|CLUSTERSCAN 0|HIMPORT PREPARE s a a|HIMPORT DISCARDALL|RENAMENX K K
BLMOVEM K K RIGHT LEFT 0 EXACTLY 2 BULK|BZMOVE K K MAX 0 COUNT 2|XREADGROUP GROUP g d BLOCK 0 CLAIM 1 STREAMS K >|XREADGROUP GROUP g c BLOCK 0 CLAIM 1 STREAMS K K > >
XREADGROUP GROUP g c STREAMS K >|XACK K g 1-1|XAUTOCLAIM K g d 0 0|PFADD K V|PFMERGE K K|SETBIT K N 1|BITFIELD K INCRBY u8 N 1
BLPOP K K 0|BRPOP K 0.02|BLPOP K 0|BLMOVE K K LEFT RIGHT 0|BLMPOP 0 2 K K LEFT|BRPOPLPUSH K K 0|BZPOPMIN K 0|BZMPOP 0 1 K MAX
XREAD BLOCK 0 STREAMS K $|XREAD BLOCK 20 STREAMS K K $ 0|XREADGROUP GROUP g c BLOCK 0 STREAMS K >
XREADGROUP GROUP g d BLOCK 20 CLAIM 5 MAXCOUNT 2 STREAMS K >|BLMOVEM K K LEFT RIGHT 0.02 EXACTLY 3 OBO|BZMOVE K K MIN 0.02
WAIT 0 10|WAITAOF 1 0 20|WAITAOF 0 0 0
MULTI|MULTI|EXEC|EXEC|EXEC|DISCARD|WATCH K K|UNWATCH
SUBSCRIBE C C|PSUBSCRIBE *|PSUBSCRIBE __key*__:*|UNSUBSCRIBE|PUNSUBSCRIBE|PUBLISH C V|SSUBSCRIBE C|SPUBLISH C V|MONITOR
CLIENT TRACKING ON|CLIENT TRACKING ON BCAST|CLIENT TRACKING ON BCAST PREFIX k|CLIENT TRACKING ON REDIRECT I|CLIENT TRACKING ON NOLOOP
CLIENT TRACKING ON OPTIN|CLIENT CACHING YES|CLIENT TRACKING OFF|CLIENT TRACKING ON BCAST REDIRECT I|CLIENT TRACKINGINFO
CLIENT KILL ID I|CLIENT KILL ID I SKIPME NO|CLIENT KILL TYPE pubsub|CLIENT KILL TYPE normal|CLIENT UNBLOCK I|CLIENT UNBLOCK I ERROR
CLIENT PAUSE M WRITE|CLIENT PAUSE M ALL|CLIENT UNPAUSE|CLIENT REPLY OFF|CLIENT REPLY SKIP|CLIENT REPLY ON|CLIENT LIST|CLIENT NO-EVICT ON
HELLO 3|HELLO 2|RESET|QUIT|PING|SELECT 0|SELECT 1|SCAN 0 COUNT 100|RANDOMKEY|KEYS *|DBSIZE|FLUSHALL ASYNC|SWAPDB 0 1
EVAL SCRIPT 1 K V|EVAL SCRIPT 1 K V|SCRIPT KILL|FCALL f1 1 K V|FCALL f2 1 K V|FUNCTION KILL|FUNCTION FLUSH|FUNCTION LOAD REPLACE LIBRARY
DEBUG SLICE 1 1|DEBUG SLICE 5000000 512|RESTORE K 0 PAYLOAD REPLACE|RESTORE K M PAYLOAD REPLACE|DUMP K|SORT K ALPHA STORE K|GEOADD K 13 38 V|GEOSEARCHSTORE K K FROMLONLAT 13 38 BYRADIUS 9 km
BGREWRITEAOF|DEBUG LOADAOF|DEBUG RELOAD|DEBUG SLEEP 0.003|DEBUG SLEEP 0.003|DEBUG SET-ACTIVE-EXPIRE N|MIGRATE 127.0.0.1 PORT K 1 20 COPY REPLACE
MIGRATE 127.0.0.1 PORT K 1 20|CONFIG SET appendfsync always|CONFIG SET appendfsync everysec|CONFIG SET maxmemory 4mb maxmemory-policy allkeys-random
CONFIG SET maxmemory 0|CONFIG SET aof-buffer-limit 1kb|CONFIG SET aof-buffer-limit 64mb|CONFIG SET maxmemory-clients 200kb|CONFIG SET maxmemory-clients 0
ACL SETUSER u on >p ~k1* +@all -debug -config -acl|AUTH u p|AUTH default x|ACL DELUSER u|ACL SETUSER u resetkeys|INFO|LATENCY RESET|SLOWLOG GET
"""
COMMANDS = [c.strip() for line in COMMANDS.split("\n") for c in line.split("|") if c.strip()]
LIMITS = ["normal 0 0 0 pubsub 20000 0 0", "normal 60000 0 0 pubsub 20000 0 0", "normal 0 0 0 pubsub 0 0 0"]


class Client:
    """One connection; `deaf` does not read."""

    def __init__(self, world):
        self.world, self.deaf, self.rest = world, world.rng.random() < .15, b""
        self.sock = socket.create_connection(("127.0.0.1", world.s.port), SILENCE)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.sock.setblocking(False)

    def send(self, raw):
        """Sometimes the rest of it only comes with the next. What does not fit is lost, as it is with
        a client that gives up."""
        raw, self.rest = self.rest + raw, b""
        if self.world.rng.random() < .1:
            cut = self.world.rng.randrange(len(raw))
            raw, self.rest = raw[:cut], raw[cut:]
        try:
            self.sock.send(raw)
        except BlockingIOError:
            pass
        except OSError:
            return False
        return True

    def drain(self):
        while not self.deaf:
            try:
                if not self.sock.recv(1 << 16):
                    return False
            except BlockingIOError:
                return True
            except OSError:
                return False
        return True


class World:
    def __init__(self, s, rng):
        self.s, self.rng, self.clients, self.sent = s, rng, [], []
        self.executed = 0
        self.payloads = [bytes([t]) + b for t, b in corpus()]
        self.control = None

    # ---- words

    def key(self):
        return "k%d" % self.rng.randrange(12)

    def value(self):
        r = self.rng.random()
        if r < .6:
            return self.rng.choice(("a", "b", "1", "2", "", "x y"))
        return bytes([self.rng.randrange(256)]) * self.rng.choice((1, 30, 100, 3000, 20000 if r > .97 else 5))

    def payload(self):
        body = self.rng.choice(self.payloads)
        return seal(mutate(self.rng, body, self.payloads) if self.rng.random() < .5 else body, 11)

    def word(self, w):
        rng = self.rng
        kinds = {"K": self.key, "V": self.value, "N": lambda: rng.randrange(3), "M": lambda: rng.choice((1, 1, 3, 3, 10, 40)),
                 "C": lambda: "c%d" % rng.randrange(3), "I": lambda: rng.randrange(1, 4 + self.next_id()),
                 "PORT": lambda: self.s.port, "SCRIPT": lambda: rng.choice(SCRIPTS), "PAYLOAD": self.payload,
                 "LIBRARY": lambda: LIBRARY % ((rng.randrange(1, 3),) * 2)}
        return kinds[w]() if w in kinds else w

    def next_id(self):
        return len(self.sent) // 20 + 10

    def command(self):
        return [self.word(w) for w in self.rng.choice(COMMANDS).split()]

    # ---- steps

    def step(self):
        """Several clients send; of them often some in one turn, as the loop is held for a moment."""
        rng = self.rng
        while len(self.clients) < 7:
            self.clients.append(Client(self))
        some = rng.sample(self.clients, rng.randrange(1, 5))
        batch = [(c, [self.command() for _ in range(rng.choice((1, 1, 2, 3, 6)))]) for c in some]
        if rng.random() < .3:
            batch.insert(0, (rng.choice(self.clients), [["DEBUG", "SLEEP", "0.004"]]))
        for c, commands in batch:
            self.sent.append((self.clients.index(c), commands))
            c.send(b"".join(encode(words) for words in commands))
        if rng.random() < .2:
            rng.choice(self.clients).sock.close()
        if rng.random() < .3:
            time.sleep(.002)
        self.clients = [c for c in self.clients if c.sock.fileno() >= 0 and c.drain()]

    def alive(self):
        """The server answers, whatever it answers. Endless scripts are ended."""
        if not self.s.running():
            raise Failed("the server is gone:\n" + self.s.log()[-6000:])
        ran = loop_cpu_ms(self.s)
        try:
            if not self.control:
                self.control = self.s.conn(timeout=SILENCE)
            for words in (("CLIENT", "UNPAUSE"), ("SCRIPT", "KILL"), ("FUNCTION", "KILL"), ("PING",)):
                text = str(self.control.ask(*words)[1])
            return "PONG" in text
        except (Closed, ConnectionError):
            self.control = None
            return False
        except TimeoutError as e:
            raise Failed("the server is silent; its loop worked for %d of %d ms:\n%s\n%s\n%s" % (
                loop_cpu_ms(self.s) - ran, SILENCE * 1000, seen_by_another(self.s, self.control), stacks(self.s.proc.pid),
                self.s.log()[-3000:])) from e

    def run(self, steps):
        for n in range(steps):
            self.step()
            if n % 20 == 19:
                wait_for(self.alive, "an answer", SILENCE)
        for c in self.clients:
            c.sock.close()

    # ---- the end

    def settled(self):
        """Nothing is left of the clients: none waits, is subscribed or tracks. What a MIGRATE sends comes in a
        connection of its own, so nobody has connected for a while."""
        if not self.alive():
            return False
        try:
            came = self.control.info()["total_connections_received"]
            time.sleep(.05)  # more than twice the time that a MIGRATE has
            self.control.ask("CLIENT", "KILL", "SKIPME", "YES", "TYPE", "normal")
            i = self.control.info()
            self.executed = int(i["total_commands_processed"])
            return (i["total_connections_received"] == came and i["connected_clients"] == "1"
                    and i["blocked_clients"] == "0" and i["pubsub_channels"] == "0"
                    and i["pubsub_patterns"] == "0" and i["tracking_clients"] == "0" and i["tracking_total_prefixes"] == "0"
                    and i["lazyfree_pending_objects"] == "0")
        except ReplyError:  # BUSY: a script has begun meanwhile
            return False
        except (Closed, ConnectionError, KeyError):
            self.control = None
            return False

    def await_settled(self):
        try:
            wait_for(self.settled, "nothing left of the clients", SILENCE)
        except Failed as e:
            conn = self.s.conn(timeout=SILENCE)
            raise Failed("%s\n%s\n%s\n%s" % (e, conn.call("INFO", "clients"), conn.call("CLIENT", "LIST"),
                                             stacks(self.s.proc.pid))) from e

    def contents(self):
        """What there is, once short times to live are over."""
        conn = self.s.conn(timeout=SILENCE)
        conn.call("CONFIG", "SET", "maxmemory", 0, "maxmemory-clients", 0, "aof-buffer-limit", "64mb",
                  "client-output-buffer-limit", "normal 0 0 0")
        time.sleep(.06)
        got = {at: entry for at, entry in snapshot(conn).items() if entry["value"] != []}  # all fields due
        for (db, key), entry in got.items():
            conn.call("SELECT", db)
            entry["value"] = [entry["value"], conn.call("DEBUG", "DIGEST-VALUE", key)] \
                if entry["type"] == "stream" else entry["value"]
        conn.call("SELECT", 0)
        return got, conn.call("FUNCTION", "LIST", "WITHCODE")


def seen_by_another(s, silent):
    """What the kernel holds for the silent connection, and what a new one is told of all."""
    port = silent.sock.getsockname()[1]
    try:
        held = subprocess.run(["ss", "-tnH", "( sport = :%d or dport = :%d )" % (port, port)], capture_output=True, text=True).stdout
        with s.conn(timeout=5) as c:
            return "port %d\n%s%s" % (port, held, c.call("CLIENT", "LIST").decode(errors="replace"))
    except (OSError, Closed, TimeoutError) as e:
        return "port %d, and a new connection: %r" % (port, e)


def stacks(pid):
    """Of all threads, where gdb is there."""
    try:
        return subprocess.run(["gdb", "-p", str(pid), "-batch", "-ex", "thread apply all bt 12"], capture_output=True,
                              text=True, timeout=60).stdout[-6000:]
    except (OSError, subprocess.TimeoutExpired) as e:
        return "no stacks: %s" % e


def one_round(seed, n, steps):
    rng = random.Random("%d:%d" % (seed, n))
    args = ["--appendonly", "yes", "--appendfsync", rng.choice(("always", "everysec", "no")), "--enable-debug-command", "yes",
            "--notify-keyspace-events", rng.choice(("", "KEA", "KEAmn")), "--busy-reply-threshold", "3", "--loglevel", "warning",
            "--client-output-buffer-limit", *rng.choice(LIMITS).split(), "--tracking-table-max-keys", rng.choice(("5", "1000")),
            "--aof-use-rdb-preamble", rng.choice(("yes", "no")), "--databases", "16", "--hz", "100",
            "--lazyfree-lazy-user-flush", rng.choice(("yes", "no"))]
    with Server(*args, seconds=60) as s:
        world = World(s, rng)
        try:
            world.run(steps)
            world.await_settled()
            want = world.contents()
            if rng.random() < .5:
                s.kill()
            elif s.stop() != 0:
                raise Failed("it does not stop well:\n" + s.log()[-3000:])
            s.start()
            got = world.contents()
            unlike = differences(want[0], got[0], 0, encodings=False)
            if unlike or want[1] != got[1]:
                raise Failed("\n".join(["%s (%.300r)" % (u, want[0].get(eval(u.split(":")[0]))) for u in unlike[:20]])
                             or "the functions differ")
        except Exception as e:
            keep(world, s, seed, n)
            if not s.running():
                s.check_sanitizers()
            raise Failed(repr(e) if not isinstance(e, Failed) else str(e)) from e
        return len(want[0]), world.executed


def keep(world, s, seed, n):
    path = "/tmp/clients-fuzz-%d-%d.txt" % (seed, n)
    with open(path, "w") as f:
        for client, commands in world.sent:
            f.write("%d %r\n" % (client, commands))
        f.write("\n" + s.whole_log())
    shutil.copytree(os.path.join(s.dir, "appendonlydir"), path + ".aof", dirs_exist_ok=True)
    print("what was sent, and the log: %s; the append-only file: %s.aof" % (path, path))


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--rounds", type=int)
    a.add_argument("--seconds", type=int)
    a.add_argument("--steps", type=int, default=300)
    a.add_argument("--seed", type=int, default=int(time.time()))
    a.add_argument("--round", type=int)
    a = a.parse_args()
    end = time.monotonic() + (a.seconds or 10 ** 9)
    rounds = [a.round] if a.round is not None else range(a.rounds or (10 ** 9 if a.seconds else 10))
    passed = failed = keys = commands = 0
    for n in rounds:
        if time.monotonic() > end:
            break
        try:
            k, c = one_round(a.seed, n, a.steps)
            keys, commands = keys + k, commands + c
            passed += 1
        except Failed as e:
            failed += 1
            print("seed %d round %d: %.4000s" % (a.seed, n, e), flush=True)
    print("seed %d: %d rounds, %d commands, %d keys came back" % (a.seed, passed + failed, commands, keys))
    return summary("clients", passed, failed)


if __name__ == "__main__":
    sys.exit(main())
