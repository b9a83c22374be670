"""The audit of one model as a page of its own: verdict, curves, people, groups, relearning.

What `metrics.json` says of an audit flows in, one self-contained HTML text flows out.
"""

from __future__ import annotations

from collections.abc import Mapping

from expunge.evidence.report.auditview import Audit, audit_view
from expunge.evidence.report.judged import NONE_MADE, judged
from expunge.evidence.report.render import environment


def audit_page(audit: Audit, *, title: str, descriptions: Mapping[str, str]) -> str:
    """The page as text; the same audit gives the same text.

    Args:
        audit: of one model, as `metrics.json` holds it.
        title: heading of the page, e.g. the model's name.
        descriptions: a sentence for audits that the page has no words for, by name.
    """
    return (
        environment()
        .get_template("auditpage.html")
        .render(
            title=title,
            judged=judged(audit.get("verdict"), descriptions),
            none_made=NONE_MADE,
            audit=audit_view(audit),
            notes=audit.get("notes", ()),
        )
    )
