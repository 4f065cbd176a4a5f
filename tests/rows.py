#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""rows - every row of the promises in persistence/README.md names a test, and each of these tests exists.

Rows are those of tables with a column "tests", and the points of the list of damage. A test is named in one of these ways:
  suite/name             Test(suite, name) of a program in C
  tests/x.py             a suite in Python
  tests/x.py case        one of its cases: its name as a string, a function or a method
  tests/sim --option     the simulated disk
"""
import os
import re
import sys

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
PROMISES = "persistence/README.md"
SECTIONS = ("Evidence", "One writer", "What the loader does with damage", "Publishing", "Failures", "Repairs")


def text(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as f:
        return f.read()


def criterion_tests():
    found = set()
    for folder in "tests/unit", "tests/system", "tests/kit":
        for where, _, names in os.walk(os.path.join(TOP, folder)):
            for name in names:
                if name.endswith(".c"):
                    found.update("%s/%s" % t for t in re.findall(
                        r"^Test\(\s*(\w+),\s*(\w+)", text(os.path.join(where, name)), re.M))
    return found


def exists(test, known):
    path, _, case = test.partition(" ")
    if not path.startswith("tests/"):
        return test in known
    if not os.path.exists(os.path.join(TOP, path)):
        return False
    if path == "tests/sim":
        return not case or '"%s"' % case in text("tests/sim/main.c")
    return not case or '"%s"' % case in text(path) or re.search(r"def %s\(" % re.escape(case), text(path))


def rows():
    """(section, row, its tests)"""
    section, tests_column, point = "", False, []
    for line in text(PROMISES).splitlines() + ["## end"]:
        if point and not line.startswith("   "):
            yield section, point[0], re.findall(r"`([^`]+)`", " ".join(point).partition("Tests: ")[2])
            point = []
        if line.startswith("## "):
            section, tests_column = line[3:], False
        elif point:
            point.append(line)
        elif line.startswith("|---"):
            continue
        elif line.startswith("| ") and section.startswith(SECTIONS):
            cells = [c.strip() for c in line.strip("|").split(" | ")]
            if cells[-1].strip(" |") == "tests":
                tests_column = True
            else:
                yield section, line, re.findall(r"`([^`]+)`", cells[-1]) if tests_column else []
        elif re.match(r"\d\. ", line) and "damage" in section:
            point = [line]


def main():
    known, wrong, n, sections = criterion_tests(), [], 0, set()
    for section, row, tests in rows():
        n += 1
        sections.add(section)
        bad = ["no test '%s'" % t for t in tests if not exists(t, known)]
        if bad or not tests:
            wrong.append("%s: %s: %.60s" % (section, "; ".join(bad) or "no test", row))
    missing = [s for s in SECTIONS if not any(x.startswith(s) for x in sections)]
    for line in wrong + ["no rows: %s" % s for s in missing]:
        print("%s: %s" % (PROMISES, line))
    print("rows: %d passed, %d failed" % (n - len(wrong), len(wrong) + len(missing)))
    return 1 if wrong or missing else 0


if __name__ == "__main__":
    sys.exit(main())
