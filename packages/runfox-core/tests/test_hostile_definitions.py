"""Definitions made to do harm, and whatever else is handed in as one: a definition or a `DefinitionError`.

What is accepted also has to compile, to be created, and to be carried some way with any outputs at all.
"""

import copy
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runfox import Backend, Complete, DefinitionError, Dispatch, ExpressionError, Halt, Limits, Workflow
from runfox.definition import Definition, parse_dict, parse_json, parse_yaml
from runfox.definition.json_text import read_json
from runfox.definition.validate import validate
from runfox.definition.yaml_text import read_yaml
from runfox.expressions import OPERATORS
from runfox.plan import plans

CORPUS = Path(__file__).with_name("corpus") / "definitions"
CASES = [case for file in sorted(CORPUS.glob("*.json")) for case in json.loads(file.read_text("utf-8"))]
DEFINITIONS = [case["definition"] for case in CASES if "definition" in case]
YAML_TEXTS = [case["yaml"] for case in CASES if "yaml" in case]
LOADERS = [yaml.SafeLoader, *([yaml.CSafeLoader] if hasattr(yaml, "CSafeLoader") else [])]
LONG = 1_000_000


def refusal(definition: Any) -> DefinitionError:
    with pytest.raises(DefinitionError) as caught:
        parse_dict(definition)
    return caught.value


def step(**fields: Any) -> dict[str, Any]:
    return {"steps": [{"op": "a", **fields}]}


# Names and texts of a megabyte, names of odd characters


@pytest.mark.parametrize("text", ["x" * LONG, "é" * LONG, "\n" * LONG, "\ud800" * LONG])
@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda text: {"steps": [{"op": text}]}, id="op"),
        pytest.param(lambda text: step(depends_on=[text]), id="dependency"),
        pytest.param(lambda text: step(**{text: 1}), id="key"),
        pytest.param(lambda text: {**step(), text: 1}, id="top-level key"),
        pytest.param(lambda text: step(on_error=text), id="on_error"),
        pytest.param(lambda text: step(timeout=text), id="timeout"),
        pytest.param(lambda text: step(input={"x": {"var": "steps." + text}}), id="reference"),
        pytest.param(lambda text: step(input={text: {"var": "steps.b"}}), id="key of an input"),
        pytest.param(lambda text: step(input={"x": {"vars": text + "["}}), id="path"),
        pytest.param(lambda text: step(branch=[{"condition": 1, "action": text}]), id="action"),
        pytest.param(lambda text: step(branch=[{"condition": 1, "action": {"set": text + "?"}}]), id="target"),
        pytest.param(lambda text: step(branch=[{"condition": 1, "action": {"set": "steps." + text}}]), id="status"),
    ],
)
def test_a_megabyte_where_a_name_belongs_is_told_in_a_few_lines(make, text):
    assert len(str(refusal(make(text)))) < 2_000


@pytest.mark.parametrize("text", ["x" * LONG, "\ud800" * LONG])
def test_a_megabyte_where_any_text_may_stand_is_taken(text):
    definition = step(call=text, label=text, input={text: {"literal": 1}})
    assert parse_dict(definition).spec == definition


LOOK_ALIKES = ["\u0430", "\uff41", "a\u200b", "a\u0301"]
ODD_OPS = [*LOOK_ALIKES, "a\n", "\na", "a#", "a.b", "a b", "", "#", "\ud800", "a\0", "-a", "1", "a" * 256]
ORDINARY_OPS = ["__class__", "__proto__", "__init__", "constructor", "_", "a" * 255, "None", "op", "items"]


@pytest.mark.parametrize("op", ODD_OPS)
def test_an_op_of_other_characters_is_refused_wherever_it_stands(op):
    assert refusal({"steps": [{"op": op}]}).problems[0].path == "steps[0].op"
    assert refusal(step(depends_on=[op])).problems[0].path == "steps[0].depends_on[0]"
    action = {"condition": {"var": "x"}, "action": {"set": op}}
    branches = [action, {"condition": True, "action": "complete"}]
    assert refusal(step(branch=branches)).problems[0].path == "steps[0].branch[0].action.set"


@pytest.mark.parametrize("op", ORDINARY_OPS)
def test_an_op_may_be_a_name_that_means_something_elsewhere(op):
    backend = Backend(executor=lambda op, inputs: {"__class__": op, "": [inputs]})
    definition = {
        "steps": [{"op": op}, {"op": "last", "depends_on": op, "input": {"": {"var": f"steps.{op}.output.__class__"}}}],
        "outputs": {"__dict__": {"var": "steps.last.output"}, "none": {"var": f"steps.{op}.__class__"}},
    }
    outcome = Workflow.from_dict(definition, backend).run().outcome
    assert outcome == {"__dict__": {"__class__": "last", "": [{"": op}]}, "none": None}


