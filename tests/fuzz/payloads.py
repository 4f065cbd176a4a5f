# SPDX-License-Identifier: BSD-3-Clause
"""payloads - bytes of DUMP for every type byte of RDB 1 to 12, those included that no server writes
any more; and mutations of them.
"""
import ctypes
import struct

VERSION = 12


def _table():
    out = []
    for i in range(256):
        for _ in range(8):
            i = i >> 1 ^ (0x95AC9329AC4BC9B5 if i & 1 else 0)
        out.append(i)
    return out


_TABLE = _table()
try:
    _fast = ctypes.CDLL("libisal.so.2").crc64_jones_refl
    _fast.restype = ctypes.c_uint64
    _fast.argtypes = [ctypes.c_uint64, ctypes.c_char_p, ctypes.c_uint64]
except (OSError, AttributeError):
    _fast = None


def crc64(data):
    if _fast:
        return ~_fast(0xFFFFFFFFFFFFFFFF, data, len(data)) & 0xFFFFFFFFFFFFFFFF
    crc = 0
    for b in data:
        crc = _TABLE[(crc ^ b) & 0xFF] ^ crc >> 8
    return crc


def seal(body, version=VERSION):
    body += struct.pack("<H", version)
    return body + struct.pack("<Q", crc64(body))


# ---------------------------------------------------------------- parts

def length(n):
    if n < 64:
        return bytes([n])
    if n < 1 << 14:
        return bytes([0x40 | n >> 8, n & 255])
    if n < 1 << 32:
        return b"\x80" + struct.pack(">I", n)
    return b"\x81" + struct.pack(">Q", n)


def string(s):
    return length(len(s)) + s


def as_int(s):
    try:
        return int(s) if str(int(s)).encode() == s and abs(int(s)) < 2 ** 31 else None
    except ValueError:
        return None


def listpack(words):
    out = b""
    for w in words:
        v = as_int(w)
        if v is None:
            e = bytes([0x80 | len(w)]) + w if len(w) < 64 else \
                bytes([0xE0 | len(w) >> 8, len(w) & 255]) + w
        elif 0 <= v < 128:
            e = bytes([v])
        elif -4096 <= v < 4096:
            e = bytes([0xC0 | v >> 8 & 31, v & 255])
        else:
            e = b"\xf3" + struct.pack("<i", v)
        n = len(e)
        out += e + (bytes([n]) if n < 128 else bytes([n >> 7, 0x80 | n & 127]))
    return struct.pack("<IH", len(out) + 7, len(words)) + out + b"\xff"


def ziplist(words):
    out, before, tail = b"", 0, 10
    for w in words:
        v = as_int(w)
        if v is None:
            e = bytes([len(w)]) + w if len(w) < 64 else bytes([0x40 | len(w) >> 8, len(w) & 255]) + w
        elif 0 <= v <= 12:
            e = bytes([0xF1 + v])
        elif -128 <= v < 128:
            e = b"\xfe" + struct.pack("<b", v)
        else:
            e = b"\xd0" + struct.pack("<i", v)
        e = (bytes([before]) if before < 254 else b"\xfe" + struct.pack("<I", before)) + e
        tail, before, out = 10 + len(out), len(e), out + e
    return struct.pack("<IIH", len(out) + 11, tail, len(words)) + out + b"\xff"


def zipmap(pairs):
    out = b"".join(bytes([len(k)]) + k + bytes([len(v), i % 3]) + v + b"\0" * (i % 3)
                   for i, (k, v) in enumerate(pairs))
    return bytes([len(pairs)]) + out + b"\xff"


def intset(numbers, width=4):
    code = {2: "h", 4: "i", 8: "q"}[width]
    return struct.pack("<II%d%s" % (len(numbers), code), width, len(numbers), *sorted(numbers))


