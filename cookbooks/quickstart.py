"""Search the documentation of Python's standard library in LangChain, LlamaIndex and Haystack.

The script needs no key: the embedded engine runs a small model. To use Jina's models, set ``JINA_API_KEY`` and pass
``--base-url https://api.jina.ai/v1``.
"""

from __future__ import annotations

import argparse
import ast
import os
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from textwrap import shorten

import numpy as np
from jina_client import JinaClient, JinaError
from jina_client.integration import Connection, Embedder
from jina_client.quantization import hamming, quantize
from rich.console import Console
from rich.markup import escape
from rich.table import Table

QUESTION = "How do I compare two text files and show the differences?"
RETRIEVED, TOP = 20, 5
SAMPLED = 800  # entries in the comparison with binary vectors
LONGEST = 300  # characters of an entry's first paragraph, which the script indexes
SKIPPED = {  # games, tests, and modules with hundreds of almost identical entries
    "antigravity", "distutils", "encodings", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "test", "this",
    "tkinter", "turtle", "turtledemo",
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """One documented module, class or function."""

    name: str
    text: str


@dataclass(frozen=True)
class Outcome:
    """The results of one framework, with their time and tokens."""

    framework: str
    passages: list[tuple[str, float]]
    seconds: float
    tokens: int


def standard_library() -> Iterator[Entry]:
    """Yield the public docstrings of the installed standard library, read from its sources without importing them."""
    root = Path(sysconfig.get_path("stdlib"))
    for module in sorted(sys.stdlib_module_names - SKIPPED):
        if module.startswith("_"):
            continue
        single = root / f"{module}.py"
        for path in [single] if single.exists() else sorted((root / module).rglob("*.py")):
            parts = [part for part in path.relative_to(root).with_suffix("").parts if part != "__init__"]
            if {"test", "tests"} & set(parts) or any(part.startswith("_") for part in parts):
                continue
            try:
                yield from _documented(ast.parse(path.read_bytes()), ".".join(parts))
            except (SyntaxError, ValueError):
                continue  # a template, or a file with an intended syntax error


def _documented(node: ast.AST, name: str) -> Iterator[Entry]:
    if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
        text = ast.get_docstring(node)
        if text and len(text) >= 60:
            summary = " ".join(text.split("\n\n")[0].split())
            yield Entry(name, f"{name}: {summary[:LONGEST]}")
    if isinstance(node, (ast.Module, ast.ClassDef)):
        for child in node.body:
            if isinstance(child, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and child.name[0] != "_":
                yield from _documented(child, f"{name}.{child.name}")


def with_langchain(client: JinaClient, model: str, reranker: str, entries: list[Entry], question: str):
    """Search with LangChain: InMemoryVectorStore, then JinaRerank as a document compressor."""
    from langchain_core.documents import Document
    from langchain_core.vectorstores import InMemoryVectorStore
    from langchain_jina import JinaEmbeddings, JinaRerank

    store = InMemoryVectorStore(JinaEmbeddings(model=model, client=client, show_progress=True))
    store.add_documents([Document(entry.text, metadata={"name": entry.name}) for entry in entries])
    candidates = store.as_retriever(search_kwargs={"k": RETRIEVED}).invoke(question)
    best = JinaRerank(model=reranker, client=client, top_n=TOP).compress_documents(candidates, question)
    return [(document.metadata["name"], document.metadata["relevance_score"]) for document in best]


def with_llama_index(client: JinaClient, model: str, reranker: str, entries: list[Entry], question: str):
    """Search with LlamaIndex: VectorStoreIndex, then JinaRerank as a node postprocessor."""
    from llama_index.core import VectorStoreIndex
    from llama_index.core.schema import TextNode
    from llama_index.embeddings.jinaai import JinaEmbedding
    from llama_index.postprocessor.jinaai_rerank import JinaRerank

    # The name is the id, because LlamaIndex would embed metadata together with the text.
    nodes = [TextNode(id_=entry.name, text=entry.text) for entry in entries]
    index = VectorStoreIndex(nodes, embed_model=JinaEmbedding(model=model, client=client), show_progress=True)
    candidates = index.as_retriever(similarity_top_k=RETRIEVED).retrieve(question)
    best = JinaRerank(top_n=TOP, model=reranker, client=client).postprocess_nodes(candidates, query_str=question)
    return [(node.node_id, node.score) for node in best]


def with_haystack(client: JinaClient, model: str, reranker: str, entries: list[Entry], question: str):
    """Search with Haystack: an indexing pipeline and a query pipeline on InMemoryDocumentStore."""
    from haystack import Document, Pipeline
    from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever
    from haystack.components.writers import DocumentWriter
    from haystack.document_stores.in_memory import InMemoryDocumentStore
    from haystack_integrations.components.embedders.jina import JinaDocumentEmbedder, JinaTextEmbedder
    from haystack_integrations.components.rankers.jina import JinaRanker

    store = InMemoryDocumentStore()
    indexing = Pipeline()
    indexing.add_component("embedder", JinaDocumentEmbedder(model=model, client=client))
    indexing.add_component("writer", DocumentWriter(store))
    indexing.connect("embedder.documents", "writer.documents")
    documents = [Document(content=entry.text, meta={"name": entry.name}) for entry in entries]
    indexing.run({"embedder": {"documents": documents}})

    querying = Pipeline()
    querying.add_component("embedder", JinaTextEmbedder(model=model, client=client))
    querying.add_component("retriever", InMemoryEmbeddingRetriever(store, top_k=RETRIEVED))
    querying.add_component("ranker", JinaRanker(model=reranker, client=client, top_k=TOP))
    querying.connect("embedder.embedding", "retriever.query_embedding")
    querying.connect("retriever.documents", "ranker.documents")
    best = querying.run({"embedder": {"text": question}, "ranker": {"query": question}})["ranker"]["documents"]
    return [(document.meta["name"], document.score) for document in best]


FRAMEWORKS: dict[str, Callable[..., list[tuple[str, float]]]] = {
    "LangChain": with_langchain,
    "LlamaIndex": with_llama_index,
    "Haystack": with_haystack,
}


def answer(framework: str, options: argparse.Namespace, entries: list[Entry]) -> Outcome:
    """Index the entries and answer the question in one framework, with a client that counts its tokens."""
    with JinaClient(base_url=options.base_url) as client:
        start = time.perf_counter()
        passages = FRAMEWORKS[framework](client, options.model, options.reranker, entries, options.question)
        return Outcome(framework, passages, time.perf_counter() - start, client.usage.total_tokens)


def show(outcomes: list[Outcome], entries: list[Entry], console: Console) -> None:
    """Print the passages of each framework side by side, with their time and tokens."""
    texts = {entry.name: entry.text for entry in entries}
    table = Table(title=f"The {TOP} best passages after reranking {RETRIEVED}", show_lines=True)
    for outcome in outcomes:
        table.add_column(outcome.framework, ratio=1)
    for row in zip(*(outcome.passages for outcome in outcomes), strict=True):
        table.add_row(*(_cell(name, score, texts[name]) for name, score in row))
    table.add_row(*(f"[dim]{outcome.seconds:.1f} s, {outcome.tokens:,} tokens[/dim]" for outcome in outcomes))
    console.print(table)


def _cell(name: str, score: float, text: str) -> str:
    summary = shorten(text.removeprefix(f"{name}: "), 120, placeholder=" …")
    return f"[bold]{escape(name)}[/bold]  [green]{score:.3f}[/green]\n{escape(summary)}"


def show_bits(options: argparse.Namespace, entries: list[Entry], console: Console) -> None:
    """Print how much memory binary vectors save on this corpus, and how many results they lose."""
    with JinaClient(base_url=options.base_url) as client:
        sample = entries[:: max(1, len(entries) // SAMPLED)]
        embedder = Embedder(Connection(client), options.model)
        corpus = embedder.embed([entry.text for entry in sample], "document").vectors
        names = [entry.name.replace(".", " ") for entry in sample[:: max(1, len(sample) // 100)]]
        queries = embedder.embed(names, "query").vectors
    exact = _best(-(queries @ corpus.T), RETRIEVED)
    candidates = _best(hamming(quantize(queries, "ubinary"), quantize(corpus, "ubinary")), 4 * RETRIEVED)
    rescored = [
        near[_best(-(corpus[near] @ query)[None], RETRIEVED)[0]]
        for query, near in zip(queries, candidates, strict=True)
    ]
    table = Table(title=f"One bit per dimension: {len(entries):,} vectors of {corpus.shape[1]} dimensions")
    table.add_column("vectors")
    table.add_column("memory", justify="right")
    table.add_column(f"of the exact {RETRIEVED} results", justify="right")
    floats, bits = len(entries) * corpus.shape[1] * 4 / 1e6, len(entries) * -(-corpus.shape[1] // 8) / 1e6
    table.add_row("float32", f"{floats:.2f} MB", "100.0 %")
    table.add_row("binary", f"{bits:.2f} MB", f"{_overlap(exact, candidates[:, :RETRIEVED]):.1%}")
    table.add_row(
        f"binary, {4 * RETRIEVED} rescored", f"{bits:.2f} MB + floats on disk", f"{_overlap(exact, rescored):.1%}"
    )
    table.caption = f"{len(queries)} queries on {len(sample):,} of the entries"
    console.print(table)


def _best(distances: np.ndarray, count: int) -> np.ndarray:
    return np.argsort(distances, axis=1, kind="stable")[:, :count]


def _overlap(expected: np.ndarray, results) -> float:
    return float(np.mean([len(set(a) & set(b)) / len(a) for a, b in zip(expected, results, strict=True)]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("question", nargs="?", default=QUESTION)
    parser.add_argument("--model", default="jina-embeddings-v3")
    parser.add_argument("--reranker", default="jina-reranker-v2-base-multilingual")
    parser.add_argument("--base-url", default=os.environ.get("JINA_BASE_URL", "local"))
    parser.add_argument("--limit", type=int, help="number of entries to index; by default all")
    options = parser.parse_args()
    if options.limit is not None and options.limit < 1:
        parser.error(f"--limit must be 1 or more, got {options.limit}")
    console = Console()
    entries = list(islice(standard_library(), options.limit))
    console.print(f"[bold]{escape(options.question)}[/bold]")
    console.print(f"{len(entries):,} entries of Python's documentation, {options.model} at {options.base_url}")
    if options.base_url == "local":
        console.print("[dim]The embedded engine runs a small English model in place of Jina's models.[/dim]")
    try:
        outcomes = []
        for framework in FRAMEWORKS:
            console.print(f"\n{framework}")
            outcomes.append(answer(framework, options, entries))
        show(outcomes, entries, console)
        show_bits(options, entries, console)
    except JinaError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
