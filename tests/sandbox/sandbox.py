#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""sandbox - what a server that was taken over cannot do, tried from within a real server (probe.so);
what it still can; and another user.

  sandbox.py             all
  sandbox.py user        only the tests with this in their names
"""
import ctypes
import errno
import glob
import os
import pwd
import re
import shutil
import signal
import socket
import stat
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib")]
# Other users have to reach the servers' folders, and the folder around them has to be a shared one.
tempfile.tempdir = os.environ["TMPDIR"] = "/tmp"
from cases import ask, check, equal, run_words  # noqa: E402
from server import SERVER, TOOLS, Server, free_port, is_stet, wait_for, wait_info  # noqa: E402
from tls import Certs, TlsConn, context, server_args  # noqa: E402

PROBE = os.path.join(TOOLS, "probe.so")
SYSCALLS_REFUSED = """execve execveat ptrace process_vm_readv process_vm_writev mount umount2 chroot
    pivot_root bpf init_module keyctl add_key unshare setns perf_event_open userfaultfd
    io_uring_setup personality setuid setresuid setgroups capset seccomp memfd_create socketpair
    fchownat symlinkat mknodat reboot pidfd_open open_by_handle_at socket_netlink socket_packet
    socket_raw socket_unix socket_sctp map_code make_code clone_namespace type_ahead dumpable
    limits_of_others""".split()
FILES_REFUSED = """read_home list_home write_outside make_outside truncate_outside link_from_outside
    unlink_outside write_etc write_proc""".split()
HOME = os.path.expanduser("~")
POSSIBLE = "socket_tcp socket_tcp6 socket_udp read_etc make_inside".split()


MPTCP = 262  # IPPROTO_MPTCP


def landlock():
    """The version of the kernel's Landlock, 0 for none."""
    return max(0, ctypes.CDLL(None).syscall(444, None, 0, 1))


def status(pid):
    """{task: {field: value}} of all threads."""
    tasks = {}
    for t in os.listdir("/proc/%d/task" % pid):
        lines = open("/proc/%d/task/%s/status" % (pid, t)).read().splitlines()
        tasks[t] = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    return tasks


class Probed(Server):
    """A server with the probe in it."""

    def __init__(self, *args, **kw):
        self.outside = tempfile.mkdtemp(prefix="stet-outside-")
        self.home = tempfile.mkdtemp(prefix="stet-outside-", dir=HOME)
        for d in (self.outside, self.home):
            open(os.path.join(d, "secret"), "w").close()
        super().__init__(*args, env={"LD_PRELOAD": PROBE, "STET_PROBE_OUTSIDE": self.outside,
                                     "STET_PROBE_HOME": self.home}, **kw)

    def __exit__(self, *exc):
        super().__exit__(*exc)
        shutil.rmtree(self.outside)
        shutil.rmtree(self.home)

    def probe(self):
        """{attempt: errno}"""
        self.proc.send_signal(signal.SIGUSR2)
        self.wait_log("probe end 0")
        return {n: int(c) for n, c in re.findall(r"^probe (\w+) (\d+)$", self.log(), re.M)}


# ------------------------------------------------------------------ what is refused

def an_intruder_gets_nowhere():
    with Probed("--appendonly", "yes") as s:
        got = s.probe()
        equal("refused", {n: got[n] for n in SYSCALLS_REFUSED if got[n] != errno.EPERM}, {})
        equal("clone3", got["clone3"], errno.ENOSYS)  # the C library takes clone then
        if landlock() >= 2:
            equal("files", {n: got[n] for n in FILES_REFUSED if got[n] not in (errno.EACCES, errno.EXDEV)}, {})
            check(os.path.exists(os.path.join(s.outside, "secret")), "the file outside is still there")
        if landlock() >= 6:
            equal("signals", got["signal_others"], errno.EPERM)
        equal("possible", {n: got[n] for n in POSSIBLE if got[n]}, {})
        equal("serves", s.conn().call("SET", "k", "v"), b"OK")
        return "%d attempts" % len(got)


def without_it_the_same_attempts_work():
    """So that the test above shows the sandbox, and not a probe that cannot do anything."""
    with Probed("--sandbox", "no") as s:
        got = s.probe()
        for name in ("execve", "execveat", "ptrace", "personality", "socketpair", "memfd_create", "socket_unix",
                     "map_code", "make_code", "dumpable", "limits_of_others", "signal_others", "read_home",
                     "list_home", "write_outside", "make_outside", "truncate_outside", "unlink_outside"):
            want = errno.EFAULT if name == "socketpair" else 0
            check(got[name] in (0, want, errno.EAFNOSUPPORT), "%s: %s" % (name, os.strerror(got[name])))
        equal("seccomp", {t["Seccomp"] for t in status(s.proc.pid).values()}, {"0"})
        check("Sandbox: off." in s.log(), "the log says that it is off")


