"""What a face costs before the network sees it, stage by stage, beside Pillow and OpenCV, alternating on one core.

    cargo build --release -p facevault-preprocess --example stages
    pip install numpy opencv-python-headless 'pillow<13'
    python experiments/peers/preprocess.py FOLDER TABLE [--faces N] -- EXAMPLE [ANOTHER_BUILD_OF_IT …]

FOLDER holds the photos that TABLE names: a CSV `file_name, x1, y1, x2, y2, …`, as that of facenet-pytorch's MTCNN in
docs/measurements.md. Each photo in turn is read, decoded, cut to its box with facenet-pytorch's margin of 14 and resized to
160 × 160 by each build and by each peer; a time is the shortest of five. Prints the median of each, and of the ratios to
the first build, and how many faces differ from Pillow's. Nothing else about a photo is printed or kept.
"""

import argparse
import csv
import io
import os
import pathlib
import statistics
import subprocess
import time

import cv2
import numpy as np
from PIL import Image

SIDE, MARGIN, ROUNDS = 160, 14, 5
STAGES = ["read", "digest", "decode", "crop and resize", "quality", "decode the face"]
FILTERS = {"pillow-bilinear": Image.BILINEAR, "pillow-bicubic": Image.BICUBIC, "opencv-linear": cv2.INTER_LINEAR}


def cut(box, size):
    """facenet_pytorch.extract_face."""
    margin = [MARGIN * (box[i + 2] - box[i]) / (SIDE - MARGIN) for i in (0, 1)]
    low = [int(max(box[i] - margin[i] / 2, 0)) for i in (0, 1)]
    return (*low, *(int(min(box[i + 2] + margin[i] / 2, size[i])) for i in (0, 1)))


def shortest(call):
    """The result of a call, and the shortest time of five."""
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter_ns()
        result = call()
        times.append(time.perf_counter_ns() - started)
    return result, min(times)


class Build:
    def __init__(self, binary):
        self.process = subprocess.Popen([binary], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def face(self, path, box, filter):
        """Its pixels and the times of the stages; None where it fails."""
        self.process.stdin.write(f"{filter} {' '.join(map(str, box))} {path}\n".encode())
        self.process.stdin.flush()
        verdict, *times = self.process.stdout.readline().split()
        if verdict != b"ok":
            return None
        pixels = np.frombuffer(self.process.stdout.read(SIDE * SIDE * 3), np.uint8)
        return pixels.reshape(SIDE, SIDE, 3), [int(time) for time in times]


def pillow(data, box, filter):
    picture, decoding = shortest(lambda: Image.open(io.BytesIO(data)).convert("RGB"))
    if filter == "opencv-linear":
        return None, [decoding, None]
    corners = cut(box, picture.size)
    face, resizing = shortest(lambda: picture.crop(corners).resize((SIDE, SIDE), FILTERS[filter]))
    return np.asarray(face), [decoding, resizing]


def opencv(data, box, filter):
    data = np.frombuffer(data, np.uint8)
    picture, decoding = shortest(lambda: cv2.imdecode(data, cv2.IMREAD_COLOR_RGB))
    if filter != "opencv-linear":
        return None, [decoding, None]
    x1, y1, x2, y2 = cut(box, picture.shape[1::-1])
    face, resizing = shortest(lambda: cv2.resize(picture[y1:y2, x1:x2], (SIDE, SIDE), interpolation=FILTERS[filter]))
    return face, [decoding, resizing]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("table", type=pathlib.Path)
    parser.add_argument("--faces", type=int, default=500)
    parser.add_argument("builds", nargs="+")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    cv2.setNumThreads(1)
    with arguments.table.open() as table:
        rows = list(csv.DictReader(table))
    # `paths` are found once, whatever the folders in between.
    paths = {path.name: path for path in arguments.folder.rglob("*.jpg")}
    rows = [row for row in rows if row["x1"] and row["file_name"].rpartition("/")[2] in paths]
    rows = rows[:: max(len(rows) // arguments.faces, 1)]
    builds = [Build(binary) for binary in arguments.builds]
    for filter in FILTERS:
        times, differ, failed = {}, 0, 0
        for row in rows:
            path = paths[row["file_name"].rpartition("/")[2]]
            box = [float(np.float32(row[name])) for name in ("x1", "y1", "x2", "y2")]
            data = path.read_bytes()
            ours = [build.face(path, box, filter) for build in builds]
            if None in ours:
                failed += 1
                continue
            peers = {"Pillow": pillow(data, box, filter), "OpenCV": opencv(data, box, filter)}
            for number, (_, stages) in enumerate(ours):
                for stage, taken in zip(STAGES, stages):
                    times.setdefault((stage, arguments.builds[number]), []).append(taken)
            for name, (_, stages) in peers.items():
                for stage, taken in zip(STAGES[2:4], stages):
                    if taken:
                        times.setdefault((stage, name), []).append(taken)
            expected = next(face for face, (_, resizing) in peers.values() if resizing)
            differ += any((face != expected).any() for face, _ in ours)
        print(f"{filter}: {len(rows) - failed} faces, {failed} failed, {differ} differ from the peer's")
        for (stage, name), column in sorted(times.items(), key=lambda item: STAGES.index(item[0][0])):
            first = times[stage, arguments.builds[0]]
            ratio = statistics.median(mine / other for mine, other in zip(first, column))
            print(f"  {stage:16} {name:40} {statistics.median(column) / 1000:8.1f} µs   {ratio:.2f}")


if __name__ == "__main__":
    main()
