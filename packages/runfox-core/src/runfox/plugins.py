"""Finding stores and runners by URL. Ours come in by the same door as a stranger's.

A distribution names a module in the entry-point group ``runfox``; that module implements one or both hooks of `Hooks`
with `hookimpl`. Nothing is loaded before somebody asks, and then once. pluggy is imported here and nowhere else.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Generic, NamedTuple, TypeVar

from runfox.backend.base import POLL_INTERVAL, RECOVER_AFTER, Backend, close
from runfox.backend.commits import OnStateChange
from runfox.backend.job_handler import Executor
from runfox.errors import DuplicateScheme, MissingExtra, UnknownScheme
from runfox.limits import DEFAULT_LIMITS, Limits
from runfox.protocols import Runner, Store

PROJECT = "runfox"
"""The pluggy project and the entry-point group."""

OUR_PACKAGES: Mapping[str, str] = {"sqlite": "runfox-sqlite", "dynamodb": "runfox-aws", "sqs": "runfox-aws"}
"""Which of our distributions brings a scheme."""

OUR_EXPORTS: Mapping[str, str] = {
    "SqliteStore": "runfox-sqlite",
    "SqliteRunner": "runfox-sqlite",
    "DynamoDBStore": "runfox-aws",
    "SQSRunner": "runfox-aws",
    "WorkflowStateItem": "runfox-aws",
    "WorkflowTaskItem": "runfox-aws",
}
"""Which of our distributions brings a name of `runfox.backend`."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Provider(Generic[T]):
    """What a plugin offers for one scheme.

    `factory` is called with the whole URL and the options of `open_store` or `open_runner`. `exports` are names that
    `runfox.backend` hands on, each with an import string (``package.module:Class``). `harness` is the import string of
    the test harness, which only the conformance kit loads.
    """

    scheme: str
    factory: Callable[..., T]
    summary: str
    exports: Mapping[str, str] = field(default_factory=dict)
    harness: str | None = None


class StoreProvider(_Provider[Store]):
    """A kind of store."""


class RunnerProvider(_Provider[Runner]):
    """A kind of runner."""


HookFunction = TypeVar("HookFunction", bound=Callable[..., object])


def hookimpl(function: HookFunction) -> HookFunction:
    """Marks a plugin's implementation of a hook of `Hooks`. Raises `MissingExtra` without pluggy."""
    marked: HookFunction = _pluggy().HookimplMarker(PROJECT)(function)
    return marked


class Hooks:
    """What a plugin module can implement, as functions without arguments."""

    @staticmethod
    def runfox_stores() -> list[StoreProvider]:
        """The stores that the plugin brings."""
        raise AssertionError("a specification is not called")

    @staticmethod
    def runfox_runners() -> list[RunnerProvider]:
        """The runners that the plugin brings."""
        raise AssertionError("a specification is not called")


# Opening


def open_store(url: str, **options: object) -> Store:
    """The store of a URL: ``memory:``, ``sqlite:///wf.db``. `options` go to its factory.

    Raises `UnknownScheme`, `DuplicateScheme`, `MissingExtra`, and what the factory raises.
    """
    return _provider(store_providers, "store", url).factory(url, **options)


def open_runner(url: str, **options: object) -> Runner:
    """The runner of a URL; otherwise as `open_store`."""
    return _provider(runner_providers, "runner", url).factory(url, **options)


def open_backend(
    url: str,
    executor: Executor | None = None,
    *,
    runner: str | None = None,
    poll_interval: float = POLL_INTERVAL,
    recover_after: float = RECOVER_AFTER,
    on_state_change: OnStateChange | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Backend:
    """A backend on the store and the runner of one URL; `runner` is the runner's where it has another.

    The remaining arguments are those of `Backend`. Raises as `open_store`.
    """
    store = open_store(url)
    try:
        opened = open_runner(url if runner is None else runner)
    except BaseException:
        close(store)
        raise
    return Backend(executor, store, opened, poll_interval, recover_after, on_state_change, limits=limits)


def store_providers() -> Mapping[str, StoreProvider]:
    """The installed kinds of store, by scheme."""
    return _registry().stores


def runner_providers() -> Mapping[str, RunnerProvider]:
    """The installed kinds of runner, by scheme."""
    return _registry().runners


def exported(name: str) -> object | None:
    """The class that an installed plugin exports under this name; None where nobody does.

    Raises `MissingExtra` for a name of a package of ours that is not installed.
    """
    try:
        target = _registry().exports.get(name)
    except MissingExtra:
        # Without pluggy there are no plugins.
        target = None
    if target is not None:
        module, _, attribute = target.partition(":")
        found: object = getattr(importlib.import_module(module), attribute)
        return found
    if name in OUR_EXPORTS:
        raise MissingExtra(f"runfox.backend.{name}", OUR_EXPORTS[name])
    return None


AnyProvider = TypeVar("AnyProvider", StoreProvider, RunnerProvider)


def _provider(installed: Callable[[], Mapping[str, AnyProvider]], kind: str, url: str) -> AnyProvider:
    scheme = url.partition(":")[0]
    try:
        providers = installed()
    except MissingExtra as error:
        if scheme in OUR_PACKAGES:
            raise MissingExtra(f"the {kind} of {scheme!r}", OUR_PACKAGES[scheme]) from error
        raise
    if scheme not in providers:
        other, others = ("runner", runner_providers()) if kind == "store" else ("store", store_providers())
        opens = other if scheme in others else None
        raise UnknownScheme(scheme, kind, sorted(providers), OUR_PACKAGES.get(scheme), opens)
    return providers[scheme]


# Loading


class _Registry(NamedTuple):
    stores: Mapping[str, StoreProvider]
    runners: Mapping[str, RunnerProvider]
    exports: Mapping[str, str]


@functools.cache
def _registry() -> _Registry:
    """Everything that installed plugins bring. Loaded once."""
    manager = _pluggy().PluginManager(PROJECT)
    manager.add_hookspecs(_specifications())
    manager.load_setuptools_entrypoints(PROJECT)
    manager.check_pending()
    origins = {id(plugin): dist.project_name for plugin, dist in manager.list_plugin_distinfo()}
    stores: _Collected[StoreProvider] = _Collected("store")
    runners: _Collected[RunnerProvider] = _Collected("runner")
    exports: _Collected[str] = _Collected("name of runfox.backend")
    for hook, collected in ((manager.hook.runfox_stores, stores), (manager.hook.runfox_runners, runners)):
        for implementation in hook.get_hookimpls():
            origin = origins.get(id(implementation.plugin), implementation.plugin_name)
            for provider in implementation.function():
                collected.add(provider.scheme, provider, origin)
                for name, target in provider.exports.items():
                    exports.add(name, target, origin)
    return _Registry(stores.items, runners.items, exports.items)


class _Collected(Generic[T]):
    """Things by name, each from one distribution."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self.items: dict[str, T] = {}
        self._origins: dict[str, str] = {}

    def add(self, name: str, item: T, origin: str) -> None:
        """Raises `DuplicateScheme` where the name is there already, unless it is the same thing."""
        if name in self.items and self.items[name] != item:
            raise DuplicateScheme(name, self._kind, [self._origins[name], origin])
        self.items[name] = item
        self._origins[name] = origin


def _specifications() -> object:
    mark = _pluggy().HookspecMarker(PROJECT)
    for specification in (Hooks.runfox_stores, Hooks.runfox_runners):
        mark(specification)
    return Hooks


def _pluggy() -> ModuleType:
    try:
        import pluggy
    except ImportError as error:
        raise MissingExtra("finding stores and runners", "runfox-core[standard]") from error
    return pluggy
