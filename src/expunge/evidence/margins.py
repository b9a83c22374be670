"""What counts as close enough to retraining, audit by audit, and why: the table that a verdict is made from.

Margins are a convention, set before the pairs that docs/audits.md counts were judged; on erased pictures they are less
than what untouched models show there. Whoever disagrees hands in others. Divergence of answers is judged to catch
models that differ otherwise: it hardly sees forgetting. Measures that restate one of these in other words (NoMUS,
forgetting score, attacks on other readings of the same answer) are not judged a second time; those that say nothing
about forgetting (calibration, likeness to an untrained network), or something about a method and not about one model
(KLoM, epsilon), are not judged at all.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Margin:
    """What one audit must show.

    Args:
        name, splits: of the audit rows that are judged.
        margin: a gap to retraining that is proved to be smaller counts as none, in the row's unit. Of less than half
            of it no model is called distinguishable, however sure the gap is.
        floor: standard deviation between retrained models that is assumed at the least, in the row's unit.
        why: reason for the margin.
        above, below: what a gap in that direction means; "" where it does no harm.
    """

    name: str
    splits: tuple[str, ...]
    margin: float
    floor: float
    why: str
    above: str
    below: str


REMEMBERS = "It still remembers erased pictures."
OVERDONE = "It is conspicuously bad on erased pictures (over-forgetting), which gives away who was erased."
UNLIKE = "Its answers differ from a retrained model's."

ATTACKED = "forget-vs-reporting"
THREE = "three right guesses in a hundred beyond what retraining leaves to an attacker"
FIVE = "five right guesses in a hundred for an attacker who holds a retrained model, which no real one does"


def _attack(name: str, splits: tuple[str, ...], margin: float, floor: float, why: str) -> Margin:
    return Margin(name, splits, margin, floor, why, above=REMEMBERS, below=OVERDONE)


MARGINS: tuple[Margin, ...] = (
    Margin(
        "accuracy",
        ("forget",),
        margin=0.05,
        floor=0.01,
        why="one picture in twenty",
        above=REMEMBERS,
        below=OVERDONE,
    ),
    Margin(
        "accuracy",
        ("retain", "reporting"),
        margin=0.05,
        floor=0.01,
        why="one picture in twenty",
        above="It is better at its task than a retrained model, as one is that was trained on more or for longer.",
        below="It lost skill at its task.",
    ),
    _attack("mia_auroc", (ATTACKED,), 0.03, 0.005, THREE),
    _attack("mia_relative_auroc", (ATTACKED, "forget-vs-retain"), 0.05, 0.0075, FIVE),
    _attack("tpr_at_1pct_fpr", (ATTACKED,), 0.03, 0.01, "three more pictures in a hundred recognised"),
    # of the attacks by shadow models the floors are those of the same attacks without; nobody retrained for them
    _attack("lira_auroc", (ATTACKED,), 0.03, 0.005, THREE),
    _attack("rmia_auroc", (ATTACKED,), 0.03, 0.005, THREE),
    _attack("u_lira_auroc", ("forget",), 0.05, 0.0075, FIVE),
    Margin(
        "js_divergence",
        ("forget",),
        margin=0.02,
        floor=0.005,
        why="a fiftieth of a bit more than lies between two retrained models",
        above=UNLIKE,
        below="",
    ),
)
