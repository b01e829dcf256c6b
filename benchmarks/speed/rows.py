"""What is told: a row sets a figure of ours beside what it is held against, and beside the bar, where there is one."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Figure:
    """Somebody's figure, one for each round: steps per second, milliseconds, and so on."""

    who: str
    values: tuple[float, ...]
    unit: str

    @property
    def median(self) -> float:
        """The figure that is told."""
        return statistics.median(self.values)

    @property
    def spread(self) -> tuple[float, float]:
        """The smallest and the largest."""
        return min(self.values), max(self.values)


@dataclass(frozen=True, kw_only=True)
class Row:
    """`what` on `place`: `ours` against `other`, of the `kind` ``peer``, ``floor`` or ``itself``.

    `ratio` is ours ÷ theirs, `bar` what it ought to be. Where `other` is no figure, it says why there is none.
    """

    what: str
    place: str
    ours: Figure
    kind: str
    other: Figure | str | None
    ratios: tuple[float, ...] = field(default=())
    bar: Bar | None = None

    @property
    def ratio(self) -> float | None:
        """The median of the rounds' ratios; each is of two figures that were taken one right after the other."""
        return statistics.median(self.ratios) if self.ratios else None

    @property
    def compared(self) -> float | None:
        """What the bar is held against: the ratio, or our figure itself."""
        if self.bar is not None and self.bar.of_figure:
            return self.ours.median
        return self.ratio

    @property
    def reached(self) -> bool | None:
        """None where there is no bar, or nothing to hold against it."""
        return None if self.bar is None or self.compared is None else self.bar.admits(self.compared)


@dataclass(frozen=True, kw_only=True)
class Bar:
    """How much, or how little, something has to be. `of_figure` tells that it is no ratio."""

    least: float | None = None
    most: float | None = None
    of_figure: bool = False

    def admits(self, value: float) -> bool:
        """True if `value` is on the right side."""
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    def __str__(self) -> str:
        return f"≥ {self.least:g}" if self.least is not None else f"≤ {self.most:g}"


def ratios_of(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, ...]:
    """Round by round."""
    return tuple(our / their for our, their in zip(ours, theirs, strict=True))
