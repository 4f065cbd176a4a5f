#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""docs - what the pages say against what the sources say: each warning of the log is in docs/troubleshooting.md."""
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


if __name__ == "__main__":
    sys.exit(run_words("docs", CASES))
