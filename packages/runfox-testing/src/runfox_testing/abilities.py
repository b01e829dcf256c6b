"""What an implementation claims to be able to: the optional Protocols, the attributes, and what the harness offers.

An ability is known by the Protocol's name (``SupportsPatch``), the attribute's (``durable``, ``shared``, a runner's
``ordered``), or by one of:
``clock`` (the harness can move it), ``queue`` (a runner that queues jobs) and ``local`` (one that executes them inside
`dispatch`).
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import MappingProxyType

from runfox import protocols
from runfox_testing.harness import Harness, RunnerHarness

STORE_PROTOCOLS: Mapping[str, type] = MappingProxyType(
    {
        "SupportsPatch": protocols.SupportsPatch,
        "SupportsRefresh": protocols.SupportsRefresh,
        "SupportsListing": protocols.SupportsListing,
        "SupportsDelete": protocols.SupportsDelete,
        "SupportsWake": protocols.SupportsWake,
    }
)
RUNNER_PROTOCOLS: Mapping[str, type] = MappingProxyType(
    {
        "SupportsWait": protocols.SupportsWait,
        "SupportsLongPolling": protocols.SupportsLongPolling,
    }
)

ATTRIBUTES = ("durable", "shared")
"""They count as False where they are missing."""

RUNNER_ATTRIBUTES = ("ordered",)
"""They count as True where they are missing."""


def abilities_of(client: object, harness: Harness[object]) -> frozenset[str]:
    """Everything that a client claims, and its harness offers."""
    optional = RUNNER_PROTOCOLS if isinstance(harness, RunnerHarness) else STORE_PROTOCOLS
    found = {name for name, protocol in optional.items() if isinstance(client, protocol)}
    found |= {name for name in ATTRIBUTES if getattr(client, name, False)}
    if harness.clock is not None:
        found.add("clock")
    if isinstance(harness, RunnerHarness):
        found |= {name for name in RUNNER_ATTRIBUTES if getattr(client, name, True)}
        found.add("local" if harness.local else "queue")
    return frozenset(found)


def abilities_of_pair(store: frozenset[str], runner: frozenset[str]) -> frozenset[str]:
    """What a store and a runner can do together: durable and shared only if both are, moved by the runner's clock."""
    both = frozenset(ATTRIBUTES)
    return (store & runner & both) | (store - both - {"clock"}) | (runner - both)


def methods_of(protocol: type) -> list[str]:
    """The methods that a Protocol names."""
    return [name for name, member in vars(protocol).items() if inspect.isfunction(member) and not name.startswith("_")]


def unseen_abilities(client: object, harness: Harness[object]) -> list[str]:
    """The Protocols whose methods can be called although `isinstance` does not find them, which is how they are looked
    for: handed on by ``__getattr__``, say.
    """
    optional = RUNNER_PROTOCOLS if isinstance(harness, RunnerHarness) else STORE_PROTOCOLS
    return [
        name
        for name, protocol in optional.items()
        if not isinstance(client, protocol)
        and all(callable(getattr(client, method, None)) for method in methods_of(protocol))
    ]
