"""One step: the smallest workflow that there is, and what can be seen of it before and after it runs.

The definition is JSON text, which needs nothing but `runfox-core`: no YAML library, no plugins. Creating the workflow
checks and stores it; nothing runs before `run`. The step's `output` is what the function returned. The workflow's
outcome is what `outputs` picks from it: without `outputs` it is `{}`, whatever the steps gave.
"""

import runfox as rfx

DEFINITION = """
{
  "name": "weather_abroad",
  "steps": [
    {"op": "convert", "input": {"celsius": {"var": "input.celsius"}, "decimals": 1}}
  ],
  "outputs": {"fahrenheit": {"var": "steps.convert.output.fahrenheit"}}
}
"""


def execute(op, inputs):
    if op == "convert":
        return {"fahrenheit": round(inputs["celsius"] * 9 / 5 + 32, inputs["decimals"])}
    raise ValueError(f"no such step: {op}")


def show(workflow):
    statuses = {op: str(status) for op, status in workflow.step_statuses.items()}
    print(f"workflow {workflow.status}, steps {statuses}, outcome {workflow.outcome}")


backend = rfx.Backend(executor=execute)  # store and queue are in memory where nothing else is said
workflow = rfx.Workflow.from_json(DEFINITION, backend, inputs={"celsius": 21.5})

show(workflow)
print(workflow.run())
show(workflow)
