#!/usr/bin/env python3
"""Makes a simulated lateral chest X-ray from a chest CT volume.

    make_lateral.py CT.nii.gz OUT.png

Needs nibabel, numpy and Pillow. Parallel rays from side to side add up the attenuation of each voxel
(water's at Hounsfield value 0, none at -1000); no scatter, no beam hardening, no divergence.
"""

from __future__ import annotations

import sys

import nibabel
import numpy as np
from PIL import Image

ROWS = 512


def projection(volume: np.ndarray) -> np.ndarray:
    """Sum along the left-right axis: `[superior-inferior, anterior-posterior]`, head up."""
    attenuation = np.clip((volume + 1000.0) / 1000.0, 0.0, None)
    return attenuation.sum(axis=0).T[::-1]


def main(ct: str, out: str) -> None:
    image = nibabel.as_closest_canonical(nibabel.load(ct))
    sums = projection(np.asarray(image.dataobj, dtype=np.float32))[:, ::-1]
    low, high = np.percentile(sums, [1.0, 99.5])
    grey = (np.clip((sums - low) / (high - low), 0.0, 1.0) * 255).astype(np.uint8)
    _, deep, tall = image.header.get_zooms()[:3]
    columns = round(ROWS * grey.shape[1] * deep / (grey.shape[0] * tall))
    Image.fromarray(grey).resize((columns, ROWS), Image.Resampling.BICUBIC).save(out, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
