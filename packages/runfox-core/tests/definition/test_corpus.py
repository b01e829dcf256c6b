"""The shared corpus of definitions, held against the validator and against the published JSON Schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import runfox.definition
from runfox.definition import Definition, parse_dict, parse_json, parse_yaml
from runfox.definition.yaml_text import read_yaml
from runfox.errors import DefinitionError, Problem

Case = dict[str, Any]

CORPUS = Path(__file__).parents[1] / "corpus" / "definitions"
CASES: list[Case] = [case for file in sorted(CORPUS.glob("*.json")) for case in json.loads(file.read_text("utf-8"))]
SCHEMA_FILE = Path(runfox.definition.__file__).with_name("workflow.schema.json")
SCHEMA = json.loads(SCHEMA_FILE.read_text("utf-8"))


def every_case(cases: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in cases])


def parse(case: Case) -> Definition:
    if "yaml" in case:
        return parse_yaml(case["yaml"])
    return parse_json(case["json"]) if "json" in case else parse_dict(case["definition"])


def value(case: Case) -> object:
    """What the schema sees of a case."""
    if "yaml" in case:
        return read_yaml(case["yaml"]).value
    return json.loads(case["json"]) if "json" in case else case["definition"]


@every_case([case for case in CASES if case["valid"]])
def test_a_good_definition_is_taken_as_it_is(case: Case) -> None:
    assert parse(case).spec == value(case)


@every_case([case for case in CASES if not case["valid"]])
def test_a_bad_definition_is_refused_with_exactly_its_problems(case: Case) -> None:
    with pytest.raises(DefinitionError) as caught:
        parse(case)
    problems = caught.value.problems
    assert [problem.path for problem in problems] == [wanted["path"] for wanted in case["problems"]]
    for problem, wanted in zip(problems, case["problems"], strict=True):
        assert fits(problem, wanted), problem


def fits(problem: Problem, wanted: Case) -> bool:
    place = problem.line == wanted.get("line", problem.line) and problem.column == wanted.get("column", problem.column)
    return place and wanted["says"] in problem.message


@every_case([case for case in CASES if "schema" in case])
def test_the_schema_agrees(case: Case) -> None:
    accepts = jsonschema.Draft202012Validator(SCHEMA).is_valid(value(case))
    assert ("accepts" if accepts else "rejects") == case["schema"]
    assert accepts or not case["valid"]


@every_case([case for case in CASES if "definition" in case])
def test_python_data_and_its_texts_have_the_same_problems(case: Case) -> None:
    text = json.dumps(case["definition"])
    assert outcome(lambda: parse_json(text)) == outcome(lambda: parse(case)) == outcome(lambda: parse_yaml(text))


def outcome(read: Any) -> object:
    try:
        return read()
    except DefinitionError as error:
        return [(problem.path, problem.message) for problem in error.problems]


def test_the_corpus_is_large_and_its_names_are_unique() -> None:
    names = [case["name"] for case in CASES]
    assert len(names) == len(set(names)) >= 70
    assert sum(not case["valid"] for case in CASES) * 2 >= len(CASES)


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_the_documentation_has_the_schema_that_is_shipped() -> None:
    copy = Path(__file__).parents[4] / "docs" / "schema" / "workflow.schema.json"
    assert copy.read_text("utf-8") == SCHEMA_FILE.read_text("utf-8")
