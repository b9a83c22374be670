"""Hostile evidence, through the commands: attestations, keys, models and openings that are not what they seem."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from expunge.evidence.canonical import canonical
from expunge.evidence.dsse import seal
from expunge.evidence.ledger.heads import Head, seal_head
from expunge.evidence.openings import write_openings
from tests.evidence.attested import FILES, KEY, OTHER, PICTURES, openings, signed
from tests.evidence.ledgers import fill, opened
from tests.evidence.mutations import again, envelope, with_signature
from tests.hostile.table import HTML, LONG, NUL, SQL, TERMINAL, TRAVERSAL, TURNED, Case, Command, Place

Prepared = Callable[[], object]
SPKI = PublicFormat.SubjectPublicKeyInfo


def pem(key: Any) -> bytes:
    return bytes(key.public_bytes(Encoding.PEM, SPKI))


def private(key: Any) -> bytes:
    return bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def verify(place: Place, *more: object, data: bytes | None = None, key: bytes | None = None) -> Command:
    """`expunge verify` of an attestation with everything that it is about."""
    attestation = place.file("attestation.json", signed() if data is None else data)
    public = place.file("key.pem", pem(KEY.public_key()) if key is None else key)
    for name, content in FILES.items():
        place.file(f"model/{name}", content)
    place.file("face.png", PICTURES["p0"])
    place.file("openings.json", write_openings(openings()))
    return place.command("verify", attestation, "--public-key", public, *more)


def attestation(change: Callable[[bytes], bytes]) -> Callable[[Place], Prepared]:
    return lambda place: verify(place, data=change(signed()))


def trusted(key: Callable[[Place], bytes]) -> Callable[[Place], Prepared]:
    return lambda place: verify(place, key=key(place))


def field(**changes: object) -> Callable[[Place], Prepared]:
    return attestation(lambda data: again({**envelope(data), **changes}))


def signature(**changes: object) -> Callable[[Place], Prepared]:
    return attestation(lambda data: with_signature(data, **changes))


def doubled(name: str, value: str) -> Callable[[Place], Prepared]:
    """A field of the envelope twice, the good one last: who reads the first reads something else."""
    return attestation(lambda data: b"{" + f'"{name}":{value},'.encode() + data[1:])


def model(change: Callable[[Path], object]) -> Callable[[Place], Prepared]:
    def prepare(place: Place) -> Prepared:
        command = verify(place, "--model", place.folder / "model")
        change(place.folder / "model")
        return command

    return prepare


def opening(change: Callable[[dict[str, Any]], object]) -> Callable[[Place], Prepared]:
    def prepare(place: Place) -> Prepared:
        command = verify(place, "--picture", place.folder / "face.png", "--openings", place.folder / "openings.json")
        found = json.loads((place.folder / "openings.json").read_bytes())
        made = change(found)
        place.file("openings.json", made if isinstance(made, bytes) else canonical(made) + b"\n")
        return command

    return prepare


def own_link(place: Place) -> Prepared:
    command = verify(place, "--picture", place.folder / "face.png", "--openings", place.folder / "openings.json")
    (place.folder / "openings.json").unlink()
    linked(place.folder / "openings.json", "openings.json")
    return command


def disclosed(
    out: str, picture: str = "p0", make: Callable[[Place], object] | None = None
) -> Callable[[Place], Prepared]:
    def prepare(place: Place) -> Prepared:
        place.file("openings.json", write_openings(openings()))
        if make is not None:
            make(place)
        return place.command("disclose", "openings.json", "--picture", picture, "--out", out)

    return prepare


def checked(head: Callable[[Place], bytes]) -> Callable[[Place], Prepared]:
    """A ledger, checked against a head from elsewhere."""

    def prepare(place: Place) -> Prepared:
        ledger = opened(str(place.folder / "ledger.db"))
        fill(ledger)
        public, path = place.file("key.pem", pem(KEY.public_key())), place.file("head.json", head(place))
        ledger.engine.dispose()
        return place.command("ledger", "check", "--ledger", "ledger.db", "--head", path, "--public-key", public)

    return prepare


def keyring(content: Callable[[Place], bytes]) -> Callable[[Place], Prepared]:
    return lambda place: verify(place, "--keyring", place.file("keyring.jsonl", content(place)))


def linked(path: Path, to: str) -> None:
    path.symlink_to(to)


def head_of(**changes: Any) -> Callable[[Place], bytes]:
    said = {"sequence": 3, "hash": "ab" * 32, "time": "2026-03-02T00:00:00Z", **changes}
    return lambda _: seal_head(Head(**said), KEY)


EXPECTED = "attestation"
SIGNED: Mapping[str, Case] = {
    **{
        f"an attestation with {what}": Case("expunge verify", prepare, EXPECTED)
        for what, prepare in {
            "the algorithm none": field(alg="none"),
            "the algorithm of another key": signature(alg="HS256"),
            "an algorithm in its type": field(payloadType="application/vnd.in-toto+json;alg=none"),
            "a certificate of its own": signature(cert=pem(OTHER.public_key()).decode()),
            "a key of its own": field(publicKey=pem(OTHER.public_key()).decode()),
            "the trusted key's name and another's signature": attestation(
                lambda data: with_signature(
                    data, sig=envelope(seal("application/vnd.in-toto+json", b"{}", OTHER))["signatures"][0]["sig"]
                )
            ),
            "a name of a key of 10 MB": signature(keyid=LONG),
            "a name of a key in HTML": signature(keyid=HTML),
            "a name of a key with NUL": signature(keyid=NUL),
            "a name of a key with orders to the terminal": signature(keyid=TERMINAL),
            "a name of a key that turns around": signature(keyid=TURNED),
            "no signatures": field(signatures=[]),
            "a thousand signatures": attestation(
                lambda data: again({**envelope(data), "signatures": envelope(data)["signatures"] * 1000})
            ),
            "an empty signature": signature(sig=""),
            "a signature of zeros": signature(sig="A" * 86 + "=="),
            "a payload that is a number": field(payload=7),
            "its payload twice": doubled("payload", '"e30="'),
            "its type twice": doubled("payloadType", '"text/plain"'),
            "its signatures twice": doubled("signatures", "[]"),
            "its payload twice, once as an escape": attestation(lambda data: b'{"p\\u0061yload":"e30=",' + data[1:]),
            "brackets without end": lambda place: verify(place, data=b"[" * 1_000_000 + b"\n"),
            "40 MB": lambda place: verify(place, data=b" " * (40 << 20)),
            "a pickle for it": lambda place: verify(place, data=place.pickled()),
            "a byte order mark": attestation(lambda data: b"\xef\xbb\xbf" + data),
        }.items()
    },
    "an attestation without end": Case(
        "expunge verify",
        lambda p: p.command("verify", "/dev/zero", "--public-key", p.file("k", pem(KEY.public_key()))),
        "at most",
    ),
    **{
        f"a trusted key that is {what}": Case("expunge verify", trusted(key), "Ed25519 public key|at most")
        for what, key in {
            "RSA": lambda _: pem(rsa.generate_private_key(65537, 2048).public_key()),
            "an elliptic curve's": lambda _: pem(ec.generate_private_key(ec.SECP256R1()).public_key()),
            "Ed448": lambda _: pem(ed448.Ed448PrivateKey.generate().public_key()),
            "X25519": lambda _: pem(x25519.X25519PrivateKey.generate().public_key()),
            "private": lambda _: private(KEY),
            "bytes alone": lambda _: KEY.public_key().public_bytes_raw(),
            "of OpenSSH": lambda _: KEY.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
            "no point of the curve": lambda _: pem(KEY.public_key())[:40] + b"////" + pem(KEY.public_key())[44:90],
            "empty": lambda _: b"",
            "10 MB": lambda _: LONG.encode(),
            "a pickle": Place.pickled,
        }.items()
    },
    "a trusted key of another": Case("expunge verify", trusted(lambda _: pem(OTHER.public_key())), "keyid"),
    "a trusted key of small order": Case(
        "expunge verify", trusted(lambda _: pem(Ed25519PublicKey.from_public_bytes(b"\1" + bytes(31)))), "keyid"
    ),
    **{
        f"a model with {what}": Case("expunge verify --model", model(change), r"model \(--model\)")
        for what, change in {
            "a link to a file outside": lambda path: linked(path / "more", "/etc/passwd"),
            "a link to a folder outside": lambda path: linked(path / "more", "/"),
            "a link to itself": lambda path: linked(path / "more", "more"),
            "a link to nothing": lambda path: linked(path / "more", "nowhere"),
            "a link to its own folder": lambda path: linked(path / "weights/more", ".."),
            "a pipe": lambda path: os.mkfifo(path / "more"),
            "a name that turns around": lambda path: (path / TURNED).write_bytes(b""),
            "a name with orders to the terminal": lambda path: (path / TERMINAL).write_bytes(b""),
            "a name of HTML": lambda path: (path / HTML.replace("/", "")).write_bytes(b""),
            "a name of other bytes": lambda path: Path(os.fsdecode(os.fsencode(path) + b"/\xff\xfe")).write_bytes(b""),
            "a name with a line end": lambda path: (path / "a\nproved: all").write_bytes(b""),
        }.items()
    },
    "a model that is an archive": Case(
        "expunge verify --model",
        lambda p: verify(p, "--model", p.file("model.zip", b"PK\5\6" + bytes(18))),
        "a directory",
    ),
    "a model that is a device": Case(
        "expunge verify --model", lambda p: verify(p, "--model", "/dev/zero"), "a directory"
    ),
    **{
        f"openings of {what}": Case("expunge verify --openings", opening(change), "openings|picture")
        for what, change in {
            "10 MB of brackets": lambda _: b"[" * 10_000_000,
            "a name twice": lambda found: canonical(found).replace(b'"size":3', b'"size":9,"size":3') + b"\n",
            "an index that is no number": lambda found: canonical(found).replace(b'"index":0', b'"index":NaN') + b"\n",
            "an index of 400 digits": lambda found: canonical(found).replace(b'"index":0', b'"index":' + b"9" * 400),
            "a size of 2^53": lambda found: canonical(found).replace(b'"size":3', b'"size":9007199254740992'),
            "a path without end": lambda found: {
                **found,
                "openings": [{**row, "path": row["path"] * 1000} for row in found["openings"]],
            },
            "another picture under this name": lambda found: {
                **found,
                "openings": [{**found["openings"][1], "picture": "p0"}],
            },
        }.items()
    },
    "openings that are a link to themselves": Case("expunge verify --openings", own_link, "readable file"),
    "an opening of a name that leads away": Case(
        "expunge disclose", disclosed("out.json", TRAVERSAL), "id of an erased"
    ),
    "an opening of SQL": Case("expunge disclose", disclosed("out.json", SQL), "id of an erased"),
    "an opening written over another file": Case("expunge disclose", disclosed("openings.json"), "a new file"),
    "an opening written through a link": Case(
        "expunge disclose",
        disclosed("out.json", make=lambda p: linked(p.folder / "out.json", "elsewhere")),
        "a new file",
    ),
    "an opening written to nowhere": Case("expunge disclose", disclosed("nowhere/out.json"), "can be written"),
    **{
        f"a head that {what}": Case("expunge ledger check --head", checked(head), "head|ledger, event|ledger: ")
        for what, head in {
            "is of another ledger": head_of(),
            "is ahead of the ledger": head_of(sequence=2**53 - 1),
            "is signed by another key": lambda _: seal_head(Head(3, "ab" * 32, "2026-03-02T00:00:00Z"), OTHER),
            "is an attestation": lambda _: signed(),
            "is a pickle": Place.pickled,
            "is 10 MB": lambda _: LONG.encode(),
        }.items()
    },
    **{
        f"a keyring of {what}": Case("expunge verify --keyring", keyring(content), "keyring")
        for what, content in {
            "nothing": lambda _: b"",
            "a pickle": Place.pickled,
            "10 MB": lambda _: LONG.encode(),
            "an attestation": lambda _: signed(),
            "a thousand empty lines": lambda _: b"\n" * 1000,
        }.items()
    },
}
