"""What a plain (unquoted) YAML scalar stands for.

Null, booleans, decimal integers and floats are what JSON, YAML 1.1 and YAML 1.2 agree on. What the versions of YAML
read differently, and what JSON can't say, is refused rather than guessed: the author quotes it or writes what is meant.
Everything else is a string.
"""

from __future__ import annotations

import re
from math import isfinite

from runfox.jsonvalue import MAX_INTEGER_DIGITS, JSONValue, shown


class Trap(ValueError):  # caught where it is raised for, never shown
    """A scalar that can't be taken as it stands; the message says what to write, `as_key` if it is a key."""

    def __init__(self, meaning: str, advice: str, advice_for_key: str) -> None:
        super().__init__(f"{meaning}: {advice}")
        self.as_key = f"the key {meaning}: {advice_for_key}"


def resolve(text: str) -> JSONValue:
    """The value of a plain scalar. Raises `Trap`."""
    if text in _WORDS:
        return _WORDS[text]
    if text in _SWITCHES:
        raise _trap(text, "a boolean to some readers of YAML and a string to others", f"write {_SWITCHES[text]}")
    if text[0] not in "+-.0123456789":
        return text
    return _number_like(text)


_WORDS: dict[str, JSONValue] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_SWITCHES = {
    **dict.fromkeys(("yes", "Yes", "YES", "on", "On", "ON"), "true"),
    **dict.fromkeys(("no", "No", "NO", "off", "Off", "OFF"), "false"),
}
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?", re.ASCII)
_TO_SOME = "to some readers of YAML"
_NUMBER_OR_STRING = f"a number {_TO_SOME} and a string to others"
_DATE = (
    r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"
    r"(([Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}(\.[0-9]*)?([ \t]*(Z|[-+][0-9]{1,2}(:?[0-9]{2})?))?)?"
)
_REFUSED = [
    (re.compile(pattern, re.ASCII), meaning, instead)
    for pattern, meaning, instead in (
        (r"[-+]?0[0-9_]+", f"octal {_TO_SOME} and decimal to others", "write it without leading zeros"),
        (r"[-+]?0([xX][0-9a-fA-F_]+|[oO][0-7_]+|[bB][01_]+)", _NUMBER_OR_STRING, "write it as a decimal number"),
        (r"[-+]?[0-9][0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9]+)?", _NUMBER_OR_STRING, "write it without underscores"),
        (r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?", f"a number in base 60 {_TO_SOME}", "write it in seconds"),
        (
            _DATE,
            f"a date {_TO_SOME}, and JSON has none",
            "write a number of seconds",
        ),
        (r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", "no JSON number", "write a finite number"),
    )
]


def _number_like(text: str) -> JSONValue:
    """What a scalar that begins as a number does is. Each pattern takes what those before it have left."""
    if _INTEGER.fullmatch(text):
        if len(text.lstrip("+-")) > MAX_INTEGER_DIGITS:
            raise _trap(text, f"an integer of more than {MAX_INTEGER_DIGITS} digits", "write a shorter one")
        return int(text)
    if _FLOAT.fullmatch(text):
        if not isfinite(value := float(text)):
            raise _trap(text, "beyond the range of JSON numbers", "write a smaller one")
        return value
    for pattern, meaning, instead in _REFUSED:
        if pattern.fullmatch(text):
            raise _trap(text, meaning, instead)
    return text


def _trap(text: str, meaning: str, instead: str) -> Trap:
    return Trap(f"{shown(text)!r} is {meaning}", f"quote it, or {instead}", "quote it")
