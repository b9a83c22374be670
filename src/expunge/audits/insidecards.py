"""What the registry tells about audits that train a model further or look inside it: relearning, residue, collapse."""

from __future__ import annotations

from expunge.audits.card import Audit

INSIDE_AUDITS: tuple[Audit, ...] = (
    Audit(
        "full_gradient_auroc",
        "Attack on the gradient of all weights, AUROC",
        "auroc",
        "reference",
        "Probability that a forget picture pulls less on all weights of the model than a non-member does (norm of the "
        "loss's gradient; a sample of at most 500 pictures a side).",
        "norm of the gradients of Nasr et al. 2019",
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
        "than it was before. It speaks only of models that hid what they knew. Where the loss was low from the start, "
        "as an untouched original's is, there is nothing to come back to, and it says nothing.",
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
)
