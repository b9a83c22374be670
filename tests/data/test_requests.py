from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
import torch

from expunge.data import relations
from expunge.data.copies import NearCopies
from expunge.data.dataset import Dataset, from_tensors
from expunge.data.requests import ErasureRequest, Resolution, resolve
from expunge.data.requests import NearCopies as How
from expunge.errors import RequestError
from expunge.types import SPLITS
from tests.data.test_copies import changed, crop, jpeg, mirrored, photographs

# name of a picture: owner, role, and what it is: a photograph by number, or a changed copy of one
Album = Mapping[str, tuple[str, str, object]]
BASE: Album = {
    "a1": ("ann", "train", 0),
    "a2": ("ann", "train", 1),
    "b1": ("bob", "train", 2),
    "b2": ("bob", "train", 3),
    "c1": ("cid", "tuning", 4),
    "c2": ("cid", "tuning", 5),
    "d1": ("dan", "reporting", 6),
    "d2": ("dan", "reporting", 7),
}


def album(more: Album | None = None, *, owners: bool = True, size: int = 64) -> Dataset:
    """A data set of different photographs, and copies: `exact 0`, `near 0` (cropped), `mirror 0`, `other 0`."""
    every = {**BASE, **(more or {})}
    known = photographs(20, size=size)
    makers = {
        "exact": lambda p: p,
        "near": lambda p: changed(p, crop(0.05)),
        "mirror": lambda p: changed(p, mirrored, jpeg),
        "other": lambda p: changed(p, jpeg),
    }

    def pixels(what: object) -> np.ndarray:
        if isinstance(what, int):
            return known[what : what + 1]
        how, of = str(what).split()
        return makers[how](known[int(of) : int(of) + 1])

    drawn = np.concatenate([pixels(what) for _, _, what in every.values()])
    return from_tensors(
        torch.from_numpy(drawn).permute(0, 3, 1, 2),
        torch.zeros(len(every), dtype=torch.int64),
        subjects=[owner for owner, _, _ in every.values()] if owners else None,
        roles=[role for _, role, _ in every.values()],
        ids=list(every),
    )


def sets(found: Resolution) -> dict[str, list[str]]:
    return {name: found.task.split(name).ids.tolist() for name in SPLITS}


def told(entries: Sequence[Mapping[str, object]], *names: str) -> list[tuple[object, ...]]:
    return [tuple(entry[name] for name in names) for entry in entries]


ANN = ErasureRequest(subjects=("ann",))
A1 = ErasureRequest(pictures=("a1",))


def test_a_subject_means_all_its_training_pictures() -> None:
    found = resolve(ANN, album({"a3": ("ann", "tuning", 8), "a4": ("ann", "unused", 9)}))
    assert sets(found) == {
        "retain": ["b1", "b2"],
        "forget": ["a1", "a2"],
        "tuning": ["c1", "c2", "a3"],
        "reporting": ["d1", "d2"],
    }
    says = found.findings.sentences
    assert any("Unlabelled pictures of a person are not found" in s for s in says)
    assert any("1 pictures among the non-members show subjects of the request" in s for s in says)


def test_pictures_and_subjects_add_up_and_duplicates_merge() -> None:
    request = ErasureRequest(subjects=("ann", "ann"), pictures=("b1", "a1", "b1"))
    found = resolve(request, album())
    assert sets(found)["forget"] == ["a1", "a2", "b1"] and sets(found)["retain"] == ["b2"]
    assert (found.findings.subjects, found.findings.pictures, found.findings.forget) == (1, 2, 3)


@pytest.mark.parametrize("how", ["ask", "move", "ignore"])
def test_exact_copies_move_whosesoever_name_they_bear(how: How) -> None:
    found = resolve(A1, album({"b3": ("bob", "train", "exact 0"), "a3": ("ann", "train", "exact 0")}), near_copies=how)
    assert sets(found)["forget"] == ["a1", "b3", "a3"] and sets(found)["retain"] == ["a2", "b1", "b2"]
    assert told(found.findings.exact_moved, "id", "of", "owner") == [("b3", "a1", "bob"), ("a3", "a1", "ann")]
    assert found.findings.near_moved == found.findings.near_review == ()


NEAR: Album = {"a3": ("ann", "train", "near 0"), "b3": ("bob", "train", "mirror 0")}


def test_near_copies_are_listed_when_asked_for() -> None:
    found = resolve(A1, album(NEAR), near_copies="ask")
    assert sets(found)["forget"] == ["a1"]
    assert told(found.findings.near_review, "id", "of", "owner", "same_subject") == [
        ("a3", "a1", "ann", True),
        ("b3", "a1", "bob", False),
    ]
    assert all(0.98 <= float(str(entry["correlation"])) <= 1 for entry in found.findings.near_review)
    assert any("1 of the near copies listed" in s and "--near-copies move" in s for s in found.findings.sentences)


