"""The parts that both retrievers share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from jina_index import Hit, IndexFolder, IndexRetriever, VectorEncoder
from llama_index.core import Settings
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.callbacks import CallbackManager
from llama_index.core.ingestion import run_transformations
from llama_index.core.schema import BaseNode, Document, NodeWithScore, QueryBundle
from llama_index.core.storage.docstore.utils import doc_to_json, json_to_doc
from llama_index.embeddings.jinaai.images import checked_nodes


class NodeRetriever(BaseRetriever):
    """The parts that both retrievers share. A subclass turns nodes and queries into what its encoder takes."""

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
        """Make a retriever and add nodes to it.

        Args:
            nodes: the nodes, added to those that ``path`` may hold already.
            *arguments: positional arguments of the class.
            **options: keyword arguments of the class.
        """
        retriever = cls(*arguments, **options)
        retriever.add_nodes(nodes)
        return retriever

    @classmethod
    def from_documents(cls, documents: Sequence[Document], *arguments: Any, **options: Any) -> Self:
        """Make a retriever, split documents with LlamaIndex's ``Settings.transformations``, and add the nodes.

        Args:
            documents: the documents.
            *arguments: positional arguments of the class.
            **options: keyword arguments of the class.
        """
        return cls.from_nodes(run_transformations(list(documents), Settings.transformations), *arguments, **options)

    @classmethod
    async def afrom_nodes(cls, nodes: Sequence[BaseNode], *arguments: Any, **options: Any) -> Self:
        """Make a retriever and add nodes to it, like :meth:`from_nodes`."""
        retriever = cls(*arguments, **options)
        await retriever.aadd_nodes(nodes)
        return retriever

    @classmethod
    def from_persist_dir(cls, persist_dir: str | Path, *arguments: Any, **options: Any) -> Self:
        """Open the retriever of an existing index.

        Args:
            persist_dir: the index folder.
            *arguments: positional arguments of the class.
            **options: keyword arguments of the class.

        Raises:
            IndexFileError: the folder holds no index, damaged files, or files that another process has open.
            JinaInputError: the index holds vectors of another model.
        """
        retriever = cls(*arguments, **{**options, "path": persist_dir})
        retriever._folder.open()
        return retriever

    def add_nodes(self, nodes: Sequence[BaseNode]) -> list[str]:
        """Embed and add nodes, which are on disk when the method returns.

        Args:
            nodes: the nodes; one replaces the node of the index with the same id. Metadata is stored as JSON: datetimes
                become strings in ISO format.

        Returns:
            Their ids.

        Raises:
            JinaInputError: the retriever is read-only, two nodes have the same id, or a node cannot be embedded or
                stored.
            JinaError: embedding failed; then nothing was added.
        """
        ids, payloads = _parts(checked_nodes(nodes))
        self._index().add(ids, self._inputs(nodes), payloads)
        return ids

    async def aadd_nodes(self, nodes: Sequence[BaseNode]) -> list[str]:
        """Embed and add nodes, like :meth:`add_nodes`."""
        ids, payloads = _parts(checked_nodes(nodes))
        await self._index().aadd(ids, self._inputs(nodes), payloads)
        return ids

    def delete_nodes(self, node_ids: Sequence[str]) -> int:
        """Remove nodes. Ids that are not in the index are ignored.

        Args:
            node_ids: the ids of the nodes.

        Returns:
            The number of removed nodes.

        Raises:
            JinaInputError: the retriever is read-only.
        """
        return self._folder.remove(node_ids)

    def persist(self, persist_dir: str | Path) -> None:
        """Write a copy of the index to another folder. The retriever's own ``path`` needs no saving.

        Args:
            persist_dir: the folder; an index in it is replaced.

        Raises:
            JinaInputError: nothing was added yet.
        """
        self._folder.save(persist_dir)

    def close(self) -> None:
        """Release the index files; a later call opens them again."""
        self._folder.close()

    def __len__(self) -> int:
        return len(self._folder)

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return _nodes(self._index().search(self._query(query_bundle), *self._search_options()))

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return _nodes(await self._index().asearch(self._query(query_bundle), *self._search_options()))

    def _index(self) -> IndexRetriever:
        # Made for each call, because the attributes may change.
        return IndexRetriever(self._folder, self._encoder())

    def _search_options(self) -> tuple[int, float, int | None]:
        """Return the number of results, the oversampling, and the number of cells to search."""
        return self.similarity_top_k, self.oversampling, None

    def _inputs(self, nodes: Sequence[BaseNode]) -> Sequence[Any]:
        """Return nodes in the form that the encoder takes."""
        return nodes

    def _query(self, query_bundle: QueryBundle) -> Any:
        """Return a query in the form that the encoder takes."""
        return query_bundle

    @abstractmethod
    def _encoder(self) -> VectorEncoder: ...


def _parts(nodes: Sequence[BaseNode]) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the ids and payloads of nodes."""
    payloads = [doc_to_json(node.model_copy(update={"embedding": None})) for node in nodes]
    return [node.node_id for node in nodes], payloads


def _nodes(hits: list[Hit]) -> list[NodeWithScore]:
    return [NodeWithScore(node=json_to_doc(hit.payload), score=hit.score) for hit in hits]
