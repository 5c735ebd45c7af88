#!/usr/bin/env python3
"""Ten everyday tasks with facevault, facenet-pytorch, insightface and deepface: lines of code, and seconds where they run here.

    python experiments/peers/everyday.py --photos FOLDER --checkpoint CASIA.safetensors --facevault FACEVAULT

Prints the table of docs/python.md. FOLDER has one folder per person with photos; CASIA is the published checkpoint
20180408-102900 (docs/measurements.md says how to get it), FACEVAULT the command. Needs facevault-bench, and facenet-pytorch
2.6.0 with torch, Pillow and scikit-learn; insightface and deepface fetch their weights from GitHub, so their code is
counted and not run.

A line is a line that is not empty, a comment, or the first line of a function; those of a config and of a shell count like
any other. Seconds are those of a new process, from its start to the answer: the median of three, one task and library
after the other. No photo or name leaves the machine.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

# What stands before a task, for all of them: it is not counted.
GIVEN = """
import glob, numpy as np
photos = sorted(glob.glob("photos/*/*"))
faces = np.random.default_rng(0).integers(0, 256, (30, 160, 160, 3), dtype=np.uint8)
draw = np.random.default_rng(1)
labels = np.arange(3000) % 3 == 0
people = np.stack([draw.integers(0, 100, 3000), draw.integers(100, 200, 3000)], axis=1)
scores = draw.normal(size=3000) + 2 * labels
"""

FACENET = """
import torch
from facenet_pytorch import MTCNN, InceptionResnetV1
from safetensors.torch import load_file
network = InceptionResnetV1(classify=False).eval()
network.load_state_dict(load_file("casia.safetensors"), strict=False)
"""

FACENET_PHOTOS = (
    FACENET
    + """
from PIL import Image
mtcnn = MTCNN()
rows, kept, failed = [], [], {}
for path in photos:
    try:
        face = mtcnn(Image.open(path).convert("RGB"))
    except OSError as error:
        face, failed[path] = None, str(error)
    if face is None:
        failed.setdefault(path, "no face")
    else:
        with torch.no_grad():
            rows.append(network(face[None])[0].numpy())
        kept.append(path)
"""
)

INSIGHTFACE_PHOTOS = """
import cv2
from insightface.app import FaceAnalysis
app = FaceAnalysis()
app.prepare(ctx_id=-1)
rows, kept, failed = [], [], {}
for path in photos:
    picture = cv2.imread(path)
    found = [] if picture is None else app.get(picture)
    if found:
        rows.append(max(found, key=lambda face: face.det_score).normed_embedding)
        kept.append(path)
    else:
        failed[path] = "no picture" if picture is None else "no face"
"""

DEEPFACE_PHOTOS = """
from deepface import DeepFace
rows, kept, failed = [], [], {}
for path in photos:
    try:
        found = DeepFace.represent(path, model_name="Facenet512", detector_backend="mtcnn", l2_normalize=True)
        rows.append(found[0]["embedding"])
        kept.append(path)
    except ValueError as error:
        failed[path] = str(error)
"""

# What all but facevault do with scores: scikit-learn, which gives no interval.
RATES = """
from sklearn.metrics import roc_curve
far, tar, thresholds = roc_curve(labels, scores)
eer = far[np.argmin(np.abs(far - (1 - tar)))]
"""

CONFIG = """
cat > people.yaml <<END
name: people
dataset: { source: folders, root: photos }
detect: { detector: mtcnn, keep: center-weighted }
preprocess: { profile: facenet-pytorch }
weights: { source: file, path: casia.safetensors }
END
facevault experiment people.yaml
"""

NEAREST = """
rows = np.array(rows)
nearest = [kept[i] for i in np.argsort(-(rows @ rows[0]))[1:4]]
"""

# Task → library → its code. `shell` code begins with a `$`; None is what a library does not offer and a user has to write.
TASKS = {
    "embed 30 face crops": {
        "facevault": """
import facevault_bench as fv
rows = fv.Embedder("casia.safetensors").embed(faces)
""",
        "facenet-pytorch": FACENET
        + """
tensor = (torch.from_numpy(faces).permute(0, 3, 1, 2).float() - 127.5) / 128
with torch.no_grad():
    rows = network(tensor).numpy()
""",
        "insightface": """
import insightface
model = insightface.model_zoo.get_model("w600k_r50.onnx")
rows = model.get_feat([face[:, :, ::-1] for face in faces])
rows /= np.linalg.norm(rows, axis=1, keepdims=True)
""",
        "deepface": """
from deepface import DeepFace
pictures = [face[:, :, ::-1] for face in faces]
found = DeepFace.represent(pictures, model_name="Facenet512", detector_backend="skip", l2_normalize=True)
rows = np.array([face[0]["embedding"] for face in found])
""",
    },
    "find and embed the face in each of 30 photos; list what failed": {
        "facevault": """
import facevault_bench as fv
found = [photo for photo in fv.detect(photos) if len(photo.boxes)]
embedder = fv.Embedder("casia.safetensors", profile="facenet-pytorch")
rows, failures, quality = embedder.embed_files([photo.path for photo in found], boxes=[photo.boxes[0] for photo in found])
""",
        "facenet-pytorch": FACENET_PHOTOS,
        "insightface": INSIGHTFACE_PHOTOS,
        "deepface": DEEPFACE_PHOTOS,
    },
    "say whether two photos show one person": {
        "facevault": """
