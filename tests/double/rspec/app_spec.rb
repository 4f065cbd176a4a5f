# SPDX-License-Identifier: BSD-3-Clause
# stet/rspec starts the server and resets it before each example. Time stands still unless an example moves it, and
# none sleeps.
require "stet/rspec"
require_relative "app"

RSpec.describe "the application" do
  let(:redis) { Redis.new(url: ENV.fetch("REDIS_URL"), reconnect_attempts: 0) }

  before { stet.test("CLOCK", "FREEZE") }
  after { redis.close }

  def advance(ms)
    stet.test("CLOCK", "ADVANCE", ms)
  end

  it "computes a cached value again once the time to live is over" do
    cache = Cache.new(redis, 60_000)
    n = 0
    get = -> { cache.get("k") { "v#{n += 1}" } }
    expect(get.call).to eq("v1")
    advance(59_999)
    expect(get.call).to eq("v1")
    advance(1)
    expect(get.call).to eq("v2")
  end

  it "allows so many calls per window" do
    limiter = RateLimiter.new(redis, 2, 1000)
    expect(Array.new(3) { limiter.allows?("a") }).to eq([true, true, false])
    expect(limiter.allows?("b")).to be(true)
    advance(1000)
    expect(limiter.allows?("a")).to be(true)
  end

  it "counts a charge once whose answer is lost" do
    stet.test("FAULT", "ADD", "COMMAND", "eval", "TIMES", 1, "CLOSE", "AFTER")
    expect(Charge.call(redis, 7, 100)).to eq(100)
    expect(stet.call("GET", "total")).to eq("100")
  end

  it "tries a charge again that the server refuses" do
    stet.test("FAULT", "ADD", "COMMAND", "eval", "TIMES", 2, "ERROR", "BUSY try later")
    expect(Charge.call(redis, 7, 100)).to eq(100)
    stet.test("FAULT", "ADD", "COMMAND", "eval", "TIMES", 3, "ERROR", "BUSY try later")
    expect { Charge.call(redis, 8, 100) }.to raise_error(/BUSY try later/)
  end

  it "does not release a lock that has expired" do
    a = Lock.new(redis, "lock", 1000)
    b = Lock.new(redis, "lock", 1000)
    expect([a.acquire, b.acquire]).to eq([true, false])
    advance(1000)
    expect(b.acquire).to be(true)
    expect([a.release, b.release]).to eq([false, true])
  end

  it "takes a job once its delay is over" do
    queue = DelayedQueue.new(redis)
    queue.add("mail", 24 * 3600 * 1000)
    queue.add("ping", 1000)
    expect(queue.take_due).to eq([])
    advance(1000)
    expect(queue.take_due).to eq(["ping"])
    advance(24 * 3600 * 1000)
    expect(queue.take_due).to eq(["mail"])
  end

  it "has a worker that waits until there is a job" do
    worker = Thread.new { work(redis, 0) }
    stet.test("WAIT", "BLOCKED", "jobs")
    stet.call("RPUSH", "jobs", "one")
    expect(worker.value).to eq("one")
  end

  it "has a worker that gives up after its timeout" do
    worker = Thread.new { work(redis, 30) }
    stet.test("WAIT", "BLOCKED", "jobs")
    advance(30_000)
    expect(worker.value).to be_nil
  end
end