# Size


BIG = {"steps": [{"op": "a", "label": "x" * 2_000}]}
WAYS = {
    "dict": (Workflow.from_dict, BIG),
    "json": (Workflow.from_json, json.dumps(BIG)),
    "yaml": (Workflow.from_yaml, json.dumps(BIG)),
}


@pytest.mark.parametrize("kind", WAYS)
def test_the_size_of_a_definition_is_limited_by_its_backend(kind):
    create, text = WAYS[kind]
    create(text, Backend())
    with pytest.raises(DefinitionError, match=r"more than 2,000 characters: .*Limits\(definition_size=") as caught:
        create(text, Backend(limits=Limits(definition_size=2_000)))
    assert len(str(caught.value)) < 300
    create(text, Backend(limits=Limits(definition_size=3_000)))


def test_what_is_stored_is_read_whatever_its_size():
    generous = Backend()
    workflow = Workflow.from_dict(BIG, generous)
    strict = Backend(lambda op, inputs: {}, store=generous.store, limits=Limits(definition_size=10))
    assert isinstance(Workflow.resume(workflow.id, strict).run(), Complete)


def test_data_without_end_is_refused():
    class Endless(dict):
        def items(self):
            return ((str(number), None) for number in itertools.count())

    class EndlessKeys(dict):
        def items(self):
            return zip(itertools.count(), itertools.count())

    for endless in (Endless(), EndlessKeys()):
        error = refusal({"steps": [{"op": b"", "input": endless}]})
        assert [problem.path for problem in error.problems] == [""]
        assert "more than 4,194,304 characters" in str(error)


def test_data_whose_classes_lie_is_refused_with_its_place():
    class Raising(dict):
        def items(self):
            raise RuntimeError("secret")

    class Pretending:
        __class__ = dict

    (problem,) = refusal(step(input={"x": Raising()})).problems
    assert (problem.path, problem.message) == ("steps[0].input.x", "reading this raised RuntimeError: pass a dict")
    (problem,) = refusal(step(input=Pretending())).problems
    assert (problem.path, problem.message[:24]) == ("steps[0].input", "Pretending is no JSON ty")


class Words(list):
    def __iter__(self):
        return itertools.count()


def test_a_list_holds_what_python_s_own_class_says():
    assert parse_dict(step(input={"x": Words([1])})).spec == step(input={"x": [1]})


# Whatever comes

HALVES = st.text(st.characters(categories=["Cs", "Ll", "Cc"]), max_size=4)
WORDS = """
name steps op a b c input depends_on branch condition action set value halt complete result retry when max_attempts
delay backoff max_delay jitter timeout outputs defaults queue call label on_error description x-own __class__ # .
steps.a.output steps.a.output.x steps.a.status input.x state.x steps ready continue $.a $..* a[*].b $.a[?(@.b>1)]
accumulator current << yes 010
"""
NAMES = st.sampled_from(WORDS.split())
SCALARS = (
    st.none() | st.booleans() | st.integers(-2, 3) | st.sampled_from([10**3_999, 1e308, -0.0, 0.5]) | NAMES | HALVES
)
EXPRESSIONS = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(sorted(OPERATORS)), st.lists(inner, max_size=3) | inner, min_size=1, max_size=1
        )
        | st.dictionaries(NAMES | HALVES, inner, max_size=3)
    ),
    max_leaves=8,
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every container with each of its keys or indexes."""
    found, stack = [], [value]
    while stack:
        holder = stack.pop()
        for key in list(holder) if isinstance(holder, dict) else range(len(holder)):
            found.append((holder, key))
            if isinstance(holder[key], (dict, list)):
                stack.append(holder[key])
    return found


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A definition of the corpus with some parts replaced, renamed, removed, repeated, or exchanged for another's."""
    value = copy.deepcopy(draw(st.sampled_from(DEFINITIONS)))
    for _ in range(draw(st.integers(1, 4))):
        known = places(value) if isinstance(value, (dict, list)) else []
        if not known:
            break
        holder, key = draw(st.sampled_from(known))
        change = draw(st.integers(0, 4))
        if change == 0:
            holder[key] = draw(EXPRESSIONS)
        elif change == 1:
            other, place = draw(st.sampled_from(known))
            holder[key] = copy.deepcopy(other[place])
        elif change == 2 and isinstance(holder, list):
            holder.insert(key, copy.deepcopy(holder[key]))
        elif change == 3 and isinstance(holder, dict):
            holder[draw(NAMES | HALVES)] = holder.pop(key)
        else:
            del holder[key]
    return value


