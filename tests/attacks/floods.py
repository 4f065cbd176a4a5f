# SPDX-License-Identifier: BSD-3-Clause
"""floods - attacks by quantity: connections, bytes, replies that no client reads."""
import os
import random
import resource
import socket
import time

from target import MB, Closed, Others, Target, check, closed, encode, pour, wait_for

LIMITS = ("--client-output-buffer-limit", "normal 16mb 0 0 pubsub 8mb 4mb 60")


def many_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))


def clients(conn):
    return int(conn.info("clients")["connected_clients"])


def taken(conn):
    """Bytes that the server has read from its clients."""
    return int(conn.info("stats")["total_net_input_bytes"])


# ---------------------------------------------------------------- before AUTH

def strangers_hold_little():
    """1000 unauthenticated connections, each with the most it may leave unfinished."""
    many_files()
    with Target(password="secret") as s, Others(s) as o:
        info = s.conn()
        were, before = taken(info), s.rss()
        parts = [b"*10\r\n" + b"$16384\r\n" + b"x" * 16384 + b"\r\n" + b"$16384\r\n" + b"y" * 16383,
                 b"x" * 65000, b"*10\r\n$16384\r\n", b"*10\r\n" * 1]
        held = [s.stranger() for _ in range(1000)]
        sent = len(held) // len(parts) * sum(map(len, parts))
        for i, c in enumerate(held):
            c.send(parts[i % len(parts)])
        wait_for(lambda: clients(info) >= 1002, "all are there")
        wait_for(lambda: taken(info) >= were + sent, "all is taken")
        grown = s.rss() - before
        check(grown < sent / MB * 4, "1000 strangers sent %.0f MB and hold %.0f MB" % (sent / MB, grown))
        for c in held:
            c.close()
    return "1000 strangers hold %.0f MB; %s" % (grown, o)


def strangers_announce_in_vain():
    """Large counts and lengths are refused before anything is kept."""
    with Target(password="secret") as s:
        before = s.rss()
        for head, word in ((b"*11\r\n", b"unauthenticated multibulk length"),
                           (b"*1048577\r\n", b"invalid multibulk length"),
                           (b"*2147483648\r\n", b"invalid multibulk length"),
                           (b"*9223372036854775808\r\n", b"invalid multibulk length"),
                           (b"*1\r\n$16385\r\n", b"unauthenticated bulk length"),
                           (b"*1\r\n$536870913\r\n", b"invalid bulk length"),
                           (b"*1\r\n$-1\r\n", b"invalid bulk length"),
                           (b"*1\r\n$99999999999999999999\r\n", b"invalid bulk length"),
                           (b"*1\r\n$" + b"0" * 70000, b"too big bulk count string"),
                           (b"*" + b"1" * 70000, b"too big mbulk count string"),
                           (b"a" * 70000, b"too big inline request")):
            for _ in range(20):
                c = s.stranger()
                pour(c, head, len(head))
                got = closed(c)
                check(word in got or not got, "%r got %r" % (head[:30], got))
        grown = s.rss() - before
        check(grown < 60, "%.0f MB more" % grown)
    return "RSS grew by %.1f MB" % grown


def strangers_ask_and_never_read():
    with Target(password="secret") as s, Others(s) as o:
        before, cut, went = s.rss(), 0, 0
        for i in range(50):
            c = s.stranger()
            c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            n, was_cut = pour(c, encode(["GET", "k"]) * 5000, 16 * MB)
            went, cut = went + n, cut + was_cut
        grown = s.rss() - before
        check(cut == 50, "only %d of 50 were cut off" % cut)
        check(grown < 100, "%.0f MB more" % grown)
    return "50 cut off after %.1f MB each; RSS grew by %.1f MB; %s" % (went / 50 / MB, grown, o)


