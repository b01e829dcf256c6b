"""Workflow definitions: read from YAML, JSON or Python data, checked as a whole, frozen."""

from runfox.definition.model import (
    DEFAULT_WHEN,
    Branch,
    BranchAction,
    CompleteStep,
    DefaultWhen,
    Definition,
    HaltWorkflow,
    ResetSteps,
    Retry,
    Step,
)
from runfox.definition.parse import parse_dict, parse_json, parse_yaml

__all__ = [
    "DEFAULT_WHEN",
    "Branch",
    "BranchAction",
    "CompleteStep",
    "DefaultWhen",
    "Definition",
    "HaltWorkflow",
    "ResetSteps",
    "Retry",
    "Step",
    "parse_dict",
    "parse_json",
    "parse_yaml",
]
