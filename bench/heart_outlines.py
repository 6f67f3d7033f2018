#!/usr/bin/env python3
"""How compact outlined hearts are, and how many are believed before and after branches are cut off.

    heart_outlines.py MANIFEST.csv [--splits train,val] [--limit N] [--hilum target/release/hilum]

Reads the images of a manifest with `hilum read` and prints, over the images that passed the gate, the share of hearts that are
shown as they were outlined, shown after branches were cut off, and not believed, and how much of their convex hulls the hearts
shown as outlined fill. Needs numpy, Pillow and scipy. Choose on train and val; a test split is refused.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage
from scipy.spatial import ConvexHull

CUT = "branches were cut off"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--splits", default="train,val")
    parser.add_argument("--limit", type=int, default=120)
    parser.add_argument("--hilum", type=Path, default=Path("target/release/hilum"))
    options = parser.parse_args()
    options.splits = set(options.splits.split(","))
    if "test" in options.splits:
        parser.error("a test split is not for choosing")
    return options


def images(manifest: Path, splits: set[str], limit: int) -> list[Path]:
    root = manifest.resolve().parent.parent
    with manifest.open() as file:
        return [root / row["path"] for row in csv.DictReader(file) if row["split"] in splits][:limit]


def solidity(path: Path) -> float:
    """Share of its convex hull that the largest part of a mask fills, with pixels as squares."""
    labels, parts = ndimage.label(np.array(Image.open(path)) > 0, np.ones((3, 3)))
    largest = 1 + int(np.argmax(ndimage.sum_labels(labels > 0, labels, range(1, parts + 1))))
    rows, columns = np.nonzero(labels == largest)
    corners = np.concatenate([np.c_[columns + dx, rows + dy] for dx in (0, 1) for dy in (0, 1)])
    return len(rows) / ConvexHull(corners).volume


def main() -> None:
    options = parse()
    paths = images(options.manifest, options.splits, options.limit)
    counts = {"outlined": 0, "cut": 0, "not believed": 0}
    filled: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        command = [str(options.hilum), "read", *map(str, paths), "--no-progress", "--json", "--out", folder]
        lines = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.splitlines()
        for reading in map(json.loads, lines):
            if "error" in reading or not reading["gate"]["analysable"]:
                continue
            ratio = next((m for m in reading["measurements"] if m["name"] == "cardiothoracic_ratio"), None)
            if ratio is None or ratio["value"] is None:
                counts["not believed"] += 1
            elif CUT in (ratio.get("note") or ""):
                counts["cut"] += 1
            else:
                counts["outlined"] += 1
                filled.append(solidity(Path(folder) / reading["images"][0]["masks"]["heart"]))
    total = sum(counts.values())
    for name, count in counts.items():
        print(f"{name:<14} {count:>4} of {total}  {count / max(total, 1):.2f}")
    if filled:
        print("share of the hull, least, median, most: " + ", ".join(f"{v:.3f}" for v in np.percentile(filled, [0, 50, 100])))


if __name__ == "__main__":
    main()