def node(entries, names):
    words = [b"%d" % sum(not e[0] & 1 for e in entries), b"%d" % sum(e[0] & 1 for e in entries),
             b"%d" % len(names), *names, b"0"]
    for flags, ms, seq, values in entries:
        tail = values if flags & 2 else [b"%d" % (len(values) // 2)] + values
        words += [b"%d" % flags, b"%d" % ms, b"%d" % seq, *tail, b"%d" % (3 + len(tail))]
    return listpack(words)


def raw_id(ms, seq=1):
    return struct.pack(">QQ", ms, seq)


def stream(kind):
    nodes = [(100, [(2, 0, 0, [b"v1", b"5"]), (3, 1, 0, [b"v2", b"6"]), (0, 2, 0, [b"x", b"y"])]),
             (200, [(2, 0, 0, [b"v", b"-7"]), (2, 5, 3, [b"w", b"text"])])]
    out = length(len(nodes))
    for at, entries in nodes:
        out += string(raw_id(at)) + string(node(entries, [b"a", b"b"]))
    out += length(4) + length(205) + length(4)
    if kind > 15:
        out += length(100) + length(1) + length(101) + length(1) + length(5)
    out += length(2) + string(b"empty") + length(0) + length(0)
    out += (length(2 ** 64 - 1) if kind > 15 else b"") + length(0) + length(0)
    out += string(b"group") + length(200) + length(1) + (length(4) if kind > 15 else b"")
    out += length(3) + b"".join(raw_id(i) + struct.pack("<Q", 1700000000000) + length(2)
                                for i in (100, 102, 200))
    out += length(2)
    for name, ids in ((b"alice", (100, 200)), (b"bob", (102,))):
        out += string(name) + struct.pack("<Q", 1700000000000)
        out += struct.pack("<Q", 1700000000001) if kind > 19 else b""
        out += length(len(ids)) + b"".join(raw_id(i) for i in ids)
    return out


# ---------------------------------------------------------------- a payload for each type byte

WORDS = [b"alpha", b"12", b"", b"-4000", b"100000", b"x" * 70, b"beta", b"7"]
PAIRS = [(b"f%d" % i, w) for i, w in enumerate(WORDS)]
FLAT = [x for p in PAIRS for x in p]
SCORED = [b"a", b"-1", b"b", b"2.5", b"c", b"2.5", b"30", b"100", b"e", b"inf"]
TIMES = [b"f1", b"v1", b"4102444800000", b"f2", b"v2", b"4102444800001", b"f3", b"9", b"0"]
WHEN = 4102444800000


def many(strings):
    return length(len(strings)) + b"".join(string(s) for s in strings)


# Vector sets as Redis 8.0.6 dumps them, without the type byte: int8 with an attribute, float, bits, projected.
VECTOR_SETS = [bytes.fromhex(h) for h in (
    "81bde72da2bb1eb400020302030250010202050163050005037f552a020c0203028001000001020202200202020102813f36"
    "47b40000000102010210020102813f3647b40000000002813f4d41b2406f775105016205077b2261223a317d05037f7fc002"
    "080202028001000000020202200201020302813e4988000000000102813f2aaaab40400000050161050005032a5581020c02"
    "01028001000001020202200202020302813f3647b40000000102010210020302813f3647b40000000002813f4d41b2406f77"
    "5100",
    "81bde72da2bb1eb400020302030250000200050163050cb2414d3f77d6083f77d6883e021302030280010000030202022002"
    "02020102813f36db6e0000000102010210020202813e4af9340000000002010210020102813f36db6e000000000200021002"
    "0002813ee3ef43406f7751050162050cabaa2a3fabaa2a3fabaaaabe020d0202028001000001020202200201020302813e4a"
    "f93400000001020202100201020302813e4af9340000000102813f2aaaab40400000050161050c77d6883e77d6083fb2414d"
    "bf02100201028001000002020202200202020302813f36db6e0000000102010210020202813e4af930000000000201021002"
    "0302813f36db6e0000000002813f4d41b2406f775100",
    "81bde72da2bb1eb4000203020302440202020501630500050807000000000000000208020302800100000002020208020102"
    "0202813f2aaaab00000000028105630105406f775105016205077b2261223a317d05080300000000000000020b0202028001"
    "000001020202080201020302813f2aaaab0000000102000204020002813f2aaaab4040000005016105000508030000000000"
    "000002080201028001000000020202080202020302813f2aaaab0000000102813f4d41b2406f775100",
    "81bde72da2bb1eb400020202030250010203020305183acd133f3acd133f3acd133f3acd133f3acd13bf3acd133f05016305"
    "0005027f2a02080203028001000000020202200202020102813fa828900000000102813f72dce94069b1e705016205077b22"
    "61223a317d05027fd602080202028001000000020202200201020302813f2faee20000000002813f72dce83fe9b1e9050161"
    "05000502008102080201028001000000020202200202020302813fa828900000000102813f8000004013cd3a00",
)]

# Sets whose members have times: the module stet-sets with its encoding 1.
SET_ID = bytes.fromhex("81b2d7adfac7adb001")


def timed_set(members):
    """A number, a text and a number for each, the end."""
    return SET_ID + b"\x02" + length(len(members)) + b"".join(
        b"\x05" + string(m) + b"\x02" + length(t) for m, t in members) + b"\x00"


# The module ReJSON-RL with its encoding 3.
JSON_ID = bytes.fromhex("8145e25238df912c03")
DOCUMENTS = [b'{"a":[1,2.5,{"a":"text","b":null}],"o":{"x":true}}', b"5", b'"\\u00e9"',
             b"{" + b",".join(b'"n%d":[%d]' % (i, i) for i in range(40)) + b"}"]


# Sketches as DUMP gives them, without the type byte: Bloom filters and cuckoo filters with layers and without,
# a count-min sketch, heavy hitters, a t-digest.
SKETCHES = [bytes.fromhex(h) for h in (
    "813016e5a289befbe805406001000000000000009a9999999999a93f02000000000000000200000000000000040000000000"
    "0000040000000000000040000000000000000500000000000000080000000000000008000000000000004000000000000000"
    "0600000000000000050831112269841004800508ccaecbc328a673f100",
    "813016e5a289befbe805404001000000000000007b14ae47e17a843f00000000000000000100000000000000050000000000"
    "00000300000000000000400000000000000007000000000000000508406020009911aa8f00",
    "813016e5a2898217e80540480100000000000000020000000000000014000000000000000200000000000000130000000000"
    "0000010000000000000002000000000000000400000000000000080000000000000005082fa7d4007bbef47205107c170000"
    "25bb708b98a5bb6a3d00e30000",
    "813016e5a2898217e80540400100000000000000010000000000000005000000000000000000000000000000010000000000"
    "0000000000000000000001000000000000000200000000000000050200ae00",
    "8108c4a4f9360f13e80520010000000000000005000000000000000200000000000000711101000000000005280000000070"
    "110100000000000000000001000000000000000000000001000000701101000000000000",
    "814e8a4af9360f13e805406c0100000000000000030000000000000004000000000000000200000000000000cdcccccccccc"
    "ec3f54f029fde5e6dd7803000000000000000500000000000000010000000000000061070000000000000002000000000000"
    "00626209000000000000000100000000000000630540400000000000000000f941a85602000000b3e41ddb0300000070af6f"
    "a90500000070af6fa905000000b3e41ddb07000000d1bdd81209000000f941a8560200000000",
    "814c3212f9360f13e80540980100000000000000010000000000000000000000000000000000000000003b40010000000000"
    "0000030000000000000003000000000000000000000000000000010000000000000000000000008026400e00000000000000"
    "0000000000803640010000000000000000000000000038400100000000000000000000000080394001000000000000000000"
    "000000003b40010000000000000000",
)]


def corpus():
    """[(type byte, body without the type byte)]"""
    old_scores = length(3) + string(b"a") + b"\x031.5" + string(b"b") + b"\xfe" + string(b"c") + b"\xff"
    scores = length(3) + b"".join(string(m) + struct.pack("<d", s)
                                  for m, s in ((b"c", 9.5), (b"b", 2), (b"a", -1e300)))
    timed = length(3) + length(0) + string(b"f") + string(b"v") + length(1) + string(b"g") + \
        string(b"w") + length(5000) + string(b"h") + string(b"1")
    early = length(2) + length(0) + string(b"f") + string(b"v") + length(WHEN) + string(b"g") + \
        string(b"w")
    times = listpack(TIMES[:2] + [b"0"]).replace(b"\0\1\xff", b"\0\1\xff")
    big_times = listpack([])
    for w in (TIMES[:3], TIMES[3:6]):
        big_times = _add_timed(big_times, w)
    big_times = _add_timed(big_times, TIMES[6:])
    return [
        (0, string(b"text")), (0, b"\xc0\x05"), (0, b"\xc1\x00\x80"), (0, b"\xc2\x00\x00\x00\x80"),
        (0, b"\xc3\x05\x15\x00a\xe0\x0b\x00"), (1, many(WORDS)), (2, many(WORDS)),
        (3, old_scores), (4, length(len(PAIRS)) + b"".join(string(w) for w in FLAT)), (5, scores),
        (9, string(zipmap(PAIRS))), (10, string(ziplist(WORDS))),
        (11, string(intset([-5, 3, 70000]))), (11, string(intset([1, 2, 3], 2))),
        (11, string(intset([-2 ** 40, 2 ** 50], 8))), (12, string(ziplist(SCORED))),
        (13, string(ziplist(FLAT))), (14, many([ziplist(WORDS), ziplist(WORDS[:3])])),
        (15, stream(15)), (16, string(listpack(FLAT))), (17, string(listpack(SCORED))),
        (18, length(3) + length(2) + string(listpack(WORDS)) + length(1) + string(b"plain") +
         length(2) + string(listpack(WORDS[:2]))),
        (19, stream(19)), (20, string(listpack(WORDS))), (21, stream(21)), (22, early),
        (23, string(big_times)), (23, string(times)), (24, struct.pack("<Q", WHEN) + timed),
        (25, struct.pack("<Q", WHEN) + string(big_times)),
    ] + [(7, v) for v in VECTOR_SETS + SKETCHES] + [(7, JSON_ID + b"\x05" + string(v) + b"\0") for v in DOCUMENTS] + [
        (7, timed_set([(b"a", 0), (b"5", WHEN), (b"", WHEN + 7), (b"beta", 1)])),
        (7, timed_set([(b"m%d" % i, WHEN + i if i % 3 else 0) for i in range(40)])),
    ]


def _add_timed(lp, words):
    """Field, value, and a time of 64 bits, at the end of a listpack."""
    more = listpack(words[:2])[6:-1]
    more += b"\xf4" + struct.pack("<q", int(words[2])) + b"\x09"
    count = struct.unpack("<H", lp[4:6])[0] + 3
    out = lp[6:-1] + more
    return struct.pack("<IH", len(out) + 7, count) + out + b"\xff"


# ---------------------------------------------------------------- mutations

SPECIAL = [0, 1, 2, 0x3F, 0x40, 0x7F, 0x80, 0x81, 0xC0, 0xC3, 0xE0, 0xF0, 0xF1, 0xF4, 0xFE, 0xFF]
WIDE = [0, 1, 2 ** 31 - 1, 2 ** 32 - 1, 2 ** 63 - 1, 2 ** 64 - 1, 2 ** 63, 65535, 1 << 40]


def mutate(rng, body, others):
    """One to four changes; the type byte stands in front."""
    b = bytearray(body)
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4))):
        at = rng.randrange(len(b)) if b else 0
        how = rng.randrange(10)
        if not b or how == 0:
            b[at:at] = bytes([rng.choice(SPECIAL)])
        elif how == 1:
            b[at] ^= 1 << rng.randrange(8)
        elif how <= 3:
            b[at] = rng.choice(SPECIAL)
        elif how == 4:
            b[at] = b[at] + rng.choice((1, -1)) & 255
        elif how == 5:
            del b[at:at + rng.randrange(1, 9)]
        elif how == 6:
            end = at + rng.randrange(1, 20)
            b[at:at] = b[at:end]
        elif how == 7:
            width = rng.choice((2, 4, 8))
            b[at:at + width] = struct.pack("<Q", rng.choice(WIDE) & 2 ** 64 - 1)[:width]
        elif how == 8:
            other = rng.choice(others)
            begin = rng.randrange(len(other))
            b[at:at] = other[begin:begin + rng.randrange(1, 40)]
        else:
            b[0] = rng.choice(others)[0]
    return bytes(b[:4000])