def every_thread_and_child_is_in_it():
    with Server("--appendonly", "yes", "--enable-debug-command", "yes") as s:
        c = s.conn()
        for i in range(3):
            c.call("SET", "k%d" % i, "v" * 1000)
        tasks = status(s.proc.pid)
        check(len(tasks) > 2, "%d threads" % len(tasks))
        c.call("CONFIG", "SET", "rdb-key-save-delay", "200000")
        c.call("BGSAVE")
        child = wait_for(lambda: open("/proc/%d/task/%d/children" % (s.proc.pid, s.proc.pid)).read().split(), "a child")
        tasks.update(status(int(child[0])))
        for name, want in (("Seccomp", "2"), ("NoNewPrivs", "1"), ("CapEff", None)):
            values = {t[name] for t in tasks.values()}
            check(values == {want} if want else len(values) == 1, "%s: %s" % (name, values))
        caps = int(next(iter(tasks.values()))["CapEff"], 16)
        for bit, name in ((12, "NET_ADMIN"), (13, "NET_RAW"), (16, "SYS_MODULE"), (17, "SYS_RAWIO"), (19, "SYS_PTRACE"),
                          (21, "SYS_ADMIN"), (22, "SYS_BOOT"), (6, "SETGID"), (7, "SETUID")):
            check(not caps >> bit & 1, "CAP_%s is still there" % name)
        log = s.log()
        check("Sandbox: system calls (seccomp) are limited." in log, log)
        check(("Sandbox: files (Landlock) are limited." in log) == (landlock() >= 2), log)


def threads_have_their_names():
    """A thread of another name is opened below /proc, where the sandbox lets nothing be written."""
    with Server("--appendonly", "yes") as s:
        names = set()
        for task in glob.glob("/proc/%d/task/*/comm" % s.proc.pid):
            with open(task) as f:
                names.add(f.read().strip())
        check({"aof-writer", "aof-sync"} <= names, "threads are called %s" % sorted(names))
        equal("the main thread", open("/proc/%d/comm" % s.proc.pid).read().strip(), "stet-server")


def a_dir_that_may_change_has_no_file_rules():
    with Probed("--enable-protected-configs", "local") as s, tempfile.TemporaryDirectory() as other:
        equal("dir", ask(s.conn(), "CONFIG", "SET", "dir", other), b"OK")
        equal("save", ask(s.conn(), "SAVE"), b"OK")
        check(os.path.exists(os.path.join(other, "dump.rdb")), "saved in the new directory")
        s.wait_log("Sandbox: files (Landlock) are NOT limited: enable-protected-configs is on")
        got = s.probe()
        equal("execve", got["execve"], errno.EPERM)
        equal("a file elsewhere", got["write_outside"], 0)


# ------------------------------------------------------------------ what goes on working

