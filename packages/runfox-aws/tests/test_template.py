"""The template has the tables of `create_tables`, and policies that allow what the package calls, on what it makes."""

from __future__ import annotations

import importlib.resources
import json
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import boto3
import pytest
import yaml
from moto import mock_aws

from runfox_aws._schema import TASKS_TABLE, WORKFLOWS_TABLE
from runfox_aws.testing import LOCAL

TEXT = importlib.resources.files("runfox_aws").joinpath("template.yaml").read_text(encoding="utf-8")

ALLOWED = {
    *(
        f"dynamodb:{action}"
        for action in ("GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "BatchGetItem", "BatchWriteItem")
    ),
    *(f"sqs:{action}" for action in ("SendMessage", "ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility")),
    "sqs:GetQueueAttributes",  # Lambda's poller calls it with the function's role
}
POLICIES = ("DriverPolicy", "WorkerPolicy", "HandlersPolicy")
SCHEMAS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {"WorkflowsTable": WORKFLOWS_TABLE, "TasksTable": TASKS_TABLE}
)


class Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms as what they stand for."""


def short_form(loader: Loader, name: str, node: yaml.Node) -> dict[str, Any]:
    assert isinstance(node, yaml.ScalarNode), "only short forms of texts are used"
    value: Any = loader.construct_scalar(node)
    if name == "GetAtt":
        value = value.split(".", 1)
    return {name if name == "Ref" else f"Fn::{name}": value}


Loader.add_multi_constructor("!", short_form)
TEMPLATE: dict[str, Any] = yaml.load(TEXT, Loader)
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]


def of_type(kind: str) -> dict[str, Any]:
    return {name: resource for name, resource in RESOURCES.items() if resource["Type"] == kind}


def statements(policy: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = RESOURCES[policy]["Properties"]["PolicyDocument"]["Statement"]
    return found


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def references(value: Any) -> Iterator[str]:
    """The names of everything that a value refers to."""
    if isinstance(value, list):
        for element in value:
            yield from references(element)
    elif isinstance(value, dict):
        for name, argument in value.items():
            if name == "Ref":
                yield argument
            elif name == "Fn::GetAtt":
                yield argument[0]
            elif name == "Fn::Sub":
                yield from (found.split(".")[0] for found in re.findall(r"\$\{([^}]+)\}", argument))
            else:
                yield from references(argument)


def test_everything_that_is_referred_to_is_there() -> None:
    assert set(references(TEMPLATE)) <= {*RESOURCES, *TEMPLATE["Parameters"]}


# Tables


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_table_is_the_one_that_create_tables_makes(name: str) -> None:
    properties = RESOURCES[name]["Properties"]
    assert {key: properties[key] for key in properties if key in SCHEMAS[name]} == dict(SCHEMAS[name])
    assert {key for key in properties if key.endswith(("Indexes", "Schema", "Definitions"))} == set(SCHEMAS[name])
    assert properties["BillingMode"] == "PAY_PER_REQUEST"
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


def test_the_workflows_outlive_the_stack() -> None:
    table = RESOURCES["WorkflowsTable"]
    assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == ("Retain", "Retain")


# Queues


def test_every_queue_is_encrypted_and_ends_in_a_dead_letter_queue() -> None:
    queues = of_type("AWS::SQS::Queue")
    assert all(queue["Properties"]["SqsManagedSseEnabled"] is True for queue in queues.values())
    ends = {
        name: queue["Properties"]["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0]
        for name, queue in queues.items()
        if "RedrivePolicy" in queue["Properties"]
    }
    assert ends == {"JobsQueue": "JobsDeadLetterQueue", "ResultsQueue": "ResultsDeadLetterQueue"}
    assert set(queues) == {*ends, *ends.values()}


def test_dead_letters_are_kept_for_at_least_as_long_as_any_message() -> None:
    longest = TEMPLATE["Parameters"]["MessageRetention"]["MaxValue"]
    for name in ("JobsDeadLetterQueue", "ResultsDeadLetterQueue"):
        assert RESOURCES[name]["Properties"]["MessageRetentionPeriod"] >= longest


# Policies


def test_these_are_the_policies() -> None:
    assert set(of_type("AWS::IAM::ManagedPolicy")) == set(POLICIES)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_policy_allows_only_what_is_called(policy: str) -> None:
    for statement in statements(policy):
        assert set(statement) == {"Sid", "Effect", "Action", "Resource"}
        assert statement["Effect"] == "Allow"
        assert set(as_list(statement["Action"])) <= ALLOWED


@pytest.mark.parametrize("policy", POLICIES)
def test_a_policy_names_its_resources_one_by_one(policy: str) -> None:
    assert "*" not in json.dumps(RESOURCES[policy])
    for statement in statements(policy):
        services = {action.partition(":")[0] for action in as_list(statement["Action"])}
        for resource in as_list(statement["Resource"]):
            (form,) = resource
            assert form in {"Fn::GetAtt", "Fn::Sub"}
            (name,) = references(resource)
            assert {RESOURCES[name]["Type"]} == {
                {"dynamodb": "AWS::DynamoDB::Table", "sqs": "AWS::SQS::Queue"}[service] for service in services
            }


def index_arns() -> set[str]:
    return {
        f"${{{table}.Arn}}/index/{index['IndexName']}"
        for table, schema in SCHEMAS.items()
        for kind in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes")
        for index in schema.get(kind, ())
    }


@pytest.mark.parametrize("policy", ["DriverPolicy", "HandlersPolicy"])
def test_who_drives_may_query_every_index_and_do_nothing_else_with_it(policy: str) -> None:
    named: set[str] = set()
    for statement in statements(policy):
        indexes = {resource["Fn::Sub"] for resource in as_list(statement["Resource"]) if "Fn::Sub" in resource}
        assert not indexes or as_list(statement["Action"]) == ["dynamodb:Query"]
        named |= indexes
    assert named == index_arns()


def test_a_worker_sees_no_workflow() -> None:
    assert "WorkflowsTable" not in set(references(RESOURCES["WorkerPolicy"]))


# As a whole


@mock_aws
def test_it_can_be_deployed_and_gives_names_urls_and_arns() -> None:
    session: Any = boto3.session.Session(**LOCAL)
    formation, dynamodb, sqs, iam = (session.client(name) for name in ("cloudformation", "dynamodb", "sqs", "iam"))
    formation.create_stack(
        StackName="runfox",
        TemplateBody=TEXT,
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": "Prefix", "ParameterValue": "mine"}],
    )
    (stack,) = formation.describe_stacks(StackName="runfox")["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    for name, schema in SCHEMAS.items():
        table = dynamodb.describe_table(TableName=outputs[f"{name}Name"])["Table"]
        assert table["TableArn"] == outputs[f"{name}Arn"]
        assert table["TableName"].startswith("mine-")
        for kind in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes"):
            assert [index["IndexName"] for index in table.get(kind, ())] == [
                index["IndexName"] for index in schema.get(kind, ())
            ]
    for name in of_type("AWS::SQS::Queue"):
        attributes = sqs.get_queue_attributes(QueueUrl=outputs[f"{name}Url"], AttributeNames=["All"])["Attributes"]
        assert attributes["QueueArn"] == outputs[f"{name}Arn"]
    for name in POLICIES:
        policy = iam.get_policy(PolicyArn=outputs[f"{name}Arn"])["Policy"]
        version = iam.get_policy_version(PolicyArn=policy["Arn"], VersionId=policy["DefaultVersionId"])
        named = str(version["PolicyVersion"]["Document"]["Statement"])
        assert "arn:aws:sqs:eu-west-1:123456789012:mine-jobs" in named
