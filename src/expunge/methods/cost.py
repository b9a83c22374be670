"""What a method costs, counted in pictures shown to networks: its card says it, a counter in the tests measures it.

Sizes of the task flow in, passes flow out; nothing is timed here.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """Numbers of pictures in the sets that a method may read."""

    retain: int
    forget: int
    tuning: int


@dataclass(frozen=True)
class Passes:
    """Pictures times passes, over all networks involved (the model itself, teachers).

    Args:
        forward: forward passes, those of training steps and of probes included.
        backward: backward passes into parameters.
        inputs: backward passes into pictures alone.

    Example:
        >>> one_epoch = Passes(forward=100, backward=100)
        >>> one_epoch.epochs(100), (one_epoch + Passes(forward=300)).epochs(100)
        (1.0, 2.0)
    """

    forward: float = 0.0
    backward: float = 0.0
    inputs: float = 0.0

    def __add__(self, other: Passes) -> Passes:
        return Passes(self.forward + other.forward, self.backward + other.backward, self.inputs + other.inputs)

    def epochs(self, retain: int) -> float:
        """The same in epoch-equivalents: passes of one plain training epoch over `retain` pictures.

        A backward pass into parameters counts as two forward passes (gradients of weights and of activations), one
        into pictures alone as one, so that a training step is three.
        """
        return (self.forward + 2 * self.backward + self.inputs) / (3 * retain)
