"""The retriever with one vector per token: pooled vectors choose candidates, MaxSim ranks them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Unpack

from jina_client import AsyncJinaClient, JinaClient, JinaInputError
from jina_client.integration import (
    CONNECTION_OPTIONS,
    Connection,
    ConnectionOptions,
    check_multi_vector_embedder,
    known_arguments,
)
from jina_index import (
    OVERSAMPLING,
    FirstStage,
    IndexFolder,
    LateInteractionEncoder,
    MultiVectorIndex,
    StoredPrecision,
    VectorEncoder,
)
from llama_index.core.callbacks import CallbackManager
from llama_index.core.schema import BaseNode, MetadataMode, QueryBundle
from llama_index.embeddings.jinaai.connection import CLASSES
from llama_index.embeddings.jinaai.images import image_input, is_image

from .base import NodeRetriever


class JinaLateInteractionRetriever(NodeRetriever):
    """Retrieve nodes by late interaction: pooled vectors in memory choose candidates, MaxSim ranks them.

    Example:
        >>> from llama_index.core.schema import TextNode
        >>> from llama_index.retrievers.jinaai import JinaLateInteractionRetriever
        >>> nodes = [TextNode(text="The cat sleeps."), TextNode(text="Stocks fell.")]
        >>> retriever = JinaLateInteractionRetriever.from_nodes(nodes, base_url="local", similarity_top_k=1)
        >>> retriever.retrieve("What does the cat do?")[0].text
        'The cat sleeps.'

    A query is searched by its text, or by the one string in ``custom_embedding_strs``, which query transforms such as
    HyDE set. The ``embedding`` of a query is one vector, which other retrievers leave there, and has no use here.

    Args:
        model: the id of a late-interaction model, which returns one vector per token.
        api_key: the API key; by default the one from the environment, read when it is first needed.
        dimensions: the length of the vectors (Matryoshka); by default the model's full length.
        first_stage: the precision of the pooled vectors in memory: ``"float"``, or ``"bits"``, which take 1/32 of it
            and have a lower recall.
        path, read_only, similarity_top_k, oversampling, stored, callback_manager, verbose: as in
            :class:`JinaRetriever`.
        max_image_side: the longer side, in pixels, that larger images are scaled down to before they are sent.
        transport, client, ``**options``: the connection options, as in
            :class:`llama_index.embeddings.jinaai.JinaEmbedding`.

    Raises:
        JinaInputError: an unknown argument, an index of another model, or a missing key when it is first needed.
        IndexFileError: damaged files, or files that another process has open.
    """

    @known_arguments(*CONNECTION_OPTIONS)
    def __init__(
        self,
        model: str = "jina-colbert-v2",
        api_key: Any = None,
        *,
        dimensions: int | None = None,
        first_stage: FirstStage = "float",
        path: str | Path | None = None,
        read_only: bool = False,
        similarity_top_k: int = 2,
        oversampling: float = OVERSAMPLING,
        stored: StoredPrecision = "int8",
        max_image_side: int | None = None,
        transport: Any = None,
        client: JinaClient | AsyncJinaClient | None = None,
        callback_manager: CallbackManager | None = None,
        verbose: bool = False,
        **options: Unpack[ConnectionOptions],
    ) -> None:
        self._connection = Connection(client, api_key=api_key, transport=transport, **options)
        check_multi_vector_embedder(
            model, self._connection.service, CLASSES, dimensions=dimensions, max_image_side=max_image_side
        )
        self._model = model
        self._dimensions = dimensions
        self._max_image_side = max_image_side
        folder = IndexFolder(
            MultiVectorIndex, path, model=model, read_only=read_only, stored=stored, first_stage=first_stage
        )
        super().__init__(folder, similarity_top_k, oversampling, callback_manager, verbose)

    def close(self) -> None:
        """Release the index files and the synchronous connections; a later call opens them again."""
        self._connection.close()
        super().close()

    async def aclose(self) -> None:
        """Close the asynchronous connections; a later call opens them again."""
        await self._connection.aclose()

    def _inputs(self, nodes: Sequence[BaseNode]) -> Sequence[Any]:
        """Return the texts of nodes; the image of a node without text, if the model takes images."""
        return [
            image_input(node) if is_image(node, self._model) else node.get_content(metadata_mode=MetadataMode.EMBED)
            for node in nodes
        ]

    def _query(self, query_bundle: QueryBundle) -> Any:
        texts = query_bundle.embedding_strs
        if len(texts) > 1:
            raise JinaInputError(
                f"a late-interaction query is one text, got {len(texts)} custom_embedding_strs; pass one "
                "(HyDEQueryTransform: include_original=False)"
            )
        if texts:
            return texts[0]
        if not query_bundle.image_path:
            raise JinaInputError(
                "the query is empty: it has no text and no image_path, and a late-interaction model cannot use an "
                "embedding; pass a text such as 'What is …?'"
            )
        return image_input(query_bundle.image_path)

    def _encoder(self) -> VectorEncoder:
        return LateInteractionEncoder(
            self._connection, self._model, dimensions=self._dimensions, max_image_side=self._max_image_side
        )
