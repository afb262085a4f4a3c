"""Retrievers on an index in the process: bits first, then the vectors; or MaxSim over one vector a token."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self, Unpack

from jina_client import AsyncJinaClient, JinaArgumentError, JinaClient, JinaInputError
from jina_client.index import BinaryIndex, Hit, MultiVectorIndex
from jina_client.index.originals import Originals
from jina_client.index.store import FirstStage
from jina_client.integration import (
    CONNECTION_OPTIONS,
    AsyncMultiVectorEmbedder,
    Connection,
    ConnectionOptions,
    MultiVectorEmbedder,
    known_arguments,
)
from jina_client.retrieval import OVERSAMPLING, IndexFolder, model_of, require_floats
from llama_index.core import Settings
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.callbacks import CallbackManager
from llama_index.core.embeddings import MultiModalEmbedding
from llama_index.core.ingestion import run_transformations
from llama_index.core.schema import BaseNode, Document, MetadataMode, NodeWithScore, QueryBundle
from llama_index.core.storage.docstore.utils import doc_to_json, json_to_doc
from llama_index.embeddings.jinaai.images import checked_nodes, image_input, is_image, query_input


class IndexRetriever(BaseRetriever):
    """What both retrievers have in common; a subclass says how nodes become vectors."""

    def __init__(
        self,
        folder: IndexFolder,
        similarity_top_k: int,
        oversampling: float,
        callback_manager: CallbackManager | None,
        verbose: bool,
    ) -> None:
        self.similarity_top_k = similarity_top_k
        self.oversampling = oversampling
        self._folder = folder
        super().__init__(callback_manager=callback_manager, verbose=verbose)

    @classmethod
    def from_nodes(cls, nodes: Sequence[BaseNode], *arguments: Any, **options: Any) -> Self:
        """A retriever of these nodes, which are added to what is at ``path``; with the arguments of the class."""
        retriever = cls(*arguments, **options)
        retriever.add_nodes(nodes)
        return retriever

    @classmethod
    def from_documents(cls, documents: Sequence[Document], *arguments: Any, **options: Any) -> Self:
        """The same from documents, which LlamaIndex's ``Settings.transformations`` split into nodes."""
        return cls.from_nodes(run_transformations(list(documents), Settings.transformations), *arguments, **options)

    @classmethod
    async def afrom_nodes(cls, nodes: Sequence[BaseNode], *arguments: Any, **options: Any) -> Self:
        """:meth:`from_nodes`, asynchronously."""
        retriever = cls(*arguments, **options)
        await retriever.aadd_nodes(nodes)
        return retriever

    @classmethod
    def from_persist_dir(cls, persist_dir: str | Path, *arguments: Any, **options: Any) -> Self:
        """The retriever of an index that is there; with the arguments of the class."""
        retriever = cls(*arguments, **{**options, "path": persist_dir})
        retriever._folder.open()
        return retriever

    def add_nodes(self, nodes: Sequence[BaseNode]) -> list[str]:
        """Embed and add nodes; one with the id of another takes its place. They are on disk when it returns."""
        self._folder.check_writable()
        return self._add(nodes, self._embed(checked_nodes(nodes)))

    async def aadd_nodes(self, nodes: Sequence[BaseNode]) -> list[str]:
        """:meth:`add_nodes`, asynchronously."""
        self._folder.check_writable()
        return await asyncio.to_thread(self._add, nodes, await self._aembed(checked_nodes(nodes)))

    def delete_nodes(self, node_ids: Sequence[str]) -> int:
        """Remove nodes, and say how many; those that are not there are passed over."""
        return self._folder.remove(node_ids)

    def persist(self, persist_dir: str | Path) -> None:
        """Write a copy of the index to another folder. At its own ``path`` it is saved at every moment."""
        self._folder.save(persist_dir)

    def close(self) -> None:
        """Give the index's files free; a later call opens them anew."""
        self._folder.close()

    def __len__(self) -> int:
        return len(self._folder)

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return _nodes(self._search(self._embed_query(query_bundle)))

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return _nodes(await asyncio.to_thread(self._search, await self._aembed_query(query_bundle)))

    def _search(self, vector: Any) -> list[Hit]:
        return self._folder.search(vector, self.similarity_top_k, self.oversampling)

    def _add(self, nodes: Sequence[BaseNode], vectors: Any) -> list[str]:
        ids = [node.node_id for node in nodes]
        self._folder.add(ids, vectors, [doc_to_json(node.model_copy(update={"embedding": None})) for node in nodes])
        return ids

    @abstractmethod
    def _embed(self, nodes: Sequence[BaseNode]) -> Any: ...

    @abstractmethod
    async def _aembed(self, nodes: Sequence[BaseNode]) -> Any: ...

    @abstractmethod
    def _embed_query(self, query_bundle: QueryBundle) -> Any: ...

    @abstractmethod
    async def _aembed_query(self, query_bundle: QueryBundle) -> Any: ...


