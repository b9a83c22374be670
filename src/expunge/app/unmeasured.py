"""What a run does not know, from its metrics: for attestations, reports and model cards alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from expunge.audits.registry import AUDITS


def not_measured(metrics: Mapping[str, Any]) -> list[str]:
    """Audits that were not run, or that gave no value, with the reason; a sentence each."""
    rows = metrics["audit"]["rows_after"]
    absent = [f"{name}: not run" for name in AUDITS if name not in {row["name"] for row in rows}]
    return absent + [f"{row['name']} on {row['split']}: {row['note']}" for row in rows if row["value"] is None]
