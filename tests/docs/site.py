#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""site - the HTML of `make docs`: each link leads to a file and an anchor of the site, tags are closed, ids are unique,
nothing comes from another machine, and the same sources give the same bytes.

  site.py [DIR]    what stands in DIR; build/docs unless given
"""
import filecmp
import glob
import html.parser
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib")]
from cases import Cases, check, equal, run  # noqa: E402
from server import ROOT  # noqa: E402

CASES = Cases()
SITE = sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, "build", "docs")
EMPTY = {"meta", "link", "br", "hr", "img", "input"}


class Parsed(html.parser.HTMLParser):
    """What a page refers to, its ids, and what is wrong with its tags."""

    def __init__(self, path):
        super().__init__()
        self.open, self.wrong, self.ids, self.links, self.resources = [], [], [], [], []
        with open(path, encoding="utf-8") as f:
            self.feed(f.read())
        self.wrong += ["<%s> is not closed" % t for t in self.open]

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if tag not in EMPTY:
            self.open.append(tag)
        if "id" in values:
            self.ids.append(values["id"])
        if tag == "a":
            self.links.append(values["href"])
        self.resources += [values[k] for k in ("src", "srcset", "action") if k in values]
        if tag == "link":
            self.resources.append(values["href"])
        if tag in ("script", "iframe", "object", "embed", "style") or "style" in values:
            self.wrong.append("a <%s> with code or style" % tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append("</%s> closes another tag, line %d" % (tag, self.getpos()[0]))


def pages():
    return {os.path.basename(p): Parsed(p) for p in sorted(glob.glob(os.path.join(SITE, "*.html")))}


@CASES.case
def links():
    """Each link within the site has its page and anchor."""
    there, wrong, n = pages(), [], 0
    for name, page in there.items():
        for link in page.links:
            if re.match(r"[a-z]+:", link):
                continue
            n += 1
            file, _, anchor = link.partition("#")
            to = there.get(file or name)
            if not to or anchor and anchor not in to.ids:
                wrong.append("%s: %s" % (name, link))
    check(n > 300, "only %d links" % n)
    check(not wrong, "\n".join(wrong))
    return "%d links of %d pages" % (n, len(there))


@CASES.case
def well_formed():
    """Tags are closed in order, ids are unique, and there is one heading of the first level."""
    for name, page in pages().items():
        check(not page.wrong, "%s: %s" % (name, "; ".join(page.wrong[:5])))
        equal(name + ": ids", sorted(page.ids), sorted(set(page.ids)))


@CASES.case
def nothing_from_elsewhere():
    """The only resource of a page is the style sheet, and that one has none."""
    for name, page in pages().items():
        equal(name, page.resources, ["style.css"])
    with open(os.path.join(SITE, "style.css"), encoding="utf-8") as f:
        check(not re.search(r"url\(|@import|https?:", f.read()), "the style sheet refers to something")


@CASES.case
def all_pages():
    """Each page of docs/ is in the navigation of the first one."""
    linked = {l.partition("#")[0] for l in pages()["index.html"].links}
    for path in glob.glob(os.path.join(ROOT, "docs", "*.md")):
        name = os.path.basename(path)[:-3] + ".html"
        check(name in linked, "%s is not linked" % name)


@CASES.case
def same_bytes():
    """A second run writes the same files."""
    with tempfile.TemporaryDirectory() as dir:
        subprocess.run([os.path.join(ROOT, "tools", "docs"), dir], check=True, stdout=subprocess.DEVNULL)
        equal("files", sorted(os.listdir(dir)), sorted(os.listdir(SITE)))
        _, different, errors = filecmp.cmpfiles(dir, SITE, os.listdir(dir), shallow=False)
        equal("files that differ", different + errors, [])


if __name__ == "__main__":
    sys.exit(run("site", CASES))
