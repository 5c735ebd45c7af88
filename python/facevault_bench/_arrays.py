"""Checks of what is given as an array."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._errors import InputError

StrPath = str | os.PathLike[str]


def as_json(section: Any) -> str:
    """A config's section as text; numpy's numbers and paths are values like any other."""

    def plain(value: Any) -> Any:
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, os.PathLike):
            return os.fspath(value)
        if isinstance(value, Mapping):
            return dict(value)
        raise InputError(f"{value!r} is no value of a config; give text, numbers, lists and dicts")

    return json.dumps(section, default=plain)


def pixels(faces: Any, side: int) -> NDArray[np.uint8]:
    """Faces as the library takes them, without a copy: uint8, (N, side, side, 3), C order."""
    array = np.asarray(faces)
    shape = "×".join(map(str, array.shape))
    if np.issubdtype(array.dtype, np.floating):
        raise InputError(
            f"the faces are {array.dtype}, and this takes 8-bit pixels: the network standardises them itself, and floats may be "
            "standardised already, which would be done twice without an error to see; give the pixels as they were decoded "
            "(`faces.astype(np.uint8)` if all are whole numbers from 0 to 255). For facenet-pytorch's standardised floats "
            "there is `facevault_bench.compat.facenet_pytorch`"
        )
    if array.dtype != np.uint8:
        raise InputError(
            f"the faces are {array.dtype}, and this takes uint8; use `faces.astype(np.uint8)` if all values are from 0 to 255"
        )
    if array.ndim == 3 and array.shape[2] == 3:
        raise InputError(f"this is one face of {shape}; give a batch of one: `face[np.newaxis]`")
    if array.ndim != 4:
        raise InputError(f"the faces have the shape {shape or 'of a number'}; expected N×{side}×{side}×3")
    if array.shape[3] != 3 and array.shape[1] == 3:
        raise InputError(
            f"the faces have the shape {shape}: channels first; expected N×{side}×{side}×3, "
            "`np.ascontiguousarray(faces.transpose(0, 2, 3, 1))`"
        )
    if array.shape[3] != 3:
        raise InputError(f"the faces have {array.shape[3]} channels; expected RGB, N×{side}×{side}×3")
    if array.shape[1:3] != (side, side):
        raise InputError(
            f"the faces are of {array.shape[1]}×{array.shape[2]} pixels, and this embedder takes {side}×{side}; resize them, or "
            "make the embedder for another size (`side=…`) if its network has others"
        )
    if not array.flags.c_contiguous:
        raise InputError(
            "the faces do not lie in C order, one after the other; make a copy that does: `np.ascontiguousarray(faces)`"
        )
    return array


def paths(given: Iterable[StrPath]) -> list[str]:
    """Paths as text."""
    if isinstance(given, (str, bytes, os.PathLike)):
        raise InputError(f"`{os.fsdecode(given)}` is one path; give a list of paths")
    found = []
    for path in given:
        text = os.fspath(path)
        try:
            text.encode()
        except (UnicodeEncodeError, AttributeError):
            raise InputError(f"the path {text!r} is not UTF-8 text; rename the file") from None
        found.append(text)
    return found


def numbers(given: Any, name: str, count: int, inner: Sequence[int]) -> list[list[float]] | None:
    """Finite numbers for each of `count` files, flattened per file; `None` stays."""
    if given is None:
        return None
    array = np.asarray(given, dtype=np.float32)
    if array.shape != (count, *inner):
        shape, expected = ("×".join(map(str, of)) for of in (array.shape, (count, *inner)))
        raise InputError(f"{name} have the shape {shape}; expected {expected}, one for each path")
    flat = array.reshape(count, -1)
    wrong = np.flatnonzero(~np.isfinite(flat).all(axis=1))
    if wrong.size:
        raise InputError(f"{name}[{wrong[0]}] has a number that is not finite; leave the face out")
    rows: list[list[float]] = flat.tolist()
    return rows
