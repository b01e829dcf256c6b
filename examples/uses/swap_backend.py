"""One definition and one executor, in memory, in a file, and on AWS: only the URL differs.

`run` has no idea of where it runs. What it is given says where executions are kept and where jobs wait:

    memory:                                    this process's memory
    sqlite:///swap_backend.db                  a file, shared by the processes of one machine
    dynamodb://workflows, sqs://tasks?…        tables and a queue of AWS, shared by any number of machines

Why it is built like this:

- Store and runner are two axes. One URL opens both where a scheme has both; on AWS they are two services, so there are
  two URLs. Any store works with any runner.
- Which account, region and endpoint of AWS it is, the environment says, as for every program that uses boto3. Here it
  says: a local server with moto's DynamoDB and SQS. Without `local_aws` the same two URLs are the real ones, once the
  tables and the queue are there.
- Where runfox-aws or moto is missing, the example says what to install, and leaves AWS out.
"""

import contextlib
import os

import runfox as rfx

ESTIMATE = """
name: estimate
steps:
  - op: measure
    input: {text: {"var": "input.text"}}

  - op: judge
    depends_on: [measure]
    input: {words: {"var": "steps.measure.output.words"}}
    branch:
      - condition: {">": [{"var": "words"}, 1000]}
        action: halt
        result: {status: too long}

outputs:
  words: {"var": "steps.measure.output.words"}
  minutes: {"var": "steps.judge.output.minutes"}
"""

TEXT = "The same definition, the same executor, another URL."


def execute(op, inputs):
    if op == "measure":
        return {"words": len(inputs["text"].split())}
    if op == "judge":
        return {"words": inputs["words"], "minutes": inputs["words"] / 200}
    raise ValueError(f"no such step: {op}")


def run(store, runner=None):
    """Run the workflow on what these URLs open."""
    with rfx.open_backend(store, execute, runner=runner) as backend:
        workflow = rfx.Workflow.from_yaml(ESTIMATE, backend, inputs={"text": TEXT})
        result = workflow.run(timeout=60)
        print(f"{type(backend.store).__name__} and {type(backend.runner).__name__}:")
        print(f"  {result}")


@contextlib.contextmanager
def local_aws():
    """Two tables and a queue on a local server, until the end of the block. Gives the queue's URL."""
    from runfox_aws import create_tables  # noqa: PLC0415  # the rest runs without it
    from runfox_aws.testing import MotoServer  # noqa: PLC0415

    with MotoServer() as server:
        os.environ |= {
            "AWS_ENDPOINT_URL": server.url,
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "NO_PROXY": "127.0.0.1",
        }
        create_tables(workflows="workflows", tasks="tasks")
        yield server.client("sqs").create_queue(QueueName="jobs")["QueueUrl"]


run("memory:")
run("sqlite:///swap_backend.db")
try:
    with local_aws() as queue_url:
        run("dynamodb://workflows", f"sqs://tasks?queue_url={queue_url}")
except ImportError as error:
    print("AWS is left out:", error)
    print("what brings it: pip install 'runfox-aws[testing]'")
