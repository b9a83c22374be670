"""All that is measured, by name: the one list from which tables, help texts and docs are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from expunge.audits.card import Audit as Audit
from expunge.audits.shadowcards import SHADOW_AUDITS

# attacks on single pictures beside that on the loss: what they look at, and where that comes from
ATTACKS: Mapping[str, tuple[str, str]] = {
    "entropy": ("how undecided the answer is", "Salem et al. 2019"),
    "modified_entropy": ("how undecided the answer is, given the label", "Song and Mittal 2021"),
    "confidence": ("the probability of the label", "Yeom et al. 2018"),
    "margin": ("the lead of the label over the best other class", "definition"),
    "gradient_norm": (
        "how hard they pull on the weights of the last layer (norm of the loss's gradient there)",
        "one layer of Nasr et al. 2019",
    ),
    "feature_distance": (
        "how far their features lie from the centre of their class among pictures that stay",
        "our own",
    ),
    "svc": (
        "all of the model's answer, by a support vector machine that was fitted on other people (a sample of at most "
        "500 pictures a side)",
        "signals as above, machine as in Fan et al. 2024 (SalUn)",
    ),
}


def _attacks() -> list[Audit]:
    """Both numbers of every attack."""
    made = []
    for name, (looked_at, source) in ATTACKS.items():
        said = name.replace("_", " ")
        ranked = f"Probability that a forget picture looks more like a member than a non-member does by {looked_at}."
        found = f"Share of forget pictures recognised at one wrongly accused non-member in a hundred, by {looked_at}."
        made.append(Audit(f"{name}_auroc", f"Attack on {said}, AUROC", "auroc", "reference", ranked, source))
        made.append(
            Audit(f"{name}_tpr_at_1pct_fpr", f"Attack on {said}, 1 % false alarms", "share", "reference", found, source)
        )
    return made


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
            "Probability that the model's loss lies further below the references' on a forget picture than on another "
            "picture (a non-member, or one that stays). .5 for a model that was retrained itself.",
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
        *_attacks(),
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
        Audit(
            "relearn_loss",
            "Loss of held-out people while relearning",
            "nats",
            "reference",
            "Mean loss of forgotten people who are kept out while the model is trained a little further, mean over the "
            "steps watched. A model that only hides what it knew shows it again sooner than a retrained one.",
            "procedure as in Siddiqui et al. 2025 (arXiv 2505.22310)",
        ),
        Audit(
            "relearn_accuracy",
            "Accuracy on held-out people while relearning",
            "share",
            "reference",
            "As the loss while relearning, for right answers.",
            "procedure as in Siddiqui et al. 2025 (arXiv 2505.22310)",
        ),
        Audit(
            "relearn_speed",
            "Speed of relearning",
            "nats",
            "reference",
            "How much lower the loss of held-out forgotten people is while relearning, mean over the steps watched, "
            "than it was before. More than the reference's: the model comes back faster than one can learn it anew.",
            "our own",
        ),
        Audit(
            "residue_member_auroc",
            "Membership in features, AUROC",
            "auroc",
            "reference",
            "How well a linear probe of the model's features, judged on people that it was not fitted on, tells "
            "forget pictures from non-members.",
            "linear probes as in Alain and Bengio 2016",
        ),
        Audit(
            "residue_identity",
            "Identity in features",
            "share",
            "reference",
            "Share of forget pictures whose person is the one whose mean features are nearest, among forgotten people "
            "with at least four pictures; means are taken over half of each person's pictures, the others are asked "
            "about.",
            "our own",
        ),
        Audit(
            "collapse_separability",
            "Class separability of features",
            "score",
            "reference",
            "Scatter of class means over scatter within classes, in features of retain pictures (Fisher's ratio of "
            "traces).",
            "Fisher 1936",
        ),
        Audit(
            "collapse_probe_accuracy",
            "Linear probe of features, accuracy",
            "share",
            "reference",
            "Share of retain pictures whose class a linear probe of the features, fitted on other people, answers "
            "right; mean over attributes.",
            "linear probes as in Alain and Bengio 2016",
        ),
        Audit(
            "collapse_cka_original",
            "Likeness of features to the original's",
            "score",
            "reference",
            "Linear centred kernel alignment of features of retain pictures with the original model's, 0..1.",
            "Kornblith et al. 2019",
        ),
        Audit(
            "collapse_cka_reference",
            "Likeness of features to the reference's",
            "score",
            "reference",
            "Linear centred kernel alignment of features of retain pictures with a reference's, mean over references. "
            "The reference value is that between two references.",
            "Kornblith et al. 2019",
        ),
        *SHADOW_AUDITS,
    )
}


def describe_audits() -> list[dict[str, str]]:
    """Every audit's name, title, unit, direction, description and source, ready for JSON."""
    return [asdict(audit) for audit in AUDITS.values()]
