"""Executions by creation and by the time to wake them: read from the global indexes, checked against the heads.

A global index follows the table with a delay, so it says where to look; what is told is what the heads say.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice

from runfox.errors import StorageError
from runfox.packed import pack, unpack
from runfox.records import ExecutionSummary
from runfox.status import WorkflowStatus
from runfox_aws._errors import ConditionFailed
from runfox_aws._items import Key
from runfox_aws._schema import LISTING, WAKE
from runfox_aws._state_items import end_of, head_key, place_in_index, shards, sortable
from runfox_aws._table import Item, Table

_BEGINNING = " "
_END = "~"
_PAGE = 100

_SUMMARY = ("workflow_id", "execution_id", "name", "status", "created_at", "updated_at", "listed")
_WAKING = ("workflow_id", "execution_id", "version", "epoch", "wake_at", "wake_hint")

_SHARD = {"#shard": "shard"}
"""A word that DynamoDB keeps for itself."""


class Listing:
    """What the global indexes of a table of executions say."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def newest(
        self, *, status: str | None, name: str | None, since: str | None, limit: int, after: str | None
    ) -> list[ExecutionSummary]:
        """Summaries, newest first; those of one moment by descending key. `after` is a cursor."""
        last = _END
        if after is not None:
            created_at, _, workflow_execution_id = after.partition(" ")
            last = place_in_index(created_at, workflow_execution_id)
        first = sortable(since or "") or _BEGINNING
        if first > last:
            return []  # DynamoDB refuses such a range
        filters, names, values = _filters(status, name)
        found = heapq.merge(
            *(self._listed(shard, first, last, filters, names, values) for shard in shards()),
            key=lambda item: str(item["listed"]),
            reverse=True,
        )
        places = (item for item in found if item["listed"] != last)
        summaries: list[ExecutionSummary] = []
        while len(summaries) < limit and (page := list(islice(places, min(limit - len(summaries), _PAGE)))):
            summaries += [_summary(head) for head in self._heads(page, _SUMMARY) if _is_wanted(head, status, name)]
        return summaries

    def _listed(
        self, shard: str, first: str, last: str, filters: str, names: dict[str, str], values: dict[str, object]
    ) -> Iterator[Item]:
        more = {"FilterExpression": filters} if filters else {}
        return self._table.query(
            "#shard = :shard AND listed BETWEEN :first AND :last",
            {":shard": shard, ":first": first, ":last": last, **values},
            index=LISTING,
            consistent=False,
            ExpressionAttributeNames={**_SHARD, **names},
            ScanIndexForward=False,
            Limit=_PAGE,
            **more,
        )

    def due(self, now: str, limit: int) -> list[str]:
        """The ids of executions whose `wake_at` is `now` or earlier, earliest first.

        Those whose hint has passed and whose `wake_at` has not get a new hint, so that they are not looked at again.
        """
        if limit <= 0:
            return []
        hinted = heapq.merge(
            *(self._hinted(shard, end_of(now)) for shard in shards()), key=lambda item: str(item["wake_hint"])
        )
        found: list[tuple[str, str]] = []
        while page := list(islice(hinted, _PAGE)):
            if len(found) >= limit and page[0]["wake_hint"] > end_of(found[limit - 1][0]):
                break  # a hint is never later than the time itself
            for head in self._heads(page, _WAKING):
                wake_at = head.get("wake_at")
                if wake_at is None:
                    continue
                if unpack(wake_at) <= now:
                    found.append((unpack(wake_at), _id(head)))
                else:
                    self._correct(head)
            found.sort()
        return [key for _, key in found[:limit]]

    def _hinted(self, shard: str, end: str) -> Iterator[Item]:
        return self._table.query(
            "#shard = :shard AND wake_hint < :end",
            {":shard": shard, ":end": end},
            index=WAKE,
            consistent=False,
            ExpressionAttributeNames=_SHARD,
            Limit=_PAGE,
        )

    def _correct(self, head: Item) -> None:
        hint = place_in_index(unpack(head["wake_at"]), _id(head))
        values = {":hint": hint, ":version": head["version"], ":epoch": head["epoch"]}
        with suppress(ConditionFailed, StorageError):  # then it is looked at again
            self._table.update(
                head_key(_id(head)),
                "SET wake_hint = :hint",
                values,
                "#version = :version AND epoch = :epoch",
                names={"#version": "version"},
            )

    def _heads(self, places: Iterable[Item], attributes: tuple[str, ...]) -> list[Item]:
        """What the heads say now, in the order of `places`; without those that are gone."""
        keys: list[Key] = [{"PK": item["PK"], "SK": item["SK"]} for item in places]
        found = self._table.get_many(keys, attributes)
        return [found[place] for place in dict.fromkeys((key["PK"], key["SK"]) for key in keys) if place in found]


def _filters(status: str | None, name: str | None) -> tuple[str, dict[str, str], dict[str, object]]:
    wanted: dict[str, object] = {}
    if status is not None:
        wanted["status"] = status
    if name is not None:
        wanted["name"] = pack(name)
    expression = " AND ".join(f"#{attribute} = :{attribute}" for attribute in wanted)
    names = {f"#{attribute}": attribute for attribute in wanted}
    return expression, names, {f":{attribute}": value for attribute, value in wanted.items()}


def _is_wanted(head: Item, status: str | None, name: str | None) -> bool:
    return status in (None, head["status"]) and (name is None or unpack(head["name"]) == name)


def _id(head: Item) -> str:
    return f"{unpack(head['workflow_id'])}#{unpack(head['execution_id'])}"


def _summary(head: Item) -> ExecutionSummary:
    return ExecutionSummary(
        workflow_execution_id=_id(head),
        name=unpack(head["name"]),
        status=WorkflowStatus(head["status"]),
        created_at=unpack(head["created_at"]),
        updated_at=unpack(head["updated_at"]),
    )
