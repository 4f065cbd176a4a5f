# SPDX-License-Identifier: BSD-3-Clause
"""compare - whether a reply is the recorded one, with its masks and undefined orders."""
import json


def _key(node):
    return json.dumps(node)


def _pairs(node):
    """Field-value pairs, sorted: of a map, a flat array, or an array of pairs."""
    kind, items = node[0], node[1]
    if kind == "%":
        return [kind, sorted(items, key=_key)]
    if kind not in "*~>" or items is None:
        return node
    nested = items and all(x[0] in "*~" and x[1] is not None and len(x[1]) == 2 for x in items)
    if nested or len(items) % 2:
        return [kind, sorted(items, key=_key)]
    pairs = sorted((items[i:i + 2] for i in range(0, len(items), 2)), key=_key)
    return [kind, [x for pair in pairs for x in pair]]


def _set(node):
    if node[0] in "*~>" and node[1] is not None:
        return [node[0], sorted(node[1], key=_key)]
    return _pairs(node) if node[0] == "%" else node


def _deep(node):
    kind = node[0]
    if kind in "*~>" and node[1] is not None:
        return [kind, sorted((_deep(x) for x in node[1]), key=_key)]
    if kind == "%":
        return [kind, sorted(([_deep(k), _deep(v)] for k, v in node[1]), key=_key)]
    return node


def _second(sort):
    def one(node):
        if node[0] != "*" or not node[1] or len(node[1]) != 2:
            return node
        return ["*", [node[1][0], sort(node[1][1])]]
    return one


_ORDER = {"set": _set, "pairs": _pairs, "deep": _deep, "scan": _second(_set),
          "scanpairs": _second(_pairs)}


def _equal(want, got):
    if not isinstance(want, list) or not isinstance(got, list):
        return want == got
    if want and want[0] == "any":
        return len(want) == 1 or got[:1] == want[1:]
    if want and want[0] == "near":
        return got[:1] == [":"] and abs(got[1] - want[1]) <= want[2]
    return len(want) == len(got) and all(_equal(w, g) for w, g in zip(want, got))


def same(want, got, order=None):
    """Is `got` what was recorded? `order` is the step's "cmp"."""
    if order:
        want, got = _ORDER[order](want), _ORDER[order](got)
    return _equal(want, got)
