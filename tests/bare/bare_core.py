"""The core with nothing else installed. Run by the session `bare` in an environment that holds its wheel alone.

    python -I tests/bare/bare_core.py

Plain functions and asserts: pytest would bring pluggy along, and so hide what is looked for.
"""

import importlib.metadata
import json
import sys
from collections.abc import Callable

GREETING = {
    "name": "greeting",
    "steps": [
        {"op": "make", "input": {"name": {"var": "input.name"}, "sign": {"literal": {"var": "!"}}}},
        {"op": "shout", "depends_on": ["make"], "input": {"text": {"var": "steps.make.output.text"}}},
    ],
    "outputs": {"message": {"var": "steps.shout.output.text"}, "fallback": {"var": ["state.nothing", "none"]}},
}
YAML = "steps: [{op: make}]"
COMMAND = "pip install 'runfox-core[standard]'"


def execute(op: str, inputs: dict[str, object]) -> dict[str, object]:
    if op == "make":
        assert inputs["sign"] == {"var": "!"}
        return {"text": f"hello, {inputs['name']}"}
    return {"text": str(inputs["text"]).upper()}


def the_environment_holds_the_core_alone() -> None:
    installed = {distribution.name.lower() for distribution in importlib.metadata.distributions()}
    others = installed - {"runfox-core", "pip", "setuptools", "wheel"}
    assert "runfox-core" in installed
    assert not others, others


def importing_runfox_imports_no_third_party_module() -> None:
    before = set(sys.modules)
    import runfox  # noqa: F401, PLC0415  # what the import brings is the question

    roots = {name.partition(".")[0] for name in set(sys.modules) - before}
    others = {root for root in roots if root not in sys.stdlib_module_names} - {"runfox"}
    assert not others, others


def a_workflow_runs_from_a_dict_and_from_json() -> None:
    import runfox as rfx  # noqa: PLC0415  # not before the look at what its import brings

    for create, definition in ((rfx.Workflow.from_dict, GREETING), (rfx.Workflow.from_json, json.dumps(GREETING))):
        runner = rfx.InProcessRunner()
        backend = rfx.Backend(store=rfx.InMemoryStore(), runner=runner)
        workflow = create(definition, backend, inputs={"name": "world"})
        result = workflow.run(worker=rfx.InProcessWorker(runner, execute))
        assert result == rfx.Complete({"message": "HELLO, WORLD", "fallback": "none"}), result


def yaml_and_operators_say_what_to_install_before_anything_is_stored() -> None:
    import runfox as rfx  # noqa: PLC0415  # as above

    def a_step(expression: object) -> dict[str, object]:
        return {"steps": [{"op": "make", "input": {"x": [expression]}}]}

    def a_condition(expression: object) -> dict[str, object]:
        return {"steps": [{"op": "make", "branch": [{"condition": expression, "action": "halt"}]}]}

    store = rfx.InMemoryStore()
    backend = rfx.Backend(store=store, runner=rfx.InProcessRunner())
    attempts: list[Callable[[], object]] = [lambda: rfx.Workflow.from_yaml(YAML, backend)]
    for definition in (
        a_step({">=": [{"var": "input.x"}, 1]}),
        a_step({"vars": "steps[*].output"}),
        a_step({"var": ["input.x", {"+": [1, 2]}]}),
        a_condition({">=": [{"var": "score"}, 1]}),
        {**GREETING, "outputs": {"sum": {"map": [[], 1]}}},
    ):
        attempts += [
            lambda definition=definition: rfx.Workflow.from_dict(definition, backend),
            lambda definition=definition: rfx.Workflow.from_json(json.dumps(definition), backend),
        ]
    for attempt in attempts:
        expect_command(attempt)
    assert store.list_executions() == []
    assert store.due("9999-12-31T23:59:59.999999Z") == []


def opening_by_url_says_what_to_install() -> None:
    import runfox as rfx  # noqa: PLC0415  # as above

    for opening in (rfx.open_store, rfx.open_runner, rfx.open_backend):
        expect_command(lambda opening=opening: opening("memory:"))


def expect_command(attempt: Callable[[], object]) -> None:
    import runfox as rfx  # noqa: PLC0415  # as above

    message = "no error"
    try:
        attempt()
    except rfx.MissingExtra as error:
        message = str(error)
    assert COMMAND in message, message


CHECKS = [
    the_environment_holds_the_core_alone,
    importing_runfox_imports_no_third_party_module,
    a_workflow_runs_from_a_dict_and_from_json,
    yaml_and_operators_say_what_to_install_before_anything_is_stored,
    opening_by_url_says_what_to_install,
]

if __name__ == "__main__":
    for check in CHECKS:
        check()
        print("ok:", check.__name__.replace("_", " "))
