"""What an expression sees: ``input``, ``steps``, ``state``, and for a branch the step's own output besides."""

from __future__ import annotations

from collections.abc import Mapping

from runfox.expressions import descend
from runfox.jsonvalue import JSONObject, JSONValue
from runfox.machine.draft import Draft

_ROOTS = frozenset(("input", "steps", "state"))


class DraftContext:
    """The data of an execution with a draft over it. Looks up one value at a time and builds no more than is asked for.

    `own` holds the fields that stand at the top level besides the roots; a root wins over a field of its name.
    """

    __slots__ = ("_draft", "_own")

    def __init__(self, draft: Draft, own: Mapping[str, JSONValue]) -> None:
        self._draft = draft
        self._own = own

    def root(self, name: str, default: JSONValue) -> JSONValue:
        """A root, whole, or a field of the step's own output."""
        if name == "input":
            return self._draft.base.record.inputs
        if name == "state":
            return self._state()
        if name == "steps":
            return self._steps()
        return self._own.get(name, default)

    def child(self, name: str, key: str, default: JSONValue) -> JSONValue:
        """``name.key`` without building the root."""
        if name == "steps":
            return self._step(key, default)
        if name == "state":
            state = self._draft.state
            return state[key] if key in state else self._draft.base.record.state.get(key, default)
        return descend(self.root(name, None), key, default)

    def everything(self) -> JSONObject:
        """All roots and fields."""
        own = {key: value for key, value in self._own.items() if key not in _ROOTS}
        return {**own, "input": self._draft.base.record.inputs, "steps": self._steps(), "state": self._state()}

    def _state(self) -> JSONObject:
        before = self._draft.base.record.state
        return {**before, **self._draft.state} if self._draft.state else before

    def _step(self, op: str, default: JSONValue) -> JSONValue:
        if op not in self._draft.base.plan.steps:
            return default
        output = self._draft.step(op).output
        return default if output is None else {"output": output}

    def _steps(self) -> JSONObject:
        """Every step that has an output, in the definition's order."""
        steps = ((op, self._draft.step(op).output) for op in self._draft.base.plan.steps)
        return {op: {"output": output} for op, output in steps if output is not None}
