"""JSON that is easily lost, and what is no JSON: the fixed samples that checks go through one by one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from types import MappingProxyType
from uuid import UUID

from runfox.jsonvalue import MAX_DEPTH, MAX_INTEGER_DIGITS, JSONObject, JSONValue

TEXTS: Mapping[str, str] = MappingProxyType(
    {
        "empty": "",
        "NUL": "a\0b",
        "only NUL": "\0",
        "a lone high surrogate": "a\ud83d",
        "a lone low surrogate": "\ude00b",
        "two surrogates in the wrong order": "\ude00\ud83d",
        "two surrogates that look like a pair": "\ud83d\ude00",
        "a lone surrogate beside an astral character": "\ud83d\U0001f600\ude00",
        "astral": "\U0001f600\U0010ffff",
        "composed and decomposed": "\u00e9e\u0301",
        "noncharacters": "\ufffe\uffff\ufdd0",
        "a byte order mark": "\ufeffa",
        "line ends": "a\r\nb\rc\nd\x85e\u2028f\u2029",
        "control characters": "".join(map(chr, range(1, 32))) + "\x7f\x80\x9f",
        "white space at the ends": " \t\u00a0a\u00a0\t ",
        "quotes and escapes": "'\"`\\\\u0000\\n/\\/",
        "what databases and shells read": "%s $1 :a ? {0} ${a} ; -- /* _ % * # @ \x1a",
        "another spelling of null": "null",
        "a number": "1e5",
        "right to left": "\u05d0\u202eb",
        "a date": "2026-01-31",
        "a time": "12:00:00",
        "a date and time": "2026-01-31T12:00:00Z",
        "a date and time with microseconds and offset": "2026-01-31 12:00:00.000000+00:00",
        "a UUID": "{00000000-0000-4000-8000-00000000000A}",
        "base64": "bnVsbA==",
        "a boolean": "true",
        "no number": "NaN",
        "scripts": "\u4e2d\u6587 \u0905 \ud55c \u0130\u0131\u00df",
    }
)
"""Texts by what is special about them; they serve as values and as keys."""

INTEGERS: tuple[int, ...] = (
    0,
    -1,
    2**31,
    2**53 + 1,
    -(2**53) - 1,
    2**63 - 1,
    -(2**63),
    2**63,
    2**64 + 1,
    10**38 + 1,
    10**309 + 7,
    10**MAX_INTEGER_DIGITS - 3,
    -(10**MAX_INTEGER_DIGITS) + 7,
)

FLOATS: tuple[float, ...] = (
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.1,
    1 / 3,
    0.1 + 0.2,
    1e16,
    1e22,
    1e23,
    float(2**53),
    1.7976931348623157e308,
    -1.7976931348623157e308,
    2.2250738585072014e-308,
    2.225073858507201e-308,
    5e-324,
    -5e-324,
)


MARKERS: tuple[JSONObject, ...] = (
    {"$date": "2026-01-31T12:00:00Z"},
    {"$date": {"$numberLong": "0"}},
    {"$oid": "0123456789abcdef01234567"},
    {"$numberLong": "1"},
    {"$binary": {"base64": "AA==", "subType": "00"}},
    {"$ref": "#"},
    {"__type__": "set"},
    {"py/object": "builtins.object"},
    {"S": "a"},
    {"N": "1"},
    {"M": {}},
    {"NULL": True},
)
"""Objects that mean something else to extended JSON, to picklers and to databases."""


def nested(levels: int, core: JSONValue = 1) -> JSONValue:
    """`core` in so many containers, lists and objects by turns."""
    value = core
    for level in range(levels):
        value = {"deeper": value} if level % 2 else [value]
    return value


def everything() -> JSONObject:
    """One object with something of each kind."""
    return {
        "texts": list(TEXTS.values()),
        "keys": {text: index for index, text in enumerate(TEXTS.values())},
        "integers": list(INTEGERS),
        "floats": list(FLOATS),
        "ones": [1, 1.0, True, "1"],
        "zeros": [0, 0.0, -0.0, False, None, "", "0", [], {}],
        "containers": [[], {}, [[]], [{}], {"": {}}, {"a": None}, [None]],
        "markers": list(MARKERS),
        "order": {"z": 1, "a": 2, "Z": 3, "10": 4, "9": 5, "": 6},
        "nested": nested(40),
    }


class _Thing:
    def __repr__(self) -> str:
        return "<an object>"


def no_json() -> dict[str, object]:
    """Values that are no JSON, by what they are. (A tuple is one: it stands for a list.)"""
    circle: list[object] = []
    circle.append(circle)
    return {
        "NaN": float("nan"),
        "infinity": float("inf"),
        "minus infinity": float("-inf"),
        "bytes": b"a",
        "a set": {1},
        "a datetime": datetime(2026, 1, 31, tzinfo=UTC),
        "a date": date(2026, 1, 31),
        "a Decimal": Decimal("1.5"),
        "a UUID": UUID(int=1),
        "an object": _Thing(),
        "a complex number": 1j,
        "an integer as a key": {1: "a"},
        "None as a key": {None: "a"},
        "a boolean as a key": {True: "a"},
        "a tuple as a key": {(1, 2): "a"},
        "a list in itself": circle,
    }


def beyond_limits() -> dict[str, JSONValue]:
    """JSON that is over the limits up to which everything has to be kept, by what is too much in it."""
    return {
        f"{MAX_DEPTH + 1} levels": nested(MAX_DEPTH + 1),
        f"{MAX_DEPTH * 8} levels": nested(MAX_DEPTH * 8),
        f"{MAX_INTEGER_DIGITS + 1} digits": 10**MAX_INTEGER_DIGITS,
        f"{MAX_INTEGER_DIGITS * 2} digits": 10 ** (MAX_INTEGER_DIGITS * 2),
    }
