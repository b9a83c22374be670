"""What the registry tells about attacks that compare a model, or a method, with shadow models."""

from __future__ import annotations

from collections.abc import Mapping

from expunge.audits.card import Audit

# attacks that compare a model with shadow models: what they ask, and where that comes from
ATTACKS: Mapping[str, tuple[str, str, str]] = {
    "lira": (
        "LiRA",
        "whether the model answers like shadow models that were trained on a picture or like others",
        "Carlini et al. 2022, online",
    ),
    "lira_offline": (
        "LiRA, offline",
        "how much surer the model is of a picture than shadow models that were not trained on it",
        "Carlini et al. 2022, offline",
    ),
    "rmia": (
        "RMIA",
        "whether a picture surprises the model less, beside shadow models, than tuning pictures of other people do",
        "Zarifzadeh et al. 2024, offline",
    ),
}


def _attacks() -> list[Audit]:
    """Both numbers of every attack."""
    made = []
    for name, (title, asked, source) in ATTACKS.items():
        ranked = f"Probability that a forget picture looks more like a member than a non-member does by {asked}."
        found = f"Share of forget pictures recognised at one wrongly accused non-member in a hundred, by {asked}."
        made.append(Audit(f"{name}_auroc", f"{title}, AUROC", "auroc", "reference", ranked, source))
        made.append(Audit(f"{name}_tpr_at_1pct_fpr", f"{title}, 1 % false alarms", "share", "reference", found, source))
    return made


SHADOW_AUDITS: tuple[Audit, ...] = (
    *_attacks(),
    Audit(
        "u_lira",
        "U-LiRA",
        "score",
        "reference",
        "Probability, at even odds, that the model answers a forget picture like shadow models that learned and "
        "unlearned it rather than like shadow models that were retrained without it; mean over forget pictures. The "
        "method was applied to the first alone: its traces count, whether or not they say who was forgotten.",
        "Hayes et al. 2024, with retrained models in the place of ones that unlearned other pictures",
    ),
    Audit(
        "u_lira_auroc",
        "U-LiRA beside the reference, AUROC",
        "auroc",
        "reference",
        "Probability that U-LiRA's ratio (unlearned shadow models against retrained ones) is higher for a forget "
        "picture under the model than for one under a reference. .5 for a model that was retrained itself.",
        "Hayes et al. 2024, with retrained models in the place of ones that unlearned other pictures",
    ),
    Audit(
        "u_lira_tpr_at_1pct_fpr",
        "U-LiRA beside the reference, 1 % false alarms",
        "share",
        "reference",
        "Share of forget pictures whose U-LiRA ratio is higher under the model than all but one in a hundred are under "
        "references. .01 for a model that was retrained itself.",
        "Hayes et al. 2024, with retrained models in the place of ones that unlearned other pictures",
    ),
    Audit(
        "klom",
        "KLoM of the method",
        "nats",
        "lower",
        "Divergence between the margins of forget pictures under many unlearned models and under as many retrained "
        "ones, mean over pictures. It says something about the method, not about the one model; the reference "
        "value is the same between retrained models, which is far above 0 where models are few.",
        "Georgiev et al. 2024",
    ),
    Audit(
        "epsilon_quality",
        "Forgetting quality of the method (epsilon)",
        "score",
        "reference",
        "Points for how badly the best of many simple attacks tells many unlearned models from as many retrained "
        "ones by their answers to one forget picture, mean over pictures: the challenge's forgetting quality, without "
        "the ratios of accuracy that its final score multiplies it with. It says something about the method, not "
        "about the one model; the reference value is the same between retrained models.",
        "Triantafillou et al. 2024 (NeurIPS 2023 challenge)",
    ),
)
