#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""packages - what `make packages` has built: each package is installed into a temporary directory by its own tool,
without a network, and used. Also: programs that look for a redis-server take the one of the tarball.

  packages.py         all cases
  packages.py npm     only those with this in their names

The container's entry point is tested here, and the steps of its file in container.py.
"""
import os
import re
import signal
import subprocess
import sys
import tempfile
import textwrap

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
import install  # noqa: E402
from cases import Cases, check, equal, run_words  # noqa: E402
from install import GO_MODULE, NPM, PYTHON, RUBY, environment, package, run  # noqa: E402
from resp import Conn  # noqa: E402
from server import ROOT, free_port, wait_for  # noqa: E402

LIMIT_BYTES = 2 * 1000 * 1000
OF_THE_SYSTEM = ("linux-vdso", "libc.so", "libm.so", "ld-linux")
CASES = Cases()
case = CASES.case


def temporary():
    return tempfile.TemporaryDirectory(prefix="stet-packages-")


def write(dir, name, text):
    path = os.path.join(dir, name)
    with open(path, "w") as f:
        f.write(textwrap.dedent(text))
    return path


def is_gone(pid):
    """A zombie counts as gone: its new parent has not asked for it yet."""
    try:
        return open("/proc/%d/stat" % pid).read().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def temporary_files_in(dir):
    """A process that is killed leaves the directory of its server."""
    return environment(TMPDIR=dir, JAVA_TOOL_OPTIONS="-Djava.io.tmpdir=" + dir)


class Process:
    """A program under a directory, with what it prints in a file."""

    def __init__(self, dir, *words):
        self.said_path = os.path.join(dir, "said")
        with open(self.said_path, "wb") as said:
            self.proc = subprocess.Popen(words, cwd=dir, stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                                         env=temporary_files_in(dir))

    def said(self):
        return open(self.said_path, errors="replace").read()

    def wait_said(self, pattern):
        def look():
            check(self.proc.poll() is None or re.search(pattern, self.said(), re.I), "it has ended: " + self.said())
            return re.search(pattern, self.said(), re.I)
        return wait_for(look, pattern)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.proc.poll() is None:
            self.proc.kill()
        self.proc.wait()


# ---------------------------------------------------------------- the tarball

@case
def tarball_is_small_and_has_its_libraries():
    path = package("stet-*-linux-x86_64.tar.gz")
    check(os.path.getsize(path) < LIMIT_BYTES, "%d bytes" % os.path.getsize(path))
    with temporary() as dir:
        top = install.tarball(dir)
        for name in "stet-server", "stet-check-aof", "stet-check-rdb", "stet-backup":
            for library, where in re.findall(r"(\S+) =>? ?(\S+)", run("ldd", os.path.join(top, "bin", name))):
                check(library.startswith(OF_THE_SYSTEM) or os.path.realpath(where).startswith(os.path.realpath(top)),
                      "%s needs '%s'" % (name, library))
        for file in "README.md", "LICENSE", "redis-compat.conf", "licences/libisal-dev", "licences/libjemalloc-dev":
            check(os.path.getsize(os.path.join(top, file)) > 0, file)
    return "%d bytes" % os.path.getsize(path)


@case
def tarball_check_tools_run():
    with temporary() as dir:
        top = install.tarball(dir)
        with Process(dir, os.path.join(top, "bin", "stet-server"), "--port", "0", "--unixsocket", "s", "--save", "",
                     "--appendonly", "yes") as p:
            p.wait_said("Ready to accept connections unix")
            c = Conn(path=os.path.join(dir, "s"))
            c.call("SET", "k", "v")
            c.call("SAVE")
        said = run(os.path.join(top, "bin", "stet-check-aof"),
                   os.path.join(dir, "appendonlydir", "appendonly.aof.manifest"))
        check("valid" in said, said)
        said = run(os.path.join(top, "bin", "stet-check-rdb"), os.path.join(dir, "dump.rdb"))
        check("RDB looks OK" in said, said)


# ---------------------------------------------------------------- as redis-server

def redis_server(dir):
    return os.path.join(install.tarball(dir), "bin", "redis-server")


@case
def redis_server_tells_a_version():
    with temporary() as dir:
        said = run(redis_server(dir), "--version")
        major, minor = map(int, re.search(r"(\d+)\.(\d+)", said).groups())  # as pytest-redis reads it
        check((major, minor) >= (2, 6), said)
        check(re.search(r"v=(\d+)\.(\d+)\.(\d+) ", said), said)  # as hiredis' test.sh does


@case
def redis_server_as_redis_memory_server_starts_it():
    with temporary() as dir:
        program, port = redis_server(dir), free_port()
        words = [program, "--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--port", str(port)]
        with Process(dir, *words) as p:
            p.wait_said(r"Ready to accept connections")
            equal("PING", Conn(port).call("PING"), b"PONG")
            with temporary() as other, Process(other, *words) as second:
                second.proc.wait(60)
                check("Address already in use" in second.said(), second.said())
            p.proc.send_signal(signal.SIGINT)
            equal("exit status", p.proc.wait(60), 0)


@case
def redis_server_by_the_npm_package_redis_memory_server():
    with temporary() as dir:
        script = write(dir, "t.cjs", """\
            const {RedisMemoryServer} = require('redis-memory-server');
            const Redis = require('ioredis');
            (async () => {
                const server = new RedisMemoryServer();
                const r = new Redis({host: await server.getHost(), port: await server.getPort()});
                await r.set('k', 'v');
                console.log(await r.get('k'), (await r.info('server')).includes('server_name:stet'));
                r.disconnect();
                console.log('stopped', await server.stop());
            })();
            """)
        said = run("node", script, env=environment(NODE_PATH=os.path.join(NPM, "node_modules"),
                                                   REDISMS_SYSTEM_BINARY=redis_server(dir)))
        equal("output", said, "v true\nstopped true\n")


@case
def redis_server_as_pytest_redis_starts_it():
    with temporary() as dir:
        program, port = redis_server(dir), free_port()
        words = {"daemonize": "no", "rdbcompression": "yes", "rdbchecksum": "yes", "appendonly": "no", "databases": "8",
                 "timeout": "0", "pidfile": "redis.pid", "unixsocket": os.path.join(dir, "redis.sock"),
                 "dbfilename": "dump.rdb", "logfile": os.path.join(dir, "redis.log"), "loglevel": "notice",
                 "syslog-enabled": "no", "bind": "127.0.0.1", "port": str(port), "dir": dir, "requirepass": "secret"}
        with Process(dir, program, *[w for n, v in words.items() for w in ("--" + n, v)],
                     "--save", "900 1 300 10 60 10000") as p:
            wait_for(lambda: os.path.exists(os.path.join(dir, "redis.sock")) and "Ready to accept" in
                     open(os.path.join(dir, "redis.log")).read(), "the log")
            c = Conn(port)
            c.call("AUTH", "secret")
            equal("databases", c.call("CONFIG", "GET", "databases")[1], b"8")
            p.proc.send_signal(signal.SIGTERM)
            equal("exit status", p.proc.wait(60), 0)


@case
def redis_server_as_embedded_redis_starts_it():
    with temporary() as dir:
        program, port = redis_server(dir), free_port()
        conf = write(dir, "embedded.conf", "bind 127.0.0.1\nmaxmemory 128M\n")
        with Process(dir, program, conf, "--port", str(port)) as p:
            p.wait_said(r"[Rr]eady to accept connections")
            equal("maxmemory", Conn(port).call("CONFIG", "GET", "maxmemory")[1], b"128000000")


@case
def redis_server_on_a_unix_socket_and_over_standard_input_as_redis_rs_and_hiredis_start_it():
    with temporary() as dir:
        program, port = redis_server(dir), free_port()
        # hiredis' test.sh writes a configuration to a pipe, and waits for the pid file
        text = "port %d\nbind 127.0.0.1\nunixsocket %s/s\nunixsocketperm 777\npidfile %s/pid\nenable-debug-command local\n"
        with open(os.path.join(dir, "said"), "wb") as said:
            p = subprocess.Popen([program, "-"], cwd=dir, stdin=subprocess.PIPE, stdout=said, stderr=said)
        try:
            p.communicate((text % (port, dir, dir)).encode(), timeout=0.01)
        except subprocess.TimeoutExpired:
            pass
        try:
            wait_for(lambda: os.path.exists(os.path.join(dir, "pid")), "the pid file")
            wait_for(lambda: "Ready to accept connections" in open(os.path.join(dir, "said")).read(), "readiness")
            equal("unix", Conn(path=os.path.join(dir, "s")).call("PING"), b"PONG")
            equal("TCP", Conn(port).call("PING"), b"PONG")
        finally:
            p.kill()
            p.wait()


# ---------------------------------------------------------------- npm

USES = """\
    const stet = require('stet');
    (async () => {
        const s = await stet.start({maxmemory: '10mb', save: null});
        await s.call('SET', 'k', 'v\\u00e9', 'PX', 1000);
        console.log(await s.call('GET', 'k'), (await s.call('CONFIG', 'GET', 'maxmemory'))[1]);
        console.log((await s.test('CLOCK', 'ADVANCE', 1000))[0], await s.call('GET', 'k'));
        await s.call('SET', 'k', 1);
        await s.reset();
        console.log(await s.call('DBSIZE'), s.url === `redis://127.0.0.1:${s.port}`);
        await s.call('NOSUCH').catch((e) => console.log(e instanceof stet.ReplyError, e.message.slice(0, 19)));
        await s.stop();
        console.log(require('fs').existsSync(s.dir));
    })();
    """


@case
def npm_starts_moves_the_clock_resets_and_stops():
    with temporary() as dir:
        install.npm(dir)
        equal("output", run("node", write(dir, "t.cjs", USES), cwd=dir),
              "v\u00e9 10485760\nexpired null\n0 true\ntrue ERR unknown command\nfalse\n")


def left_by(dir, *words):
    """Starts a program that prints the pid of its server and waits; kills it, and waits for the server's end."""
    with Process(dir, *words) as p:
        pid = int(wait_for(lambda: re.search(r"pid (\d+)\n", p.said()), "the pid")[1])
        p.proc.kill()
        p.proc.wait()
        wait_for(lambda: is_gone(pid), "the server stops after its parent was killed")


