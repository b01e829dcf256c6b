"""Stores and runners by URL: the built-in ones, strangers' that are put on the path here, and what is missing."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pluggy
import pytest

import runfox.backend
from runfox import Workflow, memory_plugin, open_backend, open_runner, open_store, plugins
from runfox.backend import Backend, InMemoryStore, InProcessRunner, aws
from runfox.errors import DuplicateScheme, MissingExtra, UnknownScheme
from runfox.results import Complete

ONE = {"steps": [{"op": "a"}], "outputs": {"x": {"var": "state.x"}}}

PLUGIN = """
from runfox.backend import InMemoryStore, InProcessRunner
from runfox.plugins import RunnerProvider, StoreProvider, hookimpl

opened = []

class {name}Store(InMemoryStore):
    def __init__(self, url, **options):
        super().__init__()
        opened.append((url, options))

def store(url, **options):
    return {name}Store(url, **options)

def runner(url, **options):
    opened.append((url, options))
    return InProcessRunner(**options)

@hookimpl
def runfox_stores():
    exports = {{"{export}": "{module}:{name}Store"}}
    return [StoreProvider(scheme="{scheme}", factory=store, summary="a store", exports=exports)]

@hookimpl
def runfox_runners():
    return [RunnerProvider(scheme="{scheme}", factory=runner, summary="a runner")]
"""

Install = Callable[..., str]


@pytest.fixture(autouse=True)
def _a_fresh_registry() -> Iterator[None]:
    plugins._registry.cache_clear()
    yield
    plugins._registry.cache_clear()


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Puts a distribution on the path, with its entry point. Gives the name of its module."""
    monkeypatch.syspath_prepend(str(tmp_path))
    modules: list[str] = []

    def put(distribution: str, source: str = PLUGIN, **names: str) -> str:
        module = distribution.replace("-", "_")
        defaults = {"module": module, "name": "Their", "scheme": "theirs", "export": "TheirStore"}
        text = source.format(**{**defaults, **names}) if source is PLUGIN else source
        (tmp_path / f"{module}.py").write_text(text, encoding="utf-8")
        info = tmp_path / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n", encoding="utf-8")
        (info / "entry_points.txt").write_text(f"[runfox]\n{module} = {module}\n", encoding="utf-8")
        modules.append(module)
        return module

    yield put
    for module in modules:
        sys.modules.pop(module, None)


@pytest.fixture
def without_pluggy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pluggy", None)


# The built-in plugin


@pytest.mark.parametrize("url", ["memory:", "memory://"])
def test_the_in_memory_parts_come_by_the_common_door(url: str) -> None:
    assert isinstance(open_store(url), InMemoryStore)
    assert isinstance(open_runner(url), InProcessRunner)
    assert open_store(url) is not open_store(url)


@pytest.mark.parametrize("url", ["memory:x", "memory:///wf.db", "memory://?a=1"])
def test_the_in_memory_parts_take_no_path(url: str) -> None:
    for open_part in (open_store, open_runner):
        with pytest.raises(ValueError, match="takes no path"):
            open_part(url)


def test_options_go_to_the_factory() -> None:
    runner = open_runner("memory:", lease_seconds=5.0)
    assert isinstance(runner, InProcessRunner)
    assert runner.lease_seconds == 5.0
    with pytest.raises(TypeError):
        open_store("memory:", lease_seconds=5.0)


def test_a_backend_of_one_url_runs_a_workflow() -> None:
    merges: list[Any] = []
    backend = open_backend(
        "memory:",
        executor=lambda op, inputs: {"x": op},
        poll_interval=0.5,
        recover_after=7.0,
        on_state_change=lambda *arguments: merges.append(arguments),
    )
    assert isinstance(backend, Backend)
    assert (backend.poll_interval, backend.recover_after) == (0.5, 7.0)
    assert Workflow.from_dict(ONE, backend).run() == Complete({"x": "a"})
    assert len(merges) == 1


def test_the_built_in_plugin_says_what_it_brings() -> None:
    assert plugins.store_providers()["memory"] == memory_plugin.runfox_stores()[0]
    assert plugins.runner_providers()["memory"] == memory_plugin.runfox_runners()[0]
    for provider in (plugins.store_providers()["memory"], plugins.runner_providers()["memory"]):
        assert provider.summary
        assert provider.exports == {}
        assert provider.harness in (
            "runfox_testing.memory:MemoryStoreHarness",
            "runfox_testing.memory:MemoryRunnerHarness",
        )


