"""Expenses that a person approves, rejects, or leaves unanswered.

    check  ──▶  approve  ──▶  pay
    (worker)    (a person)    (worker)

A question to a person is a job like any other, in a queue that no worker serves: `queue: people`. A web page lists what
is pending there, and it stays pending for days if need be, over any number of restarts. The answer is the job's result.

Why it is built like this:

- The page's form holds what the job says: execution, step and run_id. So an answer is to the question that was asked.
  Of two answers the first counts, and one that comes when the time is up changes nothing.
- An answer is submitted first: it is durable then, and the question is no longer pending. Then it is settled, and what
  follows is dispatched. Should this process die in between, a worker does the rest within a minute (`recover_after`).
- The step's `timeout` is how long a person has, days or weeks. Any worker sees when it is over. What follows is up to
  the step's branches, as with every result.

`open_questions` and `answer` are what a web server calls: each opens the file by itself, and needs no executor. They
might as well run in another process; the worker that runs here in the background might, too.
"""

import tempfile
import time

import runfox as rfx

THREE_DAYS = 3 * 24 * 60 * 60


def expense(timeout):
    """The definition; a person has `timeout` seconds."""
    nobody = {"condition": {"var": "timeout"}, "action": "halt", "result": {"status": "nobody answered"}}
    rejected = {
        "condition": {"!": {"var": "approved"}},
        "action": "halt",
        "result": {"status": "rejected", "by": {"var": "by"}, "because": {"var": "because"}},
    }
    return {
        "name": "expense",
        "steps": [
            {"op": "check", "input": {"what": {"var": "input.what"}, "euros": {"var": "input.euros"}}},
            {
                "op": "approve",
                "queue": "people",
                "depends_on": ["check"],
                "timeout": timeout,
                "input": {"question": {"var": "steps.check.output.question"}},
                "branch": [nobody, rejected],
            },
            {
                "op": "pay",
                "depends_on": ["approve"],
                "input": {"euros": {"var": "input.euros"}, "approved_by": {"var": "steps.approve.output.by"}},
            },
        ],
        "outputs": {"status": "paid", "transfer": {"var": "steps.pay.output.transfer"}},
    }


def execute(op, inputs):
    if op == "check":
        return {"question": f"{inputs['euros']} euros for a {inputs['what']}?"}
    if op == "pay":
        return {"transfer": f"{inputs['euros']} euros, approved by {inputs['approved_by']}"}
    raise ValueError(f"no such step: {op}")


# The web server


def open_questions(url):
    """What people are asked at the moment, the oldest question first: for each what a form shows, and what it holds."""
    with rfx.open_backend(url) as backend:
        return [
            {
                "text": job.inputs["question"],
                "workflow_execution_id": job.workflow_execution_id,
                "op": job.op,
                "run_id": job.run_id,
            }
            for job in backend.pending_tasks()
            if job.queue == "people"
        ]


def answer(url, form, decision):
    """Bring a person's decision. True if it counts, False if it is too late."""
    key, op, run_id = form["workflow_execution_id"], form["op"], form["run_id"]
    with rfx.open_backend(url) as backend:
        backend.submit_result(key, op, decision, run_id)
        settled = rfx.Workflow.resume(key, backend).settle([rfx.StepResult(op, decision, run_id)])
        if isinstance(settled, rfx.Dispatch):
            backend.dispatch(key, settled.jobs)
        step = backend.load(key).steps[op]
        return (step.run_id, step.output) == (run_id, decision)


# What happens


def main(url):
    yes = {"approved": True, "by": "Ada"}
    no = {"approved": False, "by": "Bob", "because": "we have one"}
    with rfx.open_backend(url) as backend, rfx.Worker(backend, execute, queues=[None]):
        kettle = start(backend, THREE_DAYS, "kettle", 80)
        piano = start(backend, THREE_DAYS, "piano", 4000)
        forms = {form["workflow_execution_id"]: form for form in wait_for_questions(url, 2)}
        for form in forms.values():
            print("open:", form["text"])

        print("Ada approves the kettle:", told(answer(url, forms[kettle.id], yes)))
        print("Bob rejects the kettle:", told(answer(url, forms[kettle.id], no)))
        print("Bob rejects the piano:", told(answer(url, forms[piano.id], no)))
        print("kettle:", kettle.result(timeout=60))
        print("piano:", piano.result(timeout=60))

        yacht = start(backend, 0.5, "yacht", 900000)
        print("yacht:", yacht.result(timeout=60))
        form = {"workflow_execution_id": yacht.id, "op": "approve", "run_id": 0}  # as a page still shows it
        print("Ada approves the yacht:", told(answer(url, form, yes)))
        print("yacht:", yacht.result(timeout=60))
        print("open:", open_questions(url))


def start(backend, timeout, what, euros):
    workflow = rfx.Workflow.from_dict(expense(timeout), backend, inputs={"what": what, "euros": euros})
    workflow.start()
    return workflow


def wait_for_questions(url, number):
    """Until as many are open; the worker has something to do before."""
    ends_at = time.monotonic() + 60
    while len(questions := open_questions(url)) < number:
        if time.monotonic() > ends_at:
            raise TimeoutError(f"of {number} questions {len(questions)} are open after a minute")
        time.sleep(0.02)
    return questions


def told(counts):
    return "it counts" if counts else "too late, nothing changes"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(f"sqlite:///{folder}/expenses.db")
