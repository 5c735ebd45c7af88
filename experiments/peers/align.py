"""Aligns the photos of a table of landmarks with facevault, and with scikit-image and OpenCV as insightface does it.

    cargo build --release -p facevault-preprocess --example align
    pip install opencv-python-headless scikit-image pillow
    python experiments/peers/align.py target/release/examples/align FOLDER TABLE [--aligned FOLDER] [--every N] [--side S]

FOLDER holds the photos that TABLE names: a CSV `file_name, …, lx, ly, rx, ry, nx, ny, mlx, mly, mrx, mry`, as that of
facenet-pytorch's MTCNN in docs/measurements.md. Prints how many bytes differ. `--aligned` is a folder of the same names
with faces that another program aligned, by other landmarks: prints the mean absolute difference and the cosine of the
pixels. Nothing else about a photo is printed or kept.
"""
import argparse
import csv
import pathlib
import subprocess
import time

import cv2
import numpy as np
from PIL import Image
from skimage.transform import SimilarityTransform

TEMPLATE = np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]])
POINTS = ["lx", "ly", "rx", "ry", "nx", "ny", "mlx", "mly", "mrx", "mry"]


def template(side):
    """insightface/python-package/insightface/utils/face_align.py, estimate_norm; it refuses other sides."""
    if side % 112 == 0 or side % 128:
        return TEMPLATE * (side / 112)
    return TEMPLATE * (side / 128) + [8 * side / 128, 0]


class Differences:
    def __init__(self, what):
        self.what, self.faces, self.equal, self.bytes, self.most, self.sum, self.all = what, 0, 0, 0, 0, 0, 0

    def add(self, ours, theirs):
        off = np.abs(ours.astype(np.int16) - theirs)
        self.faces += 1
        self.equal += not off.any()
        self.bytes += np.count_nonzero(off)
        self.most = max(self.most, int(off.max()))
        self.sum += int(off.sum())
        self.all += off.size

    def __str__(self):
        return (f"{self.what}: {self.equal} of {self.faces} faces equal; {self.bytes} of {self.all} bytes differ "
                f"({self.bytes / self.all:.2e}), by at most {self.most}, {self.sum / self.all:.2e} on average")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("example")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("table", type=pathlib.Path)
    parser.add_argument("--aligned", type=pathlib.Path)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--side", type=int, default=112)
    arguments = parser.parse_args()
    side = arguments.side
    with open(arguments.table, newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["lx"]][::arguments.every]
    ours_is = subprocess.Popen([arguments.example], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    exact, as_insightface = Differences("64-bit landmarks"), Differences("32-bit landmarks, as insightface passes them")
    cosines, means, ours_took, theirs_took = [], [], 0, 0
    for row in rows:
        points = np.array([row[name] for name in POINTS], np.float32)
        path = arguments.folder / row["file_name"]
        ours_is.stdin.write(f"{side} {' '.join(str(float(point)) for point in points)} {path}\n".encode())
        ours_is.stdin.flush()
        said = ours_is.stdout.readline().decode().split(maxsplit=1)
        assert said[0] == "ok", said
        ours_took += int(said[1])
        ours = np.frombuffer(ours_is.stdout.read(side * side * 3), np.uint8).reshape(side, side, 3)
        with Image.open(path) as im:
            photo = np.asarray(im.convert("RGB"))
        points = points.reshape(5, 2)
        for found, kind in ((exact, np.float64), (as_insightface, np.float32)):
            started = time.perf_counter_ns()
            transform = SimilarityTransform.from_estimate(points.astype(kind), template(side).astype(kind))
            theirs = cv2.warpAffine(photo, transform.params[:2], (side, side), borderValue=0.0)
            theirs_took += (time.perf_counter_ns() - started) // 2
            found.add(ours, theirs)
        if arguments.aligned and (arguments.aligned / row["file_name"]).exists():
            with Image.open(arguments.aligned / row["file_name"]) as im:
                other = np.asarray(im.convert("RGB")).astype(np.float64)
            means.append(np.abs(ours - other).mean())
            a, b = ours - ours.mean(), other - other.mean()
            cosines.append((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))
    print(f"OpenCV {cv2.__version__}, side {side}")
    print(exact)
    print(as_insightface)
    print(f"per face: {ours_took / len(rows) / 1e3:.0f} µs, theirs {theirs_took / len(rows) / 1e3:.0f} µs")
    if means:
        at = [0, 0.05, 0.5, 0.95, 1]
        print(f"against {len(means)} faces of {arguments.aligned}: quantiles {at} of the mean absolute difference "
              f"{np.quantile(means, at).round(2).tolist()} grey levels, of the cosine about the mean "
              f"{np.quantile(cosines, at).round(3).tolist()}")


if __name__ == "__main__":
    main()
