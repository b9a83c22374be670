"""Pictures, labels and people: reading them, decoding them once, drawing invented ones, splitting, augmenting."""

from expunge.data.augment import augment
from expunge.data.dataset import Dataset, from_tensors
from expunge.data.sources import DataSpec, from_datasets, read_dataset
from expunge.data.splits import draw_forget_people, draw_roles
from expunge.data.store import PictureStore, open_store
from expunge.data.synthetic import synthetic_faces, synthetic_pixels, write_parquet

__all__ = [
    "DataSpec",
    "Dataset",
    "PictureStore",
    "augment",
    "draw_forget_people",
    "draw_roles",
    "from_datasets",
    "from_tensors",
    "open_store",
    "read_dataset",
    "synthetic_faces",
    "synthetic_pixels",
    "write_parquet",
]
