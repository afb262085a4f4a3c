"""A tool whose output keeps the sources of its text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from llama_index.core.tools import FunctionTool, ToolOutput


@dataclass(frozen=True)
class SourcedText:
    """The result of a tool's function.

    Attributes:
        text: the text for the language model.
        sources: the documents or nodes that it was made from.
        failed: whether the call failed; the text then says what to try instead.
    """

    text: str
    sources: list[Any] = field(default_factory=list, repr=False)
    failed: bool = False

    def __str__(self) -> str:
        return self.text


class SourcedTool(FunctionTool):
    """A tool of a function that returns :class:`SourcedText`.

    The output's content is the text, its ``raw_output`` the sources, and its ``is_error`` whether the call failed.
    """

    def call(self, *args: Any, **kwargs: Any) -> ToolOutput:
        """Call the tool."""
        return _output(super().call(*args, **kwargs))

    async def acall(self, *args: Any, **kwargs: Any) -> ToolOutput:
        """Call the tool, asynchronously."""
        return _output(await super().acall(*args, **kwargs))


def _output(output: ToolOutput) -> ToolOutput:
    result = output.raw_output
    output.raw_output, output.is_error = result.sources, result.failed
    return output
