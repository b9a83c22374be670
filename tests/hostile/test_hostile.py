"""Hostile input, over the whole product: refused in one clear line, no code run, nothing written."""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from expunge.errors import ExpungeError, InputError
from tests.app.workbench import listing
from tests.hostile.caches import CACHES
from tests.hostile.flags import FLAGS
from tests.hostile.outcomes import OUTCOMES
from tests.hostile.signed import SIGNED
from tests.hostile.table import Case, Command, Place
from tests.hostile.tables import TABLES as DATA
from tests.hostile.weights import WEIGHTS
from tests.hostile.yamls import TAGS, YAMLS

TABLES: Mapping[str, Mapping[str, Case]] = {
    "weights": WEIGHTS,
    "work": YAMLS,
    "caches": CACHES,
    "data": DATA,
    "evidence": SIGNED,
    "flags": FLAGS,
}
CASES = {f"{table}: {name}": case for table, cases in TABLES.items() for name, case in cases.items()}
MOST = 3100  # characters of a line that a person shall read


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Place:
    folder = tmp_path / "in"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return Place(folder, tmp_path / "canary", capsys)


def refusal(call: object) -> str:
    """The line with which a call refuses."""
    if isinstance(call, Command):
        return call()
    assert callable(call)
    with pytest.raises(ExpungeError) as refused:
        call()
    if isinstance(refused.value, InputError):
        assert refused.value.field and refused.value.expected and refused.value.came
    return str(refused.value)


@pytest.mark.parametrize("name", CASES)
def test_hostile_input_is_refused(name: str, place: Place) -> None:
    case = CASES[name]
    call = case.prepare(place)
    before = listing(place.folder)
    line = refusal(call)
    assert re.search(case.says, line), line
    assert line.isprintable() and len(line) <= MOST, line[:MOST]
    assert listing(place.folder) == before, "nothing is written"
    assert not place.canary.exists(), "no code is run"


@pytest.mark.parametrize("name", OUTCOMES)
def test_hostile_input_that_is_taken_has_one_outcome(name: str, place: Place) -> None:
    OUTCOMES[name].check(place)
    assert not place.canary.exists()


def test_the_table_is_long_enough_and_names_every_entry() -> None:
    assert len(CASES) + len(OUTCOMES) >= 150 and all(case.entry and case.says for case in CASES.values())
    entries = {case.entry for case in CASES.values()} | {outcome.entry for outcome in OUTCOMES.values()}
    assert len(entries) >= 20, sorted(entries)


@pytest.mark.parametrize("tag", ["that runs a program", "that calls eval"])
def test_a_trusting_reader_of_yaml_would_run_the_code(tag: str, place: Place) -> None:
    """The planted fault: without it, nobody would know whether the canary sings."""
    yaml.unsafe_load(TAGS[tag].replace("{canary}", str(place.canary)))
    assert place.canary.exists()


def test_a_trusting_reader_of_pickles_would_run_the_code(place: Place) -> None:
    pickle.loads(place.pickled())
    assert place.canary.exists()
