"""The verdict in words: the plain mapping of `metrics.json` flows in, sentences and lines of a table flow out.

Nothing is judged here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from expunge.evidence.report.wordings import split_words, wording
from expunge.evidence.report.words import plain_text

NONE_MADE = "No verdict was made: the numbers stand for themselves, and nobody weighed them."


@dataclass(frozen=True)
class JudgedAudit:
    """What was concluded from one audit, and why."""

    title: str
    pictures: str
    verdict: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Judged:
    """A verdict for people.

    Args:
        says: all together, beginning with the verdict itself, a sentence each; without what single audits say.
        audits: verdict of every audit.
        power: what the audits could have found. alarms: what is wrong whatever the verdict.
    """

    says: tuple[str, ...]
    audits: tuple[JudgedAudit, ...]
    power: tuple[str, ...]
    alarms: tuple[str, ...]


def judged(verdict: Mapping[str, object] | None, descriptions: Mapping[str, str]) -> Judged | None:
    """A verdict in words; None where none was made."""
    if verdict is None:
        return None
    audits = tuple(_audit(audit, descriptions) for audit in _listed(verdict, "audits") if isinstance(audit, Mapping))
    return Judged(
        _overall(verdict, audits),
        audits,
        tuple(map(_told, _listed(verdict, "power"))),
        tuple(map(_told, _listed(verdict, "alarms"))),
    )


def _overall(verdict: Mapping[str, object], audits: Sequence[JudgedAudit]) -> tuple[str, ...]:
    single = {reason for audit in audits for reason in audit.reasons}
    says = tuple(reason for reason in map(_told, _listed(verdict, "reasons")) if reason not in single)
    overall = _word(verdict.get("overall")).capitalize()
    return says if says and says[0].startswith(overall) else (f"{overall}.", *says)


def _audit(audit: Mapping[str, object], descriptions: Mapping[str, str]) -> JudgedAudit:
    split = str(audit.get("split", ""))
    title = wording(str(audit.get("name", "")), descriptions).title
    reasons = tuple(map(_told, _listed(audit, "reasons")))
    return JudgedAudit(title, split_words(split), _word(audit.get("verdict")), reasons)


def _listed(mapping: Mapping[str, object], key: str) -> Sequence[object]:
    found = mapping.get(key)
    return found if isinstance(found, list | tuple) else ()


def _word(value: object) -> str:
    return str(value or "none").replace("_", " ")


def _told(entry: object) -> str:
    """A sentence; or, of a mapping, its entries."""
    if isinstance(entry, Mapping):
        return "; ".join(f"{str(name).replace('_', ' ')}: {plain_text(value)}" for name, value in entry.items())
    return str(entry)
