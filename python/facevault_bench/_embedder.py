"""A network that turns faces into unit vectors."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import _arrays, _native
from ._arrays import StrPath


@dataclass(frozen=True)
class Failure:
    """A file without a row."""

    index: int
    """Its place among the paths."""
    path: str
    step: str
    """What failed: `read`, `decode`, `crop`, `forward`, …, as in a run's `failures.csv`."""
    reason: str


class FilesEmbedded(NamedTuple):
    """What became of files."""

    rows: NDArray[np.float32]
    """A unit row for each file that could be embedded, in the order of the paths."""
    failures: list[Failure]
    """The other files, and why."""
    quality: dict[str, NDArray[Any]]
    """For each row: `index`, the place of its file among the paths; `sharpness`, `exposure`, `contrast`, `size`."""


class Embedder:
    """A network with its weights, on its device.

    `weights` is a file (safetensors, PyTorch, ONNX), or a config's section `weights` as a dict, such as
    ``{"source": "embedded", "name": "demo"}``. `network` is named as in a config. `profile` is the name of a preprocessing
    profile or a config's section `preprocess`; without it, the network's own. `side` is the side of the faces in pixels, for
    networks that have several. `device` is "cpu", "cuda" or "auto"; what it led to is in `device`, and why in `notes`.

    `precision="int8"` needs `calibration`: some of the faces that it is for, as `embed` takes them.

    An embedder pickles by these arguments. Threads may share one: they take turns, and each call uses all of `threads`.
    The rows are the same bytes that the command writes for the same faces, whatever the batch and the number of threads.
    """

    def __init__(
        self,
        weights: StrPath | Mapping[str, Any],
        network: str = "inception-resnet-v1",
        *,
        profile: str | Mapping[str, Any] | None = None,
        side: int | None = None,
        width: float | None = None,
        output: str | None = None,
        precision: str = "f32",
        device: str = "auto",
        threads: int | None = None,
        calibration: NDArray[np.uint8] | None = None,
    ) -> None:
        self._arguments: dict[str, Any] = {
            "weights": weights,
            "network": network,
            "profile": profile,
            "side": side,
            "width": width,
            "output": output,
            "precision": precision,
            "device": device,
            "threads": threads,
            "calibration": calibration,
        }
        self._side = side
        preprocess = _preprocess(profile, side)
        sections = {
            "weights": dict(weights) if isinstance(weights, Mapping) else {"source": "file", "path": os.fspath(weights)},
            "model": _given(network=network, width=width, output=output),
            "preprocess": preprocess,
            "embed": _given(precision=precision, device=device, threads=threads),
        }
        if calibration is not None:
            first = np.asarray(calibration)
            calibration = _arrays.pixels(first, first.shape[1] if first.ndim == 4 else side or 160)
        self._network = _native.Network(_arrays.as_json(sections), calibration)

    @property
    def side(self) -> int:
        """Side of a face, pixels."""
        return self._network.side

    @property
    def dimension(self) -> int:
        """Numbers in a row."""
        return self._network.dimension

    @property
    def device(self) -> str:
        """Where it runs, in words."""
        return self._network.device

    @property
    def precision(self) -> str:
        """Its arithmetic."""
        return self._network.precision

    @property
    def name(self) -> str:
        """Architecture and implementation, as a run's provenance names them."""
        return self._network.name

    @property
    def notes(self) -> list[str]:
        """What the command would have said: where `auto` led and why, cautions."""
        return self._network.notes

    def embed(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed faces: uint8 (N, side, side, 3), RGB, C order → float32 (N, dimension), rows of length 1.

        The pixels are read where they lie, and other threads run meanwhile; do not change the array until it returns.
        """
        return self._network.embed(_arrays.pixels(faces, self.side))

    def embed_files(
        self,
        paths: Iterable[StrPath],
        profile: str | Mapping[str, Any] | None = None,
        boxes: Any = None,
        landmarks: Any = None,
    ) -> FilesEmbedded:
        """Read, crop and embed a face from each file, as the command does.

        `boxes` are (N, 4): left, top, right, bottom in pixels; `landmarks` (N, 5, 2), for profiles that align. For several
        faces of a photo, give its path several times. `profile` stands in for the embedder's own preprocessing.
        """
        files = _arrays.paths(paths)
        preprocess = None if profile is None else _arrays.as_json(_preprocess(profile, self._side))
        rows, index, quality, failures = self._network.embed_files(
            files,
            _arrays.numbers(boxes, "boxes", len(files), (4,)),
            _arrays.numbers(landmarks, "landmarks", len(files), (5, 2)),
            preprocess,
        )
        columns = ("sharpness", "exposure", "contrast", "size")
        return FilesEmbedded(
            rows,
            [Failure(place, files[place], step, reason) for place, step, reason in failures],
            {"index": index, **dict(zip(columns, quality, strict=True))},
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return _opened, (type(self), self._arguments)

    def __repr__(self) -> str:
        weights = self._arguments["weights"]
        weights = weights if isinstance(weights, Mapping) else os.fspath(weights)
        return f"<Embedder {weights!r}: {self.name}, {self.device}, {self.precision}>"


def _opened(cls: type[Embedder], arguments: dict[str, Any]) -> Embedder:
    return cls(**arguments)


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _preprocess(profile: str | Mapping[str, Any] | None, side: int | None) -> dict[str, Any]:
    """A config's section `preprocess`."""
    section: dict[str, Any] = {} if profile is None else {"profile": profile} if isinstance(profile, str) else dict(profile)
    if side is not None:
        section["resize"] = {**section.get("resize", {}), "size": side}
    return section
