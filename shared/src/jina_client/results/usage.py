"""Token counts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens counted by the service, summed over all requests of a call.

    Attributes:
        total_tokens: the tokens that are billed.
        prompt_tokens: the tokens of the input; the total if the service does not send this count.
        image_tokens, audio_tokens, video_tokens: the tokens of media; 0 if the service does not send these counts.
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
        """Return the counts in the form of Jina's API; those of media only if they are not 0."""
        media = {
            "image_tokens": self.image_tokens,
            "audio_tokens": self.audio_tokens,
            "video_tokens": self.video_tokens,
        }
        nonzero = {name: count for name, count in media.items() if count}
        return {"prompt_tokens": self.prompt_tokens, "total_tokens": self.total_tokens, **nonzero}
