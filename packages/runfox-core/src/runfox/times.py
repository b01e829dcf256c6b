"""Points in time as UTC text, ``2026-01-31T12:00:00.000000Z``: the order of the text is the order of time.

Records hold this form and nothing else. Clocks give seconds since the epoch, as `time.time` does.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], float]
"""A clock: no arguments, seconds since the epoch."""

LATEST = "9999-12-31T23:59:59.999999Z"
"""The last point in time that the form can name; sums beyond it stop here."""


def format_time(seconds: float) -> str:
    """Seconds since the epoch as UTC text with microseconds."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="microseconds")[:-6] + "Z"


def to_seconds(text: str) -> float:
    """UTC text as seconds since the epoch."""
    return datetime.fromisoformat(text).timestamp()


def add_seconds(text: str, seconds: float) -> str:
    """The point `seconds` after `text`, at most `LATEST`."""
    try:
        moment = datetime.fromisoformat(text) + timedelta(seconds=seconds)
    except OverflowError:
        return LATEST
    return moment.isoformat(timespec="microseconds")[:-6] + "Z"


def seconds_between(start: str, end: str) -> float:
    """Seconds from `start` to `end`; negative when `end` is the earlier one."""
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
