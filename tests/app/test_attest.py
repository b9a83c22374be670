"""From a finished run to an attestation and back: what is signed, proved and refused, with and without expunge."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cryptography
import pyarrow.parquet as pq
import pytest

from expunge.app.attest import AttestSettings, attest_run, disclose
from expunge.app.desk import Desk, Silent
from expunge.app.erase import erase_files
from expunge.app.job import EraseJob
from expunge.app.keys import KeyFolder
from expunge.app.runs import load_run
from expunge.app.verify import VerifySettings, verify
from expunge.audits.registry import AUDITS
from expunge.errors import InputError, RunDirectoryError
from expunge.evidence.canonical import canonical
from expunge.evidence.keys import private_file, public_file
from expunge.evidence.openings import proves, read_openings
from tests.app.workbench import Workbench
from tests.evidence.mutations import MUTATIONS

ROOT = Path(__file__).parents[2]
ALONE = ROOT / "docs" / "verify_without_expunge.py"


def clock() -> datetime:
    return datetime(2026, 3, 1, 12, tzinfo=UTC)


class Attested:
    """A run with its attestation, a key, and one erased and one kept picture as files."""

    def __init__(self, bench: Workbench, place: Path) -> None:
        self.bench, self.run = bench, place / "run"
        erase_files(bench.erase(self.run), desk=Silent())
        folder = KeyFolder(place / "keys", clock=clock)
        name = folder.new().current.name
        self.key, self.public = private_file(folder.place, name), public_file(folder.place, name)
        self.keyring = folder.keyring
        self.answer = attest_run(AttestSettings(self.run, self.key, request_id="R-7"), desk=Silent(), clock=clock)
        self.attestation, self.openings = self.run / "attestation.json", self.run / "openings.json"
        self.erased, self.kept = self._pictures(place)

    def _pictures(self, place: Path) -> tuple[Path, Path]:
        names = set(self.bench.request.read_text().split()[1:])
        table = pq.read_table(self.bench.faces).to_pylist()
        rows = [row for row in table if row["split"] == "train"]
        chosen = (next(row for row in rows if (row["subject"] in names) == erased) for erased in (True, False))
        files = []
        for name, row in zip(("erased", "kept"), chosen, strict=True):
            files.append(place / f"{name}.png")
            files[-1].write_bytes(row["image"]["bytes"])
        return files[0], files[1]

    def verify(self, **changes: Any) -> dict[str, Any]:
        given = {"attestation": self.attestation, "public_key": self.public, **changes}
        return verify(VerifySettings(**given), desk=Silent())

    @property
    def said(self) -> dict[str, Any]:
        statement: dict[str, Any] = json.loads(base64.b64decode(json.loads(self.attestation.read_bytes())["payload"]))
        return statement


@pytest.fixture(scope="session")
def attested(bench: Workbench, tmp_path_factory: pytest.TempPathFactory) -> Attested:
    return Attested(bench, tmp_path_factory.mktemp("attested"))


def test_it_says_what_the_run_says(attested: Attested) -> None:
    metrics = json.loads((attested.run / "metrics.json").read_text())
    said, weights = attested.said["predicate"], metrics["weights"]
    assert said["model"] == {"before": weights["before"], "after": weights["after"], "references": []}
    assert said["forgetSet"]["size"] == metrics["pictures"]["forget"] == attested.answer["pictures"]
    assert said["method"]["name"] == "finetune" and said["method"]["settings"]["epochs"] == "1.0"
    assert said["request"] == {"id": "R-7", "near_copies": "ask"}
    assert said["verdict"]["overall"] == metrics["audit"]["verdict"]["overall"] == "not assessable"
    assert said["verdict"]["margins"]["mia_auroc, forget-vs-reporting"] == "0.03"
    row = next(r for r in metrics["audit"]["rows_after"] if r["name"] == "accuracy" and r["split"] == "forget")
    (signed,) = (r for r in said["audits"] if (r["name"], r["split"], r["model"]) == ("accuracy", "forget", "after"))
    assert [float(signed[name]) for name in ("value", "low", "high")] == [row["value"], row["low"], row["high"]]
    measured = {r["name"] for r in metrics["audit"]["rows_after"]}
    absent = [f"{name}: not run" for name in AUDITS if name not in measured]
    assert absent and set(absent) <= set(said["notMeasured"])
    assert {s["name"] for s in attested.said["subject"]} == {
        p.relative_to(attested.run / "model").as_posix() for p in (attested.run / "model").rglob("*") if p.is_file()
    }


def test_it_names_no_person_no_picture_and_no_path(attested: Attested) -> None:
    text = json.dumps(attested.said)
    names = attested.bench.request.read_text().split()[1:]
    ids = [one["picture"] for one in json.loads(attested.openings.read_text())["openings"]]
    request = load_run(attested.run).job["frozen"]["inputs"]["request"]
    assert names and all(name not in text for name in names)
    assert all(f'"{one}"' not in text for one in ids)
    assert str(attested.bench.place) not in text and str(attested.run) not in text
    assert request not in text, "a hash of names can be guessed"


def test_openings_are_for_their_owner_alone(attested: Attested) -> None:
    assert attested.openings.stat().st_mode & 0o777 == 0o600


def test_everything_is_proved(attested: Attested) -> None:
    found = attested.verify(
        model=attested.run, picture=attested.erased, openings=attested.openings, keyring=attested.keyring
    )
    assert found["proved"] == ["signature", "model", "picture"]
    assert attested.verify(model=attested.run / "model")["proved"] == ["signature", "model"]
    assert attested.verify()["proved"] == ["signature"] and found["id"] == attested.answer["id"]
    assert found["notes"] == [] and "no keyring was read" in attested.verify()["notes"][0]


def test_a_run_is_attested_once(attested: Attested) -> None:
    before = attested.openings.read_bytes()
    with pytest.raises(RunDirectoryError, match="together"):
        attest_run(AttestSettings(attested.run, attested.key), desk=Silent())
    assert attested.openings.read_bytes() == before


@pytest.mark.parametrize("event", ["rotated", "revoked"])
@pytest.mark.parametrize("beside", [True, False])
def test_a_key_that_is_not_the_current_one_signs_nothing(
    attested: Attested, tmp_path: Path, event: str, beside: bool
) -> None:
    run, keys, elsewhere = tmp_path / "run", tmp_path / "keys", tmp_path / "keyring"
    shutil.copytree(attested.run, run, ignore=shutil.ignore_patterns("attestation.json", "openings.json"))
    shutil.copytree(attested.key.parent, keys)
    folder = KeyFolder(keys, clock=clock)
    old = folder.rotate().records[0].name
    if event == "revoked":
        folder.revoke(old, "lost")
    if not beside:
        (keys / "keyring.jsonl").rename(elsewhere)
    settings = AttestSettings(run, private_file(keys, old), keyring=None if beside else elsewhere)
    with pytest.raises(InputError, match=rf"key \(--key\).*{event} 2026-03-01.*sign with that one"):
        attest_run(settings, desk=Silent(), clock=clock)
    assert not (run / "attestation.json").exists() and not (run / "openings.json").exists()


def test_without_a_keyring_it_is_said_that_none_was_read(attested: Attested, tmp_path: Path) -> None:
    run, key = tmp_path / "run", tmp_path / "key.pem"
    shutil.copytree(attested.run, run, ignore=shutil.ignore_patterns("attestation.json"))
    shutil.copy(attested.key, key)
    with pytest.raises(InputError, match=r"keyring \(--keyring\): expected a readable file"):
        attest_run(AttestSettings(run, key, keyring=tmp_path / "nowhere"), desk=Silent(), clock=clock)
    (note,) = attest_run(AttestSettings(run, key), desk=Silent(), clock=clock)["notes"]
    assert "no keyring was read" in note and attested.answer["notes"] == []


def test_openings_that_nobody_signed_yet_are_signed(attested: Attested, tmp_path: Path) -> None:
    """Somebody was killed in between; the nonces may be in the hands of people on the pictures already."""
    run = tmp_path / "run"
    shutil.copytree(attested.run, run, ignore=shutil.ignore_patterns("attestation.json"))
    attest_run(AttestSettings(run, attested.key, request_id="R-7"), desk=Silent(), clock=clock)
    assert (run / "attestation.json").read_bytes() == attested.attestation.read_bytes()
    assert (run / "openings.json").read_bytes() == attested.openings.read_bytes()


@pytest.mark.parametrize("fault", ["one less", "another nonce", "of somebody else"])
def test_openings_of_other_pictures_are_not_signed(attested: Attested, tmp_path: Path, fault: str) -> None:
    run = tmp_path / "run"
    shutil.copytree(attested.run, run, ignore=shutil.ignore_patterns("attestation.json"))
    found = json.loads((run / "openings.json").read_text())
    first = found["openings"][0]
    if fault == "one less":
        found["openings"] = found["openings"][1:]
    else:
        first.update({"nonce": "0" * 64} if fault == "another nonce" else {"picture": "stranger"})
    (run / "openings.json").write_bytes(canonical(found) + b"\n")
    with pytest.raises(RunDirectoryError, match="openings of this run"):
        attest_run(AttestSettings(run, attested.key), desk=Silent(), clock=clock)


def test_changed_inputs_are_not_attested(bench: Workbench, attested: Attested, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(attested.run, run, ignore=shutil.ignore_patterns("attestation.json", "openings.json"))
    changed = (run / "job.yaml").read_text().replace("near_copies: ask", "near_copies: ask\n  subjects:\n  - nobody")
    (run / "job.yaml").write_text(changed)
    with pytest.raises(InputError):
        attest_run(AttestSettings(run, attested.key), desk=Silent())
    shutil.copy(attested.run / "job.yaml", run)
    shutil.copy(bench.original / "model" / "model.safetensors", run / "model" / "model.safetensors")
    with pytest.raises(InputError, match="weights in model"):
        attest_run(AttestSettings(run, attested.key), desk=Silent())
    shutil.copy(attested.run / "model" / "model.safetensors", run / "model" / "model.safetensors")
    metrics = json.loads((run / "metrics.json").read_text())
    metrics["pictures"]["forget"] += 1
    (run / "metrics.json").write_text(json.dumps(metrics))
    with pytest.raises(InputError, match="pictures to forget, as in the run"):
        attest_run(AttestSettings(run, attested.key), desk=Silent())
    assert not (run / "attestation.json").exists() and not (run / "openings.json").exists()


def test_a_replay_gives_the_same_files(attested: Attested) -> None:
    assert attested.verify(replay=attested.run)["proved"] == ["signature", "replay"]


def test_a_replay_does_without_references_which_only_the_card_tells_of(attested: Attested, tmp_path: Path) -> None:
    run = erase_files(attested.bench.erase(tmp_path / "run", reference=str(attested.bench.reference)), desk=Silent())
    attest_run(AttestSettings(run, attested.key), desk=Silent(), clock=clock)
    changes = {"attestation": run / "attestation.json", "model": run, "replay": run}
    assert attested.verify(**changes)["proved"] == ["signature", "model", "replay"]
    (run / "model" / "README.md").write_text("better than it is")
    with pytest.raises(InputError, match=r"README\.md"):
        attested.verify(**changes)


def test_a_replay_that_gives_others_is_told(attested: Attested, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = []

    def other(job: EraseJob, *, desk: Desk) -> Path:
        jobs.append(job)
        return attested.bench.original

    monkeypatch.setattr("expunge.app.verify.erase_files", other)
    with pytest.raises(InputError, match=r"other model\.safetensors"):
        attested.verify(replay=attested.run)
    assert jobs[0].out is not None and jobs[0].out.parent != attested.run.parent and jobs[0].reference.train == 0


def test_every_opening_bears_the_id_of_its_picture(attested: Attested) -> None:
    names = set(attested.bench.request.read_text().split()[1:])
    table = pq.read_table(attested.bench.faces).to_pylist()
    held = {row["image"]["path"]: row for row in table}
    found = read_openings(attested.openings.read_bytes())
    asked = {path for path, row in held.items() if row["split"] == "train" and row["subject"] in names}
    assert {one.picture for one in found.openings} >= asked and len(held) == len(table)
    for one in found.openings:
        digest = hashlib.sha256(held[one.picture]["image"]["bytes"]).digest()
        assert proves(one, digest, found.root, found.size), one.picture


def test_one_opening_is_enough_and_shows_no_other(attested: Attested, tmp_path: Path) -> None:
    everything = json.loads(attested.openings.read_text())["openings"]
    for one in everything:
        place = tmp_path / f"{one['index']}.json"
        disclose(attested.openings, one["picture"], place)
        try:
            attested.verify(picture=attested.erased, openings=place)
        except InputError:
            continue
        break
    else:
        pytest.fail("no opening fits")
    text = place.read_text()
    assert place.stat().st_mode & 0o777 == 0o600
    assert all(other["nonce"] not in text for other in everything if other is not one)
    with pytest.raises(InputError, match="none of 1 openings"):
        attested.verify(picture=attested.kept, openings=place)
    with pytest.raises(InputError, match="id of an erased picture"):
        disclose(attested.openings, "nobody", tmp_path / "x.json")
    with pytest.raises(InputError, match="there already"):
        disclose(attested.openings, one["picture"], place)


def test_picture_and_openings_go_together(attested: Attested) -> None:
    with pytest.raises(InputError, match="--openings"):
        attested.verify(picture=attested.erased)
    with pytest.raises(InputError, match="--picture"):
        attested.verify(openings=attested.openings)


DRIVER = """
import json, runpy, sys
sys.path.insert(0, sys.argv[1])
try:
    import expunge