def strangers_come_and_go():
    """Connections that say nothing, half a thing, or leave at once."""
    with Target(password="secret") as s, Others(s) as o:
        before = s.rss()
        for i in range(5000):
            c = s.stranger()
            if i % 3 == 0:
                c.send(b"*1\r\n$4\r\nPI")
            if i % 3 == 1:
                c.send(b"AUTH wrong%d\r\n" % i)
            c.close()
        info = s.conn()
        wait_for(lambda: clients(info) <= 2, "all are gone")
        grown = s.rss() - before
        check(grown < 100, "%.0f MB more" % grown)
        log = info.call("ACL", "LOG")
        check(len(log) <= 128, "the log of failures holds %d" % len(log))
    return "5000 of them; RSS grew by %.1f MB; %s" % (grown, o)


def random_bytes():
    """Noise, and noise after good beginnings, before and after AUTH."""
    rng = random.Random(7)
    begin = [b"", b"*2\r\n$3\r\nGET\r\n", b"*1\r\n$4\r\nPING\r\n", b"HELLO 3\r\n", b"*3\r\n", b"$5\r\n",
             b"*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n", b"*-1\r\n", b"*0\r\n", b"MULTI\r\n", b"*1\r\n$-1\r\n",
             b"SUBSCRIBE c\r\n", b"MONITOR\r\n", b"*2\r\n$4\r\nEVAL\r\n", b"SET k \"\\x", b"\r\n\r\n"]
    letters = b"*$\r\n:+-0123456789 \"'\\x"
    with Target("--maxmemory", "200mb") as s:
        rounds = int(os.environ.get("STET_ROUNDS", "3000"))
        for i in range(rounds):
            c = s.stranger(timeout=5)
            n = rng.randrange(200)
            noise = bytes(rng.choice(letters) if rng.random() < 0.7 else rng.randrange(256)
                          for _ in range(n))
            try:
                c.send(rng.choice(begin) + noise)
                if rng.random() < 0.1:
                    c.sock.settimeout(0.01)
                    c.sock.recv(1000)
            except (Closed, OSError):
                pass
            c.close()
    return "%d connections of noise" % rounds


# ---------------------------------------------------------------- patience

def one_byte_now_and_then():
    """1000 connections that send a command byte by byte, a byte every 60 ms (a minute, scaled)."""
    many_files()
    with Target() as s:
        before, slow = s.rss(), [s.stranger() for _ in range(1000)]
        command = encode(["SET", "slow", "value"])
        with Others(s, 500) as o:
            for byte in command:
                at = time.monotonic()
                for c in slow:
                    c.send(bytes([byte]))
                time.sleep(max(0, 0.06 - (time.monotonic() - at)))
        grown = s.rss() - before
        check(all(c.read() == ["+", "OK"] for c in slow), "one was not answered")
        check(grown < 200, "%.0f MB for 1000" % grown)
    return "RSS grew by %.1f MB; %s" % (grown, o)


def reset_with_the_last_bytes():
    """Clients that leave replies unread: their end is a reset, and comes together with half a command. A loop that is
    busy hears of both at once."""
    for threads in ("1", "3"):
        with Target("--io-threads", threads, "--maxclients", "3000") as s:
            c = s.conn()
            for _ in range(5):
                gone = [s.stranger() for _ in range(200)]
                for g in gone:
                    g.send(b"SUBSCRIBE c\r\n")
                wait_for(lambda: clients(c) > 200, "the clients")
                c.send(encode(["SET", "k", "v"]) * 20000)
                for g in gone:
                    g.send(b"*1\r\n$4\r\nPI")
                    g.close()
                for _ in range(20000):
                    c.read()
            wait_for(lambda: clients(c) == 1, "the end of all clients")
    return "1000 clients with one thread, and with three"


def half_open():
    """Connections whose other end has gone silent, or said it will send no more."""
    many_files()
    with Target("--timeout", "1") as s, Others(s) as o:
        info, gone = s.conn(), []
        for i in range(500):
            c = s.stranger()
            c.send(b"*2\r\n$3\r\nGET\r\n")
            if i % 2:
                c.sock.shutdown(socket.SHUT_WR)
            gone.append(c)
        wait_for(lambda: clients(info) <= 2, "they are closed", 30)
    return "500 closed by `timeout`; %s" % o


