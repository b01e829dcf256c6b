"""Errors of botocore as errors of runfox. Everything that calls AWS does it inside `calling`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
)

from runfox.errors import StorageError, StorageUnavailable

_ADVICE: Mapping[str, str] = MappingProxyType(
    {
        "ResourceNotFoundException": "there is no such table: make it with runfox_aws.create_tables(), or check name, "
        "region and endpoint",
        "QueueDoesNotExist": "there is no such queue: make it, or check its URL, region and endpoint",
        "AccessDenied": "the credentials do not allow it: see the policies in the package's template",
        "Throttling": "requests came faster than the capacity allows, and were repeated in vain: try again later, or "
        "raise it",
    }
)

_FAMILIES: Mapping[str, str] = MappingProxyType(
    {
        "AWS.SimpleQueueService.NonExistentQueue": "QueueDoesNotExist",
        "AccessDeniedException": "AccessDenied",
        "UnrecognizedClientException": "AccessDenied",
        "InvalidClientTokenId": "AccessDenied",
        "ExpiredTokenException": "AccessDenied",
        "ProvisionedThroughputExceededException": "Throttling",
        "RequestLimitExceeded": "Throttling",
        "RequestThrottled": "Throttling",
        "ThrottlingException": "Throttling",
    }
)

_SURELY_REFUSED = frozenset({"ResourceNotFoundException", "QueueDoesNotExist", "AccessDenied", "Throttling"})
_INVALID = frozenset({"ValidationException", "InvalidParameterValue", "InvalidMessageContents"})


class ReplyLost(StorageUnavailable):
    """A request may have taken effect or not: no reply came, or one that leaves it open."""


class ConditionFailed(Exception):
    """A conditional write was refused. `item` is what stood there, as attributes, None if nothing did; `retried` says
    that the request was sent more than once, so an earlier copy of it may be what stands there now.
    """

    def __init__(self, item: dict[str, Any] | None, *, retried: bool) -> None:
        self.item = item
        self.retried = retried
        super().__init__("the condition of a write was not met")


def family_of(error: ClientError) -> str:
    """The error's code; one name for those that mean the same."""
    code = str(error.response.get("Error", {}).get("Code", "unknown"))
    return _FAMILIES.get(code, code)


def was_retried(error: ClientError) -> bool:
    """True if the request was sent more than once."""
    return bool(error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0))


@contextmanager
def calling(what: str) -> Iterator[None]:
    """Raise what botocore raises as `StorageError`. `what` says what was tried (``writing to the table 'tasks'``)."""
    try:
        yield
    except ClientError as error:
        raise _mapped(what, error) from error
    except (NoCredentialsError, PartialCredentialsError, NoRegionError) as error:
        raise StorageUnavailable(f"{what} failed before any request: {error}") from error
    except ParamValidationError as error:
        # Its text may quote what was sent.
        raise StorageError(
            f"{what} failed before any request: a parameter is not of the form that AWS wants"
        ) from error
    except BotoCoreError as error:
        name = type(error).__name__
        raise ReplyLost(f"{what} brought no reply ({name}): check the network, region and endpoint") from error


def _mapped(what: str, error: ClientError) -> StorageError:
    family = family_of(error)
    code = error.response.get("Error", {}).get("Code", "unknown")
    advice = _ADVICE.get(family)
    if family in _INVALID:
        # The service's own words, which name a limit or an attribute; some quote a value.
        return StorageError(f"{what} was refused ({code})")
    detail = f"{what} failed ({code})" + (f": {advice}" if advice else "")
    if family in _SURELY_REFUSED and not was_retried(error):
        return StorageUnavailable(detail)
    return ReplyLost(detail)
