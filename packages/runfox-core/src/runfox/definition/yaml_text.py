"""YAML text as a definition, built from the parser's events. Importing this module imports PyYAML.

PyYAML (or the libyaml below it) finds the structure and its errors; what a node is worth is `yaml_builder`'s to say.
Whichever of PyYAML's two parsers is there, a text gives the same definition.
"""

from __future__ import annotations

import re
from typing import TypeAlias

from runfox.definition.source import TOO_DEEP, Document, Found, Marks, Place
from runfox.definition.yaml_builder import Builder, Refused
from runfox.errors import MissingExtra

try:
    import yaml
except ImportError as error:
    raise MissingExtra("a definition in YAML", "runfox-core[standard]") from error

Loader: TypeAlias = "type[yaml.SafeLoader | yaml.CSafeLoader]"

LOADER: Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's parser where PyYAML has been built with it."""

_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_LINE_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")


def read_yaml(text: str, loader: Loader = LOADER) -> Document:
    """Read `text`. Raises `DefinitionError` where it is no YAML, not one document, or may not be taken in at all."""
    builder = Builder()
    try:
        text = text.removeprefix("\ufeff")
        _check_characters(text)
        for event in yaml.parse(text, Loader=loader):
            builder.mark = event.start_mark or builder.mark
            _feed(builder, event)
        return builder.document()
    except Refused as refused:
        found = refused.found
    except yaml.MarkedYAMLError as error:
        found = Found((), _explained(error), mark=error.problem_mark)
    except (ValueError, OverflowError) as error:  # PyYAML's own scanner on escapes and versions that are no numbers
        found = Found((), f"this is no YAML: {error}", mark=builder.mark)
    builder.found.add(found)
    raise Document(None, builder.found, Marks(builder.mark)).error()


def _feed(builder: Builder, event: yaml.Event) -> None:
    match event:
        case yaml.ScalarEvent():
            plain = bool(event.implicit[0])
            builder.scalar(event.value, event.tag, event.anchor, plain=plain)
        case yaml.AliasEvent():
            builder.alias(event.anchor or "")
        case yaml.MappingStartEvent():
            builder.open_mapping(event.tag, event.anchor)
        case yaml.SequenceStartEvent():
            builder.open_list(event.tag, event.anchor)
        case yaml.CollectionEndEvent():
            builder.close()
        case yaml.DocumentStartEvent():
            builder.open_document()
        case _:
            pass


def _check_characters(text: str) -> None:
    """What YAML forbids; the parsers' own errors for it differ."""
    bad = _UNPRINTABLE.search(text)
    if bad is None:
        return
    line, start = 0, 0
    for end in _LINE_BREAK.finditer(text, 0, bad.start()):
        line, start = line + 1, end.end()
    message = f"the character {bad[0]!a} can't be in YAML: in a double-quoted string, write it as an escape"
    raise Refused(Found((), message, mark=Place(line, bad.start() - start)))


def _explained(error: yaml.MarkedYAMLError) -> str:
    if error.problem == "exceeded maximum nesting depth":  # libyaml's, far over ours, and it reads ahead of its events
        return TOO_DEEP
    return "this is no YAML: " + ", ".join(part for part in (error.context, error.problem) if part)
