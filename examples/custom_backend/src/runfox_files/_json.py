"""JSON text that gives back every value as it was, however odd or deep."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Argument = TypeVar("Argument")
Result = TypeVar("Result")

# As escapes, two lone surrogates that happen to stand side by side would be read back as one character.
_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def encode(value: object) -> bytes:
    """The JSON text of a value. It is UTF-8, but for lone surrogates, which UTF-8 has no form for."""
    return _on_any_stack(_encoder.encode, value).encode("utf-8", "surrogatepass")


def decode(text: bytes) -> Any:
    """The value of a text that `encode` made. Raises `ValueError` for what is no JSON."""
    return _on_any_stack(json.loads, text.decode("utf-8", "surrogatepass"))


def fields_of(instance: DataclassInstance) -> dict[str, Any]:
    """The fields of a dataclass by name. `dataclasses.asdict` would recurse into their values."""
    return {field.name: getattr(instance, field.name) for field in fields(instance)}


def _on_any_stack(function: Callable[[Argument], Result], argument: Argument) -> Result:
    """Call a function of `json`, which recurses: where the caller's stack is too deep for that, on the stack of a new
    thread.
    """
    try:
        return function(argument)
    except RecursionError:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(function, argument).result()
