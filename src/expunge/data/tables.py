"""A uniform view of the tables that Hugging Face `datasets` reads: named columns, streamed as Arrow batches.

Paths and data sets come in, `Table`s go out. Nothing is decoded and no column gets a meaning here; local files are
streamed, so that no second copy of them lands in the cache of `datasets`.
"""

from __future__ import annotations

import csv
import glob
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from expunge.errors import DataError

HUB = "hub:"
PICTURE_SUFFIXES = frozenset(
    [".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".avif", ".jp2"]
)
METADATA = "metadata.csv"
READ_BYTES = 1 << 20
Batches = Iterator[Mapping[str, list[Any]]]


@dataclass(frozen=True)
class Part:
    """A stretch of rows that share their columns.

    Args:
        split: the name that the source gives these rows (a folder, a split of a data set); empty where it gives none.
        columns: names of its columns.
        scalars: those of them that hold text, numbers or class codes.
        read: `(columns, batch size) -> batches of Python values by column name`.
        classes: names of the classes of integer-coded columns, by column.
        root: folder that relative picture paths start from, and may not leave; None where the user's own data set
            says where its pictures are.
    """

    split: str
    columns: tuple[str, ...]
    scalars: tuple[str, ...]
    read: Callable[[Sequence[str], int], Batches]
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    root: Path | None = None


def open_parts(path: str, *, config: str | None = None) -> list[Part]:
    """The table at `path`: a parquet file or folder, an image folder, a CSV of paths, a saved data set, `hub:NAME`.

    Raises:
        DataError: nothing is there, or it is none of these.
    """
    if path.startswith(HUB):
        return _hub(path.removeprefix(HUB), config)
    place = Path(path)
    # unlike the methods of Path these also answer where a name is longer than any file's
    if os.path.isdir(place):
        return _folder(place)
    if not os.path.isfile(place):
        remedy = f"a data set of the Hugging Face hub is written {HUB}OWNER/NAME"
        raise DataError("data", expected="an existing file or folder", came=repr(path), remedy=remedy)
    if place.suffix == ".parquet":
        return [_parquet([place], "", place.parent)]
    if place.suffix in (".csv", ".tsv"):
        return [_csv(place, "")]
    raise DataError("data", expected="a .parquet or .csv file, or a folder", came=repr(path))


def dataset_parts(data: Any, root: Path | None = None) -> list[Part]:
    """The table of a `datasets.Dataset` or `datasets.DatasetDict` (whose keys become the split names)."""
    import datasets

    if isinstance(data, datasets.DatasetDict):
        return [_mapped(one, str(name), root) for name, one in data.items()]
    if isinstance(data, datasets.Dataset):
        return [_mapped(data, "", root)]
    raise DataError("data", expected="a datasets.Dataset or DatasetDict", came=type(data).__name__)


def _folder(place: Path) -> list[Part]:
    if (place / "dataset_dict.json").exists() or (place / "state.json").exists():
        return _saved(place)
    files = sorted(file for file in place.rglob("*") if file.is_file() and not file.name.startswith("."))
    lists = [file for file in files if file.name == METADATA]
    if lists:
        return [_csv(file, "" if file.parent == place else file.parent.name) for file in lists]
    if any(file.suffix.lower() in PICTURE_SUFFIXES for file in files):
        return _pictures(place, files)
    tables = [file for file in files if file.suffix == ".parquet"]
    if tables:
        # as the hub names shards: train-00000-of-00002.parquet
        splits = {file: file.name.partition("-0")[0] if "-of-" in file.name else "" for file in tables}
        return [_parquet([f for f in tables if splits[f] == s], s, place) for s in dict.fromkeys(splits.values())]
    raise DataError("data", expected="pictures, parquet files or a saved data set in the folder", came=repr(str(place)))


def _saved(place: Path) -> list[Part]:
    import datasets

    with reading(str(place)):
        return dataset_parts(datasets.load_from_disk(str(place)), place)


def _hub(name: str, config: str | None) -> list[Part]:
    import datasets

    with reading(f"{HUB}{name}"):
        return dataset_parts(datasets.load_dataset(name, config))


def _parquet(files: list[Path], split: str, root: Path) -> Part:
    import pyarrow.parquet as pq
    from datasets import Features
    from pyarrow.dataset import ParquetFragmentScanOptions

    features = []
    for file in files:
        with reading(str(file)):
            features.append(Features.from_arrow_schema(pq.read_schema(file)))
        if features[-1].keys() != features[0].keys():
            came = f"{', '.join(features[-1])} in {file.name}"
            raise DataError("data", expected=f"columns {', '.join(features[0])} in every file", came=came)

    # by default pyarrow fetches whole files ahead, and keeps them
    scan = ParquetFragmentScanOptions(pre_buffer=False, use_buffered_stream=True, buffer_size=READ_BYTES)

    def read(columns: Sequence[str], size: int) -> Batches:
        options = {"data_files": _exact(files), "columns": list(columns), "batch_size": size}
        options |= {"fragment_scan_options": scan}
        return _stream("parquet", options, columns, size, str(root if len(files) > 1 else files[0]))

    return _part(split, features[0], read, root)


def _csv(file: Path, split: str) -> Part:
    from datasets import Features, Value

    separator = "\t" if file.suffix == ".tsv" else ","
    with reading(str(file)), file.open(encoding="utf-8-sig", newline="") as lines:
        rows = (row for row in csv.reader(lines, delimiter=separator) if row)
        header, first = next(rows, []), next(rows, [])
    if len(set(header)) != len(header) or not header:
        raise DataError("data", expected="a first line of distinct column names", came=f"{header} ({file})")
    if len(first) > len(header):  # pandas would take the first value of every row for a row name, and shift the rest
        raise DataError("data", expected=f"{len(header)} values in every row", came=f"{len(first)} ({file})")
    # everything as text: a subject "007" or a class "NA" must stay what it is
    texts = Features({name: Value("string") for name in header})
    options = {"data_files": _exact([file]), "features": texts, "sep": separator, "keep_default_na": False}

    def read(columns: Sequence[str], size: int) -> Batches:
        return _stream("csv", {**options, "encoding": "utf-8-sig"}, columns, size, str(file))

    part = _part(split, texts, read, file.parent)
    return _renamed(part, "file_name", "image") if file.name == METADATA and "image" not in header else part


def _renamed(part: Part, old: str, new: str) -> Part:
    def read(columns: Sequence[str], size: int) -> Batches:
        for batch in part.read([old if name == new else name for name in columns], size):
            yield {new if name == old else name: values for name, values in batch.items()}

    names = tuple(new if name == old else name for name in part.columns)
    return replace(part, columns=names, scalars=names, read=read)


def _pictures(place: Path, files: list[Path]) -> list[Part]:
    """A folder of pictures; where all lie at least two folders deep, the first folder names their split."""
    pictures = [file.relative_to(place) for file in files if file.suffix.lower() in PICTURE_SUFFIXES]
    deep = all(len(file.parts) > 2 for file in pictures)
    splits = sorted({file.parts[0] for file in pictures}) if deep else [""]
    return [_picture_folder(place / split if split else place, split) for split in splits]


def _picture_folder(place: Path, split: str) -> Part:
    import datasets

    options = {"data_files": {"train": f"{glob.escape(str(place.absolute()))}/**"}, "drop_labels": False}
    with reading(str(place)):
        stream = datasets.load_dataset("imagefolder", streaming=True, split="train", **options)

    def read(columns: Sequence[str], size: int) -> Batches:
        return _stream("imagefolder", options, columns, size, str(place))

    return _part(split, stream.features, read, place)


def _mapped(data: Any, split: str, root: Path | None) -> Part:
    def read(columns: Sequence[str], size: int) -> Batches:
        chosen = data.select_columns(list(columns)).with_format("arrow")
        for start in range(0, len(data), size):
            with reading("data"):
                batch = chosen[start : start + size].to_pydict()
            yield batch

    return _part(split, data.features, read, root)


def _stream(builder: str, options: Mapping[str, Any], columns: Sequence[str], size: int, what: str) -> Batches:
    import datasets

    with reading(what):
        stream = datasets.load_dataset(builder, streaming=True, split="train", **options).with_format("arrow")
        tables = iter(stream.iter(batch_size=size))
    while True:
        with reading(what):  # never while somebody else runs: their errors are their own
            table = next(tables, None)
        if table is None:
            return
        yield table.select(list(columns)).to_pydict()


def _exact(files: Sequence[Path]) -> dict[str, list[str]]:
    # `datasets` reads names as patterns, and guesses splits from words in them unless told
    return {"train": [glob.escape(str(file.absolute())) for file in files]}


def _part(
    split: str, features: Mapping[str, Any], read: Callable[[Sequence[str], int], Batches], root: Path | None
) -> Part:
    from datasets import ClassLabel, Value

    classes = {name: tuple(f.names) for name, f in features.items() if isinstance(f, ClassLabel)}
    plain = {name for name, f in features.items() if isinstance(f, Value) and "binary" not in f.dtype}
    scalars = tuple(name for name in features if name in plain or name in classes)
    return Part(split, tuple(features), scalars, read, classes, root)


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Whatever goes wrong while `datasets` reads `what` becomes one `DataError` of one line."""
    import pyarrow as pa

    log = logging.getLogger("datasets")
    level = log.level
    log.setLevel(logging.CRITICAL + 1)  # it would print what is raised here as well
    try:
        yield
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, csv.Error, pa.ArrowException) as error:
        cause = error.__cause__ or error  # `datasets` wraps what pyarrow or pandas said
        reason = " ".join(str(cause).split())[:160] or type(cause).__name__
        raise DataError("data", expected="readable data", came=f"{reason} ({what})") from error
    finally:
        log.setLevel(level)
