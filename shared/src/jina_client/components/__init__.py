"""Shared parts of the frameworks' components: both clients of one configuration, roles, groups of chunks.

The components themselves are in :mod:`jina_client._async.components` and, generated from it, in
:mod:`jina_client._sync.components`.
"""
