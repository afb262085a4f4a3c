"""Shared parts of the frameworks' components, which are in ``_async/components.py``."""
