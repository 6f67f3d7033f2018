#!/usr/bin/env python3
"""Makes the files under samples/bad from those under samples/images. Needs Pillow and numpy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).resolve().parent


def main() -> None:
    bad = HERE / "bad"
    bad.mkdir(exist_ok=True)
    jpeg = (HERE / "images" / "child-normal.jpg").read_bytes()
    dicom = (HERE / "images" / "adult-pa.dcm").read_bytes()
    (bad / "empty.dcm").write_bytes(b"")
    (bad / "truncated.jpg").write_bytes(jpeg[: len(jpeg) // 3])
    (bad / "truncated.dcm").write_bytes(dicom[:20_000])
    (bad / "text.png").write_text("This is text, whatever the name says.\n")
    (bad / "jpeg-named.dcm").write_bytes(jpeg)
    Image.new("L", (1, 1), 128).save(bad / "one-pixel.png")
    colour(96).save(bad / "colour.png", optimize=True)
    oversized(bad / "oversized.png")


def colour(size: int) -> Image.Image:
    """A colour wheel: plainly no radiograph."""
    y, x = np.mgrid[0:size, 0:size] - size / 2
    hue = (np.arctan2(y, x) / np.pi * 127.5 + 127.5).astype(np.uint8)
    full = np.full_like(hue, 255)
    return Image.fromarray(np.stack([hue, full, full], axis=-1), mode="HSV").convert("RGB")


def oversized(path: Path) -> None:
    """A PNG whose header says 200000x200000: 40 GB of pixels from a few hundred bytes."""
    import struct
    import zlib

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 200_000, 200_000, 8, 0, 0, 0, 0)
    data = zlib.compress(b"\0" * 4096, 9)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b""))


if __name__ == "__main__":
    main()