@case
def npm_server_ends_with_its_parent():
    with temporary() as dir:
        install.npm(dir)
        left_by(dir, "node", write(dir, "t.cjs", """\
            require('stet').start().then((s) => { console.log('pid ' + s.pid); setInterval(() => {}, 1000); });
            """))


@case
def npm_process_that_forgets_to_stop_ends():
    with temporary() as dir:
        install.npm(dir)
        said = run("node", write(dir, "t.cjs", """\
            require('stet').start().then(async (s) => { await s.test('CLOCK', 'GET'); console.log(s.pid); });
            """), cwd=dir)
        wait_for(lambda: is_gone(int(said)), "the server stops")


@case
def npm_takes_another_binary_and_tells_why_a_start_fails():
    with temporary() as dir:
        install.npm(dir)
        script = write(dir, "t.cjs", """\
            require('stet').start({nosuch: 1}).catch((e) => console.log(e.message));
            """)
        said = run("node", script, cwd=dir)
        check("the server has ended with 1" in said and "Bad directive" in said, said)
        said = run("node", script, cwd=dir, env=environment(STET_BINARY="/nonexistent/stet"))
        check("cannot start '/nonexistent/stet'" in said, said)
        top = install.tarball(dir)
        script = write(dir, "b.cjs", "console.log(require('stet').binary())")
        own = os.path.join(top, "bin", "stet-server")
        equal("binary", run("node", script, cwd=dir, env=environment(STET_BINARY=own)), own + "\n")


