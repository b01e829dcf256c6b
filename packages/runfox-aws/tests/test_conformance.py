"""The contract, all of it, on a local server with moto's DynamoDB and SQS."""

from runfox_aws.testing import DynamoDBStoreHarness, SQSRunnerHarness
from runfox_testing import RunnerConformance, StoreConformance, WorkflowConformance


class TestDynamoDBStore(StoreConformance):
    harness = DynamoDBStoreHarness


class TestSQSRunner(RunnerConformance):
    harness = SQSRunnerHarness


class TestAWSWorkflows(WorkflowConformance):
    store_harness = DynamoDBStoreHarness
    runner_harness = SQSRunnerHarness
