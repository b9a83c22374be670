"""Attestations: what a good one says, and that nothing else is taken for one, however it is written."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expunge.errors import InputError
from expunge.evidence.attestation import (
    PAYLOAD_TYPE,
    attest,
    check_model,
    check_picture,
    read_attestation,
    read_unverified,
)
from expunge.evidence.canonical import canonical, decimal, parse_canonical
from expunge.evidence.dsse import seal
from expunge.evidence.keyring import KIND, begin, revoke, rotate
from expunge.evidence.keys import key_id
from expunge.evidence.openings import choose, commit, read_openings, write_openings
from tests.evidence.attested import (
    KEY,
    MADE,
    OTHER,
    PICTURES,
    openings,
    predicate,
    sealed,
    sha256,
    signed,
    statement,
    subjects,
)
from tests.evidence.mutations import with_payload

DEEP = "[" * 100_000


def read(data: bytes) -> Any:
    return read_attestation(data, KEY.public_key())


def test_a_good_attestation_is_read() -> None:
    found = read(signed())
    assert found.subjects == subjects() and found.signer == key_id(KEY.public_key())
    assert found.predicate == predicate() and found.commitment == (openings().root, 3)
    assert found.name == sha256(signed()).hex()
    assert signed() == signed() == sealed()


def test_without_a_key_all_but_the_signature_is_checked() -> None:
    stranger = seal(PAYLOAD_TYPE, canonical(statement()), OTHER)
    assert read_unverified(signed()) == read(signed())
    assert read_unverified(stranger).subjects == subjects()
    for data in (sealed(subject=None), with_payload(signed(), b"{}"), b"{}", signed()[:-2]):
        with pytest.raises(InputError):
            read_unverified(data)


def test_the_signature_is_that_of_the_dsse_protocol() -> None:
    """Checked without our own code: the encoding before signing, put together by hand."""
    envelope = json.loads(signed())
    body = base64.b64decode(envelope["payload"])
    kind = b"application/vnd.in-toto+json"
    encoded = b" ".join([b"DSSEv1", str(len(kind)).encode(), kind, str(len(body)).encode(), body])
    KEY.public_key().verify(base64.b64decode(envelope["signatures"][0]["sig"]), encoded)
    assert json.loads(body)["_type"] == "https://in-toto.io/Statement/v1"


def test_another_key_is_refused() -> None:
    with pytest.raises(InputError, match="keyid"):
        read_attestation(signed(), OTHER.public_key())
    # the hint says KEY, the signature is OTHER's
    forged = json.loads(seal(PAYLOAD_TYPE, canonical(statement()), OTHER))
    forged["signatures"][0]["keyid"] = key_id(KEY.public_key())
    with pytest.raises(InputError, match="signature"):
        read(canonical(forged) + b"\n")


def forget(**changes: Any) -> dict[str, Any]:
    return {"predicate": predicate(forgetSet={**predicate()["forgetSet"], **changes})}


def subject(*names: Any, digest: Any = "ab" * 32) -> dict[str, Any]:
    return {"subject": [{"digest": {"sha256": digest}, "name": name} for name in names]}


# signed by the trusted key, and refused all the same
SIGNED: dict[str, dict[str, Any]] = {
    "another statement type": {"_type": "https://in-toto.io/Statement/v0.1"},
    "another predicate type": {"predicateType": "https://slsa.dev/provenance/v1"},
    "a keyring's type": {"predicateType": KIND},
    "no predicate": {"predicate": None},
    "a field more": {"more": 1},
    "no subjects": {"subject": []},
    "subjects by name": {"subject": subjects()},
    "a field more in a subject": {"subject": [{"digest": {"sha256": "ab" * 32}, "name": "a", "uri": "b"}]},
    "another digest": {"subject": [{"digest": {"md5": "ab" * 16}, "name": "a"}]},
    "two digests": {"subject": [{"digest": {"sha256": "ab" * 32, "md5": "ab" * 16}, "name": "a"}]},
    "a digest in capitals": subject("a", digest="AB" * 32),
    "a short digest": subject("a", digest="ab" * 31),
    "a digest with a line end": subject("a", digest="ab" * 32 + "\n"),
    "a number for a digest": subject("a", digest=7),
    "names out of order": subject("b", "a"),
    "a name twice": subject("a", "a"),
    "a name outside": subject("../a"),
    "a name outside, deep": subject("a/../../b"),
    "an absolute name": subject("/etc/passwd"),
    "a name of the other world": subject("a\\b"),
    "a name with NUL": subject("a\0b"),
    "a name with a line end": subject("a\n"),
    "a name that turns around": subject("a\u202egnp.exe"),
    "a name without length": subject(""),
    "a name that is a dot": subject("."),
    "a name with a double slash": subject("a//b"),
    "a name with a dot inside": subject("a/./b"),
    "a name that ends with a slash": subject("a/"),
    "a name that is no text": subject(None),
    "a predicate field less": {"predicate": {k: v for k, v in predicate().items() if k != "limits"}},
    "a predicate field more": {"predicate": predicate(more=1)},
    "a list for a predicate": {"predicate": []},
    "a time of another form": {"predicate": predicate(made="2026-03-01 12:00:00")},
    "no such day": {"predicate": predicate(made="2026-02-30T12:00:00Z")},
    "a time that is no text": {"predicate": predicate(made=7)},
    "a forget set without root": {"predicate": predicate(forgetSet={"size": 3})},
    "a root in capitals": forget(root="AB" * 32),
    "a size below nothing": forget(size=-1),
    "a size that is true": forget(size=True),
    "a size that is text": forget(size="3"),
}


@pytest.mark.parametrize("fault", SIGNED)
def test_a_signature_does_not_make_it_good(fault: str) -> None:
    with pytest.raises(InputError) as refused:
        read(sealed(**SIGNED[fault]))
    assert str(refused.value).isprintable() and len(str(refused.value)) < 500


PAYLOADS: dict[str, Callable[[str], str]] = {
    "white space": lambda text: text.replace(":", ": ", 1),
    "a line end": lambda text: text + "\n",
    "a name twice": lambda text: text[:-1] + ',"subject":[]}',
    "a fraction": lambda text: text.replace('"run":{}', '"run":{"lr":0.5}', 1),
    "a whole fraction": lambda text: text.replace('"run":{}', '"run":{"lr":1.0}', 1),
    "an exponent": lambda text: text.replace('"size":3', '"size":3e0', 1),
    "minus nothing": lambda text: text.replace('"size":3', '"size":-0', 1),
    "a leading zero": lambda text: text.replace('"size":3', '"size":03', 1),
    "no number": lambda text: text.replace('"size":3', '"size":NaN', 1),
    "infinity": lambda text: text.replace('"size":3', '"size":Infinity', 1),
    "a large number": lambda text: text.replace('"size":3', f'"size":{2**53}', 1),
    "a huge number": lambda text: text.replace('"size":3', f'"size":{"9" * 5000}', 1),
    "an escape": lambda text: text.replace("subject", "s\\u0075bject", 1),
    "an escaped slash": lambda text: text.replace("https://", "https:\\/\\/", 1),
    "half a character": lambda text: text.replace('"verdict":"', '"verdict":"\\ud800', 1),
    "a name beyond ASCII": lambda text: text.replace('"run":{}', '"run":{"lübeck":1}', 1),
    "a name with a line end": lambda text: text.replace('"run":{}', '"run":{"l\\n":1}', 1),
    "a comment": lambda text: text.replace("{", "{/**/", 1),
    "a comma more": lambda text: text[:-1] + ",}",
    "single quotes": lambda text: text.replace('"', "'"),
    "too deep": lambda text: text.replace('"audits":[', f'"audits":[{DEEP}', 1),
    "too deep, but whole": lambda text: text.replace('"audits":[', f'"audits":[{DEEP}{DEEP.replace("[", "]")},', 1),
    "too long": lambda text: text.replace('"verdict":"', f'"verdict":"{"x" * (17 << 20)}', 1),
    "empty": lambda text: "",
    "a list": lambda text: "[]",
    "null": lambda text: "null",
}


@pytest.mark.parametrize("fault", PAYLOADS)
def test_a_signed_payload_in_another_form_is_refused(fault: str) -> None:
    text = canonical(statement()).decode()
    changed = PAYLOADS[fault](text)
    assert changed != text
    with pytest.raises(InputError, match=r"canonical JSON|at most|fields"):
        read(seal(PAYLOAD_TYPE, changed.encode(), KEY))


@pytest.mark.parametrize(
    "data", [b"", b"\n", b"{}\n", b"[]\n", b"null\n", b"\xff\xfe\n", b"\x80\x04\x95", b"PK\x03\x04\n"]
)
def test_other_files_are_refused(data: bytes) -> None:
    with pytest.raises(InputError):
        read(data)


def test_a_file_too_large_is_not_parsed() -> None:
    with pytest.raises(InputError, match="at most"):
        read(b" " * (33 << 20) + b"\n")


def test_nothing_is_attested_that_no_reader_would_take() -> None:
    for files in ({}, {"../x": "ab" * 32}, {"a\nb": "ab" * 32}, {"\udcff": "ab" * 32}):
        with pytest.raises(InputError):
            attest(files, predicate(), KEY)
    for value in (0.5, math.nan, b"bytes", 2**60, {1: 2}):
        with pytest.raises(InputError):
            attest(subjects(), predicate(run=value), KEY)


def test_a_keyring_line_is_no_attestation() -> None:
    with pytest.raises(InputError, match="payloadType"):
        read(begin(KEY, MADE).lines[0])


def test_a_model_must_be_the_attested_one_file_by_file() -> None:
    found, files = read(signed()), subjects()
    check_model(found, files)
    first = min(files)
    for changed, told in (
        ({name: h for name, h in files.items() if name != first}, "missing: config.json"),
        ({**files, first: "ab" * 32}, "changed: config.json"),
        ({**files, "pytorch_model.bin": "ab" * 32}, "not attested: pytorch_model.bin"),
    ):
        with pytest.raises(InputError, match=told):
            check_model(found, changed)


def test_every_erased_picture_is_proved_by_its_own_opening_alone() -> None:
    found = read(signed())
    for name, data in PICTURES.items():
        alone = read_openings(write_openings(choose(openings(), name)))
        assert len(alone.openings) == 1
        check_picture(found, alone, sha256(data))
        check_picture(found, openings(), sha256(data))
        for stranger in (b"another picture", data + b"\n", *(d for n, d in PICTURES.items() if n != name)):
            with pytest.raises(InputError, match="none of 1 openings"):
                check_picture(found, alone, sha256(stranger))


def test_openings_are_those_of_the_attestation() -> None:
    found, given_ = read(signed()), json.loads(write_openings(openings()))
    for changes in ({"root": "ab" * 32}, {"size": 4}):
        with pytest.raises(InputError, match="another"):
            check_picture(found, read_openings(canonical({**given_, **changes})), sha256(PICTURES["p0"]))


OPENINGS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "another type": lambda found: {**found, "type": KIND},
    "a field more": lambda found: {**found, "more": 1},
    "no list": lambda found: {**found, "openings": {}},
    "a short nonce": lambda found: {**found, "openings": [{**found["openings"][0], "nonce": "ab" * 31}]},
    "a long nonce": lambda found: {**found, "openings": [{**found["openings"][0], "nonce": "ab" * 33}]},
    "a path that is text": lambda found: {**found, "openings": [{**found["openings"][0], "path": "ab" * 32}]},
    "a path without end": lambda found: {**found, "openings": [{**found["openings"][0], "path": ["ab" * 32] * 65}]},
    "an index that is true": lambda found: {**found, "openings": [{**found["openings"][0], "index": True}]},
    "an index below nothing": lambda found: {**found, "openings": [{**found["openings"][0], "index": -1}]},
    "a picture that is no text": lambda found: {**found, "openings": [{**found["openings"][0], "picture": 1}]},
    "an opening that is none": lambda found: {**found, "openings": [None]},
}


@pytest.mark.parametrize("fault", OPENINGS)
def test_damaged_openings_are_refused(fault: str) -> None:
    found = json.loads(write_openings(openings()))
    with pytest.raises(InputError, match="openings"):
        read_openings(canonical(OPENINGS[fault](found)) + b"\n")


def test_the_place_in_the_tree_says_nothing_about_the_place_in_the_data() -> None:
    names = [f"p{i}" for i in range(40)]
    found = commit(names, [sha256(name.encode()) for name in names])
    assert [one.picture for one in found.openings] != names
    assert {one.picture for one in found.openings} == set(names) and len({o.nonce for o in found.openings}) == 40
    assert commit(names[:2], [bytes(32)] * 2).root != commit(names[:2], [bytes(32)] * 2).root, "nonces are drawn anew"


def test_a_keyring_decides_on_keys_by_their_time() -> None:
    early, late = "2026-01-01T00:00:00Z", "2026-06-01T00:00:00Z"
    ring = rotate(begin(OTHER, early), OTHER, KEY.public_key(), "2026-02-01T00:00:00Z")
    assert read_attestation(signed(), OTHER.public_key(), ring).signer == key_id(KEY.public_key())
    after = rotate(begin(OTHER, early), OTHER, KEY.public_key(), late)
    with pytest.raises(InputError, match="signed from"):
        read_attestation(signed(), OTHER.public_key(), after)
    revoked = revoke(ring, KEY, key_id(KEY.public_key()), late, "stolen")
    with pytest.raises(InputError, match="stolen"):
        read_attestation(signed(), OTHER.public_key(), revoked)
    with pytest.raises(InputError, match="signature"):
        read_attestation(
            with_payload(signed(), canonical(statement(subject=subject("a")["subject"]))), KEY.public_key(), ring
        )


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(min_codepoint=32, max_codepoint=126)), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(plain)
def test_canonical_bytes_read_back(value: Any) -> None:
    data = canonical(value)
    assert parse_canonical(data, "value") == value
    assert canonical(json.loads(data)) == data
    spaced = json.dumps(value, indent=1, sort_keys=True).encode()
    if spaced != data:
        with pytest.raises(InputError):
            parse_canonical(spaced, "value")


def test_canonical_form_is_that_of_the_standard() -> None:
    """The text sample of RFC 8785, without its fractions."""
    sample = {"string": '€$\u000f\nA\'B"\\\\"/', "literals": [None, True, False]}
    assert canonical(sample).decode() == '{"literals":[null,true,false],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_decimals_read_back_as_the_same_number(value: float) -> None:
    text = decimal(value)
    assert text is not None and float(text) == value
