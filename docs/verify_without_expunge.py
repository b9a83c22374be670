"""Check an attestation of expunge with Python and the package `cryptography`, and nothing of expunge.

    python verify_without_expunge.py ATTESTATION PUBLIC_KEY [--model DIR] [--picture FILE --openings FILE]

Ends with 0 where everything holds, else with 2 and a line that says what does not. It reads no keyring: whether the key
was revoked is for you to find out.
"""

import argparse
import base64
import hashlib
import json
import re
import sys
from datetime import datetime
from pathlib import Path, PurePosixPath

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import load_pem_public_key

PAYLOAD, STATEMENT = "application/vnd.in-toto+json", "https://in-toto.io/Statement/v1"
PREDICATE = "urn:uuid:5d1f7a0e-8a2c-4c67-9b0b-1f3f4f7f2c11#expunge-erasure-v1"
OPENINGS = "urn:uuid:5d1f7a0e-8a2c-4c67-9b0b-1f3f4f7f2c11#expunge-openings-v1"
SAID = "audits code data environment forgetSet limits made method model notMeasured request run verdict"
TIME = "%Y-%m-%dT%H:%M:%SZ"


def main(given):
    key = load_pem_public_key(given.public_key.read_bytes())
    statement = signed(given.attestation.read_bytes(), key)
    forget = said(statement)["forgetSet"]
    if given.model:
        files = [path for path in sorted(given.model.rglob("*")) if path.is_symlink() or not path.is_dir()]
        check(all(path.is_file() and not path.is_symlink() for path in files), "the model has links or devices")
        names = sorted((path.relative_to(given.model).as_posix(), sha256(path.read_bytes()).hex()) for path in files)
        check(statement["subject"] == [{"digest": {"sha256": d}, "name": n} for n, d in names], "another model")
    if given.picture or given.openings:
        picture, found = sha256(given.picture.read_bytes()), opened(given.openings.read_bytes())
        check((found["root"], found["size"]) == (forget["root"], forget["size"]), "openings of another attestation")
        check(any(opens(one, picture, forget) for one in found["openings"]), "the picture is not in the forget set")


def signed(data, key):
    """The statement of an envelope; the envelope must be, byte for byte, what its payload and signature make."""
    envelope = json.loads(data)
    body, sig = (base64.b64decode(t) for t in (envelope["payload"], envelope["signatures"][0]["sig"]))
    signature = {"keyid": sha256(key.public_bytes_raw()).hex(), "sig": base64.b64encode(sig).decode()}
    rebuilt = {"payload": base64.b64encode(body).decode(), "payloadType": PAYLOAD, "signatures": [signature]}
    check(written(rebuilt) + b"\n" == data, "another key, or not the canonical form")
    check(len(body) <= 16 << 20, "too many bytes")
    key.verify(sig, b"DSSEv1 %d %s %d %s" % (len(PAYLOAD), PAYLOAD.encode(), len(body), body))
    return read(body)


def said(statement):
    """What a statement says; every field that is checked here or by its readers must be what it is called."""
    fields(statement, "_type predicate predicateType subject")
    check((statement["_type"], statement["predicateType"]) == (STATEMENT, PREDICATE), "another type of statement")
    for one in statement["subject"]:
        fields(one, "digest name")
        fields(one["digest"], "sha256")
        hashed(one["digest"]["sha256"])
        path = PurePosixPath(one["name"])
        inside = str(path) == one["name"] != "." and not path.is_absolute() and ".." not in path.parts
        check(inside and one["name"].isprintable() and "\\" not in one["name"], "a name outside the model")
    names = [one["name"] for one in statement["subject"]]
    check(names and names == sorted(set(names)), "not every file once, in order")
    predicate = statement["predicate"]
    fields(predicate, SAID)
    fields(predicate["forgetSet"], "leaf root size tree")
    committed(predicate["forgetSet"])
    check(datetime.strptime(predicate["made"], TIME).strftime(TIME) == predicate["made"], "another form of time")
    return predicate


def opened(data):
    """The openings of a file."""
    found = read(data.removesuffix(b"\n"))
    fields(found, "openings root size type")
    committed(found)
    check(found["type"] == OPENINGS and isinstance(found["openings"], list), "no openings")
    for one in found["openings"]:
        fields(one, "index nonce path picture")
        check(
            isinstance(one["picture"], str) and isinstance(one["path"], list) and len(one["path"]) <= 64, "no opening"
        )
        whole(one["index"])
        for text in (one["nonce"], *one["path"]):
            hashed(text)
    return found


def fields(value, names):
    check(isinstance(value, dict) and sorted(value) == names.split(), f"other fields than {names}")


def committed(value):
    hashed(value["root"])
    whole(value["size"])


def hashed(text):
    check(re.fullmatch("[0-9a-f]{64}", text), "not 64 hexadecimal digits")


def whole(value):
    check(type(value) is int and value >= 0, "no whole number")


def read(data):
    """JSON in its one canonical form: no fractions, exact numbers, names of printable ASCII."""

    def number(text):
        check(text.lstrip("-").isdecimal() and abs(int(text)) < 2**53, f"the number {text[:20]}")
        return int(text)

    def named(pairs):
        check(all(name.isascii() and name.isprintable() for name, _ in pairs), "a name beyond printable ASCII")
        return dict(pairs)

    value = json.loads(data.decode(), parse_int=number, parse_float=number, object_pairs_hook=named)
    check(written(value) == data, "not the canonical form")
    return value


def written(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def opens(one, picture, forget):
    """Whether an opening leads from a picture to the root of the forget set."""
    leaf, path = sha256(b"\0" + bytes.fromhex(one["nonce"]) + picture), [bytes.fromhex(h) for h in one["path"]]
    return root(leaf, one["index"], forget["size"], path).hex() == forget["root"]


def root(leaf, index, size, path):
    """The root of the hash tree (RFC 6962) that a path leads to: the left part is the largest power of two."""
    if not path or not 0 <= index < size:
        return leaf if size == 1 and not path and index == 0 else b""
    left = 1 << (size - 1).bit_length() - 1
    if index < left:
        return sha256(b"\1" + root(leaf, index, left, path[:-1]) + path[-1])
    return sha256(b"\1" + path[-1] + root(leaf, index - left, size - left, path[:-1]))


def sha256(data):
    return hashlib.sha256(data).digest()


def check(holds, what):
    if not holds:
        raise ValueError(what)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    for name in ("attestation", "public_key", "--model", "--picture", "--openings"):
        arguments.add_argument(name, type=Path)
    try:
        main(arguments.parse_args())
    except (ValueError, TypeError, LookupError, AttributeError, OSError, RecursionError, InvalidSignature) as error:
        print(f"refused: {error or type(error).__name__}", file=sys.stderr)
        sys.exit(2)
    print("holds")
