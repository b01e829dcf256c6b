"""How runfox finds this package: the schemes, what opens their URLs, and the names that `runfox.backend` hands on.

A URL is ``sqlite:///relative.db``, ``sqlite:////absolute.db`` or, for a database in memory, ``sqlite://`` or
``sqlite:///:memory:``; characters that mean something in a URL are written as ``%3F``. Options follow as in
``?synchronous=NORMAL&busy_timeout=5&lease_seconds=30``. One URL serves store and runner: a store has no use for
`lease_seconds` and leaves it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from urllib.parse import parse_qsl, unquote

from runfox.plugins import RunnerProvider, StoreProvider, hookimpl
from runfox_sqlite._runner import SqliteRunner
from runfox_sqlite._store import SqliteStore

_OPTIONS: Mapping[str, Callable[[str], object]] = MappingProxyType(
    {"synchronous": str, "busy_timeout": float, "lease_seconds": float}
)


def open_store(url: str, **options: object) -> SqliteStore:
    """The store of a URL. `options` are as in the URL, and `clock`; they win over the URL's."""
    path, known = _read(url, options)
    known.pop("lease_seconds", None)
    return SqliteStore(path, **known)  # type: ignore[arg-type]  # checked by name, and by the class


def open_runner(url: str, **options: object) -> SqliteRunner:
    """The runner of a URL. `options` are as in the URL, and `clock`; they win over the URL's."""
    path, known = _read(url, options)
    return SqliteRunner(path, **known)  # type: ignore[arg-type]  # checked by name, and by the class


def _read(url: str, options: Mapping[str, object]) -> tuple[str, dict[str, object]]:
    """The path and the options of a URL and a call."""
    scheme, _, rest = url.partition("://")
    place, _, query = rest.partition("?")
    if scheme != "sqlite" or (place and not place.startswith("/")):
        raise ValueError(f"{url!r} is no URL of a database: write sqlite:///relative.db or sqlite:////absolute.db")
    unknown = sorted(options.keys() - {*_OPTIONS, "clock"})
    if unknown:
        raise ValueError(f"unknown option {unknown[0]!r} (known: {', '.join(_OPTIONS)}, clock)")
    return unquote(place[1:]) or ":memory:", {**_read_query(query), **options}


def _read_query(query: str) -> dict[str, object]:
    known = ", ".join(_OPTIONS)
    read: dict[str, object] = {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        if name not in _OPTIONS:
            raise ValueError(f"unknown option {name!r} in the URL (known: {known})")
        if name in read:
            raise ValueError(f"the URL gives the option {name!r} twice (known: {known})")
        try:
            read[name] = _OPTIONS[name](text)
        except ValueError:
            raise ValueError(f"the URL's option {name}={text!r} is no number (known: {known})") from None
    return read


@hookimpl
def runfox_stores() -> list[StoreProvider]:
    """The store of ``sqlite:``."""
    return [
        StoreProvider(
            scheme="sqlite",
            factory=open_store,
            summary="executions in an SQLite file",
            exports={"SqliteStore": "runfox_sqlite:SqliteStore"},
            harness="runfox_sqlite.testing:SqliteStoreHarness",
        )
    ]


@hookimpl
def runfox_runners() -> list[RunnerProvider]:
    """The runner of ``sqlite:``."""
    return [
        RunnerProvider(
            scheme="sqlite",
            factory=open_runner,
            summary="a job queue in an SQLite file",
            exports={"SqliteRunner": "runfox_sqlite:SqliteRunner"},
            harness="runfox_sqlite.testing:SqliteRunnerHarness",
        )
    ]
