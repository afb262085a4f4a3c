"""The commands of ``jina-jobs``."""
