"""Drift accumulates over erasures, and says when it is time to train anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from expunge.errors import InputError, RequestError
from expunge.evidence.drift import DriftLimits, Step, accumulated
from expunge.evidence.ledger.lineage import drift_of, last_models, newest, successors
from expunge.evidence.ledger.store import Ledger
from tests.evidence.ledgers import digest, drift, finished, opened, received

STEPS = [Step(0.80, 0.79, 5, 95), Step(0.81, 0.80, 3, 92)]


@pytest.mark.parametrize(
    ("limits", "reasons"),
    [
        (DriftLimits(0.5, 0.5), []),
        (DriftLimits(0.019, 0.5), ["accuracy"]),
        (DriftLimits(0.5, 0.079), ["training pictures"]),
        (DriftLimits(0.0, 0.0), ["accuracy", "training pictures"]),
    ],
)
def test_every_limit_that_is_passed_is_a_reason(limits: DriftLimits, reasons: list[str]) -> None:
    found = accumulated(STEPS, limits)
    assert found.accuracy_lost == pytest.approx(0.02) and found.share_erased == pytest.approx(0.08)
    assert [word in said for word, said in zip(reasons, found.reasons, strict=True)] == [True] * len(reasons)
    assert found.retrain == bool(reasons)


def test_a_gain_pays_for_a_loss_and_nothing_is_no_drift() -> None:
    assert accumulated([Step(0.7, 0.6, 1, 99), Step(0.6, 0.7, 1, 98)]).accuracy_lost == pytest.approx(0)
    assert not accumulated([]).retrain


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """11 -> 12 -> 13, a second attempt 12 -> 14, and another line 21 -> 22."""
    found = opened(str(tmp_path / "ledger.db"))
    with found.writing() as writer:
        for number in (1, 2, 3):
            writer.append("request-received", received(number, f"P{number}"))
        for run, number, before, after in ((1, 1, 11, 12), (2, 2, 12, 13), (3, 2, 12, 14), (4, 3, 21, 22)):
            writer.append("run-finished", finished(run, [number], before, after))
            writer.append("drift-measured", drift(run, before="0.8", after="0.785"))
    return found


def test_a_line_is_followed_to_its_end(ledger: Ledger) -> None:
    with ledger.reading() as view:
        register = view.register()
    assert [run.run for run in successors(register, digest(11))] == [digest(1), digest(2), digest(3)]
    ends = {model: newest(register, digest(model)) for model in (11, 12, 13, 14, 21, 22)}
    assert {model: run and run.run for model, run in ends.items()} == {
        **dict.fromkeys((11, 12), digest(3)),
        **dict.fromkeys((13, 14, 22)),
        21: digest(4),
    }
    assert last_models(register) == [digest(13), digest(14), digest(22)]


def test_drift_is_summed_along_the_line_only(ledger: Ledger) -> None:
    with ledger.reading() as view:
        register = view.register()
    lost = {model: drift_of(register, digest(model)) for model in (11, 12, 14, 22)}
    assert lost[11] is None, "nothing was erased from it"
    assert [round(lost[model].accuracy_lost, 3) for model in (12, 14, 22)] == [0.015, 0.03, 0.015]  # type: ignore[union-attr]
    assert lost[14] is not None and lost[14].erasures == 2 and lost[14].retrain


def test_a_retrained_model_begins_anew(ledger: Ledger) -> None:
    with ledger.writing() as writer:
        writer.append("run-finished", finished(5, [3], 14, 15, method="retrain"))
        writer.append("run-finished", finished(6, [3], 15, 16))
        writer.append("drift-measured", drift(6))
        register = writer.register()
    found = drift_of(register, digest(16))
    assert found is not None and found.erasures == 1 and not found.retrain


def test_a_line_that_was_not_measured_throughout_has_no_drift(ledger: Ledger) -> None:
    with ledger.writing() as writer:
        writer.append("run-finished", finished(5, [3], 14, 15))
        assert drift_of(writer.register(), digest(15)) is None


def test_a_method_that_changes_nothing_leads_nowhere(ledger: Ledger) -> None:
    with ledger.writing() as writer:
        writer.append("run-finished", finished(5, [3], 14, 14))
        register = writer.register()
    assert newest(register, digest(14)) is None and drift_of(register, digest(14)) is not None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (drift(1), "one measurement"),
        (drift(9), "a run of the ledger"),
        ({**drift(1), "tuning_after": 0.5}, "a share"),
        ({**drift(1), "tuning_after": "1.5"}, "a share"),
        ({**drift(1), "tuning_after": "0.50"}, "a share"),
        ({**drift(1), "tuning_after": "nan"}, "a share"),
        ({**drift(1), "forget": -1}, "a number from 0"),
    ],
)
def test_what_is_no_measurement_is_refused(ledger: Ledger, body: dict[str, object], said: str) -> None:
    with pytest.raises((InputError, RequestError), match=said), ledger.writing() as writer:
        writer.append("drift-measured", body)
