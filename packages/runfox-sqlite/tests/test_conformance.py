"""The contract, all of it."""

from runfox_sqlite.testing import SqliteRunnerHarness, SqliteStoreHarness
from runfox_testing import RunnerConformance, StoreConformance, WorkflowConformance


class TestSqliteStore(StoreConformance):
    harness = SqliteStoreHarness


class TestSqliteRunner(RunnerConformance):
    harness = SqliteRunnerHarness


class TestSqliteWorkflows(WorkflowConformance):
    store_harness = SqliteStoreHarness
    runner_harness = SqliteRunnerHarness
