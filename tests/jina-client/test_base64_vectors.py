"""Reading vectors from the bytes of a response gives what a JSON parser gives."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jina_client import JinaConnectionError, JinaResponseError
from jina_client.protocol.base64_vectors import fill_rows, parse_vectors
from jina_client.protocol.responses import parse


def as_strings(value: Any) -> Any:
    """Return a parsed response with its vectors as strings."""
    if isinstance(value, memoryview):
        return bytes(value).decode()
    if isinstance(value, dict):
        return {key: as_strings(each) for key, each in value.items()}
    return [as_strings(each) for each in value] if isinstance(value, list) else value


def items(*vectors: Any) -> dict[str, Any]:
    return {"data": [{"object": "embedding", "index": index, "embedding": each} for index, each in enumerate(vectors)]}


def coded(*numbers: float) -> str:
    return base64.b64encode(np.asarray(numbers, "<f4").tobytes()).decode()


BODIES = {
    "compact": json.dumps(items("AAAA", "BBBB"), separators=(",", ":")),
    "with spaces": json.dumps(items("AAAA", "BBBB")),
    "indented": json.dumps(items("AAAA", "BBBB"), indent=2),
    "lists of numbers": json.dumps(items([1, 2], [3])),
    "mixed": json.dumps(items("AAAA", [1.5], "", None)),
    "invalid base64": json.dumps(items("AAAA", "A-B_")),
    "an escaped slash": '{"data":[{"embedding":"A\\/AA"}]}',
    "an escaped quotation mark": '{"data":[{"embedding":"AAAA\\"AAA"}]}',
    "the key inside a string": '{"note":"\\"embedding\\":\\"AAAA","data":[{"embedding":"AAAA"}]}',
    "the key twice in an item": '{"data":[{"embedding":"AAAA","embedding":"BBBB"},{"embedding":"CCCC"}]}',
    "a vector too many": '{"data":[{"embedding":"AAAA","embedding":"BBBB"},{"embedding":7}]}',
    "a placeholder as vector": '{"data":[{"x":{"embedding":"AAAA"},"embedding": "~"}]}',
    "a placeholder elsewhere": '{"data":[{"embedding":"AAAA","x":"~"}]}',
    "an object as vector": '{"data":[{"embedding":{"embedding":"AAAA"}}]}',
    "an item of another type": '{"data":[{"embedding":"AAAA"},7],"embedding":"BBBB"}',
    "no list": '{"data":{"embedding":"AAAA"}}',
    "no object": '[{"embedding":"AAAA"}]',
    "another place": '{"embedding":"AAAA","data":[]}',
}


@pytest.mark.parametrize("name", BODIES)
def test_a_response_is_parsed_as_by_a_json_parser(name: str) -> None:
    body = BODIES[name].encode()
    assert as_strings(parse_vectors(body)) == json.loads(body)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text() | st.sampled_from(["AAAA", "BBBB", "~"]),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["data", "embedding", "index", "x"]), inner),
        max_leaves=30,
    ),
    st.sampled_from([(",", ":"), (", ", ": "), (",", " : ")]),
    st.booleans(),
)
def test_any_json_is_parsed_as_by_a_json_parser(value: Any, separators: tuple[str, str], ascii_only: bool) -> None:
    body = json.dumps(value, separators=separators, ensure_ascii=ascii_only).encode()
    assert as_strings(parse_vectors(body)) == parse(body)


@pytest.mark.parametrize("cut", [10, 40, 60, -1])
def test_a_truncated_response_names_its_own_length(cut: int) -> None:
    body = BODIES["compact"].encode()[:cut]
    with pytest.raises(JinaConnectionError, match=f"after {len(body)} bytes"):
        parse_vectors(body)


def test_a_body_that_is_not_json_raises() -> None:
    with pytest.raises(JinaResponseError, match="not JSON"):
        parse_vectors(b'<html>"embedding":"A"</html>')


def test_vectors_are_decoded_into_the_rows_of_an_array() -> None:
    out = np.zeros((2, 3), np.float32)
    parsed = parse_vectors(json.dumps(items(coded(1, 2, 3), coded(4, 5, 6))).encode())
    assert fill_rows(parsed["data"], out) == 2
    assert out.tolist() == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize("vector", [memoryview(b"AAAA"), memoryview(b"A-B_"), coded(1, 2, 3), [1, 2, 3], None, 7])
def test_filling_stops_at_a_vector_of_another_form(vector: Any) -> None:
    out = np.zeros((3, 3), np.float32)
    response = items(memoryview(coded(1, 2, 3).encode()), vector, memoryview(coded(4, 5, 6).encode()))
    assert fill_rows(response["data"], out) == 1
    assert out.tolist() == [[1, 2, 3], [0, 0, 0], [0, 0, 0]]