def files_of_the_configuration_are_reached():
    with tempfile.TemporaryDirectory() as etc, tempfile.TemporaryDirectory() as var, \
            tempfile.TemporaryDirectory() as backups, tempfile.TemporaryDirectory() as fast:
        def path(name):
            return os.path.join(var, name)
        with open(os.path.join(etc, "redis.conf"), "w") as f:
            f.write("hz 11\nappendonly yes\n")
        open(os.path.join(etc, "users.acl"), "w").close()
        with Server(start=False) as s:
            s.conf = [os.path.join(etc, "redis.conf")]
            os.symlink(fast, os.path.join(s.dir, "appendonlydir"))  # on another disk
            s.start("--aclfile", os.path.join(etc, "users.acl"), "--pidfile",
                    path("redis.pid"), "--unixsocket", path("redis.sock"), "--logfile", path("redis.log"),
                    "--backup-dir", os.path.join(backups, "made"))
            c = s.conn()
            equal("pid", int(open(path("redis.pid")).read()), s.proc.pid)
            equal("set", ask(c, "CONFIG", "SET", "hz", "12"), b"OK")
            equal("rewrite", ask(c, "CONFIG", "REWRITE"), b"OK")
            check("hz 12" in open(os.path.join(etc, "redis.conf")).read(), "rewritten")
            equal("acl", ask(c, "ACL", "SETUSER", "alice", "on", "nopass"), b"OK")
            equal("acl save", ask(c, "ACL", "SAVE"), b"OK")
            equal("acl load", ask(c, "ACL", "LOAD"), b"OK")
            check("user alice" in open(os.path.join(etc, "users.acl")).read(), "saved")
            os.rename(path("redis.log"), path("redis.log.1"))
            wait_for(lambda: os.path.exists(path("redis.log")), "the log is made again")
            for i in range(50):
                c.call("SET", "k%d" % i, "v" * 100)
            equal("rewrite", ask(c, "BGREWRITEAOF")[:10], b"Background")
            wait_info(c, "aof_rewrite_in_progress", lambda v: v == "0")
            equal("status", c.info("persistence")["aof_last_bgrewrite_status"], "ok")
            check(os.listdir(fast), "the log is on the other disk")
            check(int(c.info("persistence")["aof_last_cow_size"]) > 0, "a child reads its own figures")
            equal("backup", ask(c, "BACKUP", "START") is not None, True)
            wait_for(lambda: os.listdir(os.path.join(backups, "made")),
                     "a backup")
            equal("moved port", ask(c, "CONFIG", "SET", "bind", "127.0.0.1"), b"OK")
            equal("status", s.stop(), 0)
            equal("gone", [n for n in os.listdir(var) if not n.startswith("redis.log")], [])


def tls_files_may_come_from_anywhere_but_homes():
    with tempfile.TemporaryDirectory() as here, tempfile.TemporaryDirectory() as there, \
            tempfile.TemporaryDirectory(dir=HOME) as hidden:
        certs = [Certs(d) for d in (here, there, hidden)]
        pairs, port = [c.pair("a") for c in certs], free_port()
        with Server(*server_args(certs[0], pairs[0], port, "--tls-auth-clients", "no")) as s:
            c = s.conn()
            equal("there", ask(c, "CONFIG", "SET", "tls-cert-file", pairs[1][0], "tls-key-file", pairs[1][1]), b"OK")
            equal("handshake", TlsConn(port, context(certs[1])).call("PING"), b"PONG")
            if landlock() >= 2:
                error = ask(c, "CONFIG", "SET", "tls-cert-file", pairs[2][0], "tls-key-file", pairs[2][1])
                check("the sandbox hides '%s'" % pairs[2][0] in str(error), str(error))
            equal("as before", TlsConn(port, context(certs[1])).call("PING"), b"PONG")
        with Server(*server_args(certs[2], pairs[2], port, "--tls-auth-clients", "no")) as s:
            equal("at start", TlsConn(port, context(certs[2])).call("PING"), b"PONG")
            equal("again", ask(s.conn(), "CONFIG", "SET", "tls-cert-file", pairs[2][0]), b"OK")


def tls_may_be_turned_on_later():
    """OpenSSL is loaded within the sandbox."""
    with Server() as s:
        a, port = Certs(s.dir), free_port()
        pair = a.pair("one")
        equal("on", ask(s.conn(), "CONFIG", "SET", "tls-cert-file", pair[0], "tls-key-file", pair[1], "tls-ca-cert-file",
                        a.ca, "tls-auth-clients", "no", "tls-port", str(port)), b"OK")
        equal("handshake", TlsConn(port, context(a)).call("PING"), b"PONG")


def multipath_tcp_is_there_where_it_is_asked_for():
    """Also for a listener that is opened within the sandbox."""
    def fell_back(port):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM, MPTCP) as c:
            c.connect(("127.0.0.1", port))
            c.sendall(b"PING\r\n")
            equal("reply", c.recv(100), b"+PONG\r\n")
            try:
                c.getsockopt(284, 1, 100)  # SOL_MPTCP, MPTCP_INFO
                return False
            except OSError:
                return True
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, MPTCP).close()
    except OSError as e:
        print("  no Multipath TCP here: %s" % e)
        return
    for setting in ("no", "yes"):
        with Server("--mptcp", setting) as s:
            equal("at start", fell_back(s.port), setting == "no")
            port = free_port()
            s.conn().call("CONFIG", "SET", "port", port)
            equal("later", fell_back(port), setting == "no")
            s.port = port


