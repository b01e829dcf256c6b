"""What a store could claim and does not is told, and nothing else; whatever goes wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest

from runfox_testing.abilities import ATTRIBUTES
from runfox_testing.case import Pool, StoreCase
from runfox_testing.memory import MemoryStoreHarness
from runfox_testing.mutants.served import ServedStoreHarness, StoreClientHarness, StoreStub
from runfox_testing.probes import probe_store
from runfox_testing.profiles import PROFILES

SHARED = "shared is not claimed, but another process saw a record while this one had the store open"
DURABLE = "durable is not claimed, but a record survived in a new process"


class Durable(StoreStub):
    shared = False


class Shared(StoreStub):
    durable = False


class Modest(StoreStub):
    durable = False
    shared = False


class DurableHarness(StoreClientHarness):
    implementation: ClassVar[Any] = Durable


class SharedHarness(StoreClientHarness):
    implementation: ClassVar[Any] = Shared


class ModestHarness(StoreClientHarness):
    implementation: ClassVar[Any] = Modest


class BreaksHarness(ServedStoreHarness):
    implementation: ClassVar[Any] = Modest

    def open(self, namespace: str) -> Any:
        raise OSError("nothing listens there")


@pytest.mark.parametrize(
    ("harness", "told"),
    [
        (ServedStoreHarness(), []),
        (DurableHarness(), [SHARED]),
        (SharedHarness(), []),
        (ModestHarness(), [SHARED, DURABLE]),
        (MemoryStoreHarness(), []),
        (BreaksHarness(), []),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_works_and_is_not_claimed_is_told(harness: Any, told: list[str], tmp_path: Path) -> None:
    harness.folder = tmp_path
    pool = Pool(60.0)
    client = StoreStub if type(harness) is ServedStoreHarness else harness.implementation
    abilities = frozenset(name for name in ATTRIBUTES if getattr(client, name))
    harness.start()
    case = StoreCase([harness], namespace="probe", abilities=abilities, profile=PROFILES["quick"], seed="0", pool=pool)
    try:
        assert probe_store(case) == told
    finally:
        case.end()
        harness.stop()
        pool.end()
