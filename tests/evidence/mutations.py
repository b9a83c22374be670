"""Ways to change a signed file without its key: bytes, JSON, base64, signatures, types; each drawn at random."""

from __future__ import annotations

import base64
import json
import random
import unicodedata
from collections.abc import Callable
from typing import Any

from expunge.evidence.canonical import canonical
from expunge.evidence.dsse import seal
from tests.evidence.attested import OTHER

ORDER = 2**252 + 27742317777372353535851937790883648493  # of the group of Ed25519
TYPES = ("application/vnd.in-toto+JSON", "application/json", "", "application/vnd.in-toto+json ", "text/plain", None, 7)
ALGORITHMS = ("none", "Ed25519", "HS256", "ES256", "")
Mutation = Callable[[bytes, random.Random], bytes]


def envelope(data: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(data)
    return found


def again(found: Any) -> bytes:
    return json.dumps(found, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def with_payload(data: bytes, body: bytes) -> bytes:
    return again({**envelope(data), "payload": base64.b64encode(body).decode()})


def with_signature(data: bytes, **changes: Any) -> bytes:
    found = envelope(data)
    return again({**found, "signatures": [{**found["signatures"][0], **changes}]})


def payload(data: bytes) -> bytes:
    return base64.b64decode(envelope(data)["payload"])


def flip(data: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << rng.randrange(8)]) + data[place + 1 :]


def cut(data: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(data))
    return data[:place] + data[place + rng.randint(1, 3) :]


def insert(data: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(data) + 1)
    return data[:place] + rng.choice([b" ", b"\n", b"\0", b"\t", b"\r", b"a", b'"', b"}", b"\xc2\xa0"]) + data[place:]


def splice(data: bytes, rng: random.Random) -> bytes:
    a, b, c = (rng.randrange(len(data)) for _ in range(3))
    return data[:a] + data[b : b + rng.randint(1, 40)] + data[c:]


def flip_payload(data: bytes, rng: random.Random) -> bytes:
    return with_payload(data, flip(payload(data), rng))


def cut_payload(data: bytes, rng: random.Random) -> bytes:
    return with_payload(data, cut(payload(data), rng))


def space_in_payload(data: bytes, rng: random.Random) -> bytes:
    said = json.loads(payload(data))
    return with_payload(data, json.dumps(said, sort_keys=True, indent=rng.choice([None, 1, 2])).encode())


def shuffled(value: Any, rng: random.Random) -> Any:
    """The same value with its names in another order; lists stay as they are."""
    if isinstance(value, dict):
        names = list(value)
        rng.shuffle(names)
        return {name: shuffled(value[name], rng) for name in names}
    return [shuffled(inner, rng) for inner in value] if isinstance(value, list) else value


def reorder(data: bytes, rng: random.Random) -> bytes:
    whole = rng.random() < 0.5
    written = json.dumps(
        shuffled(envelope(data) if whole else json.loads(payload(data)), rng),
        separators=(",", ":"),
        ensure_ascii=False,
    ).encode()
    return written + b"\n" if whole else with_payload(data, written)


def change_value(data: bytes, rng: random.Random) -> bytes:
    said = json.loads(payload(data))
    name = rng.choice(list(said["predicate"]))
    said["predicate"][name] = rng.choice([None, 0, 1, "passed", [], {"name": "x"}, True])
    return with_payload(data, canonical(said))


def duplicate(data: bytes, rng: random.Random) -> bytes:
    """A name twice, with the old or a new value, before or after, in the envelope or in the payload."""
    whole = rng.random() < 0.5
    text = data.rstrip() if whole else payload(data)
    name = rng.choice(list(json.loads(text)))
    old = json.dumps(json.loads(text)[name], separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    pair = f'"{name}":{rng.choice([old, "null", "[]", old])}'.encode()
    doubled = b"{" + pair + b"," + text[1:] if rng.random() < 0.5 else text[:-1] + b"," + pair + b"}"
    return doubled + b"\n" if whole else with_payload(data, doubled)


def escape(data: bytes, rng: random.Random) -> bytes:
    """A character written as an escape: the same text, other bytes."""
    whole = rng.random() < 0.5
    text = (data if whole else payload(data)).decode()
    place = rng.choice([i for i, c in enumerate(text) if c.isalnum()])
    written = f"{text[:place]}\\u{ord(text[place]):04{rng.choice('xX')}}{text[place + 1 :]}".encode()
    return written if whole else with_payload(data, written)


def encode(data: bytes, rng: random.Random) -> bytes:
    """The same text in another encoding or another normal form."""
    whole = rng.random() < 0.5
    text = (data if whole else payload(data)).decode()
    other = rng.choice(
        [
            text.encode("utf-16"),
            text.encode("utf-32"),
            text.encode("utf-8-sig"),
            text.encode("latin-1"),
            unicodedata.normalize("NFD", text).encode(),
        ]
    )
    return other if whole else with_payload(data, other)


def base64_variant(data: bytes, rng: random.Random) -> bytes:
    """Another spelling of the same bytes."""
    found = envelope(data)
    place: Any = rng.choice([found, found["signatures"][0]])
    name = "payload" if place is found else "sig"
    text = place[name]
    spare = text.rstrip("=")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    trailing = spare[:-1] + alphabet[alphabet.index(spare[-1]) ^ 1] + "=" * (len(text) - len(spare))
    middle = rng.randrange(len(text))
    place[name] = rng.choice(
        [
            text.replace("+", "-").replace("/", "_"),
            spare,
            text + "=",
            text + "====",
            f"{text[:middle]}\n{text[middle:]}",
            f" {text}",
            trailing if len(text) != len(spare) else text + "A",
            text.encode().hex(),
        ]
    )
    return again(found)


def field_more(data: bytes, rng: random.Random) -> bytes:
    found = envelope(data)
    place: Any = rng.choice([found, found["signatures"][0]])
    place[rng.choice(["alg", "algorithm", "extension", "payloadtype", "cert", "Payload"])] = rng.choice(ALGORITHMS)
    return again(found)


def field_less(data: bytes, rng: random.Random) -> bytes:
    found = envelope(data)
    place: Any = rng.choice([found, found["signatures"][0]])
    del place[rng.choice(list(place))]
    return again(found)


def swap_type(data: bytes, rng: random.Random) -> bytes:
    return again({**envelope(data), "payloadType": rng.choice(TYPES)})


def key_hint(data: bytes, rng: random.Random) -> bytes:
    hint = envelope(data)["signatures"][0]["keyid"]
    return with_signature(data, keyid=rng.choice(["", hint.upper(), hint[:16], "0" * 64, None, f"{hint} ", [hint]]))


def signature(data: bytes, rng: random.Random) -> bytes:
    """Another signature: flipped, longer, shorter, of another key, or the same with the group's order on top."""
    raw = base64.b64decode(envelope(data)["signatures"][0]["sig"])
    plus = (int.from_bytes(raw[32:], "little") + ORDER).to_bytes(33, "little")
    foreign = base64.b64decode(
        envelope(seal("application/vnd.in-toto+json", payload(data), OTHER))["signatures"][0]["sig"]
    )
    made = rng.choice(
        [flip(raw, rng), raw[:-1], raw + b"\0", bytes(64), b"", raw[32:] + raw[:32], raw[:32] + plus[:32], foreign]
    )
    return with_signature(data, sig=base64.b64encode(made).decode())


def truncate(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


def trail(data: bytes, rng: random.Random) -> bytes:
    """Something behind the end: white space, another envelope, a comment, an archive."""
    ends = (b"\n", b" ", b"\0", data, b"{}", b"// end\n", b"PK\x05\x06" + bytes(18), rng.randbytes(1))
    return data + rng.choice(ends)


def other_number(data: bytes, rng: random.Random) -> bytes:
    """A whole number written otherwise, or one that is none."""
    text = payload(data).decode()
    other = ("3.0", "3e0", "3E+0", "30e-1", "03", "+3", "0x3", "3.", "-0", "3n", '"3"')
    none = ("NaN", "Infinity", f"{2**53}", "9" * 400)
    return with_payload(data, text.replace('"size":3', f'"size":{rng.choice(other + none)}', 1).encode())


def nest(data: bytes, rng: random.Random) -> bytes:
    """An envelope in an envelope, or in the place of one of its parts."""
    found = envelope(data)
    (mine,) = found["signatures"]
    whole = base64.b64encode(data).decode()
    nested: list[Any] = [
        {**found, "payload": whole},
        {**found, "payload": found},
        {**found, "payload": [found["payload"]]},
        {**found, "signatures": [{**mine, "sig": whole}]},
        {**found, "signatures": [{**mine, "sig": found}]},
        {"payload": whole, "payloadType": "application/vnd.dsse+json", "signatures": [mine]},
        {"envelope": found},
        [found],
        whole,
    ]
    return again(rng.choice(nested))


def signatures(data: bytes, rng: random.Random) -> bytes:
    found = envelope(data)
    (mine,) = found["signatures"]
    (foreign,) = envelope(seal("application/vnd.in-toto+json", payload(data), OTHER))["signatures"]
    broken = {**mine, "sig": base64.b64encode(bytes(64)).decode()}
    lists = [[], [mine, mine], [mine, foreign], [foreign, mine], [mine, broken], [broken, mine], mine, None, [[mine]]]
    return again({**found, "signatures": rng.choice(lists)})


# other forms of the payload: they mean the same, or nothing at all, whoever signs them
FORMS = (space_in_payload, reorder, duplicate, escape, encode, other_number)
MUTATIONS: dict[str, Mutation] = {
    made.__name__: made
    for made in (
        *(flip, cut, insert, splice, flip_payload, cut_payload, space_in_payload, reorder, change_value, duplicate),
        *(escape, encode, base64_variant, field_more, field_less, swap_type, key_hint, signature, signatures),
        *(truncate, trail, other_number, nest),
    )
}
