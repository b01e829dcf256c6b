"""What the documentation takes from the code is the code's: generated blocks, the API's names, links into the tree.

That the site builds, all its links lead somewhere, and it loads nothing from elsewhere is proved by `nox -s docs`.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docs_from_code import modules, states
from docs_from_code.blocks import filled, names
from docs_from_code.pages import MAKERS, generated_pages, up_to_date
from other_hosts import loaded_from_elsewhere
from repository_links import address
from runfox.machine.steps import TRANSITIONS
from runfox.status import WorkflowStatus

ROOT = Path(__file__).parents[1]
API = ROOT / "docs" / "reference" / "api"
PACKAGES = ["runfox", "runfox_aws", "runfox_sqlite", "runfox_testing"]
WHOLE_MODULES = ["runfox.protocols", "runfox_aws.handlers"]
DIRECTIVES = [
    name
    for page in sorted(API.glob("*.md"))
    for name in re.findall(r"^::: (\S+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
]


def test_every_generated_block_is_up_to_date() -> None:
    stale = [str(page.relative_to(ROOT)) for page, text in up_to_date().items() if page.read_text("utf-8") != text]
    assert stale == [], "run: nox -s reference"


def test_everything_that_can_be_generated_stands_on_a_page() -> None:
    shown = {name for page in generated_pages() for name in names(page.read_text(encoding="utf-8"))}
    assert shown == MAKERS.keys()


def test_every_diagram_of_the_documentation_is_generated() -> None:
    pages = [ROOT / "ARCHITECTURE.md", ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    by_hand = {
        str(page.relative_to(ROOT))
        for page in pages
        if "```mermaid" in re.sub(r"<!-- generated: .*?<!-- end -->", "", page.read_text("utf-8"), flags=re.DOTALL)
    }
    assert by_hand == set()


def test_the_landing_page_shows_the_example_of_the_readme_and_what_it_prints() -> None:
    shown = re.compile(r"^```python\n.*?^```\n\n```text\n.*?^```$", re.MULTILINE | re.DOTALL)
    pages = (ROOT / "README.md", ROOT / "docs" / "index.md")
    readme, index = (shown.findall(page.read_text("utf-8")) for page in pages)
    assert len(readme) == 1
    assert index == readme


def test_only_the_inside_of_a_block_is_replaced() -> None:
    page = "before\n<!-- generated: one -->\nold\n\nold\n<!-- end -->\nbetween\n<!-- generated: two -->\n<!-- end -->\n"
    text = filled(page, {"one": lambda: "1", "two": lambda: "2"})
    assert text == (
        "before\n<!-- generated: one -->\n\n1\n\n<!-- end -->\nbetween\n<!-- generated: two -->\n\n2\n\n<!-- end -->\n"
    )
    assert filled(text, {"one": lambda: "1", "two": lambda: "2"}) == text


@pytest.mark.parametrize(
    "page",
    [
        "<!-- generated: one -->\nnever closed\n",
        "<!-- generated: one -->\nnever closed\n<!-- generated: one -->\n<!-- end -->\n",
        "<!-- generated: unknown -->\n<!-- end -->\n",
        "<!-- generated: No Name -->\n<!-- end -->\n",
    ],
)
def test_a_block_that_is_not_closed_or_that_nobody_makes_is_an_error(page: str) -> None:
    with pytest.raises(ValueError, match="block"):
        filled(page, {"one": lambda: "1"})


def test_the_diagram_of_a_step_has_every_transition_of_the_table() -> None:
    arrows = re.findall(r"^    (\w+) --> (\w+): (\w+)$", states.step_states(), re.MULTILINE)
    table = [(a.value, b.value, event.value) for a, ways in TRANSITIONS.items() for event, b in ways.items()]
    assert sorted(arrows) == sorted(table)


def test_the_diagram_of_a_workflow_has_every_place_where_the_machine_ends_one() -> None:
    folder = ROOT / "packages" / "runfox-core" / "src" / "runfox" / "machine"
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in folder.glob("*.py")]
    calls = [node.func for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    endings = [call for call in calls if isinstance(call, ast.Attribute) and call.attr == "end"]
    causes = {cause for _, after, cause in states.changes() if after.ended}
    assert len(causes) == len(endings)


def test_the_diagram_of_a_workflow_has_every_status() -> None:
    found = {status for before, after, _ in states.changes() for status in (before, after)}
    assert found == set(WorkflowStatus)


def test_the_arrows_between_the_cores_modules_lead_down_the_layers() -> None:
    lines = modules.core_modules().splitlines()
    order = [line.strip() for line in lines if re.fullmatch(r"    \w+", line)]
    arrows = [match.groups() for line in lines if (match := re.fullmatch(r"    (\w+) --> (\w+)", line))]
    core = ROOT / "packages" / "runfox-core" / "src" / "runfox"
    assert set(order) == {
        path.stem for path in core.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    } - {"__init__"}
    assert len(arrows) >= len(order)
    assert [(a, b) for a, b in arrows if order.index(a) >= order.index(b)] == []


@given(st.sets(st.tuples(st.integers(0, 7), st.integers(0, 7))))
def test_the_arrows_that_are_left_out_follow_from_the_others(pairs: set[tuple[int, int]]) -> None:
    edges = {str(node): {str(b) for a, b in pairs if a == node < b} for node in range(8)}
    fewer = modules.reduced(edges)
    assert all(fewer[node] <= edges[node] for node in edges)
    assert {node: below(fewer, node) for node in edges} == {node: below(edges, node) for node in edges}
    for node, targets in fewer.items():
        for target in targets:
            without = {**fewer, node: targets - {target}}
            assert target not in below(without, node)


def below(edges: dict[str, set[str]], node: str) -> set[str]:
    return edges[node].union(*(below(edges, target) for target in edges[node]))


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_in_the_reference(package: str) -> None:
    public = {f"{package}.{name}" for name in importlib.import_module(package).__all__}
    assert public - set(DIRECTIVES) == set()


@pytest.mark.parametrize("module", WHOLE_MODULES)
def test_what_is_shown_as_a_whole_module_has_docstrings_without_which_it_would_be_left_out(module: str) -> None:
    assert module in DIRECTIVES
    public = [
        value
        for name, value in vars(importlib.import_module(module)).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module
    ]
    assert len(public) >= 5
    assert [value.__qualname__ for value in public if not inspect.getdoc(value)] == []


def test_nothing_is_in_the_reference_twice_or_of_another_name() -> None:
    assert len(set(DIRECTIVES)) == len(DIRECTIVES)
    for name in set(DIRECTIVES) - set(WHOLE_MODULES):
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute), name


def test_a_link_out_of_docs_leads_into_the_repository_and_others_stay(tmp_path: Path) -> None:
    (tmp_path / "examples" / "uses").mkdir(parents=True)
    (tmp_path / "ARCHITECTURE.md").touch()

    def of_a_guide(link: str) -> str:
        return address(link, page="guides/loops.md", root=tmp_path, repository="https://host/repo/")

    assert of_a_guide("../../ARCHITECTURE.md#packages") == "https://host/repo/blob/main/ARCHITECTURE.md#packages"
    assert of_a_guide("../../examples/uses") == "https://host/repo/tree/main/examples/uses"
    for link in ("branches.md", "../index.md#top", "#here", "https://host/../..", "mailto:a@b", "/absolute", ".."):
        assert of_a_guide(link) == link
    for link in ("../../examples/missing.py", "../../../ARCHITECTURE.md", "../../docs-of-others/a.md"):
        with pytest.raises(FileNotFoundError):
            of_a_guide(link)


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ('<script src="https://host/a.js"></script>', ["https://host/a.js"]),
        ('<script src="//host/a.js"></script>', ["//host/a.js"]),
        ('<link rel="stylesheet" href="https://host/a.css">', ["https://host/a.css"]),
        ('<link href="https://fonts" rel="preconnect" crossorigin>', ["https://fonts"]),
        ('<img src="HTTPS://host/a.png"/>', ["HTTPS://host/a.png"]),
        ('<style>@import "https://host/a.css";</style>', ["https://host/a.css"]),
        ("@font-face { src: url( 'https://host/a.woff2' ) }", ["https://host/a.woff2"]),
        ('<script src="../assets/a.js"></script><link rel="stylesheet" href="a.css"><p style="src: url(a.png)">', []),
        (
            '<a href="https://host/">a</a> <link rel="canonical" href="https://host/page/"> <code>src="https://host"</code>',
            [],
        ),
    ],
)
def test_what_a_page_or_a_style_sheet_loads_from_another_host_is_found(text: str, urls: list[str]) -> None:
    assert loaded_from_elsewhere(text) == urls