def the_oom_score_is_set_later_and_for_children():
    with Server("--enable-debug-command", "yes") as s:
        def score(pid):
            return int(open("/proc/%s/oom_score_adj" % pid).read())
        c, before = s.conn(), score(s.proc.pid)
        c.call("SET", "k", "v")
        c.call("SET", "k2", "v")
        c.call("CONFIG", "SET", "oom-score-adj", "absolute", "oom-score-adj-values", "%d 200 800" % (before + 50))
        equal("own", score(s.proc.pid), before + 50)
        c.call("CONFIG", "SET", "rdb-key-save-delay", "300000")
        c.call("BGSAVE")
        child = wait_for(lambda: open("/proc/%d/task/%d/children" % (s.proc.pid, s.proc.pid)).read().split(), "a child")
        equal("child", score(child[0]), 800)
        equal("own, after the fork", score(s.proc.pid), before + 50)


def what_a_shared_directory_holds_is_not_replaced():
    """/root, as an example. The socket and the pid file are made there all the same."""
    if os.geteuid() != 0 or HOME != "/root" or landlock() < 2:
        return "needs root, its home and Landlock"
    names = [os.path.join(HOME, ".stet-%d.%s" % (os.getpid(), end)) for end in ("conf", "sock", "pid")]
    try:
        open(names[0], "w").write("hz 11\n")
        with Server(start=False) as s:
            s.conf = [names[0]]
            s.start("--unixsocket", names[1], "--pidfile", names[2])
            check("can be read and written to but not replaced" in s.log(), s.log())
            error = ask(s.conn(), "CONFIG", "REWRITE")
            check("Permission denied" in str(error), str(error))
            check(stat.S_ISSOCK(os.lstat(names[1]).st_mode) and os.path.exists(names[2]), "both are there")
            equal("status", s.stop(), 0)
        equal("left", [n for n in names if os.path.exists(n)], names[:1])
    finally:  # the attempt to rewrite has made an empty temporary file: files may be made, not written
        for n in glob.glob(os.path.join(HOME, ".stet-%d.*" % os.getpid())):
            os.unlink(n)


def an_ordinary_user_has_it_too():
    if os.geteuid() != 0:
        return "the other tests are of an ordinary user"
    with Server(start=False) as s:
        os.chown(s.dir, 65534, 65534)
        pid = os.fork()
        if pid == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            os.chdir(s.dir)
            out = os.open("other.log", os.O_WRONLY | os.O_CREAT, 0o644)
            os.dup2(out, 1)
            os.execv(s.program, [s.program, "--port", "0", "--unixsocket", "s.sock", "--appendonly", "yes"])
        try:
            log = os.path.join(s.dir, "other.log")
            wait_for(lambda: os.path.exists(log) and "Ready to accept" in open(log).read(), "it serves")
            equal("seccomp", {t["Seccomp"] for t in status(pid).values()}, {"2"})
            equal("files", "Sandbox: files (Landlock) are limited." in open(log).read(), landlock() >= 2)
        finally:
            os.kill(pid, signal.SIGTERM)
            equal("status", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)


def a_crash_leaves_its_report():
    with Server() as s:
        s.proc.send_signal(signal.SIGSEGV)
        wait_for(lambda: s.proc.poll() is not None, "it ends")
        equal("signal", s.proc.returncode, -signal.SIGSEGV)
        check("crashed by signal: 11" in s.log() and "stet-server(" in s.log(), s.log()[-500:])


# ------------------------------------------------------------------ another user

def refused_start(s, *args):
    s.spawn(*args)
    check(not s.wait_ready(), "it serves")
    equal("status", s.proc.returncode, 1)
    return s.log()


def the_user_must_exist():
    with Server(start=False) as s:
        log = refused_start(s, "--run-as-user", "no-such-user")
        check("run-as-user: there is no user 'no-such-user'" in log, log)
        log = refused_start(s, "--run-as-user", "daemon", "--run-as-group", "no-such-group")
        check("run-as-user: there is no group 'no-such-group'" in log, log)
        log = refused_start(s, "--run-as-group", "daemon")
        check("run-as-group needs run-as-user" in log, log)
        equal("files", [n for n in os.listdir(s.dir) if n != "server.log"], [])


def only_root_becomes_another_user():
    if os.geteuid() != 0:
        return "needs root"
    with Server(start=False) as s:
        os.chmod(s.dir, 0o777)
        pid = os.fork()
        if pid == 0:
            os.setgid(65534)
            os.setuid(65534)
            os.chdir(s.dir)
            out = os.open(os.path.join(s.dir, "other.log"), os.O_WRONLY | os.O_CREAT, 0o644)
            os.dup2(out, 1)
            os.execv(s.program, [s.program, "--port", "auto", "--run-as-user", "daemon"])
        equal("status", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 1)
        log = open(os.path.join(s.dir, "other.log")).read()
        check("run-as-user: only a start as root can become 'daemon'" in log, log)


