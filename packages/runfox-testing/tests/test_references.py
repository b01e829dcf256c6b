"""What is right passes everything: the parts in memory, and the same behind a socket."""

from runfox_testing import RunnerConformance, StoreConformance, WorkflowConformance
from runfox_testing.memory import MemoryRunnerHarness, MemoryStoreHarness
from runfox_testing.mutants.served import ServedRunnerHarness, ServedStoreHarness


class TestMemoryStore(StoreConformance):
    harness = MemoryStoreHarness


class TestMemoryRunner(RunnerConformance):
    harness = MemoryRunnerHarness


class TestMemoryWorkflows(WorkflowConformance):
    store_harness = MemoryStoreHarness
    runner_harness = MemoryRunnerHarness


class TestServedStore(StoreConformance):
    harness = ServedStoreHarness


class TestServedRunner(RunnerConformance):
    harness = ServedRunnerHarness


class TestServedWorkflows(WorkflowConformance):
    store_harness = ServedStoreHarness
    runner_harness = ServedRunnerHarness
