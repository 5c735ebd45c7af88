"""Compares all pairs of the same rows with facevault and with the obvious NumPy version, alternating.

    python experiments/peers/pairs.py target/release/examples/all_pairs [FACES] [ROUNDS]

The NumPy version computes blocks of `A @ B.T`, then `np.histogram` with as many bins for genuine and for impostor pairs. It
keeps no hardest pairs, no errors by face, no moments, and nothing to resample. Needs numpy; its BLAS uses all cores.
"""

import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

BINS, BLOCK, IDENTITIES = 65_536, 2048, 480


def sizes(faces):
    weights = 109 + 650 * (np.arange(IDENTITIES) / (IDENTITIES - 1)) ** 1.3
    ends = np.floor(np.concatenate([[0], np.cumsum(weights)]) / weights.sum() * faces + 0.5).astype(int)
    return np.diff(ends)


def numpy_pairs(rows, identity):
    genuine, impostor = np.zeros(BINS, np.int64), np.zeros(BINS, np.int64)
    started = time.perf_counter()
    for top in range(0, len(rows), BLOCK):
        for left in range(top, len(rows), BLOCK):
            cosines = rows[top : top + BLOCK] @ rows[left : left + BLOCK].T
            same = identity[top : top + BLOCK, None] == identity[None, left : left + BLOCK]
            if top == left:
                upper = np.triu(np.ones(cosines.shape, bool), 1)
                groups = (cosines[same & upper], cosines[~same & upper])
            else:
                groups = (cosines[same], cosines[~same])
            for counts, values in zip((genuine, impostor), groups):
                counts += np.histogram(values, bins=BINS, range=(-1, 1))[0]
    return genuine.sum() + impostor.sum(), time.perf_counter() - started


def ours(binary, faces):
    out = subprocess.run([binary, str(faces)], check=True, capture_output=True, text=True).stdout
    pairs, seconds = re.search(r"(\d+) pairs in ([\d.]+) s", out).groups()
    share = re.search(r"(\d+)% of the", out).group(1)
    return int(pairs), float(seconds), share


def main():
    binary, faces, rounds = sys.argv[1], int((sys.argv[2:] or [20_000])[0]), int((sys.argv[3:] or [3])[0])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.npy"
        subprocess.run([binary, str(faces), "--rows", path], check=True)
        rows = np.load(path)
    identity = np.repeat(np.arange(IDENTITIES), sizes(faces))
    print(f"{faces} faces, {len(rows) * (len(rows) - 1) // 2:,} pairs; M pairs/s: ours (everything), NumPy (histograms)")
    ratios = []
    for _ in range(rounds):
        pairs, seconds, share = ours(binary, faces)
        numpy_count, numpy_seconds = numpy_pairs(rows, identity)
        assert pairs == numpy_count, (pairs, numpy_count)
        ratios.append(numpy_seconds / seconds)
        mine, theirs = pairs / seconds / 1e6, pairs / numpy_seconds / 1e6
        print(f"  {mine:6.1f} ({share}% of the peak)  {theirs:6.1f}  ratio {ratios[-1]:.2f}")
    print(f"median ratio {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
