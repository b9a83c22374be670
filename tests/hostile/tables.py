"""Hostile data: paths that lead away, files without end, pictures that are none, names that no array holds."""

from __future__ import annotations

import os
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from expunge.app.desk import Silent
from expunge.app.draw import draw_request
from expunge.app.job import DrawJob
from expunge.app.jobfile import build_job
from expunge.data.requests import ErasureRequest, resolve
from expunge.data.sources import DataSpec, read_dataset
from expunge.data.synthetic import synthetic_faces
from tests.hostile.table import HTML, LONG, NAMES, NUL, SQL, TERMINAL, TURNED, Case, Place

Prepared = Callable[[], object]
Change = Callable[[Place], bytes]
SPLITS = ("train", "train", "train", "val", "test", "test")


def png(red: int = 0) -> bytes:
    made = BytesIO()
    Image.new("RGB", (16, 16), (red, 7, 7)).save(made, "PNG")
    return made.getvalue()


def chunked(*chunks: tuple[bytes, bytes], size: tuple[int, int] = (16, 16)) -> bytes:
    """A PNG by hand, whose header may say anything."""
    parts = [(b"IHDR", struct.pack(">IIBBBBB", *size, 8, 2, 0, 0, 0)), *chunks, (b"IEND", b"")]
    packed = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def faces(place: Place, **columns: list[object]) -> Path:
    """A sound table of six pictures, with other values in some of its columns."""
    sound: dict[str, list[object]] = {
        "image": [{"bytes": png(i), "path": f"{i}.png"} for i in range(6)],
        "label": list("ababab"),
        "subject": ["Ana", "Bo", "Bo", "Cai", "Dee", "Eve"],
        "split": list(SPLITS),
        "id": [f"p{i}" for i in range(6)],
    }
    pq.write_table(pa.table({**sound, **columns}), place.folder / "faces.parquet")
    return place.folder / "faces.parquet"


def read(path: Path, **more: str | None) -> Prepared:
    spec = DataSpec(str(path), **{"subject": "subject", "split": "split", **more})
    return partial(read_dataset, spec, size=(8, 8))


def column(name: str, first: object, **more: str) -> Callable[[Place], Prepared]:
    """The first row of a column says something else."""

    def prepare(place: Place) -> Prepared:
        table = pq.read_table(faces(place)).to_pydict()
        return read(faces(place, **{name: [first, *table[name][1:]]}), **more)

    return prepare


def picture(change: Change) -> Callable[[Place], Prepared]:
    """The first picture is something else."""

    def prepare(place: Place) -> Prepared:
        images: list[object] = [{"bytes": png(i), "path": f"{i}.png"} for i in range(1, 6)]
        return read(faces(place, image=[{"bytes": change(place), "path": "bad.png"}, *images]))

    return prepare


def of_kind(kind: str, size: tuple[int, int] = (16, 16), mode: str = "RGB") -> Change:
    def data(_: Place) -> bytes:
        made = BytesIO()
        Image.new(mode, size).save(made, kind)
        return made.getvalue()

    return data


def listed(path: str, make: Callable[[Place], object] | None = None) -> Callable[[Place], Prepared]:
    """A list of pictures on disk, the first of which is at `path`."""

    def prepare(place: Place) -> Prepared:
        for i in range(6):
            place.file(f"set/{i}.png", png(i))
        if make is not None:
            make(place)
        rows = [path, *(f"{i}.png" for i in range(1, 6))]
        lines = [f'"{row}",{"ab"[i % 2]},Ana,{split}' for i, (row, split) in enumerate(zip(rows, SPLITS, strict=True))]
        return read(place.file("set/list.csv", "\n".join(["image,label,subject,split", *lines])))

    return prepare


def zipped(*names: str) -> Callable[[Place], Prepared]:
    """A published data set as a zip with these names in it."""

    def prepare(place: Place) -> Prepared:
        with warnings.catch_warnings(), zipfile.ZipFile(place.folder / "set.zip", "w") as archive:
            warnings.simplefilter("ignore")  # that a name is there twice
            for name in names:
                archive.writestr(name, "x")
        return read(Path("mufac:set.zip"))

    return prepare


