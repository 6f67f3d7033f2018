#!/usr/bin/env python3
"""What a reader does in Python today: decode one DICOM file and run a torchxrayvision classifier on it.

    peer_read.py FILE.dcm OUT.json [--weights FILE.pt]

Steps, as in torchxrayvision's own examples: pydicom decodes, the VOI window and the polarity are applied,
values are scaled to [-1024, 1024], centre crop, resize to 224, DenseNet-121 with 18 outputs. The weights
are random (`--write-weights` makes them once): the published ones need a download, and their time would
be the same. It writes 18 numbers and nothing else: no gate, masks, measurements, report or overlay.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--write-weights", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def network(classes: int = 18):
    """torchxrayvision's DenseNet-121 in evaluation mode."""
    import torch
    import torchxrayvision as xrv

    torch.manual_seed(0)
    return xrv.models.DenseNet(
        weights=None,
        num_classes=classes,
        in_channels=1,
        growth_rate=32,
        block_config=(6, 12, 24, 16),
        num_init_features=64,
    ).eval()


def decode(path: Path):
    """Grey levels in [-1024, 1024], `[1, rows, columns]`."""
    import numpy as np
    import pydicom
    import torchxrayvision as xrv
    from pydicom.pixels import apply_modality_lut, apply_voi_lut

    ds = pydicom.dcmread(path)
    pixels = apply_voi_lut(apply_modality_lut(ds.pixel_array, ds), ds).astype(np.float32)
    top = float((1 << ds.BitsStored) - 1)
    if ds.PhotometricInterpretation == "MONOCHROME1":
        pixels = top - pixels
    return xrv.datasets.normalize(pixels, top)[None]


def main() -> None:
    options = parse()
    import torch
    import torchvision
    import torchxrayvision as xrv

    torch.set_num_threads(options.threads)
    model = network()
    if options.write_weights:
        torch.save(model.state_dict(), options.weights)
        return
    if options.weights:
        model.load_state_dict(torch.load(options.weights, weights_only=True))
    steps = torchvision.transforms.Compose([xrv.datasets.XRayCenterCrop(), xrv.datasets.XRayResizer(224)])
    image = torch.from_numpy(steps(decode(options.file)))[None]
    with torch.inference_mode():
        outputs = model(image)[0]
    reading = {"file": options.file.name, "outputs": [round(float(value), 6) for value in outputs]}
    options.out.write_text(json.dumps(reading) + "\n")


if __name__ == "__main__":
    main()
