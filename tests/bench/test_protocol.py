from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from expunge.bench.jobs import Job, asked, plan
from expunge.bench.protocol import Memorised, protocol_names, read_protocol
from expunge.errors import InputError, MethodError
from tests.bench.conftest import FIELDS


@pytest.mark.parametrize("name", protocol_names())
def test_every_protocol_that_comes_along_is_whole(name: str) -> None:
    protocol = read_protocol(name)
    assert protocol.name == name
    assert {"cpu", "paper"} <= set(protocol.sizes)
    assert "finetune" in [entry.name for entry in protocol.methods], "the baseline to beat is in every table"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seeds": "many"}, "seeds"),
        ({"colour": "red"}, "colour"),
        ({"forget": {"kind": "people"}}, "needs share"),
        ({"forget": {"kind": "people", "share": 1.5}}, "forget.share"),
        ({"forget": {"kind": "memorised", "share": 0.2}}, "forget.scores"),
        ({"forget": {"kind": "memorised", "scores": "scores.json"}}, "needs share"),
        ({"methods": ["finetune", "finetune"]}, "two rows are called finetune"),
        ({"sizes": {"cpu": {"side": 64}}}, "sizes.cpu.arch"),
        ({"base": "nothing"}, "one of ferplus"),
    ],
)
def test_mistakes_are_one_line(protocol: Path, change: dict[str, object], said: str) -> None:
    protocol.write_text(yaml.safe_dump({**FIELDS, **change}))
    with pytest.raises(InputError) as caught:
        read_protocol(str(protocol))
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_unknown_methods_and_settings_are_refused_before_anything_runs(protocol: Path) -> None:
    protocol.write_text(yaml.safe_dump({**FIELDS, "methods": [{"method": "finetune", "set": {"lrr": 1}}]}))
    with pytest.raises(MethodError, match="lrr"):
        read_protocol(str(protocol))


def test_a_base_gives_what_is_not_said(protocol: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(yaml.safe_dump({"base": str(protocol), "seeds": [7]}))
    found = read_protocol(str(other))
    assert (found.name, found.seeds, found.title) == ("other", (7,), "Invented faces")


def test_plan_trains_before_it_unlearns(protocol: Path) -> None:
    first, then = plan(read_protocol(str(protocol)), str(protocol), "cpu", (0, 1), ("fine",))
    assert [job.kind for job in first] == ["original", "original"]
    assert [(job.seed, job.row) for job in then] == [
        (0, "reference-1"),
        (0, "reference-2"),
        (0, "untrained"),
        (0, "fine"),
        (1, "reference-1"),
        (1, "untrained"),
        (1, "fine"),
    ]


def test_what_decides_a_row_decides_its_key(protocol: Path) -> None:
    job = Job(str(protocol), "cpu", 0, "method", "fine")
    known = {asked(job), asked(Job(str(protocol), "cpu", 1, "method", "fine"))}
    for change in (
        {"methods": [{"method": "finetune", "set": {"epochs": 2.0, "batch_size": 16}, "label": "fine"}]},
        {"forget": {"kind": "people", "share": 0.3}},
        {"sizes": {"cpu": {"side": 16, "arch": "resnet10-eighth", "epochs": 2, "batch_size": 16}}},
    ):
        protocol.write_text(yaml.safe_dump({**FIELDS, **change}))
        known.add(asked(job))
    assert len(known) == 5
    protocol.write_text(yaml.safe_dump({**FIELDS, "title": "Another title", "seeds": [0, 1, 2]}))
    assert asked(job) in known, "what people read decides nothing"


def test_scores_of_people_decide_a_row(protocol: Path, tmp_path: Path) -> None:
    scores = tmp_path / "scores.json"
    protocol.write_text(
        yaml.safe_dump({**FIELDS, "forget": {"kind": "memorised", "share": 0.2, "scores": str(scores)}})
    )
    job = Job(str(protocol), "cpu", 0, "method", "fine")
    with pytest.raises(InputError, match="no file"):
        asked(job)
    keys = set()
    for content in ({"ann": 1, "bob": 0.5}, {"ann": 1, "bob": 2}):
        scores.write_text(json.dumps(content))
        keys.add(asked(job))
    assert len(keys) == 2


@pytest.mark.parametrize("content", ["[1, 2]", '{"ann": "much"}', '{"ann": true}'])
def test_scores_that_are_none_are_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "scores.json").write_text(content)
    forget = Memorised(kind="memorised", share=0.2, scores=str(tmp_path / "scores.json"))
    with pytest.raises(InputError, match="a number for every person"):
        forget.by_person()
