"""JSON texts of any shape and layout, into which members are put and from which they are taken."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobwarden.installing import json_text
from jobwarden.installing.drafts import Draft, taken_back
from jobwarden.installing.errors import UnparsableError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text(max_size=8), VALUES, max_size=5)
INDENTS = st.sampled_from([None, 0, 1, 2, 4, "\t"])


def text_of(told: object, indent: int | str | None) -> str:
    return json.dumps(told, indent=indent, ensure_ascii=False)


@given(OBJECTS, INDENTS, st.text(max_size=8), VALUES)
def test_what_is_put_in_is_there_and_all_else_is_as_it_was(
    told: dict[str, object], indent: int | str | None, key: str, value: object
) -> None:
    told.pop(key, None)
    before = text_of(told, indent)
    draft = Draft(before)
    json_text.put(draft, (key,), value, "file")
    assert json.loads(draft.text) == {**told, key: value}
    assert taken_back(draft.text, draft.splices) == before
    json_text.remove(draft, (key,))
    assert json.loads(draft.text) == told
    assert not told or draft.text == before


@given(OBJECTS, INDENTS, st.data())
def test_each_member_can_be_taken_out_wherever_it_stands(
    told: dict[str, object], indent: int | str | None, data: st.DataObject
) -> None:
    if not told:
        return
    key = data.draw(st.sampled_from(sorted(told)))
    draft = Draft(text_of(told, indent))
    json_text.remove(draft, (key,))
    del told[key]
    assert json.loads(draft.text) == told


@given(st.lists(VALUES, max_size=4), INDENTS, VALUES)
def test_an_element_is_put_at_the_end_of_an_array(told: list[object], indent: int | str | None, value: object) -> None:
    draft = Draft(text_of({"a": {"b": told}}, indent))
    json_text.append(draft, ("a", "b"), value, "file")
    assert json.loads(draft.text) == {"a": {"b": [*told, value]}}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", '{\n  "a": {\n    "b": 1\n  }\n}\n'),
        ("\n", '{\n  "a": {\n    "b": 1\n  }\n}\n'),
        ("{}", '{\n  "a": {\n    "b": 1\n  }\n}'),
        ('{"x":0}', '{"x":0, "a": {"b": 1}}'),
        ('{\n    "x": 0\n}\n', '{\n    "x": 0,\n    "a": {\n        "b": 1\n    }\n}\n'),
        ('{\n\t"x": 0\n}\n', '{\n\t"x": 0,\n\t"a": {\n\t\t"b": 1\n\t}\n}\n'),
        ('{\r\n  "x": 0\r\n}\r\n', '{\r\n  "x": 0,\r\n  "a": {\r\n    "b": 1\r\n  }\r\n}\r\n'),
        ('{\n  "a": {}\n}\n', '{\n  "a": {\n    "b": 1\n  }\n}\n'),
        ('{\n  "a": {\n    "x": 0 , "y": 1\n  }\n}\n', '{\n  "a": {\n    "x": 0 , "y": 1,  "b": 1\n  }\n}\n'),
        ('\ufeff{"a": {"b": 0}, "a": {"x": 0}}', '\ufeff{"a": {"b": 0}, "a": {"x": 0, "b": 1}}'),
    ],
)
def test_a_member_is_written_as_its_neighbours_are(before: str, after: str) -> None:
    draft = Draft(before)
    json_text.put(draft, ("a", "b"), 1, "file")
    assert draft.text == after
    assert taken_back(draft.text, draft.splices) == before


@pytest.mark.parametrize("text", ["[]", '"a"', "{", '{"a": 1,}', '// one\n{"a": 1}', "null", "[" * 100_000])
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(UnparsableError):
        json_text.parse(text, "file")


@pytest.mark.parametrize("text", ['{"a": 1}', '{"a": [1]}', '{"a": null}', '{"a": "{"}'])
def test_a_place_of_another_shape_is_refused(text: str) -> None:
    with pytest.raises(UnparsableError, match="a is no object"):
        json_text.put(Draft(text), ("a", "b"), 1, "file")
