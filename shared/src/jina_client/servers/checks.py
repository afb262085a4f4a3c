"""Checks that several servers offer the same, because their vectors are mixed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from ..addresses import host_of
from ..errors import JinaInputError, JinaResponseError
from ..models import canonical_id
from ..protocol import Call

# Endpoints of what one server keeps and the others do not have.
_STATEFUL = ("batch", "batches", "classifiers", "train")


class ServerChecks:
    """Compares the servers of one client. Every method may be called from any thread.

    The first request of a client asks each server for its models, once. The other requests wait until it has.

    Args:
        addresses: the root of each server's API.
    """

    def __init__(self, addresses: Sequence[str]) -> None:
        self.addresses = addresses
        self._lock = threading.Lock()
        self._is_claimed = self._is_done = False
        self._held_up: list[Callable[[], None]] = []
        self._models: dict[str, frozenset[str]] = {}
        self._lengths: dict[Any, tuple[int, str]] = {}

    def claim(self) -> bool:
        """Return whether the caller is the one who asks the servers, and must call :meth:`finish`."""
        with self._lock:
            is_first, self._is_claimed = not self._is_claimed, True
        return is_first

    def finish(self, models: dict[str, frozenset[str]]) -> None:
        """Take the ids of the models by address, and let all requests go on.

        Args:
            models: without the servers that did not say.
        """
        with self._lock:
            self._models = models
            self._is_done = True
            held_up, self._held_up = self._held_up, []
        for wake in held_up:
            wake()

    def holds_up(self, wake: Callable[[], None]) -> bool:
        """Return whether a request must wait for the servers' models; ``wake`` tells when they have come."""
        if self._is_done:
            return False
        with self._lock:
            if not self._is_done:
                self._held_up.append(wake)
            return not self._is_done

    def check(self, call: Call) -> None:
        """Raise if several servers cannot serve a call, or are known to differ in its model.

        Raises:
            JinaInputError: a call that belongs to one server, or a model that only some of the servers have.
        """
        payload = call.payload or {}
        endpoint = call.path.partition("/")[0].partition("?")[0]
        if call.url is not None or endpoint in _STATEFUL or "classifier_id" in payload:
            what = "classifier_id=" if "classifier_id" in payload else f"the endpoint {endpoint}"
            raise JinaInputError(
                f"{what} needs a client with one address, because the servers of base_url= share no jobs and no "
                f"classifiers (it has {', '.join(map(host_of, self.addresses))}): pass one of them"
            )
        model = payload.get("model")
        if not isinstance(model, str):
            return
        without = [address for address, models in self._models.items() if canonical_id(model) not in models]
        if without and len(without) < len(self._models):
            server = without[0]
            offered = ", ".join(sorted(self._models[server])[:5]) or "none"
            raise JinaInputError(
                f"the server {host_of(server)} of base_url= does not offer model={model!r}, and others of the list do "
                f"(it offers: {offered}): all of them must serve the same model"
            )

    def check_response(self, call: Call, response: Any, address: str) -> None:
        """Raise if the vectors of a response have another length than those of an earlier response.

        Args:
            call: the call.
            response: the response as Jina's API spells it.
            address: the server that sent it.

        Raises:
            JinaResponseError: vectors of another length.
        """
        items = response.get("data") if call.vectors and isinstance(response, dict) else None
        first = items[0] if isinstance(items, list) and items else None
        vector = first.get("embedding") if isinstance(first, dict) else None
        if not hasattr(vector, "__len__"):
            return
        options = {name: value for name, value in (call.payload or {}).items() if name != "input"}
        # Vectors in base64 are compared with vectors in base64 only.
        key = (type(vector) is list, repr(sorted(options.items(), key=repr)))
        length, other = self._lengths.setdefault(key, (len(vector), address))  # type: ignore[arg-type]
        if len(vector) != length:  # type: ignore[arg-type]
            raise JinaResponseError(
                f"the vectors have another length than those of {host_of(other)}: "
                "all servers of base_url= must serve the same model"
            )
