"""Several steps, then one that takes what all of them gave: jurors score a dive, and the judge makes one mark of it.

`vars` is JSONPath: a list with every step's `score`, in the order of the definition, whatever their number. It reads
the steps that have an output by then and says nothing of the others. What makes `mark` wait is `depends_on`: leave a
juror out there, and the mark may be made without that score.

A definition is data, so where the number of steps follows from something it is made by a comprehension.
"""

import runfox as rfx

JURORS = ["ana", "bo", "chloe", "dev", "eli"]

DIVE = {
    "name": "dive",
    "steps": [
        *({"op": f"score_{juror}", "call": "score", "input": {"juror": juror}} for juror in JURORS),
        {
            "op": "mark",
            "depends_on": [f"score_{juror}" for juror in JURORS],
            "input": {
                "scores": {"vars": "steps[*].output.score"},
                "difficulty": {"var": "input.difficulty"},
            },
        },
    ],
    "outputs": {"mark": {"var": "steps.mark.output.mark"}, "counted": {"var": "steps.mark.output.counted"}},
}

CARDS = {"ana": 7.5, "bo": 8.0, "chloe": 9.5, "dev": 8.0, "eli": 6.0}


def execute(op, inputs):
    if op == "score":
        return {"score": CARDS[inputs["juror"]]}
    if op == "mark":
        counted = sorted(inputs["scores"])[1:-1]  # the lowest and the highest do not count
        return {"counted": counted, "mark": sum(counted) * inputs["difficulty"]}
    raise ValueError(f"no such step: {op}")


with rfx.open_backend("memory:", executor=execute) as backend:
    result = rfx.Workflow.from_dict(DIVE, backend, inputs={"difficulty": 3.2}).run()

print("cards  ", list(CARDS.values()))
print("counted", result.outcome["counted"])
print(f"mark    {result.outcome['mark']:.1f}")
