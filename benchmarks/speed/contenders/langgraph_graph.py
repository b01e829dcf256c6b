"""langgraph: a `StateGraph` with a checkpointer, its SQLite one or the one in memory, called with `invoke`.

Counted is the call; building and compiling the graph is not. Each step is a node, a fan's branches run in one of its
supersteps. `durability` is its default, ``async``: a checkpoint is written while the next step runs. The recursion
limit, 25 steps by default, is raised as its documentation says. The SQLite checkpointer sets WAL itself, and leaves
synchronous at FULL.
"""

from __future__ import annotations

import operator
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypedDict

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from serving import Measured, serve
from workloads import SMALL_STEPS, Workload, total


class Value(TypedDict):
    value: int


class Values(Value):
    values: Annotated[list[int], operator.add]


class Nodes:
    """What the nodes do, counted."""

    def __init__(self) -> None:
        self.executed = 0

    def step(self, state: Value) -> dict[str, Any]:
        self.executed += 1
        return {"value": total({"value": state["value"]})}

    def branch(self, state: Values) -> dict[str, Any]:
        return {"values": [self.step(state)["value"]]}

    def join(self, state: Values) -> dict[str, Any]:
        self.executed += 1
        return {"value": total({str(number): value for number, value in enumerate(state["values"])})}


def chain(length: int, nodes: Nodes) -> Any:
    graph = StateGraph(Value)
    names = [f"step-{number:05d}" for number in range(length)]
    for name in names:
        graph.add_node(name, nodes.step)
    for before, after in zip([START, *names], [*names, END], strict=True):
        graph.add_edge(before, after)
    return graph


def loop(times: int, nodes: Nodes) -> Any:
    graph = StateGraph(Value)
    graph.add_node("again", nodes.step)
    graph.add_edge(START, "again")
    graph.add_conditional_edges("again", lambda state: "again" if state["value"] < times else END)
    return graph


def fan(width: int, nodes: Nodes) -> Any:
    graph = StateGraph(Values)
    names = [f"step-{number:05d}" for number in range(width)]
    graph.add_node("root", nodes.step)
    graph.add_edge(START, "root")
    for name in names:
        graph.add_node(name, nodes.branch)
        graph.add_edge("root", name)
    graph.add_node("join", nodes.join)
    graph.add_edge(names, "join")
    graph.add_edge("join", END)
    return graph


GRAPHS: dict[str, Callable[[int, Nodes], Any]] = {"chain": chain, "small": chain, "loop": loop, "fan": fan}


@contextmanager
def saver_of(place: str, folder: Path) -> Iterator[Any]:
    if place == "memory":
        yield InMemorySaver()
        return
    with SqliteSaver.from_conn_string(str(folder / "langgraph.db")) as saver:
        saver.setup()
        yield saver


def carry(workload: Workload, place: str, folder: Path) -> Measured:
    """Invoke the graph, on a new thread for each execution."""
    nodes = Nodes()
    small = workload.shape == "small"
    graph = GRAPHS[workload.shape](SMALL_STEPS if small else workload.size, nodes)
    with saver_of(place, folder) as saver:
        app = graph.compile(checkpointer=saver)
        result: dict[str, Any] = {}
        begun = time.perf_counter()
        for number in range(workload.size if small else 1):
            config = {"configurable": {"thread_id": str(number)}, "recursion_limit": workload.steps + 10}
            result = app.invoke({"value": 0}, config)
        seconds = time.perf_counter() - begun
    return {"seconds": seconds, "executed": nodes.executed, "outcome": result["value"]}


if __name__ == "__main__":
    serve(carry, "langgraph", "langgraph-checkpoint-sqlite")
