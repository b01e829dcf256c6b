"""Three workers carry twelve workflows, and one of them is killed in the middle of a job.

    this process: start() ──▶ workflows.db ◀──▶ three workers, each a process
                  result() ◀──┘                 (one stands still in a job, and gets SIGKILL)

Nobody drives: a worker that is given the whole backend settles what it has executed, and dispatches what follows. This
process starts the workflows, kills a worker, and waits. What the dead worker was at is pending again when its lease
lapses, and another one runs it.

Why it is built like this:

- The lease is short. It is no limit for jobs, since it is renewed while a job runs; it is how long the job of a worker
  that was killed stays with it. The default is a minute.
- A job is delivered at least once, and of one run one result is applied. What must not happen twice outside (a payment,
  a mail) is given `rfx.current_job().key`, which is the same at every delivery. Here the job says at which delivery
  the executor has to stand still, so that the kill hits always the same step.
- `on_state_change` is called in the process that has committed a result, at most once for each. So what the workers
  tell of it together shows how often each result was applied.
- The workers write to one pipe. It ends when the last of them does: then everything was heard.
- A worker ends when its standard input does. This process closes that, however it ends, so nothing is left running.
  A worker in production calls `Worker.run()` instead, which ends with SIGTERM.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections import Counter

import runfox as rfx

PHOTOS = [f"photo-{number:02}" for number in range(12)]
UNLUCKY = "photo-05"
"""Whoever is the first to develop it is killed."""

WORKERS = 3
LEASE_SECONDS = 3.0

PUBLISHING = """
name: publishing
steps:
  - op: fetch
    input: {photo: {"var": "input.photo"}}

  - op: develop
    depends_on: [fetch]
    input: {photo: {"var": "input.photo"}, raw: {"var": "steps.fetch.output.raw"}}

  - op: publish
    depends_on: [develop]
    input: {photo: {"var": "input.photo"}, image: {"var": "steps.develop.output.image"}}

outputs:
  page: {"var": "steps.publish.output.page"}
"""

# A worker's process

ending = threading.Event()


def execute(op, inputs):
    photo, job = inputs["photo"], rfx.current_job()
    tell(did="run", step=f"{op} of {photo}", delivery=job.delivery)
    if op == "fetch":
        return {"raw": f"{photo}.raw"}
    if op == "develop":
        if photo == UNLUCKY and job.delivery == 1:
            tell(did="stand still", step=f"{op} of {photo}", process=os.getpid())
            ending.wait()
        return {"image": inputs["raw"].replace("raw", "png")}
    if op == "publish":
        return {"page": f"/gallery/{inputs['image']}"}
    raise ValueError(f"no such step: {op}")


def applied(workflow_execution_id, _previous_state, _state, event):
    tell(did="apply", step=f"{event.op} of {workflow_execution_id}")


def tell(**what):
    """A line to whoever reads the pipe; short enough that lines of several processes don't mix."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def work(url):
    """Work until this process's standard input ends."""
    backend = rfx.open_backend(url, on_state_change=applied)
    with backend, rfx.Worker(backend, execute, lease_seconds=LEASE_SECONDS):
        try:
            sys.stdin.read()
        finally:
            ending.set()


# The process that starts, kills and waits


def main():
    read, write = os.pipe()
    with os.fdopen(read, encoding="utf-8") as lines, tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/workflows.db"
        with rfx.open_backend(url) as backend:
            workflows = [rfx.Workflow.from_yaml(PUBLISHING, backend, inputs={"photo": photo}) for photo in PHOTOS]
            for workflow in workflows:
                workflow.start()
            print(f"{len(workflows)} workflows started")

            with workers(url, write) as processes:
                heard = until_one_stands_still(lines)
                victim = next(process for process in processes if process.pid == heard[-1]["process"])
                victim.kill()
                print(f"killed one of {len(processes)} workers in: {heard[-1]['step']}")
                pages = [workflow.result(timeout=120).outcome["page"] for workflow in workflows]

        heard += map(json.loads, lines)
        print("exit statuses of the workers:", *sorted(process.returncode for process in processes))
        print(f"complete: {len(pages)} workflows, {pages[0]} to {pages[-1]}")

    again = [f"{line['step']} (delivery {line['delivery']})" for line in heard if line.get("delivery", 1) > 1]
    print("run again:", ", ".join(again))
    times_applied = Counter(line["step"] for line in heard if line["did"] == "apply")
    print(f"applied: {len(times_applied)} results, {max(times_applied.values())} time each")


@contextlib.contextmanager
def workers(url, pipe):
    """Processes that write to a pipe, which is theirs alone. In the end they are told to end, and waited for."""
    command = [sys.executable, __file__, url]
    with contextlib.ExitStack() as stack:
        try:
            processes = [
                stack.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=pipe))  # noqa: S603  # this script
                for _ in range(WORKERS)
            ]
        finally:
            os.close(pipe)
        yield processes


def until_one_stands_still(lines):
    """What the workers tell, up to and with that."""
    heard = []
    for line in map(json.loads, lines):
        heard.append(line)
        if line["did"] == "stand still":
            return heard
    raise RuntimeError("the workers ended before one of them stood still")


if __name__ == "__main__":
    work(sys.argv[1]) if sys.argv[1:] else main()
