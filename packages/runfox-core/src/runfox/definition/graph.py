"""Questions about who depends on whom. Steps are numbers; `needs[i]` are the steps that step i depends on.

Nothing recurses, so a chain of any length will do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

Needs = Sequence[Sequence[int]]


def ordered(needs: Needs) -> list[int]:
    """The steps, each after all that it depends on. Steps on a cycle, or behind one, are left out."""
    waiting = [len(needed) for needed in needs]
    dependents = _dependents(needs)
    order = [step for step, count in enumerate(waiting) if not count]
    for step in order:  # grows while it is gone through
        for dependent in dependents[step]:
            waiting[dependent] -= 1
            if not waiting[dependent]:
                order.append(dependent)
    return order


def cycles(needs: Needs) -> Iterator[list[int]]:
    """Cycles of steps of which each needs the next and the last the first; each starts with its lowest number.

    A cycle comes once. Where cycles overlap there may be more of them than come, but none is left when those that
    come are broken up one after the other.
    """
    done = [False] * len(needs)
    for start in range(len(needs)):
        path: list[int] = [start]
        depth = {start: 0}
        open_ends = [iter(() if done[start] else needs[start])]
        while path:
            step = next(open_ends[-1], None)
            if step is None:
                open_ends.pop()
                finished = path.pop()
                del depth[finished]
                done[finished] = True
            elif step in depth:
                yield _rotated(path[depth[step] :])
            elif not done[step]:
                depth[step] = len(path)
                path.append(step)
                open_ends.append(iter(needs[step]))


def strangers(needs: Needs, order: Sequence[int], asked: Mapping[int, AbstractSet[int]]) -> set[tuple[int, int]]:
    """The pairs (step, other) of `asked` where the other is no transitive dependency of the step.

    `order` is that of `ordered`; what is not in it is not looked at. Each step's dependencies are the bits of one
    integer, which is dropped when the last dependent has taken it in.
    """
    bit = {step: index for index, step in enumerate(order)}
    readers = [len(dependents) for dependents in _dependents(needs)]
    above: dict[int, int] = {}
    found: set[tuple[int, int]] = set()
    for step in order:
        bits = 0
        for needed in needs[step]:
            bits |= above[needed] | 1 << bit[needed]
            readers[needed] -= 1
            if not readers[needed]:
                del above[needed]
        found |= {(step, other) for other in asked.get(step, ()) if other not in bit or not bits >> bit[other] & 1}
        above[step] = bits
    return found


def _dependents(needs: Needs) -> list[list[int]]:
    dependents: list[list[int]] = [[] for _ in needs]
    for step, needed in enumerate(needs):
        for other in needed:
            dependents[other].append(step)
    return dependents


def _rotated(cycle: list[int]) -> list[int]:
    lowest = cycle.index(min(cycle))
    return cycle[lowest:] + cycle[:lowest]