# ---------------------------------------------------------------- pipelines

def a_million_commands_in_one_write():
    """Read, they are all answered; memory is given back."""
    with Target() as s, Others(s, 2000) as o:
        c = s.conn()
        before = s.rss()
        s.forget_peak()
        data, got = b"PING\r\n" * 1000000, 0
        c.sock.setblocking(False)
        while got < 7000000:
            if data:
                try:
                    data = data[c.sock.send(data[:MB]):]
                except BlockingIOError:
                    pass
            try:
                got += len(c.sock.recv(MB))
            except BlockingIOError:
                time.sleep(0.0005)
        peak = s.peak()
        c.close()
        check(peak - before < 300, "%.0f MB at the most" % (peak - before))
    return "at the most %.1f MB more; %s" % (peak - before, o)


def _replies_not_read(s, c):
    """Four clients, one after the other, each ended by the output limit."""
    for command in (encode(["LRANGE", "l", "0", "-1"]), encode(["GET", "k"]), encode(["MGET"] + ["k"] * 100),
                    encode(["MULTI"]) + encode(["LRANGE", "l", "0", "-1"]) * 3000 + encode(["EXEC"])):
        bad = s.conn()
        bad.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        went, cut = pour(bad, command * max(1, 60000 // len(command)), 64 * MB)
        if not cut:
            wait_for(lambda: clients(c) <= 2, "it is cut off")
    c.call("MEMORY", "PURGE")
    return s.rss()


def replies_never_read():
    """With an output limit set it holds, and what was held is given back: doing it again and again
    takes no more memory than once."""
    with Target(*LIMITS) as s, Others(s, 2000) as o:
        c = s.conn()
        c.pipeline([["RPUSH", "l"] + ["x" * 100] * 1000] * 10)  # 1 MB and more to read
        c.call("SET", "k", "x" * 200)
        before = s.rss()
        s.forget_peak()
        once = _replies_not_read(s, c) - before
        peak = s.peak() - before
        check(peak < 320, "%.0f MB at the most, with a limit of 16" % peak)
        for _ in range(3):
            again = _replies_not_read(s, c) - before
        check(again < once + 64, "%.0f MB are kept after one round, %.0f MB after four" % (once, again))
    return "limit 16 MB: at the most %.1f MB more, %.1f MB after one round, %.1f MB after four; %s" % (peak, once, again, o)


def a_query_that_never_ends():
    with Target("--client-query-buffer-limit", "4mb") as s, Others(s) as o:
        before = s.rss()
        s.forget_peak()
        for head in (b"*1000000\r\n", b"*2\r\n$3\r\nGET\r\n$500000000\r\n"):
            c = s.conn()
            c.send(head)
            went, cut = pour(c, b"$1\r\nx\r\n" * 10000 if head[1:2] == b"1" else b"x" * 65536, 64 * MB)
            check(cut, "%d MB were taken" % (went // MB))
        for _ in range(20):  # announced only
            s.conn().send(b"*1000000\r\n$500000000\r\nx")
        peak = s.peak() - before
        check(peak < 300, "%.0f MB at the most" % peak)
    return "limit 4 MB: at the most %.1f MB more; %s" % (peak, o)


# ---------------------------------------------------------------- listeners that do not listen

def _never_read(s, begin, source, seconds=60):
    """Clients that `begin` and do not read, while source(conn, i) makes messages for them."""
    deaf, c = [s.conn(proto=3) for _ in range(10)], s.conn()
    for d in deaf:
        d.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        d.call(*begin)
    s.forget_peak()
    before, end, i = s.rss(), time.monotonic() + seconds, 0
    while clients(c) > 2:
        source(c, i)
        i += 1
        check(time.monotonic() < end, "they are still there")
    return s.peak() - before


def _deaf(begin, source):
    def test():
        with Target(*LIMITS) as s, Others(s) as s.other:
            peak = _never_read(s, begin, source)
            check(peak < 10 * 100, "%.0f MB at the most" % peak)
        return "10 of them: at the most %.1f MB more; %s" % (peak, s.other)
    return test


def _publish(c, i):
    c.pipeline([["PUBLISH", "news", "x" * 10000]] * 100)


def _change(c, i):
    c.pipeline([["SET", "key:%d:%s" % (n, "x" * 5000), "v"] for n in range(100)])


# ---------------------------------------------------------------- much in one client

def _counted(words_of, what, batch, limit=64):
    """A client that holds ever more: maxmemory-clients sees it and ends it."""
    def test():
        with Target("--maxmemory-clients", "%dmb" % limit) as s, Others(s, 2000) as o:
            c = s.conn()
            before = s.rss()
            s.forget_peak()
            sent = 0
            try:
                if what == "queued":
                    c.call("MULTI")
                while sent < 4000000:
                    commands = words_of(sent)
                    c.pipeline(commands)
                    sent += batch
            except (Closed, ConnectionError):
                pass
            peak = s.peak() - before
            check(sent < 4000000, "it was never ended, with %.0f MB" % peak)
            check(peak < limit * 4, "%.0f MB at the most" % peak)
        return "ended with %d thousand %s, %.0f MB of %d; %s" % (sent // 1000, what, peak, limit, o)
    return test


def the_million_is_served():
    """MULTI with a million commands, WATCH of a million keys, a million channels: all are done."""
    with Target() as s, Others(s, 5000) as o:
        c = s.conn()
        before = s.rss()
        c.call("MULTI")
        for _ in range(100):
            c.pipeline([["INCR", "n"]] * 10000)
        queued = s.rss() - before
        n = c.call("EXEC")
        check(len(n) == 1000000 and n[-1] == 1000000, "not all were done")
        del n
        for i in range(20):
            c.pipeline([["WATCH"] + ["w:%d" % (i * 50000 + k) for k in range(50000)]])
        watched = s.rss() - before
        c.call("UNWATCH")
        for i in range(20):
            c.send(encode(["SUBSCRIBE"] + ["c:%d" % (i * 50000 + k) for k in range(50000)]))
            for _ in range(50000):
                c.read()
        subscribed = s.rss() - before
        c.close()
        info = s.conn()
        wait_for(lambda: clients(info) <= 2, "it is gone")
        after = s.rss() - before
    return "RSS: queued +%.0f MB, watched +%.0f, subscribed +%.0f, afterwards +%.0f; %s" % (
        queued, watched, subscribed, after, o)


CASES = {
    "strangers hold little": strangers_hold_little,
    "strangers announce in vain": strangers_announce_in_vain,
    "strangers ask and never read": strangers_ask_and_never_read,
    "strangers come and go": strangers_come_and_go,
    "random bytes": random_bytes,
    "one byte now and then": one_byte_now_and_then,
    "half open": half_open,
    "reset with the last bytes": reset_with_the_last_bytes,
    "a million commands in one write": a_million_commands_in_one_write,
    "replies never read": replies_never_read,
    "a query that never ends": a_query_that_never_ends,
    "subscribers that never read": _deaf(["SUBSCRIBE", "news"], _publish),
    "monitors that never read": _deaf(["MONITOR"], _change),
    "trackers that never read": _deaf(["CLIENT", "TRACKING", "on", "BCAST"], _change),
    "many queued": _counted(lambda n: [["SET", "k%d" % n, "v" * 20]] * 5000, "queued", 5000),
    "many watched": _counted(
        lambda n: [["WATCH"] + ["w:%d" % k for k in range(n, n + 5000)]], "watched", 5000),
    "many channels": _counted(
        lambda n: [["SUBSCRIBE", "channel:%d" % k] for k in range(n, n + 5000)], "channels", 5000),
    "many patterns": _counted(
        lambda n: [["PSUBSCRIBE", "pattern:%d" % k] for k in range(n, n + 2000)], "patterns", 2000),
    "the million is served": the_million_is_served,
}