@case
def npm_has_types():
    with temporary() as dir:
        install.npm(dir)
        good = write(dir, "good.ts", """\
            import { start, connect, ReplyError, type Server } from 'stet';
            export async function f(): Promise<number> {
                const s = await start({ maxmemory: '1mb', save: null, 'client-output-buffer-limit': ['normal', 0, 0, 0] });
                await s.test('CLOCK', 'ADVANCE', 5);
                const other: Server = connect(s.url);
                await other.reset();
                await s.stop();
                return s.port + s.pid;
            }
            export const e = new ReplyError('x');
            """)
        bad = write(dir, "bad.ts", "import { start } from 'stet';\nstart({ maxmemory: {} });\n")
        tsc = [os.path.join(NPM, "node_modules", ".bin", "tsc"), "--strict", "--noEmit", "--module", "nodenext",
               "--lib", "es2022"]
        run(*tsc, good, cwd=dir)
        check("TS2322" in run(*tsc, bad, cwd=dir, status=2), "a wrong parameter is accepted")


@case
def npm_has_the_program_itself():
    with temporary() as dir:
        install.npm(dir)
        said = run(os.path.join(dir, "node_modules", ".bin", "stet-server"), "--version")
        check("server v=" in said, said)


# ---------------------------------------------------------------- Python

