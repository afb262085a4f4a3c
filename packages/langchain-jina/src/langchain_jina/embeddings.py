"""Jina AI's embedding models as LangChain embeddings."""

from __future__ import annotations

from jina_client.components import Embedder
from langchain_core.embeddings import Embeddings
from pydantic import AliasChoices, Field

from .connection import JinaConnection


class JinaEmbeddings(JinaConnection, Embeddings):
    """Text embeddings by Jina AI's models.

    Queries and documents are embedded with the task that the model has for each, from this one object.

    Example:
        >>> from langchain_jina import JinaEmbeddings
        >>> embeddings = JinaEmbeddings(model="jina-embeddings-v3", base_url="local")
        >>> len(embeddings.embed_query("Where does the cat sleep?"))
        1024

    Raises:
        JinaInputError: an unknown argument or a value of the wrong type; a missing key when it is first needed.
    """

    model_name: str = Field(default="jina-embeddings-v2-base-en", validation_alias=AliasChoices("model_name", "model"))
    """The model, also taken as ``model``. The default is that of ``langchain_community``, for stored vectors."""
    task: str | None = None
    """One task for queries and documents alike, such as ``text-matching``; by default each has its own."""
    query_task: str | None = None
    """The task for queries; by default the model's, such as ``retrieval.query``."""
    document_task: str | None = None
    """The task for documents; by default the model's, such as ``retrieval.passage``."""
    dimensions: int | None = None
    """The length of the vectors (Matryoshka); by default the model's full length."""
    normalized: bool | None = None
    """Scale vectors to length 1; by default yes, where the model takes the option."""
    truncate: bool | None = None
    """Cut texts longer than the model's context; by default the service refuses them."""
    batch_size: int | None = None
    """Texts in one request, at most 512; 128 by default."""
    show_progress: bool = False
    """Show a progress bar while documents are embedded."""

    @property
    def model(self) -> str:
        """The model."""
        return self.model_name

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """One vector for each text, as a document."""
        return self._embedder().embed(texts, "document", show_progress=self.show_progress).tolist()

    def embed_query(self, text: str) -> list[float]:
        """The vector of one text, as a query."""
        return self._embedder().embed([text], "query").tolist()[0]

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """One vector for each text, as a document."""
        result = await self._embedder().aembed(texts, "document", show_progress=self.show_progress)
        return result.tolist()

    async def aembed_query(self, text: str) -> list[float]:
        """The vector of one text, as a query."""
        return (await self._embedder().aembed([text], "query")).tolist()[0]

    def _embedder(self) -> Embedder:
        return Embedder(
            self._connection(),
            self.model_name,
            task=self.task,
            query_task=self.query_task,
            document_task=self.document_task,
            dimensions=self.dimensions,
            normalized=self.normalized,
            truncate=self.truncate,
            batch_size=self.batch_size,
        )
