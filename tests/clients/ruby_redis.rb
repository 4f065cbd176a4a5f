# SPDX-License-Identifier: BSD-3-Clause
# The ordinary use of Debian's ruby-redis. Argument: the port. Silent if all is well.
require "redis"

PORT = ARGV[0].to_i

def check(is, what)
  return if is

  warn what
  exit!(1)
end

def refused(pattern)
  yield
  check false, "not refused: #{pattern}"
rescue Redis::BaseError => e
  check e.message.match?(pattern), "#{e.message} is not #{pattern}"
end

def strings(r)
  check r.set("s", "1", ex: 100) == "OK" && r.incr("s") == 2 && r.ttl("s") > 90, "SET, INCR, TTL"
  check r.mget("s", "none") == ["2", nil], "MGET"
  check r.getset("s", "x") == "2" && r.append("s", "y") == 2, "GETSET, APPEND"
  check r.set("s", "z", nx: true) == false && r.set("s", "z", xx: true, get: true) == "xy", "SET NX, XX GET"
  check r.setbit("b", 7, 1) == 0 && r.bitcount("b") == 1 && r.getrange("s", 0, -1) == "z", "bits"
  check r.mapped_mset("m1" => "1", "m2" => "2") == "OK" && r.mapped_mget("m1", "m2") == { "m1" => "1", "m2" => "2" },
        "mapped MSET, MGET"
  check r.scan_each(match: "m*").to_a.sort == %w[m1 m2], "SCAN"
  check r.set("bin", "\x00\xff".b) == "OK" && r.get("bin").b == "\x00\xff".b, "any bytes"
end

