#!/usr/bin/env python3
"""Wraps an 8-bit image into a DICOM CR file with made-up patient data.

    make_dicom.py IMAGE OUT.dcm [--monochrome1] [--size COLUMNS ROWS] [--bits 12|16]

Needs pydicom, numpy and Pillow. Same input, same file, byte for byte. The stored values are the grey
levels stretched to the number of bits, with a window over their range. No pixel spacing is written:
that of the original film is not known, and a made-up one would turn into made-up millimetres.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian


def grey_levels(path: Path, size: tuple[int, int] | None, bits: int) -> np.ndarray:
    """Stored values, `uint16 [rows, columns]`. Enlarged images get the sub-level detail that a
    detector would have from a fixed noise of half a grey level, so they do not compress to nothing."""
    image = Image.open(path).convert("L")
    levels = np.asarray(image, dtype=np.float64)
    if size:
        wide = Image.fromarray(levels.astype(np.float32), mode="F").resize(size, Image.Resampling.BICUBIC)
        noise = np.random.default_rng(1895).uniform(-0.5, 0.5, (size[1], size[0]))
        levels = np.asarray(wide, dtype=np.float64) + noise
    top = (1 << bits) - 1
    return np.clip(np.rint(levels * top / 255.0), 0, top).astype(np.uint16)


def uid(*parts: str) -> str:
    """A UID below 2.25 made from a hash, so that the file can be made again."""
    digest = hashlib.sha256("/".join(parts).encode()).digest()[:15]
    return f"2.25.{int.from_bytes(digest, 'big')}"


def dataset(pixels: np.ndarray, bits: int, monochrome1: bool, name: str, view: str) -> FileDataset:
    """A CR data set around the stored values."""
    key = hashlib.sha256(pixels.tobytes()).hexdigest() + ("-monochrome1" if monochrome1 else "")
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
    meta.MediaStorageSOPInstanceUID = uid(key, "instance")
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = uid("hilum samples")
    ds = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    describe(ds, key, name, view)
    ds.SOPClassUID, ds.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    ds.Rows, ds.Columns = pixels.shape
    ds.SamplesPerPixel, ds.PixelRepresentation = 1, 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, bits, bits - 1
    ds.WindowCenter, ds.WindowWidth = 1 << (bits - 1), 1 << bits
    ds.PhotometricInterpretation = "MONOCHROME1" if monochrome1 else "MONOCHROME2"
    stored = ((1 << bits) - 1 - pixels) if monochrome1 else pixels
    ds.PixelData = stored.astype("<u2").tobytes()
    return ds


def describe(ds: Dataset, key: str, name: str, view: str) -> None:
    """Patient, study and series: made up, and said to be."""
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.ImageType = ["DERIVED", "PRIMARY"]
    ds.Modality, ds.Manufacturer = "CR", ""
    ds.ImageComments = "Made from a freely licensed image, see samples/README.md. Not a patient."
    ds.PatientName, ds.PatientID = f"SAMPLE^{name.upper()}", f"SAMPLE-{name.upper()}"
    ds.PatientBirthDate, ds.PatientSex, ds.PatientAge = "19500101", "O", "070Y"
    ds.StudyDate, ds.StudyTime, ds.AccessionNumber = "20200101", "120000", ""
    ds.StudyID, ds.SeriesNumber, ds.InstanceNumber = "1", 1, 1
    ds.StudyDescription, ds.ReferringPhysicianName = "Chest", ""
    ds.BodyPartExamined, ds.ViewPosition, ds.PatientOrientation = "CHEST", view, ["L", "F"]
    ds.StudyInstanceUID, ds.SeriesInstanceUID = uid(key, "study"), uid(key, "series")
    ds.PatientIdentityRemoved = "YES"
    ds.DeidentificationMethod = "the patient data are made up"


def write(
    image: Path, out: Path, size=None, bits: int = 12, monochrome1: bool = False, name: str = "adult", view: str = "PA"
) -> None:
    """Makes one file."""
    pixels = grey_levels(image, size, bits)
    pydicom.dcmwrite(out, dataset(pixels, bits, monochrome1, name, view), enforce_file_format=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("image", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--monochrome1", action="store_true", help="store inverted, bone dark")
    parser.add_argument("--size", type=int, nargs=2, metavar=("COLUMNS", "ROWS"))
    parser.add_argument("--bits", type=int, choices=[12, 16], default=12)
    parser.add_argument("--name", default="adult", help="family name of the made-up patient")
    parser.add_argument("--view", default="PA")
    o = parser.parse_args()
    write(o.image, o.out, tuple(o.size) if o.size else None, o.bits, o.monochrome1, o.name, o.view)


if __name__ == "__main__":
    main()
