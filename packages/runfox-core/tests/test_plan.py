"""Plans are compiled once for a definition and process, and kept within bounds."""

from __future__ import annotations

from typing import Any

from runfox.definition import parse_dict
from runfox.plan import Plans


def definition(n: int) -> dict[str, Any]:
    return {"steps": [{"op": "a", "input": {"n": n}}]}


def test_a_definition_is_compiled_once() -> None:
    plans = Plans()
    assert plans.of(parse_dict(definition(1))) is plans.of(parse_dict(definition(1)))


def test_a_stored_definition_finds_the_plan_of_its_id() -> None:
    plans, parsed = Plans(), parse_dict(definition(1))
    plan = plans.of(parsed)
    assert plans.of_spec(parsed.workflow_id, parse_dict(definition(1)).spec) is plan


def test_a_stored_definition_that_was_not_seen_is_compiled() -> None:
    parsed = parse_dict(definition(1))
    plans = Plans()
    plan = plans.of_spec(parsed.workflow_id, parsed.spec)
    assert list(plan.steps) == ["a"]
    assert plans.of(parsed) is plan


def test_a_record_that_carries_another_definition_under_a_known_id_gets_its_own_plan() -> None:
    plans, one, two = Plans(), parse_dict(definition(1)), parse_dict(definition(2))
    plans.of(one)
    assert plans.of_spec(one.workflow_id, two.spec).definition.spec == two.spec


def test_the_plan_that_was_not_used_for_longest_goes_first() -> None:
    plans = Plans(limit=2)
    one, two, three = (parse_dict(definition(n)) for n in (1, 2, 3))
    first, second = plans.of(one), plans.of(two)
    assert plans.of(one) is first
    plans.of(three)
    assert plans.of(one) is first
    assert plans.of(two) is not second
