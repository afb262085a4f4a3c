"""Jina's own protocol, which the other dialects change parts of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from ..errors import JinaError
from ..protocol import Call


class Dialect:
    """Jina's own protocol, as ``api.jina.ai`` and jina-on-prem speak it; the others change parts of it.

    Attributes:
        name: what ``dialect=`` takes.
        packs_bits: whether the service gives binary vectors; where it does not, they are made of floats here.
        one_kind: whether a request may hold inputs of one kind only.
    """

    name = "jina"
    packs_bits = True
    one_kind = False

    def encode(self, call: Call) -> Call:
        """What is sent for a call.

        Raises:
            JinaInputError: the service cannot be asked this.
        """
        return call

    def decode(self, call: Call, answer: Any) -> Any:
        """The answer to a call as Jina's API would have given it."""
        return answer

    def check(self, items: Sequence[Any]) -> None:
        """Look whether the service takes such inputs.

        Raises:
            JinaInputError: it does not.
        """

    def item(self, item: Any) -> Any:
        """An input that is no text, as what JSON has."""
        return item.wire()

    def dumps(self, payload: Any) -> bytes:
        """A call's payload as JSON; files are read and images encoded here.

        Raises:
            JinaInputError: a file has gone since, or an image cannot be read.
        """
        try:
            return orjson.dumps(payload, default=self.item)
        except orjson.JSONEncodeError as error:
            if isinstance(error.__cause__, JinaError):
                raise error.__cause__ from None
            raise
