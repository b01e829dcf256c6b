"""Runfox on AWS: a store in DynamoDB, and a runner in SQS and DynamoDB."""

from runfox_aws._rows import WorkflowTaskItem
from runfox_aws._runner import SQSRunner
from runfox_aws._schema import create_tables
from runfox_aws._state_items import WorkflowStateItem
from runfox_aws._store import DynamoDBStore

__all__ = ["DynamoDBStore", "SQSRunner", "WorkflowStateItem", "WorkflowTaskItem", "create_tables"]
