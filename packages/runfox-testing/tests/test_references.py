"""What is right passes everything: the parts in memory, the same behind a socket, and some that are late where that is
allowed.
"""

from runfox_testing import RunnerConformance, StoreConformance, WorkflowConformance
from runfox_testing.memory import MemoryRunnerHarness, MemoryStoreHarness
from runfox_testing.mutants.late import LateRunnerHarness, LateStoreHarness, ServedLateHarness
from runfox_testing.mutants.polling import PollingRunnerHarness, ServedPollingHarness
from runfox_testing.mutants.served import ServedRunnerHarness, ServedStoreHarness


class TestMemoryStore(StoreConformance):
    harness = MemoryStoreHarness


class TestMemoryRunner(RunnerConformance):
    harness = MemoryRunnerHarness


class TestMemoryWorkflows(WorkflowConformance):
    store_harness = MemoryStoreHarness
    runner_harness = MemoryRunnerHarness


class TestPollingRunner(RunnerConformance):
    harness = PollingRunnerHarness


class TestServedPollingRunner(RunnerConformance):
    harness = ServedPollingHarness


class TestServedStore(StoreConformance):
    harness = ServedStoreHarness


class TestServedRunner(RunnerConformance):
    harness = ServedRunnerHarness


class TestServedWorkflows(WorkflowConformance):
    store_harness = ServedStoreHarness
    runner_harness = ServedRunnerHarness


class TestLateStore(StoreConformance):
    harness = LateStoreHarness


class TestLateRunner(RunnerConformance):
    harness = ServedLateHarness


class TestLateWorkflows(WorkflowConformance):
    store_harness = LateStoreHarness
    runner_harness = LateRunnerHarness
