"""The commands around attestations, from argv to exit code: a whole story, and what each of them refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from expunge.app.desk import Silent
from expunge.app.erase import erase_files
from expunge.cli.main import main
from tests.app.workbench import Workbench


def answered(capsys: pytest.CaptureFixture[str], code: int, *words: object) -> dict[str, Any]:
    """What a command says with --json, and that it ends with `code`."""
    capsys.readouterr()
    assert main([*map(str, words), "--json"]) == code, capsys.readouterr().err
    (line,) = capsys.readouterr().out.splitlines()
    return dict(json.loads(line))


def test_keys_are_made_listed_rotated_and_revoked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, secret = tmp_path / "keys", tmp_path / "passphrase"
    secret.write_text("open sesame\nsecond line\n")
    flags = ["--keys", folder, "--passphrase-file", secret]
    first = answered(capsys, 0, "keys", "new", *flags)["items"][0]
    assert first["state"] == "current" and Path(first["public_key"]).is_file() and folder.stat().st_mode & 0o77 == 0
    assert "expunge keys rotate" in answered(capsys, 2, "keys", "new", *flags)["error"]
    assert "passphrase" in answered(capsys, 2, "keys", "rotate", "--keys", folder)["error"]
    states = [one["state"] for one in answered(capsys, 0, "keys", "rotate", *flags)["items"]]
    assert states == ["rotated", "current"]
    revoked = answered(capsys, 0, "keys", "revoke", *flags, "--key-id", first["name"][:8], "--reason", "lost")["items"][
        0
    ]
    assert revoked["state"].startswith("revoked 2") and revoked["state"].endswith("(lost)")
    assert main(["keys", "list", "--keys", str(folder)]) == 0
    out = capsys.readouterr().out
    assert first["name"] in out and "keyring.jsonl" in out and "open sesame" not in out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["keys", "make"], "new, list, rotate, revoke"),
        (["keys", "list", "--keys", "nowhere"], "keys (--keys)"),
        (["keys", "revoke", "--keys", "nowhere"], "--key-id"),
        (["keys", "new", "--passphrase-file", "nowhere"], "--passphrase-file"),
        (["attest", "nowhere", "--key", "nowhere"], "run directory"),
        (["attest", "nowhere"], "--key"),
        (["verify", "nowhere", "--public-key", "nowhere"], "--public-key"),
        (["disclose", "nowhere", "--picture", "1", "--out", "x"], "--openings"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    words: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    err = capsys.readouterr().err
    assert told in err and "Traceback" not in err and "bug" not in err
    assert list(tmp_path.iterdir()) == []


def test_from_a_run_to_a_proof(bench: Workbench, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, folder = tmp_path / "run", tmp_path / "keys"
    erase_files(bench.erase(run), desk=Silent())
    key = answered(capsys, 0, "keys", "new", "--keys", folder)["items"][0]
    private, public = folder / f"{key['name'][:16]}.pem", Path(key["public_key"])
    assert "Ed25519 private key" in answered(capsys, 2, "attest", run, "--key", public)["error"]
    done = answered(capsys, 0, "attest", run, "--key", private, "--request-id", "R-7", "--threads", 1)
    assert done["key"] == key["name"] and done["pictures"] > 0
    attestation, openings = Path(done["attestation"]), Path(done["openings"])

    names = set(bench.request.read_text().split()[1:])
    row = next(r for r in pq.read_table(bench.faces).to_pylist() if r["split"] == "train" and r["subject"] in names)
    (tmp_path / "face.png").write_bytes(row["image"]["bytes"])
    trusted = ["--public-key", public, "--keyring", folder / "keyring.jsonl"]
    asked = ["--model", run, "--picture", tmp_path / "face.png", "--openings", openings]
    proved = answered(capsys, 0, "verify", attestation, *trusted, *asked)
    assert proved["proved"] == ["signature", "model", "picture"] and proved["request"]["id"] == "R-7"
    assert main(["verify", str(attestation), *map(str, trusted)]) == 0
    out = capsys.readouterr().out
    assert "proved: signed by" in out and "neither certified removal" in out and "proved: the model" not in out

    one = json.loads(openings.read_text())["openings"][0]["picture"]
    answered(capsys, 0, "disclose", openings, "--picture", one, "--out", tmp_path / "one.json")
    assert len(json.loads((tmp_path / "one.json").read_text())["openings"]) == 1

    attestation.write_bytes(attestation.read_bytes().replace(b"A", b"B", 1))
    assert "attestation" in answered(capsys, 2, "verify", attestation, *trusted)["error"]
