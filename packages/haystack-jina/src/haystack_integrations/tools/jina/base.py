"""The parts that all tools share: their output, and how they are saved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from haystack import Document
from haystack.core.serialization import generate_qualified_class_name
from haystack.tools.tool import Tool
from haystack.utils import deserialize_callable, serialize_callable
from jina_client.integration import ToolResult, check_output_tokens
from pydantic import BaseModel


class JinaTool(Tool):
    """A tool that returns `text` for the language model, and `documents` with the sources of the text.

    A subclass defines `_saved` and `_loaded`.
    """

    def __init__(
        self,
        function: Callable[..., dict[str, Any]],
        async_function: Callable[..., Any],
        arguments: type[BaseModel],
        max_output_tokens: int,
        **fields: Any,
    ) -> None:
        """Create a tool.

        :param function: The function that makes the output.
        :param async_function: The same, asynchronously.
        :param arguments: The arguments that the language model passes.
        :param max_output_tokens: Limit of the text, in estimated tokens.
        :param fields: Those of `haystack.tools.Tool`.
        """
        check_output_tokens(max_output_tokens)
        self.max_output_tokens = max_output_tokens
        super().__init__(
            function=function,
            async_function=async_function,
            parameters=arguments.model_json_schema(),
            outputs_to_string={"source": "text"},
            **fields,
        )

    def to_dict(self) -> dict[str, Any]:
        """Serialize the tool. The key is saved as a reference, never as its value.

        :returns: A dictionary for `from_dict`.
        """
        data = {
            "name": self.name,
            "description": self.description,
            "max_output_tokens": self.max_output_tokens,
            "inputs_from_state": self.inputs_from_state,
            "outputs_to_state": _with_handlers(self.outputs_to_state, serialize_callable),
            **self._saved(),
        }
        return {"type": generate_qualified_class_name(type(self)), "data": data}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Deserialize the tool.

        :param data: The output of `to_dict`.
        :returns: The tool.
        """
        arguments = dict(data["data"])
        arguments["outputs_to_state"] = _with_handlers(arguments.get("outputs_to_state"), deserialize_callable)
        return cls(**cls._loaded(arguments))

    def _get_valid_outputs(self) -> set[str]:
        return {"text", "documents"}

    def _saved(self) -> dict[str, Any]:
        """Return the subclass's own arguments in the form that is saved."""
        raise NotImplementedError

    @classmethod
    def _loaded(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return saved arguments as the constructor takes them."""
        raise NotImplementedError


def web_output(result: ToolResult) -> dict[str, Any]:
    """Return the output for a result of the web.

    :param result: The result.
    :returns: `text` and `documents`; the documents of a failed call are an empty list.
    """
    documents = [
        Document(content=page.content, meta={"url": page.url, "title": page.title, "description": page.description})
        for page in result.pages
    ]
    return {"text": result.text, "documents": documents}


def _with_handlers(
    outputs_to_state: dict[str, dict[str, Any]] | None, convert: Callable[[Any], Any]
) -> dict[str, dict[str, Any]] | None:
    """Return `outputs_to_state` with its functions as names, or the reverse."""
    if outputs_to_state is None:
        return None
    return {
        key: {**output, "handler": convert(output["handler"])} if "handler" in output else output
        for key, output in outputs_to_state.items()
    }