@case
def wheel_starts_moves_the_clock_resets_and_stops():
    with temporary() as dir:
        install.wheel(dir)
        script = write(dir, "t.py", """\
            import os, stet
            with stet.start(maxmemory="10mb", save=None) as s:
                s.call("SET", "k", "v\\u00e9", "PX", 1000)
                print(ascii(s.call("GET", "k")), s.call("CONFIG", "GET", "maxmemory")[1])
                print(s.test("CLOCK", "ADVANCE", 1000)[0], s.call("GET", "k"))
                s.call("SET", "k", 1)
                s.reset()
                print(s.call("DBSIZE"))
                try:
                    s.call("NOSUCH")
                except stet.ReplyError as e:
                    print(str(e)[:19])
            print(os.path.exists(s.dir))
            try:
                stet.start(nosuch=1)
            except stet.StartError as e:
                print("Bad directive" in str(e))
            """)
        equal("output", run(PYTHON, script, env=environment(PYTHONPATH=dir)),
              "'v\\xe9' 10485760\nexpired None\n0\nERR unknown command\nFalse\nTrue\n")
        check("server v=" in run(PYTHON, "-m", "stet", "--version", env=environment(PYTHONPATH=dir)), "python -m stet")


@case
def wheel_server_ends_with_its_parent():
    with temporary() as dir:
        install.wheel(dir)
        script = write(dir, "t.py", """\
            import signal, stet
            print("pid %d" % stet.start().pid, flush=True)
            signal.pause()
            """)
        left_by(dir, PYTHON, script)


@case
def wheel_list_of_files_is_right():
    with temporary() as dir:
        install.wheel(dir)  # pip compares the hashes of RECORD only when it uninstalls
        said = run(PYTHON, "-c", """if True:
            import base64, csv, hashlib, sys, zipfile
            z = zipfile.ZipFile(sys.argv[1])
            rows = {r[0]: r for r in csv.reader(z.read([n for n in z.namelist() if n.endswith('/RECORD')][0]).decode().split())}
            for n in z.namelist():
                want = 'sha256=' + base64.urlsafe_b64encode(hashlib.sha256(z.read(n)).digest()).rstrip(b'=').decode()
                assert n.endswith('/RECORD') or rows[n][1:] == [want, str(len(z.read(n)))], n
            print(len(rows) == len(z.namelist()))""", package("*.whl"))
        equal("RECORD", said, "True\n")


# ---------------------------------------------------------------- the other languages

