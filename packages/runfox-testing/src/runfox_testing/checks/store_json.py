"""STORE-JSON: every JSON value survives, wherever JSON can stand in a record."""

from __future__ import annotations

import hypothesis

from runfox.jsonvalue import MAX_DEPTH, JSONObject, JSONValue
from runfox.records import WorkflowRecord
from runfox_testing import json_samples
from runfox_testing.case import StoreCase
from runfox_testing.check import check, expect
from runfox_testing.checks.stored import expect_stored, written
from runfox_testing.json_samples import FLOATS, INTEGERS, TEXTS, nested
from runfox_testing.json_strategies import objects, texts, values
from runfox_testing.sample_records import OPS, complete_step, new_record, spec_of
from runfox_testing.shrinking import ShrinkBudget


def with_json(execution_id: str, value: JSONObject, outcome: JSONValue) -> WorkflowRecord:
    """A record with a value in every place where JSON can stand."""
    record = new_record(execution_id, inputs=value, state={**value}, outcome=outcome)
    record.spec = {**spec_of(), "more": value}
    step = complete_step(OPS[0], value)
    record.steps[OPS[0]] = step
    record.steps[OPS[2]] = type(step)(op=OPS[2], run_id=1, inputs=value, output={"one": outcome})
    return record


def _survives(case: StoreCase, execution_id: str, value: JSONObject, outcome: JSONValue, what: str) -> None:
    store, other = case.clients(2)
    expect_stored(other, written(store, with_json(execution_id, value, outcome)), what)


@check(
    "STORE-JSON-01",
    causes=[
        "text goes through UTF-8, which has no form for lone surrogates, with errors='replace' or 'ignore'",
        "text ends at NUL, as in C strings, or the database refuses NUL (PostgreSQL's text and jsonb)",
        "text is normalised (NFC), trimmed, or split surrogates are joined to one character",
    ],
)
def every_text_survives_as_a_value(case: StoreCase) -> None:
    """Texts with NUL, lone surrogates, astral and combining characters, and whatever else text can hold."""
    for number, (what, text) in enumerate(TEXTS.items()):
        _survives(case, f"text-{number}", {"text": text, "list": [text, text + "x"]}, text, f"with a text: {what}")


@check(
    "STORE-JSON-02",
    causes=[
        "keys become columns, attribute names or paths (`a.b`, `$`, an empty name)",
        "keys go another way than values, one that has no form for NUL or lone surrogates",
        "two keys that differ only in their normal form or in case are one",
    ],
)
def every_text_survives_as_a_key(case: StoreCase) -> None:
    """The same texts as keys, alone and all together, with keys that differ in case and in their normal form."""
    for number, (what, text) in enumerate(TEXTS.items()):
        _survives(case, f"key-{number}", {text: 1, "inner": {text: 2}}, {text: 3}, f"with a text as key: {what}")
    odd = [
        "a.b",
        "$ref",
        "$.a",
        "a[0]",
        "__proto__",
        "id",
        "Id",
        "ID",
        "\u00e9",
        "e\u0301",
        "version",
        "state",
        "1",
        "01",
    ]
    together: JSONObject = {text: number for number, text in enumerate([*TEXTS.values(), *odd])}
    _survives(case, "keys", together, together, "with all these keys in one object")


@check(
    "STORE-JSON-03",
    causes=["names are kept another way than JSON text, one that has no form for NUL or lone surrogates"],
)
def every_text_survives_as_a_name(case: StoreCase) -> None:
    """Odd texts as the names of steps and of the definition, and as the host of a step."""
    store, other = case.clients(2)
    for number, (what, text) in enumerate(TEXTS.items()):
        ops = [text, f"{text}+", "plain"]
        record = new_record(f"name-{number}", ops=ops, name=text)
        record.steps[text] = type(record.steps[text])(op=text, run_id=1, host=text)
        record.steps[f"{text}+"] = complete_step(f"{text}+", {text: text})
        expect_stored(other, written(store, record), f"with a step, a host and a definition named with: {what}")


@check(
    "STORE-JSON-04",
    causes=[
        "integers become floats beyond 2**53, or 64-bit integers beyond 2**63",
        "a decimal type with limited precision (38 digits in DynamoDB) keeps the numbers",
    ],
)
def integers_survive_to_4000_digits(case: StoreCase) -> None:
    """Integers up to 4,000 digits come back digit for digit, alone as a value of the state, too."""
    value: JSONObject = {f"n{number}": integer for number, integer in enumerate(INTEGERS)}
    for number, integer in enumerate(INTEGERS):
        _survives(case, f"integer-{number}", {"n": integer}, integer, "with an integer")
    _survives(case, "integers", {**value, "list": list(INTEGERS)}, list(INTEGERS), "with integers up to 4,000 digits")


@check(
    "STORE-JSON-05",
    causes=[
        "floats are written with 15 digits, or go through a decimal type",
        "-0.0 becomes 0.0 or 0, a float without fraction an integer",
    ],
)
def floats_survive_to_the_last_bit(case: StoreCase) -> None:
    """Finite floats come back to the last bit, subnormal ones and -0.0 as well, and stay floats."""
    for number, value in enumerate(FLOATS):
        _survives(case, f"float-{number}", {"x": value}, value, f"with the float {value!r}")
    _survives(case, "floats", {"list": list(FLOATS)}, list(FLOATS), "with all of these floats")


