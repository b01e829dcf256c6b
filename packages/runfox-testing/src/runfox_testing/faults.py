"""What goes wrong on purpose: how often, when, and the record of it.

Nothing is injected that a legal store, queue or network may not do by the contract (`runfox.protocols`). So a correct
engine comes to the same end under any faults that stop some time; what differs is how often executors are called.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, TypeVar, runtime_checkable

from runfox.errors import StorageError

T = TypeVar("T")

Kind: TypeAlias = Literal["conflicts", "lost_replies", "failures", "duplicates", "delays", "reorder"]
"""The kinds of faults, by the fields of `Faults`."""

_RATES: tuple[Kind, ...] = ("conflicts", "lost_replies", "failures", "duplicates", "delays", "reorder")


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """How often calls go wrong. Rates are probabilities, 0 to 1; the same `seed` gives the same faults for the same
    calls. After `limit` faults there are no more.

    `conflicts`: a write raises `WriteConflict` and has no effect. `failures`: a call raises `StorageError` and has no
    effect. `lost_replies`: a call has its effect and raises `StorageError`.

    `duplicates`: a dispatch or a submit is made twice; a job is delivered a second time, as after a lapsed lease; a
    result is gathered a second time, as after a re-dispatch. `delays`: a take or a gather answers [] although there
    is something, which comes later. `reorder`: what one take or one gather answers is in another order.

    Raises `ValueError` for what is no probability, no whole number, or a negative limit.
    """

    seed: int = 0
    conflicts: float = 0.0
    lost_replies: float = 0.0
    failures: float = 0.0
    duplicates: float = 0.0
    delays: float = 0.0
    reorder: float = 0.0
    limit: int | None = None

    def __post_init__(self) -> None:
        for name in _RATES:
            rate: object = getattr(self, name)
            if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 <= rate <= 1:
                raise ValueError(f"Faults({name}={rate!r}): a rate is a probability, a number from 0 to 1")
        if not _is_whole(self.seed):
            raise ValueError(f"Faults(seed={self.seed!r}): use an integer")
        if self.limit is not None and (not _is_whole(self.limit) or self.limit < 0):
            raise ValueError(f"Faults(limit={self.limit!r}): use the number of faults, 0 or more, or None for no limit")


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


@dataclass(frozen=True, slots=True)
class Injected:
    """A fault that was injected: its kind, the method that it struck, and what that was about: a
    workflow_execution_id, the key of a job or of a run; empty where it was about nothing in particular.
    """

    kind: Kind
    method: str
    about: str = ""

    def __str__(self) -> str:
        return f"{self.kind} in {self.method}" + (f" of {self.about}" if self.about else "")


class Injector:
    """Decides for each call whether a fault strikes it, and keeps what was injected. Safe between threads.

    Wrappers that share one draw from one seed and count to one limit.
    """

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._random = random.Random(faults.seed)
        self._lock = threading.Lock()
        self._injected: list[Injected] = []

    @property
    def injected(self) -> tuple[Injected, ...]:
        """What was injected so far, in order."""
        with self._lock:
            return tuple(self._injected)

    def strikes(self, kind: Kind, method: str, about: str = "") -> bool:
        """Whether a fault of this kind is injected now. If so it is on record."""
        with self._lock:
            spent = self._faults.limit is not None and len(self._injected) >= self._faults.limit
            if spent or self._random.random() >= getattr(self._faults, kind):
                return False
            self._injected.append(Injected(kind, method, about))
            return True

    def reading(self, method: str, about: str, call: Callable[[], T]) -> T:
        """A call without an effect, which may fail."""
        if self.strikes("failures", method, about):
            raise StorageError(f"injected: {method} failed before it had an effect")
        return call()

    def acting(self, method: str, about: str, call: Callable[[], T]) -> T:
        """A call with an effect, before which it may fail and after which its reply may be lost."""
        answer = self.reading(method, about, call)
        if self.strikes("lost_replies", method, about):
            raise StorageError(f"injected: the reply of {method} was lost after its effect")
        return answer

    def reordered(self, items: list[T], method: str, about: str = "") -> list[T]:
        """The items, in another order if a fault strikes."""
        if len(items) < 2 or not self.strikes("reorder", method, about):
            return items
        order = list(range(len(items)))
        with self._lock:
            while order == sorted(order):
                self._random.shuffle(order)
        return [items[index] for index in order]


@runtime_checkable
class SupportsClose(Protocol):
    """What holds something that has to be given back."""

    def close(self) -> None:
        """Give it back."""
        ...


def able(kind: type[T], abilities: tuple[tuple[type, type], ...], wrapped: object) -> type[T]:
    """A subclass of `kind` with the methods of just those abilities that `wrapped` has.

    `abilities` are pairs of a Protocol and the class that has its methods. They have to be in the class: since Python
    3.12 `isinstance` finds a Protocol by nothing that a ``__getattr__`` could answer.
    """
    methods = tuple(methods for protocol, methods in abilities if isinstance(wrapped, protocol))
    return type(kind.__name__, (*methods, kind), {"__module__": kind.__module__, "__doc__": kind.__doc__})