def outside(place: Place) -> Path:
    return place.file("secret.png", png(99))


def linked(place: Place) -> None:
    (place.folder / "set/link.png").symlink_to(outside(place))


def folder_linked(place: Place) -> None:
    outside(place)
    (place.folder / "set/away").symlink_to(place.folder)


def to_itself(place: Place) -> None:
    (place.folder / "set/loop.png").symlink_to("loop.png")


def asked(**names: tuple[str, ...]) -> Callable[[Place], Prepared]:
    return lambda _: lambda: resolve(ErasureRequest(**names), synthetic_faces(12, 4, size=16), near_copies="ignore")


def request(name: str, content: str | bytes) -> Callable[[Place], Prepared]:
    return lambda place: partial(ErasureRequest.from_file, place.file(name, content))


def endless(place: Place) -> Prepared:
    path = place.folder / "r.csv"
    path.symlink_to("/dev/zero")
    return partial(ErasureRequest.from_file, path)


def drawn(name: str) -> Callable[[Place], Prepared]:
    """A request drawn from data in which everybody bears such a name; a spreadsheet would run it."""

    def prepare(place: Place) -> Prepared:
        path = faces(place, subject=[f"{name}{i}" for i in range(6)])
        data = {"path": str(path), "subject": "subject"}
        job = build_job(DrawJob, {"data": data, "out": place.folder / "request.csv", "share": 0.3})
        return partial(draw_request, job, desk=Silent())

    return prepare


