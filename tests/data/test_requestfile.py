from __future__ import annotations

import re
from pathlib import Path

import pytest

from expunge.data.requests import ErasureRequest
from expunge.errors import RequestError


def request(folder: Path, name: str, content: str | bytes) -> ErasureRequest:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return ErasureRequest.from_file(path)


GOOD = {
    "subjects": ("r.csv", "subject\nann\nbob\nann\n", ErasureRequest(("ann", "bob"))),
    "pictures": ("r.csv", "picture\na.jpg\n", ErasureRequest((), ("a.jpg",))),
    "both columns": ("r.csv", "subject,picture,why\nann,,asked\n,a.jpg,asked\n", ErasureRequest(("ann",), ("a.jpg",))),
    "spaces, quotes, blank lines": ("R.CSV", '\n subject \n"Lee, Ann"\n\n bob \n', ErasureRequest(("Lee, Ann", "bob"))),
    "byte order mark": ("r.csv", b"\xef\xbb\xbfsubject\r\nann\r\n", ErasureRequest(("ann",))),
    "only a header": ("r.csv", "subject\n", ErasureRequest()),
    "json": (
        "r.json",
        '{"subjects": ["ann", 7, "ann"], "pictures": ["a.jpg"]}',
        ErasureRequest(("ann", "7"), ("a.jpg",)),
    ),
    "json, one list": ("r.json", '{"pictures": ["a.jpg"]}', ErasureRequest((), ("a.jpg",))),
}

BAD = {
    "another kind": ("r.txt", "ann", "request: expected a file ending in .csv or .json"),
    "no known column": ("r.csv", "name\nann\n", "expected a column subject or picture.*came 'name' in line 1"),
    "semicolons": ("r.csv", "subject;picture\nann;\n", "commas between columns.*'subject;picture' in line 1"),
    "a column twice": ("r.csv", "subject,subject\nann,bob\n", "each once"),
    "empty file": ("r.csv", "", None),
    "no name": ("r.csv", 'subject,why\nann,x\n"",y\n', "subject: expected a name, came none in line 3"),
    "two names": ("r.csv", "subject,picture\nann,a.jpg\n", "expected a subject or a picture in each line.*line 2"),
    "a line too long": ("r.csv", "subject\nann,bob\n", "expected 1 columns.*came 2 in line 2"),
    "an open quote": ("r.csv", 'subject\n"ann\n', "expected CSV, came line 2"),
    "other bytes": ("r.csv", b"subject\nann\n\xff\xfe\n", "UTF-8.*line 3"),
    "broken json": ("r.json", '{\n"subjects": ["ann",\n}', "expected JSON like .*line 3, column 1"),
    "an empty json": ("r.json", "", "expected JSON like .*line 1"),
    "a list": ("r.json", '["ann"]', "expected JSON like .*came a list in line 1"),
    "another field": (
        "r.json",
        '{\n"people": ["ann"]}',
        "expected the fields subjects and pictures only.*'people' in line 2",
    ),
    "a field twice": ("r.json", '{"subjects": ["ann"], "subjects": ["bob"]}', "came the field 'subjects' twice"),
    "no list": (
        "r.json",
        '{\n\n"subjects": "ann"}',
        "subjects: expected a list of names, came the text 'ann' in line 3",
    ),
    "an entry that is none": (
        "r.json",
        '{"pictures": ["a"],\n"subjects": [\n  "a, \\"b]",\n  null]}',
        r"subjects\[1\]: expected a name, came null in line 4",
    ),
    "an empty entry": (
        "r.json",
        '{"pictures": [\n" "]}',
        r"pictures\[0\]: expected a name, came the text ' ' in line 2",
    ),
    "true": ("r.json", '{"pictures": [true]}', r"pictures\[0\]: expected a name, came true or false in line 1"),
    "a fraction": ("r.json", '{"pictures": [1.5]}', r"pictures\[0\]: expected a name, came a number"),
    "an object": ("r.json", '{"pictures": [{}]}', r"pictures\[0\]: expected a name, came an object"),
    "deep": ("r.json", "[" * 100_000, "expected JSON like"),
}


@pytest.mark.parametrize(("name", "content", "expected"), GOOD.values(), ids=GOOD)
def test_reads(tmp_path: Path, name: str, content: str | bytes, expected: ErasureRequest) -> None:
    assert request(tmp_path, name, content) == expected


@pytest.mark.parametrize(("name", "content", "says"), BAD.values(), ids=BAD)
def test_refuses(tmp_path: Path, name: str, content: str | bytes, says: str | None) -> None:
    with pytest.raises(RequestError) as error:
        request(tmp_path, name, content)
    text = str(error.value)
    assert "\n" not in text and name in text
    assert re.search(says or "expected a column subject or picture", text), text


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"nowhere.json: No such file"):
        ErasureRequest.from_file(tmp_path / "nowhere.json")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(RequestError, match=r"folder.csv: Is a directory"):
        ErasureRequest.from_file(tmp_path / "folder.csv")
