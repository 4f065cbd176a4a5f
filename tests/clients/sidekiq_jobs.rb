# SPDX-License-Identifier: BSD-3-Clause
# The ordinary life of sidekiq's queues, its process within this one. Argument: port. Silent if all
# is well.
require "sidekiq"
require "sidekiq/api"
require "sidekiq/launcher"
require "sidekiq/cli"

URL = "redis://127.0.0.1:#{ARGV[0]}/3"
Sidekiq.configure_client { |c| c.redis = { url: URL } }
Sidekiq.configure_server { |c| c.redis = { url: URL } }
Sidekiq.logger.level = Logger::FATAL
DONE = Queue.new

class Add
  include Sidekiq::Worker

  def perform(a, b)
    DONE << [:add, a + b]
  end
end

class Fails
  include Sidekiq::Worker
  sidekiq_options retry: 1
  sidekiq_retry_in { 0 }
  sidekiq_retries_exhausted { DONE << [:dead, 0] }

  def perform
    raise "as asked"
  end
end

def check(is, what)
  return if is

  warn what
  exit!(1)
end

def take(n)
  Array.new(n) do
    waited = 0
    while DONE.empty?
      check((waited += 1) < 1500, "waited in vain for a job")
      sleep 0.02
    end
    DONE.pop
  end
end

200.times { |i| Add.perform_async(i, i) }
Sidekiq::Client.push_bulk("class" => Add, "args" => Array.new(300) { |i| [i, 1] })
check Sidekiq::Queue.new.size == 500, "500 jobs wait"
Add.perform_in(1, 1000, 1)
check Sidekiq::ScheduledSet.new.size == 1, "one job is for later"
options = Sidekiq.options.merge(queues: ["default"], concurrency: 5, timeout: 5,
                                average_scheduled_poll_interval: 1, poll_interval_average: 1)
launcher = Sidekiq::Launcher.new(options)
launcher.run
sums = take(501).map(&:last)
check sums.sum == 200 * 199 + 300 * 299 / 2 + 300 + 1001, "every job was done once"
Fails.perform_async
check take(1) == [[:dead, 0]], "a job that fails is tried again, and given up"
waited = 0
sleep 0.05 while Sidekiq::DeadSet.new.size.zero? && (waited += 1) < 100
check Sidekiq::DeadSet.new.size == 1, "it is among the dead"
launcher.stop
waited = 0 # another thread of sidekiq may still be writing them
sleep 0.05 while Sidekiq::Stats.new.failed < 2 && (waited += 1) < 100
check Sidekiq::Stats.new.processed >= 502, "#{Sidekiq::Stats.new.processed} were processed"
check Sidekiq::Stats.new.failed == 2, "2 failed, not #{Sidekiq::Stats.new.failed}"
Sidekiq::DeadSet.new.clear
check Sidekiq::Queue.new.size.zero? && Sidekiq::RetrySet.new.size.zero?, "nothing is left"
exit!(0)
