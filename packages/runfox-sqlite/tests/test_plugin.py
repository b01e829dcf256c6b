"""What the URL of a store or a runner means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import runfox_sqlite

plugin = pytest.importorskip("runfox_sqlite._plugin", reason="runfox.plugins is not there yet", exc_type=ImportError)


def test_the_exported_names_are_these() -> None:
    assert runfox_sqlite.__all__ == ["SqliteRunner", "SqliteStore"]


def test_the_hooks_offer_the_scheme_sqlite() -> None:
    ((store,), (runner,)) = plugin.runfox_stores(), plugin.runfox_runners()
    assert store.scheme == runner.scheme == "sqlite"
    assert dict(store.exports) == {"SqliteStore": "runfox_sqlite:SqliteStore"}
    assert dict(runner.exports) == {"SqliteRunner": "runfox_sqlite:SqliteRunner"}


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:///", "sqlite://?busy_timeout=1"])
def test_a_url_without_a_path_is_in_memory(url: str) -> None:
    for factory in (plugin.open_store, plugin.open_runner):
        with factory(url) as opened:
            assert opened.path == ":memory:"


def test_three_slashes_are_relative_and_four_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with (
        plugin.open_store("sqlite:///a%3Fb.db") as relative,
        plugin.open_runner(f"sqlite:///{tmp_path}/c.db") as absolute,
    ):
        assert relative.path == str(tmp_path / "a?b.db")
        assert absolute.path == str(tmp_path / "c.db")


def test_options_come_from_the_url_and_from_the_call(file: str) -> None:
    url = f"sqlite:///{file}?synchronous=NORMAL&busy_timeout=5&lease_seconds=30"
    with plugin.open_runner(url, lease_seconds=7.0, clock=lambda: 0.0) as runner, plugin.open_store(url) as store:
        assert runner.lease_seconds == 7.0
        assert runner._database is store._database
        assert store._database.query("PRAGMA synchronous") == [(1,)]


@pytest.mark.parametrize(
    ("url", "options", "message"),
    [
        ("sqlite:///x.db?nonsense=1", {}, "'nonsense'.*known: synchronous, busy_timeout, lease_seconds"),
        ("sqlite:///x.db?busy_timeout=long", {}, "busy_timeout='long'.*known"),
        ("sqlite:///x.db?busy_timeout=1&busy_timeout=2", {}, "twice"),
        ("sqlite:///x.db?synchronous=SOME", {}, "FULL"),
        ("sqlite:///x.db?lease_seconds=", {}, "lease_seconds=''"),
        ("sqlite:///x.db", {"nonsense": 1}, "'nonsense'.*lease_seconds, clock"),
        ("sqlite://host/x.db", {}, "sqlite:///relative.db"),
        ("sqlite:x.db", {}, "sqlite:///relative.db"),
        ("postgres:///x.db", {}, "sqlite:///relative.db"),
    ],
)
def test_what_is_wrong_with_a_url_is_said(url: str, options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plugin.open_runner(url, **options)
