"""The pages of an audit run: one for every audited model, from what `metrics.json` says of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from expunge.audits.registry import describe_audits
from expunge.evidence.report import audit_page


def audit_pages(metrics: Mapping[str, Any], hashes: Mapping[str, str]) -> dict[str, str]:
    """HTML by file name: `audit.html`, or `audit-1.html` ... in the order of the models.

    Args:
        metrics: of the audit run, as `metrics.json` holds them. hashes: fingerprints of its inputs, by name.
    """
    audits = metrics["audits"]
    descriptions = {card["name"]: card["description"] for card in describe_audits()}
    names = ["audit.html"] if len(audits) == 1 else [f"audit-{i}.html" for i in range(1, len(audits) + 1)]
    return {
        name: audit_page(
            audit, title=f"Audit of {audit['model']}", descriptions=descriptions, run=metrics, hashes=hashes
        )
        for name, audit in zip(names, audits, strict=True)
    }
