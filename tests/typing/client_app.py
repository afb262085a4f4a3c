"""A program on the client alone, as the type checkers see it. It is not run."""

from __future__ import annotations

import asyncio

import numpy as np
import numpy.typing as npt
from jina_client import AsyncJinaClient, JinaClient, JinaError, PartialFailureError, RateLimitError
from jina_client.late_interaction import maxsim
from jina_client.quantization import hamming, quantize


def search(question: str, texts: list[str]) -> list[tuple[str, float]]:
    with JinaClient(base_url="local", timeout=30.0, max_retries=2) as client:
        documents = client.embed(texts, model="jina-embeddings-v3", task="retrieval.passage", dimensions=256)
        vectors: npt.NDArray[np.float32] = np.asarray(documents.vectors, dtype=np.float32)
        query = client.embed([question], model="jina-embeddings-v3", task="retrieval.query", dimensions=256).vectors
        nearest = np.argsort(hamming(quantize(query, "ubinary"), quantize(vectors, "ubinary"))[0])[:10]
        candidates = [texts[int(place)] for place in nearest]
        reranked = client.rerank(question, candidates, model="jina-reranker-v2-base-multilingual", top_n=3)
        return [(candidates[each.index], each.relevance_score) for each in reranked.results]


def token_vectors(question: str, texts: list[str]) -> list[float]:
    with JinaClient(base_url="local") as client:
        documents = client.embed_multi_vector(texts, model="jina-colbert-v2")
        query = client.embed_multi_vector([question], model="jina-colbert-v2", input_type="query")
        return [float(score) for score in maxsim(query[0], list(documents))]


def total_tokens(texts: list[str]) -> int:
    try:
        with JinaClient(base_url="local") as client:
            return sum(part.usage.total_tokens for _, part in client.embed_stream(texts))
    except RateLimitError as error:
        print(error.retry_after, error.status_code)
    except PartialFailureError as error:
        print(len(error.completed), sorted(error.failed))
    except JinaError as error:
        print(error)
    return 0


async def resources() -> None:
    async with AsyncJinaClient(base_url="local") as client:
        embeddings, classes = await asyncio.gather(
            client.embed(["a"], model="jina-embeddings-v3"),
            client.classify(["a"], ["good", "bad"], model="jina-embeddings-v3"),
        )
        print(embeddings.model, len(classes))
        async for start, part in client.embed_stream(["a", "b"]):
            print(start, part.vectors.shape)
        batches = await client.batches.list()
        models = await client.models.list()
        print(len(batches), len(models))
