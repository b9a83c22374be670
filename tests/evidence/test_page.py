"""The check on the page about attestations is run as it stands there."""

from __future__ import annotations

import contextlib
import io
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from expunge.evidence.attestation import PAYLOAD_TYPE
from expunge.evidence.dsse import seal
from expunge.evidence.openings import write_openings
from tests.evidence.attested import KEY, OTHER, PICTURES, openings, signed
from tests.evidence.mutations import MUTATIONS, payload

PAGE = Path(__file__).parents[2] / "docs" / "attestation.md"
REFUSED = (ValueError, TypeError, LookupError, AttributeError, RecursionError, InvalidSignature, SystemExit)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    found = re.search(r"```py\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    public = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    files = {"check.py": found[1].encode(), "key.pem": public, "openings.json": write_openings(openings())}
    pictures = {f"{name}.png": data for name, data in PICTURES.items()}
    for name, data in {**files, **pictures, "attestation.json": signed(), "stranger.png": b"another"}.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def words(picture: str) -> list[str]:
    return ["check.py", "attestation.json", "key.pem", picture, "openings.json"]


def holds(place: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    """The same in this process, which is faster."""
    monkeypatch.chdir(place)
    monkeypatch.setattr(sys, "argv", words("p1.png"))
    told = io.StringIO()
    with contextlib.redirect_stdout(told), contextlib.suppress(*REFUSED):
        exec(compile((place / "check.py").read_text(), "check.py", "exec"), {})
    return told.getvalue() == "signed, and the picture is in the erased set\n"


def test_it_is_about_as_short_as_it_can_be(place: Path) -> None:
    assert sum(bool(line.strip()) for line in (place / "check.py").read_text().splitlines()) <= 35


@pytest.mark.parametrize(("picture", "code"), [("p0.png", 0), ("p2.png", 0), ("stranger.png", 1)])
def test_pictures_of_the_set_and_others(place: Path, picture: str, code: int) -> None:
    done = subprocess.run([sys.executable, *words(picture)], cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == code and ("not in the erased set" in done.stderr) == bool(code), done.stderr


@pytest.mark.parametrize("kind", MUTATIONS)
def test_a_changed_file_is_refused(place: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data, rng = signed(), random.Random(kind)
    assert holds(place, monkeypatch)
    for _ in range(20):
        while (changed := MUTATIONS[kind](data, rng)) == data:
            continue
        (place / "attestation.json").write_bytes(changed)
        assert not holds(place, monkeypatch), changed


def test_another_key_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "attestation.json").write_bytes(seal(PAYLOAD_TYPE, payload(signed()), OTHER))
    assert not holds(place, monkeypatch)
