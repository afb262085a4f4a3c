"""Jina AI's embedding models for queries."""

from __future__ import annotations

from typing import Any, Unpack

from haystack import component
from haystack.utils import Secret
from haystack_integrations.common.jina import (
    CLASSES,
    DEFAULT_API_KEY,
    ComponentConnection,
    JinaComponent,
    as_query,
    meta_of,
)
from jina_client import AsyncJinaClient, Embeddings, JinaClient
from jina_client.integration import (
    CONNECTION_OPTIONS,
    DEFAULT_BASE_URL,
    AsyncEmbedder,
    ConnectionOptions,
    Embedder,
    check_embedder,
    follows,
    known_arguments,
    warns_of_default_model,
)

JINA_API_URL = f"{DEFAULT_BASE_URL}/embeddings"


@component
class JinaTextEmbedder(JinaComponent):
    """Embed a string, such as a query.

    Usage example:
    ```python
    from haystack_integrations.components.embedders.jina import JinaTextEmbedder

    embedder = JinaTextEmbedder(model="jina-embeddings-v3", base_url="local")
    print(len(embedder.run(text="Where does the cat sleep?")["embedding"]))
    ```
    """

    _DEFAULT_URL = JINA_API_URL
    _ALWAYS_SAVED = ("model", "prefix", "suffix")

    @warns_of_default_model
    @known_arguments(*CONNECTION_OPTIONS)
    def __init__(
        self,
        api_key: Secret = DEFAULT_API_KEY,
        model: str = "jina-embeddings-v3",
        prefix: str = "",
        suffix: str = "",
        task: str | None = None,
        dimensions: int | None = None,
        late_chunking: bool | None = None,
        *,
        normalized: bool | None = None,
        truncate: bool | None = None,
        client: JinaClient | AsyncJinaClient | None = None,
        **options: Unpack[ConnectionOptions],
    ) -> None:
        """Create a JinaTextEmbedder.

        :param api_key: The API key, resolved when the component is warmed up.
        :param model: The model's id.
        :param prefix: A string to put before the text.
        :param suffix: A string to put after the text.
        :param task: The task; by default the model's task for queries, such as `retrieval.query`.
        :param dimensions: The length of the vector (Matryoshka); by default the model's full length.
        :param late_chunking: Accepted so that saved pipelines load. It has no effect: a single text is a document of
            one chunk, which has the same vector with and without late chunking.
        :param normalized: Scale the vector to length 1; by default yes, if the model takes the option.
        :param truncate: Cut a text longer than the model's context; by default the service rejects it.
        :param client: A ready client to use instead of key and connection options.
        :param options: Connection options: `base_url` (the API's root; `"local"` is the embedded engine), `timeout`,
            `max_retries`, `retry_timeout`, `max_concurrency`, `requests_per_minute`, `tokens_per_minute`, `dialect`,
            `cache`, `headers`, `key_header` and `ca_bundle`, as for `jina_client.JinaClient`.
        :raises JinaInputError: An unknown argument, or a value that cannot work.
        """
        self.api_key = api_key
        self.model_name = model
        self.prefix = prefix
        self.suffix = suffix
        self.task = task
        self.dimensions = dimensions
        self.late_chunking = late_chunking
        self.normalized = normalized
        self.truncate = truncate
        self._connection = ComponentConnection(api_key, client, options)
        check_embedder(model, self._connection.service, CLASSES, **self._options())

    @component.output_types(embedding=list[float], meta=dict[str, Any])
    def run(self, text: str) -> dict[str, Any]:
        """Embed a string.

        :param text: The string.
        :returns: `embedding`: its vector; `meta`: the model and the usage.
        :raises JinaInputError: The input is not a string (also a TypeError).
        """
        return _output(self._embedder().embed([as_query(self, text, self.prefix, self.suffix)], "query"))

    @component.output_types(embedding=list[float], meta=dict[str, Any])
    @follows("run")
    async def run_async(self, text: str) -> dict[str, Any]:
        """Embed a string, asynchronously.

        :param text: The string.
        :returns: `embedding`: its vector; `meta`: the model and the usage.
        :raises JinaInputError: The input is not a string (also a TypeError).
        """
        return _output(await self._async_embedder().embed([as_query(self, text, self.prefix, self.suffix)], "query"))

    def _embedder(self) -> Embedder:
        return Embedder(self._connection.open(), self.model_name, **self._options())

    def _async_embedder(self) -> AsyncEmbedder:
        return AsyncEmbedder(self._connection.open(), self.model_name, **self._options())

    def _options(self) -> dict[str, Any]:
        return {
            "query_task": self.task,
            "dimensions": self.dimensions,
            "normalized": self.normalized,
            "truncate": self.truncate,
        }


def _output(result: Embeddings) -> dict[str, Any]:
    return {"embedding": result.tolist()[0], "meta": meta_of(result)}
