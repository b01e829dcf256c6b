"""The names of the states a step and a workflow can be in. The values are what stores keep."""

from enum import StrEnum


class StepStatus(StrEnum):
    """Where one step of an execution stands."""

    READY = "ready"
    IN_PROGRESS = "in_progress"
    RETRY = "retry"
    COMPLETE = "complete"
    HALTED = "halted"


class WorkflowStatus(StrEnum):
    """Where an execution stands. COMPLETE and HALTED are final."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    COMPLETE = "complete"
    HALTED = "halted"

    @property
    def ended(self) -> bool:
        """True once nothing can change the execution any more."""
        return self is WorkflowStatus.COMPLETE or self is WorkflowStatus.HALTED
