"""Arrays by name from .npz files that anybody may have written: numbers and texts only, never an object.

Files flow in, arrays flow out; whatever a damaged or hostile file does becomes one kind of error.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
# an object would be a pickle, which runs code; a header may promise more than any memory holds
DAMAGED = (OSError, ValueError, KeyError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error)


def read_arrays(source: Path | BinaryIO) -> dict[str, Array]:
    """All arrays of a .npz file.

    Raises:
        ValueError: it is no such file, is damaged, or holds objects.
    """
    try:
        found = np.load(source, allow_pickle=False)
        if not isinstance(found, np.lib.npyio.NpzFile):
            raise ValueError("one array instead of several by name")
        with found:
            return {name: found[name] for name in found.files}
    except DAMAGED as error:
        raise ValueError(f"{type(error).__name__}: {error}") from None
