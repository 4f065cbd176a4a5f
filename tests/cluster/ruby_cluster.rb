# SPDX-License-Identifier: BSD-3-Clause
# The cluster client of Debian's ruby-redis. Arguments: the ports. Silent if all is well.
require "redis"

PORTS = ARGV.map(&:to_i)

def equal(what, got, want)
  return if got == want

  warn "#{what}: #{got.inspect}, should be #{want.inspect}"
  exit!(1)
end

r = Redis.new(cluster: PORTS.map { |p| "redis://127.0.0.1:#{p}" })
200.times { |i| r.set("k#{i}", i) }
equal("get", Array.new(200) { |i| r.get("k#{i}").to_i }, (0...200).to_a)
equal("dbsize", r.dbsize, 200)
equal("mset", r.mset("{t}1", 1, "{t}2", 2), "OK")
equal("mget", r.mget("{t}1", "{t}2"), %w[1 2])
equal("a script", r.eval("return redis.call('get', KEYS[1])", ["k5"]), "5")
replicas = Redis.new(cluster: PORTS.map { |p| "redis://127.0.0.1:#{p}" }, replica: true)
equal("of replicas", replicas.get("k7"), "7")
if PORTS.size > 1
  admin = Redis.new(port: PORTS[0])
  slot = admin.call("CLUSTER", "KEYSLOT", "foo")
  r.set("foo", "bar")
  PORTS.first(3).each do |p|
    admin.call("TEST", "CLUSTER", "MOVE", slot, p)
    equal("after a move", r.get("foo"), "bar")
  end
  admin.call("TEST", "CLUSTER", "ASK", slot, PORTS[0])
  equal("asked for", r.set("{foo}new", 1), "OK")
  equal("asked for", r.get("{foo}new"), "1")
end
