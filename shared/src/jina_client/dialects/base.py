"""Jina's own protocol, the base of the other dialects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import orjson

from ..errors import JinaError
from ..protocol import Call

DEFAULTS: Mapping[str, bool] = {"normalized": True, "truncate": False, "return_documents": False}
"""Values that other services use without being told. Dialects leave these fields out."""


class Dialect:
    """Jina's own protocol, as ``api.jina.ai`` and Jina's on-prem server speak it.

    Attributes:
        name: the value of ``dialect=``.
        packs_bits: whether the service returns binary vectors; otherwise the client makes them from floats.
        one_kind: whether all inputs of a request must be of the same kind, such as text.
    """

    name: ClassVar[str] = "jina"
    packs_bits: ClassVar[bool] = True
    one_kind: ClassVar[bool] = False

    def encode(self, call: Call) -> Call:
        """Translate a call into the form that the service expects.

        Raises:
            JinaInputError: the service does not support the call or one of its fields.
        """
        return call

    def decode(self, call: Call, response: Any) -> Any:
        """Translate the JSON of a response into the form of Jina's API.

        Raises:
            JinaResponseError: the response does not have the service's form.
        """
        return response

    def check(self, items: Sequence[Any]) -> None:
        """Raise unless the service accepts inputs of these kinds.

        Raises:
            JinaInputError: an input of another kind, named by its index.
        """

    def item(self, item: Any) -> Any:
        """Return the JSON value of an input that is not a text."""
        return item.wire()

    def dumps(self, payload: Any) -> bytes:
        """Serialize a call's payload to JSON. This reads files and encodes images.

        Raises:
            JinaInputError: a file no longer exists, or an image cannot be read.
        """
        try:
            return orjson.dumps(payload, default=self.item)
        except orjson.JSONEncodeError as error:
            if isinstance(error.__cause__, JinaError):
                raise error.__cause__ from None
            raise


def without_defaults(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return a payload without the fields whose value is the service's default."""
    return {name: value for name, value in payload.items() if name not in DEFAULTS or value is not DEFAULTS[name]}
