"""Faces in whole photos."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import _arrays, _native
from ._arrays import StrPath


@dataclass(frozen=True, eq=False)
class Photo:
    """The faces in a photo, in the detector's order."""

    path: str
    size: tuple[int, int] | None
    """Width and height, pixels; None if the photo cannot be read."""
    boxes: NDArray[np.float32]
    """(n, 4): left, top, right, bottom, pixels; what `Embedder.embed_files` takes."""
    probabilities: NDArray[np.float32]
    """(n,): how sure the detector is that it is a face, 0 to 1."""
    landmarks: NDArray[np.float32]
    """(n, 5, 2): left eye, right eye, nose, left and right corner of the mouth, as seen in the photo; pixels."""
    error: str | None
    """Why the photo cannot be read."""


def detect(
    paths: Iterable[StrPath],
    *,
    min_size: int = 20,
    thresholds: Sequence[float] = (0.6, 0.7, 0.7),
    factor: float = 0.709,
) -> list[Photo]:
    """Find all faces in photos with MTCNN as facenet-pytorch runs it, with the weights that the package carries."""
    files = _arrays.paths(paths)
    options = {"min_size": min_size, "thresholds": list(thresholds), "factor": factor}
    found = _native.detect(files, _arrays.as_json(options))
    return [Photo(path, *photo) for path, photo in zip(files, found, strict=True)]
