# SPDX-License-Identifier: BSD-3-Clause
# Built by tools/packages, which puts the programs below programs/.
Gem::Specification.new do |s|
  s.name = "stet"
  s.version = ENV.fetch("STET_VERSION")
  s.platform = "x86_64-linux"
  s.summary = "A Redis-compatible server as a test double, with helpers for RSpec"
  s.authors = ["the stet authors"]
  s.license = "BSD-3-Clause"
  s.required_ruby_version = ">= 2.7"
  s.files = Dir["lib/**/*.rb", "programs/**/*"].select { |f| File.file?(f) }.sort
end
