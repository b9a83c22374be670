from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from expunge.audits.observe import observe
from expunge.audits.population import INNER, inner_scores
from expunge.bench.raw import RawFolder, slug
from expunge.errors import DataError
from expunge.types import SPLITS
from tests.helpers import net, task


def test_answers_survive_but_for_half_precision(tmp_path: Path) -> None:
    given, raw = task(classes=(3, 2)), RawFolder(tmp_path / "seed-0")
    seen = observe(net(given.retain.spec), given)
    raw.write_task(given, {"key": "k"})
    raw.write("a row", {"seconds": 1.5}, seen)
    found = raw.observation("a row")
    for name in SPLITS:
        assert found[name].ids.tolist() == seen[name].ids.tolist()
        assert found[name].subjects.tolist() == seen[name].subjects.tolist()
        assert np.array_equal(found[name].labels, seen[name].labels)
        assert np.allclose(found[name].losses, seen[name].losses, atol=2e-3)
        assert found[name].spec == seen[name].spec
    assert raw.told("a row") == {"row": "a row", "seconds": 1.5}
    assert raw.rows() == ["a-row"]


def test_logits_of_a_collapsed_model_stay_finite(tmp_path: Path) -> None:
    given, raw = task(), RawFolder(tmp_path)
    seen = observe(net(given.retain.spec), given)
    seen["forget"].logits[:] = 1e9
    raw.write_task(given, {"key": "k"})
    raw.write("x", {}, seen)
    assert np.isfinite(raw.observation("x")["forget"].losses).all()


def test_what_is_missing_or_broken_is_said(tmp_path: Path) -> None:
    given, raw = task(), RawFolder(tmp_path)
    assert raw.told("x") is None and raw.task() is None
    with pytest.raises(DataError, match=r"task.json"):
        raw.observation("x")
    raw.write_task(given, {"key": "k"})
    with pytest.raises(DataError, match="answers of x"):
        raw.observation("x")
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(DataError, match="expected a raw result"):
        raw.told("x")


def test_names_stay_inside_their_folder() -> None:
    assert slug("../../etc/passwd") == "etc-passwd"


def test_what_attacks_make_of_features_is_kept_though_features_are_not(tmp_path: Path) -> None:
    given, raw = task(), RawFolder(tmp_path)
    seen = observe(net(given.retain.spec), given, features=True)
    raw.write_task(given, {"key": "k"})
    raw.write("a row", {}, seen)
    direct, kept = inner_scores(seen), raw.inner("a row")
    assert raw.observation("a row")["forget"].features is None
    assert set(kept) == set(INNER)
    for name, (forget, reporting) in kept.items():
        assert np.allclose(forget, direct[name].members) and np.allclose(reporting, direct[name].others)


def test_rows_without_features_keep_no_attacks_on_them(tmp_path: Path) -> None:
    given, raw = task(), RawFolder(tmp_path)
    raw.write_task(given, {"key": "k"})
    raw.write("a row", {}, observe(net(given.retain.spec), given))
    assert raw.inner("a row") == {}


def test_scores_of_other_pictures_are_refused(tmp_path: Path) -> None:
    given, raw = task(), RawFolder(tmp_path)
    raw.write_task(given, {"key": "k"})
    raw.write("x", {}, observe(net(given.retain.spec), given, features=True))
    with np.load(tmp_path / "x.npz") as found:
        arrays = {name: found[name] for name in found.files}
    np.savez(tmp_path / "x.npz", **{**arrays, "forget.gradient_norm": arrays["forget.gradient_norm"][1:]})
    with pytest.raises(DataError, match="a score a picture by gradient_norm"):
        raw.inner("x")
    (tmp_path / "task.json").write_text('{"key": "k"}')
    for read in (raw.inner, raw.observation):
        with pytest.raises(DataError, match="answers of x"):
            read("x")
