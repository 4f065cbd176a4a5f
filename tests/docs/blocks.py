# SPDX-License-Identifier: BSD-3-Clause
"""blocks - the sessions of a page in docs/: every block marked `console` is run, and what it shows is compared.

A line that begins with `$ ` is a command; the lines up to the next one are its output. `...` stands for any text in a
line, and alone in a line for any number of lines. A command without output in the page may print anything, but must
succeed. A command whose output ends with the line `(fails)` must fail; the line itself is not printed.
"""
import os
import re

from server import ROOT, Failed


class Step:
    def __init__(self, line, command):
        self.line, self.command, self.output = line, command, []

    @property
    def fails(self):
        return bool(self.output) and self.output[-1] == "(fails)"

    def pattern(self):
        """What the output must match, or None if the page shows none."""
        lines = self.output[:-1] if self.fails else self.output
        if not lines:
            return None
        parts = [r"(?:.*\n)*?" if line == "..." else re.escape(line.rstrip()).replace(r"\.\.\.", ".*") + r"[ \t]*\n" for line in lines]
        return re.compile("".join(parts) + r"\Z")


def steps_of(text):
    steps, inside = [], False
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("```"):
            inside = line == "```console"
        elif inside and line.startswith("$ "):
            steps.append(Step(number, line[2:]))
        elif inside and steps and steps[-1].command.endswith("\\"):
            steps[-1].command += "\n" + line
        elif inside:
            steps[-1].output.append(line)
    for s in steps:
        while s.output and not s.output[-1].strip():
            s.output.pop()
    return steps


def steps(page, heading=None):
    """The steps of a page, or of one of its sections (`## heading`)."""
    with open(os.path.join(ROOT, "docs", page), encoding="utf-8") as f:
        text = f.read()
    if heading:
        at = text.index("\n## %s\n" % heading) + 1
        end = text.find("\n## ", at)
        text = "\n" * text.count("\n", 0, at) + text[at:None if end < 0 else end]
    found = steps_of(text)
    if not found:
        raise Failed("%s has no console block" % page)
    return found


def follow(page, shell, heading=None):
    """Runs all steps; shell(command) returns (status, output). Returns how many."""
    done = 0
    for s in steps(page, heading):
        status, output = shell(s.command)
        output = output.rstrip() + "\n" if output.strip() else ""
        where = "docs/%s:%d: %s" % (page, s.line, s.command)
        if (status != 0) != s.fails:
            raise Failed("%s\nends with status %d:\n%s" % (where, status, output))
        wanted = s.pattern()
        if wanted and not wanted.match(output):
            raise Failed("%s\nprints:\n%s\nThe page shows:\n%s" % (where, output, "\n".join(s.output)))
        done += 1
    return done
