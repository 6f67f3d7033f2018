"""How far phantom X-rays are from real ones: grey-level histograms, power spectra, a classifier that tells them apart, and the gate.

    bench/phantom_looks.py --phantom SET/manifest.csv --real nih14.csv [--root DATA] [--hilum target/release/hilum] [--out RESULT.json]

Frontal pictures of the train split only, reduced to 256x256 grey. Reported:

- `histogram_w1`: Wasserstein-1 distance in grey levels between the pooled histograms, beside the same distance between two
  random halves of the real pictures (what chance alone gives);
- `spectrum_db`: mean absolute difference of the radially averaged log power spectra in dB over 2 to 100 cycles a picture (mean
  removed, Hann window, power normalised), again beside that of two real halves;
- `slope`: exponent of the power law fitted over the same range;
- `classifier_auroc`: a ridge classifier on each picture's log spectrum and histogram, five folds by patient: 0.5 would be a perfect phantom, 1 one
  that is told apart every time; beside it the same for two halves of the real patients;
- `gate`: what `hilum read` says of both: share of pictures analysed, and analysed without doubt that they are chest X-rays or like the training images.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 256


def chosen(manifest: Path, limit: int) -> list[dict[str, str]]:
    with manifest.open() as table:
        rows = [r for r in csv.DictReader(table) if r["split"] == "train" and r["view"] in ("PA", "AP")]
    return rows[:: max(1, len(rows) // limit)][:limit]


def pictures(rows: list[dict[str, str]], root: Path) -> list[np.ndarray]:
    return [np.asarray(Image.open(root / r["path"]).convert("L").resize((SIDE, SIDE), Image.Resampling.BOX), dtype=float) for r in rows]


def histogram(images: list[np.ndarray]) -> np.ndarray:
    counts = sum(np.histogram(image, bins=256, range=(0, 256))[0] for image in images)
    return np.cumsum(counts / counts.sum())


def spectrum(images: list[np.ndarray]) -> np.ndarray:
    window = np.outer(np.hanning(SIDE), np.hanning(SIDE))
    fy, fx = np.meshgrid(np.fft.fftfreq(SIDE) * SIDE, np.fft.fftfreq(SIDE) * SIDE, indexing="ij")
    ring = np.hypot(fx, fy).astype(int)
    rings = []
    for image in images:
        power = np.abs(np.fft.fft2((image - image.mean()) * window)) ** 2
        power /= power.sum()
        rings.append(np.bincount(ring.ravel(), power.ravel())[2:101] / np.bincount(ring.ravel())[2:101])
    return 10 * np.log10(np.mean(rings, axis=0))


def compare(a: list[np.ndarray], b: list[np.ndarray]) -> dict[str, float]:
    return {
        "histogram_w1": round(float(np.abs(histogram(a) - histogram(b)).sum()), 2),
        "spectrum_db": round(float(np.abs(spectrum(a) - spectrum(b)).mean()), 2),
    }


def slope(images: list[np.ndarray]) -> float:
    return round(float(np.polyfit(10 * np.log10(np.arange(2, 101)), spectrum(images), 1)[0]), 3)


def features(image: np.ndarray) -> np.ndarray:
    grey = np.histogram(image, bins=32, range=(0, 256))[0] / image.size
    return np.concatenate([spectrum([image]), 20 * np.sqrt(grey)])


def auroc(positive: np.ndarray, negative: np.ndarray) -> float:
    difference = positive[:, None] - negative[None, :]
    return float(np.mean((difference > 0) + 0.5 * (difference == 0)))


def told_apart(a: list[np.ndarray], b: list[np.ndarray], groups: list[str], folds: int = 5) -> float:
    """AUROC of a ridge classifier of `a` against `b`, out of fold; `groups` are the patients of `a` and then of `b`."""
    x = np.array([features(image) for image in a + b])
    y = np.array([1.0] * len(a) + [-1.0] * len(b))
    patients = sorted(set(groups))
    np.random.default_rng(1).shuffle(patients)
    fold = np.array([patients.index(g) % folds for g in groups])
    scores = np.zeros(len(y))
    for k in range(folds):
        train, test = fold != k, fold == k
        mean, deviation = x[train].mean(axis=0), x[train].std(axis=0) + 1e-9
        z, weight = (x - mean) / deviation, np.where(y > 0, 1 / (y[train] > 0).sum(), 1 / (y[train] < 0).sum())
        design = np.column_stack([z, np.ones(len(z))])
        w = (design[train] * weight[train, None]).T
        gram = w @ design[train] + 0.01 * np.eye(design.shape[1])
        scores[test] = design[test] @ np.linalg.solve(gram, w @ y[train])
    return round(auroc(scores[y > 0], scores[y < 0]), 3)


def split_by_patient(images: list[np.ndarray], patients: list[str]) -> tuple[list[np.ndarray], list[np.ndarray], list[str]]:
    """Two halves that share no patient, and the patients of both."""
    names = sorted(set(patients))
    np.random.default_rng(2).shuffle(names)
    first = set(names[::2])
    halves = [[(i, p) for i, p in zip(images, patients, strict=True) if (p in first) == side] for side in (True, False)]
    return [i for i, _ in halves[0]], [i for i, _ in halves[1]], [p for half in halves for _, p in half]


def gate(hilum: Path, paths: list[Path]) -> dict[str, float]:
    done = subprocess.run([hilum, "read", "--json", *map(str, paths)], capture_output=True, text=True, check=False)
    readings = [json.loads(line) for line in done.stdout.splitlines()]
    doubts = {"not_chest_xray", "out_of_distribution"}
    gates = [r["gate"] for r in readings if "gate" in r]
    analysed = [g for g in gates if g["analysable"]]
    plain = [g for g in analysed if not doubts & {reason["code"] for reason in g["reasons"]}]
    return {"analysed": round(len(analysed) / len(paths), 3), "without_doubt": round(len(plain) / len(paths), 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--phantom", type=Path, required=True)
    parser.add_argument("--real", type=Path, required=True)
    parser.add_argument("--root", type=Path, help="data root of the real manifest (default: two folders up)")
    parser.add_argument("--limit", type=int, default=200)
    parser.add_argument("--hilum", type=Path, help="the binary whose gate is asked too")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    roots = args.phantom.parent, args.root or args.real.resolve().parent.parent
    rows = [chosen(manifest, args.limit) for manifest in (args.phantom, args.real)]
    phantom, real = (pictures(r, root) for r, root in zip(rows, roots, strict=True))
    patients = [[row["patient_id"] for row in r] for r in rows]
    order = np.random.default_rng(1).permutation(len(real))
    halves = [[real[n] for n in order[k::2]] for k in range(2)]
    result = {
        "phantom_images": len(phantom),
        "real_images": len(real),
        "phantom_to_real": compare(phantom, real),
        "real_to_real": compare(*halves),
        "slope": {"phantom": slope(phantom), "real": slope(real)},
        "classifier_auroc": {
            "phantom_to_real": told_apart(phantom, real, patients[0] + patients[1]),
            "real_to_real": told_apart(*split_by_patient(real, patients[1])),
        },
        "mean_grey": {"phantom": round(float(np.mean(phantom)), 1), "real": round(float(np.mean(real)), 1)},
    }
    if args.hilum:
        result["gate"] = {
            name: gate(args.hilum, [root / row["path"] for row in r])
            for name, r, root in zip(("phantom", "real"), rows, roots, strict=True)
        }
    text = json.dumps(result, indent=2)
    print(text)
    if args.out:
        args.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
