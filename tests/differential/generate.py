# SPDX-License-Identifier: BSD-3-Clause
"""generate - random commands that look valid, weighted to boundaries; see templates.py.

The same seed and the same set of known commands give the same commands.
"""
import random
import re

from templates import FAMILIES

TOKEN = re.compile(r"<[^|<>]*(?:\|[^<>]*>?)*>(?= |$)|\[[^\]]*\]|\([^)]*\)\+|\S+")
TYPES = "slhSzyxpgBKCHDVJ"
PER_TYPE = 5  # keys that mostly hold one type

INTS = [0, 1, -1, 2, 3, 7, 10, 63, 64, 100, 127, 128, 255, 256, 511, 512, 513, 4095, 4096, 32767,
        32768, -32768, -32769, 65535, 65536, 2147483647, -2147483648, 2147483648, 4294967296,
        9007199254740992, 9223372036854775807, -9223372036854775808, -9223372036854775807]
NO_INTS = ["9223372036854775808", "", " 1", "1 ", "+1", "01", "-0", "1.0", "abc", "0x10", "1e3"]
FLOATS = ["0", "1", "-1", "0.1", "3.0", "-2.5", "1e3", "inf", "-inf", "+inf", "1e308", "-1e308",
          "5e-324", "1.7976931348623157e308", "0.30000000000000004", "123456789.123", "1e21", "-0",
          "4503599627370497.5", "100"]
NO_FLOATS = ["nan", "abc", "", " 1", "1x", "infinit"]
WORDS = ["NX", "XX", "GT", "LT", "CH", "INCR", "WITHSCORES", "LIMIT", "COUNT", "REV", "BYSCORE",
         "BYLEX", "GET", "KEEPTTL", "STORE", "FOO", "WEIGHTS", "AGGREGATE", "BLOCK", "MATCH"]


def needed(line):
    """The names of the commands that a server must know for a template, and the template."""
    also, text = re.fullmatch(r"(?:\{([\w.]+)\} )?(.*)", line).groups()
    return {w.lower() for w in (also, text.split()[0]) if w}, text


