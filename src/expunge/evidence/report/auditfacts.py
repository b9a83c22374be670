"""What was audited: tier, shadow models, references, people and pictures, the request, fingerprints.

The plain mappings of `metrics.json` flow in, rows of tables flow out. No name, no picture and no place of a file may
pass: only numbers and hashes do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from expunge.evidence.report.measured import AuditRows
from expunge.evidence.report.words import counted, sample
from expunge.types import SPLITS, AuditRow, Split

Plain = Mapping[str, Any]
Facts = tuple[tuple[str, str], ...]
SETS: Mapping[Split, str] = {
    "forget": "Erased",
    "retain": "Staying",
    "tuning": "Never seen, used for steering",
    "reporting": "Never seen, used only to measure",
}
SHADOWS: Mapping[str, str] = {
    "halves": "trained on halves of the pictures",
    "unlearned": "that learned the erased pictures and unlearned them",
    "retrained": "that never saw the erased pictures",
}
REQUEST: Mapping[str, str] = {
    "subjects": "People asked for",
    "pictures": "Single pictures asked for",
    "exact_moved": "Exact copies, erased too",
    "near_moved": "Near copies, erased too",
    "near_review": "Near copies, not erased, for a person to look at",
    "dropped": "Copies among the never-seen pictures, left out",
}


@dataclass(frozen=True)
class AuditFacts:
    """What was audited, as rows (name, value) of tables.

    Args:
        facts: what was asked, of whom, and how much was done. hashes: fingerprints.
        limits: sentences on what the request could not find.
    """

    facts: Facts
    hashes: Facts
    limits: Sequence[str]


def audit_facts(rows: AuditRows, run: Plain, hashes: Mapping[str, str]) -> AuditFacts:
    """What is known of an audit; what is not known is left out, but for the references.

    Args:
        rows: of the audit. run: `metrics.json` around it; empty where there is none. hashes: fingerprints by name.
    """
    request = run.get("request") or {}
    return AuditFacts(
        (*_effort(rows, run), *_sets(rows, run), *_asked(request)),
        _hashes(run, hashes),
        tuple(map(str, request.get("sentences", ()))),
    )


def _effort(rows: AuditRows, run: Plain) -> Facts:
    found = [("Tier of the audit", str(run["tier"]))] if "tier" in run else []
    if "shadows" in run:
        kinds = [f"{number:,} {SHADOWS.get(kind, kind)}" for kind, number in run["shadows"].items() if number]
        found.append(("Shadow models", "; ".join(kinds) or "none"))
    count = len(rows.rows_references)
    found.append(("Retrained models to compare with", f"{count:,}" if count else "none"))
    found.append(("Model before erasure", "compared" if rows.rows_before else "not given"))
    return tuple(found)


def _sets(rows: AuditRows, run: Plain) -> Facts:
    known = {name: of_split(rows, name) for name in SPLITS} | {"": ""}
    counts = run.get("pictures") or {}
    told = {name: known[name] or (counted(counts[name], "picture") if name in counts else "") for name in SETS}
    return tuple((SETS[name], text) for name, text in told.items() if text)


def of_split(rows: AuditRows, split: Split) -> str:
    """How many pictures a set has, and of how many people; "" where nothing was measured on it."""
    row = rows.of("accuracy", split) or rows.of("loss", split)
    return "" if row is None else of_people(row)


def of_people(row: AuditRow) -> str:
    """How many pictures, and people where they are known, stand behind a row, as part of a sentence."""
    return sample(row).replace(", ", " of ", 1) if row.subjects is not None else sample(row)


def _asked(request: Plain) -> Facts:
    numbers = {name: request[name] for name in REQUEST if name in request}
    counts = {name: len(value) if isinstance(value, list | tuple) else int(value) for name, value in numbers.items()}
    return tuple((REQUEST[name], f"{count:,}") for name, count in counts.items())


def _hashes(run: Plain, hashes: Mapping[str, str]) -> Facts:
    found = [(name.replace("-", " ").capitalize(), str(value)) for name, value in hashes.items()]
    references = enumerate(run.get("references") or (), start=1)
    listed = [(f"Weights of retrained model {i}", str(one["weights"])) for i, one in references]
    known = {value for _, value in found}
    return (*found, *(line for line in listed if line[1] not in known))
