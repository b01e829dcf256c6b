"""Results of one execution are settled by one thread at a time, together with those that came meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from runfox.backend.engine import Turn
from runfox.errors import StorageUnavailable
from runfox.results import Pending, StepResult
from runfox.worker.settling import Settling

PATIENCE = 60.0


class Engine:
    """Notes what is carried; what happens in a `carry` is the test's."""

    def __init__(self) -> None:
        self.carried: list[tuple[str, list[str]]] = []
        self.meanwhile: Callable[[], object] = lambda: None

    def carry(self, key: str, results: Sequence[StepResult]) -> Turn:
        self.carried.append((key, [result.op for result in results]))
        self.meanwhile()
        return Turn(Pending(), None, running=True)


class Caretaker:
    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []

    def settled(self, key: str, turn: Turn) -> None:
        self.told.append((key, turn.answer))

    def failed(self, key: str, error: BaseException) -> None:
        self.told.append((key, type(error)))


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def settling(engine: Engine) -> Settling:
    return Settling(engine, Caretaker())  # type: ignore[arg-type]  # stand-ins


def result(op: str) -> StepResult:
    return StepResult(op, {}, 0)


def test_what_comes_in_meanwhile_is_settled_together(engine: Engine, settling: Settling) -> None:
    def others() -> None:
        engine.meanwhile = lambda: None
        for op in "bcd":
            thread = threading.Thread(target=settling.settle, args=("w#1", result(op)))
            thread.start()
            thread.join(PATIENCE)
        settling.settle("w#2", result("x"))

    engine.meanwhile = others
    settling.settle("w#1", result("a"))
    assert engine.carried == [("w#1", ["a"]), ("w#2", ["x"]), ("w#1", ["b", "c", "d"])]
    settling.settle("w#1", result("e"))
    assert engine.carried[3:] == [("w#1", ["e"])]


def test_the_caretaker_is_told_how_each_execution_stands(settling: Settling) -> None:
    settling.settle("w#1", result("a"))
    assert settling.caretaker.told == [("w#1", Pending())]  # type: ignore[attr-defined]  # a stand-in's


def test_an_error_is_the_caretakers_and_what_waited_is_settled_all_the_same(engine: Engine, settling: Settling) -> None:
    def fail() -> None:
        engine.meanwhile = lambda: None
        settling.settle("w#1", result("b"))
        raise StorageUnavailable("gone")

    engine.meanwhile = fail
    settling.settle("w#1", result("a"))
    assert engine.carried == [("w#1", ["a"]), ("w#1", ["b"])]
    told = settling.caretaker.told  # type: ignore[attr-defined]  # a stand-in's
    assert told == [("w#1", StorageUnavailable), ("w#1", Pending())]


def test_an_interrupt_is_raised_and_leaves_the_execution_to_be_repaired(engine: Engine, settling: Settling) -> None:
    def interrupt() -> None:
        engine.meanwhile = lambda: None
        raise KeyboardInterrupt

    engine.meanwhile = interrupt
    with pytest.raises(KeyboardInterrupt):
        settling.settle("w#1", result("a"))
    assert settling.caretaker.told == [("w#1", KeyboardInterrupt)]  # type: ignore[attr-defined]  # a stand-in's
    settling.settle("w#1", result("b"))
    assert engine.carried[1:] == [("w#1", ["b"])]
