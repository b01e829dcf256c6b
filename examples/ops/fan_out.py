"""One step, then several side by side: a photo is measured, and three sizes are made of it at the same time.

Steps that depend on the same step become ready together. Whether they also run together is up to the worker: the one
that a backend makes of its executor runs one job after another, this one has three threads. The barrier proves it:
nobody passes until all three have come. `rfx.Worker` does the same in any number of processes.
"""

import threading

import runfox as rfx

PHOTO = """
name: photo
steps:
  - op: measure
    input: {photo: {"var": "input.photo"}}

  # `call` is what the function receives as `op`; without it, the step's own op.
  - {op: thumbnail, call: scale, depends_on: [measure], input: {size: {"var": "steps.measure.output"}, width: 150}}
  - {op: preview, call: scale, depends_on: [measure], input: {size: {"var": "steps.measure.output"}, width: 800}}
  - {op: poster, call: scale, depends_on: [measure], input: {size: {"var": "steps.measure.output"}, width: 6000}}

outputs:
  thumbnail: {"var": "steps.thumbnail.output.size"}
  preview: {"var": "steps.preview.output.size"}
  poster: {"var": "steps.poster.output.size"}
"""

all_at_once = threading.Barrier(3, timeout=60)


def execute(op, inputs):
    if op == "measure":
        return inputs["photo"]
    if op == "scale":
        all_at_once.wait()
        size, width = inputs["size"], inputs["width"]
        return {"size": [width, width * size["height"] // size["width"]]}
    raise ValueError(f"no such step: {op}")


with rfx.open_backend("memory:") as backend:
    worker = rfx.InProcessWorker(backend.runner, execute, concurrency=3)
    workflow = rfx.Workflow.from_yaml(PHOTO, backend, inputs={"photo": {"width": 4000, "height": 3000}})
    result = workflow.run(worker=worker)

for name, (width, height) in result.outcome.items():
    print(f"{name:<10}{width:>5} x {height}")