def test_near_copies_of_the_same_subject_move_and_others_are_listed() -> None:
    found = resolve(A1, album(NEAR), near_copies="move")
    assert sets(found)["forget"] == ["a1", "a3"]
    assert told(found.findings.near_moved, "id", "of", "owner") == [("a3", "a1", "ann")]
    assert told(found.findings.near_review, "id", "same_subject") == [("b3", False)]  # of a1, or more like a3


def test_near_copies_are_not_searched_when_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relations, "near_copies", lambda *a, **k: pytest.fail("searched"))
    found = resolve(A1, album({**NEAR, "c3": ("cid", "tuning", "other 0")}), near_copies="ignore")
    assert sets(found)["forget"] == ["a1"] and found.findings.near_review == ()
    assert "c3" in sets(found)["tuning"]
    assert any("Near copies were not searched for" in s for s in found.findings.sentences)


def test_copies_of_what_moved_move_too() -> None:
    """A near copy that moves takes its exact copies along, under any name, and its own near copies of its subject."""
    more: Album = {
        "a3": ("ann", "train", 10),
        "a4": ("ann", "train", "near 10"),
        "b3": ("bob", "train", "near 10"),
        "b4": ("bob", "train", "near 10"),
    }
    data = album(more)
    found = resolve(ErasureRequest(pictures=("a3",)), data, near_copies="move")
    assert sets(found)["forget"] == ["a3", "a4", "b3", "b4"]
    assert told(found.findings.near_moved, "id", "of") == [("a4", "a3")]
    assert told(found.findings.exact_moved, "id", "of", "owner") == [("b3", "a4", "bob"), ("b4", "a4", "bob")]


