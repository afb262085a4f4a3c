"""Writers for Haystack of an index in the process."""

from .late_interaction_writer import JinaLateInteractionWriter

__all__ = ["JinaLateInteractionWriter"]
