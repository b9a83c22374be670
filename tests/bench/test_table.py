"""Bench tables of made-up raw results: right numbers, honest gaps, marks that move, nothing unfinished counted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from expunge.bench.cells import BenchTable, Cell
from expunge.bench.notes import forgotten
from expunge.bench.protocol import protocol_names, read_protocol
from expunge.bench.table import bench_table, enough_draws, fingerprint
from expunge.errors import DataError
from tests.bench.rawrows import ENGINE, Made, protocol
from tests.helpers import task

HALF = {"reporting": 0.5, "forget": 0.5}
DRAWS = 300


def table(made: Made) -> BenchTable:
    return bench_table(made.out, made.protocol, "cpu", draws=DRAWS)


def cell(made: Made, row: str, column: str) -> Cell:
    return table(made).row(row).cells[column]


def marks(made: Made, column: str = "distance") -> set[str]:
    return {row.name for row in table(made).rows if row.cells[column].marked}


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path, protocol())


def seeds(folder: Path, **fields: object) -> Made:
    given = protocol(**{"seeds": [0, 1, 2], **fields})  # type: ignore[arg-type]
    made = Made(folder, given)
    return made.seed(0, references=2).seed(1).seed(2)


def test_a_row_that_answers_like_the_reference_is_at_no_distance(made: Made) -> None:
    made.seed(references=2, right=HALF).row("finetune", right=HALF)
    row = table(made).row("finetune")
    for column, value in (("distance", 0.0), ("distance_all", 0.0), ("tow", 1.0)):
        assert row.cells[column] == Cell(value, value, value, "bootstrap")


def test_distances_have_closed_forms(made: Made) -> None:
    made.seed().row("finetune", right={"retain": 0.75}).row("neggrad", right={"retain": 0.75, "reporting": 0.5})
    row = table(made).row("finetune")
    assert row.cells["accuracy_retain"].value == 0.75
    assert row.cells["distance"].value == 0, "retain is not looked at"
    assert row.cells["distance_all"].value == 0.25
    assert row.cells["tow"].value == 0.75
    cells = table(made).row("neggrad").cells
    accuracy = cells["accuracy_reporting"].value
    assert accuracy is not None and cells["tow"].value == pytest.approx(0.75 * accuracy)
    assert cells["distance"].value == pytest.approx(1 - accuracy)
    assert cells["mia_auroc"].value == pytest.approx(0.5 + (1 - accuracy) / 2), "wrong ones lose, right ones tie"


def test_what_lies_beyond_the_retrain_floor_is_paired(tmp_path: Path) -> None:
    """Seed 0 has two references, which are right on all and on half of the retain set: a floor of .5."""
    made = seeds(tmp_path)
    made.row("reference-2", {"seconds": 100.0}, {"retain": 0.5}, kind="reference")
    for seed in (0, 1, 2):
        made.row("finetune", right={"retain": 0.25}, seed=seed).row("neggrad", seed=seed)
    found = {one.method: one for one in table(made).excesses if one.column == "distance_all"}
    assert {one.seeds for one in found.values()} == {(0,)}
    assert found["finetune"].value == pytest.approx(0.5 - 0.5) and found["neggrad"].value == pytest.approx(0.25 - 0.5)
    assert found["neggrad"].low <= found["neggrad"].value <= found["neggrad"].high
    said = [note for note in table(made).notes if "d_all beyond the retrain floor, paired, seed 0: " in note]
    assert len(said) == 1 and "'neggrad' \N{MINUS SIGN}0.250 (" in said[0] and "finetune" not in said[0]
    assert BenchTable.from_json(json.loads(json.dumps(table(made).to_json()))) == table(made)


def test_bootstrap_intervals_hold_their_estimate_and_are_named(made: Made) -> None:
    made.seed().row("finetune", right={"reporting": 0.5})
    found = cell(made, "finetune", "distance")
    assert found.low is not None and found.value is not None and found.high is not None
    assert found.low < found.value < found.high and found.interval == "bootstrap"
    assert "One seed (0). Intervals are 95 % intervals from 300 bootstrap draws of people" in table(made).interval


def test_intervals_over_seeds_are_students(tmp_path: Path) -> None:
    made, shares = seeds(tmp_path), [0.9, 0.75, 0.7]
    for seed, share in enumerate(shares):
        made.row("finetune", right={"retain": share}, seed=seed)
    found = cell(made, "finetune", "accuracy_retain")
    low, high = stats.t.interval(0.95, 2, loc=np.mean(shares), scale=stats.sem(shares))
    assert (found.value, found.low, found.high) == pytest.approx((np.mean(shares), low, high), abs=1e-8)
    assert found.interval == "seeds"
    assert "Means over 3 seeds (0, 1, 2)" in table(made).interval and "n = 3 seeds" in table(made).interval


def test_time_is_a_median_with_its_range_and_paired_with_retraining(tmp_path: Path) -> None:
    made = seeds(tmp_path)
    for seed, (seconds, price) in enumerate([(1.0, 100.0), (2.0, 100.0), (10.0, 2000.0)]):
        made.row("finetune", {"seconds": seconds, "retrain_seconds": price}, seed=seed)
    cells = table(made).row("finetune").cells
    assert cells["seconds"] == Cell(2.0, 1.0, 10.0, "range")
    assert cells["speed_up"] == Cell(100.0, 50.0, 200.0, "range"), "not 100 / 2 = 50"
    assert table(made).row("original").cells["seconds"].value is None
    assert table(made).row("retrained").cells["seconds"].value == 100


def test_the_floor_is_the_distance_between_references(tmp_path: Path) -> None:
    made = seeds(tmp_path).row("reference-2", {"seconds": 100.0}, {"retain": 0.9}, kind="reference")
    row = table(made).row("retrain floor")
    assert row.cells["distance_all"].value == pytest.approx(0.1)
    assert row.cells["tow"].value == pytest.approx(0.9)
    assert row.seeds == (0,) and "seed 0 only" in " ".join(row.says)
    assert row.cells["accuracy_retain"].value is None
    assert table(made).row("retrained").cells["accuracy_retain"].value == pytest.approx((0.95 + 1 + 1) / 3)
    assert any("from seed 0 only: the others have one reference" in note for note in table(made).notes)


def test_without_a_second_reference_there_is_no_floor(made: Made) -> None:
    made.seed(references=1)
    assert table(made).row("retrain floor").cells["distance"].value is None
    assert any("Seed 0 has 1 of 2 references" in note for note in table(made).notes)
    assert any("retrain floor) is not known" in note for note in table(made).notes)


def test_rows_stand_in_the_order_of_the_protocol(tmp_path: Path) -> None:
    made = Made(tmp_path, protocol(("neggrad", "finetune"))).seed()
    assert [row.name for row in table(made).rows] == ["original", "retrained", "retrain floor", "neggrad", "finetune"]
    assert json.loads(json.dumps(table(made).to_json()))["rows"][0]["name"] == "original"
    assert BenchTable.from_json(json.loads(json.dumps(table(made).to_json()))) == table(made)


THREE = ("finetune", "neggrad", {"method": "finetune", "set": {"epochs": 3.0}, "label": "third"})


def test_the_best_and_what_cannot_be_told_from_it_are_marked(tmp_path: Path) -> None:
    made = Made(tmp_path, protocol(THREE)).seed(references=2)
    made.row("finetune").row("neggrad").row("third", right=HALF)
    assert marks(made) == {"finetune", "neggrad"} == marks(made, "distance_all")
    assert marks(made, "tow") == marks(made, "accuracy_reporting") == set(), "nothing else is ranked"
    made.row("finetune", right=HALF)
    assert marks(made) == {"neggrad"}, "made worse, it is told apart"
    comparison = next(one for one in table(made).comparisons if one.column == "distance" and one.other == "finetune")
    assert comparison.best == "neggrad" and comparison.low > 0
    assert comparison.p == pytest.approx(2 / (DRAWS + 1)) and comparison.p_holm == pytest.approx(4 / (DRAWS + 1))


def test_a_difference_within_chance_is_not_called_one(tmp_path: Path) -> None:
    made = Made(tmp_path, protocol(("finetune", "neggrad"))).seed()
    made.row("finetune", right={"reporting": 0.75}).row("neggrad", right={"forget": 0.75})
    assert marks(made) == {"finetune", "neggrad"}
    assert cell(made, "finetune", "distance").value != cell(made, "neggrad", "distance").value


def test_all_seeds_count_in_a_comparison(tmp_path: Path) -> None:
    made = seeds(tmp_path)
    for seed in range(3):
        made.row("finetune", seed=seed).row("neggrad", right=HALF if seed else {}, seed=seed)
    gaps = [table(made).row(name).cells["distance"].value for name in ("finetune", "neggrad")]
    comparison = table(made).comparisons[0]
    assert comparison.difference == pytest.approx(gaps[1] - gaps[0])
    assert marks(made) == {"finetune"}


def test_what_changed_nothing_is_said_and_does_not_compete(made: Made) -> None:
    made.seed().row("finetune", {"changed": False}).row("neggrad", right=HALF)
    assert table(made).row("finetune").says == ("changed no weight",)
    assert marks(made) == set() and table(made).comparisons == ()


def test_failed_and_missing_rows_are_shown_and_not_ranked(tmp_path: Path) -> None:
    made = seeds(tmp_path, methods=(*THREE, {"method": "neggrad", "set": {"epochs": 3.0}, "label": "fourth"}))
    for seed in range(3):
        made.row("finetune", {"failed": "ZeroDivisionError: oops"}, seed=seed)
        made.row("neggrad", {"failed": "diverged"} if seed == 1 else None, seed=seed)
    made.row("third", seed=2)
    found = table(made)
    assert found.row("finetune").state == "failed"
    assert found.row("finetune").says == ("failed: ZeroDivisionError: oops",)
    assert {c.why_not for c in found.row("finetune").cells.values()} == {"failed"}
    assert found.row("neggrad").state == "partly" and found.row("neggrad").says == ("seed 1: failed: diverged",)
    assert found.row("neggrad").cells["tow"].interval == "seeds"
    assert found.row("third").seeds == (2,) and "seeds 0, 1: not run" in found.row("third").says
    assert found.row("fourth").state == "missing" and found.row("fourth").says == ("not run",)
    assert "Failed: 'neggrad' on seed 1: diverged" in found.notes
    assert found.comparisons == () and marks(made) == set()


def test_results_of_other_settings_or_pictures_are_not_used(made: Made) -> None:
    made.seed().row("finetune", {"asked": "something else"}).row("neggrad", {"task": "other pictures"})
    for name in ("finetune", "neggrad"):
        row = table(made).row(name)
        assert row.state == "missing" and "other settings or other pictures" in row.says[0]


def test_what_cannot_be_estimated_is_said_with_its_reason(tmp_path: Path) -> None:
    made = Made(tmp_path, protocol(), task(retain=80, forget=40, classes=(2,))).seed().row("finetune")
    assert table(made).row("finetune").cells["top2_accuracy_reporting"].value is None
    assert any(note.startswith("No top-2 accuracy, reporting: every attribute has two") for note in table(made).notes)
    assert cell(made, "finetune", "accuracy_reporting").value == 1


def test_different_originals_are_said(made: Made) -> None:
    made.seed().row("finetune")
    assert not any("different originals" in note for note in table(made).notes)
    made.row("neggrad", {"original": "bbbb"})
    assert any("different originals" in note and "bbbb: 'neggrad'" in note for note in table(made).notes)


def test_different_machines_are_said(made: Made) -> None:
    made.seed().row("finetune")
    assert "Computed on cpu fp32, channels_last off." in table(made).notes
    made.row("neggrad", {"engine": {**ENGINE, "device": "cuda", "threads": 8}})
    said = " ".join(table(made).notes)
    assert "rows were computed in different ways" in said and "cuda fp32" in said and "1 and 8 threads" in said


def test_enough_is_drawn_for_every_method_to_be_told_apart(tmp_path: Path) -> None:
    many = tuple({"method": "finetune", "set": {"epochs": float(i)}, "label": f"m{i}"} for i in range(1, 61))
    made = Made(tmp_path, protocol(many))
    assert enough_draws(protocol()) == 1000
    assert 2 / (enough_draws(made.protocol) + 1) * (len(many) - 1) < 0.05
    made.seed().row("m1").row("m2", right=HALF)
    assert any("too few" in note for note in bench_table(made.out, made.protocol, "cpu", draws=20).notes)
    assert not any("too few" in note for note in table(made).notes)


def test_seeds_without_a_reference_are_left_out_and_named(tmp_path: Path) -> None:
    made = Made(tmp_path, protocol(seeds=[0, 1])).seed(0).row("finetune")
    assert table(made).seeds == (0,)
    assert "Left out: seed 1 (no retrained reference is there)." in table(made).notes
    assert table(made).row("finetune").state == "done"


def test_a_folder_that_holds_nothing_gives_an_empty_table(made: Made) -> None:
    found = table(made)
    assert found.seeds == () and found.interval == "No seed can be measured yet."
    assert all(one.value is None for row in found.rows for one in row.cells.values())


def test_the_fingerprint_follows_results_settings_and_draws(made: Made) -> None:
    made.seed().row("finetune")
    before = fingerprint(made.out, made.protocol, "cpu")
    assert before == fingerprint(made.out, made.protocol, "cpu")
    assert before != fingerprint(made.out, made.protocol, "cpu", draws=10)
    assert before != fingerprint(made.out, protocol(("finetune",)), "cpu")
    made.row("finetune", right=HALF)
    assert before != fingerprint(made.out, made.protocol, "cpu")


def test_broken_results_are_refused(made: Made) -> None:
    made.seed().row("finetune")
    (made.raw(0).path / "finetune.npz").write_bytes(b"no numbers")
    with pytest.raises(DataError, match="answers of finetune"):
        table(made)


def test_notes_say_who_is_forgotten_in_every_protocol() -> None:
    """A kind without words of its own was once said to be the published forget set."""
    said = {
        name: (forget.kind, forgotten(forget)) for name in protocol_names() for forget in [read_protocol(name).forget]
    }
    assert all(("published" in words) == (kind == "published") for kind, words in said.values()), said
    assert said["mufac-age-hard"][1] == "the most memorised people, until 15 % of the training pictures are reached"
