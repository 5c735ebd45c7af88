#!/usr/bin/env python3
"""Compares facevault with facenet-pytorch on the photos of LFW: the same embeddings, and the speed from files.

    python experiments/peers/facenet.py --lfw FOLDER --checkpoint CASIA.safetensors --binary target/release/facevault
    python experiments/peers/facenet.py … --rounds 5 --faces 1000              # and time both, alternating
    python experiments/peers/facenet.py … --photos                             # detection included
    python experiments/peers/facenet.py … --binary new=NEW --binary old=OLD    # two builds of facevault

FOLDER holds `lfw-deepfunneled.tar` (LFW's deep-funnelled edition, from its home page) and `mtcnn_boxes.csv` (file_name, x1,
y1, x2, y2, … as facenet-pytorch's MTCNN finds them). CASIA is the published checkpoint 20180408-102900 with
facenet-pytorch's key names. docs/measurements.md says how to get all three. Needs torch, facenet-pytorch (2.6.0, installed
with `--no-deps`), numpy, safetensors and Pillow older than 13.

Parity: each photo with a box goes through facenet-pytorch (Pillow opens it, `extract_face` crops it with a margin of 14
output pixels and resizes it to 160, `fixed_image_standardization`, InceptionResnetV1) and through `facevault embed`. Prints
the largest and the median absolute difference of a component, and the lowest and the median of 1 − cosine between a face's
two embeddings; exits with 1 if the largest difference is above --tolerance.

With --photos facevault is given no boxes but finds the faces itself. The boxes of facenet-pytorch's side are its own
MTCNN's, so both go from the photo to the embedding.

Speed: each round embeds the same faces with facenet-pytorch (photos opened by as many threads as cores, batches of 32) and
with each binary (its whole process, startup and output files included), one after the other, starting one further than
the round before. Prints faces/s as medians, and the ratio to facenet-pytorch as the median of the rounds' own ratios.

Everything happens in a temporary folder, and no image leaves it.
"""

import argparse
import concurrent.futures
import csv
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time

MARGIN, SIZE, BATCH = 14, 160, 32

CONFIG = """\
name: parity
dataset: {{ source: folders, root: {root}{boxes} }}
{detect}preprocess: {{ profile: facenet-pytorch, crop: {{ mode: box, margin: 14, unit: output-pixels }} }}
weights: {{ source: file, path: {checkpoint} }}
embed: {{ device: cpu }}
"""
DETECT = "detect: { detector: mtcnn, keep: center-weighted }\n"


