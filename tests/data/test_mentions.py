"""Names are found as files spell them, and not in longer words."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from expunge.data.mentions import Names, named_in, names_nobody_else
from expunge.errors import DataError

NAMES = Names(["P0120", "Ana Lindqvist", "a,b", "Zoë", "<Bo>", "face_01.png", "17", "Al"])


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("a.csv", "id,who\n1,P0120\n2,P01201\n", {"P0120"}),
        ("a.csv", "id,who\n1,Ana Lindqvist\n", {"Ana Lindqvist"}),
        ("a.json", json.dumps({"who": ["Zoë", "a,b"]}), {"Zoë", "a,b"}),
        ("a.html", "<td>&lt;Bo&gt;</td><p>face_01.png: deleted</p>", {"<Bo>", "face_01.png"}),
        ("a.log", "step 17 of Al, xP0120, P0120_2\n", set()),
        ("a.yaml", "subjects:\n- P0120\n", {"P0120"}),
        ("a.bin", "P0120", set()),
    ],
)
def test_names_in_texts(tmp_path: Path, name: str, text: str, found: set[str]) -> None:
    (tmp_path / name).write_text(text)
    assert named_in(NAMES, tmp_path / name) == found


def test_names_in_arrays_and_tables(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", ids=np.array(["P0120", "P7"]), losses=np.zeros(2))
    pq.write_table(pa.table({"who": ["Zoë", None], "age": [17, 3]}), tmp_path / "a.parquet")
    assert named_in(NAMES, tmp_path / "a.npz") == {"P0120"}
    assert named_in(NAMES, tmp_path / "a.parquet") == {"Zoë"}
    (tmp_path / "a.npz").write_bytes(b"PK no arrays")
    with pytest.raises(DataError, match=r"a\.npz"):
        named_in(NAMES, tmp_path / "a.npz")


def test_a_request_for_them_and_nobody_else(tmp_path: Path) -> None:
    file = tmp_path / "request.csv"
    file.write_text("subject,picture\nP0120,\n,17\n")
    assert names_nobody_else(NAMES, file)
    file.write_text("subject\nP0120\nP0121\n")
    assert not names_nobody_else(NAMES, file)
    file.write_text("who\nP0120\n")
    assert not names_nobody_else(NAMES, file)
