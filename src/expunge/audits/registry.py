"""All that is measured, by name: the one list from which tables, help texts and docs are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from expunge.audits.attackcards import ATTACK_AUDITS
from expunge.audits.card import Audit as Audit
from expunge.audits.insidecards import INSIDE_AUDITS
from expunge.audits.shadowcards import SHADOW_AUDITS

AUDITS: Mapping[str, Audit] = {
    audit.name: audit
    for audit in (
        Audit(
            "accuracy",
            "Accuracy",
            "share",
            "reference",
            "Share of pictures whose class is answered right; mean over attributes.",
            "definition",
        ),
        Audit(
            "top2_accuracy",
            "Top-2 accuracy",
            "share",
            "reference",
            "Share of pictures whose class is among the two likeliest answers; attributes of two classes are left out.",
            "definition",
        ),
        Audit("loss", "Mean loss", "nats", "reference", "Mean cross entropy of the true class.", "definition"),
        Audit(
            "ece",
            "Calibration error",
            "share",
            "lower",
            "How far stated confidence is from the share of right answers, over 15 bins of equal size.",
            "Naeini et al. 2015",
        ),
        Audit(
            "mia_auroc",
            "Membership attack, AUROC",
            "auroc",
            "reference",
            "Probability that a forget picture has a lower loss than a non-member. Not .5 but the reference's value is "
            "the target: forgotten people and non-members are different people.",
            "Yeom et al. 2018",
        ),
        Audit(
            "mia_relative_auroc",
            "Membership attack beside the reference, AUROC",
            "auroc",
            "reference",
            "Probability that the model's loss lies further below a reference's on a forget picture than on another "
            "picture (a non-member, or one that stays); mean over references. .5 for a model that was retrained "
            "itself.",
            "Watson et al. 2022",
        ),
        Audit(
            "mia_accuracy",
            "Membership attack, accuracy",
            "share",
            "reference",
            "Balanced accuracy of a cross-validated logistic regression that tells forget pictures from non-members by "
            "their loss.",
            "Choi and Na 2025, evaluation",
        ),
        Audit(
            "forgetting_score",
            "Forgetting score",
            "share",
            "reference",
            "Distance of the attack's accuracy from one half.",
            "Choi and Na 2025, evaluation",
        ),
        Audit(
            "nomus",
            "NoMUS",
            "share",
            "reference",
            "Mean of accuracy on non-members and 1 - 2 * forgetting score. It rewards .5, not likeness to retraining: "
            "a model can score higher than the retrained one.",
            "Choi and Na 2023 (MUFAC), 2025",
        ),
        Audit(
            "tpr_at_1pct_fpr",
            "Members found at 1 % false alarms",
            "share",
            "reference",
            "Share of forget pictures recognised where one non-member in a hundred is wrongly accused.",
            "Carlini et al. 2022",
        ),
        Audit(
            "zrf",
            "Likeness to an untrained network",
            "score",
            "reference",
            "One minus the Jensen-Shannon divergence (in bits) between the model's answers on forget pictures and "
            "those of a freshly initialised network, mean over pictures and attributes. 1 is not the target: a "
            "retrained model has learned to classify and scores below it.",
            "Chundawat et al. 2023 (zero retrain forgetting)",
        ),
        Audit(
            "js_divergence",
            "Divergence of answers",
            "bits",
            "lower",
            "Jensen-Shannon divergence between the answers of the model and of a reference, mean over pictures. The "
            "reference value is that between two references.",
            "Lin 1991",
        ),
        Audit(
            "distance",
            "Distance to retraining",
            "share",
            "lower",
            "The larger of the gaps in accuracy and attack AUROC on reporting non-members, mean over references. The "
            "reference value is the retrain floor: the distance between two references.",
            "retrain floor as in Triantafillou et al. 2024",
        ),
        *ATTACK_AUDITS,
        Audit(
            "attack_gap",
            "Strongest attack's gap to retraining",
            "auroc",
            "lower",
            "The largest gap in AUROC to a reference that any attack on single pictures finds, mean over references. "
            "The reference value is the largest between two references: choosing the strongest of several attacks "
            "finds a gap there as well.",
            "our own",
        ),
        *INSIDE_AUDITS,
        *SHADOW_AUDITS,
    )
}


def describe_audits() -> list[dict[str, str]]:
    """Every audit's name, title, unit, direction, description and source, ready for JSON."""
    return [asdict(audit) for audit in AUDITS.values()]