except ImportError:
    expunge = None
codes = []
for arguments in json.load(sys.stdin):
    sys.argv = ["verify.py", *arguments]
    try:
        runpy.run_path("verify.py", run_name="__main__")
        codes.append(0)
    except SystemExit as done:
        codes.append(done.code)
print(json.dumps({"codes": codes, "expunge": expunge is not None}), file=sys.__stderr__)
"""


def alone(place: Path, cases: list[list[str]]) -> list[int]:
    """Exit codes of the verifier that needs only `cryptography`, in a process that cannot import expunge."""
    site, packages = place / "site", Path(cryptography.__file__).parents[1]
    site.mkdir()
    for name in ("cryptography", "cffi", "_cffi_backend*"):
        for found in packages.glob(name):
            (site / found.name).symlink_to(found)
    shutil.copy(ALONE, place / "verify.py")
    command = [sys.executable, "-I", "-S", "-c", DRIVER, str(site)]
    done = subprocess.run(command, cwd=place, input=json.dumps(cases), capture_output=True, text=True, check=True)
    answer = json.loads(done.stderr.splitlines()[-1])
    assert not answer["expunge"]
    return list(answer["codes"])


def cases(attested: Attested, place: Path) -> Iterator[tuple[str, dict[str, Path]]]:
    """Attestations good and bad, as arguments."""

    def written(name: str, data: bytes) -> Path:
        (place / name).write_bytes(data)
        return place / name

    def model(name: str, change: Callable[[Path], object]) -> Path:
        shutil.copytree(attested.run / "model", place / name)
        change(place / name)
        return place / name

    good, opened = {"model": attested.run / "model"}, {"openings": attested.openings}
    data, rng = attested.attestation.read_bytes(), random.Random(0)
    other = KeyFolder(place / "other")
    (place / "sub").mkdir()
    yield "good", {}
    yield "good model", good
    yield "good picture", {"picture": attested.erased, **opened}
    yield "everything good", {**good, "picture": attested.erased, **opened}
    yield "a picture that stayed", {"picture": attested.kept, **opened}
    yield "a picture cut off", {"picture": written("cut.png", attested.erased.read_bytes()[:-1]), **opened}
    yield "no picture at all", {"picture": place / "nowhere.png", **opened}
    yield "openings that are none", {"picture": attested.erased, "openings": attested.attestation}
    yield "another key", {"public_key": public_file(other.place, other.new().current.name)}
    yield "a private key", {"public_key": attested.key}
    yield "no key", {"public_key": written("key.pem", b"")}
    yield "no attestation", {"attestation": place / "nowhere.json"}
    yield "another model", {"model": attested.bench.original / "model"}
    yield "a file more", {"model": model("more", lambda m: (m / "pytorch_model.bin").write_bytes(b"x"))}
    yield "a file less", {"model": model("less", lambda m: (m / "config.json").unlink())}
    yield "a file changed", {"model": model("changed", lambda m: (m / "config.json").write_bytes(b"{}"))}
    yield "a folder more", {"model": model("folder", lambda m: (m / "empty").mkdir())}
    yield "a file in a folder", {"model": model("deep", lambda m: (m / "empty").mkdir() or (m / "empty/x").touch())}
    yield "a link", {"model": model("link", lambda m: (m / "x.json").symlink_to("config.json"))}
    yield (
        "a link for a file",
        {"model": model("stands", lambda m: _linked(m / "config.json", place / "elsewhere.json"))},
    )
    yield "a link to a folder", {"model": model("way", lambda m: (m / "x").symlink_to(place / "sub"))}
    yield "no model", {"model": place / "sub"}
    for kind, mutate in MUTATIONS.items():
        for i in range(3):
            if (changed := mutate(data, rng)) != data:
                yield f"{kind} {i}", {"attestation": written(f"{kind}-{i}.json", changed)}
    whole = json.loads(attested.openings.read_bytes())
    for name, damaged in damaged_openings(whole):
        yield name, {"picture": attested.erased, "openings": written(f"{name}.json", canonical(damaged) + b"\n")}
    yield "spaced openings", {"picture": attested.erased, "openings": written("s.json", json.dumps(whole).encode())}


def _linked(path: Path, elsewhere: Path) -> None:
    """Put a link in the place of a file, to the same bytes."""
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


def damaged_openings(whole: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Openings of which each has the same fault."""
    faults: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
        "another nonce": lambda one: {"nonce": "ab" * 32},
        "a longer nonce": lambda one: {"nonce": one["nonce"] + "00"},
        "a nonce of nothing": lambda one: {"nonce": ""},
        "another index": lambda one: {"index": one["index"] ^ 1},
        "an index beyond": lambda one: {"index": one["index"] + whole["size"]},
        "an index before": lambda one: {"index": -1},
        "an index of text": lambda one: {"index": str(one["index"])},
        "a longer path": lambda one: {"path": [*one["path"], "ab" * 32]},
        "a shorter path": lambda one: {"path": one["path"][:-1]},
        "a path turned": lambda one: {"path": [*one["path"][1:], one["path"][0]]},
        "no path": lambda one: {"path": []},
        "the root for a path": lambda one: {"path": [whole["root"]]},
    }
    for name, fault in faults.items():
        yield name, {**whole, "openings": [{**one, **fault(one)} for one in whole["openings"]]}
    yield "another root", {**whole, "root": "ab" * 32}
    yield "another size", {**whole, "size": whole["size"] + 1}
    yield "no openings", {**whole, "openings": []}


def test_a_verifier_without_expunge_says_the_same(attested: Attested, tmp_path: Path) -> None:
    table = dict(cases(attested, tmp_path))
    expected, arguments = {}, []
    for name, changes in table.items():
        try:
            attested.verify(**changes)
            expected[name] = 0
        except InputError:
            expected[name] = 2
        given = {"attestation": attested.attestation, "public_key": attested.public, **changes}
        named = [flag for flag in ("model", "picture", "openings") if flag in given]
        flags = [word for flag in named for word in (f"--{flag}", given[flag])]
        arguments.append([*map(str, (given["attestation"], given["public_key"], *flags))])
    found = dict(zip(table, alone(tmp_path, arguments), strict=True))
    assert found == expected
    good = {name for name, code in found.items() if code == 0}
    assert good >= {"good", "good model", "good picture", "everything good", "a folder more"}
    assert not any(name.startswith(tuple(MUTATIONS)) for name in good)