class Generator:
    def __init__(self, seed, known):
        self.rng = random.Random(seed)
        self.templates, self.weights = [], []
        for text, weight in FAMILIES.values():
            mine = [t for t in map(needed, text.strip().split("\n")) if t[0] <= known]
            for _, t in mine:
                self.templates.append(t)
                self.weights.append(weight / len(mine))
        # What is in y keeps its equal scores; types without commands have no keys.
        self.any = [t for t in TYPES if t != "y" and any("@" + t in x for x in self.templates)]
        self.total = []
        for w in self.weights:
            self.total.append(w + (self.total[-1] if self.total else 0))

    # ------------------------------------------------------------ holes

    def key(self, kind):
        r = self.rng
        if kind == "?" or r.random() < 0.04:
            kind = r.choice(self.any)
        n = r.randrange(PER_TYPE)
        if r.random() < 0.01:
            return r.choice(["", "\x00\xff\r\n", "k" * 300])
        return "%s%d" % (kind, n)

    def integer(self):
        r = self.rng
        x = r.random()
        if x < 0.5:
            return str(r.randrange(-20, 200))
        if x < 0.97:
            return str(r.choice(INTS))
        return r.choice(NO_INTS)

    def floating(self):
        r = self.rng
        x = r.random()
        if x < 0.4:
            return str(r.randrange(-5, 20))
        if x < 0.6:
            return "%.*g" % (r.randrange(1, 17), r.uniform(-1000, 1000))
        if x < 0.98:
            return r.choice(FLOATS)
        return r.choice(NO_FLOATS)

    def member(self):
        r = self.rng
        x = r.random()
        if x < 0.45:
            return "m%d" % r.randrange(30)
        if x < 0.75:
            return str(r.randrange(60))
        if x < 0.9:
            return "m%d" % r.randrange(600)
        return self.value()

    def value(self):
        r = self.rng
        x = r.random()
        if x < 0.35:
            return str(r.randrange(-10, 1000))
        if x < 0.5:
            return str(r.choice(INTS))
        if x < 0.85:
            return "v%d" % r.randrange(1000)
        if x < 0.93:
            return r.choice("abc") * r.choice([0, 1, 43, 44, 45, 63, 64, 65, 127, 128, 200, 1100])
        if x < 0.94:
            return "L" * r.choice([4095, 4096, 8192, 20000])
        return "".join(chr(r.randrange(256)) for _ in range(r.randrange(12)))

    def index(self):
        r = self.rng
        return str(r.randrange(-6, 12)) if r.random() < 0.9 else self.integer()

    def count(self):
        r = self.rng
        x = r.random()
        if x < 0.85:
            return str(r.randrange(0, 12))
        return str(r.choice([100, 1000, -1, -3])) if x < 0.97 else self.bounded()

    def bounded(self):
        """An integer that is no reason to answer with gigabytes."""
        return self.rng.choice(NO_INTS + ["9223372036854775808", "-9223372036854775808"])

    def bit(self):
        r = self.rng
        return str(r.randrange(0, 300)) if r.random() < 0.97 else r.choice(
            ["-1", "4294967296", "536870912", "abc"])

    def score(self):
        r = self.rng
        x = r.random()
        if x < 0.3:
            return r.choice(["-inf", "+inf", "inf"])
        return ("(" if r.random() < 0.3 else "") + self.floating()

    def lex(self):
        r = self.rng
        x = r.random()
        if x < 0.3:
            return r.choice("-+")
        if x < 0.97:
            return r.choice("[(") + self.member()
        return self.member()

    def stream_id(self):
        r = self.rng
        x = r.random()
        if x < 0.7:
            return "%d-%d" % (r.randrange(1, 40), r.randrange(4))
        if x < 0.85:
            return str(r.randrange(60))
        if x < 0.97:
            return r.choice(["0-0", "0", "18446744073709551615-18446744073709551615", "(5-1", "7-*",
                             "18446744073709551615", "100-18446744073709551615"])
        return r.choice(["a", "1-", "-1", "1-2-3", "", "18446744073709551616-0"])

    def far(self, unit):
        r = self.rng
        x = r.random()
        if x < 0.85:
            return str(r.randrange(100000, 200000) * unit)
        return str(r.choice([0, -1, 9223372036854775807, -9223372036854775808])) if x < 0.97 \
            else r.choice(NO_INTS)

    def part(self):
        """A share, a chance, a rate."""
        r = self.rng
        x = r.random()
        if x < 0.7:
            return "%.*g" % (r.randrange(1, 5), r.random())
        return r.choice(["0.01", "0.001", "1e-9", "1", "0", "0.5"]) if x < 0.97 else self.floating()

    def size(self):
        """A capacity, width, depth or count above 0; never one that asks for gigabytes."""
        r = self.rng
        x = r.random()
        if x < 0.8:
            return str(r.randrange(1, 12))
        return str(r.choice([64, 100, 1000])) if x < 0.97 else self.bounded()

    def path(self):
        r = self.rng
        parts = r.choices([".a", ".b", "[0]", "[-1]", "[*]", ".*", "..a", "..*", "[1:]", "[?@.a>1]",
                           "[?@.a==@.b]", "['a','b']", "[?$.a]"], k=r.choice([0, 0, 1, 1, 2, 3]))
        text = "".join(parts)
        return "$" + text if r.random() < 0.8 else text or "."

    def json(self, deep=3):
        r = self.rng
        x = r.random()
        if x < 0.02:
            return self.value()
        if deep == 0 or x < 0.5:
            return r.choice(["null", "true", "false", "0", "1", "-7", "1.5", "1e300", '"a"', '""',
                             '"%s"' % ("w" * r.choice([14, 15, 300, 300000 if x < 0.06 else 40])),
                             "9223372036854775807"])
        some = [self.json(deep - 1) for _ in range(r.randrange(5))]
        if x < 0.75:
            return "[%s]" % ",".join(some)
        return "{%s}" % ",".join('"%s":%s' % (r.choice("abcd"), v) for v in some)

    def when(self):
        r = self.rng
        return str(r.choice([33177117420, 33177117421, 1, 0])) if r.random() < 0.9 else self.far(1)

    def hole(self, t):
        fill = {"v": self.value, "m": self.member, "n": self.integer, "f": self.floating,
                "r": self.index, "c": self.count, "o": self.score, "O": self.lex, "b": self.bit,
                "i": self.stream_id, "e": self.when, "q": self.part,
                "k": self.size, "j": self.json, "P": self.path}
        r = self.rng
        if t in fill:
            return fill[t]()
        return {"t": lambda: self.far(1), "T": lambda: self.far(1000),
                "G": lambda: r.choice(["g1", "g2"]), "C": lambda: r.choice(["c1", "c2", "c3"]),
                "x": lambda: "%.6f" % r.uniform(-181, 181), "y": lambda: "%.6f" % r.uniform(-86, 86),
                "u": lambda: r.choice(["m", "km", "ft", "mi", "M", "xx"]),
                "p": lambda: r.choice(["*", "m1*", "?1", "[a-m]*", "\\*", "v*"])}[t]()

    # ------------------------------------------------------------ templates

    def fill(self, template):
        r, out = self.rng, []
        for token in TOKEN.findall(template):
            first, last = token[0], token[-1]
            if first == "<" and last == ">" and "|" in token:
                out += self.fill(r.choice(token[1:-1].split("|")))
            elif first == "[" and last == "]":
                if r.random() < 0.4:
                    out += self.fill(r.choice(token[1:-1].split("|")))
            elif first == "(" and token.endswith(")+"):
                for _ in range(r.choice([1, 1, 2, 3, 5])):
                    out += self.fill(token[1:-2])
            elif first == "@":
                out.append(self.key(token[1]))
            elif first == "#" and len(token) == 2 and token[1] in TYPES:
                n = r.randrange(1, 4)
                wrong = r.random() < 0.03
                out.append(self.integer() if wrong else str(n))
                out += [self.key(token[1]) for _ in range(n)]
            elif first == "%":
                out.append(self.hole(token[1]))
            else:
                out.append(token)
        return out

    @staticmethod
    def must_stay(words):
        """What would wait, or give a key a few milliseconds (idempotent ids: seconds), if another
        number stood there, or give the members of a key y different scores."""
        if words[0] == "ZADD" and words[1][:1] == "y" or words[0] == "XCFGSET":
            return True
        timed = {"EX", "PX", "EXAT"} & {w.upper() for w in words}
        return timed or "0.001" in (words[-1], words[1:2] and words[1]) or any(
            x in words[0].lower() for x in ("expire", "setex"))

    def spoil(self, words):
        """Something that a careless client would send."""
        r = self.rng
        i = r.randrange(1, len(words)) if len(words) > 1 else 0
        how = r.randrange(4)
        if i == 0 or how == 0:
            return words + [r.choice(WORDS)]
        if how == 1:
            return words[:i] + words[i + 1:]
        if how == 2:
            return words[:i] + [r.choice(WORDS)] + words[i:]
        return words[:i] + [self.value()] + words[i + 1:]

    def command(self):
        r = self.rng
        words = self.fill(r.choices(self.templates, cum_weights=self.total)[0])
        if r.random() < 0.04 and not self.must_stay(words):
            words = self.spoil(words)
        if r.random() < 0.02:
            words[0] = words[0].lower()
        return words
