"""Three requests, a fourth, a training, a purge, from the first ticket until nothing is left; the same under kills."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from expunge.data.synthetic import write_parquet
from tests.story.story import Killer, Office, done, verified_elsewhere

FACES = Path(os.environ.get("EXPUNGE_FACES", Path(__file__).parents[2] / "../shared/faces")) / "mufac.parquet"
DATA = (
    *("--data", "faces.parquet", "--label", "age_group", "--subject", "subject"),
    *("--size", "24", "--cache", "cache", "--threads", "1", "--precision", "fp32"),
)


def people_of(faces: Path, column: str) -> list[str]:
    """People with at least four training pictures, by name."""
    rows = pq.read_table(faces, columns=[column, "split"]).to_pylist()
    counts = Counter(row[column] for row in rows if row["split"] == "train")
    return sorted(name for name, count in counts.items() if count >= 4)


def plant_copy(faces: Path, column: str, *, of: str, under: str) -> None:
    """A picture of one person once more, under the name of another."""
    table = pq.read_table(faces)
    rows = table.to_pylist()
    copied = {**next(row for row in rows if row[column] == of), column: under, "split": "train"}
    copied["image"] = {**copied["image"], "path": "planted.png"}
    pq.write_table(pa.Table.from_pylist([*rows, copied], schema=table.schema), faces)


def build(place: Path) -> Office:
    """An office with invented faces, of whom the first person has a copy under the name of the last."""
    for folder in ("books", "secret"):
        (place / folder).mkdir()
    write_parquet(place / "faces.parquet", subjects=24, pictures_per_subject=5, size=24)
    everybody = people_of(place / "faces.parquet", "subject")
    plant_copy(place / "faces.parquet", "subject", of=everybody[0], under=everybody[-1])
    office = Office(place, DATA)
    office.open_office(arch="resnet10-quarter", epochs="1")
    return office


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("office")
    build(place)
    return place


@pytest.fixture
def office(opened: Path, tmp_path: Path) -> Office:
    shutil.copytree(opened, tmp_path / "office")
    return Office(tmp_path / "office", DATA)


def tell(office: Office, everybody: list[str], *, kill_erasure: bool = True) -> None:
    """The story, with what must be true on the way."""
    place, asked = office.place, everybody[:3]
    for number, person in enumerate(asked, start=1):
        office.file(f"ticket {number}", person)

    (place / "request.csv").write_text("subject\n" + "".join(f"{person}\n" for person in asked))
    found = office.type("check", *office.data, "--request", "request.csv", ledger=False)
    assert found.code == 6 and any("cop" in str(item).lower() for item in found.answer["findings"]), found

    half_way = place / "erased.partial" / "checkpoints" if kill_erasure else None
    answer = office.erase_pending("erased", killed_when=half_way)
    if kill_erasure:
        assert "erase --data" in office.killer.kills, "it was killed half way, and typed again"
    assert all(not item["already"] for item in answer["items"])
    assert office.erase_pending("erased")["items"] == [], "nothing is open any more"

    office.attest("erased")
    files = ("erased/attestation.json", office.public_key, "--model", "erased/model")
    assert verified_elsewhere(place, *files).returncode == 0
    (place / "erased" / "model" / "one-more").write_text("")
    assert "another model" in verified_elsewhere(place, *files).stderr
    (place / "erased" / "model" / "one-more").unlink()

    home = disclosed(office, asked[0])
    mine = ("--picture", str(home / "mine.png"), "--openings", str(home / "mine.json"))
    proof = ("erased/attestation.json", office.public_key, *mine)
    assert verified_elsewhere(place, *proof).returncode == 0

    office.file("ticket 4", asked[1])
    answer = office.erase_pending("again")
    assert not (place / "again").exists()
    states = {item["note"]: item["state"] for item in done(office.type("ledger", "list"))["items"]}
    assert states == {f"ticket {n}": "closed" for n in (1, 2, 3, 4)}
    for item in answer["items"]:  # none where the kill came after the answer was entered
        assert item["already"] and item["attestation"] and item["run"].endswith("erased")

    refused = office.type("train", *office.data, "--arch", "resnet10-quarter", "--epochs", "1", "--out", "anew")
    assert refused.code == 2 and "erased" in refused.answer["error"] and not (place / "anew").exists()

    assert office.purge("erased").code == 0
    assert not list((place / "cache").glob("*.pixels")) and not list(
        (place / "original" / "model").glob("*.safetensors")
    )
    assert (place / "erased" / "model").is_dir()
    assert verified_elsewhere(place, *files).returncode == 0, "the proof outlives the purge"

    done(office.type("ledger", "check"))
    kinds = Counter(event["kind"] for event in office.events())
    assert kinds["request-received"] == kinds["request-closed"] == 4, kinds
    assert len(done(office.type("ledger", "list", "runs"))["items"]) == 1
    assert not [p for p in place.rglob("*.partial") if p.is_dir()]


def disclosed(office: Office, person: str) -> Path:
    """A picture of a person, with its opening beside it: what they have at home who want to see for themselves."""
    column = office.data[office.data.index("--subject") + 1]
    rows = pq.read_table(office.place / "faces.parquet").to_pylist()
    image = next(row["image"] for row in rows if row[column] == person and row["split"] == "train")
    home = office.place.parent / "home"
    home.mkdir(exist_ok=True)
    (home / "mine.png").write_bytes(image["bytes"])
    opening = ("--picture", image["path"], "--out", str(home / "mine.json"))
    told = office.type("disclose", "erased/openings.json", *opening, ledger=False)
    assert told.code == 0 or (home / "mine.json").exists(), told
    return home


def test_from_three_tickets_to_nothing_left(office: Office) -> None:
    tell(office, people_of(office.place / "faces.parquet", "subject"))


@pytest.mark.parametrize("seed", range(5))
def test_under_kills_nothing_is_lost_and_nothing_is_doubled(office: Office, seed: int) -> None:
    office.killer = Killer(share=0.4, seed=seed)
    tell(office, people_of(office.place / "faces.parquet", "subject"), kill_erasure=False)
    assert office.killer.kills


@pytest.mark.torture
@pytest.mark.parametrize("seed", range(5, 25))
def test_under_many_kills(office: Office, seed: int) -> None:
    office.killer = Killer(share=0.6, seed=seed)
    tell(office, people_of(office.place / "faces.parquet", "subject"), kill_erasure=False)
    assert len(office.killer.kills) >= 5


@pytest.mark.torture
@pytest.mark.skipif(not FACES.exists(), reason=f"no real faces at {FACES} (EXPUNGE_FACES)")
def test_on_real_faces(tmp_path: Path) -> None:
    place = tmp_path / "office"
    for folder in ("books", "secret"):
        (place / folder).mkdir(parents=True)
    shutil.copy(FACES, place / "faces.parquet")
    everybody = people_of(FACES, "identity")
    plant_copy(place / "faces.parquet", "identity", of=everybody[0], under=everybody[-1])
    data = (
        "--data",
        "faces.parquet",
        "--label",
        "age_class",
        "--subject",
        "identity",
        "--size",
        "32",
        "--cache",
        "cache",
    )
    office = Office(place, data, method=("--method", "dlfd"))
    office.open_office(arch="resnet18-quarter", epochs="2")
    tell(office, everybody)
