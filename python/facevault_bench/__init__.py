"""Face embeddings you can trust: the same bytes every time, fast on a CPU, with honest similarity statistics.

    import facevault_bench as fv

    embedder = fv.Embedder("model.safetensors")
    rows = embedder.embed(faces)           # uint8 (N, 160, 160, 3), RGB → float32 (N, 512), unit rows

The command `facevault` is in the same package: `fv.open_run` reads what it writes.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import verification as verification
    from ._detect import Photo as Photo
    from ._detect import detect as detect
    from ._embedder import Embedder as Embedder
    from ._embedder import Failure as Failure
    from ._embedder import FilesEmbedded as FilesEmbedded
    from ._errors import FaceVaultError as FaceVaultError
    from ._errors import InputError as InputError
    from ._errors import MachineError as MachineError
    from ._native import __version__ as __version__
    from ._run import Faces as Faces
    from ._run import Run as Run
    from ._run import compare as compare
    from ._run import open_run as open_run

_HOMES = {
    "Embedder": "_embedder",
    "FaceVaultError": "_errors",
    "Faces": "_run",
    "Failure": "_embedder",
    "FilesEmbedded": "_embedder",
    "InputError": "_errors",
    "MachineError": "_errors",
    "Photo": "_detect",
    "Run": "_run",
    "__version__": "_native",
    "compare": "_run",
    "detect": "_detect",
    "open_run": "_run",
}

__all__ = [*_HOMES, "verification"]


# The command needs none of it, and numpy takes longer to load than most commands.
def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name == "verification":
        return import_module(".verification", __name__)
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
