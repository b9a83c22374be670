"""The audit of one model as a page of its own: verdict, facts, values, curves, people, groups, relearning.

What `metrics.json` says of an audit flows in, one self-contained HTML text flows out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from expunge.evidence.report.auditfacts import audit_facts
from expunge.evidence.report.auditpeople import Audit
from expunge.evidence.report.auditview import audit_view
from expunge.evidence.report.figures import glance_figure
from expunge.evidence.report.judged import NONE_MADE, judged
from expunge.evidence.report.measured import audit_rows
from expunge.evidence.report.render import environment
from expunge.evidence.report.tables import comparison, descriptions_of


def audit_page(
    audit: Audit,
    *,
    title: str,
    descriptions: Mapping[str, str],
    run: Mapping[str, Any] | None = None,
    hashes: Mapping[str, str] | None = None,
) -> str:
    """The page as text; the same audit gives the same text.

    Args:
        audit: of one model, as `metrics.json` holds it.
        title: heading of the page, e.g. the model's name.
        descriptions: a sentence for audits that the page has no words for, by name.
        run: `metrics.json` around the audit, for tier, shadow models, pictures, references and the request; names and
            places of files in it do not get on the page.
        hashes: fingerprints of pictures, request and models, by name.
    """
    rows = audit_rows(audit, descriptions)
    groups = comparison(rows)
    return (
        environment()
        .get_template("auditpage.html")
        .render(
            title=title,
            judged=judged(audit.get("verdict"), descriptions),
            none_made=NONE_MADE,
            facts=audit_facts(rows, run or {}, hashes or {}),
            data=rows,
            groups=groups,
            descriptions=descriptions_of(groups),
            figures={"glance": glance_figure(rows)},
            audit=audit_view(audit),
            notes=audit.get("notes", ()),
        )
    )
