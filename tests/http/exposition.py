# SPDX-License-Identifier: BSD-3-Clause
"""exposition - reads Prometheus' text format 0.0.4 and OpenMetrics 1.0, strictly."""
import re

SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')
SUFFIXES = {"counter": ("",), "gauge": ("",), "unknown": ("",), "untyped": ("",),
            "summary": ("", "_sum", "_count"), "histogram": ("_bucket", "_sum", "_count")}


class Wrong(Exception):
    pass


def labels_of(text):
    found, at = [], 0
    while at < len(text):
        m = LABEL.match(text, at)
        if not m:
            raise Wrong("labels: %s" % text)
        found.append(m.groups())
        at = m.end()
    if len(dict(found)) != len(found):
        raise Wrong("a label twice: %s" % text)
    return tuple(sorted(found))


class Families:
    """types: {family: type}; samples: {(name, labels): value}; family_of: {sample name: family}"""
    def __init__(self, text, openmetrics=False):
        self.types, self.samples, self.family_of = {}, {}, {}
        self.openmetrics, self.family, self.helped = openmetrics, None, None
        lines = text.split("\n")
        if lines.pop() != "":
            raise Wrong("no newline at the end")
        if openmetrics and lines.pop() != "# EOF":
            raise Wrong("no # EOF")
        for line in lines:
            if line.startswith("# HELP "):
                self.helped = line.split(" ", 3)[2]
            elif line.startswith("# TYPE "):
                self.begin(*line.split(" ")[2:])
            elif line.startswith("#"):
                raise Wrong(line)
            else:
                self.sample(line)

    def begin(self, family, kind):
        if family in self.types or self.helped != family or kind not in SUFFIXES:
            raise Wrong("family %s, type %s, help of %s" % (family, kind, self.helped))
        self.types[family], self.family = kind, family

    def sample(self, line):
        m = SAMPLE.match(line)
        if not m:
            raise Wrong(line)
        name, labels = m.group(1), labels_of(m.group(2) or "")
        kind = self.types[self.family]
        ends = ("_total",) if self.openmetrics and kind == "counter" else SUFFIXES[kind]
        if name not in [self.family + end for end in ends]:
            raise Wrong("%s within %s (%s)" % (name, self.family, kind))
        if (name, labels) in self.samples:
            raise Wrong("twice: %s" % line)
        if self.openmetrics and kind == "summary" and not 0 <= float(dict(labels).get("quantile", 0)) <= 1:
            raise Wrong("quantile: %s" % line)
        self.samples[name, labels] = float(m.group(3))
        self.family_of[name] = self.family

    def check_histograms(self):
        """Buckets grow, +Inf is the count; returns how many histograms there are."""
        series = {}
        for (name, labels), value in self.samples.items():
            if self.types[self.family_of[name]] == "histogram" and name.endswith("_bucket"):
                rest = tuple(x for x in labels if x[0] != "le")
                series.setdefault((name[:-7], rest), []).append((float(dict(labels)["le"]), value))
        for (name, rest), buckets in series.items():
            values = [v for _, v in sorted(buckets)]
            if values != sorted(values) or sorted(buckets)[-1][0] != float("inf"):
                raise Wrong("buckets of %s%s: %s" % (name, rest, buckets))
            if values[-1] != self.samples[name + "_count", rest]:
                raise Wrong("count of %s%s" % (name, rest))
        return len(series)
