"""Who is drawn: people as wholes, on all sides at once, and never an interval of no width from one person."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from expunge.audits.observe import Observation, Seen, observe
from expunge.audits.resampling import FEW, caveats, check_comparable, resampled_subjects, resampling
from expunge.audits.run import audit
from expunge.errors import DataError
from expunge.types import SPLITS, Split
from tests.helpers import net, task

TASK = task(retain=40, forget=24)
SEEN = observe(net(TASK.retain.spec, seed=1).eval(), TASK)


def owned(**subjects: list[str] | None) -> Observation:
    """The observation with other owners of some splits."""
    changed: dict[Split, Seen] = dict(SEEN)
    for name, owners in subjects.items():
        part: Split = name  # type: ignore[assignment]
        changed[part] = replace(SEEN[part], subjects=None if owners is None else np.array(owners))
    return changed


def test_the_sample_itself_comes_first_and_subjects_stay_whole() -> None:
    weights = resampling(SEEN, draws=30, seed=0)
    assert tuple(weights) == SPLITS
    for name in SPLITS:
        assert (weights[name][0] == 1).all()
        pictures = weights[name].reshape(31, -1, 4)  # four pictures a subject
        assert (pictures == pictures[:, :, :1]).all()


def test_people_on_both_sides_are_drawn_for_both_at_once() -> None:
    people = [f"p{i // 2}" for i in range(24)]
    weights = resampling(owned(forget=people, reporting=people), draws=40, seed=0)
    assert (weights["forget"] == weights["reporting"]).all()
    apart = resampling(SEEN, draws=40, seed=0)  # different people: each side on its own
    assert (apart["forget"] != apart["reporting"]).any()


def test_people_of_whom_some_pictures_stay_are_drawn_for_both_sides_at_once() -> None:
    """The relative attack compares forget with retain pictures, and requests of single pictures leave others."""
    some = [f"p{i // 4}" for i in range(24)]
    weights = resampling(owned(forget=some, retain=[*some, *["q"] * 8, *["r"] * 8]), draws=40, seed=0)
    assert (weights["forget"] == weights["retain"][:, :24]).all() and set(weights["forget"][1:, 0]) > {0, 1}
    others = weights["retain"][:, 24:]
    assert set(others[1:, 0]) == {0, 1, 2} and (others[:, :8] == others[:, :1]).all()


def test_few_shared_people_vary_too() -> None:
    forget = [*["a"] * 12, *[f"f{i}" for i in range(12)]]
    reporting = [*["a"] * 6, *["b"] * 6, *[f"r{i}" for i in range(12)]]
    tuning = [*["b"] * 12, *[f"t{i}" for i in range(12)]]
    weights = resampling(owned(forget=forget, reporting=reporting, tuning=tuning), draws=60, seed=0)
    assert set(weights["forget"][1:, 0]) > {0, 1}
    assert (weights["forget"][:, 0] == weights["reporting"][:, 0]).all()


def test_changed_owners_of_reporting_pictures_leave_draws_of_others_alone() -> None:
    one, two = (resampling(o, draws=10, seed=0) for o in (SEEN, owned(reporting=None)))
    assert (one["forget"] == two["forget"]).all()
    assert (one["retain"] == two["retain"]).all()


def test_one_subject_resamples_pictures_and_says_so() -> None:
    """The planted fault: drawing the only subject again and again gives an interval of no width."""
    alone = owned(forget=["x"] * 24)
    report = audit(None, alone, [], draws=60)
    row = report.row("loss", "forget")
    assert row.low is not None and row.high is not None
    assert row.high - row.low > 1e-4
    assert row.subjects is None and resampled_subjects(alone["forget"]) is None
    assert report.row("mia_auroc", "forget-vs-reporting").subjects is None
    assert any("forget pictures show one subject" in note for note in report.notes)


def test_few_subjects_are_said_and_many_are_not() -> None:
    many = dict.fromkeys(SPLITS)
    assert caveats(owned(**many)) == []
    assert "only 2 subjects" in caveats(owned(**many | {"tuning": ["a", "b"] * 12}))[0]
    enough = [f"s{i % FEW}" for i in range(24)]
    assert caveats(owned(**many | {"tuning": enough})) == []


def test_shared_people_are_counted_once() -> None:
    people = [f"p{i // 2}" for i in range(24)]
    report = audit(None, owned(forget=people, reporting=people), [], draws=10)
    assert report.row("mia_auroc", "forget-vs-reporting").subjects == 12


def test_models_shown_other_pictures_cannot_be_compared() -> None:
    other = dict(SEEN)
    other["forget"] = replace(SEEN["forget"], ids=SEEN["forget"].ids[::-1])
    with pytest.raises(DataError, match="same pictures"):
        audit(None, SEEN, [other], draws=5)
    with pytest.raises(DataError, match="same pictures"):
        audit(other, SEEN, [], draws=5)


def test_an_empty_split_is_an_error_that_names_it() -> None:
    empty = dict(SEEN)
    empty["tuning"] = replace(SEEN["tuning"], ids=np.array([], dtype=str))
    with pytest.raises(DataError, match="tuning set"):
        check_comparable([empty])
