"""The classes that a backend's tests subclass: one line for each kind.

    class TestMyStore(StoreConformance):
        harness = Harness

Each check of the contract is one node of the class, `test_clause[STORE-CAS-03]`. The plugin gives it its checks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, cast

from runfox_testing.check import KINDS, Check, Kind, Waiver, kind_of
from runfox_testing.harness import Harness, RunnerHarness, StoreHarness


class Conformance:
    """What the three kinds share. `waivers` name the checks that are known to fail, as those of the harness do."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if cls.test_clause is not Conformance.test_clause:
            raise TypeError(f"{cls.__name__}.test_clause is the kit's: add tests of your own under other names")

    kind: ClassVar[Kind]
    waivers: ClassVar[Sequence[Waiver]] = ()

    @classmethod
    def harness_types(cls) -> list[type[Harness[Any]]]:
        """The harnesses of what is checked. Raises `ValueError` where one is missing."""
        raise NotImplementedError

    @classmethod
    def all_waivers(cls) -> list[Waiver]:
        """The class's own, and of its harnesses' those that are about this kind or about no check at all."""
        of_harnesses = [waiver for harness in cls.harness_types() for waiver in harness.waivers]
        other_kinds = set(KINDS.values()) - {cls.kind}
        return [*cls.waivers, *(waiver for waiver in of_harnesses if kind_of(waiver.clause) not in other_kinds)]

    def test_clause(self, runfox_check: Check, runfox_run: Callable[[Check], None]) -> None:
        """One check of the contract."""
        runfox_run(runfox_check)


class StoreConformance(Conformance):
    """Every check for the store that `harness` opens."""

    kind = "store"
    harness: ClassVar[type[StoreHarness] | None] = None

    @classmethod
    def harness_types(cls) -> list[type[Harness[Any]]]:
        """The store's."""
        return [_stated(cls, "harness", cls.harness, StoreHarness)]


class RunnerConformance(Conformance):
    """Every check for the runner that `harness` opens."""

    kind = "runner"
    harness: ClassVar[type[RunnerHarness] | None] = None

    @classmethod
    def harness_types(cls) -> list[type[Harness[Any]]]:
        """The runner's."""
        return [_stated(cls, "harness", cls.harness, RunnerHarness)]


class WorkflowConformance(Conformance):
    """Whole workflows on the store of `store_harness` and the runner of `runner_harness`."""

    kind = "workflow"
    store_harness: ClassVar[type[StoreHarness] | None] = None
    runner_harness: ClassVar[type[RunnerHarness] | None] = None

    @classmethod
    def harness_types(cls) -> list[type[Harness[Any]]]:
        """The store's, then the runner's."""
        return [
            _stated(cls, "store_harness", cls.store_harness, StoreHarness),
            _stated(cls, "runner_harness", cls.runner_harness, RunnerHarness),
        ]


def _stated(cls: type, name: str, value: object, base: type) -> type[Harness[Any]]:
    if not (isinstance(value, type) and issubclass(value, base)):
        raise ValueError(f"{cls.__name__}.{name} is {value!r}: state a subclass of runfox_testing.{base.__name__}")
    return cast("type[Harness[Any]]", value)
