"""A JSON value built from the events of a YAML parser, with the place of every node.

The rules of a definition in YAML are here: one document, string keys, no key twice, no tags but those of strings, lists
and mappings, no alias to what contains it, a bounded nesting and a bounded expansion of aliases. A container that an
alias names is shared, not copied.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from runfox.definition.source import MAX_DEPTH, TOO_DEEP, Document, Found, Mark, Marks, Path, Place, Problems
from runfox.definition.yaml_scalars import Trap, resolve
from runfox.jsonvalue import JSONObject, JSONValue, shown

MAX_EXPANSION = 1 << 20
"""Bytes of JSON text that aliases may add, about."""

_STRING, _LIST, _MAPPING = (f"tag:yaml.org,2002:{name}" for name in ("str", "seq", "map"))
_SURROGATE = re.compile("[\ud800-\udfff]")


class Refused(Exception):  # carries a problem that ends the reading, and is never shown
    """A text that is not read to its end."""

    def __init__(self, found: Found) -> None:
        self.found = found


class _Node(NamedTuple):
    """A finished node. `text` is what a scalar says, None for containers; `plain` if it is unquoted and untagged."""

    value: JSONValue
    mark: Mark
    size: int
    height: int = 0
    text: str | None = None
    plain: bool = False
    trap: Trap | None = None


@dataclass(slots=True)
class _Open:
    """A container whose end has not come: what is in it so far, how large and how high that is."""

    mark: Mark
    anchor: str | None
    size: int = 2
    height: int = 0


@dataclass(slots=True)
class _OpenList(_Open):
    value: list[JSONValue] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)

    def part(self) -> str | int:
        return len(self.value)


@dataclass(slots=True)
class _OpenMapping(_Open):
    """`key_mark` is None while a key comes next; `dropped` if the value under `key` is not to be kept."""

    value: JSONObject = field(default_factory=dict)
    marks: dict[str, tuple[Mark, Mark]] = field(default_factory=dict)
    key: str = ""
    key_mark: Mark | None = None
    dropped: bool = False
    merging: bool = False
    merged: list[JSONObject] | None = None

    def part(self) -> str | int:
        return self.key


class Builder:
    """Takes events in their order; `mark`, set before each, is where it begins."""

    def __init__(self) -> None:
        self.mark: Mark = Place(0, 0)
        self.found = Problems()
        self._marks = Marks(self.mark)
        self._open: list[_OpenList | _OpenMapping] = []
        self._anchors: dict[str, _Node | _Open] = {}
        self._documents = 0
        self._expansion = 0
        self._root: JSONValue = None

    def document(self) -> Document:
        """What was built. Raises `Refused` if there was nothing."""
        if not self._documents:
            message = "the text is empty: a definition is a mapping with 'steps'"
            raise Refused(Found((), message, mark=Place(0, 0)))
        return Document(self._root, self.found, self._marks)

    # Events

    def open_document(self) -> None:
        """A document begins; only the first may. Raises `Refused`."""
        self._documents += 1
        if self._documents > 1:
            raise Refused(self._problem("a second document begins: keep one"))

    def open_mapping(self, tag: str | None, anchor: str | None) -> None:
        """A mapping begins. Raises `Refused` if it is nested too deep."""
        self._check_tag(tag, _MAPPING)
        self._push(_OpenMapping(self.mark, anchor))

    def open_list(self, tag: str | None, anchor: str | None) -> None:
        """A list begins. Raises `Refused` if it is nested too deep."""
        self._check_tag(tag, _LIST)
        self._push(_OpenList(self.mark, anchor))

    def close(self) -> None:
        """The innermost container ends."""
        closed = self._open.pop()
        if isinstance(closed, _OpenMapping):
            self._merge(closed)
            self._marks.mappings[id(closed.value)] = closed.marks
        else:
            self._marks.sequences[id(closed.value)] = closed.marks
        node = _Node(closed.value, closed.mark, closed.size, closed.height + 1)
        if closed.anchor and self._anchors[closed.anchor] is closed:
            self._anchors[closed.anchor] = node
        self._deliver(node)

    def scalar(self, text: str, tag: str | None, anchor: str | None, *, plain: bool) -> None:
        """A scalar; `plain` if it stands without quotes."""
        plain = plain and tag is None
        value: JSONValue = text
        trap: Trap | None = None
        if plain:
            try:
                value = resolve(text)
            except Trap as problem:
                trap = problem
        else:
            self._check_tag(tag, _STRING)
            if _SURROGATE.search(text):
                advice = "write the character itself"
                trap = Trap(f"{shown(text)!a} has an escape for half a character", advice, advice)
        node = _Node(value, self.mark, len(text) + 3, text=text, plain=plain, trap=trap)
        if anchor:
            self._anchors[anchor] = node
        self._deliver(node)

    def alias(self, name: str) -> None:
        """An alias, which stands for what its anchor made. Raises `Refused` if it all gets too large."""
        target = self._anchors.get(name)
        if isinstance(target, _Node):
            self._expansion += target.size
            if self._expansion > MAX_EXPANSION:
                raise Refused(self._problem(f"aliases expand to more than {MAX_EXPANSION >> 20} MiB: repeat less"))
            if len(self._open) + target.height <= MAX_DEPTH:
                self._deliver(target._replace(mark=self.mark))
                return
            message = TOO_DEEP
        elif target is None:
            message = f"no anchor &{shown(name)} comes before this alias: add it, or write the value"
        else:
            message = f"this alias is inside its own anchor &{shown(name)}, which JSON can't say: write the value"
        self.found.add(self._problem(message))
        self._deliver(_Node(None, self.mark, 4, text=""))

    # Nodes

    def _push(self, opened: _OpenList | _OpenMapping) -> None:
        if len(self._open) == MAX_DEPTH:
            raise Refused(self._problem(TOO_DEEP))
        if opened.anchor:
            self._anchors[opened.anchor] = opened
        self._open.append(opened)

    def _deliver(self, node: _Node) -> None:
        """Put a finished node where it belongs."""
        if not self._open:
            self._report_trap(node)
            self._root, self._marks.root = node.value, node.mark
            return
        parent = self._open[-1]
        parent.size += node.size
        parent.height = max(parent.height, node.height)
        if isinstance(parent, _OpenList):
            self._report_trap(node)
            parent.value.append(node.value)
            parent.marks.append(node.mark)
        elif parent.key_mark is None:
            self._take_key(parent, node)
        else:
            self._report_trap(node)
            self._take_value(parent, node)

    def _report_trap(self, node: _Node) -> None:
        if node.trap:
            self.found.add(Found(self._path(), str(node.trap), mark=node.mark))

    def _take_key(self, parent: _OpenMapping, node: _Node) -> None:
        message = None
        parent.key = "?" if node.text is None else node.text
        parent.merging = node.plain and node.text == "<<"
        parent.dropped = node.text is None
        if node.text is None:
            message = "a key is a list or a mapping: keys are strings"
        elif node.trap:
            message = node.trap.as_key
        elif node.plain and not isinstance(node.value, str):
            message = f"the key {shown(node.text)!r} is no string: quote it"
        elif node.text in parent.value or (parent.merging and parent.merged is not None):
            message = f"the key {shown(node.text)!r} is there more than once: keep one"
            parent.dropped = True
        parent.key_mark = node.mark
        if message:
            self.found.add(Found(self._path(), message, mark=node.mark))

    def _take_value(self, parent: _OpenMapping, node: _Node) -> None:
        key_mark, parent.key_mark = parent.key_mark, None
        assert key_mark is not None
        if parent.merging:
            sources = node.value if isinstance(node.value, list) else [node.value]
            parent.merged = [source for source in sources if isinstance(source, dict)]
            if len(parent.merged) < len(sources):
                message = "'<<' takes a mapping or a list of mappings: quote it to have a key of this name"
                self.found.add(Found(self._path(), message, mark=node.mark))
        elif not parent.dropped:
            parent.value[parent.key] = node.value
            parent.marks[parent.key] = key_mark, node.mark

    def _merge(self, closed: _OpenMapping) -> None:
        """Put what was merged before the mapping's own keys, which win; of several mappings the first wins."""
        if not closed.merged:
            return
        own, own_marks = dict(closed.value), dict(closed.marks)
        closed.value.clear()
        closed.marks.clear()
        for source in closed.merged:
            marks = self._marks.mappings[id(source)]
            for key, value in source.items():
                closed.value.setdefault(key, value)
                closed.marks.setdefault(key, marks[key])
        closed.value.update(own)
        closed.marks.update(own_marks)

    def _check_tag(self, tag: str | None, wanted: str) -> None:
        if tag not in (None, "!", wanted):
            name = "!!" + tag.removeprefix("tag:yaml.org,2002:") if tag.startswith("tag:yaml.org,2002:") else tag
            self.found.add(self._problem(f"the tag {shown(name)} means nothing here: leave it out"))

    def _path(self) -> Path:
        return tuple(opened.part() for opened in self._open)

    def _problem(self, message: str) -> Found:
        return Found(self._path(), message, mark=self.mark)
