"""The smallest workflow: two steps, one after the other, kept in a SQLite file in the current folder."""

import runfox as rfx

GREETING = """
name: greeting
steps:
  - op: make_greeting
    input:
      name: {"var": "input.name"}

  - op: shout
    depends_on: [make_greeting]
    input:
      text: {"var": "steps.make_greeting.output.text"}

outputs:
  message: {"var": "steps.shout.output.text"}
"""


def execute(op, inputs):
    if op == "make_greeting":
        return {"text": f"hello, {inputs['name']}"}
    if op == "shout":
        return {"text": inputs["text"].upper()}
    raise ValueError(f"no such step: {op}")


with rfx.open_backend("sqlite:///quickstart.db", executor=execute) as backend:
    workflow = rfx.Workflow.from_yaml(GREETING, backend, inputs={"name": "world"})
    result = workflow.run()

print(result)
print("kept in quickstart.db as", workflow.id)
