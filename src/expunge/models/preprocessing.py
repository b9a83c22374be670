"""What happens to pictures before a network sees them, as plain numbers that travel with the model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Preprocessing:
    """What happens to a picture before the network sees it.

    Args:
        size: height and width in pixels.
        mean, std: per channel, in units of 0..1; their length is the number of channels.
    """

    size: tuple[int, int]
    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    std: tuple[float, ...] = (0.5, 0.5, 0.5)

    @property
    def channels(self) -> int:
        """Colour channels the network takes."""
        return len(self.mean)
