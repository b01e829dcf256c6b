"""A step that is tried again when it fails: one bank is busy twice and answers then, the other one stays down.

A run has failed when its output has `ok: false`; an exception becomes such an output. `max_attempts` is how often a
step may run until one run succeeds. It is no loop counter: what has succeeded does not run again (fibonacci.py shows a
loop). With the budget used up, `on_error` decides. `halt` ends the workflow; `continue`, the default, goes on, with
the step complete and the error as its output.
"""

import runfox as rfx

PAYMENT = """
name: payment
steps:
  - op: ask_the_bank
    input: {bank: {"var": "input.bank"}}
    retry: {max_attempts: 3, delay: 0.01, backoff: 2}   # seconds; then twice as long each time
    on_error: halt

  - op: send_the_receipt
    depends_on: [ask_the_bank]
    input: {receipt: {"var": "steps.ask_the_bank.output.receipt"}}

outputs:
  sent: {"var": "steps.send_the_receipt.output.sent"}
"""

BUSY, DOWN, DONE = {"ok": False, "error": "busy"}, {"ok": False, "error": "down"}, {"receipt": "r-7"}
ANSWERS = {"north": [BUSY, BUSY, DONE], "south": [DOWN, DOWN, DOWN]}


def execute(op, inputs):
    if op == "ask_the_bank":
        run = rfx.current_job().run_id  # counts the runs of this step: 0, 1, 2
        answer = ANSWERS[inputs["bank"]][run]
        print(f"  run {run}: {answer}")
        return answer
    if op == "send_the_receipt":
        return {"sent": inputs["receipt"]}
    raise ValueError(f"no such step: {op}")


with rfx.open_backend("memory:", executor=execute) as backend:
    for bank in ANSWERS:
        print(bank)
        print(" ", rfx.Workflow.from_yaml(PAYMENT, backend, inputs={"bank": bank}).run())