def test_a_chain_of_near_copies_moves_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cropped twice, the last is no near copy of the first any more; it still goes along."""
    from expunge.data.copies import NearCopy

    chain = {("a1", "a2"), ("a2", "a3"), ("a3", "b1")}

    def stand_in(first: object, second: object, **_: object) -> NearCopies:
        ours, theirs = first.ids.tolist(), second.ids.tolist()  # type: ignore[attr-defined]
        found = [(i, j) for i, a in enumerate(ours) for j, b in enumerate(theirs) if (a, b) in chain]
        return NearCopies(tuple(NearCopy(i, j, 3, 0.99, False) for i, j in found))

    monkeypatch.setattr(relations, "near_copies", stand_in)
    found = resolve(A1, album({"a3": ("ann", "train", 8)}), near_copies="move")
    assert sets(found)["forget"] == ["a1", "a2", "a3"]
    assert told(found.findings.near_moved, "id", "of") == [("a2", "a1"), ("a3", "a2")]
    assert told(found.findings.near_review, "id", "of", "same_subject") == [("b1", "a3", False)]


def test_an_exact_copy_under_another_name_does_not_pull_that_persons_pictures_along() -> None:
    more: Album = {"b3": ("bob", "train", "exact 0"), "b4": ("bob", "train", "near 0")}
    found = resolve(A1, album(more), near_copies="move")
    assert sets(found)["forget"] == ["a1", "b3"]
    assert told(found.findings.near_review, "id", "of", "same_subject") == [("b4", "a1", False)]


def test_without_owners_near_copies_are_only_listed() -> None:
    found = resolve(A1, album(NEAR, owners=False), near_copies="move")
    assert sets(found)["forget"] == ["a1"]
    assert [entry["owner"] for entry in found.findings.near_review] == ["", ""]
    assert any("whose they are is not known" in s for s in found.findings.sentences)


def test_copies_of_training_pictures_are_no_non_members() -> None:
    more: Album = {
        "c3": ("cid", "tuning", "exact 0"),
        "c4": ("cid", "tuning", "near 2"),
        "d3": ("dan", "reporting", "exact 2"),
        "d4": ("dan", "reporting", "mirror 0"),
    }
    found = resolve(A1, album(more))
    assert sets(found)["tuning"] == ["c1", "c2"] and sets(found)["reporting"] == ["d1", "d2"]
    assert sets(found)["forget"] == ["a1"]  # nobody learned these
    assert sorted(told(found.findings.dropped, "id", "of", "split", "kind")) == [
        ("c3", "a1", "tuning", "exact"),
        ("c4", "b1", "tuning", "near"),
        ("d3", "b1", "reporting", "exact"),
        ("d4", "a1", "reporting", "near"),
    ]


def test_reporting_keeps_what_tuning_has_too() -> None:
    found = resolve(A1, album({"c3": ("cid", "tuning", "exact 6"), "c4": ("cid", "tuning", "near 7")}))
    assert sets(found)["tuning"] == ["c1", "c2"] and sets(found)["reporting"] == ["d1", "d2"]
    assert told(found.findings.dropped, "id", "of", "kind") == [("c3", "d1", "exact"), ("c4", "d2", "near")]


def test_tuning_keeps_what_is_only_like_a_dropped_reporting_picture() -> None:
    more: Album = {"d3": ("dan", "reporting", "exact 2"), "c3": ("cid", "tuning", "exact 2")}
    dropped = resolve(A1, album(more)).findings.dropped
    assert sorted(told(dropped, "id", "of")) == [("c3", "b1"), ("d3", "b1")]


def test_unused_pictures_play_no_part() -> None:
    found = resolve(A1, album({"u1": ("bob", "unused", "exact 0"), "u2": ("bob", "unused", "near 4")}))
    assert all("u1" not in names and "u2" not in names for names in sets(found).values())
    assert found.findings.dropped == found.findings.exact_moved == ()


def test_findings_are_json_and_count_right() -> None:
    found = resolve(A1, album({**NEAR, "c3": ("cid", "tuning", "exact 0")}), near_copies="move")
    plain = json.loads(json.dumps(found.findings.to_json()))
    assert {name: plain[name] for name in SPLITS} == {name: len(ids) for name, ids in sets(found).items()}
    assert plain["near_moved"] == [dict(found.findings.near_moved[0])]


def test_where_nothing_was_searched_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relations, "near_copies", lambda *a, **k: NearCopies(blank=3, crowded=4, busy=5))
    says = " ".join(resolve(A1, album()).findings.sentences)
    assert (
        "3 pictures are of one colour" in says
        and "4 pictures look like so many" in says
        and "5 pictures have more possible" in says
    )
    assert "under 24 pixels" in " ".join(resolve(A1, album(size=16)).findings.sentences)


def test_the_order_of_the_data_is_kept_and_the_request_order_does_not_matter() -> None:
    data = album(NEAR)
    one = resolve(ErasureRequest(pictures=("b2", "a1")), data)
    other = resolve(ErasureRequest(pictures=("a1", "b2")), data)
    assert sets(one) == sets(other) and sets(one)["forget"] == ["a1", "b2"]
    assert one.findings == other.findings


def test_progress_is_told() -> None:
    seen: list[tuple[int, int]] = []
    resolve(A1, album(), progress=lambda *now: seen.append(now))
    assert seen and seen[-1][0] == seen[-1][1]


def roles(**changed_roles: str) -> Dataset:
    return album({name: (BASE[name][0], role, BASE[name][2]) for name, role in changed_roles.items()})


ERRORS = {
    "unknown subjects": (
        ErasureRequest(("anm", "x", "y", "z")),
        album(),
        "subjects: expected subjects of the data, came unknown 'anm', 'x', 'y' and 1 more; did you mean .*'ann'",
    ),
    "unknown picture": (
        ErasureRequest(pictures=("a9",)),
        album(),
        "pictures: expected pictures of the data, came unknown 'a9'",
    ),
    "empty": (ErasureRequest(), album(), "request: expected at least one subject or picture, came none"),
    "everybody": (ErasureRequest(("ann", "bob")), album(), "came a request for all 4 of them"),
    "everybody, with the copies": (
        ErasureRequest(("ann",)),
        album({n: ("bob", "train", w) for n, w in (("b1", "exact 0"), ("b2", "exact 1"))}),
        "came with the copies, a request for all 4",
    ),
    "no training pictures": (
        ErasureRequest(("ann", "cid")),
        album(),
        r"subjects: expected subjects with training pictures, came 'cid', of which there are none \('cid': 2 tuning\)",
    ),
    "no training picture": (
        ErasureRequest(pictures=("d1",)),
        album(),
        r"pictures: expected training pictures, came 'd1'.*1 reporting",
    ),
    "no owners": (ANN, album(owners=False), "subjects: expected data with a subject column, came none; .*--subject"),
    "no tuning": (A1, roles(c1="train", c2="train"), "tuning: expected tuning non-members.*--tuning-split"),
    "no reporting": (
        A1,
        roles(d1="unused", d2="unused"),
        "reporting: expected reporting non-members.*--reporting-split",
    ),
    "no training": (A1, roles(a1="unused", a2="unused", b1="unused", b2="unused"), "train: expected training pictures"),
    "only copies": (
        A1,
        album({n: ("cid", "tuning", w) for n, w in (("c1", "exact 0"), ("c2", "near 2"))}),
        "tuning: expected non-members, .* came 2 copies of training",
    ),
}


@pytest.mark.parametrize(("request_", "data", "says"), ERRORS.values(), ids=ERRORS)
def test_refuses(request_: ErasureRequest, data: Dataset, says: str) -> None:
    with pytest.raises(RequestError, match=says) as error:
        resolve(request_, data)
    assert "\n" not in str(error.value) and error.value.exit_code == 2


def test_refuses_what_is_no_request() -> None:
    with pytest.raises(RequestError, match="subjects: expected a list of names, came 'ann'"):
        ErasureRequest(subjects="ann")  # type: ignore[arg-type]
    with pytest.raises(RequestError, match="pictures: expected a list of names"):
        ErasureRequest(pictures=("",))
    with pytest.raises(RequestError, match="near_copies: expected ask, move, ignore, came 'always'"):
        resolve(A1, album(), near_copies="always")  # type: ignore[arg-type]


def test_lists_become_tuples_and_numpy_names_plain_text() -> None:
    request = ErasureRequest(subjects=list(np.array(["ann", "bob", "ann"])))  # type: ignore[arg-type]
    assert request == ErasureRequest(("ann", "bob")) and all(type(name) is str for name in request.subjects)
