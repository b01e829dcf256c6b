"""The Fibonacci numbers below a limit, computed by a worker in another process.

    this process: wf.run()  ──▶ fibonacci.db ──▶  the worker's process: execute()
    decides what is next    ◀── jobs, results ◀──  knows nothing of workflows

`wf.run()` is given no worker and its backend no executor. So it hands each job to the queue in the file, waits for the
result, and settles it. Whoever reads the same file may be the worker: a service, a second terminal, or, here, this
script itself, started a second time with the argument `worker`.

Why it is built like this:

- The worker gets the runner alone. It executes and submits; what a result means is the driver's to say. A worker that
  is given the whole backend also settles, and then nobody has to drive: that is `workers.py`.
- The loop is in the definition: the step sends itself back to `ready` until its number is past the limit. Each run has
  a `run_id` of its own, which travels with job and result, so no result is ever taken for that of another round.
- The worker ends when its standard input does. The parent closes that, however it ends, so nothing is left running.
  A worker in production calls `Worker.run()` instead, which ends with SIGTERM.

The file stays. Run it again, and it holds two executions.
"""

import os
import subprocess
import sys

import runfox as rfx

URL = "sqlite:///fibonacci.db"

FIBONACCI = """
name: fibonacci
steps:
  - op: seed

  - op: iterate
    depends_on: [seed]
    input:
      a: {"var": "state.a"}
      b: {"var": "state.b"}
      numbers: {"var": "state.numbers"}
    branch:
      - condition: {"<": [{"var": "state.b"}, {"var": "input.limit"}]}
        action: {set: steps.iterate.status, value: ready}
      - condition: true
        action: complete

outputs:
  numbers: {"var": "state.numbers"}
  executed_by: {"var": "steps.iterate.output.process"}
"""


def execute(op, inputs):
    if op == "seed":
        return {"a": 0, "b": 1, "numbers": [0]}
    if op == "iterate":
        a, b = inputs["b"], inputs["a"] + inputs["b"]
        return {"a": a, "b": b, "numbers": [*inputs["numbers"], a], "process": os.getpid()}
    raise ValueError(f"no such step: {op}")


def work():
    """The worker's process, until its parent closes the pipe or is gone."""
    with rfx.open_backend(URL) as backend, rfx.Worker(backend.runner, execute):
        sys.stdin.read()


def main():
    with rfx.open_backend(URL) as backend:
        wf = rfx.Workflow.from_yaml(FIBONACCI, backend, inputs={"limit": 1000})
        command = [sys.executable, __file__, "worker"]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as worker:  # noqa: S603  # this script
            result = wf.run(timeout=60)
        runs = 1 + backend.load(wf.id).steps["iterate"].run_id

    print("below 1000:", *result.outcome["numbers"])
    print("the step `iterate` ran", runs, "times")
    print("in the worker's process:", result.outcome["executed_by"] == worker.pid != os.getpid())
    print("the worker ended with status", worker.returncode)


if __name__ == "__main__":
    work() if sys.argv[1:] == ["worker"] else main()
