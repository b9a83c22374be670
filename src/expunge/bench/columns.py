"""The columns of a bench table: what each is called, which values are better, and where it is measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from expunge.audits.statistics import ATTACKED, Key

Better = Literal["near retrained", "lower", "higher"]
Form = Literal["number", "epochs", "seconds", "times"]


@dataclass(frozen=True)
class Column:
    """A column.

    Args:
        name: in JSON. title: in the head of the table. better: which values are.
        says: a sentence for the reader.
        form: how a value is written.
        marked: whether the best methods are marked.
    """

    name: str
    title: str
    better: Better
    says: str
    form: Form = "number"
    marked: bool = False


COLUMNS: tuple[Column, ...] = (
    Column(
        "accuracy_reporting",
        "accuracy, reporting",
        "near retrained",
        "Share of right answers on reporting pictures: a test set that neither the model nor the method saw.",
    ),
    Column(
        "top2_accuracy_reporting",
        "top-2 accuracy, reporting",
        "near retrained",
        "Share of reporting pictures whose class is among the two likeliest answers.",
    ),
    Column("accuracy_retain", "accuracy, retain", "near retrained", "Share of right answers on the retain set."),
    Column("accuracy_forget", "accuracy, forget", "near retrained", "Share of right answers on the forget set."),
    Column(
        "forgetting_score",
        "forgetting score",
        "near retrained",
        "Distance of a loss attack's balanced accuracy (forget against reporting) from one half.",
    ),
    Column(
        "mia_auroc",
        "MIA AUROC",
        "near retrained",
        "Probability that a forget picture has a lower loss than a reporting picture.",
    ),
    Column(
        "nomus",
        "NoMUS",
        "near retrained",
        "Mean of reporting accuracy and 1 - 2 * forgetting score. It rewards an attack at one half, not likeness to "
        "retraining: a model can score higher than the retrained one.",
    ),
    Column(
        "distance",
        "d",
        "lower",
        "The larger of the gaps to a reference in reporting accuracy and in MIA AUROC, mean over references.",
        marked=True,
    ),
    Column(
        "distance_all",
        "d_all",
        "lower",
        "The largest of these two gaps and those in retain and forget accuracy, mean over references.",
        marked=True,
    ),
    Column(
        "tow",
        "ToW",
        "higher",
        "Tug of war: product over forget, retain and reporting of 1 - |accuracy gap to a reference|, mean over "
        "references.",
    ),
    Column(
        "work",
        "work",
        "lower",
        "Forward and backward passes over all networks, in epochs of plain training on the retain set, as the method's "
        "card counts them; at most, where a rule may stop it earlier. Median over seeds.",
        "epochs",
    ),
    Column("seconds", "seconds", "lower", "Wall-clock time of the method; median over seeds.", "seconds"),
    Column(
        "speed_up",
        "speed-up",
        "higher",
        "Seconds that retraining would take, priced by a few steps in the same process right after the method, over "
        "the method's seconds; median over seeds.",
        "times",
    ),
)

MEASURED: dict[str, Key] = {
    "accuracy_reporting": Key("accuracy", "reporting"),
    "top2_accuracy_reporting": Key("top2_accuracy", "reporting"),
    "accuracy_retain": Key("accuracy", "retain"),
    "accuracy_forget": Key("accuracy", "forget"),
    "forgetting_score": Key("forgetting_score", ATTACKED),
    "mia_auroc": Key("mia_auroc", ATTACKED),
    "nomus": Key("nomus", ATTACKED),
}