# Strangers


def test_a_strangers_store_and_runner_are_found_by_their_scheme(install: Install) -> None:
    module = install("their-package")
    store, runner = open_store("theirs://host/path?x=1", a=1), open_runner("theirs:", lease_seconds=3.0)
    their = sys.modules[module]
    assert type(store) is their.TheirStore
    assert isinstance(runner, InProcessRunner)
    assert their.opened == [("theirs://host/path?x=1", {"a": 1}), ("theirs:", {"lease_seconds": 3.0})]


def test_a_backend_may_have_its_runner_from_another_url(install: Install) -> None:
    module = install("their-package")
    backend = open_backend("theirs:", runner="memory:")
    assert type(backend.store) is sys.modules[module].TheirStore
    assert isinstance(backend.runner, InProcessRunner)


def test_what_a_plugin_exports_is_found_in_the_backends(install: Install) -> None:
    module = install("their-package", export="OtherName")
    assert runfox.backend.OtherName is sys.modules[module].TheirStore
    with pytest.raises(AttributeError, match="no attribute 'TheirStore'"):
        runfox.backend.TheirStore  # noqa: B018


def test_nothing_is_loaded_before_somebody_asks_and_then_once(install: Install) -> None:
    module = install("their-package")
    assert module not in sys.modules
    open_store("memory:")
    first = sys.modules[module]
    open_store("theirs:")
    assert sys.modules[module] is first
    assert plugins.store_providers() is plugins.store_providers()


@pytest.mark.parametrize("names", [{"export": "Other"}, {"scheme": "other"}], ids=str)
def test_two_providers_of_one_name_are_an_error_that_names_both(install: Install, names: dict[str, str]) -> None:
    install("their-package")
    install("another-package", **names)
    with pytest.raises(DuplicateScheme) as caught:
        open_store("memory:")
    assert set(caught.value.distributions) == {"their-package", "another-package"}
    assert (caught.value.scheme, caught.value.kind) == (
        ("theirs", "store") if "export" in names else ("TheirStore", "name of runfox.backend")
    )
    assert "their-package" in str(caught.value)
    assert "another-package" in str(caught.value)


def test_a_stranger_can_not_take_the_place_of_the_built_in_one(install: Install) -> None:
    install("their-package", scheme="memory")
    with pytest.raises(DuplicateScheme) as caught:
        open_store("memory:")
    assert set(caught.value.distributions) == {"their-package", "runfox-core"}


def test_a_name_exported_twice_as_the_same_thing_is_no_conflict(install: Install) -> None:
    both = 'summary="a runner"', 'summary="a runner", exports={"TheirStore": "their_package:TheirStore"}'
    text = PLUGIN.format(module="their_package", name="Their", scheme="theirs", export="TheirStore").replace(*both)
    module = install("their-package", text)
    assert runfox.backend.TheirStore is sys.modules[module].TheirStore


def test_a_hook_that_does_not_exist_is_an_error(install: Install) -> None:
    install("their-package", "from runfox.plugins import hookimpl\n\n@hookimpl\ndef runfox_storse():\n    return []\n")
    with pytest.raises(Exception, match="runfox_storse"):
        open_store("memory:")


# What is not there


@pytest.mark.parametrize(
    ("url", "scheme", "package"),
    [
        ("sqlite9:///wf.db", "sqlite9", None),
        ("nowhere:", "nowhere", None),
        ("wf.db", "wf.db", None),
        ("", "", None),
    ],
)
def test_an_unknown_scheme_lists_the_known_ones(url: str, scheme: str, package: str | None) -> None:
    for kind, open_part in (("store", open_store), ("runner", open_runner)):
        with pytest.raises(UnknownScheme) as caught:
            open_part(url)
        assert (caught.value.scheme, caught.value.kind, caught.value.requirement) == (scheme, kind, package)
        assert "memory" in caught.value.known
        assert "memory" in str(caught.value)
        assert "pip install" not in str(caught.value)


