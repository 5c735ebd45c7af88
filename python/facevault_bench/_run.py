"""Runs that the command has made."""

import base64
import csv
import html
import json
import os
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _native
from ._arrays import StrPath


# What a notebook shows: notebooks are passed on, and no name is in these.
_SHOWN = (
    "Cosines of genuine and impostor pairs",
    "Tails of the cosine distributions (logarithmic)",
    "Detection error trade-off (DET)",
    "Receiver operating characteristic (ROC)",
)


class _Joined:
    """What numpy makes an array of, which keeps it: read-only numbers that the native part has mapped."""

    def __init__(self, parts: _native.MatrixParts) -> None:
        self.parts = parts
        self.__array_interface__ = {
            "shape": parts.shape,
            "typestr": "<f4",
            "data": (parts.address, True),
            "version": 3,
        }


class Faces(dict[str, NDArray[Any]]):
    """The embedded faces of a run by column, in the order of its rows: those of `face_metadata.csv`."""

    def to_pandas(self) -> Any:
        """A pandas DataFrame; needs pandas."""
        import pandas

        return pandas.DataFrame(dict(self))

    def to_polars(self) -> Any:
        """A polars DataFrame; needs polars."""
        import polars

        # Text as a list: polars takes numpy's for objects. NaN stands for an empty value, which is null there.
        columns = {name: column.tolist() if column.dtype.kind == "U" else column for name, column in self.items()}
        return polars.DataFrame(columns, nan_to_null=True)


class Run:
    """A run directory. Files are read when they are asked for; nothing is written."""

    def __init__(self, path: StrPath) -> None:
        self.path = Path(path)

    @property
    def name(self) -> str:
        """Its name, which says what it computed."""
        return self.path.name

    @property
    def embeddings(self) -> NDArray[np.float32]:
        """The unit rows, as a read-only map of the run's matrix: only what is looked at is read.

        A matrix in parts is one array, too.
        """
        index = self.path / "face_embeddings.json"
        if index.is_file():
            return np.asarray(_Joined(_native.MatrixParts(index)))
        rows: NDArray[np.float32] = np.load(self.path / "face_embeddings.npy", mmap_mode="r", allow_pickle=False)
        return rows

    @cached_property
    def faces(self) -> Faces:
        """A row for each embedding. Ids and paths are text, columns of numbers are numbers."""
        with open(self.path / "face_metadata.csv", newline="", encoding="utf-8") as file:
            lines = csv.reader(file)
            names = next(lines)
            columns = list(zip(*lines, strict=True)) or [()] * len(names)
        return Faces({name: _column(name, column) for name, column in zip(names, columns, strict=True)})

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """`metrics.json`: every number with its interval and what it is of."""
        with open(self.path / "metrics.json", encoding="utf-8") as file:
            metrics: dict[str, Any] = json.load(file)
        return metrics

    @cached_property
    def figures(self) -> dict[str, str]:
        """The figures of the report: title → SVG. No face is in them, but names of identities may be."""
        return dict(_native.drawings(self.path))

    def verify(self) -> list[dict[str, Any]]:
        """Recompute every digest and invariant: what `verify --json` prints. A rule whose `broken` is not empty is."""
        checks: list[dict[str, Any]] = json.loads(_native.verify(self.path))
        return checks

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align: left'>{html.escape(name)}</th><td style='text-align: left'>{html.escape(value)}</td></tr>"
            for name, value in _native.headline(self.path)
        )
        # A picture has its own style sheet: it neither takes nor changes the notebook's.
        figures = "".join(
            f"<figure style='display: inline-block; width: 32rem; max-width: 100%; margin: .5rem'><figcaption>{title}</figcaption>"
            f"<img alt='{title}' style='width: 100%; color-scheme: light; background: white' "
            f"src='data:image/svg+xml;base64,{base64.b64encode(self.figures[title].encode()).decode()}'></figure>"
            for title in _SHOWN
            if title in self.figures
        )
        return f"<h3>{html.escape(self.name)}</h3><table>{rows}</table>{figures}"


def open_run(run: StrPath, experiments: StrPath = "experiments") -> Run:
    """Open a run by its path, or as the command finds it in `experiments`: by its name, its config's or a unique prefix."""
    return Run(_native.find_run(Path(experiments), os.fspath(run)))


def compare(
    *runs: Run | StrPath,
    by: str = "eer",
    same_pictures: bool = False,
    experiments: StrPath = "experiments",
) -> dict[str, Any]:
    """Compare two or more runs on the faces they share; the first is the reference. What `compare --json` prints.

    `by` is the metric to rank by; with `same_pictures`, faces count as shared only if their pictures and boxes are the same.
    """
    names = [str(run.path) if isinstance(run, Run) else os.fspath(run) for run in runs]
    compared: dict[str, Any] = json.loads(_native.compare(Path(experiments), names, by, same_pictures))
    return compared


def _column(name: str, values: tuple[str, ...]) -> NDArray[Any]:
    """A column of a CSV file: numbers if all are, and if it is no id; an empty value is NaN among them."""
    text = np.array(values, dtype=np.str_)
    if name.endswith(("_id", "_path", "path")) or not values:
        return text
    try:
        numbers = np.array([float(value) if value else np.nan for value in values])
    except ValueError:
        return text
    if np.isnan(numbers).all():
        return text
    whole = all(value.lstrip("-").isdigit() for value in values)
    return numbers.astype(np.int64) if whole else numbers
