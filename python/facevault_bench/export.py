"""`python -m facevault_bench.export RUN --to faiss|lance`: a run in the format of a Python library.

`facevault export` of this package does the same; it writes the other formats itself.
"""

import argparse
import contextlib
import csv
import importlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

from ._errors import FaceVaultError, InputError, MachineError
from ._run import Run, open_run

# What writes each format, and the package that has it.
_LIBRARIES = {"faiss": ("faiss", "faiss-cpu"), "lance": ("lance", "pylance")}

# Who may read new files, as the command's `--permissions` says, and what sets it where the option does not.
_PERMISSIONS = ("private", "umask")
_VARIABLE = "FACEVAULT_PERMISSIONS"


def meant(arguments: Sequence[str]) -> list[str] | None:
    """The arguments of this module among those of the command; `None` if they are for the command itself."""
    at = 0
    # The one option that may stand before the verb.
    while at < len(arguments) and arguments[at].startswith("--permissions"):
        at += 1 if "=" in arguments[at] else 2
    if list(arguments[at : at + 1]) != ["export"]:
        return None
    formats = [after for before, after in zip(arguments, arguments[1:]) if before == "--to"]
    formats += [argument.removeprefix("--to=") for argument in arguments if argument.startswith("--to=")]
    if not any(name in _LIBRARIES for name in formats):
        return None
    return [*arguments[:at], *arguments[at + 1 :]]


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


def export(run: Run, to: str, out: Path | None = None, permissions: str | None = None) -> list[Path]:
    """Write a run as `faiss` or `lance` into a folder, which is empty or made. Returns what was written.

    New folders and files are for their owner alone, unless `permissions`, or `FACEVAULT_PERMISSIONS` without it, is
    `umask`. Meanwhile this holds for whatever the process creates, in other threads, too.
    """
    private = _is_private(permissions)
    _library(to)
    broken = [check["rule"] for check in run.verify() if check["broken"]]
    if broken:
        raise FaceVaultError(f"{run.name} is damaged: {'; '.join(broken)}; `facevault verify {run.path}` says more")
    out = Path("exports") / run.name / to if out is None else out
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} is not empty; remove it, or name another folder with --out")
    with _private_umask() if private else contextlib.nullcontext():
        out.mkdir(parents=True, exist_ok=True)
        return {"faiss": to_faiss, "lance": to_lance}[to](run, out)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with these arguments, or those of this process, and return its exit code."""
    description = __doc__.splitlines()[0] if __doc__ else None
    parser = argparse.ArgumentParser("facevault export", description=description, allow_abbrev=False)
    parser.add_argument("run", metavar="RUN", help="directory, name, config's name or unique prefix")
    parser.add_argument("--to", required=True, choices=sorted(_LIBRARIES), help="the format")
    parser.add_argument("--out", type=Path, metavar="DIR", help="the folder [default: exports/RUN/FORMAT]")
    parser.add_argument("--experiments", default="experiments", metavar="DIR", help="folder that holds the runs")
    parser.add_argument("--permissions", choices=_PERMISSIONS, help=f"who may read it [default: ${_VARIABLE}, or private]")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")
    # What every command takes; here there is no progress to hide, and no report.
    parser.add_argument("--quiet", "-q", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--reports", metavar="DIR", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    try:
        run = open_run(options.run, options.experiments)
        out = Path("exports") / run.name / options.to if options.out is None else options.out
        written = export(run, options.to, out, options.permissions)
    except (FaceVaultError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        # As the command: 2 for wrong arguments, 1 for all else.
        return 2 if isinstance(error, InputError) else 1
    count = len(run.embeddings)
    if options.json:
        files = [str(path.relative_to(out)) for path in written]
        exported = {"run": run.name, "to": options.to, "folder": str(out), "files": files, "faces": count}
        print(json.dumps(exported | {"without_picture": 0}, indent=2, ensure_ascii=False))
        return 0
    print(f"{count} {'face' if count == 1 else 'faces'}: {', '.join(map(str, written))}")
    print(
        "faces, embeddings and identities are personal data: handle the export like the run; `facevault forget` does not"
        " reach it"
    )
    return 0


def _is_private(permissions: str | None) -> bool:
    """Whether new files are for their owner alone, by the argument or by the variable."""
    source, named = ("permissions", permissions) if permissions is not None else (_VARIABLE, os.environ.get(_VARIABLE))
    if permissions is None and not named:
        return True
    if named not in _PERMISSIONS:
        raise InputError(f"{source}: expected `private` or `umask`, this is `{named}`")
    return named == "private"


@contextlib.contextmanager
def _private_umask() -> Iterator[None]:
    """New folders are 0700 and new files 0600, those that a library writes, too."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


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
