"""The attempts at one request: what is sent, what is noted of each, and whether it is sent again."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from traceback import format_exception
from typing import TYPE_CHECKING, Any

from tenacity import AsyncRetrying, RetryCallState, Retrying, retry_if_exception

from .errors import JinaConnectionError, JinaError, JinaInputError, JinaResponseError, JinaStatusError, RateLimitError
from .observation import Attempt, tell
from .pacing import Turn, exceeded
from .planning import Job
from .policy import Wait, is_retried
from .protocol import usage_of
from .transport import Request, Response

if TYPE_CHECKING:
    from .base import BaseClient


class Exchange:
    """One request of a job, from its place in the line to its answer, as often as it takes.

    Args:
        client: whose settings, limits and dialect hold.
        job: what it belongs to.
        piece: the inputs that it carries.
        retry: whether a failure that may pass is tried again.
    """

    def __init__(self, client: BaseClient, job: Job[Any], piece: range, *, retry: bool) -> None:
        self._client = client
        self._pacer = client.pacer
        self._inputs = job.origins(piece)
        self._call = job.call(piece)
        self._tokens = job.tokens(piece)
        self._retry = retry
        self._number = 0
        self._first = time.monotonic()
        self._joined = self._begun = self._first
        self._in_line = 0.0

    def join(self, wake: Callable[[], None]) -> Turn:
        """Stand in line for the next attempt."""
        self._number += 1
        self._joined = time.monotonic()
        return self._pacer.join(self._tokens, wake, first=self._number > 1)

    def request(self) -> Request:
        """What is to be sent now. Files are read and images encoded here."""
        self._begun = time.monotonic()
        self._in_line += self._begun - self._joined
        return self._client.request(self._call)

    def answer(self, turn: Turn, response: Response) -> Any:
        """What the service says, or the exception that its answer stands for."""
        headers = {name: self._client.hide_key(value) for name, value in response.headers.items()}
        response = replace(response, headers=headers)
        try:
            found = self._client.decoded(self._call, response)
        except RateLimitError as error:
            self._pacer.refused(turn, error)
            raise
        tokens = usage_of(found).total_tokens if isinstance(found, dict) else 0
        self._pacer.answered(turn, tokens or None, response.headers)
        self._tell(tokens=tokens, request_id=response.headers.get("x-request-id", ""))
        return found

    def retrying(self, attempt: Callable[[], Any], sleep: Callable[[float], None]) -> Any:
        """Make attempts until one succeeds or is the last, whose error is raised.

        Args:
            attempt: one attempt: a turn, a request, an answer.
            sleep: waits for some seconds.
        """

        def hiding() -> Any:
            with self._hiding():
                return attempt()

        with self._noticing():
            return Retrying(sleep=sleep, **self._policy())(hiding)

    async def aretrying(self, attempt: Callable[[], Awaitable[Any]]) -> Any:
        """:meth:`retrying`, asynchronously."""

        async def hiding() -> Any:
            with self._hiding():
                return await attempt()

        with self._noticing():
            return await AsyncRetrying(**self._policy())(hiding)

    @contextmanager
    def _hiding(self) -> Iterator[None]:
        """Take the key out of errors that quote what came, in their own words or in those of their cause."""
        try:
            yield
        except (JinaConnectionError, JinaResponseError) as error:
            shown, hide = "".join(format_exception(error)), self._client.hide_key
            if hide(shown) != shown:
                error.args = tuple(hide(text) for text in error.args)
                error.__cause__ = None
            raise

    @contextmanager
    def _noticing(self) -> Iterator[None]:
        try:
            yield
        except JinaInputError:
            raise  # Nothing was sent.
        except JinaError as error:
            self._tell(error=error)
            raise

    def _policy(self) -> dict[str, Any]:
        return {
            "stop": self._is_last,
            "wait": Wait(),
            "retry": retry_if_exception(lambda error: is_retried(error, self._call.repeatable)),
            "before_sleep": self._before_sleep,
            "reraise": True,
        }

    def _is_last(self, state: RetryCallState) -> bool:
        settings = self._client.settings
        if not self._retry or state.attempt_number > settings.max_retries:
            return True
        # What was spent in line is the limits' doing, not the service's.
        spent = time.monotonic() - self._first - self._in_line
        return spent + state.upcoming_sleep > settings.retry_timeout

    def _before_sleep(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        assert isinstance(error, JinaError)
        if isinstance(error, RateLimitError) and exceeded(error)[0] != "concurrent":
            # Whatever is sent meanwhile would be refused as well.
            self._pacer.pause(state.upcoming_sleep)
        self._tell(error=error, retry_in=state.upcoming_sleep)

    def _tell(
        self, *, error: JinaError | None = None, retry_in: float | None = None, tokens: int = 0, request_id: str = ""
    ) -> None:
        if isinstance(error, JinaStatusError):
            request_id = error.request_id
        tell(
            Attempt(
                endpoint=self._call.path,
                inputs=self._inputs,
                number=self._number,
                waited=self._begun - self._joined,
                seconds=time.monotonic() - self._begun,
                error=error,
                retry_in=retry_in,
                tokens=tokens,
                request_id=request_id,
            ),
            self._client.settings.on_attempt,
        )