AWAY, GONE, NONE = "paths inside", "unreadable|bad.png|set", "bad.png"
PICTURES: Mapping[str, Change] = {
    "an icon": of_kind("ICO"),
    "a PDF": of_kind("PDF"),
    "an EPS": of_kind("EPS"),
    "a PCX": of_kind("PCX"),
    "a PDF and a ZIP at once": lambda _: b"%PDF-1.4\n1 0 obj<</JS(app.alert(1))>>endobj\nPK\x05\x06" + bytes(18),
    "HTML that begins like a GIF": lambda _: b"GIF89a/*<script>alert(1)</script>*/=1;",
    "a script that begins like a BMP": lambda _: b"BM=1;/*" + bytes(60) + b"*/alert(1)",
    "an SVG with entities that explode": lambda _: b'<!DOCTYPE a [<!ENTITY b "&c;&c;">]><svg>&b;</svg>',
    "a program": lambda _: b"\x7fELF\x02\x01\x01" + bytes(100),
    "a pickle": Place.pickled,
    "a PNG that unpacks to 50 MB": lambda _: chunked((b"IDAT", zlib.compress(bytes(50_000_000), 1)), size=(1, 1 << 30)),
    "a PNG with a profile that unpacks to 100 MB": lambda _: chunked(
        (b"iTXt", b"a\0\1\0\0\0" + zlib.compress(bytes(100_000_000), 1)), (b"IDAT", b"")
    ),
    "a PNG without pixels": lambda _: chunked(),
    "a PNG of no height": lambda _: chunked((b"IDAT", zlib.compress(b"")), size=(16, 0)),
    "a PPM that is as large as it says": lambda _: b"P6 1000000000 1000000000 255\n",
    "a PPM of a size below nothing": lambda _: b"P6 -4 -4 255\n",
    "a BMP of an overflowing width": lambda _: (
        b"BM"
        + struct.pack("<IHHI", 60, 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, 2**31 - 1, 2**31 - 1, 1, 24, 0, 0, 0, 0, 0, 0)
    ),
    "a TIFF whose directory is its own next": lambda _: b"II*\0\x08\0\0\0\0\0\x08\0\0\0",
    "a TIFF cut in its directory": lambda place: of_kind("TIFF")(place)[:-60],
    "a WebP that says it is larger": lambda place: of_kind("WEBP")(place)[:20] + b"\xff" * 40,
    "a JPEG without its tables": lambda _: b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0\xff\xd9",
    "a GIF without a frame": lambda _: b"GIF89a\x10\0\x10\0\0\0\0;",
    "an AVIF cut in the middle": lambda place: of_kind("PNG")(place)[:30],
}
TABLES: Mapping[str, Case] = {
    **{f"a picture that is {what}": Case("read_dataset", picture(data), NONE) for what, data in PICTURES.items()},
    "a picture above the folder": Case("read_dataset", listed("../secret.png", outside), AWAY),
    "a picture above, by a detour": Case("read_dataset", listed("x/../../secret.png", outside), AWAY),
    "a picture of the system": Case("read_dataset", listed("/etc/passwd"), AWAY),
    "a picture of a process": Case("read_dataset", listed("/proc/self/environ"), AWAY),
    "a picture without end": Case("read_dataset", listed("/dev/zero"), AWAY),
    "a link to a picture outside": Case("read_dataset", listed("link.png", linked), AWAY),
    "a picture behind a linked folder": Case("read_dataset", listed("away/secret.png", folder_linked), AWAY),
    "a link to itself": Case("read_dataset", listed("loop.png", to_itself), GONE),
    "a pipe": Case("read_dataset", listed("pipe.png", lambda p: os.mkfifo(p.folder / "set/pipe.png")), GONE),
    "a folder for a picture": Case("read_dataset", listed(".", lambda p: None), GONE),
    "a picture on another machine": Case("read_dataset", listed("https://localhost:1/x.png"), GONE),
    "a picture by its URL": Case("read_dataset", listed("file:///etc/passwd"), GONE),
    "a picture of a home": Case("read_dataset", listed("~/.ssh/id_rsa"), GONE),
    "a picture of a variable": Case("read_dataset", listed("$HOME/x.png"), GONE),
    "a picture by a pattern": Case("read_dataset", listed("*.png"), GONE),
    "a path with NUL": Case("read_dataset", column("image", {"bytes": None, "path": NUL}), "row 0|NUL|null"),
    "a path of 10 MB": Case("read_dataset", column("image", {"bytes": None, "path": LONG}), "row 0|too long"),
    "a path of HTML": Case("read_dataset", column("image", {"bytes": None, "path": HTML}), "row 0"),
    "a path that turns around": Case("read_dataset", column("image", {"bytes": None, "path": TURNED}), r"\\u202e"),
    "a path with orders to the terminal": Case(
        "read_dataset", column("image", {"bytes": None, "path": TERMINAL}), r"\\x1b"
    ),
    "a subject with NUL": Case("read_dataset", column("subject", NUL), "NUL"),
    "a subject that ends with NUL": Case("read_dataset", column("subject", "Bo\0"), "NUL"),
    "a subject of 10 MB": Case("read_dataset", column("subject", LONG), "characters"),
    "a label of 10 MB": Case("read_dataset", column("label", LONG), "characters"),
    "a label with NUL": Case("read_dataset", column("label", "a\0"), "NUL"),
    "an id of 10 MB": Case("read_dataset", column("id", LONG, id="id"), "characters"),
    "an id with NUL": Case("read_dataset", column("id", "p1\0", id="id"), "NUL"),
    "a split of HTML": Case("read_dataset", column("split", HTML), "script"),
    "a split with orders to the terminal": Case("read_dataset", column("split", TERMINAL), r"\\x1b"),
    "a subject that is no number": Case(
        "read_dataset", lambda p: read(faces(p, subject=[float("nan"), *map(float, range(5))])), "row 0"
    ),
    "a subject of infinity": Case(
        "read_dataset", lambda p: read(faces(p, subject=[float("inf"), *map(float, range(5))])), "row 0"
    ),
    "a subject that is a list": Case("read_dataset", lambda p: read(faces(p, subject=[["Ana"]] * 6)), "subject"),
    "a column of SQL": Case("read_dataset", lambda p: read(faces(p), subject=SQL), "DROP"),
    "a column of HTML": Case("read_dataset", lambda p: read(faces(p), subject=HTML), "script"),
    "a table that is a pickle": Case("read_dataset", lambda p: read(p.file("faces.parquet", p.pickled())), "faces"),
    "a table with NUL in its name": Case("read_dataset", lambda _: read(Path("faces\0.parquet")), "data"),
    "a table of 10 MB of name": Case("read_dataset", lambda _: read(Path(LONG)), "data"),
    **{
        f"a zip with {what}": Case("read_dataset", zipped(*names), says)
        for what, names, says in (
            ("a name that leads away", ("custom_train_dataset.csv", "../../x.jpg"), "inside the zip"),
            ("a name of the system", ("/etc/passwd",), "inside the zip"),
            ("a name of another system", ("C:/x.jpg",), "inside the zip"),
            ("a name with back slashes", ("..\\..\\x.jpg",), "inside the zip"),
            ("a name twice", ("a.jpg", "a.jpg"), "every name once"),
            ("a folder that leads away", ("../", "a.jpg"), "inside the zip"),
        )
    },
    "a zip with a path of 10 MB": Case("read_dataset", lambda _: read(Path(f"mufac:{LONG}")), "folder or zip"),
    "a list whose row is longer than its head": Case(
        "read_dataset", lambda p: read(p.file("list.csv", "image,label\na,b,c\n")), "values in every row"
    ),
    "a list with one column twice": Case(
        "read_dataset", lambda p: read(p.file("list.csv", "image,image\na,b\n")), "distinct column names"
    ),
    "a list of NUL": Case("read_dataset", lambda p: read(p.file("list.csv", bytes(1000))), "image"),
    "a list whose field is 10 MB": Case(
        "read_dataset", lambda p: read(p.file("list.csv", f'image,label,subject,split\n"{LONG}",a,b,train\n')), "data"
    ),
    **{f"a request for {what}": Case("resolve", asked(subjects=(name,)), "unknown") for what, name in NAMES.items()},
    **{f"a picture called {what}": Case("resolve", asked(pictures=(name,)), "unknown") for what, name in NAMES.items()},
    "a request file of 10 MB in one field": Case("from_file", request("r.csv", f"subject\n{LONG}\n"), "field larger"),
    "a request file with a name twice": Case(
        "from_file", request("r.json", '{"subjects": ["Ana"], "subjects": ["Bo"]}'), "twice"
    ),
    "a request file of numbers that are none": Case("from_file", request("r.json", '{"subjects": [NaN]}'), "a number"),
    "a request file of infinity": Case("from_file", request("r.json", '{"subjects": [1e999]}'), "a number"),
    "a request file of 5,000 digits": Case("from_file", request("r.json", f'{{"subjects": [{"9" * 5000}]}}'), "JSON"),
    "a request file too deep": Case("from_file", request("r.json", '{"subjects": ' + "[" * 100_000), "lists in lists"),
    "a request file of another world": Case("from_file", request("r.csv", "subject\nAna".encode("utf-16")), "UTF-8"),
    "a request file of NUL": Case("from_file", request("r.csv", bytes(100)), "r.csv"),
    "a request file that is a pickle": Case(
        "from_file", lambda p: partial(ErasureRequest.from_file, p.file("r.json", p.pickled())), "UTF-8|JSON"
    ),
    "a request file with an open quote": Case("from_file", request("r.csv", 'subject\n"Ana\nBo\n'), "CSV"),
    "a request file without end": Case("from_file", endless, "which is no file"),
    "a request file with NUL in its name": Case(
        "from_file", lambda _: lambda: ErasureRequest.from_file("a\0.csv"), "a"
    ),
    **{
        f"a formula that begins with {start!r}": Case("draw_request", drawn(f"{start}cmd|' /C calc'!A"), "spreadsheet")
        for start in ("=", "+", "-", "@", "\t=")
    },
}
