"""The resource ``client.web``."""

from __future__ import annotations

from typing import Any, Unpack

from ..addresses import ReaderMode, reader_root
from ..arguments import keyword_options
from ..batching import SingleCall
from ..options import GroundOptions, ReadOptions, SearchOptions
from ..protocol import ReaderRequest
from ..results import Grounding, Page, SearchResults
from .runner import AsyncRunner


class AsyncWeb:
    """Jina's reader, search and grounding services, as ``client.web``.

    Options that all three take:

    - ``no_cache``: fetch pages again instead of using the service's cache.
    - ``headers``: further headers of the reader, such as ``{"X-Wait-For-Selector": "main"}``. The dictionary is not
      changed: the key is never written into it.
    - ``plain``: request plain text instead of JSON; the result then has nothing but its text.
    - ``endpoint``: the address of a service of your own. The key goes to Jina's hosts and to the server of
      ``base_url``, and to no other.
    """

    def __init__(self, runner: AsyncRunner) -> None:
        self._runner = runner

    @keyword_options(ReadOptions)
    async def read(self, url: str, **options: Unpack[ReadOptions]) -> Page:
        """Return a web page as text.

        Args:
            url: the page's address.
            return_format: ``markdown`` (the default), ``html``, ``text``, or ``screenshot`` and ``pageshot``, whose
                address is in ``details``.
            target_selector: the CSS selector of the part to return.
            page_timeout: seconds that the service waits for the page; the client's ``timeout`` should be longer.
            with_links_summary: list the links at the end.
            **options: see the class.

        Raises:
            JinaInputError: an invalid address or option, or a client of another service without ``endpoint``.
            PaymentRequiredError: the balance is used up.
            JinaError: see :mod:`jina_client.errors`.
        """
        request = self._request("read", options)
        return await self._runner.run(SingleCall(request.encode(url), request.page))

    @keyword_options(SearchOptions)
    async def search(self, query: str, **options: Unpack[SearchOptions]) -> SearchResults:
        """Search the web, and return the pages that fit a query.

        Args:
            query: the query.
            **options: see the class; ``return_format``, ``page_timeout`` and ``with_links_summary`` as in :meth:`read`.

        Raises:
            JinaInputError: an invalid query or option, or a client of another service without ``endpoint``.
            JinaError: see :mod:`jina_client.errors`.
        """
        request = self._request("search", options)
        return await self._runner.run(SingleCall(request.encode(query), request.search_results))

    @keyword_options(GroundOptions)
    async def ground(self, statement: str, **options: Unpack[GroundOptions]) -> Grounding:
        """Check a statement against the web.

        Args:
            statement: the statement.
            **options: see the class.

        Raises:
            JinaInputError: an invalid statement or option, or a client of another service without ``endpoint``.
            JinaError: see :mod:`jina_client.errors`.
        """
        request = self._request("ground", options)
        return await self._runner.run(SingleCall(request.encode(statement), request.grounding))

    def _request(self, mode: ReaderMode, options: ReadOptions | SearchOptions | GroundOptions) -> ReaderRequest:
        rest: dict[str, Any] = {**options}
        root = reader_root(self._runner.context.root, mode, rest.pop("endpoint", None))
        return ReaderRequest.build(mode, root, **rest)
