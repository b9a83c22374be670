"""What tests of pages share: data of a finished run, a reader of HTML, the search for what would leave a page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from html.parser import HTMLParser
from typing import Any

import numpy as np

from expunge.evidence.report import (
    Check,
    Costs,
    Handoff,
    ModelView,
    OnnxCheck,
    PersonLine,
    PhaseLine,
    ProbePoint,
    ReportData,
    RequestLine,
)
from expunge.types import AuditRow

HOSTILE = "<script>alert('x')</script><img src=http://evil.example/a.png onerror=alert(1)> $x^ {{ 7*7 }} -- ]]> \u2028"
ADDRESSES = {"src", "href", "action", "data", "poster", "srcset", "formaction", "xlink:href"}


class Page(HTMLParser):
    """Every tag with its attributes, and the text outside of styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def named(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


def leaks(text: str) -> list[str]:
    """Whatever would load, run or leave the page."""
    found = []
    for tag, attributes in Page(text).tags:
        if tag in ("script", "iframe", "object", "embed", "link", "base"):
            found.append(tag)
        for name, value in attributes.items():
            if name.startswith("on"):
                found.append(f"{tag} {name}")
            if name in ADDRESSES and not re.match(r"#|data:image/png;base64,", value or ""):
                found.append(f"{tag} {name}={value}")
    found += re.findall(r"@import\b.*|url\((?!['\"]?#)[^)]*\)", text)
    return found


def row(name: str, split: str, value: float | None, *, reference: float | None = None, note: str = "") -> AuditRow:
    unit = "auroc" if name == "mia_auroc" else "share"
    if value is None:
        return AuditRow(name, split, None, None, None, 40, 8, unit, "reference", note=note)
    gap = None if reference is None else value - reference
    low, high = (None, None) if gap is None else (gap - 0.02, gap + 0.02)
    return AuditRow(
        name, split, value, value - 0.02, value + 0.02, 1040, 8, unit, "reference", reference, gap, low, high, note=note
    )


def rows(auroc: float, accuracy: float, *, reference: tuple[float, float] | None = None) -> list[AuditRow]:
    attack, skill = reference or (None, None)
    return [
        row("mia_auroc", "forget-vs-reporting", auroc, reference=attack),
        row("accuracy", "reporting", accuracy, reference=skill),
        row("tpr_at_1pct_fpr", "forget-vs-reporting", None, note="only 4 false positives are expected"),
    ]


def view(seed: int) -> ModelView:
    draw = np.random.default_rng(seed)
    return ModelView(draw.gamma(1, 1, 40), draw.gamma(1, 1, 40), draw.normal(size=(24, 6)).astype(np.float32))


def finished() -> ReportData:
    """A finished run with two references and nothing to worry about."""
    return ReportData(
        run_id="abc123",
        title="Erasure report",
        method="dlfd",
        method_summary="Pushes pictures apart.",
        request={"subjects": ["person-a", "person-b"]},
        findings={},
        rows_before=rows(0.731, 0.536),
        rows_after=rows(0.543, 0.556, reference=(0.524, 0.535)),
        rows_references=[rows(0.52, 0.53), rows(0.528, 0.54)],
        rows_floor=[row("mia_auroc", "forget-vs-reporting", 0.011)],
        before=view(0),
        after=view(1),
        reference=view(2),
        changed=True,
        costs=Costs(10.0, 312.0, 2.0, 400.0),
        feature_classes=np.arange(24) % 3,
        feature_forget=np.arange(24) < 8,
        class_names=("young", "middle", "old"),
        phases=[PhaseLine("distance", "Train", 182, "stopped", 9.0, 8.0, 11648)],
        probes=[
            ProbePoint("distance", s, {"auroc": 0.7 - s / 99, "target": 0.55, "gap": 0.1}) for s in range(0, 40, 10)
        ],
        settings={"seed": 0, "method": {"set": {"lr": 0.1}}},
        versions={"torch": "2.13"},
        hashes={"weights": "7e" * 32},
    )


VERDICT = {
    "overall": "distinguishable",
    "reasons": ["One of two audits shows a gap."],
    "audits": [
        {"name": "accuracy", "split": "forget", "verdict": "inconclusive", "reasons": ["Too few people."]},
        {"name": "mia_auroc", "split": "forget-vs-reporting", "verdict": "distinguishable", "reasons": ["p = 0.001"]},
    ],
    "power": ["With 12 people, an AUROC of 0.71 would show."],
    "alarms": ["Over-forgetting: the losses are higher than in retrained models."],
}


def told() -> ReportData:
    """The same with all that comes after a run: ledger, people, verdict, attestation."""
    return replace(
        finished(),
        method_cost="An epoch.",
        method_fails="There is little data.",
        requests=[RequestLine(7, "2026-03-01", "2026-04-01", extended=True, state="open")],
        people=[PersonLine("person 1", 4, 0), PersonLine("person 2", 3, 2)],
        findings={"near_review": [{"id": "picture 1", "of": "picture 2", "owner": "person 3"}]},
        verdict=VERDICT,
        attestation="ab" * 32,
        warnings=("the model lost skill; try --method retrain", "nobody said how the original was trained"),
        unmeasured=["klom: not run"],
        notes=["There is one reference."],
    )


def handed() -> Handoff:
    """A model that fits, exported."""
    return Handoff(
        run_id="abc123",
        method="dlfd",
        kind="huggingface",
        factory="",
        checks=[Check("shapes of the weights", True, "9 tensors"), Check("order of the labels", True, "age: a, b")],
        original="runs/original",
        original_files={"model.safetensors": "aa" * 32},
        before="bb" * 32,
        after="cc" * 32,
        files={"model.safetensors": "dd" * 32, "README.md": "ee" * 32},
        classes={"age": ["young", "old"], "smiles": ["no", "yes"]},
        picture=(3, 32, 48),
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        changed=True,
        onnx=OnnxCheck("m.onnx", "ff" * 32, 1234, 20, pictures=8, difference=1e-7, tolerance=1e-4),
    )


def spoiled(value: Any) -> Any:
    """The same with hostile text wherever text stands, but for names of fields and what a type fixes."""
    if is_dataclass(value) and not isinstance(value, type):
        free = [field.name for field in fields(value) if field.name not in ("direction", "kind")]
        return replace(value, **{name: spoiled(getattr(value, name)) for name in free})
    if isinstance(value, Mapping):
        return {name: spoiled(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(spoiled, value))
    return HOSTILE if isinstance(value, str) else value
