"""Our packages from their wheels, used from a folder outside the tree. Run by the session `wheels`.

    python -I tests/wheels/installed_packages.py runfox-core runfox-sqlite …

The arguments name the distributions that must have come from wheel files.
"""

import importlib.metadata
import importlib.resources
import json
import sys
from pathlib import Path

import runfox as rfx
from runfox.backend import InMemoryStore, InProcessRunner, InProcessWorker

SPEC = """
name: example
steps:
  - op: make_greeting
    input:
      name: {"var": "input.name"}

  - op: shout
    depends_on: [make_greeting]
    input:
      text: {"cat": [{"var": "steps.make_greeting.output.text"}, "!"]}

outputs:
  message: {"var": "steps.shout.output.text"}
  texts: {"vars": "steps[*].output.text"}
"""
OUTCOME = {"message": "HELLO, WORLD!", "texts": ["hello, world", "HELLO, WORLD!"]}
TREE = Path(__file__).resolve().parents[2]


def execute(op: str, inputs: dict[str, object]) -> dict[str, object]:
    if op == "make_greeting":
        return {"text": f"hello, {inputs['name']}"}
    return {"text": str(inputs["text"]).upper()}


def ours_came_from_wheel_files(names: list[str]) -> None:
    for name in names:
        origin = importlib.metadata.distribution(name).read_text("direct_url.json")
        assert origin is not None, f"{name} came from an index"
        assert json.loads(origin)["url"].endswith(".whl"), origin
    ours = {d.name for d in importlib.metadata.distributions() if d.name.lower().startswith("runfox")}
    assert ours == set(names), ours


def nothing_is_imported_from_the_tree() -> None:
    assert not Path.cwd().is_relative_to(TREE / "packages")
    for module in list(sys.modules.values()):
        place = getattr(module, "__file__", None)
        assert place is None or not Path(place).is_relative_to(TREE / "packages"), place


def the_data_files_are_there() -> None:
    files = importlib.resources.files("runfox")
    schema = json.loads((files / "definition" / "workflow.schema.json").read_text(encoding="utf-8"))
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert (files / "py.typed").is_file()


def the_licence_travels_along(names: list[str]) -> None:
    for name in names:
        files = importlib.metadata.files(name) or []
        assert any(path.name == "LICENSE" for path in files), f"{name} has no LICENSE"


def a_yaml_workflow_runs_in_memory() -> None:
    runner = InProcessRunner()
    backend = rfx.Backend(store=InMemoryStore(), runner=runner)
    workflow = rfx.Workflow.from_yaml(SPEC, backend, inputs={"name": "world"})
    assert workflow.run(worker=InProcessWorker(runner, execute)) == rfx.Complete(OUTCOME)


def plugins_are_found_by_url(names: list[str]) -> None:
    urls = ["memory:", *(["sqlite:///wheels.db"] if "runfox-sqlite" in names else [])]
    Path("wheels.db").unlink(missing_ok=True)
    for url in urls:
        with rfx.open_backend(url, executor=execute) as backend:
            workflow = rfx.Workflow.from_yaml(SPEC, backend, inputs={"name": "world"})
            assert workflow.run() == rfx.Complete(OUTCOME), url
    if "runfox-sqlite" in names:
        with rfx.open_backend("sqlite:///wheels.db") as backend:
            assert rfx.Workflow.resume(workflow.id, backend).result() == rfx.Complete(OUTCOME)


def plugins_hand_on_their_classes(names: list[str]) -> None:
    if "runfox-sqlite" in names:
        from runfox.backend import SqliteRunner, SqliteStore  # noqa: PLC0415  # only where the package is there

        assert (SqliteStore.__name__, SqliteRunner.__name__) == ("SqliteStore", "SqliteRunner")
    if "runfox-aws" in names:
        from runfox.backend.aws import DynamoDBStore, SQSRunner  # noqa: PLC0415  # only where the package is there

        rfx.open_store("dynamodb://workflows").close()
        rfx.open_runner("sqs://tasks?queue.instruct=https://sqs.eu-west-2.amazonaws.com/1/instruct").close()
        assert (DynamoDBStore.__name__, SQSRunner.__name__) == ("DynamoDBStore", "SQSRunner")


if __name__ == "__main__":
    given = sys.argv[1:]
    for check in (ours_came_from_wheel_files, the_licence_travels_along, plugins_are_found_by_url,
                  plugins_hand_on_their_classes):  # fmt: skip
        check(given)
        print("ok:", check.__name__.replace("_", " "))
    for plain in (the_data_files_are_there, a_yaml_workflow_runs_in_memory, nothing_is_imported_from_the_tree):
        plain()
        print("ok:", plain.__name__.replace("_", " "))
