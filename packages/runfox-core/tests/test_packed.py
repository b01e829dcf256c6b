"""What is packed comes back exactly, whatever it holds; what is equal is packed equally."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runfox.errors import InvalidJSON, StorageCorrupt
from runfox.jsonvalue import copy_json, same_json
from runfox.packed import pack, pack_json, pack_optional, pack_plain, unpack, unpack_json, unpack_optional

LONE = "\ud800"
SPLIT = chr(0xD83D) + chr(0xDE00)  # two characters, which a reader of JSON would join to one
# hypothesis makes no surrogates unless it is told to
texts = st.text(st.one_of(st.characters(), st.characters(categories=["Cs"])))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)


def deep(levels):
    value = {}
    for level in range(levels - 1):
        value = [value] if level % 2 else {"a": value}
    return value


def called_from(frames, function):
    return function() if frames == 0 else called_from(frames - 1, function)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (-(2**62), str(-(2**62))),
        (2**64, str(2**64)),
        (1.0, "1.0"),
        (-0.0, "-0.0"),
        ("é\0", '"\\u00e9\\u0000"'),
        ("😀", '"\\ud83d\\ude00"'),
        ({"b": [1, {}], "a": "x"}, '{"b":[1,{}],"a":"x"}'),
        ("\\ud83d", '"\\\\ud83d"'),
    ],
)
def test_a_value_is_its_json_text_in_ascii(value, text):
    assert pack_json(value, "x") == pack_plain(value) == text


@pytest.mark.parametrize("text", [LONE, SPLIT, "\ud800😀", SPLIT[::-1]])
def test_what_utf_8_has_no_form_for_is_packed_as_bytes(text):
    for packed in (pack_json(text, "x"), pack_plain(text), pack(text)):
        assert isinstance(packed, bytes)
    assert unpack_json(pack_json({text: [text]}, "x")) == {text: [text]}
    assert unpack(pack(text)) == text


@given(values)
def test_every_json_value_comes_back(value):
    packed = pack_json(value, "x")
    assert repr(unpack_json(packed)) == repr(value)
    assert packed == pack_plain(copy_json(value, "x"))


@given(values, values)
def test_values_are_the_same_if_they_are_packed_the_same(one, other):
    if pack_json(one, "x") == pack_json(other, "x"):
        assert same_json(one, other)


def test_two_surrogates_and_the_character_that_they_stand_for_are_packed_differently():
    assert len({pack_json(text, "x") for text in ("😀", SPLIT)}) == 2
    assert len({pack(text) for text in ("😀", SPLIT)}) == 2


@given(texts)
def test_every_text_comes_back(text):
    assert unpack(pack(text)) == text
    assert isinstance(pack(text), str) or not text.isascii()


@pytest.mark.parametrize("text", ["", "plain", "é", LONE])
def test_an_optional_text_comes_back(text):
    assert unpack_optional(pack_optional(text)) == text
    assert unpack_optional(pack_optional(None)) is None


@pytest.mark.parametrize("frames", [0, 300, 600, 850])
def test_500_levels_are_packed_at_any_depth_of_the_callers_stack(frames):
    value = deep(500)
    packed = called_from(frames, lambda: pack_json(value, "x"))
    assert packed == called_from(frames, lambda: pack_plain(value)) == json.dumps(value, separators=(",", ":"))
    assert called_from(frames, lambda: unpack_json(packed)) == value


def test_surrogates_at_any_depth_of_the_callers_stack():
    value = deep(499)
    value = {LONE: value}
    packed = called_from(600, lambda: pack_json(value, "x"))
    assert isinstance(packed, bytes)
    assert called_from(600, lambda: unpack_json(packed)) == value


@pytest.mark.parametrize("value", [float("nan"), object(), {1: 2}, deep(501)])
def test_what_is_no_json_is_refused(value):
    with pytest.raises(InvalidJSON, match=r"^the output"):
        pack_json(value, "the output")


@pytest.mark.parametrize("packed", ["", "{", b"\xff", b'"\xff"', "1 2"])
def test_what_is_no_json_text_is_corrupt(packed):
    with pytest.raises(StorageCorrupt, match="not the JSON that was written"):
        unpack_json(packed)
