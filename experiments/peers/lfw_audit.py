#!/usr/bin/env python3
"""Counts how many publicly known mistakes of LFW a run's label audit ranks first.

    python experiments/peers/lfw_audit.py experiments/lfw-casia-one-view-…

Reads the run's `label_audit.csv` (faces) and `identity_pairs.csv` (one person under two names), and `lfw_known.csv`, whose
sources docs/lfw.md names. Prints counts only.
"""

import csv
import os
import sys

FIRST = (20, 50, 100)


def table(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def stem(path):
    return os.path.splitext(os.path.basename(path))[0]


def main():
    run = sys.argv[1]
    known = table(os.path.join(os.path.dirname(os.path.abspath(__file__)), "lfw_known.csv"))
    suspects = {stem(row["face_id"]): int(row["rank"]) for row in table(os.path.join(run, "label_audit.csv"))}
    pairs = table(os.path.join(run, "identity_pairs.csv"))
    ranks = {frozenset((row["identity_a"], row["identity_b"])): int(row["rank"]) for row in pairs}
    names = lambda row: frozenset(row[side].split("/")[0] for side in ("a", "b"))
    for what, kind, rank in (
        ("wrong labels, among the suspects", "wrong label", lambda row: suspects.get(stem(row["a"]))),
        ("one photo under two names, among the pairs of identities", "duplicate", lambda row: ranks.get(names(row))),
        ("one person under two names, among the pairs of identities", "two names", lambda row: ranks.get(names(row))),
    ):
        found = [rank(row) for row in known if row["kind"] == kind]
        first = ", ".join(f"{sum(1 for n in found if n and n <= most)} in the first {most}" for most in FIRST)
        print(f"{len(found)} {what}: {first}")


if __name__ == "__main__":
    main()
