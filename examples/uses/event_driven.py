"""An offer that two functions of a web service bring about: nobody waits, nothing loops.

    POST /offers  ──▶ start_workflow ──▶ jobs ──▶ consume() ──▶ execute()
    POST /results ──▶ handle_result  ◀── messages ◀──┘

`start_workflow` and `handle_result` are called by whoever serves requests. Each of them loads the execution, asks what
follows, commits that, hands the new jobs to the queue and returns. Between two requests there is no thread, no memory
and no process that an offer belongs to.

Why it is built like this:

- A result carries the `run_id` of its job. With it a doubled message and a late one are told from the one that is
  waited for, and change nothing: both are delivered here on purpose, and the record's version stays.
- `submit_result` tells the queue that the job is done: it is not handed out again, and the result is kept.
- `settle` applies results and claims what follows, in one commit. (`on_step_result`, then `advance`, is the same in
  two, for those who want to look in between.) Only then the new jobs are dispatched.
- Should the process die between two of these lines, `look_after` does the rest. Should a result never arrive, its job
  is pending again when its lease lapses. A handler that fails answers with an error, and the message comes again.

Everything is in memory here, to be read in one go. With another URL it is in a file or in a cloud, and nothing else
changes.
"""

import queue

import runfox as rfx

OFFER = """
name: offer
steps:
  - op: stock
    input: {article: {"var": "input.article"}}

  - op: price
    max_attempts: 2
    input: {article: {"var": "input.article"}}

  - op: write
    depends_on: [stock, price]
    input:
      article: {"var": "input.article"}
      pieces: {"var": "steps.stock.output.pieces"}
      price: {"var": "steps.price.output.price"}

outputs:
  text: {"var": "steps.write.output.text"}
"""

backend = rfx.open_backend("memory:")


# The service


def start_workflow(definition, inputs):
    """What an offer begins with."""
    workflow = rfx.Workflow.from_yaml(definition, backend, inputs=inputs)
    hand_on(workflow, workflow.advance())
    return workflow.id


def handle_result(message):
    """What a result is brought to, as often as it is delivered."""
    op, output, run_id = message["op"], message["output"], message["run_id"]
    workflow = rfx.Workflow.resume(message["workflow_execution_id"], backend)
    backend.submit_result(workflow.id, op, output, run_id)
    return hand_on(workflow, workflow.settle([rfx.StepResult(op, output, run_id)]))


def hand_on(workflow, answer):
    """Put the jobs of an answer into the queue."""
    while isinstance(answer, rfx.Dispatch) and (refused := backend.dispatch(workflow.id, answer.jobs)):
        answer = workflow.settle(refused)  # what the queue can't take (too large, no route) is an error result
    return answer


def look_after():
    """For a schedule, once a minute: retries with a delay, timeouts, and what a crash has left behind."""
    return rfx.sweep(backend)


# The consumers of jobs: in production any number of them, elsewhere

messages = queue.Queue()
"""What is on its way to `handle_result`."""

prices = iter([{"ok": False, "error": "no answer from the price list"}, {"price": 39}])


def execute(op, inputs):
    if op == "stock":
        return {"pieces": 7}
    if op == "price":
        return next(prices)
    if op == "write":
        return {"text": f"{inputs['pieces']} pieces of {inputs['article']} at {inputs['price']} each"}
    raise ValueError(f"no such step: {op}")


def consume():
    """Execute what is in the queue, and send the results. What an executor raises is to be sent as a result, too, with
    `ok` false; this one raises nothing.
    """
    for job in backend.take_tasks():
        messages.put(
            {
                "workflow_execution_id": job.workflow_execution_id,
                "op": job.op,
                "run_id": job.run_id,
                "output": execute(job.call, job.inputs),
            }
        )


# What happens to one offer


def deliver(message, remark=""):
    """Deliver a message, and tell what it changed."""
    workflow_execution_id = message["workflow_execution_id"]
    before = backend.load(workflow_execution_id).version
    answer = handle_result(message)
    after = backend.load(workflow_execution_id).version
    changed = f"version {before} -> {after}" if after != before else f"version {before}, unchanged"
    new = ", ".join(f"{job.op} (run {job.run_id})" for job in answer.jobs) if isinstance(answer, rfx.Dispatch) else "-"
    print(f"{message['op']:<6} run {message['run_id']}  {changed:<20}  dispatched: {new:<15}  {remark}".rstrip())
    return answer


start_workflow(OFFER, {"article": "kettle"})
consume()
stock, no_price = messages.get_nowait(), messages.get_nowait()
deliver(stock)
deliver(stock, "the same message again")
deliver(no_price, "an error: the step is run again")
deliver({**no_price, "output": {"price": 41}}, "late: the price list has answered the first time after all")
consume()
deliver(messages.get_nowait())
consume()
print(deliver(messages.get_nowait()))

deliver(stock, "after the end")
print("executions that wanted to be looked after:", look_after())
print("jobs left in the queue:", len(backend.pending_tasks()))
