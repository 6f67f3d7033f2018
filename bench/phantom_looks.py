"""How far phantom X-rays are from real ones: grey-level histograms and power spectra.

    bench/phantom_looks.py --phantom SET/manifest.csv --real nih14.csv [--root DATA] [--out RESULT.json]

Frontal pictures of the train split only, reduced to 256x256 grey. Reported:

- `histogram_w1`: Wasserstein-1 distance in grey levels between the pooled histograms, beside the same distance between two
  random halves of the real pictures (what chance alone gives);
- `spectrum_db`: mean absolute difference of the radially averaged log power spectra in dB over 2 to 100 cycles a picture (mean
  removed, Hann window, power normalised), again beside that of two real halves;
- `slope`: exponent of the power law fitted over the same range.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 256


def pictures(manifest: Path, root: Path, limit: int) -> list[np.ndarray]:
    with manifest.open() as table:
        rows = [r for r in csv.DictReader(table) if r["split"] == "train" and r["view"] in ("PA", "AP")]
    rows = rows[:: max(1, len(rows) // limit)][:limit]
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--phantom", type=Path, required=True)
    parser.add_argument("--real", type=Path, required=True)
    parser.add_argument("--root", type=Path, help="data root of the real manifest (default: two folders up)")
    parser.add_argument("--limit", type=int, default=200)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    phantom = pictures(args.phantom, args.phantom.parent, args.limit)
    real = pictures(args.real, args.root or args.real.resolve().parent.parent, args.limit)
    order = np.random.default_rng(1).permutation(len(real))
    halves = [[real[n] for n in order[k::2]] for k in range(2)]
    result = {
        "phantom_images": len(phantom),
        "real_images": len(real),
        "phantom_to_real": compare(phantom, real),
        "real_to_real": compare(*halves),
        "slope": {"phantom": slope(phantom), "real": slope(real)},
        "mean_grey": {"phantom": round(float(np.mean(phantom)), 1), "real": round(float(np.mean(real)), 1)},
    }
    text = json.dumps(result, indent=2)
    print(text)
    if args.out:
        args.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
