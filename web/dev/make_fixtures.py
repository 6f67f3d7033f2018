"""Makes web/dev/fixtures for the mock server: readings of the samples, their pixels and masks.

Needs numpy, pillow and pydicom, and readings written by
`hilum read samples/images --out DIR --explain --similar INDEX` (from the root of the repository):

    python3 web/dev/make_fixtures.py DIR
"""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pydicom
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
OUT = Path(__file__).resolve().parent / "fixtures"


def pixels(path: Path) -> np.ndarray:
    if path.suffix == ".dcm":
        d = pydicom.dcmread(path)
        a = d.pixel_array.astype(np.int64)
        return (a.max() - a if d.PhotometricInterpretation == "MONOCHROME1" else a).astype("<u2")
    return np.asarray(Image.open(path).convert("L")).astype("<u2") * 257


def main(readings: Path) -> None:
    shutil.rmtree(OUT, ignore_errors=True)
    for folder in sorted(p for p in readings.iterdir() if (p / "reading.json").exists()):
        reading = json.loads((folder / "reading.json").read_text())
        out = OUT / folder.name
        out.mkdir(parents=True)
        images = []
        for i, image in enumerate(reading["images"]):
            a = pixels(ROOT / image["path"])
            a.tofile(out / f"{i}.u16")
            low, high = (float(v) for v in np.percentile(a, (1, 99)))
            small = Image.fromarray(np.clip((a - low) / max(high - low, 1) * 255, 0, 255).astype("u1"))
            small.thumbnail((256, 256))
            small.save(out / f"{i}.thumb.png")
            overlays = []
            for kind, path in (image.get("masks") or {}).items():
                if path:
                    shutil.copy(readings / path, out / f"{i}.{kind}.png")
                    overlays.append({"id": kind, "kind": kind, "finding": None, "file": f"{i}.{kind}.png"})
            for f in reading["findings"]:
                for e in f.get("explanations", []):
                    if e["image"] == i and e["map"]:
                        name = f"{i}.map-{f['code']}-{e['method']}.png"
                        shutil.copy(readings / e["map"], out / name)
                        overlays.append({"id": name[2:-4], "kind": "map", "finding": f["code"], "method": e["method"], "file": name})
            images.append({"columns": a.shape[1], "rows": a.shape[0], "window": {"center": (low + high) / 2, "width": high - low}, "overlays": overlays})
        (out / "study.json").write_text(json.dumps({"reading": reading, "images": images}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