def aggregates(r)
  check r.rpush("l", %w[a b c]) == 3 && r.lrange("l", 0, -1) == %w[a b c], "lists"
  check r.lmove("l", "l2", "LEFT", "RIGHT") == "a" && r.blpop("none", "l", timeout: 1) == %w[l b], "LMOVE, BLPOP"
  check r.blpop("none", timeout: 0.01).nil? && r.linsert("l", :before, "c", "x") == 2, "BLPOP, LINSERT"
  check r.hset("h", "a", 1, "b", "x") == 2 && r.hgetall("h") == { "a" => "1", "b" => "x" }, "hashes"
  check r.hincrby("h", "a", 5) == 6 && r.hincrbyfloat("h", "a", 0.5) == 6.5, "HINCRBY"
  check r.mapped_hmget("h", "b", "none") == { "b" => "x", "none" => nil }, "HMGET"
  check r.hscan_each("h").to_a.to_h["b"] == "x", "HSCAN"
  check r.sadd("S", %w[1 2 x]) == 3 && r.smembers("S").sort == %w[1 2 x] && r.sismember("S", "x"), "sets"
  check r.sinter("S", "S").size == 3 && r.smismember("S", "1", "9") == [true, false], "SINTER, SMISMEMBER"
  check r.zadd("z", [[1, "a"], [2.5, "b"], ["+inf", "c"]]) == 3, "ZADD"
  check r.zrange("z", 0, -1, with_scores: true) == [["a", 1.0], ["b", 2.5], ["c", Float::INFINITY]], "ZRANGE"
  check r.zrangebyscore("z", "(1", "+inf") == %w[b c] && r.zpopmin("z") == ["a", 1.0], "ZRANGEBYSCORE, ZPOPMIN"
  check r.zincrby("z", 2, "b") == 4.5 && r.zrank("z", "b").zero?, "ZINCRBY, ZRANK"
  check r.pfadd("p", %w[a b]) && r.pfcount("p") == 2, "hyperloglogs"
  check r.geoadd("g", 13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania") == 2 &&
        (r.geodist("g", "Palermo", "Catania", "km").to_f - 166.27).abs < 0.1, "places"
end

def streams(r)
  first = r.xadd("x", { "f" => "v" })
  check r.xlen("x") == 1 && r.xrange("x") == [[first, { "f" => "v" }]], "XADD, XRANGE"
  check r.xgroup(:create, "x", "g", "0") == "OK", "XGROUP"
  check r.xreadgroup("g", "c", "x", ">") == { "x" => [[first, { "f" => "v" }]] }, "XREADGROUP"
  check r.xpending("x", "g")["size"] == 1 && r.xack("x", "g", first) == 1, "XPENDING, XACK"
  check r.xinfo(:stream, "x")["length"] == 1 && r.xread("x", "$", block: 10) == {}, "XINFO, XREAD"
  check r.xautoclaim("x", "g", "d", 0, "0-0")["entries"] == [], "XAUTOCLAIM"
end

def transactions(r)
  check r.multi { |m| m.set("t", 1); m.incr("t") } == ["OK", 2], "MULTI"
  check r.pipelined { |p| p.get("t"); p.lpush("t2", "x") } == ["2", 1], "a pipeline"
  r.watch("t") do
    Redis.new(port: PORT).set("t", "other")
    check r.multi { |m| m.set("t", "mine") }.nil?, "a watched key had changed"
  end
  check r.get("t") == "other", "the other's value stays"
  refused(/WRONGTYPE/) { r.lpush("t", 1) }
  sha = r.script(:load, "return {KEYS[1], ARGV[1], redis.call('get', KEYS[1])}")
  check r.evalsha(sha, ["t"], ["a"]) == %w[t a other] && r.script(:exists, sha), "scripts"
  refused(/NOSCRIPT/) { r.evalsha("0" * 40) }
end

def listening(r)
  heard = []
  ready = Queue.new
  listener = Thread.new do
    Redis.new(port: PORT).psubscribe("news.*") do |on|
      on.psubscribe { ready << 1 }
      on.pmessage do |_, channel, text|
        heard << [channel, text]
        Thread.current[:done] = true
      end
      on.punsubscribe { ready << 2 }
    end
  end
  ready.pop
  check r.publish("news.a", "hello") == 1, "one hears"
  200.times { heard.empty? && sleep(0.01) }
  check heard == [["news.a", "hello"]], "it was told"
  listener.kill
end

def users(r)
  check r.call("ACL", "SETUSER", "app", "on", ">secret", "~app:*", "+@read", "+set") == "OK", "ACL SETUSER"
  app = Redis.new(port: PORT, username: "app", password: "secret")
  check app.set("app:k", "v") == "OK" && app.get("app:k") == "v", "what the user may"
  refused(/NOPERM/) { app.get("t") }
  refused(/NOPERM/) { app.del("app:k") }
  refused(/WRONGPASS/) { Redis.new(port: PORT, username: "app", password: "no").ping }
  check r.call("ACL", "DELUSER", "app") == 1, "ACL DELUSER"
end

# The library asks in RESP2; the other protocol by hand.
def protocols
  r = Redis.new(port: PORT)
  check r.call("HELLO", "2").include?("proto"), "HELLO"
  check r.info["redis_version"].start_with?("7.") && r.config(:get, "maxmemory").key?("maxmemory"), "INFO, CONFIG"
  check r.client(:list).size >= 1 && r.slowlog(:len) >= 0 && r.object(:encoding, "t") == "embstr", "others"
  check r.sort("ids", order: "desc") == [] && r.dbsize.positive? && r.type("h") == "hash", "SORT, DBSIZE, TYPE"
  dump = r.dump("h")
  check r.restore("h2", 0, dump) == "OK" && r.hgetall("h2") == r.hgetall("h"), "DUMP, RESTORE"
  check r.copy("h", "h3") && r.unlink("h2", "h3") == 2 && r.expire("h", 100) && r.persist("h"), "keys"
end

r = Redis.new(port: PORT)
r.flushall
strings(r)
aggregates(r)
streams(r)
transactions(r)
listening(r)
users(r)
protocols
