"""The hand-off page: what an engineer must know to put the unlearned model in the original's place, and to go back.

Plain values flow in, one self-contained HTML text flows out, with the look and the rules of the report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from expunge.evidence.report.render import environment
from expunge.evidence.report.words import counted


@dataclass(frozen=True)
class Check:
    """One thing in which the unlearned model must be as the original.

    Args:
        name: what was compared.
        same: whether it is the same.
        detail: what it is, or how it differs.
    """

    name: str
    same: bool
    detail: str


@dataclass(frozen=True)
class OnnxCheck:
    """An export to ONNX.

    Args:
        file: name of the file. sha256, size_bytes: of it.
        opset: version of ONNX's operators.
        unchecked: why its answers were not compared; "" where they were.
        pictures: how many were shown to both. difference: largest absolute one between two logits.
        tolerance: that was allowed, in logits.
    """

    file: str
    sha256: str
    size_bytes: int
    opset: int
    unchecked: str = ""
    pictures: int = 0
    difference: float = 0.0
    tolerance: float = 0.0


@dataclass(frozen=True)
class Handoff:
    """All that the page says.

    Args:
        run_id, method: of the run.
        kind: of the model: `huggingface` or `factory`. factory: what builds the network, for people; "" for none.
        checks: what was compared with the original.
        original: where it came from. original_files: SHA-256 by name. before, after: fingerprints of the weights.
        files: of the unlearned model, SHA-256 by name.
        classes: of every attribute, in the order of the logits.
        picture: channels, height, width. mean, std: of the normalisation, per channel, in units of 0..1.
        changed: whether any weight differs from the original.
        onnx: of the last export, or None.
    """

    run_id: str
    method: str
    kind: str
    factory: str
    checks: Sequence[Check]
    original: str
    original_files: Mapping[str, str]
    before: str
    after: str
    files: Mapping[str, str]
    classes: Mapping[str, Sequence[str]]
    picture: tuple[int, int, int]
    mean: Sequence[float]
    std: Sequence[float]
    changed: bool
    onnx: OnnxCheck | None = None

    @property
    def drop_in(self) -> bool:
        """Whether everything that was compared is the same."""
        return bool(self.checks) and all(check.same for check in self.checks)


def handoff_html(data: Handoff) -> str:
    """The page as text; the same data give the same text."""
    return environment().get_template("handoff.html").render(data=data, differing=_differing(data))


def _differing(data: Handoff) -> str:
    return counted(sum(not check.same for check in data.checks), "thing differs", "things differ")
