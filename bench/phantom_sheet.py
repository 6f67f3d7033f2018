"""The contact sheet of docs/phantom.md: real films over films projected from a CT over phantoms.

    bench/phantom_sheet.py --ct CT.nii.gz --phantom SET [--hilum target/release/hilum] [--out docs/phantom.png]

Needs Pillow. Real: four of samples/images. Projected: frontal and lateral as radiographs, bone alone, plain. Phantom: three frontal pictures and
one lateral of a set made by `hilum phantom --n 6 --seed 3 --timeline 1 --out SET`.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path

import common
from PIL import Image

SIDE = 256
REAL = ["adult-no-finding.jpg", "adult-pa.jpg", "adult-supine.jpg", "child-normal-full.jpg"]
RADIOGRAPH = ["--radiograph", "--energy", "60"]
PROJECTIONS = [RADIOGRAPH, ["--view", "lateral", *RADIOGRAPH], ["--part", "bone", "--energy", "60"], []]


def projected(hilum: Path, ct: Path, folder: Path) -> list[Path]:
    """Pictures of a CT, each with its own options."""
    paths = [folder / f"{n}.png" for n in range(len(PROJECTIONS))]
    for path, options in zip(paths, PROJECTIONS, strict=True):
        subprocess.run([hilum, "drr", ct, *options, "--size", "512", "--out", path], check=True, stdout=subprocess.DEVNULL)
    return paths


def phantoms(folder: Path) -> list[Path]:
    frontal = sorted(folder.glob("images/*-0-frontal.png"))
    lateral = sorted(folder.glob("images/*-0-lateral.png"))
    if len(frontal) < 3 or not lateral:
        raise common.Missing(f"{folder} has not three frontal pictures and a lateral one")
    return [*frontal[:3], lateral[0]]


def tile(path: Path) -> Image.Image:
    """A picture in the middle of a black square."""
    image = Image.open(path).convert("L")
    image.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    if max(image.size) < SIDE:
        share = SIDE / max(image.size)
        image = image.resize([round(share * n) for n in image.size], Image.Resampling.BICUBIC)
    square = Image.new("L", (SIDE, SIDE))
    square.paste(image, ((SIDE - image.width) // 2, (SIDE - image.height) // 2))
    return square


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ct", type=Path, required=True)
    parser.add_argument("--phantom", type=Path, required=True, help="folder of a phantom set")
    parser.add_argument("--hilum", type=Path)
    parser.add_argument("--out", type=Path, default=common.ROOT / "docs" / "phantom.png")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            [common.ROOT / "samples" / "images" / name for name in REAL],
            projected(common.find_hilum(args.hilum), args.ct, Path(folder)),
            phantoms(args.phantom),
        ]
        sheet = Image.new("L", (SIDE * len(REAL), SIDE * len(rows)))
        for y, row in enumerate(rows):
            for x, path in enumerate(row):
                sheet.paste(tile(path), (x * SIDE, y * SIDE))
    sheet.save(args.out, optimize=True)


if __name__ == "__main__":
    main()
