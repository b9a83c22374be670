"""What a method costs, counted in pictures shown to networks: its card says it, a counter in the tests measures it.

Sizes of the task flow in, passes flow out; nothing is timed here.
"""

from __future__ import annotations

from dataclasses import dataclass

from expunge.methods.phases import planned_steps
from expunge.types import TrainRecipe


@dataclass(frozen=True)
class Sizes:
    """Numbers of pictures in the sets that a method may read, and how the original was trained, where that is known."""

    retain: int
    forget: int
    tuning: int
    recipe: TrainRecipe | None = None


@dataclass(frozen=True)
class Passes:
    """Pictures times passes, over all networks involved (the model itself, teachers).

    Args:
        forward: forward passes, those of training steps and of probes included.
        backward: backward passes into parameters.
        inputs: backward passes into pictures alone.

    The one picture by which the layers of a network are found is not counted.

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


def steps_of(pictures: int, batch_size: int, epochs: float) -> int:
    """Optimizer steps of a phase of `epochs` passes over `pictures`, as the engine plans them.

    Example:
        >>> steps_of(100, 64, 2.0), steps_of(10, 64, 1.0)
        (3, 1)
    """
    return planned_steps(epochs, pictures, min(batch_size, pictures))


def shown_in(pictures: int, batch_size: int, epochs: float) -> int:
    """Pictures shown in these steps."""
    return steps_of(pictures, batch_size, epochs) * min(batch_size, pictures)


def looks_in(steps: int, every: int, *, start: int = 0) -> int:
    """How often a probe measures in a phase of so many steps that is not stopped: the look after the last one included;
    0 where it never does.

    Example:
        >>> looks_in(10, 5), looks_in(11, 5), looks_in(10, 5, start=1)
        (3, 4, 3)
    """
    if not every:
        return 0
    return len(range(start, steps, every)) + 1


def training(pictures: int, batch_size: int, epochs: float) -> Passes:
    """Plain training: every picture that is shown goes forward and backward once."""
    shown = shown_in(pictures, batch_size, epochs)
    return Passes(forward=shown, backward=shown)
