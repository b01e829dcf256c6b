"""All of the contract's laws, on the store, on the runner, and on whole workflows."""

from runfox_files.testing import FilesRunnerHarness, FilesStoreHarness

from runfox_testing import RunnerConformance, StoreConformance, WorkflowConformance


class TestFilesStore(StoreConformance):
    harness = FilesStoreHarness


class TestFilesRunner(RunnerConformance):
    harness = FilesRunnerHarness


class TestFilesWorkflows(WorkflowConformance):
    store_harness = FilesStoreHarness
    runner_harness = FilesRunnerHarness