import facevault_bench as fv
embedder = fv.Embedder("casia.safetensors", profile="facenet-pytorch")
a, b = embedder.embed_files(photos[:2], boxes=[photo.boxes[0] for photo in fv.detect(photos[:2])]).rows
same = a @ b >= 0.5
""",
        "facenet-pytorch": FACENET
        + """
from PIL import Image
mtcnn = MTCNN()
with torch.no_grad():
    a, b = network(torch.stack([mtcnn(Image.open(path).convert("RGB")) for path in photos[:2]]))
same = a @ b >= 0.5
""",
        "insightface": """
import cv2
from insightface.app import FaceAnalysis
app = FaceAnalysis()
app.prepare(ctx_id=-1)
a, b = (app.get(cv2.imread(path))[0].normed_embedding for path in photos[:2])
same = a @ b >= 0.5
""",
        "deepface": """
from deepface import DeepFace
same = DeepFace.verify(photos[0], photos[1], model_name="Facenet512", detector_backend="mtcnn")["verified"]
""",
    },
    "find the three photos of a folder that are most like one": {
        "facevault": "$" + CONFIG + 'facevault lookup people "$FACE" -k 3',
        "facenet-pytorch": FACENET_PHOTOS + NEAREST,
        "insightface": INSIGHTFACE_PHOTOS + NEAREST,
        "deepface": """
from deepface import DeepFace
nearest = DeepFace.find(photos[0], "photos", model_name="Facenet512", detector_backend="mtcnn", similarity_search=True, k=4)
""",
    },
    "EER of 3,000 scored pairs, with its interval": {
        "facevault": """
import facevault_bench as fv
eer = fv.verification.roc(scores, labels, people).eer
""",
        "facenet-pytorch": RATES,
        "insightface": RATES,
        "deepface": RATES,
    },
    "threshold for an FMR of 1e-2, and TAR with its interval": {
        "facevault": """
import facevault_bench as fv
found = fv.verification.roc(scores, labels, people).at_far(1e-2)
""",
        **dict.fromkeys(
            ["facenet-pytorch", "insightface", "deepface"],
            """
from sklearn.metrics import roc_curve
far, tar, thresholds = roc_curve(labels, scores)
place = np.searchsorted(far, 1e-2, side="right") - 1
threshold, rate = thresholds[place], tar[place]
""",
        ),
    },
    "evaluate a folder of people: pairs, rates, intervals, report": {"facevault": "$" + CONFIG},
    "go on after a crash, without doing again what is done": {"facevault": "$facevault experiment people.yaml"},
    "list photos under a wrong name": {"facevault": "$" + CONFIG + "head experiments/people-*/label_audit.csv"},
    "say whether another precision is worse, on the same pairs": {
        "facevault": "$"
        + CONFIG
        + """
facevault experiment people.yaml --set name=bf16 --set embed.precision=bf16
facevault compare people bf16
"""
    },
}
LIBRARIES = ["facevault", "facenet-pytorch", "insightface", "deepface"]


def lines(code):
    """Lines that say something."""
    said = [line.strip().lstrip("$") for line in code.splitlines()]
    return sum(bool(line) and not line.startswith("#") for line in said)


def seconds(code, given, tmp):
    """A new process from start to end, in a folder with the photos, the checkpoint and the command."""
    with tempfile.TemporaryDirectory(dir=tmp) as folder:
        os.symlink(os.path.abspath(given.photos), os.path.join(folder, "photos"))
        os.symlink(os.path.abspath(given.checkpoint), os.path.join(folder, "casia.safetensors"))
        os.mkdir(os.path.join(folder, "bin"))
        os.symlink(os.path.abspath(given.facevault), os.path.join(folder, "bin", "facevault"))
        environment = {**os.environ, "PATH": f"{folder}/bin:{os.environ['PATH']}"}

        def run(code):
            program = ["sh", "-ec", code[1:]] if code.startswith("$") else [sys.executable, "-c", GIVEN + code]
            ended = subprocess.run(program, cwd=folder, env=environment, capture_output=True, text=True)
            if ended.returncode:
                sys.exit(f"{ended.stderr}\nof\n{code}")

        if "$FACE" in code:
            first = sorted(os.listdir(given.photos))[0]
            environment["FACE"] = f"{first}/{sorted(os.listdir(os.path.join(given.photos, first)))[0]}"
        if code.startswith("$facevault"):
            run("$" + CONFIG)
        started = time.monotonic()
        run(code)
        return time.monotonic() - started


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ["photos", "checkpoint", "facevault"]:
        parser.add_argument(f"--{name}", required=True)
    given = parser.parse_args()
    print("| task | " + " | ".join(LIBRARIES) + " |\n|---|" + "---|" * len(LIBRARIES))
    for task, codes in TASKS.items():
        cells = []
        for library in LIBRARIES:
            code = codes.get(library)
            if code is None:
                cells.append("not offered")
            elif library in ("insightface", "deepface") and code != RATES and "sklearn" not in code:
                cells.append(f"{lines(code)}, not measured")
            else:
                took = statistics.median(seconds(code, given, None) for _ in range(3))
                note = "" if library == "facevault" or "sklearn" not in code else ", no interval"
                cells.append(f"{lines(code)}, {took:.1f} s{note}")
        print(f"| {task} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
