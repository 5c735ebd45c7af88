"""Compares facevault's JPEG decoder with Pillow and OpenCV: the same pixels, and the time of each, alternating.

    cargo build --release -p facevault-jpeg --example decode
    python experiments/peers/decode.py target/release/examples/decode FOLDER_OR_TAR [TIMED]

Compares the pixels of every .jpg, .jpeg, .jpe and .jfif file in the folder or archive with Pillow's `convert("RGB")`: equal,
different, or read by only one of the two. Then times TIMED of them (default 500, evenly spaced): each program in turn decodes
the image from memory on one core, twice, and the second time counts. Pillow and OpenCV are called from Python. Needs numpy,
Pillow, and OpenCV for its column. Exits with 1 if an image differs.
"""

import collections
import io
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image, features

try:
    import cv2
except ImportError:
    cv2 = None

ENDINGS = {".jpg", ".jpeg", ".jpe", ".jfif"}


class Ours:
    """The example `decode`, which answers for one file at a time."""

    def __init__(self, binary, *options):
        self.command = [binary, *options]
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def answer(self, path):
        self.process.stdin.write(f"{path}\n".encode())
        self.process.stdin.flush()
        verdict, *rest = self.process.stdout.readline().decode().strip().partition(" ")[::2] or ("",)
        if verdict == "ok":
            return [int(number) for number in rest[0].split()]
        if verdict != "error":
            self.start()
        return rest[0] if verdict == "error" else "CRASHED"

    def pixels(self, path):
        answer = self.answer(path)
        if isinstance(answer, str):
            return answer
        width, height, _ = answer
        return np.frombuffer(self.process.stdout.read(width * height * 3), np.uint8).reshape(height, width, 3)


def pillow(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def outcome(ours, path):
    ours = ours.pixels(path)
    try:
        theirs = pillow(path.read_bytes())
    except Exception as error:  # noqa: BLE001: whatever it is, Pillow has no picture
        theirs = repr(error)
    match isinstance(ours, str), isinstance(theirs, str):
        case True, True:
            return "read by neither", ours
        case True, False:
            return "crashed" if ours == "CRASHED" else "read by Pillow only", ours
        case False, True:
            return "read by ours only", theirs
    if ours.shape == theirs.shape and (ours == theirs).all():
        return "equal", ""
    return "different", f"{ours.shape}, {theirs.shape}"


def timed(call):
    call()
    started = time.perf_counter_ns()
    call()
    return time.perf_counter_ns() - started


def measure(binary, paths):
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    ours, rows = Ours(binary, "--time"), []
    if cv2:
        cv2.setNumThreads(1)
    for path in paths:
        data = path.read_bytes()
        answer = ours.answer(path)
        if isinstance(answer, str):
            continue
        row = [answer[2], timed(lambda: pillow(data))]
        if cv2:
            array = np.frombuffer(data, np.uint8)
            row.append(timed(lambda: cv2.imdecode(array, cv2.IMREAD_COLOR)))
        rows.append(row)
    print(f"{len(rows)} images, alternating on core {core}; µs per image, and ours against it (median of the ratios, quartiles):")
    for name, column in zip(["ours", "Pillow", "OpenCV"], zip(*rows)):
        ratios = statistics.quantiles([mine / other for (mine, *_), other in zip(rows, column)], n=4)
        print(f"  {name:7} {statistics.median(column) / 1000:7.1f}   {ratios[1]:.2f} ({ratios[0]:.2f} to {ratios[2]:.2f})")


def main():
    binary, source, count = sys.argv[1], Path(sys.argv[2]), int((sys.argv[3:] or [500])[0])
    with tempfile.TemporaryDirectory() as scratch:
        if source.is_file():
            with tarfile.open(source) as archive:
                archive.extractall(scratch, filter="data")
            source = Path(scratch)
        paths = sorted(path for path in source.rglob("*") if path.suffix.lower() in ENDINGS)
        print(f"{len(paths)} files; Pillow {Image.__version__}, libjpeg-turbo {features.version_feature('libjpeg_turbo')}")
        ours, counts = Ours(binary), collections.Counter()
        for path in paths:
            kind, detail = outcome(ours, path)
            counts[kind] += 1
            if kind != "equal":
                print(f"  {kind}: {path.relative_to(source)}: {detail}")
        print(", ".join(f"{number} {kind}" for kind, number in counts.most_common()))
        if count and paths:
            measure(binary, paths[:: max(len(paths) // count, 1)])
    sys.exit(bool(counts["different"] + counts["crashed"]))


if __name__ == "__main__":
    main()
