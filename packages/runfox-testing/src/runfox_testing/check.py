"""A check is one observable consequence of a clause. It has an id for life, and is one pytest node.

A check is a function of a case, registered by the decorator `check`; its docstring is the sentence that it proves.
It says what it saw with `expect`, and says so in the terms of the implementation's author.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, NoReturn, TypeAlias, TypeVar

Kind: TypeAlias = Literal["store", "runner", "workflow"]

KINDS: Mapping[str, Kind] = MappingProxyType({"STORE": "store", "RUN": "runner", "FLOW": "workflow"})
"""What the first word of an id says."""

TRAITS: Mapping[str, str] = MappingProxyType(
    {
        "threads": "races threads",
        "processes": "starts processes of its own",
        "kills": "kills processes",
        "property": "generates examples",
        "time": "lets time pass",
    }
)
"""What a check may do that one might want to select by: the markers ``runfox_threads`` and so on."""

_ID = re.compile(r"(STORE|RUN|FLOW)-[A-Z]+-\d\d")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check.

    `law` is what it proves, `causes` what usually makes it fail, `needs` the abilities that an implementation must
    claim for it to apply (`runfox_testing.abilities`), `traits` keys of `TRAITS`, `since` the contract's version
    that brought it.
    """

    id: str
    law: str
    causes: tuple[str, ...]
    needs: frozenset[str]
    traits: tuple[str, ...]
    since: str
    function: Callable[[Any], None]

    @property
    def clause(self) -> str:
        """The clause that it belongs to: ``STORE-CAS`` of ``STORE-CAS-03``."""
        return self.id.rpartition("-")[0]

    @property
    def kind(self) -> Kind:
        """What it checks."""
        return KINDS[self.id.partition("-")[0]]


def kind_of(check_id: str) -> Kind | None:
    """What the check of an id is about, None for what can be no id."""
    return KINDS.get(check_id.partition("-")[0])


@dataclass(frozen=True, slots=True)
class Waiver:
    """A check that an implementation is known to fail: `clause` is its id (``STORE-LIST-04``), `reason` says why.

    The check still runs, and has to fail: a waiver that is no longer needed is a failure itself.
    """

    clause: str
    reason: str

    def __post_init__(self) -> None:
        if not self.reason.strip():
            raise ValueError(f"the waiver of {self.clause} needs a reason: say why it can't be kept")


class Violation(AssertionError):
    """What a check saw that it must not see."""


_checks: dict[str, Check] = {}

CaseFunction = TypeVar("CaseFunction", bound=Callable[[Any], None])


def check(
    check_id: str, *, causes: Iterable[str], needs: Iterable[str] = (), traits: Iterable[str] = (), since: str = "1.0"
) -> Callable[[CaseFunction], CaseFunction]:
    """Registers a function as the check of this id. Its docstring is the law."""
    assert _ID.fullmatch(check_id), check_id

    def register(function: CaseFunction) -> CaseFunction:
        # A module that is imported a second time (pytester does that) registers its checks again.
        known = _checks.get(check_id)
        assert known is None or known.function.__module__ == function.__module__, f"{check_id} is there twice"
        law = " ".join((function.__doc__ or "").split())
        assert law, f"{check_id} has no law"
        assert set(traits) <= TRAITS.keys(), check_id
        _checks[check_id] = Check(
            id=check_id,
            law=law,
            causes=tuple(causes),
            needs=frozenset(needs),
            traits=tuple(traits),
            since=since,
            function=function,
        )
        return function

    return register


def all_checks() -> Mapping[str, Check]:
    """Every check by its id, in the order of the contract."""
    import runfox_testing.checks.everything  # noqa: F401, PLC0415  # its modules import this one

    return _checks


def expect(condition: object, observed: str) -> None:
    """Raises `Violation` with what was observed where the condition does not hold."""
    if not condition:
        raise Violation(observed)


def violated(observed: str) -> NoReturn:
    """Raises `Violation`."""
    raise Violation(observed)


def expect_raises(kind: type[Exception], what: str, call: Callable[[], object]) -> Exception:
    """The error that `call` raises, which has to be of `kind`. `what` names the call: ``a write of version 1``."""
    try:
        answer = call()
    except kind as error:
        return error
    except Exception as error:
        raise Violation(f"{what} raised {describe(error)} where {kind.__name__} is due") from error
    raise Violation(f"{what} raised nothing (it gave {answer!r:.60}) where {kind.__name__} is due")


def describe(error: BaseException) -> str:
    """An error as one line: its type and the beginning of its message."""
    return f"{type(error).__name__}({str(error)[:120]!r})"
