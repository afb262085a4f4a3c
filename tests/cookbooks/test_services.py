"""The same notebooks with a service and a language model behind them, each named by a variable of the environment."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from jina_local.app import default_app
from kernels import execute
from loopback import Answer, Recorder, Sent, recorder

COOKBOOKS = Path(__file__).resolve().parents[2] / "cookbooks"


def _printed(name: str, folder: Path) -> str:
    notebook = nbformat.read(COOKBOOKS / f"{name}.ipynb", as_version=4)
    execute(notebook, folder)
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", []))
    return "".join(output.text for output in outputs if output.output_type == "stream")


def test_an_environment_variable_selects_the_service_of_a_notebook(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(sent: Sent) -> Answer:
        status, _, body = default_app().handle(sent.method, sent.path, {}, json.dumps(sent.body).encode())
        return Answer(json.loads(body), status)

    with recorder(answer) as service:
        monkeypatch.setenv("JINA_BASE_URL", service.url)
        monkeypatch.setenv("JINA_API_KEY", "key-0123456789")
        assert "same vectors: True" in _printed("04_late_chunking", tmp_path)
    assert service.sent
    assert {sent.headers["authorization"] for sent in service.sent} == {"Bearer key-0123456789"}


@pytest.fixture
def language_model() -> Iterator[Recorder]:
    """A service that speaks OpenAI's protocol: its model asks the first tool, and then says what it was told."""

    def answer(sent: Sent) -> Answer:
        last = sent.body["messages"][-1]
        message: dict[str, object] = {"role": "assistant", "content": None}
        if last["role"] == "tool":
            content = last["content"] if isinstance(last["content"], str) else last["content"][0]["text"]
            message["content"] = f"I was told: {content.strip().splitlines()[0]}"
        else:
            function = sent.body["tools"][0]["function"]
            arguments = json.dumps({next(iter(function["parameters"]["properties"])): "bicycle on the train"})
            call = {"id": "call-1", "type": "function", "function": {"name": function["name"], "arguments": arguments}}
            message["tool_calls"] = [call]
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if "tool_calls" in message else "stop"}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        head = {"id": "1", "object": "chat.completion", "created": 1, "model": sent.body["model"]}
        return Answer({**head, "choices": [choice], "usage": usage})

    with recorder(answer) as server:
        yield server


def test_an_agent_uses_a_language_model_if_there_is_a_key(
    language_model: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "key-0123456789")
    monkeypatch.setenv("OPENAI_BASE_URL", language_model.url)
    printed = _printed("08_agents", tmp_path)
    for framework in ("LangGraph", "LlamaIndex", "Haystack"):
        assert f"{framework:11} I was told: [1] Bicycles" in printed
    # Each asked twice: what to do, and what to say of what the tool found.
    assert [sent.path.endswith("/chat/completions") for sent in language_model.sent] == [True] * 6
    assert {sent.body["model"] for sent in language_model.sent} == {"gpt-4o-mini"}
