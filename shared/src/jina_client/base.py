"""What the synchronous and the asynchronous client have in common: settings, requests, answers, and no sending."""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from typing import Any, Self

from .arguments import known_arguments
from .cache import EmbeddingCache
from .dialects import DIALECTS, Dialect
from .errors import error_from_response
from .observation import OnAttempt
from .pacing import Pacer
from .planning import REQUEST_TOKENS
from .protocol import Call, parse
from .protocol.answers import parse_lines
from .protocol.reader import read_answer
from .results import Usage
from .service import Service
from .settings import Settings
from .transport import AsyncTransport, Request, Response, Transport
from .version import __version__

_SHORTEST_KEY = 4


class BaseClient(ABC):
    """All of a client but the sending. A pickle holds its settings; the copy opens connections of its own."""

    settings: Settings
    dialect: Dialect

    @known_arguments()
    def __init__(
        self,
        api_key: Any = None,
        base_url: str | None = None,
        timeout: float = 60.0,
        max_retries: int = 4,
        retry_timeout: float = 300.0,
        max_concurrency: int = 8,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        dialect: str | None = None,
        cache: str | os.PathLike[str] | EmbeddingCache | None = None,
        on_attempt: OnAttempt | None = None,
        transport: Transport | AsyncTransport | None = None,
    ) -> None:
        settings = Settings.resolve(
            api_key=api_key,
            base_url=base_url,
            timeout=timeout,
            max_retries=max_retries,
            retry_timeout=retry_timeout,
            max_concurrency=max_concurrency,
            requests_per_minute=requests_per_minute,
            tokens_per_minute=tokens_per_minute,
            dialect=dialect,
            cache=cache,
            on_attempt=on_attempt,
            transport=transport,
        )
        self.__setstate__(settings)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """A client with the settings of another, which may be of the other kind."""
        client = cls.__new__(cls)
        client.__setstate__(settings)
        return client

    def __getstate__(self) -> Settings:
        return self.settings

    def __setstate__(self, settings: Settings) -> None:
        self.settings = settings
        self._counting = threading.Lock()
        self._usage = Usage()
        self.dialect = DIALECTS[settings.dialect]()
        self._paced: tuple[int, Pacer] | None = None
        self._open()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self.settings.base_url!r})"

    @property
    def usage(self) -> Usage:
        """The tokens of all calls of this client so far, failed ones included as far as they were answered."""
        return self._usage

    @property
    def pacer(self) -> Pacer:
        """The line that this client's requests stand in; a forked child has one of its own."""
        if self._paced is None or self._paced[0] != os.getpid():
            with self._counting:
                if self._paced is None or self._paced[0] != os.getpid():
                    settings = self.settings
                    pacer = Pacer(settings.requests_per_minute, settings.tokens_per_minute, settings.max_concurrency)
                    self._paced = os.getpid(), pacer
        return self._paced[1]

    @property
    def service(self) -> Service:
        """What the planning of a call needs to know."""
        request_tokens = min(REQUEST_TOKENS, self.settings.tokens_per_minute or REQUEST_TOKENS)
        return Service(self.settings.base_url, self.dialect, request_tokens, self.settings.cache)

    @abstractmethod
    def _open(self) -> None:
        """Make the transport and what bounds its use."""

    def _count(self, usage: Usage) -> None:
        with self._counting:
            self._usage += usage

    def request(self, call: Call) -> Request:
        """The HTTP request for a call, in the service's own dialect."""
        said = call if call.url else self.dialect.encode(call)
        url = call.url or self.settings.url(said.path)
        headers = {
            "Accept": "text/plain" if call.plain else "application/json",
            "Accept-Encoding": "gzip, deflate" if said.compress else "identity",
            "User-Agent": f"jina-client/{__version__}",
        }
        body = b""
        if said.payload is not None:
            headers["Content-Type"] = "application/json"
            body = self.dialect.dumps(said.payload)
        if self.settings.api_key is not None and (call.url is None or self.settings.trusts(call.url)):
            headers["Authorization"] = f"Bearer {self.settings.api_key.reveal()}"
        taken = {name.lower() for name in headers}
        further = {name: value for name, value in call.headers.items() if name.lower() not in taken}
        return Request(said.method, url, {**further, **headers}, body, self.settings.timeout)

    def hide_key(self, text: str) -> str:
        """A text of the service's, or that quotes it, without the key, which some services repeat."""
        key = self.settings.api_key
        # A shorter one, as a test may have, is no secret and stands in ordinary words.
        return text.replace(key.reveal(), "**********") if key and len(key.reveal()) >= _SHORTEST_KEY else text

    def decoded(self, call: Call, response: Response) -> Any:
        """What an answer says, as Jina's API says it, or the exception that its status stands for."""
        if 200 <= response.status < 300:
            if call.url is not None:
                return read_answer(call, response.body, response.headers)
            if call.lines:
                return parse_lines(response.body)
            if call.method == "DELETE" and not response.body:
                return {}
            return self.dialect.decode(call, parse(response.body))
        secrets = [self.settings.api_key.reveal()] if self.settings.api_key else []
        raise error_from_response(response.status, response.body, response.headers, secrets=secrets)
