"""Which question a measure answers: the groups in which tables show them.

Names of measures flow in, questions flow out.
"""

from __future__ import annotations

Key = tuple[str, str]

REMEMBERS = frozenset(
    {"mia_auroc", "mia_relative_auroc", "mia_accuracy", "forgetting_score", "nomus", "tpr_at_1pct_fpr", "loss_gap"}
)
DISTANCES = frozenset({"distance", "js_divergence", "attack_gap"})
OF_METHOD = frozenset({"klom", "epsilon_quality"})
BEGINNINGS = {  # of the names of measures
    "lira_": "shadows",
    "rmia_": "shadows",
    "u_lira": "shadows",
    "residue_": "inside",
    "relearn_": "relearning",
    "collapse_": "collapse",
}
GROUPS = (
    ("forgets", "Does it still remember the erased pictures?"),
    ("gap", "How far are its answers from a retrained model's?"),
    ("works", "Is it still good at its task?"),
    ("attacks", "Do other attacks find what is left?"),
    ("shadows", "Do attacks with shadow models find what is left?"),
    ("inside", "Is anything left in the features inside the model?"),
    ("relearning", "Does it come back when the model is trained further?"),
    ("collapse", "Are the features of people who stay still good?"),
    ("method", "What does the method leave behind, over many models?"),
)


def group_of(key: Key) -> str:
    """Which question a measure (name, pictures) answers."""
    name, split = key
    if name in DISTANCES:
        return "gap"
    if name in OF_METHOD:
        return "method"
    if found := next((group for beginning, group in BEGINNINGS.items() if name.startswith(beginning)), None):
        return found
    if name in REMEMBERS or split == "forget":
        return "forgets"
    return "attacks" if split.startswith("forget") else "works"
