"""Editors show the parameters of every constructor, with documentation. Pyright's language server is asked for them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CONNECTION = {"base_url", "timeout", "max_retries", "requests_per_minute", "client"}
EMBEDDER = CONNECTION | {"model", "api_key", "dimensions", "task", "normalized", "truncate"}
RERANKER = CONNECTION | {"model", "api_key", "truncation", "max_doc_length"}
TOKEN_VECTORS = CONNECTION | {"model", "api_key", "dimensions"}
TOOL = {"name", "description", "max_output_tokens"}
HAYSTACK = "haystack_integrations.components"
CONSTRUCTORS: dict[str, set[str]] = {
    "langchain_jina.JinaEmbeddings": EMBEDDER | {"query_task", "embedding_type", "batch_size"},
    "langchain_jina.JinaRerank": RERANKER | {"top_n"},
    "langchain_jina.JinaRetriever": {"embeddings", "path", "k", "oversampling", "nprobe", "stored"},
    "langchain_jina.JinaLateInteractionRetriever": TOKEN_VECTORS | {"path", "k", "first_stage"},
    "langchain_jina.JinaSearchAPIWrapper": CONNECTION | {"api_key", "endpoint"},
    "langchain_jina.JinaSearch": TOOL | {"search_wrapper"},
    "langchain_jina.JinaReader": TOOL | CONNECTION | {"api_key", "endpoint"},
    "langchain_jina.JinaDocumentSearch": TOOL | {"retriever", "reranker"},
    "llama_index.embeddings.jinaai.JinaEmbedding": EMBEDDER | {"query_task", "encoding_queries", "late_chunking"},
    "llama_index.postprocessor.jinaai_rerank.JinaRerank": RERANKER | {"top_n"},
    "llama_index.retrievers.jinaai.JinaRetriever": {"embed_model", "path", "similarity_top_k", "oversampling"},
    "llama_index.retrievers.jinaai.JinaLateInteractionRetriever": TOKEN_VECTORS | {"path", "similarity_top_k"},
    "llama_index.tools.jina.JinaToolSpec": CONNECTION | {"api_key", "retriever", "reranker", "max_output_tokens"},
    f"{HAYSTACK}.embedders.jina.JinaTextEmbedder": EMBEDDER | {"prefix", "suffix"},
    f"{HAYSTACK}.embedders.jina.JinaDocumentEmbedder": EMBEDDER | {"batch_size", "late_chunking", "raise_on_failure"},
    f"{HAYSTACK}.embedders.jina.JinaDocumentImageEmbedder": CONNECTION | {"model", "root_path", "image_size"},
    f"{HAYSTACK}.embedders.jina.JinaMultiVectorTextEmbedder": TOKEN_VECTORS,
    f"{HAYSTACK}.embedders.jina.JinaMultiVectorDocumentEmbedder": TOKEN_VECTORS | {"multi_vector_field"},
    f"{HAYSTACK}.rankers.jina.JinaRanker": RERANKER | {"top_k", "score_threshold"},
    f"{HAYSTACK}.retrievers.jina.JinaEmbeddingRetriever": {"document_store", "top_k", "oversampling"},
    f"{HAYSTACK}.retrievers.jina.JinaLateInteractionRetriever": TOKEN_VECTORS | {"path", "top_k"},
    "haystack_integrations.tools.jina.JinaSearchTool": TOOL | CONNECTION | {"api_key", "endpoint"},
    "haystack_integrations.tools.jina.JinaReaderTool": TOOL | CONNECTION | {"api_key", "endpoint"},
    "haystack_integrations.tools.jina.JinaDocumentSearchTool": TOOL | {"retriever", "ranker"},
    "jina_client.JinaClient": CONNECTION - {"client"} | {"api_key", "transport"},
}


class LanguageServer:
    """Pyright's language server, spoken to over its pipes.

    Args:
        folder: the folder of the programs.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        command = [sys.executable, "-m", "pyright.langserver", "--stdio"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder)
        self._requests = 0
        capabilities = {"workspace": {"configuration": True}}
        self.request("initialize", {"processId": None, "rootUri": folder.as_uri(), "capabilities": capabilities})
        self._send({"method": "initialized", "params": {}})

    def request(self, method: str, params: dict[str, Any]) -> Any:
        """Return the result of a request."""
        self._requests += 1
        self._send({"id": self._requests, "method": method, "params": params})
        while True:
            message = self._read()
            if "method" not in message and message.get("id") == self._requests:
                return message["result"]
            if message.get("method") == "workspace/configuration":
                sections = [{"pythonPath": sys.executable}] * len(message["params"]["items"])
                self._send({"id": message["id"], "result": sections})
            elif "method" in message and "id" in message:
                self._send({"id": message["id"], "result": None})

    def at_call(self, constructor: str) -> tuple[dict[str, Any], set[str]]:
        """Return the signature that an editor shows after the opening parenthesis, and the arguments it offers."""
        module, _, name = constructor.rpartition(".")
        program = f"from {module} import {name}\n\n{name}("
        file = self._folder / f"{constructor.replace('.', '_')}.py"
        file.write_text(program)
        document = {"uri": file.as_uri(), "languageId": "python", "version": 1, "text": program}
        self._send({"method": "textDocument/didOpen", "params": {"textDocument": document}})
        place = {"textDocument": {"uri": file.as_uri()}, "position": {"line": 2, "character": len(name) + 1}}
        (signature,) = self.request("textDocument/signatureHelp", place)["signatures"]
        items = self.request("textDocument/completion", place)["items"]
        return signature, {item["label"].removesuffix("=") for item in items if item["label"].endswith("=")}

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.process.stdin.flush()

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout
        length = 0
        while line := self.process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name == b"Content-Length" else length
        assert length, "the language server ended"
        message: dict[str, Any] = json.loads(self.process.stdout.read(length))
        return message


@pytest.fixture(scope="module")
def language_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LanguageServer]:
    server = LanguageServer(tmp_path_factory.mktemp("programs"))
    yield server
    server.process.kill()
    with server.process:
        pass


@pytest.mark.parametrize("constructor", CONSTRUCTORS)
def test_an_editor_shows_the_parameters_with_documentation(language_server: LanguageServer, constructor: str) -> None:
    signature, arguments = language_server.at_call(constructor)
    assert arguments >= CONSTRUCTORS[constructor]
    assert not [name for name in arguments if name.startswith("_")]
    assert len(signature["documentation"]["value"]) > 100
