"""A definition that has been checked, frozen. Only `runfox.definition.validate` makes one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from runfox.jsonvalue import JSONObject, JSONValue


@dataclass(frozen=True, slots=True)
class HaltWorkflow:
    """``action: halt``: the workflow ends; `result`, resolved, is its outcome."""

    result: JSONValue


@dataclass(frozen=True, slots=True)
class CompleteStep:
    """``action: complete``: the step is COMPLETE, whatever is left of its retry budget."""


@dataclass(frozen=True, slots=True)
class ResetSteps:
    """``action: {set: …}``: `targets`, the step itself and all that depend on them start again."""

    targets: tuple[str, ...]


BranchAction: TypeAlias = HaltWorkflow | CompleteStep | ResetSteps


@dataclass(frozen=True, slots=True)
class Branch:
    """When `condition` is truthy after a result, `action` follows."""

    condition: JSONValue
    action: BranchAction


class DefaultWhen:
    """The type of `DEFAULT_WHEN`."""

    def __repr__(self) -> str:
        return "DEFAULT_WHEN"


DEFAULT_WHEN = DefaultWhen()


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often one activation of a step may run, and how long to wait in between. Times in seconds.

    `when` decides what an error is; `DEFAULT_WHEN` means: an output whose ``ok`` is false.
    """

    max_attempts: int = 1
    delay: float = 0.0
    backoff: float = 2.0
    max_delay: float = 60.0
    jitter: float = 0.0
    when: JSONValue | DefaultWhen = DEFAULT_WHEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step with the definition's defaults filled in. `timeout` in seconds, None for no limit."""

    op: str
    call: str
    input: JSONObject = field(default_factory=dict)
    depends_on: tuple[str, ...] = ()
    branches: tuple[Branch, ...] = ()
    retry: Retry = field(default_factory=Retry)
    timeout: float | None = None
    halt_on_error: bool = False
    queue: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A valid workflow definition.

    `spec` is what the author wrote, as JSON. `workflow_id` is the digest of what of it is ever read: 32 hexadecimal
    digits of the SHA-256 of its canonical JSON text, without descriptions, labels and ``x-…`` keys.
    """

    name: str
    steps: tuple[Step, ...]
    outputs: JSONObject
    spec: JSONObject
    workflow_id: str
