"""Names enter as HMAC only: hostile ones too; the key says who may ask, and dropping it ends that."""

from __future__ import annotations

import hashlib
import hmac
import stat
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expunge.errors import InputError
from expunge.evidence.ledger.events import PSEUDONYM
from expunge.evidence.ledger.pseudonyms import PseudonymKey, drop_key, new_key, read_keys
from tests.evidence.ledgers import KEY

TIME = "2026-01-01T00:00:00Z"
HOSTILE = {
    "NUL": "a\0b",
    "only NUL": "\0",
    "SQL": "Robert'); DROP TABLE events;--",
    "HTML": "<script>alert(1)</script>",
    "right-to-left mark": "\u200fabc",
    "right-to-left override": "\u202eabc",
    "line ends": "a\r\nb",
    "path": "../../etc/passwd",
    "half a pair": "\ud800",
    "bytes of a broken file name": b"\xff\xfe".decode("utf-8", "surrogateescape"),
    "a colon": f"{KEY.name}:{'0' * 64}",
    "nothing but blanks": "  ",
    "very many marks": "e" + "\u0301" * 10_000,
    "10 MB": "x" * 10_000_000,
    "10 MB to be composed": "e\u0301" * 3_300_000,
}


@pytest.mark.parametrize("what", HOSTILE)
def test_any_name_has_a_pseudonym(what: str) -> None:
    assert PSEUDONYM.fullmatch(KEY.pseudonym("subject", HOSTILE[what]))


def test_all_of_them_differ() -> None:
    assert len(KEY.pseudonyms("subject", HOSTILE.values())) == len(HOSTILE)


def test_it_is_hmac_of_the_composed_name() -> None:
    """The formula by hand, as somebody would check it who does not have this library."""
    secret, name = bytes(range(32)), "Zoe\u0308"
    digest = hmac.new(secret, b"subject\x00" + "Zo\u00eb".encode(), hashlib.sha256).hexdigest()
    assert PseudonymKey(secret, TIME).pseudonym("subject", name).endswith(f":{digest}")


@given(st.text())
def test_what_reads_the_same_is_the_same(name: str) -> None:
    forms = {unicodedata.normalize(form, name) for form in ("NFC", "NFD")} | {name}
    assert len({KEY.pseudonym("subject", form) for form in forms}) == 1


@given(st.text(), st.text())
def test_what_reads_otherwise_is_another(first: str, second: str) -> None:
    same = unicodedata.normalize("NFC", first) == unicodedata.normalize("NFC", second)
    assert (KEY.pseudonym("subject", first) == KEY.pseudonym("subject", second)) == same


def test_kinds_and_keys_are_apart() -> None:
    other = PseudonymKey(bytes(32), TIME)
    made = {k.pseudonym(kind, "Ana") for k in (KEY, other) for kind in ("subject", "picture")}  # type: ignore[arg-type]
    assert len(made) == 4


def test_the_order_tells_nothing() -> None:
    assert KEY.pseudonyms("subject", ["Ana", "Bo", "Ana"]) == KEY.pseudonyms("subject", ["Bo", "Ana"])
    assert len(KEY.pseudonyms("subject", ["Ana", "Bo", "Ana"])) == 2


def test_keys_lie_in_a_file_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.key"
    first = new_key(path, TIME)
    second = new_key(path, "2026-06-01T00:00:00Z")
    assert read_keys(path) == [first, second] and first.secret != second.secret
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["ledger.key"]


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.key"
    new_key(path, TIME)
    path.chmod(0o640)
    with pytest.raises(InputError, match="chmod 600"):
        read_keys(path)


@pytest.mark.parametrize(
    "content", [b"x\n", b"{}\n", b'{"made":"","secret":"00"}\n', b'{"made": "", "secret": ""}\n', b"\xff\n", b"\n"]
)
def test_what_is_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ledger.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(InputError, match=r"--pseudonym-key"):
        read_keys(path)


def test_a_dropped_key_is_gone_from_the_file_and_its_old_bytes_too(tmp_path: Path) -> None:
    path, link = tmp_path / "ledger.key", tmp_path / "held-open"
    first, second = new_key(path, TIME), new_key(path, TIME)
    link.hardlink_to(path)  # what the file was before it was replaced
    assert drop_key(path, first.name)
    assert read_keys(path) == [second]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert first.secret.hex().encode() not in link.read_bytes()
    assert not drop_key(path, first.name)
