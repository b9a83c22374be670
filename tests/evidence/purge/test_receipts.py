"""There is a receipt for exactly what was deleted, wherever a process dies."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from expunge.errors import RunDirectoryError
from expunge.evidence.purge.inventory import Fate, Item, inventory, visible
from expunge.evidence.purge.receipts import receipts_at


def item(path: Path, fate: Fate = "delete", holds: str = "") -> Item:
    return Item(path, "model", holds, fate, "", 3)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "weights").write_text("abc")
    return tmp_path / "weights"


def test_a_deletion_has_one_receipt(file: Path, tmp_path: Path) -> None:
    for deleted in (True, False):
        with receipts_at(tmp_path / "purge.jsonl") as receipts:
            assert receipts.delete(item(file), tmp_path) is deleted
            (receipt,) = receipts.all
    assert receipt.sha256 == hashlib.sha256(b"abc").hexdigest() and receipt.what == str(file) and receipt.bytes == 3


@pytest.mark.parametrize(("there", "torn", "count"), [(False, "", 1), (True, "", 0), (False, '{"state": "del', 1)])
def test_an_unfinished_deletion_is_settled(file: Path, tmp_path: Path, there: bool, torn: str, count: int) -> None:
    begun = {"state": "deleting", "what": str(file), "kind": "model", "sha256": "0" * 64, "bytes": 3}
    (tmp_path / "purge.jsonl").write_text(json.dumps(begun) + "\n" + torn)
    if not there:
        file.unlink()
    for _ in range(2):
        with receipts_at(tmp_path / "purge.jsonl") as receipts:
            assert len(receipts.all) == count
    with receipts_at(tmp_path / "purge.jsonl") as receipts:
        assert receipts.delete(item(file), tmp_path) is there
        assert len(receipts.all) == 1


def test_one_purge_at_a_time_and_no_other_file(tmp_path: Path) -> None:
    place = tmp_path / "purge.jsonl"
    with receipts_at(place), pytest.raises(RunDirectoryError, match="in use"), receipts_at(place):
        pass
    place.write_text("something else\n")
    with pytest.raises(RunDirectoryError, match="number 1"), receipts_at(place):
        pass


def test_an_inventory_has_each_file_once_and_knows_what_is_left() -> None:
    found = inventory([item(Path("c"), "keep"), item(Path("b"), "yours"), item(Path("a")), item(Path("a"), "keep")])
    assert [(str(one.path), one.fate) for one in found.items] == [("a", "delete"), ("b", "yours"), ("c", "keep")]
    assert [str(one.path) for one in found.left] == ["a", "b"]


def test_names_of_files_are_spelled_out_where_they_would_not_be_seen() -> None:
    assert visible("a\x1b[2J\u202eb\udcff é") == "a\\x1b[2J\\u202eb\\udcff é"
