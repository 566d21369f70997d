"""JSON taken apart without being read: where the members of an object or an array begin and end.

A parser gives up a whole message at the first thing it cannot read, such as half of a surrogate pair or a thousand
brackets in each other. Looking only at strings and brackets, the pieces around it can still be had, each to be read or
refused by itself. Needs no recursion, and looks at each byte once.
"""

import re
from itertools import islice

MOST_MARKS = 1_000_000
"""Strings, brackets and commas: no round of ours has half as many, and to look at more would keep others waiting."""

# Possessive (`*+`): a string that does not end is not tried again from each quote inside it.
_MARK = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[\]{},]', re.DOTALL)
_CLOSES = {b"[": b"]", b"{": b"}"}


def members(data: bytes, opening: bytes) -> tuple[list[bytes], bool]:
    """The members, as they stand there, of the one array (`[`) or object (`{`) that `data` is or begins.

    Those found until its brackets or strings do not fit, and whether they did to the end. What is no such thing has no
    members.
    """
    found: list[bytes] = []
    expected: list[bytes] = []
    begin = 0
    for match in islice(_MARK.finditer(data), MOST_MARKS):
        mark = match.group()
        if not expected:
            if mark != opening or data[: match.start()].strip():
                break
            begin = match.end()
            expected.append(_CLOSES[mark])
        elif mark in _CLOSES:
            expected.append(_CLOSES[mark])
        elif mark == b",":
            if len(expected) == 1:
                found.append(data[begin : match.start()])
                begin = match.end()
        elif mark in {b"]", b"}"}:
            if expected.pop() != mark:
                break
            if not expected:
                last = data[begin : match.start()]
                if found or last.strip():
                    found.append(last)
                return found, not data[match.end() :].strip()
    return found, False
