"""What the writer and the retriever of late interaction have in common: a folder and a model."""

from __future__ import annotations

from pathlib import Path

from haystack.utils import Secret
from jina_client import AsyncJinaClient, JinaArgumentError, JinaClient
from jina_client.index import MultiVectorIndex
from jina_client.index.originals import Originals
from jina_client.index.store import FirstStage
from jina_client.integration import AsyncMultiVectorEmbedder, ConnectionOptions, MultiVectorEmbedder
from jina_client.retrieval import IndexFolder

from .component import JinaComponent
from .connection import ComponentConnection


class LateInteractionComponent(JinaComponent):
    """A model of one vector a token, and the folder of an index of them."""

    def _set_up(
        self,
        path: str | Path,
        api_key: Secret,
        model: str,
        *,
        dimensions: int | None,
        originals: Originals | None = None,
        first_stage: FirstStage | None = None,
        read_only: bool = False,
        client: JinaClient | AsyncJinaClient | None,
        options: ConnectionOptions,
    ) -> None:
        """What `__init__` does in both; Haystack makes a component a class anew, in which `super()` does not work."""
        if not isinstance(path, (str, Path)) or not str(path):
            raise JinaArgumentError(f"path must be the index's folder, got {path!r}")
        self.path = str(path)
        self.api_key = api_key
        self.model_name = model
        self.dimensions = dimensions
        self._folder = IndexFolder(
            MultiVectorIndex,
            self.path,
            model=model,
            read_only=read_only,
            originals=originals,
            first_stage=first_stage,
        )
        self._connection = ComponentConnection(api_key, client, options)

    def close(self) -> None:
        """Close the index and the connections of `run`; a later run opens them anew."""
        self._folder.close()
        super().close()

    def _embedder(self) -> MultiVectorEmbedder:
        return MultiVectorEmbedder(self._connection.open(), self.model_name, dimensions=self.dimensions)

    def _async_embedder(self) -> AsyncMultiVectorEmbedder:
        return AsyncMultiVectorEmbedder(self._connection.open(), self.model_name, dimensions=self.dimensions)
