#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""docs - what the pages say against what the sources say: each warning of the log is in docs/troubleshooting.md, and each
link between pages leads to a page and a heading that are there."""
import glob
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from cases import Cases, check, run_words  # noqa: E402
from server import ROOT  # noqa: E402

CASES = Cases()
LITERAL = r'"(?:[^"\\]|\\.)*"'


def text(*names):
    with open(os.path.join(ROOT, *names), encoding="utf-8") as f:
        return f.read()


def warnings():
    """(file:line, format) of each log_warning() whose format is written there."""
    pattern = re.compile(r"\blog_warning\(\s*((?:%s|PRI\w+|\s)+)" % LITERAL)
    for folder in ("server", "persistence", "storage", "protocol", "conf"):
        for path in sorted(glob.glob(os.path.join(ROOT, folder, "**", "*.c"), recursive=True)):
            source = text(path)
            for m in pattern.finditer(source):
                where = "%s:%d" % (os.path.relpath(path, ROOT), source.count("\n", 0, m.start()) + 1)
                yield where, "".join(s[1:-1] for s in re.findall(LITERAL, m[1])).replace('\\"', '"')


def phrase(format):
    """The words to search for: the first ones of the first part between two values that says enough, or None."""
    parts = [p.strip(" :.,('") for p in re.split(r"%[-.*0-9]*(?:hh|h|ll|l|z|j|t)?[a-zA-Z]", format)]
    telling = [p for p in parts if len(re.sub("[^A-Za-z]", "", p)) >= 12 and " " in p]
    part = telling[0] if telling else max(parts, key=len)
    said = " ".join(part.split()[:4]).strip(" :.,('")
    return said if len(re.sub("[^A-Za-z]", "", said)) >= 8 else None


@CASES.case
def each_warning_is_explained():
    """docs/troubleshooting.md has a row for each warning."""
    page = re.sub(r"\s+", " ", text("docs", "troubleshooting.md"))
    found = [(where, phrase(f)) for where, f in warnings()]
    missing = ["%s: '%s'" % (where, p) for where, p in found if p and p not in page]
    check(len(found) > 100, "only %d warnings were found: the pattern is wrong" % len(found))
    check(not missing, "docs/troubleshooting.md does not have\n" + "\n".join(missing))
    return "%d warnings" % len(found)


def pages():
    for where, dirs, names in os.walk(ROOT):
        dirs[:] = sorted(d for d in dirs if where != ROOT or d not in ("build", "data", ".git"))
        yield from (os.path.relpath(os.path.join(where, n), ROOT) for n in sorted(names) if n.endswith(".md"))


def prose(page):
    """A page without what stands in code."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^ *```.*?^ *```", "", text(page), flags=re.S | re.M))


def anchors(page):
    """What a link may have after `#`: the headings, in the form that they get in HTML, and on code hosts."""
    found, seen = set(), {}
    for heading in re.findall(r"^#+ +(.*)$", re.sub(r"^ *```.*?^ *```", "", text(page), flags=re.S | re.M), re.M):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        seen[slug] = seen.get(slug, -1) + 1
        found.add(slug if not seen[slug] else "%s-%d" % (slug, seen[slug]))
    return found


@CASES.case
def links_lead_somewhere():
    """Links between pages of the repository: the file is there, and the heading."""
    wrong, n = [], 0
    for page in pages():
        for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
            if re.match(r"[a-z]+:", target):
                continue
            n += 1
            path, _, anchor = target.partition("#")
            to = os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page
            if not os.path.exists(os.path.join(ROOT, to)):
                wrong.append("%s: there is no '%s'" % (page, target))
            elif anchor and os.path.exists(os.path.join(ROOT, to)) and anchor not in anchors(to):
                wrong.append("%s: '%s' has no heading '#%s'" % (page, to, anchor))
    check(n > 50, "only %d links were found: the pattern is wrong" % n)
    check(not wrong, "\n".join(wrong))
    return "%d links" % n


@CASES.case
def readme_names_each_page():
    """README.md has a row for each page of docs/."""
    there = {"docs/" + os.path.basename(p) for p in glob.glob(os.path.join(ROOT, "docs", "*.md"))}
    missing = sorted(there - set(re.findall(r"\]\((docs/[^)#]+)", text("README.md"))))
    check(not missing, "README.md does not have " + ", ".join(missing))


if __name__ == "__main__":
    sys.exit(run_words("docs", CASES))
