"""The asynchronous client. ``tools/generate.py`` makes the synchronous one of it, in :mod:`jina_client._sync`."""
