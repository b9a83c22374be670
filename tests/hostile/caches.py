"""Hostile caches: what a run, a bench or a store left behind, and somebody with access to the disk put in its place."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import torch

from expunge.audits.shadowcache import Shadow, ShadowCache
from expunge.bench.pages import read_table
from expunge.bench.raw import RawFolder
from expunge.engine.checkpoint import load
from tests.hostile.table import Case, Place
from tests.hostile.weights import archive, header, saved, tensor

Prepared = Callable[[], object]
Data = Callable[[Place], bytes]
INGREDIENTS = {"seed": 1}
GOOD = {"version": 1, "key": "k"}


def checkpoint(data: Data) -> Callable[[Place], Prepared]:
    return lambda place: partial(load, place.file("state.pt", data(place)).parent, key="k")


def arrays(**found: object) -> Data:
    """An npz of these; objects become pickles in it."""

    def data(_: Place) -> bytes:
        made = io.BytesIO()
        np.savez(made, **{name: np.asarray(value) for name, value in found.items()})
        return made.getvalue()

    return data


def objects(name: str) -> Data:
    """An npz whose one array holds an object that runs a program when it is read."""

    return lambda place: zipped(**{f"{name}.npy": array("(1,)", "|O", place.pickled())})(place)


def zipped(**files: bytes) -> Data:
    def data(_: Place) -> bytes:
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
            for name, content in files.items():
                file.writestr(name, content)
        return made.getvalue()

    return data


def array(shape: str, descr: str = "<f4", body: bytes = b"") -> bytes:
    """A .npy file whose header says what it likes."""
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + body


def shadow(ending: str, data: Data, **told: object) -> Callable[[Place], Prepared]:
    """A finished shadow of which a file was replaced, by somebody who knows where its hash stands."""

    def prepare(place: Place) -> Prepared:
        cache = ShadowCache(place.folder / "shadows")
        good = Shadow(np.zeros((3, 1), np.float32), np.ones(3, bool), 2, 0.1, {"a": torch.zeros(1)})
        cache.write(INGREDIENTS, good)
        content = data(place)
        cache.path(INGREDIENTS, ending).write_bytes(content)
        if ending != "json":
            manifest = cache.path(INGREDIENTS, "json")
            said = json.loads(manifest.read_bytes())
            said["sha256"][ending] = hashlib.sha256(content).hexdigest()
            manifest.write_text(json.dumps(said | told))
        return partial(cache.weights if ending == "safetensors" else cache.read, INGREDIENTS)

    return prepare


def row(data: Data, task: Data | None = None) -> Callable[[Place], Prepared]:
    def prepare(place: Place) -> Prepared:
        place.json("raw/task.json", {"spec": {"names": ["age"], "classes": [["young", "old"]]}})
        place.file("raw/task.npz", (task or arrays(**{"retain.labels": [0]}))(place))
        folder = RawFolder(place.file("raw/dlfd.npz", data(place)).parent)
        return partial(folder.observation, "dlfd")

    return prepare


def raw(text: str) -> Callable[[Place], Prepared]:
    return lambda place: partial(RawFolder(place.file("raw/dlfd.json", text).parent).told, "dlfd")


def table(text: str) -> Callable[[Place], Prepared]:
    return lambda place: partial(read_table, place.file("table.json", text).parent)


SOUND = arrays(scaled=np.zeros((3, 1), np.float32), inside=np.packbits(np.ones(3, bool)))
HUGE = array("(1000000000000000,)")
ARRAYS: Mapping[str, Data] = {
    "a pickle": Place.pickled,
    "an array of objects": objects("scaled"),
    "an array larger than any memory": zipped(**{"scaled.npy": HUGE, "inside.npy": HUGE}),
    "an array of a shape below nothing": zipped(**{"scaled.npy": array("(-3, 1)")}),
    "an array with code for a header": zipped(**{"scaled.npy": array("__import__('os').system('touch canary')")}),
    "an archive without arrays": zipped(**{"../../away.npy": b"x"}),
    "an archive of other arrays": arrays(other=1),
    "an archive that is cut off": lambda place: SOUND(place)[:-40],
    "an archive with a broken member": lambda place: SOUND(place).replace(b"\x93NUMPY", b"\x93NUMPX"),
    "no bytes": lambda _: b"",
}
CACHES: Mapping[str, Case] = {
    **{
        f"a checkpoint of {what}": Case("engine.checkpoint.load", checkpoint(data), "checkpoint|resume")
        for what, data in {
            "a pickle": Place.pickled,
            "a pickle in torch's archive": lambda place: archive(place, place.pickled()),
            "no bytes": lambda _: b"",
            "a list": saved([1]),
            "a tensor": saved(torch.zeros(1)),
            "a version that is a text": saved({**GOOD, "version": "<script>"}),
            "a version without a key": saved({"version": 1}),
            "fields that nobody knows": saved({**GOOD, "__class__": 1}),
            "another run's key": saved({**GOOD, "key": "x" * 1000}),
            "a key that is a tensor": saved({**GOOD, "key": torch.zeros(2)}),
        }.items()
    },
    **{
        f"a shadow of {what}": Case("ShadowCache.read", shadow("npz", data), "shadow cache")
        for what, data in ARRAYS.items()
    },
    "a shadow of numbers that are none": Case(
        "ShadowCache.read",
        shadow("npz", arrays(scaled=np.full((3, 1), np.nan, np.float32), inside=np.packbits(np.ones(3, bool)))),
        "shadow cache",
    ),
    "a shadow of texts": Case(
        "ShadowCache.read", shadow("npz", arrays(scaled=[["<script>"]] * 3, inside=[255])), "shadow cache"
    ),
    "a shadow that was trained on too few": Case(
        "ShadowCache.read",
        shadow("npz", arrays(scaled=np.zeros((99, 1)), inside=np.zeros(1, np.uint8))),
        "shadow cache",
    ),
    "a shadow that took for ever": Case("ShadowCache.read", shadow("npz", SOUND, seconds="Infinity"), "shadow cache"),
    "a shadow of no number of pictures": Case("ShadowCache.read", shadow("npz", SOUND, pictures=[]), "shadow cache"),
    "a shadow told too deep": Case("ShadowCache.read", shadow("json", lambda _: b"[" * 100_000), "shadow cache"),
    "a shadow told in other bytes": Case("ShadowCache.read", shadow("json", lambda _: b"\xff\xfe"), "shadow cache"),
    "weights of a shadow that are a pickle": Case(
        "ShadowCache.weights", shadow("safetensors", Place.pickled), "shadow cache"
    ),
    "weights of a shadow beyond their file": Case(
        "ShadowCache.weights",
        shadow("safetensors", header(f'{{"a":{tensor(offsets="[0,4000]")}}}', b"\0" * 4)),
        "shadow cache",
    ),
    **{
        f"a bench's row of {what}": Case("RawFolder.observation", row(data), "answers of dlfd")
        for what, data in ARRAYS.items()
    },
    "a bench's pictures of objects": Case(
        "RawFolder.observation", row(SOUND, objects("retain.labels")), "answers of dlfd"
    ),
    "a bench's row told too deep": Case("RawFolder.told", raw("[" * 100_000), "raw result"),
    "a bench's row told as a list": Case("RawFolder.told", raw("[]"), "raw result"),
    "a bench's table too deep": Case("read_table", table("[" * 100_000), "bench table"),
    "a bench's table of HTML": Case("read_table", table("<script>alert(1)</script>"), "bench table"),
}
