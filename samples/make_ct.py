#!/usr/bin/env python3
"""Makes one axial slice of a chest CT volume as an 8-bit PNG: a picture that is not a chest X-ray.

    make_ct.py CT.nii.gz OUT.png

Needs nibabel, numpy and Pillow. The slice in the middle, front of the body up, in the lung window
(centre -600, width 1500 HU).
"""

from __future__ import annotations

import sys

import nibabel
import numpy as np
from PIL import Image

CENTRE, WIDTH = -600.0, 1500.0
COLUMNS = 256


def main(ct: str, out: str) -> None:
    image = nibabel.as_closest_canonical(nibabel.load(ct))
    volume = np.asarray(image.dataobj, dtype=np.float32)
    plane = volume[::-1, ::-1, volume.shape[2] // 2].T
    grey = np.clip((plane - CENTRE) / WIDTH + 0.5, 0.0, 1.0) * 255
    wide, deep = image.header.get_zooms()[:2]
    rows = round(COLUMNS * grey.shape[0] * deep / (grey.shape[1] * wide))
    picture = Image.fromarray(grey.astype(np.uint8))
    picture.resize((COLUMNS, rows), Image.Resampling.BICUBIC).save(out, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
