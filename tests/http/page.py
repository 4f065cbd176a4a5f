#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""page - the page in a headless Chromium: what it shows equals INFO, keyboard, contrast, widths, states.

  page.py [WORD...]   only the cases with one of the words in their names; $STET_SHOTS: a directory for pictures
"""
import json
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from browser import PROGRAM, Browser  # noqa: E402
from cases import Cases, check, equal, run_words  # noqa: E402
from server import wait_for  # noqa: E402
from web import serve  # noqa: E402

cases = Cases()
case = cases.case
browser = None

# Text whose contrast to what is behind it is below 4.5.
CONTRAST = """(() => {
  const rgb = c => c.match(/[\\d.]+/g).map(Number);
  const light = c => { const [r, g, b] = rgb(c).map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b; };
  const behind = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
    if (rgb(c)[3] !== 0) return c; } return "rgb(255,255,255)"; };
  const bad = [];
  for (const e of document.querySelectorAll("body *")) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()) || !e.getClientRects().length) continue;
    const a = light(getComputedStyle(e).color), b = light(behind(e));
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) bad.push(e.textContent.slice(0, 30) + " " + ratio.toFixed(2));
  }
  return bad; })()"""


def text(selector):
    return browser.js("document.querySelector(%r).innerText" % selector).replace("\u00a0", " ")


def entries(name):
    """A definition list: {term: description}"""
    pairs = browser.js("""[...document.querySelectorAll('#%s dt')].map(
        t => [t.textContent, t.nextElementSibling.textContent])""" % name)
    return {k: v.replace("\u00a0", " ") for k, v in pairs}


def open_page(http, **kw):
    browser.open("http://127.0.0.1:%d/" % http, **kw)
    browser.wait("document.body && document.body.dataset.shown", "the page shows something")


def shot(name):
    if "STET_SHOTS" in os.environ:
        browser.shot(os.path.join(os.environ["STET_SHOTS"], name + ".png"))


def number(s):
    return int(re.sub(r"\D", "", s))


@case
def shows_what_info_says():
    with serve("--appendonly", "yes", "--maxmemory", "100mb", "--slowlog-log-slower-than", "0") as (s, http):
        c = s.conn()
        c.call("CLIENT", "SETNAME", "<i>someone</i>")
        for i in range(50):
            c.call("SET", "<img src=x onerror=alert(1)>%d" % i, "v", "EX", "1000")
        c.ask("LPUSH", "none", "x")
        c.ask("GET", "none")
        c.call("CONFIG", "SET", "hz", "20")
        open_page(http)
        info = c.info()
        browser.wait("last.info.total_commands_processed > %s && last.keys.seen === 51 && last.changed.length"
                     % info["total_commands_processed"], "an event after the last command")
        browser.wait("document.body.dataset.shown == last.real_ms", "it is shown")
        safe, full = entries("safe-list"), entries("full-list")
        check(safe["Append-only file"].startswith("on, "), safe)
        equal("limit", full["Limit"], "100 MiB, " + info["maxmemory_policy"])
        equal("keys", [number(n) for n in full["Keys, with a time to live"].split(", ")], [51, 50])
        check(("port " + info["tcp_port"]) in text("#about"), text("#about"))
        equal("title", text("#title"), "stet " + info["stet_version"])
        rows = browser.js("[...document.querySelectorAll('#commands tbody tr')].map(r => [...r.cells].map(c => c.innerText))")
        equal("calls of SET", [number(r[1]) for r in rows if r[0] == "set"], [50])
        equal("error", text("#errors tbody td"), "WRONGTYPE")
        check("<i>someone</i>" in text("#clients"), "names are shown as they are")
        check("<img src=x" in text("#keys"), "keys are shown as they are")
        check("hz" in text("#changed") and "20" in text("#changed"), text("#changed"))
        equal("live", text("#live"), "live")
        equal("complaints", browser.complaints(), [])
        equal("verdict", text("#safe-answer")[0], "✓")


@case
def widths_themes_and_contrast():
    with serve("--appendonly", "yes") as (s, http):
        s.conn().call("SET", "k" * 80, "v")
        for width, height in ((1280, 900), (390, 844)):
            open_page(http, width=width, height=height)
            browser.wait("document.querySelectorAll('#keys td').length > 1", "keys")
            for dark in (False, True):
                browser.theme(dark)
                check(browser.js("document.documentElement.scrollWidth") <= width, "wider than %d" % width)
                equal("contrast", browser.js(CONTRAST), [])
                dark_now = browser.js("getComputedStyle(document.documentElement).backgroundColor") != "rgb(244, 245, 243)"
                equal("dark", dark_now, dark)
                shot("%d-%s" % (width, "dark" if dark else "light"))


@case
def keyboard():
    with serve() as (s, http):
        s.conn().call("SET", "k", "v")
        open_page(http)
        browser.wait("document.querySelectorAll('#commands button').length", "the table")
        seen = []
        for _ in range(12):
            browser.key("Tab", 9)
            seen.append(browser.js("document.activeElement.innerText.trim() || document.activeElement.id"))
        check("Skip to the figures" in seen[0], seen)
        check("Pause" in seen and "Calls" in seen and "99 %" in seen, seen)
        browser.js("document.querySelector('#commands button[data-sort=calls]').focus()")
        browser.key("Enter", 13)
        equal("sorted by", browser.js("document.querySelector('[aria-sort]').innerText.trim()").split()[0], "Calls")
        shown = browser.js("document.body.dataset.shown")
        browser.wait("document.body.dataset.shown != %s" % shown, "another second")
        equal("focus stays", browser.js("document.activeElement.dataset.sort"), "calls")
        browser.js("document.querySelector('#pause').focus()")
        browser.key("Enter", 13)
        equal("paused", browser.js("document.querySelector('#pause').ariaPressed"), "true")
        shown = browser.js("document.body.dataset.shown")
        browser.wait("last.real_ms != %s" % shown, "another event")
        equal("what is shown stands still", browser.js("document.body.dataset.shown"), shown)
        named = browser.js("[...document.querySelectorAll('button, a, [tabindex=\"0\"]')].every(e => "
                           "e.innerText.trim() || e.getAttribute('aria-labelledby'))")
        check(named, "something that can be reached has no name")


@case
def verdicts():
    """Of states that do not last, or that a test does not reach: the figures of INFO are put in their place."""
    with serve("--appendonly", "yes", "--maxmemory", "100mb") as (s, http):
        s.conn().call("SET", "k", "v")
        open_page(http)
        browser.js("document.querySelector('#pause').click()")

        def say(which, level=None, **info):
            browser.js("""take({...last, level: %s, info: {...last.info, ...%s}}); show()""" %
                       (json.dumps(level) if level else "last.level", json.dumps(info)))
            return text("#%s-answer" % which)
        equal("everysec", say("safe"), "✓ A crash loses nothing. A power cut: about a second.")
        equal("always", say("safe", "synced"), "✓ Every acknowledged write is on disk.")
        equal("at risk under always", entries("safe-list")["At risk in a power cut"], "0 B")
        equal("loading", say("safe", loading="1", loading_loaded_perc="42.40", loading_eta_seconds="75"),
              "! Loading: 42 %, about 1 min 15 s left.")
        shot("loading")
        equal("a failed sync", say("safe", loading="0", aof_state="recovering"),
              "✗ A sync failed. Writes are refused until a new file is complete.")
        equal("rewrite", say("safe", aof_state="on", aof_last_bgrewrite_status="err"), "! On disk, but the last rewrite failed.")
        equal("nothing at all", say("safe", aof_state="off"), "✗ Nothing is on disk. A restart loses everything.")
        equal("snapshots", say("safe", aof_state="off", rdb_saves="1", rdb_changes_since_last_save="1234"),
              "! 1,234 changes since the last snapshot would be lost.")
        equal("full", say("full", used_memory=str(104000000)), "✗ Full: writes are refused.")
        equal("nearly", say("full", used_memory=str(96000000)), "! 92 % of maxmemory is used.")
        shot("full")


def button(label):
    browser.js("[...document.querySelectorAll('button')].find(b => b.innerText === %r && b.getClientRects().length).click()" % label)


def confirm(what):
    """The dialog shows what will be sent; yes."""
    browser.wait("document.querySelector('dialog').open", "the dialog")
    equal("asks", text("dialog code").split("   ")[0], what)
    button("Do it")


def console(line):
    """The last reply of the console."""
    before = browser.js("document.querySelector('.console').childElementCount")
    browser.js("document.querySelector('#admin-line').value = %r; document.querySelector('#admin-line').focus()" % line)
    browser.key("Enter", 13)
    browser.wait("document.querySelector('.console').childElementCount === %d" % (before + 2), "a reply")
    return text(".console > :last-child")


@case
def administration_is_not_there_by_default():
    with serve() as (_, http):
        open_page(http)
        browser.wait("previous", "two events")
        check(not browser.js("!!document.querySelector('#admin') || typeof admin !== 'undefined'"), "it is")
        check("Read-only." in text("footer"), text("footer"))


@case
def administration():
    with serve("--appendonly", "yes", "--http-admin", "yes") as (s, http):
        c, victim = s.conn(), s.conn()
        victim.call("CLIENT", "SETNAME", "victim")
        c.call("RPUSH", "list", "a", "b<b>", "c\"d")
        open_page(http)
        browser.wait("!!document.querySelector('#admin')", "the section")
        equal("a reply", console("SET k 'a b'"), "OK")
        equal("it is there", c.call("GET", "k"), b"a b")
        equal("a string", console("GET k"), '"a b"')
        equal("nil", console("GET none"), "(nil)")
        equal("a number", console("STRLEN k"), "(integer) 3")
        equal("an error", console("GET"), "(error) ERR wrong number of arguments for 'get' command")
        equal("an array", console("LRANGE list 0 -1"), '1) "a"\n2) "b<b>"\n3) "c\\"d"')
        check(console("INFO server").startswith("# Server\nredis_version:"), "INFO")
        check("not possible over HTTP" in console("MONITOR"), "MONITOR")
        browser.key("ArrowUp", 38)
        equal("history", browser.js("document.querySelector('#admin-line').value"), "MONITOR")
        browser.js("""document.querySelector('#admin-line').value = "set k ";
            document.querySelector('#admin-line').dispatchEvent(new Event('input'))""")
        browser.wait("/^set value /.test(document.querySelector('#admin-hint').innerText)", "the hint")
        check("[EX seconds | PX milliseconds" in text("#admin-hint"), text("#admin-hint"))
        browser.js("""document.querySelector('#admin-line').value = "config set";
            document.querySelector('#admin-line').dispatchEvent(new Event('input'))""")
        browser.wait("/^config set parameter value/.test(document.querySelector('#admin-hint').innerText)", "of a subcommand")
        button("Rewrite the AOF")
        confirm("BGREWRITEAOF")
        wait_for(lambda: c.info("persistence")["aof_rewrites"] != "0", "a rewrite")
        wait_for(lambda: c.info("persistence")["aof_rewrite_in_progress"] == "0", "its end")
        button("Take a backup")
        confirm("BACKUP START, BACKUP SEAL")
        browser.wait("/^sealed: /.test(document.querySelector('.said').innerText)", "a backup")
        browser.js("document.querySelector('#admin-name').value = 'hz'; document.querySelector('#admin-value').value = '33'")
        button("Change")
        confirm("hz: 10 → 33")
        wait_for(lambda: c.call("CONFIG", "GET", "hz")[1] == b"33", "the setting")
        button("Change")
        browser.wait("document.querySelector('dialog').open", "the dialog")
        shot("admin-dialog")
        button("Cancel")
        browser.wait("[...document.querySelectorAll('#clients tr')].some(r => /victim/.test(r.innerText))", "the clients")
        browser.js("[...document.querySelectorAll('#clients tr')].find(r => /victim/.test(r.innerText)).querySelector('button').click()")
        browser.wait("document.querySelector('dialog').open", "the dialog")
        check("CLIENT KILL ID" in text("dialog code"), text("dialog code"))
        button("Do it")
        wait_for(lambda: b"victim" not in c.call("CLIENT", "LIST"), "the client ends")
        equal("complaints", browser.complaints(), [])
        for width, height in ((1280, 900), (390, 844)):
            browser.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                         mobile=width < 600)
            for dark in (False, True):
                browser.theme(dark)
                check(browser.js("document.documentElement.scrollWidth") <= width, "wider than %d" % width)
                equal("contrast", browser.js(CONTRAST), [])
                cut = browser.js("""[...document.querySelectorAll('#clients button')].some(b => b.getBoundingClientRect().right >
                    b.closest('.scroll').getBoundingClientRect().right + 1)""")
                check(not cut, "a button is cut off at %d" % width)
                shot("admin-%d-%s" % (width, "dark" if dark else "light"))


@case
def another_page_cannot_send_commands():
    """A page of another origin, in the same browser: with the field, without it, and as a form."""
    with serve("--http-admin", "yes") as (s, http):
        open_page(http)
        url = "http://127.0.0.1:%d/command" % http
        browser.call("Page.navigate", url="data:text/html,<p>elsewhere</p>")
        browser.wait("location.protocol === 'data:'", "the other page")
        for options in ("headers: {'Stet-Admin': '0'}", "mode: 'no-cors'", "mode: 'no-cors', credentials: 'include'"):
            said = browser.js("fetch('%s', {method: 'POST', body: 'SET bad 1\\r\\n', %s}).then(r => r.type, e => 'refused')" % (url, options))
            check(said in ("refused", "opaque"), said)
        browser.js("""document.body.innerHTML = `<form method="post" enctype="text/plain" action="%s"><input name="SET bad 1"></form>`;
            document.querySelector('form').submit()""" % url)
        browser.wait("location.protocol !== 'data:' && document.readyState === 'complete'", "the form was sent")
        equal("nothing was done", s.conn().call("EXISTS", "bad"), 0)
        equal("calls of SET", b"cmdstat_set:" in s.conn().call("INFO", "commandstats"), False)


@case
def states():
    with serve("--save", "3600 1", "--dbfilename", "x.rdb", "--sandbox", "no") as (s, http):
        c = s.conn()
        os.mkdir(os.path.join(s.dir, "x.rdb"))
        c.call("SET", "k", "v")
        c.call("BGSAVE")
        wait_for(lambda: c.info("persistence")["rdb_last_bgsave_status"] == "err", "a save that fails")
        open_page(http)
        browser.wait("!document.querySelector('#banner').hidden", "the banner")
        check(text("#banner").startswith("MISCONF "), text("#banner"))
        equal("verdict", text("#safe-answer"), "✗ Writes are refused: the disk.")
        shot("misconf")
        s.kill()
        browser.wait("document.querySelector('#live').innerText === 'no answer'", "it says that the server is gone")
        shot("gone")


if __name__ == "__main__":
    if not PROGRAM:
        print("skipped: http-page: no Chromium is installed (Debian: chromium)")
        sys.exit(0)
    with Browser() as browser:
        sys.exit(run_words("http-page", cases))
