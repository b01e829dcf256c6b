"""Heads of executions: read, remembered, and replaced by compare-and-set.

A replacement whose reply is lost is sent again. What stands there then says whether the first one took effect: a head
has the id of the commit that made it, an entry that of its version's.
"""

from __future__ import annotations

import random
import time
from collections import OrderedDict
from collections.abc import Collection, Mapping
from typing import Any

from runfox.errors import StorageUnavailable, WorkflowNotFound, WriteConflict
from runfox.packed import Packed, unpack
from runfox_aws._errors import ConditionFailed, ReplyLost
from runfox_aws._history import History, Moved
from runfox_aws._items import item_of
from runfox_aws._locks import new_lock
from runfox_aws._state_items import WorkflowStateItem, head_key
from runfox_aws._table import Table

_REMEMBERED = 1_000
_TRIES = 4
_PAUSE = 0.1


class Heads:
    """The heads in a table. Safe between threads."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._lock = new_lock(self)
        self._known: OrderedDict[str, WorkflowStateItem] = OrderedDict()

    def read(self, workflow_execution_id: str) -> WorkflowStateItem:
        """The head as it is now. Raises `WorkflowNotFound`."""
        found = self._table.get(head_key(workflow_execution_id))
        if found is None:
            self.forget(workflow_execution_id)
            raise WorkflowNotFound(workflow_execution_id)
        head = item_of(WorkflowStateItem, found)
        self.remember(head)
        return head

    def epoch_of(self, workflow_execution_id: str) -> str | None:
        """The epoch of the execution as it is now; None where there is none."""
        try:
            return self.read(workflow_execution_id).epoch
        except WorkflowNotFound:
            return None

    def at(self, workflow_execution_id: str, version: int) -> WorkflowStateItem:
        """The head, if it may be at this version. Raises `WriteConflict` if it is not."""
        with self._lock:
            known = self._known.get(workflow_execution_id)
        if known is not None and known.version == version:
            return known
        try:
            head = self.read(workflow_execution_id)
        except WorkflowNotFound:
            raise WriteConflict(workflow_execution_id, version) from None
        if head.version != version:
            raise WriteConflict(workflow_execution_id, version)
        return head

    def create(self, head: WorkflowStateItem) -> None:
        """Put the first head of an execution. Raises `WriteConflict`."""
        self._commit(head, None)

    def replace(self, old: WorkflowStateItem, new: WorkflowStateItem) -> None:
        """Put `new` in the place of `old`. Raises `WriteConflict`."""
        self._commit(new, old)

    def remove(self, workflow_execution_id: str) -> WorkflowStateItem:
        """Remove the head; gives the one that stood there. Raises `WorkflowNotFound`, and `ReplyLost` as a commit."""
        head = self.read(workflow_execution_id)
        doubt = False
        for attempt in range(1, _TRIES + 1):
            self.forget(workflow_execution_id)
            try:
                self._table.delete(head_key(workflow_execution_id), "epoch = :epoch", {":epoch": head.epoch})
            except ConditionFailed as refused:
                found = None if refused.item is None else item_of(WorkflowStateItem, refused.item)
                if doubt or refused.retried:
                    _check_is_another(found, head)
                    return head
                if found is None:
                    raise WorkflowNotFound(workflow_execution_id) from None
                head = found  # a write of the whole record has replaced it
            except ReplyLost:
                doubt = True
                if attempt == _TRIES:
                    raise
                _pause(attempt)
            else:
                return head
        raise StorageUnavailable(f"others write {workflow_execution_id!r} faster than it can be removed: try again")

    def remember(self, head: WorkflowStateItem) -> None:
        """This is the latest head that is known."""
        with self._lock:
            self._known[head.workflow_execution_id] = head
            self._known.move_to_end(head.workflow_execution_id)
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)

    def forget(self, workflow_execution_id: str) -> None:
        """Nothing is known of this head."""
        with self._lock:
            self._known.pop(workflow_execution_id, None)

    def _commit(self, new: WorkflowStateItem, old: WorkflowStateItem | None) -> None:
        """Raises `ReplyLost` where nobody can say whether the commit took effect."""
        doubt = False
        for attempt in range(1, _TRIES + 1):
            try:
                self._send(new, old)
            except ConditionFailed as refused:
                self.forget(new.workflow_execution_id)
                if self._has_taken_effect(refused.item, new, in_doubt=doubt or refused.retried):
                    break
                raise WriteConflict(new.workflow_execution_id, new.version - 1) from None
            except ReplyLost:
                self.forget(new.workflow_execution_id)
                doubt = True
                if attempt == _TRIES:
                    raise
                _pause(attempt)
            else:
                break
        self.remember(new)

    def _send(self, new: WorkflowStateItem, old: WorkflowStateItem | None) -> None:
        key = head_key(new.workflow_execution_id)
        if old is None:
            self._table.put({**key, **new.to_dict()}, "attribute_not_exists(PK)")
            return
        # The hint is no part of a version: somebody may have corrected the one that is remembered in `old`. It is no
        # later than `old.wake_at` for all that, so it need not be touched unless that time comes nearer.
        hint = {"wake_hint"} if _is_nearer(new.wake_at, old.wake_at) else set()
        expression, names, values = _difference(old.to_dict(), new.to_dict(), hint)
        names |= {"#version": "version", "#epoch": "epoch"}
        values |= {":was": old.version, ":in": old.epoch}
        self._table.update(key, expression, values, "#version = :was AND #epoch = :in", names=names)

    def _has_taken_effect(self, item: Mapping[str, Any] | None, new: WorkflowStateItem, *, in_doubt: bool) -> bool:
        """True if the commit is among those that led to what stands there."""
        found = None if item is None else item_of(WorkflowStateItem, item)
        if found is not None and found.commit == new.commit:
            return True
        if not in_doubt:
            return False
        if found is not None and found.epoch == new.epoch == new.commit:
            return True  # it began this epoch
        if found is None or found.epoch != new.epoch:
            raise _unknown(new)  # of an epoch that is over nothing is left to tell
        if found.version < new.version:
            return False
        if found.log_from >= new.version:
            raise _unknown(new)
        try:
            entries = History(self._table, found).entries(new.version - 1)
        except Moved:
            raise _unknown(new) from None
        return bool(entries[0]["commit"] == new.commit)


def _check_is_another(found: WorkflowStateItem | None, removed: WorkflowStateItem) -> None:
    """Raises `ReplyLost` where what stands there may be a later write of what was to be removed: those count on."""
    if found is not None and found.version > removed.version:
        raise ReplyLost(
            f"whether {removed.workflow_execution_id!r} was removed can't be told: load it and decide again"
        )


def _pause(attempt: int) -> None:
    time.sleep(_PAUSE * attempt * (0.5 + random.random()))


def _unknown(head: WorkflowStateItem) -> StorageUnavailable:
    return ReplyLost(
        f"whether version {head.version} of {head.workflow_execution_id!r} was written can't be told: load it and "
        "decide again"
    )


def _is_nearer(wake_at: Packed | None, before: Packed | None) -> bool:
    """True if an execution is to be looked after sooner than it was, or just now has to be or need not be any more."""
    if wake_at is None or before is None:
        return wake_at is not before
    return unpack(wake_at) < unpack(before)


def _difference(
    old: Mapping[str, Any], new: Mapping[str, Any], always: Collection[str]
) -> tuple[str, dict[str, str], dict[str, Any]]:
    """An update expression with its names and values, of what differs and of what `always` has to be set."""
    different = {name: value for name, value in new.items() if name in always or old[name] != value}
    changed = {name: value for name, value in different.items() if value is not None}
    removed = [name for name, value in different.items() if value is None]
    expression = "SET " + ", ".join(f"#{name} = :{name}" for name in changed)
    if removed:
        expression += " REMOVE " + ", ".join(f"#{name}" for name in removed)
    names = {f"#{name}": name for name in (*changed, *removed)}
    return expression, names, {f":{name}": value for name, value in changed.items()}
