"""Compares facevault-detect with facenet-pytorch's MTCNN: the same faces, and the time of each, alternating.

    cargo build --release --locked -p facevault-detect --example detect
    python experiments/peers/mtcnn.py target/release/examples/detect FOLDER [--timed 200] [--rounds 3] [--list FILE]

Both look at every .jpg of the folder (or at those that FILE lists, one path below the folder a line) with the defaults of
facenet-pytorch and keep all faces. Prints in how many photos they find as many faces, and how far boxes, probabilities and
landmarks differ; photos that differ are named by their number, because names of files can be names of people. Of candidates
with the same probability facenet-pytorch keeps the one that NumPy's argsort puts last, which is another with vector
instructions than without: NPY_DISABLE_CPU_FEATURES="X86_V4 X86_V3 AVX512_ICL AVX512_SPR" gives the latter. Then both time
--timed of the photos, evenly spaced, by turns: reading, decoding and detecting on all cores, facenet-pytorch as one process of
one thread a core, which is faster for it than one process of several threads. Seconds of the wall clock and of the CPU; the
latter count where the machine is shared. Needs facenet-pytorch 2.6.0 with torch, numpy and Pillow. Exits with 1 if more than one
photo in a thousand has another number of faces.
"""

import argparse
import csv
import json
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def theirs(task):
    """What facenet-pytorch finds in some photos, one thread; and its seconds of wall clock and CPU."""
    folder, names = task
    import torch
    from facenet_pytorch import MTCNN
    from PIL import Image

    torch.set_num_threads(1)
    mtcnn = MTCNN(keep_all=True)
    started, cpu, found = time.perf_counter(), time.process_time(), {}
    for name in names:
        boxes, probabilities, points = mtcnn.detect(Image.open(folder / name).convert("RGB"), landmarks=True)
        found[name] = [] if boxes is None else [
            [*map(float, box), float(probability), *map(float, landmarks.ravel())]
            for box, probability, landmarks in zip(boxes, probabilities, points)
        ]
    return found, time.perf_counter() - started, time.process_time() - cpu


def theirs_on_all_cores(folder, names, cores):
    with multiprocessing.get_context("spawn").Pool(cores) as pool:
        parts = pool.map(theirs, [(folder, names[core::cores]) for core in range(cores)], chunksize=1)
    found = {name: faces for part, _, _ in parts for name, faces in part.items()}
    return found, max(wall for _, wall, _ in parts), sum(cpu for _, _, cpu in parts)


def ours(binary, folder, names):
    """What the example finds, and its seconds, start of the process included."""
    with tempfile.TemporaryDirectory() as scratch:
        listed, out = Path(scratch, "list"), Path(scratch, "out.csv")
        listed.write_text("\n".join(names))
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        said = subprocess.run([binary, folder, f"list={listed}", f"out={out}"], check=True, capture_output=True, text=True)
        wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
        found = {}
        with open(out, newline="") as file:
            for name, count, *numbers in csv.reader(file):
                found.setdefault(name, []).extend([[float(number) for number in numbers]] if numbers else [])
    return found, wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, said.stdout.strip()


def compare(ours, theirs):
    """The parity table. Returns how many photos have another number of faces."""
    worst, faces, close = [0.0] * 3, 0, [0, 0, 0]
    counts, others = 0, []
    for number, (name, expected) in enumerate(theirs.items()):
        found = ours.get(name, [])
        if len(found) != len(expected):
            counts += 1
            others.append(f"  photo {number}: {len(found)} faces instead of {len(expected)}")
            continue
        apart = False
        for other in expected:
            # Faces of equal area come in any order: the nearest is meant.
            mine = min(found, key=lambda face: max(abs(a - b) for a, b in zip(face[:4], other)))
            distance = [abs(a - b) for a, b in zip(mine, other)]
            kinds = max(distance[:4]), distance[4], max(distance[5:])
            within = [kind <= limit for kind, limit in zip(kinds, (0.05, 1e-4, 0.1))]
            faces, close = faces + 1, [sum(pair) for pair in zip(close, within)]
            if all(within):
                worst = [max(pair) for pair in zip(worst, kinds)]
            elif not apart:
                apart = True
                reason = "of candidates that overlap and have the same probability, another is kept"
                others.append(f"  photo {number}: box {kinds[0]:.2f} px, probability {kinds[1]:.1e}, landmarks "
                              f"{kinds[2]:.2f} px" + (f": {reason}" if kinds[1] < 1e-6 else ""))
    print(f"{len(theirs)} photos: as many faces in {len(theirs) - counts}; {faces} faces: {close[0]} boxes within 0.05 px, "
          f"{close[1]} probabilities within 1e-4, {close[2]} faces' landmarks within 0.1 px")
    print(f"those within all three differ by at most {worst[0]:.1e} px, {worst[1]:.1e}, {worst[2]:.1e} px")
    print("\n".join(others))
    return counts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--timed", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--list", type=Path)
    parser.add_argument("--reference", type=Path, help="keep what facenet-pytorch found in this JSON file, and read it from there")
    arguments = parser.parse_args()
    if arguments.list:
        names = arguments.list.read_text().split("\n")
        names = [name for name in names if name]
    else:
        names = sorted(str(path.relative_to(arguments.folder)) for path in arguments.folder.rglob("*.jpg"))
    cores = len(os.sched_getaffinity(0))
    if arguments.reference and arguments.reference.exists():
        reference = json.loads(arguments.reference.read_text())
    else:
        reference, *_ = theirs_on_all_cores(arguments.folder, names, cores)
        if arguments.reference:
            arguments.reference.write_text(json.dumps(reference))
    found, *_ = ours(arguments.binary, arguments.folder, names)
    differing = compare(found, {name: reference[name] for name in names})

    timed = names[:: max(len(names) // max(arguments.timed, 1), 1)][: arguments.timed]
    rows = []
    for _ in range(arguments.rounds if timed else 0):
        _, wall, cpu, said = ours(arguments.binary, arguments.folder, timed)
        _, their_wall, their_cpu = theirs_on_all_cores(arguments.folder, timed, cores)
        rows.append((wall, cpu, their_wall, their_cpu))
        print(f"{said}\nround: ours {wall:.2f} s, {cpu:.2f} s of CPU; facenet-pytorch {their_wall:.2f} s, {their_cpu:.2f} s of CPU")
    if rows:
        wall, cpu, their_wall, their_cpu = (statistics.median(column) for column in zip(*rows))
        print(f"{len(timed)} photos, {cores} cores, medians of {len(rows)} rounds: ours {len(timed) / wall:.1f} photos/s and "
              f"{cpu / len(timed) * 1e3:.2f} ms of CPU a photo, facenet-pytorch {len(timed) / their_wall:.1f} and "
              f"{their_cpu / len(timed) * 1e3:.2f} ms; {their_wall / wall:.1f} times as fast, with {their_cpu / cpu:.1f} "
              "times less CPU")
    sys.exit(differing > len(names) / 1000)


if __name__ == "__main__":
    main()