def root_is_given_up(sandbox, *more):
    def test():
        if os.geteuid() != 0:
            return "needs root"
        with Server(start=False) as s:
            user = pwd.getpwnam("daemon")
            os.chmod(s.dir, 0o755)
            os.chown(s.dir, user.pw_uid, user.pw_gid)
            s.start("--run-as-user", "daemon", "--sandbox", sandbox, "--appendonly", "yes", "--unixsocket", "s.sock",
                    "--pidfile", "my.pid", "--logfile", "my.log", "--bind", "127.0.0.1", *more)
            gid = 65534 if more else user.pw_gid
            for t in status(s.proc.pid).values():
                equal("uid", t["Uid"].split(), [str(user.pw_uid)] * 4)
                equal("gid", t["Gid"].split(), [str(gid)] * 4)
                equal("capabilities", int(t["CapEff"], 16) | int(t["CapPrm"], 16), 0)
                check("0" not in t["Groups"].split(), "still in root's group")
            c = s.conn()
            c.call("SET", "k", "v")
            equal("save", ask(c, "SAVE"), b"OK")
            c.call("BGREWRITEAOF")
            wait_info(c, "aof_rewrite_in_progress", lambda v: v == "0")
            equal("status", c.info("persistence")["aof_last_bgrewrite_status"], "ok")
            check(int(c.info("persistence")["aof_last_cow_size"]) > 0, "/proc/self is its own")
            for folder, _, names in os.walk(s.dir):
                for name in names:
                    if name not in ("server.log",):
                        st = os.lstat(os.path.join(folder, name))
                        equal(name, (st.st_uid, st.st_gid), (user.pw_uid, gid))
            check(stat.S_ISSOCK(os.lstat(os.path.join(s.dir, "s.sock")).st_mode), "a socket")
            equal("status", s.stop(), 0)
            equal("gone", [n for n in os.listdir(s.dir) if n in ("s.sock", "my.pid")], [])
            s.spawn()
            check(s.wait_ready(), "starts again")
            equal("kept", s.conn().call("GET", "k"), b"v")
    return test


def a_low_port_is_bound_before():
    if os.geteuid() != 0:
        return "needs root"
    with Server(start=False) as s:
        os.chown(s.dir, 1, 1)
        for port in range(1000, 1024):
            s.spawn("--run-as-user", "daemon", "--port", str(port))
            s.port = port
            if s.wait_ready():
                equal("uid", status(s.proc.pid)[str(s.proc.pid)]["Uid"].split()[0], "1")
                return "port %d" % port
        check(False, "no low port")


TESTS = {
    "an intruder gets nowhere": an_intruder_gets_nowhere,
    "without it the same attempts work": without_it_the_same_attempts_work,
    "every thread and child is in it": every_thread_and_child_is_in_it,
    "threads have their names": threads_have_their_names,
    "a dir that may change has no file rules": a_dir_that_may_change_has_no_file_rules,
    "files of the configuration are reached": files_of_the_configuration_are_reached,
    "tls files from elsewhere": tls_files_may_come_from_anywhere_but_homes,
    "tls may be turned on later": tls_may_be_turned_on_later,
    "multipath TCP is there where it is asked for": multipath_tcp_is_there_where_it_is_asked_for,
    "the oom score is set later, and for children": the_oom_score_is_set_later_and_for_children,
    "what a shared directory holds is not replaced": what_a_shared_directory_holds_is_not_replaced,
    "an ordinary user has it too": an_ordinary_user_has_it_too,
    "a crash leaves its report": a_crash_leaves_its_report,
    "the user must exist": the_user_must_exist,
    "only root becomes another user": only_root_becomes_another_user,
    "root is given up for a user": root_is_given_up("yes"),
    "root is given up for a user and a group": root_is_given_up("yes", "--run-as-group", "nogroup"),
    "root is given up for a user, without the sandbox": root_is_given_up("no"),
    "a low port is bound before there is another user": a_low_port_is_bound_before,
}

if __name__ == "__main__":
    if not is_stet(SERVER):
        print("sandbox: only stet has it\nsandbox: 0 passed, 0 failed")
        sys.exit(0)
    if os.environ.get("STET_FLAVOUR", "release") != "release":
        print("sandbox: not in a build with sanitizers\nsandbox: 0 passed, 0 failed")
        sys.exit(0)
    sys.exit(run_words("sandbox", TESTS))