@pytest.mark.parametrize("scheme", sorted(plugins.OUR_PACKAGES))
def test_an_unknown_scheme_of_ours_says_what_to_install(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    only_memory = {"memory": plugins.store_providers()["memory"]}
    monkeypatch.setattr(plugins, "store_providers", lambda: only_memory)
    monkeypatch.setattr(plugins, "runner_providers", lambda: only_memory)
    with pytest.raises(UnknownScheme) as caught:
        open_backend(f"{scheme}:///x")
    assert f"pip install '{plugins.OUR_PACKAGES[scheme]}'" in str(caught.value)
    assert "(known: memory)" in str(caught.value)


@pytest.mark.parametrize(("known", "kind"), [("store_providers", "runner"), ("runner_providers", "store")])
def test_a_scheme_of_the_other_kind_only_says_so(known: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    half = {"half": plugins.store_providers()["memory"]}
    monkeypatch.setattr(plugins, known, lambda: half)
    with pytest.raises(UnknownScheme, match=r"it opens a \w+ only, so name both") as caught:
        (open_runner if kind == "runner" else open_store)("half:///x")
    assert {caught.value.kind, caught.value.opens} == {"store", "runner"}
    assert caught.value.kind == kind


@pytest.mark.parametrize("name", sorted(plugins.OUR_EXPORTS))
def test_a_class_of_ours_that_is_not_installed_says_what_to_install(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = plugins._registry()._replace(exports={})
    monkeypatch.setattr(plugins, "_registry", _Fixed(registry))
    with pytest.raises(MissingExtra, match=f"pip install '{plugins.OUR_EXPORTS[name]}'") as caught:
        getattr(runfox.backend, name)
    assert isinstance(caught.value, ImportError)
    assert caught.value.purpose == f"runfox.backend.{name}"


class _Fixed:
    """A registry that is what it is."""

    def __init__(self, registry: Any) -> None:
        self._registry = registry

    def __call__(self) -> Any:
        return self._registry

    def cache_clear(self) -> None:
        return


def test_the_older_name_of_the_aws_parts_goes_the_same_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "_registry", _Fixed(plugins._registry()._replace(exports={})))
    with pytest.raises(MissingExtra, match="runfox-aws"):
        aws.DynamoDBStore  # noqa: B018
    with pytest.raises(AttributeError):
        aws.Nonsense  # noqa: B018


def test_a_name_that_nobody_knows_is_an_attribute_error() -> None:
    for name in ("Nonsense", "_private", "__wrapped__"):
        assert not hasattr(runfox.backend, name)


@pytest.mark.usefixtures("without_pluggy")
def test_without_pluggy_the_pip_command_is_said_and_all_else_works() -> None:
    for call in (lambda: open_store("memory:"), lambda: open_runner("memory:"), lambda: plugins.hookimpl(len)):
        with pytest.raises(MissingExtra, match=r"pip install 'runfox-core\[standard\]'"):
            call()
    assert not hasattr(runfox.backend, "_private")
    assert not hasattr(runfox.backend, "Nonsense")
    assert Workflow.from_dict(ONE, Backend(lambda op, inputs: {"x": op})).run() == Complete({"x": "a"})


@pytest.mark.usefixtures("without_pluggy")
def test_without_pluggy_a_package_of_ours_is_named_that_brings_it_along() -> None:
    with pytest.raises(MissingExtra, match="pip install 'runfox-sqlite'"):
        open_store("sqlite:///x.db")
    with pytest.raises(MissingExtra, match="pip install 'runfox-sqlite'"):
        _ = runfox.backend.SqliteStore


def test_a_store_is_closed_again_where_there_is_no_runner_to_go_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[object] = []

    class Closable(InMemoryStore):
        def close(self) -> None:
            closed.append(self)

    monkeypatch.setattr(memory_plugin, "InMemoryStore", Closable)
    with pytest.raises(UnknownScheme):
        open_backend("memory:", runner="nonsense:")
    assert len(closed) == 1


# Hooks


def test_every_hook_is_documented() -> None:
    hooks = {name: hook for name, hook in vars(plugins.Hooks).items() if name.startswith("runfox_")}
    assert set(hooks) == {"runfox_stores", "runfox_runners"}
    for hook in hooks.values():
        assert inspect.getdoc(hook.__func__)


@pytest.mark.parametrize("hook", [plugins.Hooks.runfox_stores, plugins.Hooks.runfox_runners])
def test_a_specification_is_not_called(hook: Callable[[], object]) -> None:
    with pytest.raises(AssertionError):
        hook()


def test_every_hook_is_a_specification_that_plugins_are_checked_against() -> None:
    manager = pluggy.PluginManager(plugins.PROJECT)
    manager.add_hookspecs(plugins._specifications())  # type: ignore[arg-type]  # a class, known here as an object
    assert set(vars(manager.hook)) >= {"runfox_stores", "runfox_runners"}
