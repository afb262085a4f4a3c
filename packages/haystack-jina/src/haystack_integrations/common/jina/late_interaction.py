"""The parts that the writer and the retriever of late interaction share: an index folder and a model."""

from __future__ import annotations

from pathlib import Path

from haystack.utils import Secret
from jina_client import AsyncJinaClient, JinaArgumentError, JinaClient
from jina_client.integration import ConnectionOptions, check_multi_vector_embedder

from .component import JinaComponent
from .connection import CLASSES, ComponentConnection
from .index import (
    FirstStage,
    IndexFolder,
    IndexRetriever,
    IndexUser,
    LateInteractionEncoder,
    MultiVectorIndex,
    StoredPrecision,
)


class LateInteractionComponent(IndexUser, JinaComponent):
    """A component with a late-interaction model and the folder of a multi-vector index."""

    def _set_up(
        self,
        path: str | Path,
        api_key: Secret,
        model: str,
        *,
        dimensions: int | None,
        stored: StoredPrecision | None = None,
        first_stage: FirstStage | None = None,
        read_only: bool = False,
        client: JinaClient | AsyncJinaClient | None,
        options: ConnectionOptions,
    ) -> None:
        """Set the attributes that both components have.

        It is not called `__init__`, because `super()` does not work in the class that Haystack's decorator makes.
        """
        if not isinstance(path, (str, Path)) or not str(path):
            raise JinaArgumentError(f"path must be the index's folder, got {path!r}; pass a path such as 'index'")
        self.path = str(path)
        self.api_key = api_key
        self.model_name = model
        self.dimensions = dimensions
        self._folder = IndexFolder(
            MultiVectorIndex,
            self.path,
            model=model,
            read_only=read_only,
            stored=stored,
            first_stage=first_stage,
        )
        self._connection = ComponentConnection(api_key, client, options)
        check_multi_vector_embedder(model, self._connection.service, CLASSES, dimensions=dimensions)

    def close(self) -> None:
        """Release the index files and the connections of `run`; a later run opens them again."""
        self._folder.close()
        super().close()

    def _index(self) -> IndexRetriever:
        encoder = LateInteractionEncoder(self._connection.open(), self.model_name, dimensions=self.dimensions)
        return IndexRetriever(self._folder, encoder)
