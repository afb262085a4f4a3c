"""The asynchronous client. ``tools/generate.py`` generates the synchronous one from it: :mod:`jina_client._sync`."""
