"""The suite that needs no file of one's own.

    pytest --pyargs runfox_testing.suite --runfox-store=sqlite --runfox-runner=sqlite

The plugin collects those of these classes whose options are given, and gives them their harnesses.
"""

from runfox_testing.conformance import RunnerConformance, StoreConformance, WorkflowConformance


class StoreSuite(StoreConformance):
    """The store of ``--runfox-store``."""

    runfox_options = ("store",)


class RunnerSuite(RunnerConformance):
    """The runner of ``--runfox-runner``."""

    runfox_options = ("runner",)


class WorkflowSuite(WorkflowConformance):
    """Workflows on both."""

    runfox_options = ("store", "runner")
