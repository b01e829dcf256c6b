"""Which queue of SQS a job goes to, and from which queues jobs are taken."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from typing import TypeAlias

from runfox.packed import pack, unpack
from runfox.results import DispatchJob
from runfox_aws._items import item_of, key_of, key_part
from runfox_aws._rows import RouteItem
from runfox_aws._table import Table

QueueURL: TypeAlias = "str | Callable[[DispatchJob], str | None]"


class Routes:
    """The queues, given by name, by one URL for all jobs, or by a function of the job.

    A job's queue is its own, else the text that its inputs have at `route_by`, else None. Where a function gives the
    URLs, nobody who takes can know them: those that were used are kept in the table.
    """

    def __init__(
        self,
        table: Table,
        queue_map: Mapping[str | None, str] | Mapping[str, str] | None,
        queue_url: QueueURL | None,
        route_by: str,
    ) -> None:
        if (queue_map is None) == (queue_url is None):
            raise ValueError("give SQSRunner either queue_map, a mapping of names to URLs, or queue_url")
        self._table = table
        self._map: Mapping[str | None, str] | None = None if queue_map is None else dict(queue_map.items())
        self._url = queue_url
        self._route_by = route_by
        self._registered: set[tuple[str | None, str]] = set()

    def name_of(self, job: DispatchJob) -> str | None:
        """The name of the job's queue."""
        if job.queue is not None:
            return job.queue
        routed = job.inputs.get(self._route_by)
        return routed if isinstance(routed, str) else None

    def url_of(self, job: DispatchJob) -> str | None:
        """The URL of the job's queue, None where it has no way to go."""
        if self._map is not None:
            return self._map.get(self.name_of(job))
        if isinstance(self._url, str):
            return self._url
        assert self._url is not None
        try:
            return self._url(job)
        except LookupError:
            return None

    def register(self, name: str | None, url: str) -> None:
        """Let those who take know of a queue before a message goes there."""
        if not callable(self._url) or (name, url) in self._registered:
            return
        digest = hashlib.sha256(f"{name is None}#{key_part(name or '')}#{url}".encode()).hexdigest()
        item = {"name": None if name is None else pack(name), "url": url}
        self._table.put({**key_of(RouteItem, queue=digest), **item})
        self._registered.add((name, url))

    def urls(self, queues: Collection[str | None] | None) -> list[str]:
        """The queues in which jobs of `queues` may be, of all where it is None."""
        if isinstance(self._url, str):
            return [self._url]
        found = self._map.items() if self._map is not None else self._known()
        return list(dict.fromkeys(url for name, url in found if queues is None or name in queues))

    def _known(self) -> list[tuple[str | None, str]]:
        rows = self._table.query("PK = :routes", {":routes": RouteItem.pk_pattern})
        routes = [item_of(RouteItem, row) for row in rows]
        return [(None if route.name is None else unpack(route.name), route.url) for route in routes]
