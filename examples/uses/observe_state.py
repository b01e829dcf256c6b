"""What `on_state_change` sees: how the shared state of a workflow grows, merge by merge.

The output of each step is merged into the workflow's state, key by key, the latest wins. Once a merge is committed, the
backend calls `on_state_change(workflow_execution_id, previous_state, new_state, event)`. It is the place for a line of
a trace, for a metric, or for a check of what a state may look like.

Why it is built like this:

- It is told what has happened, and decides nothing. Not what the state is: it gets copies. Not whether the workflow
  goes on: what it raises is logged. Not what is next: it must not call the backend. It is called between a commit and
  what follows, so it has to be quick.
- It is called in the process that has committed, at most once for a merge: a result that is delivered several times is
  merged once and told once. Should the process die right after the commit, nobody is told. What has to happen for
  certain is a step of the workflow.
- `event.op` is the step whose output was merged; `event` is None for a merge from outside (`merge_workflow_state`).
"""

import logging
import sys

import runfox as rfx

BASKET = """
name: basket
steps:
  - op: price
    input: {cents: {"var": "input.cents"}}

  - op: discount
    depends_on: [price]
    input: {total: {"var": "state.total"}, percent: {"var": "state.percent"}}

  - op: ship
    depends_on: [discount]
    input: {total: {"var": "state.total"}}

outputs:
  total: {"var": "state.total"}
  shipping: {"var": "state.shipping"}
"""


def execute(op, inputs):
    if op == "price":
        return {"total": sum(inputs["cents"])}
    if op == "discount":
        return {"total": inputs["total"] * (100 - inputs["percent"]) // 100}
    if op == "ship":
        return {"shipping": 0 if inputs["total"] >= 5000 else 490}
    raise ValueError(f"no such step: {op}")


def basket(backend):
    workflow = rfx.Workflow.from_yaml(BASKET, backend, inputs={"cents": [1990, 3500, 1000]})
    backend.merge_workflow_state(workflow.id, {"percent": 10})
    return workflow


# A trace of each merge


def trace(_workflow_execution_id, previous, new, event):
    merged_by = "(from outside)" if event is None else event.op
    changed = {key: value for key, value in new.items() if key not in previous or previous[key] != value}
    print(f"  {merged_by:<14}  {len(previous)} -> {len(new)} keys  {changed}")


print("each merge:")
print(" ", basket(rfx.Backend(execute, on_state_change=trace)).run())


# It gets copies


def spoil(_workflow_execution_id, previous, new, _event):
    previous.clear()
    new["total"] = -1


print("an observer that changes what it gets:")
print(" ", basket(rfx.Backend(execute, on_state_change=spoil)).run())


# What it raises is logged, and goes no further


def check(_workflow_execution_id, _previous, new, event):
    if event is not None and "currency" not in new:
        raise ValueError(f"no currency after {event.op!r}")


class OneLine(logging.Formatter):
    """Without the traceback, which the usual format has."""

    def formatException(self, ei):  # noqa: N802  # logging's name
        return f"    {ei[0].__name__}: {ei[1]}"


handler = logging.StreamHandler(sys.stdout)
handler.setFormatter(OneLine("  %(levelname)s %(message)s"))
logging.getLogger("runfox").addHandler(handler)

print("an observer that raises:")
print(" ", basket(rfx.Backend(execute, on_state_change=check)).run())


# At most once for a merge, in the process that has committed it

told = []
store, runner = rfx.InMemoryStore(), rfx.InProcessRunner()
here = rfx.Backend(store=store, runner=runner, on_state_change=lambda *_: told.append("here"))
there = rfx.Backend(store=store, runner=runner, on_state_change=lambda *_: told.append("there"))

workflow = rfx.Workflow.from_yaml(BASKET, here, inputs={"cents": [1990]})
workflow.start()
(job,) = there.take_tasks()
output = execute(job.call, job.inputs)
for backend in (there, here, there):
    backend.on_step_result(workflow.id, job.op, output, job.run_id)
print("one result, delivered three times, to two backends; told:", *told)
