"""What input may cost. It is counted, never timed: what is refused once is refused always, on every machine."""

from __future__ import annotations

from dataclasses import dataclass, fields

from runfox.jsonvalue import MAX_SIZE


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of a backend: `Backend(limits=Limits(expression_work=50_000_000))`. Raises `ValueError` below 1.

    `definition_size`: characters of a definition's text, or about those of the JSON text of one in Python values. One
    that is larger is a `DefinitionError`. What a store holds already is read whatever its size.

    `value_size`: bytes that the inputs of a workflow, an output or the value of an expression may take: 64 for a
    container, 32 for each item of a list, 64 for each entry of a mapping, and the characters of texts and keys. At most
    256 MiB, which no store or runner has to pass. A larger output is an error result, other values an `InvalidJSON` or
    an `ExpressionError`.

    `expression_work`: what the evaluation of one value (an input, a condition, an output) may come to: 1 for each
    part of the body of a ``map``, ``filter`` or ``reduce`` and each item, for each value that an operator looks into,
    and for every ten characters of a text that it reads; 10 for each place that a JSONPath visits. A million comes to
    less than a second or two, and to about 100 MB. What needs more is an `ExpressionError`.
    """

    definition_size: int = 1 << 22
    value_size: int = MAX_SIZE
    expression_work: int = 5_000_000

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if type(value) is not int or value < 1:
                raise ValueError(f"Limits({field.name}={value!r}): use an integer that is at least 1")
        if self.value_size > MAX_SIZE:
            raise ValueError(f"Limits(value_size={self.value_size:_}): use at most {MAX_SIZE:_}")


DEFAULT_LIMITS = Limits()
