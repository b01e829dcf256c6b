"""From what the options say to a harness: a scheme, by the same plugins as `open_store`, or an import string."""

from __future__ import annotations

import importlib
from typing import Any

from runfox.errors import RunfoxError
from runfox.plugins import runner_providers, store_providers
from runfox_testing.harness import Harness, RunnerHarness, StoreHarness


class UnknownHarness(Exception):
    """No harness is known by a name."""


def harness_named(name: str, kind: str) -> type[Harness[Any]]:
    """The harness of a store or runner (`kind`) by scheme (``sqlite``) or import string (``package.module:Class``).

    Raises `UnknownHarness`.
    """
    import_string = name if ":" in name.rstrip(":") else _harness_of_scheme(name.rstrip(":"), kind)
    module, _, attribute = import_string.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise UnknownHarness(f"{import_string!r} can't be imported: {error}") from error
    base = StoreHarness if kind == "store" else RunnerHarness
    if not (isinstance(found, type) and issubclass(found, base)):
        raise UnknownHarness(f"{import_string!r} is no subclass of runfox_testing.{base.__name__}")
    return found


def _harness_of_scheme(scheme: str, kind: str) -> str:
    try:
        providers: Any = store_providers() if kind == "store" else runner_providers()
    except RunfoxError as error:
        raise UnknownHarness(str(error)) from error
    if scheme not in providers:
        known = ", ".join(sorted(providers))
        raise UnknownHarness(f"no {kind} is registered as {scheme!r} (known: {known}); or write module:HarnessClass")
    harness: str | None = providers[scheme].harness
    if harness is None:
        raise UnknownHarness(f"the provider of {scheme!r} names no harness; write module:HarnessClass")
    return harness
