"""What measures and sets of pictures are called by somebody who does not program, and what each measure says.

Names flow in, words flow out. A test holds every registered audit against this list.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


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


# attacks that compare the model with shadow models: what they are called, and what they look at
SHADOW_ATTACKS: Mapping[str, tuple[str, str]] = {
    "lira": (
        "LiRA",
        "whether the model answers like shadow models that learned the picture or like those that did not",
    ),
    "lira_offline": (
        "LiRA, offline",
        "how much surer the model is of the picture than shadow models that never saw it",
    ),
    "rmia": (
        "RMIA",
        "whether the picture surprises the model less, beside shadow models, than pictures of other people do",
    ),
}
# how far into the model features were read
STAGES: Mapping[str, str] = {
    "early": "read a third of the way into the model",
    "late": "read two thirds of the way into the model",
    "penultimate": "read just before the model's answer",
}


def _signal_wordings() -> dict[str, Wording]:
    ranked = "As the membership attack by loss, but by {}."
    caught = "Share of erased pictures recognised while wrongly accusing 1 % of never-seen ones, by {}."
    made = {f"{name}_auroc": Wording(f"Attack by {said}", ranked.format(said)) for name, said in SIGNALS.items()}
    tails = {
        f"{name}_tpr_at_1pct_fpr": Wording(f"Caught by {said}", caught.format(said)) for name, said in SIGNALS.items()
    }
    return made | tails


def _shadow_wordings() -> dict[str, Wording]:
    ranked = (
        "As the membership attack by loss, but by {} (shadow models were trained for this on other choices of people)."
    )
    caught = "Share of erased pictures recognised while wrongly accusing 1 % of never-seen ones, by {}."
    made = {
        f"{name}_auroc": Wording(f"Attack with shadow models, {title}", ranked.format(asked))
        for name, (title, asked) in SHADOW_ATTACKS.items()
    }
    tails = {
        f"{name}_tpr_at_1pct_fpr": Wording(f"Caught with shadow models, {title}", caught.format(asked))
        for name, (title, asked) in SHADOW_ATTACKS.items()
    }
    return made | tails


def _feature_splits() -> dict[str, str]:
    sides = {"forget": "erased pictures", "forget-vs-reporting": "erased against never seen"}
    return {f"{side}, {stage} features": f"{on}, {how}" for side, on in sides.items() for stage, how in STAGES.items()}


WORDINGS: Mapping[str, Wording] = {
    **_signal_wordings(),
    **_shadow_wordings(),
    "u_lira": Wording(
        "Signs of learning and unlearning, U-LiRA",
        "How likely, on average over erased pictures, the model answers like shadow models that learned and unlearned "
        "the picture rather than like ones retrained without it (0.5 is undecided). Traces of the method count, "
        "whether or not they tell who was erased.",
    ),
    "u_lira_auroc": Wording(
        "Signs of unlearning beside a retrained model, U-LiRA",
        "How often an erased picture shows more such signs in this model than an erased picture does in a retrained "
        "one (AUROC; 0.5 where the model was retrained itself).",
    ),
    "u_lira_tpr_at_1pct_fpr": Wording(
        "Caught by signs of unlearning beside a retrained model, U-LiRA",
        "Share of erased pictures that show more such signs in this model than 99 % of them do in a retrained one (1 % "
        "where the model was retrained itself).",
    ),
    "klom": Wording(
        "The method over many runs: distance from retraining, KLoM",
        "How differently many models that the method made, and as many retrained ones, answer on erased pictures. It "
        "speaks of the method, not of this one model. Two sets of retrained models differ as well.",
    ),
    "epsilon_quality": Wording(
        "The method over many runs: forgetting quality",
        "Points for how badly simple attacks tell many models that the method made from as many retrained ones, by "
        "their answers on erased pictures (epsilon; more points: harder to tell). It speaks of the method, not of this "
        "one model.",
    ),
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
        "How much the loss of erased people who are kept out falls while the model is trained further on other "
        "pictures. It speaks only of models that hid what they knew: where the loss was low from the start, there is "
        "nothing to come back to, and it says nothing.",
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
    "person-vs-reporting": "one erased person against never seen",
    "forget, held out, relearned on retain": "erased people kept out while it is trained further on people who stay",
    "forget, held out, relearned on forget": "erased people kept out while it is trained further on other erased ones",
    **_feature_splits(),
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


def split_words(split: str) -> str:
    """Words for a set of pictures; one that nobody put into words stands for itself.

    Example:
        >>> split_words("forget"), split_words("forget, third features"), split_words("reference-1-vs-reference-2")
        ('erased pictures', 'erased pictures, read at stage third', 'retrained model 1 against retrained model 2')
    """
    if split in SPLIT_WORDS:
        return SPLIT_WORDS[split]
    side, comma, stage = split.removesuffix(" features").rpartition(", ")
    if comma and side in SPLIT_WORDS and split.endswith(" features"):
        return f"{SPLIT_WORDS[side]}, read at stage {stage}"
    pair = re.fullmatch(r"reference-(\d+)-vs-reference-(\d+)", split)
    return split if pair is None else f"retrained model {pair[1]} against retrained model {pair[2]}"
