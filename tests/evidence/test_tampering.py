"""Whoever tampers with an attestation is found out, by `expunge verify` and by the verifier without expunge alike.

Every mutation is a file that both verifiers read as people let them: 2,760 of the envelope and what it holds, without
the key (23 kinds), 720 of the form of the payload, with the key (6 kinds), 600 of the model's files (10 kinds), 420 of
the openings (7 kinds). What is done to rows and heads of the ledger stands in `test_ledger_tampering`.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import random
import shutil
import unicodedata
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from expunge.app.desk import Silent
from expunge.app.verify import VerifySettings, verify
from expunge.errors import InputError
from expunge.evidence.attestation import PAYLOAD_TYPE, read_attestation
from expunge.evidence.canonical import canonical
from expunge.evidence.dsse import seal
from expunge.evidence.openings import write_openings
from tests.evidence import mutations
from tests.evidence.attested import FILES, KEY, PICTURES, openings, predicate, sealed, signed, statement
from tests.evidence.mutations import FORMS, MUTATIONS, Mutation, payload
from tests.evidence.test_attestation import PAYLOADS, SIGNED

Told = dict[str, Any]
ROOT = Path(__file__).parents[2]
PER_KIND, PER_FILE = 120, 60
# what the verifier without expunge turns into one line and an exit code
REFUSED = (ValueError, TypeError, LookupError, AttributeError, OSError, RecursionError, InvalidSignature)


@dataclass(frozen=True)
class Place:
    """An attestation on disk with all that it is about, and the two verifiers."""

    folder: Path
    other: ModuleType

    @property
    def attestation(self) -> Path:
        return self.folder / "attestation.json"

    @property
    def openings(self) -> Path:
        return self.folder / "openings.json"

    @property
    def model(self) -> Path:
        return self.folder / "model"

    def ours(self, **asked: Path) -> bool:
        """Whether `expunge verify` says that everything holds."""
        try:
            verify(VerifySettings(self.attestation, self.folder / "key.pem", **asked), desk=Silent())
        except InputError:
            return False
        return True

    def theirs(self, **asked: Path) -> bool:
        """Whether the verifier without expunge says so."""
        given = {"model": None, "picture": None, "openings": None, **asked}
        try:
            self.other.main(Namespace(attestation=self.attestation, public_key=self.folder / "key.pem", **given))
        except REFUSED:
            return False
        return True

    def accepted(self, **asked: Path) -> bool:
        """Whether everything holds, on which both must agree."""
        found = self.ours(**asked)
        assert self.theirs(**asked) == found, f"expunge verify says {found}, the other verifier does not"
        return found


@pytest.fixture
def place(tmp_path: Path) -> Place:
    spec = importlib.util.spec_from_file_location("verify_without_expunge", ROOT / "docs/verify_without_expunge.py")
    assert spec and spec.loader
    other = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(other)
    made = Place(tmp_path, other)
    public = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    pictures = {f"{name}.png": data for name, data in PICTURES.items()}
    files = {"key.pem": public, "attestation.json": signed(), "openings.json": write_openings(openings()), **pictures}
    for name, data in {**files, **{f"model/{name}": data for name, data in FILES.items()}}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    return made


def test_what_nobody_touched_is_accepted(place: Place) -> None:
    assert place.accepted() and place.accepted(model=place.model)
    for name in PICTURES:
        assert place.accepted(picture=place.folder / f"{name}.png", openings=place.openings)


@pytest.mark.parametrize("kind", MUTATIONS)
def test_no_mutation_of_the_file_is_accepted(place: Place, kind: str) -> None:
    data, rng = signed(), random.Random(kind)
    for number in range(PER_KIND):
        while (changed := MUTATIONS[kind](data, rng)) == data:
            continue
        place.attestation.write_bytes(changed)
        assert not place.accepted(), (kind, number, changed)


def other_body(form: Mutation, rng: random.Random) -> bytes:
    """A payload in another form. With a good signature another text, as NFD is one, would be another statement."""
    same = payload(signed())
    while True:
        try:
            body = payload(form(signed(), rng))
        except (ValueError, TypeError):  # the envelope was changed instead
            continue
        if unicodedata.normalize("NFD", body.decode(errors="ignore")) != unicodedata.normalize("NFD", same.decode()):
            return body


@pytest.mark.parametrize("form", FORMS)
def test_a_payload_in_another_form_is_refused_even_with_a_good_signature(place: Place, form: Mutation) -> None:
    """Two readers of one signed file must not be able to read different things in it."""
    rng = random.Random(f"{form.__name__}, signed")
    for number in range(PER_KIND):
        body = other_body(form, rng)
        place.attestation.write_bytes(seal(PAYLOAD_TYPE, body, KEY))
        assert not place.accepted(), (number, body)


@pytest.mark.parametrize("fault", SIGNED)
def test_both_refuse_the_same_signed_nonsense(place: Place, fault: str) -> None:
    place.attestation.write_bytes(sealed(**SIGNED[fault]))
    assert not place.accepted()


@pytest.mark.parametrize("fault", PAYLOADS)
def test_both_refuse_the_same_signed_forms(place: Place, fault: str) -> None:
    place.attestation.write_bytes(seal(PAYLOAD_TYPE, PAYLOADS[fault](canonical(statement()).decode()).encode(), KEY))
    assert not place.accepted()


def test_what_the_owner_of_the_key_signs_stands_with_that_meaning(place: Place) -> None:
    """The other side of the rule: nothing is refused for being new."""
    for changes in ({"verdict": "worse"}, {"audits": []}, {"run": {"lr": "0.5"}}, {"method": {"name": "e\u0301"}}):
        place.attestation.write_bytes(sealed(predicate=predicate(**changes)))
        assert place.accepted()
        told = read_attestation(place.attestation.read_bytes(), KEY.public_key()).predicate
        assert told == predicate(**changes)


def test_there_are_enough_mutations() -> None:
    assert PER_KIND * len(MUTATIONS) == 2760 and PER_KIND * len(FORMS) == 720
    assert PER_FILE * len(ON_MODELS) == 600 and PER_FILE * (len(ON_OPENINGS) + len(ON_BYTES)) == 420


def test_a_lenient_reader_would_be_fooled() -> None:
    """The planted fault: a reader that checks the signature and nothing else takes many of these."""

    def lenient(data: bytes) -> None:
        found = json.loads(data)
        sig, body = (base64.b64decode(t) for t in (found["signatures"][0]["sig"], found["payload"]))
        kind = found["payloadType"].encode()
        KEY.public_key().verify(sig, b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(body), body))

    rng, taken = random.Random(0), set()
    for kind, mutate in MUTATIONS.items():
        for _ in range(40):
            changed = mutate(signed(), rng)
            try:
                lenient(changed)
            except Exception:
                continue
            if changed != signed():
                taken.add(kind)
    assert taken >= {"insert", "reorder", "duplicate", "escape", "base64_variant", "field_more", "signatures", "trail"}


def any_file(model: Path, rng: random.Random) -> Path:
    return model / rng.choice(sorted(FILES))


def flipped_file(model: Path, rng: random.Random) -> None:
    path = any_file(model, rng)
    path.write_bytes(mutations.flip(path.read_bytes(), rng))


def longer_file(model: Path, rng: random.Random) -> None:
    path = any_file(model, rng)
    path.write_bytes(path.read_bytes() + rng.randbytes(rng.randint(1, 9)))


def shorter_file(model: Path, rng: random.Random) -> None:
    path = any_file(model, rng)
    path.write_bytes(path.read_bytes()[: rng.randrange(len(path.read_bytes()))])


def file_gone(model: Path, rng: random.Random) -> None:
    any_file(model, rng).unlink()


def file_more(model: Path, rng: random.Random) -> None:
    names = (
        ".hidden",
        "weights/more.bin",
        "config.json.bak",
        "weights.pt",
        "a b",
        "ä",
        "new/deep/file",
        "..x",
        "\u202e",
    )
    path = model / rng.choice(names)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(rng.randbytes(rng.randint(0, 3)))


def file_renamed(model: Path, rng: random.Random) -> None:
    path = any_file(model, rng)
    path.rename(path.with_name(rng.choice([path.name.upper(), f"{path.name} ", f"_{path.name}"])))


def files_swapped(model: Path, rng: random.Random) -> None:
    first, second = (model / name for name in FILES)
    first.write_bytes(FILES[second.relative_to(model).as_posix()])
    second.write_bytes(FILES[first.relative_to(model).as_posix()])


def link_for_file(model: Path, rng: random.Random) -> None:
    """The same bytes today, through a link that may lead elsewhere tomorrow."""
    path = any_file(model, rng)
    moved = model.parent / f"moved{rng.random()}"
    path.rename(moved)
    path.symlink_to(moved)


def folder_link(model: Path, rng: random.Random) -> None:
    moved = model.parent / f"moved{rng.random()}"
    (model / "weights").rename(moved)
    (model / "weights").symlink_to(moved)


def pipe(model: Path, rng: random.Random) -> None:
    """Reading it would wait for ever."""
    os.mkfifo(model / f"pipe{rng.randrange(9)}")


ON_MODELS = (
    *(flipped_file, longer_file, shorter_file, file_gone, file_more, file_renamed, files_swapped, link_for_file),
    *(folder_link, pipe),
)


@pytest.mark.parametrize("change", ON_MODELS)
def test_no_other_model_passes(place: Place, change: Callable[[Path, random.Random], None]) -> None:
    rng = random.Random(change.__name__)
    for number in range(PER_FILE):
        model = place.folder / f"model {number}"
        shutil.copytree(place.model, model)
        change(model, rng)
        assert not place.accepted(model=model), number


def another(text: str, rng: random.Random) -> str:
    """A hash with one other digit."""
    at = rng.randrange(len(text))
    return text[:at] + rng.choice([c for c in "0123456789abcdef" if c != text[at]]) + text[at + 1 :]


def other_opening(found: Told, rng: random.Random) -> Told:
    """What was opened for the first picture, in another way."""
    (one,) = [row for row in found["openings"] if row["picture"] == "p0"]
    path = one["path"]
    changes: list[Told] = [
        {"nonce": another(one["nonce"], rng)},
        {"path": [path[0].upper(), *path[1:]]},
        {"nonce": path[0]},
        {"index": one["index"] + rng.choice([-1, 1, 2**40])},
        {"index": -1 - one["index"]},
        {"index": str(one["index"])},
        {"path": path[1:]},
        {"path": [*path, another(path[0], rng)]},
        {"path": [another(path[0], rng), *path[1:]]},
        {"path": path[::-1] if len(path) > 1 else []},
        {"path": [found["root"]]},
        {"path": []},
    ]
    return {**found, "openings": [{**one, **rng.choice(changes)}]}


def other_commitment(found: Told, rng: random.Random) -> Told:
    sizes = [2, 4, 0, -3, "3", None, True, 2**53 - 1]
    return {**found, **rng.choice([{"root": another(found["root"], rng)}, {"size": rng.choice(sizes)}])}


def other_file(found: Told, rng: random.Random) -> Told:
    others: list[Told] = [
        {"type": "application/json"},
        {"more": 1},
        {"openings": {}},
        {"openings": []},
        {"openings": [None]},
        {"openings": [[]]},
        {"openings": [row for row in found["openings"] if row["picture"] != "p0"]},
        {"openings": [{**row, "more": 1} for row in found["openings"]]},
        {"openings": [{**row, "picture": 7} for row in found["openings"]]},
    ]
    return {**found, **rng.choice(others)}


ON_OPENINGS = (other_opening, other_commitment, other_file)
ON_BYTES = (mutations.flip, mutations.cut, mutations.insert, mutations.trail)


@pytest.mark.parametrize("change", ON_OPENINGS)
def test_no_other_opening_proves_a_picture(place: Place, change: Callable[[Told, random.Random], Told]) -> None:
    found, rng = json.loads(place.openings.read_bytes()), random.Random(change.__name__)
    for _ in range(PER_FILE):
        changed = change(found, rng)
        place.openings.write_bytes(canonical(changed) + b"\n")
        assert not place.accepted(picture=place.folder / "p0.png", openings=place.openings), changed


@pytest.mark.parametrize("change", ON_BYTES)
def test_other_bytes_of_openings_prove_nothing_new(place: Place, change: Mutation) -> None:
    """What is said about others does no harm, nor does another name: the way to the root must be there as it was."""
    data, rng = place.openings.read_bytes(), random.Random(change.__name__)
    for _ in range(PER_FILE):
        place.openings.write_bytes(change(data, rng))
        if place.accepted(picture=place.folder / "p0.png", openings=place.openings):
            assert way_of_first(data) in [way(row) for row in json.loads(place.openings.read_bytes())["openings"]]
        place.openings.write_bytes(data)
        (place.folder / "stranger.png").write_bytes(PICTURES["p0"] + rng.randbytes(1))
        assert not place.accepted(picture=place.folder / "stranger.png", openings=place.openings)


def way(opening: Told) -> Told:
    return {name: value for name, value in opening.items() if name != "picture"}


def way_of_first(data: bytes) -> Told:
    return next(way(row) for row in json.loads(data)["openings"] if row["picture"] == "p0")
