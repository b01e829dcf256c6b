"""One question, several sources, side by side; one of them fails, and the answer says what it does without.

    harbour (CSV) ────┐
    airport (JSON) ───┼──▶ compare
    lighthouse (text) ┤
    ferry (no answer) ┘

Four stations are asked for the wind, each in the format that it has. What makes a source that fails bearable:

- `on_error: continue`, which is also the default: a source whose budget (`max_attempts`) is used up counts as done,
  with its error as the output. Its status is then `complete`, like the others'. Whoever wants to know looks at the
  outputs, not at the statuses. `compare` is another matter: if that fails, there is no answer, and `halt` says so.
- `vars` collects what there is: `steps[*].output.wind` has three items, since the fourth output has no such key.
  A `var` that names the failed station's wind would be null.
- What was asked for stands in the step's own input. Against it the step finds what is missing; the reasons are
  collected like the winds, from the outputs that have an `error`.
- Tolerance needs a floor. A branch halts when fewer than two stations have answered.
"""

import csv
import io
import json
import re

import runfox as rfx

STATIONS = ["harbour", "airport", "lighthouse", "ferry"]

WIND = {
    "name": "wind",
    "steps": [
        *(
            {
                "op": f"ask_{station}",
                "call": "ask",
                "input": {"station": station},
                "max_attempts": 2,
                "on_error": "continue",
            }
            for station in STATIONS
        ),
        {
            "op": "compare",
            "depends_on": [f"ask_{station}" for station in STATIONS],
            "on_error": "halt",
            "input": {
                "asked": STATIONS,
                "winds": {"vars": "steps[*].output.wind"},
            },
            "branch": [
                {
                    "condition": {"<": [{"count": {"vars": "steps[*].output.wind"}}, 2]},
                    "action": "halt",
                    "result": {"status": "too few stations", "errors": {"vars": "steps[*].output.error"}},
                }
            ],
        },
    ],
    "outputs": {
        "strongest": {"var": "steps.compare.output.strongest"},
        "mean": {"var": "steps.compare.output.mean"},
        "missing": {"var": "steps.compare.output.missing"},
        "errors": {"vars": "steps[*].output.error"},
    },
}

# What the stations send: knots, metres per second, a sentence, and nothing.
SENT = {
    "harbour": "time,knots\n11:50,17.5\n12:00,18.0\n",
    "airport": '{"time": "12:00", "wind": {"speed": 11.2, "unit": "m/s", "direction": 240}}',
    "lighthouse": "Noon. Wind from the south-west, 13.6 m/s, gusting. Sea rough.",
}


def fetch(station):
    """Stands for a request over the network."""
    if station not in SENT:
        raise TimeoutError("no answer")
    return SENT[station]


def harbour(text):
    *_, latest = csv.DictReader(io.StringIO(text))
    return float(latest["knots"]) * 1852 / 3600


def airport(text):
    return json.loads(text)["wind"]["speed"]


def lighthouse(text):
    return float(re.search(r"([\d.]+) m/s", text)[1])


PARSERS = {"harbour": harbour, "airport": airport, "lighthouse": lighthouse}


def execute(op, inputs):
    if op == "ask":
        station = inputs["station"]
        try:
            text = fetch(station)
        except TimeoutError as error:
            # An exception that leaves the function means the same, and is logged with its traceback.
            print(f"  asked {station}: {error}")
            return {"ok": False, "error": f"{station}: {error}"}
        print(f"  asked {station}")
        return {"wind": {"station": station, "speed": round(PARSERS[station](text), 1)}}
    if op == "compare":
        return compare(inputs["asked"], inputs["winds"])
    raise ValueError(f"no such step: {op}")


def compare(asked, winds):
    missing = [station for station in asked if station not in {wind["station"] for wind in winds}]
    if not winds:
        return {"missing": missing}
    strongest = max(winds, key=lambda wind: wind["speed"])
    mean = sum(wind["speed"] for wind in winds) / len(winds)
    return {"strongest": strongest, "mean": round(mean, 1), "missing": missing}


def run(heading):
    print(heading)
    with rfx.open_backend("memory:", executor=execute) as backend:
        workflow = rfx.Workflow.from_dict(WIND, backend)
        match workflow.run():
            case rfx.Complete(outcome):
                print("  strongest:", outcome["strongest"])
                print("  mean:     ", outcome["mean"])
                print("  missing:  ", outcome["missing"])
                print("  errors:   ", outcome["errors"])
            case rfx.Halt(result):
                print("  halted:   ", result)
        print("  steps:    ", ", ".join(f"{op} {status}" for op, status in workflow.step_statuses.items()))


run("three of four")
del SENT["airport"], SENT["harbour"]
run("one of four")
