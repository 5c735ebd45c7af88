"""The numbers of `crates/stats/examples/templates.rs` by insightface's own steps, in double precision.

    cargo run --release -p facevault-stats --example templates FOLDER
    python experiments/peers/templates.py FOLDER

Needs numpy, scikit-learn. Follows `ijb_11.py` of deepinsight/insightface (detector score, no norm, media by media), with
sums by `np.add.at` in place of a loop over templates.
"""

import resource
import sys
import time
from pathlib import Path

import numpy as np
from sklearn.metrics import auc, roc_curve

folder = Path(sys.argv[1])
started = time.monotonic()
members = np.loadtxt(folder / "meta/ijbc_face_tid_mid.txt", dtype=np.int64, usecols=(1, 2))
weights = np.loadtxt(folder / "meta/ijbc_name_5pts_score.txt", dtype=np.float32, usecols=11)
pairs = np.fromfile(folder / "meta/ijbc_template_pair_label.txt", dtype=np.int32, sep=" ").reshape(-1, 3)
features = np.memmap(folder / "embeddings.f32", dtype=np.float32, mode="r").reshape(len(members), -1)
print(f"read in {time.monotonic() - started:.1f} s")

started = time.monotonic()
keys, media, sizes = np.unique(members, axis=0, return_inverse=True, return_counts=True)
media = media.reshape(-1)
templates = np.zeros((members[:, 0].max() + 1, features.shape[1]))
for first in range(0, len(members), 1 << 14):
    of = slice(first, first + (1 << 14))
    scale = weights[of].astype(np.float64) / sizes[media[of]]
    np.add.at(templates, members[of, 0], features[of].astype(np.float64) * scale[:, None])
templates /= np.linalg.norm(templates, axis=1, keepdims=True)
scores = np.empty(len(pairs))
for first in range(0, len(pairs), 100_000):
    of = slice(first, first + 100_000)
    scores[of] = np.sum(templates[pairs[of, 0]] * templates[pairs[of, 1]], axis=1)
print(f"templates and scores in {time.monotonic() - started:.1f} s")

started = time.monotonic()
same = pairs[:, 2] == 1
impostor = np.sort(scores[~same])[::-1]
genuine = np.sort(scores[same])
for rate in (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6):
    most = int(rate * len(impostor) * (1 + 1e-12))
    missed = np.searchsorted(genuine, impostor[most], side="right")
    print(f"tar@fmr={rate:.0e} {1 - missed / len(genuine):.12f}")
fpr, tpr, _ = roc_curve(same, scores)
print(f"auc {auc(fpr, tpr):.12f}")
fpr, tpr = np.flipud(fpr), np.flipud(tpr)
for rate in (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6):
    print(f"nearest@fmr={rate:.0e} {tpr[np.argmin(abs(fpr - rate))]:.12f}")
print(f"rates in {time.monotonic() - started:.1f} s")
print(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB")
