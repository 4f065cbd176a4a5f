# SPDX-License-Identifier: BSD-3-Clause
# For spec_helper.rb: one server for the run, reset before each example; `stet` is the server. Sets REDIS_URL.
require "rspec/core"
require "stet"

module Stet
  module RSpecHelper
    def stet
      Stet.shared
    end
  end
end

RSpec.configure do |config|
  config.include Stet::RSpecHelper
  config.before(:suite) { ENV["REDIS_URL"] = Stet.shared.url }
  config.before(:each) { Stet.shared.reset }
end
