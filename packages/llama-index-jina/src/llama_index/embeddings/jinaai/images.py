"""The images of LlamaIndex's nodes and of other types, as inputs of the client."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jina_client import JinaInputError
from jina_client.integration import takes_images
from llama_index.core.schema import BaseNode, ImageNode, MediaResource, MetadataMode, Node, QueryBundle

_SHOWN = 200


def image_of(node: BaseNode) -> Any:
    """Return the image of a node as base64, a path or a URL, without reading it; ``None`` if it has no image."""
    if isinstance(node, ImageNode):
        url = str(node.image_url) if node.image_url else None
        return node.image or node.image_path or url
    if isinstance(node, Node) and node.image_resource is not None:
        return _from_resource(node.image_resource)
    return None


def checked_nodes(nodes: Sequence[BaseNode]) -> Sequence[BaseNode]:
    """Return nodes, after checking their type.

    Raises:
        JinaInputError: the argument is not a list, or an item is not a node.
    """
    if isinstance(nodes, str) or not isinstance(nodes, Sequence):
        raise JinaInputError(f"nodes must be a list, got {type(nodes).__name__}")
    for place, node in enumerate(nodes):
        if not isinstance(node, BaseNode):
            raise JinaInputError(f"nodes[{place}] must be a node, got {type(node).__name__}")
    return nodes


def is_image(node: BaseNode, model: str) -> bool:
    """Return True if a node is embedded by its image: it has an image and no text, and the model takes images.

    Raises:
        JinaInputError: it has an image and neither text nor metadata, and the model is not known to take images.
    """
    if image_of(node) is None or node.get_content(MetadataMode.NONE).strip():
        return False
    if not takes_images(model) and not node.get_content(MetadataMode.EMBED):
        raise JinaInputError(f"node {node.node_id} has an image and no text, and {model} is not known to take images")
    return takes_images(model)


def query_input(query: QueryBundle) -> Any:
    """Return a query as an input of the client: its text, or its image if it has no text."""
    return image_input(query.image_path) if query.image_path and not query.query_str else query.query_str


def image_input(source: Any) -> dict[str, Any]:
    """Return an image as an input of the client.

    Args:
        source: a node with an image, a ``MediaResource``, or any value that :class:`jina_client.media.Media` accepts: a
            path, a URL, a data URI or base64 as string, a ``Path``, bytes, a binary file or a PIL image.

    Raises:
        JinaInputError: a node without an image.
    """
    value = source
    if isinstance(source, (BaseNode, MediaResource)):
        value = image_of(source) if isinstance(source, BaseNode) else _from_resource(source)
        if value is None:
            name = f" {source.node_id}" if isinstance(source, BaseNode) else ""
            raise JinaInputError(f"{type(source).__name__}{name} has no image")
    return {"image": value}


def name_of(source: Any) -> str:
    """Return the name of an image for events, which contain no pixels: its path or address, otherwise its type."""
    value = image_of(source) if isinstance(source, BaseNode) else source
    if isinstance(value, str) and len(value) > _SHOWN:
        return f"{value[:_SHOWN]}…"
    if isinstance(value, (str, Path)):
        return str(value)
    return f"<{type(value).__name__}>"


def _from_resource(resource: MediaResource) -> Any:
    if resource.data is not None:
        # LlamaIndex converts every value to base64.
        return base64.b64decode(resource.data)
    return resource.path or (str(resource.url) if resource.url is not None else None)
