# SPDX-License-Identifier: BSD-3-Clause
require "fileutils"
require "tmpdir"

module Stet
  # The server did not start; the text has what it said.
  class StartError < StandardError; end

  # One stet-server, on a free port and in a temporary directory.
  class Server
    HOST = "127.0.0.1".freeze
    START_SECONDS = 60
    STOP_SECONDS = 10
    DEFAULTS = { "bind" => HOST, "port" => "auto", "save" => "", "appendonly" => "no",
                 "enable-test-commands" => "local", "exit-with-parent" => "yes" }.freeze

    attr_reader :host, :port, :pid, :dir

    # The path of stet-server: STET_BINARY, else the one in this gem.
    def self.binary
      own = File.expand_path("../../programs/bin/stet-server", __dir__)
      given = ENV["STET_BINARY"]
      return given if given && !given.empty?
      return own if File.executable?(own)

      raise StartError, "stet: this gem has no program for #{RUBY_PLATFORM}. " \
                        "Set STET_BINARY to the path of a stet-server."
    end

    def self.start(params)
      program = binary
      dir = Dir.mktmpdir("stet-")
      said = File.join(dir, "said")
      pid = Process.spawn(program, *command_line(dir, params), chdir: dir, in: File::NULL, %i[out err] => said)
      new(pid, dir, wait_ready(pid, dir))
    rescue StandardError
      FileUtils.rm_rf(dir) if dir
      raise
    end

    # An array is several words, nil leaves a default out, _ in a name is -.
    def self.command_line(dir, params)
      all = DEFAULTS.merge("dir" => dir, "port-file" => File.join(dir, "port"),
                           "logfile" => File.join(dir, "server.log"))
      params.each { |name, value| all[name.to_s.tr("_", "-")] = value }
      all.compact.flat_map { |name, value| ["--#{name}", *Array(value).map(&:to_s)] }
    end

    # The port, once the server has written it: then it serves.
    def self.wait_ready(pid, dir)
      until_s = now + START_SECONDS
      while now < until_s
        port = text(File.join(dir, "port"))
        return port.to_i if port.end_with?("\n")

        _, status = Process.wait2(pid, Process::WNOHANG)
        if status
          raise StartError, "stet: the server has ended with #{status.exitstatus}:\n" +
                            text(File.join(dir, "said")) + text(File.join(dir, "server.log"))
        end
        sleep 0.001
      end
      Process.kill(:KILL, pid)
      Process.wait(pid)
      raise StartError, "stet: the server did not serve within #{START_SECONDS} s"
    end

    def self.text(path)
      File.exist?(path) ? File.read(path) : ""
    end

    def self.now
      Process.clock_gettime(Process::CLOCK_MONOTONIC)
    end
    private_class_method :command_line, :wait_ready, :now

    def initialize(pid, dir, port)
      @host = HOST
      @pid = pid
      @dir = dir
      @port = port
    end

    def url
      "redis://#{host}:#{port}"
    end

    # Sends any command; an error reply raises a ReplyError.
    def call(*words)
      @connection ||= Connection.new(host, port)
      @connection.call(*words)
    rescue SystemCallError, IOError
      @connection = nil
      raise
    end

    # Sends a TEST command: test("CLOCK", "ADVANCE", 1000).
    def test(*words)
      call("TEST", *words)
    end

    # Sends TEST RESET: as after the start.
    def reset
      call("TEST", "RESET")
    end

    def log
      self.class.text(File.join(dir, "server.log"))
    end

    def stop
      return unless @pid

      @connection&.close
      @connection = nil
      Process.kill(:TERM, @pid)
      reaper = Process.detach(@pid)
      unless reaper.join(STOP_SECONDS)
        Process.kill(:KILL, @pid)
        reaper.join
      end
      @pid = nil
      FileUtils.rm_rf(dir)
    end
  end
end