@case
def gem_starts_moves_the_clock_resets_and_stops():
    with temporary() as dir:
        install.gem(dir)
        script = write(dir, "t.rb", """\
            require "stet"
            s = Stet.start(maxmemory: "10mb", save: nil)
            s.call("SET", "k", "v\\u00e9", "PX", 1000)
            puts s.call("GET", "k") == "v\\u00e9", s.call("CONFIG", "GET", "maxmemory")[1]
            puts s.test("CLOCK", "ADVANCE", 1000)[0], s.call("GET", "k").inspect
            s.call("SET", "k", 1)
            s.reset
            puts s.call("DBSIZE")
            begin
              s.call("NOSUCH")
            rescue Stet::ReplyError => e
              puts e.message[0, 19]
            end
            s.stop
            puts File.exist?(s.dir)
            begin
              Stet.start(nosuch: 1)
            rescue Stet::StartError => e
              puts e.message.include?("Bad directive")
            end
            """)
        equal("output", run(RUBY, script, env=environment(GEM_PATH=dir)),
              "true\n10485760\nexpired\nnil\n0\nERR unknown command\nfalse\ntrue\n")


@case
def gem_server_ends_with_its_parent():
    with temporary() as dir:
        install.gem(dir)
        script = write(dir, "t.rb", 'require "stet"\nputs "pid #{Stet.start.pid}"\n$stdout.flush\nsleep\n')
        os.environ["GEM_PATH"] = dir
        try:
            left_by(dir, RUBY, script)
        finally:
            del os.environ["GEM_PATH"]


PHP = """\
    <?php
    require __DIR__ . '/vendor/autoload.php';
    $s = Stet\\Server::start(['maxmemory' => '10mb', 'save' => null]);
    $s->call('SET', 'k', "v\\u{e9}", 'PX', 1000);
    echo $s->call('GET', 'k'), ' ', $s->call('CONFIG', 'GET', 'maxmemory')[1], "\\n";
    echo $s->test('CLOCK', 'ADVANCE', 1000)[0], ' ', var_export($s->call('GET', 'k'), true), "\\n";
    $s->call('SET', 'k', 1);
    $s->reset();
    echo $s->call('DBSIZE'), "\\n";
    try {
        $s->call('NOSUCH');
    } catch (Stet\\ReplyError $e) {
        echo substr($e->getMessage(), 0, 19), "\\n";
    }
    $s->stop();
    var_dump(is_dir($s->dir));
    try {
        Stet\\Server::start(['nosuch' => 1]);
    } catch (RuntimeException $e) {
        var_dump(str_contains($e->getMessage(), 'Bad directive'));
    }
    """


@case
def composer_starts_moves_the_clock_resets_and_stops():
    with temporary() as dir:
        install.composer(dir)
        equal("output", run("php", write(dir, "t.php", PHP), cwd=dir),
              "v\u00e9 10485760\nexpired NULL\n0\nERR unknown command\nbool(false)\nbool(true)\n")


@case
def composer_server_ends_with_its_parent():
    with temporary() as dir:
        install.composer(dir)
        left_by(dir, "php", write(dir, "t.php", """\
            <?php
            require __DIR__ . '/vendor/autoload.php';
            $s = Stet\\Server::start();
            echo 'pid ', $s->pid(), "\\n";
            while (true) { sleep(1); }
            """))


@case
def composer_extension_of_phpunit_10_has_right_syntax():
    """Debian 12 has PHPUnit 9: Hooks runs (tests/double), Extension is only parsed here."""
    with temporary() as dir:
        install.composer(dir)
        run("php", "-l", os.path.join(dir, "vendor", "stet", "stet", "src", "PHPUnit", "Extension.php"))
    return "only its syntax; PHPUnit 10 is not in Debian 12"


@case
def go_starts_moves_the_clock_resets_and_stops():
    with temporary() as dir:
        install.go(dir)
        write(dir, "app_test.go", """\
            package app

            import (
                "os"
                "testing"

                "%s"
            )

            func TestAll(t *testing.T) {
                s, err := stet.Run("--maxmemory", "10mb")
                if err != nil {
                    t.Fatal(err)
                }
                s.Do("SET", "k", "v", "PX", 1000)
                if v, err := s.Do("GET", "k"); v != "v" || err != nil {
                    t.Fatal(v, err)
                }
                s.Test(t, "CLOCK", "ADVANCE", 1000)
                if v, err := s.Do("GET", "k"); v != nil || err != nil {
                    t.Fatal(v, err)
                }
                s.Do("SET", "k", 1)
                s.Reset(t)
                if n, err := s.Do("DBSIZE"); n != int64(0) || err != nil {
                    t.Fatal(n, err)
                }
                if _, err := s.Do("NOSUCH"); err == nil {
                    t.Fatal("no error")
                }
                s.Stop()
                if _, err := os.Stat(s.Dir); err == nil {
                    t.Fatal("directory left")
                }
                if _, err := stet.Run("--nosuch", "1"); err == nil {
                    t.Fatal("started")
                }
            }
            """ % GO_MODULE)
        check("ok" in run("go", "test", "-vet=off", "./...", cwd=dir, env=install.go_env(dir)), "go test")


