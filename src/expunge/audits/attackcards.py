"""What the registry tells about attacks on single pictures, without any other model."""

from __future__ import annotations

from collections.abc import Mapping

from expunge.audits.card import Audit

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
        "1,000 pictures a side)",
        "signals as above, machine as in Fan et al. 2024 (SalUn)",
    ),
}


def _attacks() -> tuple[Audit, ...]:
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
    return tuple(made)


ATTACK_AUDITS = _attacks()
