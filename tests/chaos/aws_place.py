"""A server with tables and queues, which notes every write."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Self

import audit
from aws_audit import TASKS, WORKFLOWS, Past, Reader, Tale, named_by
from aws_deaths import POINTS, RARE, client, queues_of

from runfox import Backend
from runfox.packed import unpack
from runfox_aws import DynamoDBStore, SQSRunner, create_tables
from runfox_aws._items import item_of
from runfox_aws._state_items import WorkflowStateItem

_SERVER = Path(__file__).with_name("aws_server.py")
_STREAM = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
_MOST = 10


class Place:
    """Where the processes of a run meet on AWS."""

    backend = "aws"
    points = POINTS
    rare = RARE

    def __init__(self, folder: Path) -> None:
        self._notes = folder / "writes"
        self._stderr = folder / "server.stderr"

    def __enter__(self) -> Self:
        self._reader = Reader(self._notes)
        with self._stderr.open("wb") as stderr:
            self._server = subprocess.Popen(
                [sys.executable, str(_SERVER), str(self._notes)],
                stdin=subprocess.PIPE,  # when this closes, the server ends
                stdout=subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,
            )
        assert self._server.stdout is not None
        self._url = f"http://127.0.0.1:{int(self._server.stdout.readline())}"
        self._dynamodb, self._sqs = client("dynamodb", self._url), client("sqs", self._url)
        create_tables(self._dynamodb, workflows=WORKFLOWS, tasks=TASKS)
        for table in (WORKFLOWS, TASKS):
            self._dynamodb.update_table(TableName=table, StreamSpecification=_STREAM)
        self._queues = {name: self._sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("red", "blue")}
        return self

    def __exit__(self, *_: object) -> None:
        self._dynamodb.close()
        self._sqs.close()
        self._server.communicate()
        self._reader.close()

    def address(self) -> dict[str, str]:
        """The server and the queues."""
        return {"url": self._url, **self._queues}

    # While it runs

    def alive(self) -> int:
        """How many executions have not ended."""
        self._reader.read()
        return sum("wake_at" in item for item in self._heads().values())

    def is_clear(self) -> bool:
        """True if no row is left, and no message."""
        self._reader.read()
        return not self._rows() and not any(map(self._messages, self._queues.values()))

    def _heads(self) -> dict[tuple[str, str], dict[str, object]]:
        return {key: item for key, item in self._reader.items[WORKFLOWS].items() if key[1] == "HEAD"}

    def _rows(self) -> list[tuple[str, str]]:
        return [key for key in self._reader.items[TASKS] if key[1].startswith("TASK#")]

    def _messages(self, url: str) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        told = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return sum(int(told[name]) for name in names)

    def who_hangs(self) -> Iterator[str]:
        """Executions that have not ended, and jobs that are left."""
        heads = sorted((item["wake_at"], key[0], item) for key, item in self._heads().items() if "wake_at" in item)
        for wake_at, key, item in heads[:_MOST]:
            yield f"{key} is {item['status']} in version {item['version']}, wakes at {unpack(wake_at)}"
        for key in self._rows()[:_MOST]:
            row = self._reader.items[TASKS][key]
            shown = {
                name: row.get(name) for name in ("run_id", "touched", "leased_until", "sent", "submitted", "ready")
            }
            yield f"job {'/'.join(key)} is left: {shown}"
        for name, url in self._queues.items():
            yield f"the queue {name} has {self._messages(url)} messages"

    # In the end

    def store(self) -> DynamoDBStore:
        """A store, in which nobody dies."""
        return DynamoDBStore(WORKFLOWS, self._dynamodb)

    def findings(self) -> audit.Findings:
        """What the audit finds."""
        self._reader.read()
        tale = Tale()
        for write in self._reader.writes:
            tale.add(write)
        findings = audit.check(tale.notes)
        findings.problems += tale.unreadable
        return findings

    def problems(self, killed: Collection[int]) -> Iterator[str]:
        """What is there and should not be."""
        said = self._stderr.read_text(encoding="utf-8", errors="replace")
        if said:
            yield f"the server said on standard error: {said}"
        yield from self._left_in_tasks()
        yield from self._left_in_workflows(killed)

    def _left_in_tasks(self) -> Iterator[str]:
        """Nothing stays once everybody was attended to: parts without a row are removed with their execution."""
        yield from (f"{'/'.join(key)} was left behind" for key in self._rows())
        runner = SQSRunner(queues_of(self._queues), tasks_table=TASKS, sqs_client=self._sqs, ddb_client=self._dynamodb)
        backend = Backend(store=self.store(), runner=runner)
        for item in self._heads().values():
            backend.attend(f"{unpack(item['workflow_id'])}#{unpack(item['execution_id'])}")
        self._reader.read()
        yield from (f"{'/'.join(key)} stays for ever" for key in self._reader.items[TASKS])

    def _left_in_workflows(self, killed: Collection[int]) -> Iterator[str]:
        """What no head names was written by somebody who was killed before the head, or was to be removed by somebody
        who was killed after it.
        """
        self._reader.read()
        writers: dict[tuple[str, str], set[int]] = {}
        items = Past()
        for write in self._reader.writes:
            writers.setdefault((write.partition, write.sort), set()).add(write.serial)
            if write.table == WORKFLOWS and (write.partition, write.sort) in self._reader.items[WORKFLOWS]:
                items.add(write)
        heads = {key[0]: item_of(WorkflowStateItem, item) for key, item in self._heads().items()}
        named = {partition: named_by(head, items) for partition, head in heads.items()}
        for partition, sort in self._reader.items[WORKFLOWS]:
            if sort == "HEAD" or partition.startswith("DEFINITION#") or sort in named.get(partition, ()):
                continue
            if not (writers[partition, sort] | writers.get((partition, "HEAD"), set())) & set(killed):
                yield f"{partition}/{sort} is named by nobody, and nobody who could have left it was killed"