@check(
    "STORE-JSON-06",
    causes=[
        "values that are equal in Python (1 == 1.0 == True) are taken for one by a cache or a comparison",
        "booleans become integers, as SQLite and MySQL have them",
    ],
)
def one_and_true_are_different_values(case: StoreCase) -> None:
    """1, 1.0, True and "1" are four values, 0, 0.0, -0.0, False and "" five: each replaces another one."""
    store, other = case.clients(2)
    ones: list[list[JSONValue]] = [[1, 1.0, True, "1", 1], [0, False, 0.0, -0.0, "", None, 0]]
    for number, chain in enumerate(ones):
        wanted = written(store, new_record(f"e{number}", state={"n": "begin"}, outcome="begin"))
        for value in chain:
            # The very record that was loaded is changed, so that an equal value looks like no change.
            record = store.load(wanted.workflow_execution_id)
            record.state["n"] = value
            record.outcome = value
            record.steps[OPS[0]] = complete_step(OPS[0], {"n": value})
            wanted = written(store, record)
            expect_stored(other, wanted, f"after {value!r} was written over a value that equals it in Python")


@check(
    "STORE-JSON-07",
    causes=["a recursive encoder or decoder ends at the interpreter's limit, or at the database's (JSON depth 100)"],
)
def five_hundred_levels_survive(case: StoreCase) -> None:
    """Values with 500 containers inside one another survive in every place."""
    for levels in (100, 250, MAX_DEPTH):
        # The object around it is a level, too, and the definition and an output have one more.
        value: JSONObject = {"deep": nested(levels - 2)}
        _survives(case, f"levels-{levels}", value, nested(levels - 1), f"with {levels} levels")
        outcome = new_record(f"outcome-{levels}", outcome=nested(levels))
        expect_stored(case.client(), written(case.client(), outcome), f"with {levels} levels in the outcome")


@check(
    "STORE-JSON-08",
    causes=[
        "objects are kept in a type that sorts keys (jsonb, maps of DynamoDB), or by rows that have no position",
        "JSON is written with sort_keys",
    ],
)
def keys_keep_their_order(case: StoreCase) -> None:
    """Keys come back in the order in which they were written, at every depth, whatever the order before."""
    store, other = case.clients(2)
    keys = ["z", "b", "a", "10", "9", "Z", "aa", "", "ab", "é", "0"]
    wanted = None
    for number in range(4):
        order = keys if number == 0 else keys[::-1] if number == 1 else case.random.sample(keys, len(keys))
        value: JSONObject = {key: {inner: inner for inner in order} for key in order}
        record = with_json("order", value, value)
        record.version = 0 if wanted is None else wanted.version
        wanted = written(store, record)
        expect_stored(other, wanted, f"with the keys {order}")


@check(
    "STORE-JSON-09",
    causes=[
        "None is kept as a missing column or attribute, and missing is read as None or {}",
        "falsy values are left out before writing (`if value:`)",
    ],
)
def none_is_not_absence(case: StoreCase) -> None:
    """None, {}, [], "", 0 and False are values of their own: none of them is taken for another, or for nothing."""
    store, other = case.clients(2)
    empty: list[JSONValue] = [None, {}, [], "", 0, False, [None], {"": None}]
    for number, value in enumerate(empty):
        record = new_record(f"e{number}", state={"a": value, "b": [value]}, inputs={"a": value}, outcome=value)
        record.steps[OPS[0]] = complete_step(OPS[0], {"a": value})
        expect_stored(other, written(store, record), f"with {value!r} in every place")
    outputs: list[JSONObject | None] = [None, {}]
    for number, output in enumerate(outputs):
        record = new_record(f"o{number}", wake_at=None)
        step = record.steps[OPS[0]]
        record.steps[OPS[0]] = type(step)(op=OPS[0], run_id=1, output=output, inputs={} if output is None else None)
        found = expect_stored(other, written(store, record), f"with a step whose output is {output!r}")
        expect(found.wake_at is None, f"wake_at is {found.wake_at!r}, not None")


@check(
    "STORE-JSON-10",
    causes=["one of the places where JSON stands is encoded another way than the others"],
)
def everything_survives_everywhere(case: StoreCase) -> None:
    """One object with something of every kind survives as definition, inputs, state, outcome, output and a step's
    inputs, and the next version can be written over it.
    """
    store, other = case.clients(2)
    value = json_samples.everything()
    wanted = written(store, with_json("all", value, value))
    expect_stored(other, wanted, "with every kind of JSON in every place")
    wanted = written(other, other.load(wanted.workflow_execution_id))
    expect_stored(store, wanted, "after what was loaded was written again")


@check(
    "STORE-JSON-11",
    traits=("property",),
    causes=["a kind of value that the other checks have no sample of; the example below is the smallest that is lost"],
)
def generated_values_survive(case: StoreCase) -> None:
    """Generated objects, texts and values survive in every place, byte for byte."""
    store, other = case.clients(2)
    count = 0

    budget = ShrinkBudget(case.history)

    @hypothesis.seed(case.seed)
    @case.settings()
    @hypothesis.given(objects(), values(), texts())
    def survives(value: JSONObject, outcome: JSONValue, op: str) -> None:
        budget.run(survives_in_every_place, value, outcome, op)

    def survives_in_every_place(value: JSONObject, outcome: JSONValue, op: str) -> None:
        nonlocal count
        count += 1
        case.history.clear()
        record = new_record(f"g{count}", ops=[op, "last"], name=op, inputs=value, state=value, outcome=outcome)
        record.steps[op] = complete_step(op, value)
        expect_stored(other, written(store, record), "with generated values")

    budget.search(survives)
    expect(count >= case.profile.examples // 2, f"only {count} examples were tried")
