"""The retry policy of a step, and the fields that ``defaults`` may set for all of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from runfox.definition import fields
from runfox.definition.fields import MAX_SECONDS, Report
from runfox.definition.model import Retry
from runfox.definition.source import Path
from runfox.jsonvalue import JSONObject, shown

RETRY_KEYS = ("max_attempts", "delay", "backoff", "max_delay", "jitter", "when")
POLICY_KEYS = ("retry", "max_attempts", "timeout", "on_error", "queue")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What steps and ``defaults`` have in common."""

    retry: Retry = field(default_factory=Retry)
    timeout: float | None = None
    halt_on_error: bool = False
    queue: str | None = None


def read_policy(owner: JSONObject, path: Path, base: Policy, report: Report) -> Policy:
    """The policy that `owner` (a step or ``defaults``) sets, with `base` for what it does not."""
    if owner.keys().isdisjoint(POLICY_KEYS):
        return base
    timeout = fields.number(owner, "timeout", path, report, low=0, high=MAX_SECONDS, above=True)
    queue = fields.string(owner, "queue", path, report, empty=False)
    return Policy(
        retry=_retry(owner, path, base.retry, report),
        timeout=base.timeout if timeout is None else timeout,
        halt_on_error=_halt_on_error(owner, path, report) if "on_error" in owner else base.halt_on_error,
        queue=base.queue if queue is None else queue,
    )


def _retry(owner: JSONObject, path: Path, base: Retry, report: Report) -> Retry:
    given = fields.mapping(owner, "retry", path, report) or {}
    below = (*path, "retry")
    fields.check_keys(given, RETRY_KEYS, below, report, extensible=False)
    shorthand = fields.count(owner, "max_attempts", path, report)
    attempts = fields.count(given, "max_attempts", below, report)
    if "max_attempts" in owner and "max_attempts" in given:
        message = "'max_attempts' is short for 'retry.max_attempts', and both are there: keep one"
        report.add((*path, "max_attempts"), message, at_key=True)

    def number(key: str, default: float, low: float, high: float) -> float:
        value = fields.number(given, key, below, report, low=low, high=high)
        return default if value is None else value

    return Retry(
        max_attempts=shorthand or attempts or base.max_attempts,
        delay=number("delay", base.delay, 0, MAX_SECONDS),
        backoff=number("backoff", base.backoff, 0, fields.MAX_NUMBER),
        max_delay=number("max_delay", base.max_delay, 0, MAX_SECONDS),
        jitter=number("jitter", base.jitter, 0, 1),
        when=given.get("when", base.when),
    )


def _halt_on_error(owner: JSONObject, path: Path, report: Report) -> bool:
    value = owner["on_error"]
    if value not in ("continue", "halt"):
        text = f" {shown(value)!r}" if isinstance(value, str) else ""
        message = f"'on_error' can't be {fields.kind(value)}{text}: write 'continue' or 'halt'"
        report.add((*path, "on_error"), message)
    return value == "halt"
