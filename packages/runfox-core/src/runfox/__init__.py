"""runfox: workflows whose definition is data, whose engine is a pure state machine, and whose storage and job queue are
plugins.
"""

from runfox.backend.base import Backend
from runfox.backend.inmemory_store import InMemoryStore
from runfox.backend.inprocess_runner import InProcessRunner
from runfox.backend.inprocess_worker import InProcessWorker
from runfox.backend.job_handler import current_job
from runfox.backend.recovery import sweep
from runfox.errors import (
    DefinitionError,
    DuplicateScheme,
    ExecutionActive,
    ExecutionEnded,
    ExecutionExists,
    ExpressionError,
    InvalidExecutionId,
    InvalidJSON,
    MissingExtra,
    NoCurrentJob,
    NotSupported,
    NoWorker,
    PayloadTooLarge,
    Problem,
    RecordTooLarge,
    RunfoxError,
    SchemaTooNew,
    StorageCorrupt,
    StorageError,
    StorageUnavailable,
    UnknownRoute,
    UnknownScheme,
    UnknownStep,
    WaitTimeout,
    WorkflowNotFound,
    WriteConflict,
)
from runfox.limits import Limits
from runfox.plugins import open_backend, open_runner, open_store
from runfox.records import UNSET, ExecutionSummary, RecordPatch, StepRecord, WorkflowRecord
from runfox.results import Complete, Dispatch, DispatchJob, Halt, Pending, StateChangeEvent, StepResult
from runfox.status import StepStatus, WorkflowStatus
from runfox.worker import Worker
from runfox.workflow import Workflow

__all__ = [
    "UNSET",
    "Backend",
    "Complete",
    "DefinitionError",
    "Dispatch",
    "DispatchJob",
    "DuplicateScheme",
    "ExecutionActive",
    "ExecutionEnded",
    "ExecutionExists",
    "ExecutionSummary",
    "ExpressionError",
    "Halt",
    "InMemoryStore",
    "InProcessRunner",
    "InProcessWorker",
    "InvalidExecutionId",
    "InvalidJSON",
    "Limits",
    "MissingExtra",
    "NoCurrentJob",
    "NoWorker",
    "NotSupported",
    "PayloadTooLarge",
    "Pending",
    "Problem",
    "RecordPatch",
    "RecordTooLarge",
    "RunfoxError",
    "SchemaTooNew",
    "StateChangeEvent",
    "StepRecord",
    "StepResult",
    "StepStatus",
    "StorageCorrupt",
    "StorageError",
    "StorageUnavailable",
    "UnknownRoute",
    "UnknownScheme",
    "UnknownStep",
    "WaitTimeout",
    "Worker",
    "Workflow",
    "WorkflowNotFound",
    "WorkflowRecord",
    "WorkflowStatus",
    "WriteConflict",
    "current_job",
    "open_backend",
    "open_runner",
    "open_store",
    "sweep",
]
