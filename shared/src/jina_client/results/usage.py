"""Tokens counted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that the service counted, summed over all requests of a call.

    Attributes:
        total_tokens: what is billed.
        prompt_tokens: the part of it that was input; services that do not send it count input only, so it is the total.
        image_tokens, audio_tokens, video_tokens: the part of it that came from media, where the service says so.
    """

    total_tokens: int = 0
    prompt_tokens: int = 0
    image_tokens: int = 0
    audio_tokens: int = 0
    video_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.total_tokens + other.total_tokens,
            self.prompt_tokens + other.prompt_tokens,
            self.image_tokens + other.image_tokens,
            self.audio_tokens + other.audio_tokens,
            self.video_tokens + other.video_tokens,
        )

    def to_dict(self) -> dict[str, int]:
        """``{"prompt_tokens": …, "total_tokens": …}``, as the wire has it, and the media where there were any."""
        media = {
            "image_tokens": self.image_tokens,
            "audio_tokens": self.audio_tokens,
            "video_tokens": self.video_tokens,
        }
        counted = {name: count for name, count in media.items() if count}
        return {"prompt_tokens": self.prompt_tokens, "total_tokens": self.total_tokens, **counted}
