"""What counts as close enough to retraining, audit by audit, and why: the table that a verdict is made from.

Margins are a convention, set before the models were judged that docs/audits.md counts (but for those it says were in
sight); on erased pictures they are less than what untouched models show there. Whoever disagrees hands in others.
Divergence of answers is judged to catch models that differ otherwise: it hardly sees forgetting. Relearning can only
accuse. Not judged are:

- what restates a judged row: right answers within two guesses, mean loss (it raises an alarm instead), loss and speed
  while relearning, the attack's share of right guesses, forgetting score, NoMUS, distance, offline LiRA, and attacks on
  other readings of the same answer (entropy, confidence, margin, gradient of the last layer, the strongest of all).
  The more attacks are judged, the larger a gap must be to stand out among them;
- what proves nothing by passing, since untouched models hardly differ there from retrained ones: feature residue;
- what varies too much between retrained models, or rests on too few pictures, to prove a useful margin: the support
  vector machine, the gradient of all weights, true positive rates of shadow models and of other readings;
- what nobody measured floors for: feature distance;
- what says nothing about forgetting: calibration, collapse, likeness to an untrained network, the mean of U-LiRA;
- what is said of one person or of one group of pictures: so few pictures prove no useful margin;
- what says something about a method and not about one model: KLoM, epsilon.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Margin:
    """What one audit must show.

    Args:
        name, splits: of the audit rows that are judged.
        margin: a gap to retraining that is proved to be smaller counts as none, in the row's unit.
        floor: standard deviation between retrained models that is assumed at the least, in the row's unit.
        why: reason for the margin.
        above, below: what a gap in that direction means; "" where it does no harm.
        proves: whether a small gap counts as passed. An audit that proves nothing can only accuse, of a gap as large
            as the margin.
    """

    name: str
    splits: tuple[str, ...]
    margin: float
    floor: float
    why: str
    above: str
    below: str
    proves: bool = True

    @property
    def least(self) -> float:
        """Of a smaller gap no model is called distinguishable, however sure the gap is."""
        return LEAST * self.margin if self.proves else self.margin


LEAST = 0.5
MEMBERSHIP = ("mia_auroc", "mia_relative_auroc", "lira_auroc")  # one of them must pass before all can

REMEMBERS = "It still remembers erased pictures."
OVERDONE = "It is conspicuously bad on erased pictures (over-forgetting), which gives away who was erased."
# Both sides of this gap were trained on, and it does not say which of them moved.
NARROWER = (
    "The gap between erased and staying pictures is narrower than after retraining: either erased ones are still "
    "remembered, or staying ones are less well fitted."
)
WIDER = (
    "The gap between erased and staying pictures is wider than after retraining: either the model is conspicuously bad "
    "on erased ones (over-forgetting), or staying ones are more closely fitted."
)
HIDDEN = (
    "It was not forgotten, whatever the model answers now: trained a little further on others, it is right again on "
    "erased pictures that it was not shown."
)
UNLIKE = "Its answers differ from a retrained model's."

ATTACKED = "forget-vs-reporting"
THREE = "three right guesses in a hundred beyond what retraining leaves to an attacker"
FIVE = "five right guesses in a hundred for an attacker who holds a retrained model, which no real one does"


def _attack(
    name: str,
    splits: tuple[str, ...],
    margin: float,
    floor: float,
    why: str,
    *,
    above: str = REMEMBERS,
    below: str = OVERDONE,
) -> Margin:
    return Margin(name, splits, margin, floor, why, above=above, below=below)


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
        below="It is worse at its task than a retrained model: it lost skill, or was no better before.",
    ),
    _attack("mia_auroc", (ATTACKED,), 0.03, 0.005, THREE),
    _attack("mia_relative_auroc", (ATTACKED,), 0.05, 0.0075, FIVE),
    _attack("mia_relative_auroc", ("forget-vs-retain",), 0.05, 0.0075, FIVE, above=NARROWER, below=WIDER),
    _attack("tpr_at_1pct_fpr", (ATTACKED,), 0.03, 0.01, "three more pictures in a hundred recognised"),
    _attack("lira_auroc", (ATTACKED,), 0.03, 0.0125, THREE),
    _attack("rmia_auroc", (ATTACKED,), 0.03, 0.015, THREE),
    _attack("u_lira_auroc", ("forget",), 0.05, 0.0175, FIVE),
    Margin(
        "js_divergence",
        ("forget",),
        margin=0.02,
        floor=0.005,
        why="a fiftieth of a bit more than lies between two retrained models",
        above=UNLIKE,
        below="",
    ),
    Margin(
        "relearn_accuracy",
        ("forget, held out, relearned on retain", "forget, held out, relearned on forget"),
        margin=0.05,
        floor=0.015,
        why="one picture in twenty that comes back; this audit can only accuse, and of nothing less",
        above=HIDDEN,
        below="",
        proves=False,
    ),
)
