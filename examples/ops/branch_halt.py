"""A branch that ends the workflow: a picture that looks unsafe is rejected, and is never published.

Branches are looked at when a step has an output, in their order; the first whose condition is true acts. `halt` ends
the whole workflow: what has not begun never will, `outputs` are not resolved, and the branch's `result` is the
outcome. `run` then returns `Halt` where it returns `Complete` otherwise. A halt is an answer, not an error: nothing is
raised, and nothing is tried again.

A look that fails gives no score, and the condition is false. `on_error: halt` keeps such a picture from being
published; the default, `continue`, would not.
"""

import runfox as rfx

UPLOAD = """
name: upload
steps:
  - op: look_at
    input: {picture: {"var": "input.picture"}}
    branch:
      # The output's own keys stand at the top level here: `unsafe` is `steps.look_at.output.unsafe`.
      - condition: {">=": [{"var": "unsafe"}, 0.7]}
        action: halt
        result: {status: rejected, picture: {"var": "input.picture"}, score: {"var": "unsafe"}}
    on_error: halt

  - op: publish
    depends_on: [look_at]
    input: {picture: {"var": "input.picture"}}

outputs:
  status: published
  address: {"var": "steps.publish.output.address"}
"""

UNSAFE = {"kitten.jpg": 0.02, "brawl.jpg": 0.91, "torn.jpg": None}


def execute(op, inputs):
    if op == "look_at":
        score = UNSAFE[inputs["picture"]]
        return {"ok": False, "error": "can't read the picture"} if score is None else {"unsafe": score}
    if op == "publish":
        return {"address": f"https://pictures.example/{inputs['picture']}"}
    raise ValueError(f"no such step: {op}")


with rfx.open_backend("memory:", executor=execute) as backend:
    for picture in UNSAFE:
        workflow = rfx.Workflow.from_yaml(UPLOAD, backend, inputs={"picture": picture})
        match workflow.run():
            case rfx.Complete(outcome):
                print("complete:", outcome)
            case rfx.Halt(result):
                print("halted:  ", result)
        print("          steps:", {op: str(status) for op, status in workflow.step_statuses.items()})
