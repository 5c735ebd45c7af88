"""`python -m facevault_bench.export RUN --to faiss|lance`: a run in the format of a Python library.

`facevault export` of this package does the same; it writes the other formats itself.
"""

import argparse
import csv
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from ._errors import FaceVaultError, InputError, MachineError
from ._run import Run, open_run

# What writes each format, and the package that has it.
_LIBRARIES = {"faiss": ("faiss", "faiss-cpu"), "lance": ("lance", "pylance")}


def is_meant(arguments: Sequence[str]) -> bool:
    """Whether arguments of the command are for this module and not for the command itself."""
    if not arguments or arguments[0] != "export":
        return False
    formats = [after for before, after in zip(arguments, arguments[1:]) if before == "--to"]
    formats += [argument.removeprefix("--to=") for argument in arguments if argument.startswith("--to=")]
    return any(name in _LIBRARIES for name in formats)


def to_faiss(run: Run, out: Path) -> list[Path]:
    """An exact index by inner product, which is the cosine of unit rows, and what its numbers stand for."""
    faiss = _library("faiss")
    index = faiss.IndexFlatIP(run.embeddings.shape[1])
    index.add(run.embeddings)
    files = [out / "index.faiss", out / "faces.csv"]
    faiss.write_index(index, str(files[0]))
    with open(files[1], "w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow(["row", "face_id", "identity_id"])
        lines.writerows((row, *face) for row, face in enumerate(_faces(run)))
    return files


def to_lance(run: Run, out: Path) -> list[Path]:
    """A table of `face_id`, `identity_id` and `embedding`, in the order of the run's rows."""
    lance = _library("lance")
    import pyarrow

    rows, side = run.embeddings.shape
    vectors = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(run.embeddings.reshape(-1)), side)
    faces = _faces(run)
    columns = {
        "face_id": pyarrow.array([face for face, _ in faces], pyarrow.string()),
        "identity_id": pyarrow.array([identity or None for _, identity in faces], pyarrow.string()),
        "embedding": vectors,
    }
    path = out / "faces.lance"
    lance.write_dataset(pyarrow.table(columns), str(path))
    return [path]


def export(run: Run, to: str, out: Path | None = None) -> list[Path]:
    """Write a run as `faiss` or `lance` into a folder, which is empty or made. Returns what was written."""
    _library(to)
    broken = [check["rule"] for check in run.verify() if check["broken"]]
    if broken:
        raise FaceVaultError(f"{run.name} is damaged: {'; '.join(broken)}; `facevault verify {run.path}` says more")
    out = Path("exports") / run.name / to if out is None else out
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} is not empty; remove it, or name another folder with --out")
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    return {"faiss": to_faiss, "lance": to_lance}[to](run, out)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with these arguments, or those of this process, and return its exit code."""
    parser = argparse.ArgumentParser("facevault export", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("run", metavar="RUN", help="directory, name, config's name or unique prefix")
    parser.add_argument("--to", required=True, choices=sorted(_LIBRARIES), help="the format")
    parser.add_argument("--out", type=Path, metavar="DIR", help="the folder [default: exports/RUN/FORMAT]")
    parser.add_argument("--experiments", default="experiments", metavar="DIR", help="folder that holds the runs")
    options = parser.parse_args(arguments)
    try:
        run = open_run(options.run, options.experiments)
        written = export(run, options.to, options.out)
    except (FaceVaultError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        # As the command: 2 for wrong arguments, 1 for all else.
        return 2 if isinstance(error, InputError) else 1
    count = len(run.embeddings)
    print(f"{count} {'face' if count == 1 else 'faces'}: {', '.join(map(str, written))}")
    print(
        "faces, embeddings and identities are personal data: handle the export like the run; `facevault forget` does not"
        " reach it"
    )
    return 0


def _library(to: str) -> ModuleType:
    module, package = _LIBRARIES[to]
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MachineError(f"`--to {to}` needs the module `{module}`: pip install {package}") from error


def _faces(run: Run) -> list[tuple[str, str]]:
    """Ids of the faces and of their identities, in the order of the rows."""
    faces = run.faces
    ids = [str(face) for face in faces["face_id"]]
    known = faces.get("identity_id")
    return list(zip(ids, ["" for _ in ids] if known is None else [str(identity) for identity in known], strict=True))


if __name__ == "__main__":
    sys.exit(main())