@case
def go_server_ends_with_its_parent():
    with temporary() as dir:
        install.go(dir)
        write(dir, "main.go", """\
            package main

            import (
                "fmt"

                "%s"
            )

            func main() {
                started := make(chan *stet.Server)
                go func() {
                    s, err := stet.Run()
                    if err != nil {
                        panic(err)
                    }
                    started <- s
                }()
                fmt.Printf("pid %%d\\n", (<-started).PID())
                select {}
            }
            """ % GO_MODULE)
        run("go", "build", "-o", "app", ".", cwd=dir, env=install.go_env(dir))
        left_by(dir, os.path.join(dir, "app"))


JAVA = """\
    import stet.*;

    public class T {
        public static void main(String[] args) throws Exception {
            Stet s = Stet.start("--maxmemory", "10mb");
            s.call("SET", "k", "v", "PX", 1000);
            System.out.println(s.call("GET", "k"));
            s.test("CLOCK", "ADVANCE", 1000);
            System.out.println(s.call("GET", "k"));
            s.call("SET", "k", 1);
            s.reset();
            System.out.println(s.call("DBSIZE"));
            try {
                s.call("NOSUCH");
            } catch (ReplyException e) {
                System.out.println(e.getMessage().substring(0, 19));
            }
            s.close();
            System.out.println(ProcessHandle.of(s.pid()).isPresent());
            try {
                Stet.start("--nosuch", "1");
            } catch (IllegalStateException e) {
                System.out.println(e.getMessage().contains("Bad directive"));
            }
            if (args.length > 0) {
                Stet[] left = new Stet[1];
                Thread starter = new Thread(() -> left[0] = Stet.start());
                starter.start();
                starter.join(); // the thread that forked is gone, the server stays
                left[0].call("PING");
                System.out.println("pid " + left[0].pid());
                Thread.sleep(Long.MAX_VALUE);
            }
        }
    }
    """


@case
def jar_starts_moves_the_clock_resets_and_stops():
    with temporary() as dir:
        path = ":".join([dir, *install.jars()])
        run("javac", "-d", dir, "-cp", path, write(dir, "T.java", JAVA))
        equal("output", run("java", "-cp", path, "T"), "v\nnull\n0\nERR unknown command\nfalse\ntrue\n")


@case
def jar_server_outlives_the_thread_and_ends_with_its_parent():
    with temporary() as dir:
        path = ":".join([dir, *install.jars()])
        run("javac", "-d", dir, "-cp", path, write(dir, "T.java", JAVA))
        left_by(dir, "java", "-cp", path, "T", "stay")


# ---------------------------------------------------------------- the container

@case
def container_entry_point_takes_options_and_programs():
    text = open(os.path.join(ROOT, "packages", "Containerfile")).read()
    entry = eval(re.search(r"^ENTRYPOINT (\[.*\])$", text, re.M)[1])
    with temporary() as dir:
        bin = os.path.dirname(redis_server(dir))
        env = environment(PATH=bin + ":" + os.environ["PATH"])
        for words in ["--version"], ["redis-server", "--version"], ["stet-server", "--version"]:
            check("server v=" in run(*entry, *words, env=env), " ".join(words))
        equal("another program", run(*entry, "echo", "a b", env=env), "a b\n")


if __name__ == "__main__":
    sys.exit(run_words("packages", CASES, "held "))
