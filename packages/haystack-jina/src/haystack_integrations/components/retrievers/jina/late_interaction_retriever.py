"""Retrieve Documents by late interaction."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

from haystack import Document, component
from haystack.utils import Secret
from haystack_integrations.common.jina import DEFAULT_API_KEY, as_query
from haystack_integrations.common.jina.index import OVERSAMPLING
from haystack_integrations.common.jina.late_interaction import LateInteractionComponent
from haystack_integrations.document_stores.jina.document_store import documents_of
from jina_client import AsyncJinaClient, JinaClient
from jina_client.integration import CONNECTION_OPTIONS, ConnectionOptions, known_arguments


@component
class JinaLateInteractionRetriever(LateInteractionComponent):
    """Retrieve Documents that a JinaLateInteractionWriter wrote: pooled vectors choose candidates, MaxSim ranks them.

    JinaLateInteractionWriter has a usage example.
    """

    @known_arguments(*CONNECTION_OPTIONS)
    def __init__(
        self,
        path: str | Path,
        api_key: Secret = DEFAULT_API_KEY,
        model: str = "jina-colbert-v2",
        top_k: int = 10,
        *,
        oversampling: float = OVERSAMPLING,
        dimensions: int | None = None,
        read_only: bool = False,
        client: JinaClient | AsyncJinaClient | None = None,
        **options: Unpack[ConnectionOptions],
    ) -> None:
        """Create a JinaLateInteractionRetriever.

        :param path: The index folder of the writer.
        :param api_key: The API key, resolved when the component is warmed up.
        :param model: The model of the writer.
        :param top_k: The number of Documents to return.
        :param oversampling: The number of candidates per result that the first stage chooses.
        :param dimensions: The length of the vectors, as for the writer.
        :param read_only: Reject changes. Several processes may have one folder open that way, or one process for
            writing. Leave it off if a writer in the same process uses the folder.
        :param client: A ready client to use instead of a key and connection options.
        :param options: Connection options: `base_url` (the root of the API; `"local"` is the embedded engine),
            `timeout`, `max_retries`, `retry_timeout`, `max_concurrency`, `requests_per_minute`, `tokens_per_minute`,
            `dialect`, `cache`, `headers`, `key_header` and `ca_bundle`, as for `jina_client.JinaClient`.
        :raises JinaInputError: An unknown argument.
        """
        self.read_only = read_only
        self.top_k = top_k
        self.oversampling = oversampling
        self._set_up(
            path,
            api_key,
            model,
            dimensions=dimensions,
            read_only=read_only,
            client=client,
            options=options,
        )

    @component.output_types(documents=list[Document])
    def run(self, query: str, top_k: int | None = None) -> dict[str, list[Document]]:
        """Retrieve the Documents with the highest MaxSim.

        :param query: The query.
        :param top_k: The number of Documents to return; by default the component's own.
        :returns: `documents`, best first, with their `score`.
        """
        top_k = self.top_k if top_k is None else top_k
        return {"documents": documents_of(self._index().search(as_query(self, query), top_k, self.oversampling))}

    @component.output_types(documents=list[Document])
    async def run_async(self, query: str, top_k: int | None = None) -> dict[str, list[Document]]:
        """Retrieve the Documents with the highest MaxSim, like `run`.

        :param query: The query.
        :param top_k: The number of Documents to return; by default the component's own.
        :returns: `documents`, best first, with their `score`.
        """
        top_k = self.top_k if top_k is None else top_k
        return {"documents": documents_of(await self._index().asearch(as_query(self, query), top_k, self.oversampling))}
