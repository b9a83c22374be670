"""The model card beside the weights: report data flow in, Markdown as Hugging Face has it flows out.

Every sentence follows from the run's numbers; no time and no path enters, so that equal runs have equal cards.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import yaml

from expunge.evidence.report.data import ReportData
from expunge.evidence.report.headline import NOT_CLAIMED
from expunge.evidence.report.judged import judged
from expunge.evidence.report.render import environment
from expunge.evidence.report.tables import Cell, comparison

SPECIAL = re.compile(r"([\\`*_{}\[\]#|~!$])")


@dataclass(frozen=True)
class CardFacts:
    """What a card says of the model itself.

    Args:
        kind: `huggingface` or `factory`.
        classes: of every attribute, in the order of the logits.
        picture: channels, height, width.
        counts: pictures of `retain`, `forget`, `tuning` and `reporting`.
    """

    kind: str
    classes: Mapping[str, Sequence[str]]
    picture: tuple[int, int, int]
    counts: Mapping[str, int]


def model_card(data: ReportData, facts: CardFacts) -> str:
    """A model card as text; the same data give the same text."""
    found = environment()
    found.filters.update(md=escaped, shown=shown)
    return found.get_template("modelcard.md").render(
        data=data,
        facts=facts,
        head=front_matter(facts),
        groups=comparison(data),
        judged=judged(data.verdict, data.descriptions),
        not_claimed=NOT_CLAIMED,
    )


def front_matter(facts: CardFacts) -> str:
    """What Hugging Face's hub reads of a card; the licence is the original's, which nobody told us."""
    library = {"library_name": "transformers"} if facts.kind == "huggingface" else {}
    head = {**library, "pipeline_tag": "image-classification", "tags": ["machine-unlearning", "expunge"]}
    return yaml.safe_dump(head, sort_keys=False)


def escaped(value: object) -> str:
    """A value on one line, with every sign that means something in Markdown taken literally.

    HTML is escaped by the template as everywhere.

    Example:
        >>> escaped("a|b *c* [d](e)")
        'a\\\\|b \\\\*c\\\\* \\\\[d\\\\](e)'
    """
    return SPECIAL.sub(r"\\\1", " ".join(str(value).split()))


def shown(cell: Cell) -> str:
    """A cell of the table on one line, its interval in brackets."""
    return f"{cell.value} ({cell.interval})" if cell.interval else cell.value
