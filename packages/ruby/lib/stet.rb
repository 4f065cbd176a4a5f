# SPDX-License-Identifier: BSD-3-Clause
# stet - starts a stet-server for tests, and stops it. Documentation: docs/test-double.md.
require "stet/connection"
require "stet/server"

module Stet
  # Starts a server with these parameters of the configuration: Stet.start(maxmemory: "10mb").
  def self.start(**params)
    Server.start(params)
  end

  # The server of this process, which every test uses: started at the first call, stopped at the end.
  def self.shared(**params)
    @shared ||= start(**params).tap { |server| at_exit { server.stop } }
  end
end
