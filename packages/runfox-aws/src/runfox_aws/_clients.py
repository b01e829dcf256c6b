"""The clients of boto3: made when they are first needed, anew in the child of a fork, with settings that are stated."""

from __future__ import annotations

import os
from typing import Any

import boto3
from botocore.config import Config

from runfox_aws._errors import calling
from runfox_aws._locks import new_lock

_ATTEMPTS = 6
"""How often a request is sent at most, with the pauses of botocore's standard mode in between (20 s at most each)."""

_CONNECT_TIMEOUT = 5.0
_READ_TIMEOUT = 30.0
"""Seconds. Longer than any long poll, which takes 20 at most."""

_CONNECTIONS = 32


class Client:
    """One client of a service. `given` is the caller's own, a client or a resource of boto3, with the caller's
    settings; else one is made from the environment, `region` and `endpoint_url`.

    Safe between threads, and across a fork if it was made here.
    """

    def __init__(
        self, service: str, given: Any = None, *, region: str | None = None, endpoint_url: str | None = None
    ) -> None:
        self._service = service
        self._given = getattr(getattr(given, "meta", None), "client", given)  # a resource has its client there
        self._region = region
        self._endpoint_url = endpoint_url
        self._lock = new_lock(self)
        self._made: tuple[int, Any] | None = None
        """The process, and the client that was made in it."""

    def __call__(self) -> Any:
        """The client. Raises `StorageUnavailable` where nothing says which region, or with what credentials."""
        if self._given is not None:
            return self._given
        made = self._made
        if made is not None and made[0] == os.getpid():
            return made[1]
        with self._lock:
            made = self._made
            if made is None or made[0] != os.getpid():
                made = self._made = (os.getpid(), self._new())
            return made[1]

    def _new(self) -> Any:
        config = Config(
            retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
            connect_timeout=_CONNECT_TIMEOUT,
            read_timeout=_READ_TIMEOUT,
            max_pool_connections=_CONNECTIONS,
        )
        with calling(f"making a client of {self._service}"):
            # A session of its own: the default one is not safe between threads.
            return boto3.session.Session().client(
                self._service, region_name=self._region, endpoint_url=self._endpoint_url, config=config
            )

    def close(self) -> None:
        """Close the connections of a client that was made here; the next call makes another one."""
        with self._lock:
            made, self._made = self._made, None
        if made is not None and made[0] == os.getpid():
            made[1].close()