MARKS = st.sampled_from([*"\ufeff\0{}[],:'\"&*#|>%@`!-?\n\t\\", "\n---\n", "\\ud800", "{{"])


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """A text of the corpus that was cut, spliced, and sprinkled."""
    ways = [
        st.sampled_from(YAML_TEXTS),
        st.builds(json.dumps, mutated(), ensure_ascii=st.booleans(), indent=st.sampled_from([None, 2])),
        st.builds(yaml.safe_dump, st.sampled_from(DEFINITIONS), default_flow_style=st.booleans()),
    ]
    text = draw(st.one_of(ways))
    for _ in range(draw(st.integers(0, 3))):
        start, end = sorted(draw(st.tuples(st.integers(0, len(text)), st.integers(0, len(text)))))
        junk = draw(HALVES | NAMES | MARKS)
        ends = [text[end:], text[start:], ""]
        text = text[:start] + junk + draw(st.sampled_from(ends))
    return text


SOUP = st.lists(NAMES | HALVES | MARKS | st.sampled_from([": ", "- ", "\n", "\n  "])).map("".join)
TEXTS = damaged() | SOUP | st.text()


def outcome(read: Any, *arguments: Any) -> Any:
    """The definition, or what is wrong."""
    try:
        return read(*arguments)
    except DefinitionError as caught:
        error = caught
    assert error.problems
    assert len(str(error)) < 100_000
    return error.problems


def from_yaml(text: str, loader: Any) -> Definition:
    return validate(read_yaml(text, loader))


def from_json(text: str) -> Definition:
    return validate(read_json(text))


@given(mutated() | EXPRESSIONS, st.data())
@settings(deadline=None)
def test_any_data_gives_a_definition_that_runs_or_a_definition_error(value, data):
    before = copy.deepcopy(value)
    first = outcome(parse_dict, value)
    assert outcome(parse_dict, before) == first
    if isinstance(first, Definition):
        assert first.spec == before
        assert outcome(parse_json, json.dumps(before)) == first
        carry(first, data)


@given(TEXTS, st.data())
@example("\ufeff" + json.dumps(step()), None)
@example("\0", None)
@example("\ufeff", None)
@settings(deadline=None)
def test_any_text_gives_the_same_definition_that_runs_or_definition_error_every_time(text, data):
    readings = []
    for read in (from_json, *(lambda text, loader=loader: from_yaml(text, loader) for loader in LOADERS)):
        first = outcome(read, text)
        assert outcome(read, text) == first
        readings.append(first)
    definitions = [reading for reading in readings if isinstance(reading, Definition)]
    yaml_definitions = [reading for reading in readings[1:] if isinstance(reading, Definition)]
    assert all(definition == definitions[0] for definition in yaml_definitions if definitions)
    assert outcome(parse_yaml, text) == readings[-1]
    assert outcome(parse_json, text) == readings[0]
    if definitions and data is not None:
        carry(definitions[0], data)


OUTPUTS = st.none() | st.dictionaries(NAMES | HALVES, EXPRESSIONS, max_size=3) | EXPRESSIONS | st.just(object())


def carry(definition: Definition, data: st.DataObject) -> None:
    """Create an execution of it and bring it on, some way at least, with whatever outputs."""
    assert plans.of(definition).definition.workflow_id == definition.workflow_id
    backend = Backend(limits=Limits(expression_work=20_000))
    inputs = data.draw(st.dictionaries(NAMES | HALVES, EXPRESSIONS, max_size=3))
    workflow = Workflow(backend.create(definition, inputs), backend)
    jobs = []
    for _ in range(4):
        results = [(job.op, data.draw(OUTPUTS)) for job in jobs]
        answer = workflow.settle(results)
        if isinstance(answer, (Complete, Halt)):
            return
        if not isinstance(answer, Dispatch):
            break
        jobs = answer.jobs
    fresh = Workflow(backend.create(definition, inputs), backend)
    try:
        answer = fresh.advance()
        for job in answer.jobs if isinstance(answer, Dispatch) else ():
            fresh.on_step_result(job.op, data.draw(OUTPUTS), job.run_id)
    except ExpressionError as error:
        message = str(error)
    else:
        return
    assert len(message) < 1_000
