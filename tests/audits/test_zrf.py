"""Likeness to an untrained network against its definition, summed picture by picture; a wrong divergence is caught."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from expunge.audits import statistics
from expunge.audits.observe import Observation, observe
from expunge.audits.run import AuditReport, audit
from expunge.errors import DataError
from tests.helpers import net, task

TASK = task(retain=12, forget=16, classes=(3, 2))
Array = np.ndarray[Any, np.dtype[Any]]


def seen(seed: int, *, sharp: float = 1.0) -> Observation:
    """Answers of a network on the task; `sharp` scales its logits, so that it is sure of them."""
    found = dict(observe(net(TASK.retain.spec, seed=seed).eval(), TASK))
    return {name: replace(part, logits=part.logits * sharp) for name, part in found.items()}


UNTRAINED, AFTER = seen(50, sharp=5), seen(1, sharp=30)


def report(references: int = 2) -> AuditReport:
    beside = [seen(10 + i, sharp=30) for i in range(references)]
    return audit(seen(0, sharp=30), AFTER, beside, untrained=UNTRAINED, draws=60)


def softmax(logits: Sequence[float]) -> list[float]:
    powers = [math.exp(value - max(logits)) for value in logits]
    return [value / sum(powers) for value in powers]


def kl_bits(p: Sequence[float], q: Sequence[float]) -> float:
    return sum(a * math.log2(a / b) for a, b in zip(p, q, strict=True) if a > 0)


def js_bits(p: Sequence[float], q: Sequence[float]) -> float:
    middle = [(a + b) / 2 for a, b in zip(p, q, strict=True)]
    return (kl_bits(p, middle) + kl_bits(q, middle)) / 2


def by_definition(model: Observation, untrained: Observation) -> float:
    """One minus the mean over pictures and the two attributes, from logits alone."""
    found = []
    for ours, theirs in zip(model["forget"].logits.tolist(), untrained["forget"].logits.tolist(), strict=True):
        for part in (slice(0, 3), slice(3, 5)):
            found.append(js_bits(softmax(ours[part]), softmax(theirs[part])))
    return 1 - sum(found) / len(found)


def agrees() -> bool:
    return report().row("zrf", "forget").value == pytest.approx(by_definition(AFTER, UNTRAINED), abs=1e-6)


def kullback(p: Array, q: Array) -> Array:
    return np.asarray((p * np.log2(p / q)).sum(1))


def exchanged(p: Array, q: Array) -> Array:
    """Means of the logarithm of one side under the middle, as code that calls it Jensen-Shannon has it."""
    middle = (p + q) / 2
    return (kullback(middle, p) + kullback(middle, q)) / 2


def test_it_is_its_definition() -> None:
    assert by_definition(AFTER, UNTRAINED) < 0.95  # the networks differ enough for the check to mean something
    assert agrees()


@pytest.mark.parametrize("fault", [kullback, exchanged])
def test_another_divergence_is_caught(fault: Callable[[Array, Array], Array], monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted fault for the test above."""
    monkeypatch.setattr(statistics, "js_divergence", fault)
    assert not agrees()


def test_a_network_is_wholly_like_itself_and_never_more() -> None:
    same = audit(None, UNTRAINED, [], untrained=UNTRAINED, draws=20).row("zrf", "forget")
    assert (same.value, same.low, same.high) == (1, 1, 1)


def test_networks_that_are_sure_of_different_classes_share_nothing() -> None:
    def sure(column: int) -> Observation:
        logits = np.full((16, 5), -500, dtype=np.float32)
        logits[:, [column, 3 + column]] = 500
        return {**AFTER, "forget": replace(AFTER["forget"], logits=logits)}

    assert audit(None, sure(0), [], untrained=sure(1), draws=20).row("zrf", "forget").value == 0


def test_the_row_has_interval_reference_and_paired_gap_like_all_others() -> None:
    found = report().row("zrf", "forget")
    beside = np.mean([by_definition(seen(10 + i, sharp=30), UNTRAINED) for i in range(2)])
    assert found.value is not None and found.low is not None and found.high is not None
    assert 0 <= found.low < found.value < found.high <= 1
    assert found.reference == pytest.approx(beside, abs=1e-6)
    assert found.gap == pytest.approx(found.value - beside, abs=1e-6)
    assert (found.n, found.subjects, found.direction) == (16, 4, "reference")


def test_before_and_references_have_it_too_with_their_spread() -> None:
    found = report(3)
    for rows in (found.rows_before, *found.rows_reference):
        assert [r.split for r in rows if r.name == "zrf"] == ["forget"]
    assert next(s for s in found.spread if s.name == "zrf").references == 3


def test_without_an_untrained_network_there_is_a_note_and_all_other_rows_are_the_same() -> None:
    beside = [seen(10 + i, sharp=30) for i in range(2)]
    alone = audit(seen(0, sharp=30), AFTER, beside, draws=60)
    assert any("ZRF" in note for note in alone.notes) and not any("ZRF" in note for note in report().notes)
    assert alone.rows_after == tuple(r for r in report().rows_after if r.name != "zrf")
    assert alone.rows_floor == report().rows_floor


def test_an_untrained_network_shown_other_pictures_is_refused() -> None:
    forget = UNTRAINED["forget"]
    with pytest.raises(DataError, match="same pictures"):
        audit(None, AFTER, [], untrained={**UNTRAINED, "forget": replace(forget, ids=forget.ids[::-1])}, draws=5)
