"""How numbers and names are said to somebody who does not program.

Names, units and values flow in, words flow out. Nothing here decides whether a number is good.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from expunge.types import AuditRow

MINUS = "\N{MINUS SIGN}"
NONE = "not estimable"


@dataclass(frozen=True)
class Wording:
    """A measure in plain words: what it is called, and what it says in one sentence."""

    title: str
    says: str


# attacks on single pictures: what they go by
SIGNALS: Mapping[str, str] = {
    "entropy": "how undecided the answer is",
    "modified_entropy": "how undecided or wrong the answer is",
    "confidence": "the stated confidence in the right class",
    "margin": "the lead of the right class",
    "gradient_norm": "how much the last layer would still learn from the picture",
    "feature_distance": "how typical of its class the picture looks to the model",
    "svc": "all of the answer, learned on other people",
}


def _signal_wordings() -> dict[str, Wording]:
    ranked = "As the membership attack by loss, but by {}."
    caught = "Share of erased pictures recognised while wrongly accusing 1 % of never-seen ones, by {}."
    made = {f"{name}_auroc": Wording(f"Attack by {said}", ranked.format(said)) for name, said in SIGNALS.items()}
    tails = {
        f"{name}_tpr_at_1pct_fpr": Wording(f"Caught by {said}", caught.format(said)) for name, said in SIGNALS.items()
    }
    return made | tails


WORDINGS: Mapping[str, Wording] = {
    **_signal_wordings(),
    "attack_gap": Wording(
        "Strongest attack: gap to retraining",
        "The largest gap to a retrained model that any attack on single pictures finds; two retrained models show one "
        "as well.",
    ),
    "full_gradient_auroc": Wording(
        "Attack by how much the whole model would still learn",
        "As the membership attack by loss, but by how much all weights would still change to learn the picture.",
    ),
    "relearn_loss": Wording(
        "While relearning: mean loss", "Of erased people who are kept out while the model is trained a little further."
    ),
    "relearn_accuracy": Wording(
        "While relearning: right answers", "For erased people who are kept out while the model is trained further."
    ),
    "relearn_speed": Wording(
        "Speed of relearning",
        "How much the loss of erased people falls while the model is trained further on other pictures.",
    ),
    "residue_member_auroc": Wording(
        "Membership readable inside the model",
        "How well a simple classifier of the model's features tells erased from never-seen pictures (0.5 is guessing).",
    ),
    "residue_identity": Wording(
        "Identity readable inside the model", "Share of erased pictures whose person is told from the model's features."
    ),
    "collapse_separability": Wording(
        "Separation of classes inside the model", "Distance between classes over spread within them, in its features."
    ),
    "collapse_probe_accuracy": Wording(
        "Right answers of a simple classifier", "Fitted on the model's features of other people who stay."
    ),
    "collapse_cka_original": Wording(
        "Likeness inside to the original", "How alike the two models arrange pictures that stay (CKA; 1 is alike)."
    ),
    "collapse_cka_reference": Wording(
        "Likeness inside to a retrained model", "How alike the two models arrange pictures that stay (CKA; 1 is alike)."
    ),
    "accuracy": Wording("Right answers", "Share of pictures that the model classifies correctly."),
    "top2_accuracy": Wording("Right within two guesses", "Share of pictures with the right class in two guesses."),
    "ece": Wording("Miscalibration", "How far the stated confidence is from how often the model is right."),
    "mia_auroc": Wording(
        "Membership attack: ranking",
        "Chance that an attacker, shown one erased and one never-seen picture, picks the erased one by its lower loss "
        "(AUROC; 0.5 is guessing).",
    ),
    "mia_relative_auroc": Wording(
        "Membership attack beside a retrained model",
        "Chance that the model's loss lies further below a retrained model's on an erased picture than on another one "
        "(AUROC; 0.5 where the model was retrained itself).",
    ),
    "mia_accuracy": Wording(
        "Membership attack: right guesses",
        "Share of pictures that an attacker sorts correctly into erased and never seen (0.5 is guessing).",
    ),
    "forgetting_score": Wording("Forgetting score", "Distance of the attacker's right guesses from one half."),
    "nomus": Wording("NoMUS", "Published mix of right answers and forgetting score in one number (1 is best)."),
    "tpr_at_1pct_fpr": Wording(
        "Members caught at 1 % false alarms",
        "Share of erased pictures that an attacker recognises while wrongly accusing 1 % of never-seen pictures.",
    ),
    "zrf": Wording(
        "Likeness to an untrained network",
        "How alike the model and a network that learned nothing answer on erased pictures (ZRF; 1 is the same answers, "
        "a retrained model stays below that).",
    ),
    "js_divergence": Wording(
        "Distance of answers from retraining",
        "How differently the model and a retrained model answer (Jensen-Shannon divergence; 0 is the same).",
    ),
    "distance": Wording(
        "Distance to retraining", "The larger of its gaps to a retrained model in right answers and in the attack."
    ),
    "loss": Wording("Mean loss", "How surprised the model is by the true class, on average."),
    "loss_gap": Wording("Loss gap", "Mean loss on never-seen pictures minus mean loss on erased ones."),
}

SPLIT_WORDS: Mapping[str, str] = {
    "retain": "pictures that stay",
    "forget": "erased pictures",
    "tuning": "never seen, used for steering",
    "reporting": "never seen, used only here",
    "forget-vs-reporting": "erased against never seen",
    "forget-vs-retain": "erased against staying",
    "forget-vs-tuning": "erased against never seen (steering)",
}

DIRECTION_WORDS: Mapping[str, str] = {
    "higher": "higher is better",
    "lower": "lower is better",
    "reference": "close to retrained is best",
}


def wording(name: str, descriptions: Mapping[str, str]) -> Wording:
    """Words for an audit; a name nobody put into words stands for itself."""
    fallback = Wording(name.replace("_", " "), descriptions.get(name, ""))
    return WORDINGS.get(name, fallback)


def number(value: float | None, unit: str, *, sign: bool = False) -> str:
    """A value with its unit, as short as honest.

    Example:
        >>> number(0.5361, "share"), number(0.731, "auroc"), number(0.02, "share", sign=True)
        ('53.6 %', '0.731', '+2.0 pts')
    """
    if value is None or not math.isfinite(value):
        return NONE
    if unit == "share":
        return _signed(100 * value, 1, sign) + (" pts" if sign else " %")
    text = _signed(value, 3, sign)
    return text if unit in ("", "auroc", "score", "nomus") else f"{text} {unit}"


def bounds(low: float | None, high: float | None, unit: str, *, sign: bool = False) -> str:
    """An interval in words; empty where there is none.

    Example:
        >>> bounds(0.5, 0.561, "share")
        '50.0 to 56.1'
    """
    if low is None or high is None:
        return ""
    factor, digits = (100, 1) if unit == "share" else (1, 3)
    return f"{_signed(factor * low, digits, sign)} to {_signed(factor * high, digits, sign)}"


def _signed(value: float, digits: int, sign: bool) -> str:
    text = f"{abs(value):.{digits}f}"
    zero = float(text) == 0
    if value < 0 and not zero:
        return MINUS + text
    return f"+{text}" if sign and not zero else text


def counted(n: int, singular: str, plural: str = "") -> str:
    """A number with its noun.

    Example:
        >>> counted(1, "picture"), counted(1200, "person", "people")
        ('1 picture', '1,200 people')
    """
    return f"{n:,} {singular if n == 1 else plural or singular + 's'}"


def sentence(text: str) -> str:
    """A text that begins with a capital letter; names of settings in it lose their quotes.

    Example:
        >>> sentence("a pass over `batch_size` pictures.")
        'A pass over batch_size pictures.'
    """
    plain = text.replace("`", "")
    return plain[:1].upper() + plain[1:]


def sample(row: AuditRow) -> str:
    """How many pictures, and people where they were resampled, stand behind a row."""
    pictures = counted(row.n, "picture")
    return pictures if row.subjects is None else f"{pictures}, {counted(row.subjects, 'person', 'people')}"


def spoken_time(seconds: float | None) -> str:
    """A duration as one would say it.

    Example:
        >>> spoken_time(4.21), spoken_time(75), spoken_time(7300), spoken_time(None)
        ('4.2 s', '1 min 15 s', '2 h 1 min', 'not measured')
    """
    if seconds is None:
        return "not measured"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def plain_text(value: object) -> str:
    """A plain value as a cell of a table.

    Example:
        >>> plain_text(True), plain_text(None), plain_text((1, 2)), plain_text(0.05)
        ('yes', 'none', '1, 2', '0.05')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value == "" or value == () or value == []:
        return "none"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(plain_text(inner) for inner in value)
    return str(value)


def flat(values: Mapping[str, object], prefix: str = "") -> list[tuple[str, str]]:
    """Nested mappings as rows `a.b`, text.

    Example:
        >>> flat({"a": {"b": 1}, "c": None})
        [('a.b', '1'), ('c', 'none')]
    """
    rows: list[tuple[str, str]] = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            rows += flat(value, f"{prefix}{key}.")
        else:
            rows.append((f"{prefix}{key}", plain_text(value)))
    return rows
