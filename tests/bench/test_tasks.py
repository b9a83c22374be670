from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from expunge.bench.protocol import Forget, Memorised, read_protocol
from expunge.bench.tasks import BenchTask, bench_task, chosen, task_key
from expunge.errors import InputError
from expunge.types import SPLITS
from tests.bench.conftest import FIELDS
from tests.helpers import pictures


def made(protocol: Path, faces: Path, seed: int, **changes: object) -> BenchTask:
    protocol.write_text(yaml.safe_dump({**FIELDS, **changes}))
    found = read_protocol(str(protocol))
    return bench_task(found, found.sizes["cpu"], seed, path=faces / "faces.parquet", cache=protocol.parent)


def test_whole_people_are_forgotten_and_nobody_is_on_two_sides(protocol: Path, faces: Path) -> None:
    task = made(protocol, faces, 0).task
    people = {name: set(task.split(name).subjects.tolist()) for name in SPLITS}
    assert not people["forget"] & people["retain"]
    assert not (people["forget"] | people["retain"]) & (people["tuning"] | people["reporting"])
    share = len(task.forget) / (len(task.forget) + len(task.retain))
    assert 0.2 <= share < 0.3


def test_a_seed_draws_people_and_where_a_group_is_named_splits(protocol: Path, faces: Path) -> None:
    zero, again, one = (made(protocol, faces, seed).task for seed in (0, 0, 1))
    assert task_key(zero) == task_key(again) != task_key(one)
    assert zero.reporting.ids.tolist() == one.reporting.ids.tolist(), "without a group the column says who is where"
    data = {**FIELDS["data"], "group": "subject"}
    first, other = (made(protocol, faces, seed, data=data).task for seed in (0, 1))
    assert first.reporting.ids.tolist() == zero.reporting.ids.tolist(), "seed 0 is the column"
    assert other.reporting.ids.tolist() != zero.reporting.ids.tolist()


def test_the_original_learns_retain_and_forget(protocol: Path, faces: Path) -> None:
    bench = made(protocol, faces, 0)
    assert set(bench.trained.ids) == set(bench.task.retain.ids) | set(bench.task.forget.ids)
    seeds = {bench.original_seed, *(bench.reference_seed(n) for n in range(3))}
    assert len(seeds | {made(protocol, faces, 1).original_seed}) == 5


def test_pictures_and_counts_of_people() -> None:
    train = pictures(40)
    assert len(chosen(Forget(kind="pictures", share=0.25), train, 0)) == 10
    assert chosen(Forget(kind="pictures", share=0.25), train, 0) != chosen(
        Forget(kind="pictures", share=0.25), train, 1
    )
    picked = chosen(Forget(kind="count", count=3), train, 0)
    owners = set(train.subjects[np.isin(train.ids, picked)].tolist())
    assert len(owners) == 3 and len(picked) == 12
    with pytest.raises(InputError, match="fewer than all 10"):
        chosen(Forget(kind="count", count=10), train, 0)


def test_the_most_memorised_people_are_forgotten(tmp_path: Path) -> None:
    train = pictures(40)
    people = np.unique(train.subjects).tolist()
    place = tmp_path / "scores.json"
    forget = Memorised(kind="memorised", share=0.25, scores=str(place))
    place.write_text(json.dumps({name: -abs(number - 6.2) for number, name in enumerate(people)}))
    owners = train.subjects[np.isin(train.ids, chosen(forget, train, 0))]
    assert set(owners.tolist()) == {people[6], people[7], people[5]}
    assert chosen(forget, train, 0) == chosen(forget, train, 1), "nothing is drawn"
    place.write_text(json.dumps(dict.fromkeys(people[1:], 0.0)))
    with pytest.raises(InputError, match="none for 1 of them"):
        chosen(forget, train, 0)


def test_published_lists_keep_their_copies() -> None:
    found = read_protocol("mufac-age-published")
    faces = Path(os.environ.get("EXPUNGE_FACES", "../shared/faces"))
    if not (faces / "mufac_published.csv").exists():
        pytest.skip(f"no real faces in {faces}")
    size = found.sizes["cpu"].model_copy(update={"side": 8})
    with tempfile.TemporaryDirectory() as cache:
        bench = bench_task(found, size, 0, path=faces, cache=Path(cache))
    task, files = bench.task, bench.trained
    assert (len(task.forget), len(task.retain), len(files)) == (1500, 8525, 10025)
    assert len({pixels.numpy().tobytes() for pixels in task.forget.pixels(torch.arange(1500))}) < 1100
