# SPDX-License-Identifier: BSD-3-Clause
"""install - installs what tools/packages has made, each package with its own tool into a directory, without a network.

Each function takes a directory and returns it. The packages are those of build/packages, or of $STET_PACKAGES.
"""
import glob
import json
import os
import shutil
import subprocess
import sys
import tarfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib")]
from server import ROOT, Failed  # noqa: E402

PACKAGES = os.path.abspath(os.environ.get("STET_PACKAGES", os.path.join(ROOT, "build", "packages")))
NPM = os.path.join(ROOT, "build", "double", "npm")  # tests/double/package.json
PYTHON, RUBY = "/usr/bin/python3", "/usr/bin/ruby"  # Debian's, which find Debian's packages
VERSION = open(os.path.join(ROOT, "VERSION")).read().strip()
GO_MODULE = "stet.example/stet"
SECONDS = 300
# Debian's package for each program that is run here
DEBIAN = {"node": "nodejs", "npm": "npm", "php": "php-cli", "phpunit": "phpunit", "composer": "composer", "gem": "ruby",
          "rspec": "ruby-rspec-core", "go": "golang-go", "java": "default-jre-headless", "javac": "default-jdk-headless"}


def environment(**more):
    """Without a STET_BINARY: a package has to find its own program."""
    env = {k: v for k, v in os.environ.items() if k not in ("STET_BINARY", "REDIS_URL", "REDIS_HOST", "REDIS_PORT")}
    return {**env, **more}


def run(*words, cwd=None, env=None, status=0):
    """What the command printed; anything but this exit status is a failure."""
    if "/" not in words[0] and not shutil.which(words[0]):
        raise Failed("'%s' is not installed (Debian: %s; tools/setup --clients installs it)" % (
            words[0], DEBIAN.get(words[0], "?")))
    p = subprocess.run(words, cwd=cwd, env=env or environment(), capture_output=True, text=True, timeout=SECONDS,
                       stdin=subprocess.DEVNULL)
    if p.returncode != status:
        raise Failed("%s: exit status %d\n%s%s" % (" ".join(words[:4]), p.returncode, p.stdout[-4000:], p.stderr[-2000:]))
    return p.stdout + p.stderr


def package(pattern):
    found = glob.glob(os.path.join(PACKAGES, pattern))
    if len(found) != 1:
        raise Failed("%d packages '%s' in %s; make packages builds them" % (len(found), pattern, PACKAGES))
    return found[0]


def tarball(dir):
    with tarfile.open(package("stet-*-linux-x86_64.tar.gz")) as t:
        t.extractall(dir)
    return os.path.join(dir, "stet-%s-linux-x86_64" % VERSION)


def npm(dir):
    run("npm", "install", "--offline", "--no-audit", "--no-fund", "--no-package-lock", "--prefix", dir,
        package("stet-%s.tgz" % VERSION), package("stet-linux-x64-gnu-*.tgz"))
    return dir


def wheel(dir):
    run(PYTHON, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", dir, package("*.whl"))
    return dir


def gem(dir):
    run("gem", "install", "--local", "--no-document", "--install-dir", dir, package("*.gem"))
    return dir


def composer(dir):
    with open(os.path.join(dir, "composer.json"), "w") as f:
        json.dump({"require": {"stet/stet": VERSION}, "repositories": [
            {"type": "artifact", "url": PACKAGES}, {"packagist.org": False}]}, f)
    run("composer", "install", "--quiet", "--no-interaction", cwd=dir,
        env=environment(COMPOSER_ALLOW_SUPERUSER="1", COMPOSER_HOME=os.path.join(dir, "home"), COMPOSER_DISABLE_NETWORK="1"))
    return dir


def go_env(dir):
    return environment(GOPROXY="file://" + os.path.join(PACKAGES, "go"), GONOSUMDB="*", GONOSUMCHECK="1", GOSUMDB="off",
                       GOFLAGS="-mod=mod -modcacherw", GOMODCACHE=os.path.join(dir, "modules"), GOTOOLCHAIN="local")


def go(dir):
    """A module that requires it."""
    run("go", "mod", "init", "example.test/app", cwd=dir, env=go_env(dir))
    run("go", "get", "%s@v%s" % (GO_MODULE, VERSION), cwd=dir, env=go_env(dir))
    return dir


def jars():
    """The jar, and what JUnit 5 consists of on Debian."""
    names = ["junit-jupiter-api", "junit-jupiter-engine", "junit-platform-commons", "junit-platform-engine",
             "junit-platform-launcher", "junit-platform-console", "junit-platform-reporting", "opentest4j",
             "apiguardian-api", "picocli", "univocity-parsers"]
    return [package("stet-*.jar")] + [p for p in ("/usr/share/java/%s.jar" % n for n in names) if os.path.exists(p)]


def junit(dir, *sources):
    """Compiles the tests into `dir` and runs them; what JUnit printed."""
    path = ":".join([dir, *jars()])
    run("javac", "-d", dir, "-cp", path, *sources)
    return run("java", "-cp", path, "org.junit.platform.console.ConsoleLauncher", "--disable-banner",
               "--scan-classpath", dir, "--details", "tree")
