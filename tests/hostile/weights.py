"""Hostile weights: pickles that run code under every name, archives, headers that lie, directories that lead away."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import save

from expunge.models.classifier import Preprocessing
from expunge.models.files import read_weights
from expunge.models.load import load_model, new_model
from expunge.types import LabelSpec
from tests.hostile.table import Case, Place

SPEC = LabelSpec(("age",), (("young", "old"),))
Prepared = Callable[[], object]


def of_file(name: str, data: Callable[[Place], bytes]) -> Callable[[Place], Prepared]:
    return lambda place: partial(read_weights, place.file(name, data(place)))


def archive(place: Place, content: bytes, name: str = "archive/data.pkl") -> bytes:
    """What torch.save writes, with other bytes in the place of the pickle."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        file.writestr(name, content)
        file.writestr("archive/version", "3\n")
        file.writestr("archive/byteorder", "little")
    return made.getvalue()


def tarred(place: Place) -> bytes:
    """The oldest layout of torch, a tar of pickles; one of its names leads away."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as file:
        for name in ("sys_info", "pickle", "storages", "../../away"):
            content = place.pickled()
            member = tarfile.TarInfo(name)
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))
    return made.getvalue()


def scripted(_: Place) -> bytes:
    made = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), made)
    return made.getvalue()


def saved(value: object) -> Callable[[Place], bytes]:
    def data(_: Place) -> bytes:
        made = io.BytesIO()
        torch.save(value, made)
        return made.getvalue()

    return data


def calls(module: str, name: str, argument: str) -> Callable[[Place], bytes]:
    """A pickle that calls a function by its name; protocol 0 is text."""
    return lambda place: f"c{module}\n{name}\n(V{argument.format(canary=place.canary)}\ntR.".encode()


def header(text: str, body: bytes = b"", length: int | None = None) -> Callable[[Place], bytes]:
    """A safetensors file with this header."""
    return lambda _: struct.pack("<Q", len(text) if length is None else length) + text.encode() + body


def tensor(dtype: str = "F32", shape: str = "[1]", offsets: str = "[0,4]") -> str:
    return f'{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}'


def model(place: Place) -> Path:
    """A sound directory of a model."""
    made = new_model("resnet10-quarter", SPEC, Preprocessing((16, 16)), seed=0)
    made.save(made.classifier, place.folder / "model")
    return place.folder / "model"


def of_model(change: Callable[[Path, Place], object]) -> Callable[[Place], Prepared]:
    """A model whose directory somebody changed."""

    def prepare(place: Place) -> Prepared:
        path = model(place)
        change(path, place)
        return lambda: load_model(path)

    return prepare


def told(name: str, **changes: object) -> Callable[[Path, Place], object]:
    """One of its JSON files says something else."""

    def change(path: Path, place: Place) -> object:
        found = json.loads((path / name).read_text())
        return (path / name).write_text(json.dumps({**found, **changes}))

    return change


def written(name: str, text: str) -> Callable[[Path, Place], object]:
    return lambda path, place: (path / name).write_text(text)


def instead(*files: tuple[str, Callable[[Place], bytes]]) -> Callable[[Path, Place], object]:
    """Other files in the place of the weights."""

    def change(path: Path, place: Place) -> None:
        (path / "model.safetensors").unlink()
        for name, data in files:
            (path / name).parent.mkdir(exist_ok=True)
            (path / name).write_bytes(data(place))

    return change


def index(*names: object) -> Callable[[Place], bytes]:
    return lambda _: json.dumps({"weight_map": {f"t{i}": name for i, name in enumerate(names)}}).encode()


def unsized(kind: str) -> Callable[[Place], Prepared]:
    """Something that is no file, and would be read for ever."""

    def prepare(place: Place) -> Prepared:
        path = place.folder / "net.pth"
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "loop":
            path.symlink_to(path)
        elif kind == "device":
            path.symlink_to("/dev/zero")
        else:
            path.mkdir()
        return lambda: read_weights(path)

    return prepare


NEEDS_CODE = "needs code execution"
WEIGHTS: Mapping[str, Case] = {
    **{
        f"a pickle that runs a program, as {name}": Case("read_weights", of_file(name, Place.pickled), NEEDS_CODE)
        for name in ("net.pth", "net.pt", "net.bin")
    },
    **{
        f"a pickle that calls {module}.{name}": Case(
            "read_weights", of_file("net.pth", calls(module, name, argument)), NEEDS_CODE
        )
        for module, name, argument in (
            ("builtins", "eval", "open('{canary}', 'w')"),
            ("builtins", "exec", "open('{canary}', 'w')"),
            ("posix", "system", "touch {canary}"),
            ("subprocess", "getoutput", "touch {canary}"),
            ("importlib", "import_module", "antigravity"),
            ("torch.hub", "load_state_dict_from_url", "http://localhost/x"),
            ("numpy", "load", "{canary}"),
        )
    },
    "a pickle called safetensors": Case("read_weights", of_file("net.safetensors", Place.pickled), "safetensors file"),
    "a pickle in torch's archive": Case(
        "read_weights", of_file("net.pth", lambda p: archive(p, p.pickled())), NEEDS_CODE
    ),
    "an archive whose names lead away": Case(
        "read_weights", of_file("net.pth", lambda p: archive(p, p.pickled(), "../../data.pkl")), "weights"
    ),
    "an archive of something else": Case(
        "read_weights", of_file("net.pth", lambda p: archive(p, b"<html>", "index.html")), "weights"
    ),
    "torch's oldest layout": Case("read_weights", of_file("net.pth", tarred), "weights"),
    "a script for torch's own machine": Case("read_weights", of_file("net.pt", scripted), "weights"),
    "a whole network": Case("read_weights", of_file("net.pt", saved(torch.nn.Linear(2, 2))), NEEDS_CODE),
    "numbers for tensors": Case("read_weights", of_file("net.pt", saved({"a": 1.0})), "state dict"),
    "two state dicts": Case(
        "read_weights",
        of_file("net.pt", saved({"model": {"a": torch.zeros(1)}, "state_dict": {"a": torch.ones(1)}})),
        "several",
    ),
    "a pickle that ends too early": Case("read_weights", of_file("net.pth", lambda _: b"\x80\x02}q\0"), "weights"),
    "an endless pickle": Case(
        "read_weights", of_file("net.pth", lambda _: pickle.PROTO + b"\x02" + b"(" * 100_000), "weights"
    ),
    "no bytes": Case("read_weights", of_file("net.pth", lambda _: b""), "weights"),
    "no bytes, as safetensors": Case("read_weights", of_file("net.safetensors", lambda _: b""), "safetensors file"),
    "another ending": Case("read_weights", of_file("net.npz", Place.pickled), "ending in"),
    "a pipe": Case("read_weights", unsized("pipe"), "not there"),
    "a folder": Case("read_weights", unsized("folder"), "not there"),
    "a link to itself": Case("read_weights", unsized("loop"), "not there"),
    "a device without end": Case("read_weights", unsized("device"), "not there"),
    "a name with NUL": Case("read_weights", lambda _: lambda: read_weights(Path("net\0.pth")), "weights"),
    **{
        f"a safetensors header {what}": Case("read_weights", of_file("net.safetensors", data), "safetensors file")
        for what, data in {
            "longer than the file": header("{}", length=2**63),
            "that is no JSON": header("<html>"),
            "that is cut off": header('{"a":'),
            "with tensors beyond the end": header(f'{{"a":{tensor(offsets="[0,4000000000000]")}}}', b"\0" * 4),
            "with tensors over each other": header(f'{{"a":{tensor()},"b":{tensor()}}}', b"\0" * 4),
            "with a shape of other size": header(f'{{"a":{tensor(shape="[1000000000]")}}}', b"\0" * 4),
            "with a shape below nothing": header(f'{{"a":{tensor(shape="[-1]")}}}', b"\0" * 4),
            "with an unknown type": header(f'{{"a":{tensor("PICKLE")}}}', b"\0" * 4),
            "with bytes that nobody names": header(f'{{"a":{tensor()}}}', b"\0" * 4000),
            "of one name twice, other bytes": header(f'{{"a":{tensor()},"a":{tensor(offsets="[4,8]")}}}', b"\0" * 8),
        }.items()
    },
    "weights that are no numbers": Case(
        "load_model",
        of_model(
            lambda path, _: path.joinpath("model.safetensors").write_bytes(save({"a": torch.tensor([torch.nan])}))
        ),
        "NaN or infinity|weights",
    ),
    "a pickle beside the configuration": Case(
        "load_model", of_model(instead(("pytorch_model.bin", Place.pickled))), NEEDS_CODE
    ),
    **{
        f"an index to {name!r}": Case(
            "load_model",
            of_model(instead(("model.safetensors.index.json", index(name)), ("x.bin", Place.pickled))),
            "files of the same directory|not there",
        )
        for name in ("../x.bin", "/etc/passwd", "a/../../x.bin", "x\0.bin", "..", "", 7, None, ["x.bin"])
    },
    "an index to a pickle": Case(
        "load_model",
        of_model(instead(("model.safetensors.index.json", index("x.bin")), ("x.bin", Place.pickled))),
        NEEDS_CODE,
    ),
    "an index that is too deep": Case(
        "load_model",
        of_model(instead(("model.safetensors.index.json", lambda _: b"[" * 100_000))),
        "files of the same directory",
    ),
    "a configuration that brings code": Case(
        "load_model", of_model(told("config.json", auto_map={"AutoConfig": "evil.Config"})), "auto_map"
    ),
    "a configuration that is too deep": Case(
        "load_model", of_model(written("config.json", "[" * 100_000)), "config.json"
    ),
    "a configuration that is a list": Case("load_model", of_model(written("config.json", "[]")), "config.json"),
    "a configuration of another kind": Case(
        "load_model", of_model(told("config.json", model_type="bert")), "image classifier|sound config"
    ),
    "a configuration of a huge network": Case(
        "load_model", of_model(told("config.json", embedding_size=2**40)), "config.json|weights|shape"
    ),
    "a configuration with sizes below nothing": Case(
        "load_model", of_model(told("config.json", hidden_sizes=[-1, -2, -3, -4])), "config.json|weights"
    ),
    "a picture size of infinity": Case(
        "load_model", of_model(written("expunge.json", '{"preprocessing":{"size":[1e999,1]}}')), "expunge.json"
    ),
    "a record that is too deep": Case("load_model", of_model(written("expunge.json", "[" * 100_000)), "expunge.json"),
    "a record in other bytes": Case(
        "load_model", of_model(lambda path, _: (path / "expunge.json").write_bytes(b"\xff\xfe\0")), "expunge.json"
    ),
    "a record that is a number": Case("load_model", of_model(written("expunge.json", "7")), "expunge.json"),
    "a zip in the place of a directory": Case(
        "load_model",
        lambda p: partial(load_model, p.file("model.zip", archive(p, p.pickled()))),
        "local model directory",
    ),
    "a network to be downloaded": Case(
        "load_model", lambda _: lambda: load_model("evil/model"), "local model directory"
    ),
    "a network with NUL in its name": Case("load_model", lambda _: lambda: load_model("model\0"), "model"),
}
