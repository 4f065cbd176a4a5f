# SPDX-License-Identifier: BSD-3-Clause
require "socket"

module Stet
  # The server answered with an error.
  class ReplyError < StandardError; end

  # A connection that sends commands and gets RESP2 replies: what the TEST commands need.
  class Connection
    def initialize(host, port)
      @socket = TCPSocket.new(host, port)
      @socket.setsockopt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1)
    end

    # The reply; an error reply raises a ReplyError.
    def call(*words)
      out = +"*#{words.size}\r\n".b
      words.each { |word| out << "$#{word.to_s.bytesize}\r\n".b << word.to_s.b << "\r\n".b }
      @socket.write(out)
      reply = read
      raise reply if reply.is_a?(ReplyError)

      reply
    end

    def close
      @socket.close
    end

    private

    def read
      line = @socket.gets("\r\n") or raise EOFError, "stet: the server has closed the connection"
      text = line[1..-3]
      case line[0]
      when "+" then text
      when "-" then ReplyError.new(text)
      when ":" then text.to_i
      when "$" then text == "-1" ? nil : bulk(text.to_i)
      when "*" then text == "-1" ? nil : Array.new(text.to_i) { read }
      else raise IOError, "stet: not a RESP2 reply: #{line.inspect}"
      end
    end

    def bulk(size)
      data = @socket.read(size + 2)
      raise EOFError, "stet: the server has closed the connection" if data.nil? || data.bytesize < size + 2

      data.byteslice(0, size).force_encoding(Encoding::UTF_8)
    end
  end
end
