"""Jina AI's models that return one vector per token, for queries."""

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
from jina_client import AsyncJinaClient, JinaClient, MultiVectors
from jina_client.integration import (
    CONNECTION_OPTIONS,
    DEFAULT_BASE_URL,
    AsyncMultiVectorEmbedder,
    ConnectionOptions,
    MultiVectorEmbedder,
    check_multi_vector_embedder,
    follows,
    known_arguments,
)


@component
class JinaMultiVectorTextEmbedder(JinaComponent):
    """Embed a string, such as a query, for late interaction, with one vector per token.

    Usage example:
    ```python
    from haystack_integrations.components.embedders.jina import JinaMultiVectorTextEmbedder

    embedder = JinaMultiVectorTextEmbedder(model="jina-colbert-v2", base_url="local")
    print(len(embedder.run(text="Where does the cat sleep?")["embedding"]))
    ```
    """

    _DEFAULT_URL = f"{DEFAULT_BASE_URL}/embeddings"

    @known_arguments(*CONNECTION_OPTIONS)
    def __init__(
        self,
        api_key: Secret = DEFAULT_API_KEY,
        model: str = "jina-colbert-v2",
        prefix: str = "",
        suffix: str = "",
        dimensions: int | None = None,
        *,
        client: JinaClient | AsyncJinaClient | None = None,
        **options: Unpack[ConnectionOptions],
    ) -> None:
        """Create a JinaMultiVectorTextEmbedder.

        :param api_key: The API key, resolved when the component is warmed up.
        :param model: The model's id.
        :param prefix: A string to put before the text.
        :param suffix: A string to put after the text.
        :param dimensions: The length of the vectors (Matryoshka); by default the model's full length.
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
        self.dimensions = dimensions
        self._connection = ComponentConnection(api_key, client, options)
        check_multi_vector_embedder(model, self._connection.service, CLASSES, dimensions=dimensions)

    @component.output_types(embedding=list[list[float]], meta=dict[str, Any])
    def run(self, text: str) -> dict[str, Any]:
        """Embed a string.

        :param text: The string.
        :returns: `embedding`: its vectors; `meta`: the model and the usage.
        :raises JinaInputError: The input is not a string (also a TypeError).
        """
        return _output(self._embedder().embed([as_query(self, text, self.prefix, self.suffix)], "query"))

    @component.output_types(embedding=list[list[float]], meta=dict[str, Any])
    @follows("run")
    async def run_async(self, text: str) -> dict[str, Any]:
        """Embed a string, asynchronously.

        :param text: The string.
        :returns: `embedding`: its vectors; `meta`: the model and the usage.
        :raises JinaInputError: The input is not a string (also a TypeError).
        """
        return _output(await self._async_embedder().embed([as_query(self, text, self.prefix, self.suffix)], "query"))

    def _embedder(self) -> MultiVectorEmbedder:
        return MultiVectorEmbedder(self._connection.open(), self.model_name, dimensions=self.dimensions)

    def _async_embedder(self) -> AsyncMultiVectorEmbedder:
        return AsyncMultiVectorEmbedder(self._connection.open(), self.model_name, dimensions=self.dimensions)


def _output(result: MultiVectors) -> dict[str, Any]:
    return {"embedding": result.tolist()[0], "meta": meta_of(result)}
