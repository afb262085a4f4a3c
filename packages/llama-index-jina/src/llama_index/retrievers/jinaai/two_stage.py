"""The retriever with one vector per node: bits choose candidates, the stored vectors rank them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jina_client import JinaArgumentError, JinaInputError
from jina_client.integration import known_arguments
from jina_index import (
    OVERSAMPLING,
    BinaryIndex,
    IndexFolder,
    StoredPrecision,
    VectorEncoder,
    embedder_model,
    require_float_embedder,
)
from llama_index.core import Settings
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.callbacks import CallbackManager
from llama_index.core.embeddings import MultiModalEmbedding
from llama_index.core.schema import BaseNode, QueryBundle

from .base import NodeRetriever


class JinaRetriever(NodeRetriever):
    """Retrieve nodes in two stages: one bit per dimension chooses candidates, the stored vectors rank them.

    Example:
        >>> from llama_index.core.schema import TextNode
        >>> from llama_index.embeddings.jinaai import JinaEmbedding
        >>> from llama_index.retrievers.jinaai import JinaRetriever
        >>> embedding = JinaEmbedding(model="jina-embeddings-v3", base_url="local")
        >>> nodes = [TextNode(text="The cat sleeps."), TextNode(text="Stocks fell.")]
        >>> retriever = JinaRetriever.from_nodes(nodes, embedding, similarity_top_k=1)
        >>> retriever.retrieve("What does the cat do?")[0].text
        'The cat sleeps.'

    Args:
        embed_model: the embedding model; by default LlamaIndex's ``Settings.embed_model``. It must return floats.
        path: the index folder, made when the first nodes are added; by default a temporary one.
        read_only: reject changes. Several processes may have one ``path`` open that way, or one process for writing.
        similarity_top_k: the number of nodes to return.
        oversampling: the number of candidates per result that the first stage chooses.
        nprobe: the number of IVF cells to search after :meth:`cluster`; by default all.
        stored: the precision of the stored vectors, ``"int8"`` or ``"int16"``.
        callback_manager, verbose: as in every retriever of LlamaIndex.

    Raises:
        JinaInputError: an unknown argument, an embedding that returns bits, or an index of another model.
        IndexFileError: damaged files, or files that another process has open.
    """

    @known_arguments()
    def __init__(
        self,
        embed_model: BaseEmbedding | None = None,
        *,
        path: str | Path | None = None,
        read_only: bool = False,
        similarity_top_k: int = 2,
        oversampling: float = OVERSAMPLING,
        nprobe: int | None = None,
        stored: StoredPrecision = "int16",
        callback_manager: CallbackManager | None = None,
        verbose: bool = False,
    ) -> None:
        self._embed_model = embed_model or Settings.embed_model
        if not isinstance(self._embed_model, BaseEmbedding):
            raise JinaArgumentError(
                f"embed_model must be an embedding, got {type(self._embed_model).__name__}; pass a JinaEmbedding"
            )
        require_float_embedder(self._embed_model)
        self.nprobe = nprobe
        folder = IndexFolder(
            BinaryIndex, path, model=embedder_model(self._embed_model), read_only=read_only, stored=stored
        )
        super().__init__(folder, similarity_top_k, oversampling, callback_manager, verbose)

    @property
    def embed_model(self) -> BaseEmbedding:
        """The embedding model, which cannot change, because the index holds its vectors."""
        return self._embed_model

    def cluster(self, nlist: int | None = None) -> None:
        """Divide the nodes into IVF cells, for ``nprobe``.

        It takes minutes for millions of nodes. Nodes that are added later are in no cell, and every search compares
        them.

        Args:
            nlist: the number of cells; by default the square root of the number of nodes.

        Raises:
            JinaInputError: nothing was added yet, ``nlist`` is out of range, or the retriever is read-only.
        """
        self._folder.cluster(nlist)

    def _search_options(self) -> tuple[int, float, int | None]:
        return self.similarity_top_k, self.oversampling, self.nprobe

    def _encoder(self) -> VectorEncoder:
        return _EmbedModelEncoder(self._embed_model)


class _EmbedModelEncoder:
    """Encode nodes and query bundles with LlamaIndex's embedding model."""

    def __init__(self, embed_model: BaseEmbedding) -> None:
        self._embed_model = embed_model

    # Call the model itself and not its method for texts, because it may embed the chunks of a document together.
    def encode_documents(self, documents: Sequence[BaseNode]) -> Sequence[Any]:
        return [node.embedding for node in self._embed_model([node.model_copy() for node in documents])]

    async def aencode_documents(self, documents: Sequence[BaseNode]) -> Sequence[Any]:
        return [node.embedding for node in await self._embed_model.acall([node.model_copy() for node in documents])]

    def encode_query(self, query: QueryBundle) -> Any:
        if query.embedding is not None:
            return query.embedding
        if query.embedding_strs:
            return self._embed_model.get_agg_embedding_from_queries(query.embedding_strs)
        model, image = _image_query(self._embed_model, query)
        return model.get_image_embedding(image)

    async def aencode_query(self, query: QueryBundle) -> Any:
        if query.embedding is not None:
            return query.embedding
        if query.embedding_strs:
            return await self._embed_model.aget_agg_embedding_from_queries(query.embedding_strs)
        model, image = _image_query(self._embed_model, query)
        return await model.aget_image_embedding(image)


def _image_query(embed_model: BaseEmbedding, query: QueryBundle) -> tuple[MultiModalEmbedding, str]:
    """Return the model and the image of a query without text."""
    if not query.image_path:
        raise JinaInputError(
            "the query is empty: it has no text, no image_path and no embedding; pass a text such as 'What is …?'"
        )
    if not isinstance(embed_model, MultiModalEmbedding):
        raise JinaInputError(
            f"the query is an image, and {type(embed_model).__name__} embeds texts only; pass a text, or use a "
            "multimodal embedding such as JinaEmbedding with jina-clip-v2"
        )
    return embed_model, query.image_path
