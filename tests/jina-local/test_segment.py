"""A text's chunks are the text, its tokens too, and the answer says who counted."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jina_local.encoder import Encoder
from jina_local.segmentation import chunk_spans
from jina_local.stand_in import StandIn
from jina_local.text_tokens import STAND_IN, load, pieces

TEXT = (
    "Bread\n\nBread is made of flour, water, salt and yeast. It rises for an hour!\nThen it is baked.\n\n"
    "Cheese\n\nCheese is made of milk. Ihrer Käse 🧀 schmeckt。パンは小麦から作られる。そして焼く。"
)
NAMES = ["cl100k_base", "o200k_base", "p50k_base", "r50k_base", "p50k_edit", "gpt2"]


@pytest.fixture(scope="module", autouse=True)
def vocabularies_freed(vocabularies: None) -> Iterator[None]:
    """Look for the vocabularies anew, and free them at the end: all of them together need 110 MB."""
    load.cache_clear()
    yield
    load.cache_clear()
    if find_spec("tiktoken"):
        from tiktoken.registry import ENCODINGS

        ENCODINGS.clear()


@pytest.mark.parametrize("longest", [1, 7, 40, 64, 1000])
def test_chunks_cover_the_text_exactly(post: Any, longest: int) -> None:
    status, body = post("segment", content=TEXT, return_chunks=True, max_chunk_length=longest)
    assert (status, "".join(body["chunks"]), body["num_chunks"]) == (200, TEXT, len(body["chunks"]))
    assert [TEXT[start:end] for start, end in body["chunk_positions"]] == body["chunks"]
    assert all(1 <= len(chunk) <= longest for chunk in body["chunks"])


@given(st.text(alphabet="ab .\n!。", max_size=120) | st.text(max_size=60), st.integers(1, 50))
def test_the_chunks_of_any_text_join_to_the_text(text: str, longest: int) -> None:
    spans = chunk_spans(text, longest)
    assert "".join(text[start:end] for start, end in spans) == text
    assert all(0 < end - start <= longest for start, end in spans)


def test_chunks_end_at_the_best_available_break() -> None:
    def cut(text: str, longest: int) -> list[str]:
        return [text[start:end] for start, end in chunk_spans(text, longest)]

    assert cut("One two.\n\nThree four.\nFive.", 20) == ["One two.\n\n", "Three four.\nFive."]
    assert cut("One two.\nThree four five", 16) == ["One two.\n", "Three four five"]
    assert cut("One, two. Three four five", 16) == ["One, two. ", "Three four five"]
    assert cut("one two three four", 9) == ["one two ", "three ", "four"]
    assert cut("abcdefgh", 3) == ["abc", "def", "gh"]


@pytest.mark.parametrize("text", ["." * 63_000, " " * 63_000, "\n" * 63_000, ".)" * 31_000, "a" * 63_000])
def test_segmentation_takes_linear_time(text: str) -> None:
    began = time.monotonic()
    chunk_spans(text, 60_000)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("name", NAMES)
def test_the_response_names_the_tokenizer_used(post: Any, encoder: Encoder, name: str) -> None:
    _, body = post("segment", content=TEXT, tokenizer=name)
    assert body["tokenizer"] == (STAND_IN if load(name) is None else name)
    assert body["num_tokens"] == sum(len(ids) for _, ids in pieces(TEXT, name, StandIn(encoder).pieces)[1]) > 20
    assert body["usage"] == {"tokens": 0}
    assert set(body) == {"num_tokens", "tokenizer", "usage"}


@given(st.text(max_size=60), st.sampled_from(NAMES))
def test_tokens_join_to_the_text(encoder: Encoder, text: str, name: str) -> None:
    _, tokens = pieces(text, name, StandIn(encoder).pieces)
    assert "".join(piece for piece, _ in tokens) == (text if tokens else "")


def test_token_counts_match_openais() -> None:
    """Where a package carries the files, they count as OpenAI's tokenizers are known to."""
    encoding = load("cl100k_base")
    if encoding is None:
        pytest.skip("this machine has no copy of cl100k_base")

    assert encoding.encode("hello world") == [15339, 1917]


def test_tokens_are_grouped_by_chunk(post: Any) -> None:
    _, flat = post("segment", content=TEXT, return_tokens=True)
    assert "".join(text for text, _ in flat["tokens"]) == TEXT
    _, nested = post("segment", content=TEXT, return_tokens=True, return_chunks=True, max_chunk_length=60)
    assert ["".join(text for text, _ in each) for each in nested["tokens"]] == nested["chunks"]


@pytest.mark.parametrize("side", ["head", "tail"])
def test_head_and_tail_are_the_first_and_the_last_tokens(post: Any, side: str) -> None:
    _, body = post("segment", content=TEXT, return_chunks=True, **{side: 5})
    part = "".join(body["chunks"])
    assert body["num_tokens"] >= 5
    assert TEXT.startswith(part) if side == "head" else TEXT.endswith(part)
    assert 0 < len(part) < 40
    assert [TEXT[start:end] for start, end in body["chunk_positions"]] == body["chunks"]


def test_segment_accepts_query_parameters(ask: Any) -> None:
    by_query = ask("GET", "/v1/segment?content=One.%20Two%20%26%20three.&return_chunks=true&max_chunk_length=6").body
    fields = {"content": "One. Two & three.", "return_chunks": True, "max_chunk_length": 6}
    assert by_query == ask("POST", "/v1/segment", fields).body
    assert by_query["chunks"][0] == "One. "


@pytest.mark.parametrize(
    ("fields", "field", "kind"),
    [
        ({}, " -> content", "missing"),
        ({"content": ""}, " -> content", "string_too_short"),
        ({"content": "a" * 64_000}, " -> content", "string_too_long"),
        ({"content": "a", "tokenizer": "bert"}, " -> tokenizer", "literal_error"),
        ({"content": "a", "max_chunk_length": 0}, " -> max_chunk_length", "greater_than_equal"),
        ({"content": "a", "head": 1, "tail": 1}, "", "value_error"),
        ({"content": "a", "x": 1}, " -> x", "extra_forbidden"),
    ],
)
def test_an_error_names_the_invalid_field(post: Any, fields: Any, field: str, kind: str) -> None:
    status, body = post("segment", **fields)
    assert (status, [(each["field"], each["type"]) for each in body["errors"]]) == (422, [(f"body{field}", kind)])


def test_an_error_names_the_invalid_query_parameter(ask: Any) -> None:
    assert ask("GET", "/v1/segment?content=a&head=x").body["errors"][0]["field"] == "query -> head"


def test_without_tiktoken_the_models_own_tokenizer_counts_and_says_so(tmp_path: Path) -> None:
    code = """
import sys
from importlib.machinery import PathFinder
class Without:
    def find_spec(self, name, path=None, target=None):
        if name == "tiktoken":
            raise ModuleNotFoundError(name)
import importlib.util as util
found = util.find_spec
util.find_spec = lambda name, package=None: None if name == "tiktoken" else found(name, package)
import jina_local
status, _, body = jina_local.default_app().handle("POST", "/v1/segment", {}, b'{"content": "Hello world"}')
print(status, body.decode())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True, env={**os.environ}
    )
    assert done.stdout.startswith("200 ")
    assert f'"num_tokens":2,"tokenizer":"{STAND_IN}"' in done.stdout