def unpack(lfw, folder, count):
    """Photos with a box, evenly spaced where fewer than all are wanted, and their boxes: as files, and as rows."""
    with open(os.path.join(lfw, "mtcnn_boxes.csv"), newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["x1"]]
    rows.sort(key=lambda row: row["file_name"].encode())
    if count and count < len(rows):
        rows = [rows[i * len(rows) // count] for i in range(count)]
    root = os.path.join(folder, "faces")
    names = {row["file_name"] for row in rows}
    with tarfile.open(os.path.join(lfw, "lfw-deepfunneled.tar")) as tar:
        for member in tar:
            name = member.name.split("/", 1)[-1]
            if member.isfile() and name in names:
                path = os.path.join(root, name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "wb") as file:
                    file.write(tar.extractfile(member).read())
    with open(os.path.join(folder, "boxes.csv"), "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file_name", "x1", "y1", "x2", "y2"])
        table.writerows([row[key] for key in ("file_name", "x1", "y1", "x2", "y2")] for row in rows)
    return root, rows


class Peer:
    """facenet-pytorch with the checkpoint."""

    def __init__(self, checkpoint, threads):
        import torch
        from facenet_pytorch import InceptionResnetV1
        from safetensors.torch import load_file

        torch.set_num_threads(threads)
        self.torch, self.threads = torch, threads
        self.network = InceptionResnetV1(pretrained=None, classify=False).eval()
        self.network.load_state_dict(load_file(checkpoint), strict=True)

    def face(self, path, box):
        from facenet_pytorch import extract_face, fixed_image_standardization
        from PIL import Image

        with Image.open(path) as picture:
            return fixed_image_standardization(extract_face(picture.convert("RGB"), box, SIZE, MARGIN))

    def embed(self, root, rows):
        """(N, 512) float32, unit rows."""
        import numpy

        paths = [os.path.join(root, row["file_name"]) for row in rows]
        # The boxes are float32 printed in full.
        boxes = [numpy.array([row[key] for key in ("x1", "y1", "x2", "y2")], "float32") for row in rows]
        starts = range(0, len(rows), BATCH)
        out = []
        with concurrent.futures.ThreadPoolExecutor(self.threads) as pool, self.torch.inference_mode():
            # The next batch's photos are opened while this one is in the network, as a DataLoader would.
            batches = (pool.map(self.face, paths[i:i + BATCH], boxes[i:i + BATCH]) for i in starts)
            coming = next(batches, None)
            while coming is not None:
                batch, coming = coming, next(batches, None)
                out.append(self.network(self.torch.stack(list(batch))).numpy())
        return numpy.concatenate(out)


def embed_with(binary, config, folder):
    """Runs `facevault embed`; the seconds, and the run's directory."""
    experiments = tempfile.mkdtemp(dir=folder)
    start = time.perf_counter()
    subprocess.run([binary, "embed", config, "--experiments", experiments, "-q"], check=True,
                   stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - start
    run = next(name for name in os.listdir(experiments) if name.startswith("parity-"))
    return seconds, os.path.join(experiments, run)


def parity(ours, theirs, tolerance):
    import numpy

    difference = numpy.abs(ours - theirs)
    a, b = (rows.astype("float64") for rows in (ours, theirs))
    # Unit rows in float32 have a length of 1 to 1e-7 only, which 1 - cosine would show.
    cosines = (a * b).sum(1) / numpy.sqrt((a * a).sum(1) * (b * b).sum(1))
    print(f"{len(ours)} faces: largest difference {difference.max():.2e}, median {numpy.median(difference):.2e}, "
          f"faces above {tolerance:g}: {int((difference.max(1) > tolerance).sum())}, cosine of a face: lowest 1 - {1 - cosines.min():.1e}, "
          f"median 1 - {1 - numpy.median(cosines):.1e}")
    return difference.max() <= tolerance


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lfw", required=True, help="folder with lfw-deepfunneled.tar and mtcnn_boxes.csv")
    parser.add_argument("--checkpoint", required=True, help="the CASIA-WebFace checkpoint, .safetensors")
    parser.add_argument("--binary", action="append", required=True, metavar="[NAME=]PATH", help="facevault's binary")
    parser.add_argument("--faces", type=int, help="number of faces to embed (default: all)")
    parser.add_argument("--rounds", type=int, default=0, help="number of timed rounds (default: parity only)")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--tolerance", type=float, default=1e-5)
    parser.add_argument("--photos", action="store_true", help="let facevault detect the faces, too")
    parser.add_argument("--save", metavar="FILE.npy", help="keep facenet-pytorch's embeddings (personal data)")
    options = parser.parse_args()
    binaries = [(name or "facevault", os.path.abspath(path))
                for name, _, path in (binary.rpartition("=") for binary in options.binary)]

    import numpy

    peer = Peer(options.checkpoint, options.threads)
    with tempfile.TemporaryDirectory() as folder:
        root, rows = unpack(options.lfw, folder, options.faces)
        config = os.path.join(folder, "parity.yaml")
        with open(config, "w") as file:
            how = {"boxes": "", "detect": DETECT} if options.photos else {"boxes": ", boxes: ./boxes.csv", "detect": ""}
            file.write(CONFIG.format(root=root, checkpoint=os.path.abspath(options.checkpoint), **how))

        start = time.perf_counter()
        theirs = peer.embed(root, rows)
        if options.save:
            numpy.save(options.save, theirs)
        print(f"facenet-pytorch: {len(rows) / (time.perf_counter() - start):.0f} faces/s (not by turns)", file=sys.stderr)
        equal = True
        for name, binary in binaries:
            _, run = embed_with(binary, config, folder)
            with open(os.path.join(run, "face_embedding_index.csv"), newline="") as file:
                ids = [row["face_id"] for row in csv.DictReader(file)]
            assert ids == [row["file_name"] for row in rows], "the faces or their order differ"
            print(f"{name}: ", end="")
            equal &= parity(numpy.load(os.path.join(run, "face_embeddings.npy")), theirs, options.tolerance)

        engines = [("facenet-pytorch", lambda: time_peer(peer, root, rows))]
        engines += [(name, lambda binary=binary: embed_with(binary, config, folder)[0]) for name, binary in binaries]
        speeds = {name: [] for name, _ in engines}
        for turn in range(options.rounds):
            for i in range(len(engines)):
                name, run = engines[(turn + i) % len(engines)]
                speeds[name].append(len(rows) / run())
        for name, speed in speeds.items():
            if speed:
                ratio = statistics.median(a / b for a, b in zip(speed, speeds["facenet-pytorch"]))
                print(f"{name}: {statistics.median(speed):.0f} faces/s, {ratio:.2f} x facenet-pytorch")
    sys.exit(not equal)


def time_peer(peer, root, rows):
    start = time.perf_counter()
    peer.embed(root, rows)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
