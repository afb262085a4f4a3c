"""Writers for Haystack to an index inside the process."""

from .late_interaction_writer import JinaLateInteractionWriter

__all__ = ["JinaLateInteractionWriter"]