class JinaRetriever(IndexRetriever):
    """Nodes by vectors of one bit a dimension in memory, scored again with the vectors on disk.

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
        embed_model: what makes the vectors; by default LlamaIndex's ``Settings.embed_model``.
        path: the index's folder, made when the first nodes come; by default a temporary one.
        read_only: change nothing: several processes may have one ``path`` open that way, or one may write.
        similarity_top_k: how many nodes to find.
        oversampling: how many times as many candidates the first stage chooses.
        probes: how many lists to look at once :meth:`cluster` was called; by default all, so that none is missed.
        originals: how the vectors lie on disk, ``int8`` or ``int16``.
        callback_manager, verbose: as in every retriever of LlamaIndex.

    Raises:
        JinaInputError: an unknown argument; an embedding that gives bits; an index of another model.
        IndexFileError: files that are damaged, or open in another process.
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
        probes: int | None = None,
        originals: Originals = "int16",
        callback_manager: CallbackManager | None = None,
        verbose: bool = False,
    ) -> None:
        self.embed_model = embed_model or Settings.embed_model
        if not isinstance(self.embed_model, BaseEmbedding):
            raise JinaArgumentError(f"embed_model must be an embedding, got {type(self.embed_model).__name__}")
        require_floats(self.embed_model)
        self.probes = probes
        folder = IndexFolder(
            BinaryIndex, path, model=model_of(self.embed_model), read_only=read_only, originals=originals
        )
        super().__init__(folder, similarity_top_k, oversampling, callback_manager, verbose)

    def cluster(self, lists: int | None = None) -> None:
        """Sort the nodes into lists, by default the square root of their number, for ``probes``.

        It takes minutes for millions. What is added later is in no list, and is compared with every query.
        """
        self._folder.cluster(lists)

    def _search(self, vector: Any) -> list[Hit]:
        return self._folder.search(vector, self.similarity_top_k, self.oversampling, self.probes)

    def _embed(self, nodes: Sequence[BaseNode]) -> Any:
        # The model itself is called, and not its method for texts, for it may embed the chunks of a document together.
        return [node.embedding for node in self.embed_model([node.model_copy() for node in nodes])]

    async def _aembed(self, nodes: Sequence[BaseNode]) -> Any:
        return [node.embedding for node in await self.embed_model.acall([node.model_copy() for node in nodes])]

    def _embed_query(self, query_bundle: QueryBundle) -> Any:
        if query_bundle.embedding:
            return query_bundle.embedding
        if not query_bundle.embedding_strs:
            model, image = _with_image(self.embed_model, query_bundle)
            return model.get_image_embedding(image)
        return self.embed_model.get_agg_embedding_from_queries(query_bundle.embedding_strs)

    async def _aembed_query(self, query_bundle: QueryBundle) -> Any:
        if query_bundle.embedding:
            return query_bundle.embedding
        if not query_bundle.embedding_strs:
            model, image = _with_image(self.embed_model, query_bundle)
            return await model.aget_image_embedding(image)
        return await self.embed_model.aget_agg_embedding_from_queries(query_bundle.embedding_strs)


class JinaLateInteractionRetriever(IndexRetriever):
    """Nodes by late interaction: a pooled vector of each in memory chooses candidates, MaxSim ranks them.

    Example:
        >>> from llama_index.core.schema import TextNode
        >>> from llama_index.retrievers.jinaai import JinaLateInteractionRetriever
        >>> nodes = [TextNode(text="The cat sleeps."), TextNode(text="Stocks fell.")]
        >>> retriever = JinaLateInteractionRetriever.from_nodes(nodes, base_url="local", similarity_top_k=1)
        >>> retriever.retrieve("What does the cat do?")[0].text
        'The cat sleeps.'

    Args:
        model: one of the models that give a vector for each token.
        api_key: else from the environment, when it is first needed.
        dimensions: the length of the vectors (Matryoshka); by default the model's full length.
        first_stage: what of the pooled vectors is in memory: ``float``, or ``bits`` in 1/32 of it, which find less.
        path, read_only, similarity_top_k, oversampling, originals, callback_manager, verbose: as in
            :class:`JinaRetriever`.
        max_image_side: pixels of the longer side above which an image is made smaller before it is sent.
        transport, client, ``**options``: those of the connection, as in
            :class:`llama_index.embeddings.jinaai.JinaEmbedding`.

    Raises:
        JinaInputError: an unknown argument; an index of another model; a missing key when it is first needed.
        IndexFileError: files that are damaged, or open in another process.
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
        originals: Originals = "int8",
        max_image_side: int | None = None,
        transport: Any = None,
        client: JinaClient | AsyncJinaClient | None = None,
        callback_manager: CallbackManager | None = None,
        verbose: bool = False,
        **options: Unpack[ConnectionOptions],
    ) -> None:
        self._opened = Connection(client, api_key=api_key, transport=transport, **options)
        self._model = model
        self._embedder = MultiVectorEmbedder(self._opened, model, dimensions=dimensions, max_image_side=max_image_side)
        self._async_embedder = AsyncMultiVectorEmbedder(
            self._opened, model, dimensions=dimensions, max_image_side=max_image_side
        )
        folder = IndexFolder(
            MultiVectorIndex, path, model=model, read_only=read_only, originals=originals, first_stage=first_stage
        )
        super().__init__(folder, similarity_top_k, oversampling, callback_manager, verbose)

    def close(self) -> None:
        """Give the index's files free and close the connections of the synchronous methods; both open anew."""
        self._opened.close()
        super().close()

    async def aclose(self) -> None:
        """Close the connections of the asynchronous methods; a later call opens them anew."""
        await self._opened.aclose()

    def _embed(self, nodes: Sequence[BaseNode]) -> Any:
        return self._embedder.embed(_inputs(nodes, self._model), "document")

    async def _aembed(self, nodes: Sequence[BaseNode]) -> Any:
        return await self._async_embedder.embed(_inputs(nodes, self._model), "document")

    def _embed_query(self, query_bundle: QueryBundle) -> Any:
        return self._embedder.embed([query_input(query_bundle)], "query")[0]

    async def _aembed_query(self, query_bundle: QueryBundle) -> Any:
        return (await self._async_embedder.embed([query_input(query_bundle)], "query"))[0]


def _inputs(nodes: Sequence[BaseNode], model: str) -> list[Any]:
    """Their texts; of those without text their images, if the model takes them."""
    return [
        image_input(node) if is_image(node, model) else node.get_content(metadata_mode=MetadataMode.EMBED)
        for node in nodes
    ]


def _with_image(embed_model: BaseEmbedding, query_bundle: QueryBundle) -> tuple[MultiModalEmbedding, str]:
    """The image of a query without text, and what embeds it."""
    if not query_bundle.image_path:
        raise JinaInputError("the query is empty: it has no text, no image_path and no embedding")
    if not isinstance(embed_model, MultiModalEmbedding):
        raise JinaInputError(f"the query is an image, and {type(embed_model).__name__} embeds texts only")
    return embed_model, query_bundle.image_path


def _nodes(hits: list[Hit]) -> list[NodeWithScore]:
    return [NodeWithScore(node=json_to_doc(hit.payload), score=hit.score) for hit in hits]
