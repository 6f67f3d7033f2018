#!/usr/bin/env python3
"""Others' tools as judges of the objects that Hilum writes, and Hilum as the reader of others' objects.

    objects.py [--hilum PATH] [--keep DIR] [--fhir-r4 PYTHON] [FILE...]

Reads FILEs (the samples when none are given) with `--write sr,seg,gsps,sc,pdf,fhir` and holds what was written to
dciodvfy, dsrdump, the standard's tables of modules (as highdicom carries them), highdicom, pydicom and the FHIR models (of R5,
of R4B, and of R4 by a Python that has fhir.resources 6.0, the last one with them); then writes a report and a segmentation
with highdicom and reads them back. A tool that is not installed is named and skipped. Prints one line a check; exit
code 1 when any failed.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAMES = ["sr.dcm", "seg.dcm", "gsps.dcm", "sc.dcm", "pdf.dcm"]
failures: list[str] = []
counts = {"ok": 0}


def check(what: str, holds: bool, detail: str = "") -> bool:
    """Remembers the outcome of one check, and prints it when it failed."""
    if holds:
        counts["ok"] += 1
    else:
        print(f"FAIL {what}{f': {detail}' if detail else ''}")
        failures.append(what)
    return holds


def has(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # the package above it
        return False


def run(*command: object) -> subprocess.CompletedProcess:
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=900, check=False)


def folders(out: Path) -> list[Path]:
    return sorted(p.parent for p in out.rglob("reading.json"))


def timeless(reading: dict) -> dict:
    """Without the wall time, which is not in the objects."""
    reading["provenance"]["elapsed_ms"] = 0
    return reading


def check_dciodvfy(folder: Path) -> None:
    for path in sorted(folder.glob("*.dcm")):
        said = run("dciodvfy", path)
        errors = [line for line in (said.stdout + said.stderr).splitlines() if line.startswith("Error")]
        check(f"{folder.name}/{path.name}: dciodvfy reports no error", not errors, "; ".join(errors[:4]))


def check_dsrdump(folder: Path) -> None:
    said = run("dsrdump", folder / "sr.dcm")
    tree = said.stdout
    errors = [line for line in said.stderr.splitlines() if line.startswith("E:") or "error" in line.lower()]
    holds = said.returncode == 0 and "Imaging Measurement Report" in tree and not errors
    check(f"{folder.name}/sr.dcm: dsrdump shows the tree", holds, said.stderr[:300])
    check(f"{folder.name}/sr.dcm: dsrdump shows the findings", "Pneumothorax" in tree)


def items_at(data_set, path: list[str]):
    """The data sets at a path of sequences; none where a sequence is not there."""
    here = [data_set]
    for keyword in path:
        here = [item for one in here for item in one.get(keyword, [])]
    return here


# Their tables list what any kind of content or any functional group would need; dciodvfy knows which one applies.
BY_CASE = ("sr-document-content", "segmentation-multi-frame-functional-groups")


def check_modules(file: Path) -> None:
    """Every attribute of type 1 and 2 of the mandatory modules, at every depth, and nothing that no module of the object knows."""
    import pydicom
    from highdicom import _standard_utils as standard

    data_set = pydicom.dcmread(file)
    iod = standard.get_sop_class_iod_map()[data_set.SOPClassUID]
    attributes = standard.get_module_attribute_map()
    modules = standard.get_iod_module_map()[iod]
    absent, empty = [], []
    for module in (m["key"] for m in modules if m["usage"] == "M" and m["key"] not in BY_CASE):
        for row in attributes[module]:
            keyword, kind = row["keyword"], row["type"]
            for item in items_at(data_set, row["path"]) if kind in ("1", "2") else []:
                where = ".".join([*row["path"], keyword])
                if keyword not in item:
                    absent.append(where)
                elif kind == "1" and not item.data_element(keyword).VM and not isinstance(item[keyword].value, bytes):
                    empty.append(where)
    known = {row["keyword"] for m in modules for row in attributes[m["key"]] if not row["path"]}
    strange = [e.keyword or str(e.tag) for e in data_set if not e.tag.is_private and e.keyword not in known]
    name = f"{file.parent.name}/{file.name}: {iod}"
    check(f"{name}: attributes of type 1 and 2", not absent, ", ".join(sorted(set(absent))[:6]))
    check(f"{name}: values of type 1", not empty, ", ".join(sorted(set(empty))[:6]))
    check(f"{name}: attributes of its modules only", not strange, ", ".join(strange[:6]))


def check_highdicom(folder: Path) -> None:
    import highdicom as hd
    import numpy as np
    import pydicom
    from PIL import Image

    reading = json.loads((folder / "reading.json").read_text())
    report = hd.sr.srread(str(folder / "sr.dcm")).content
    name = f"{folder.name}/sr.dcm: highdicom"
    groups = report.get_image_measurement_groups()
    by_id = {g.tracking_identifier: g for g in groups}
    lost = []
    for finding in reading["findings"]:
        group = by_id.get(finding["code"])
        if group is None:
            lost.append(finding["code"])
            continue
        numbers = {m.name.value: m.value for m in group.get_measurements()}
        if finding["probability"] is not None and numbers.get("122157") != finding["probability"]:
            lost.append(f"{finding['code']}: {numbers.get('122157')} is not {finding['probability']}")
        presence = {e.name.value: e.value.value for e in group.get_qualitative_evaluations()}.get("121052")
        wanted = {"present": "121053", "absent": "121054"}.get(finding["set"], "121059")
        if presence != wanted:
            lost.append(f"{finding['code']}: presence {presence}")
    check(f"{name} reads every finding with equal values", not lost, "; ".join(lost[:3]))
    lost = []
    for measurement in reading["measurements"]:
        group = by_id.get(measurement["name"])
        values = [m.value for m in group.get_measurements()] if group is not None else []
        # The value itself comes first; its properties are below it.
        if measurement["value"] is not None and (not values or values[0] != measurement["value"]):
            lost.append(f"{measurement['name']}: {values}")
    check(f"{name} reads every measurement with equal values", not lost, "; ".join(lost[:3]))
    planar = {g.tracking_identifier: g for g in report.get_planar_roi_measurement_groups()}
    lost = []
    for region in (r for f in reading["findings"] for r in f["regions"]):
        box = region["box"]
        group = planar.get(region["id"])
        points = group.roi.value if group is not None else np.zeros((0, 2))
        want = [box["x"], box["y"], box["x"] + box["w"], box["y"] + box["h"]]
        got = [*points.min(axis=0), *points.max(axis=0)] if len(points) else []
        if len(got) != 4 or np.abs(np.subtract(want, got)).max() > 1e-3:
            lost.append(f"{region['id']}: {got}")
    check(f"{name} reads every region in its place", not lost, "; ".join(lost[:3]))

    seg_path = folder / "seg.dcm"
    masks = reading["images"][0].get("masks") or {}
    if seg_path.exists():
        seg = hd.seg.segread(str(seg_path))
        labels = [seg.get_segment_description(n).segment_label for n in seg.segment_numbers]
        frames = seg.pixel_array if seg.number_of_segments > 1 else seg.pixel_array[None]
        for label, frame in zip(labels, frames):
            path = masks.get(label.lower())
            if path is None:
                check(f"{folder.name}/seg.dcm: {label} has a mask file", False)
                continue
            mask = np.asarray(Image.open(folder.parent / path)) > 0
            check(f"{folder.name}/seg.dcm: highdicom reads {label} bit for bit", np.array_equal(mask, frame > 0))
    elif any(masks.values()):
        check(f"{folder.name}/seg.dcm is there", False)

    images = [pydicom.dcmread(folder / n) for n in NAMES if (folder / n).exists()]
    check(f"{folder.name}: one study in all objects", len({i.StudyInstanceUID for i in images}) == 1)
    check(f"{folder.name}: one patient in all objects", len({str(i.PatientID) for i in images}) == 1)
    check(f"{folder.name}: instances differ", len({i.SOPInstanceUID for i in images}) == len(images))
    pdf = next(i for i in images if i.Modality == "DOC")
    check(f"{folder.name}/pdf.dcm holds a PDF", bytes(pdf.EncapsulatedDocument).startswith(b"%PDF-"))
    flags = {i.VerificationFlag for i in images if i.Modality == "SR"}
    check(f"{folder.name}/sr.dcm is not verified", flags == {"UNVERIFIED"})


def check_round_trip(hilum: Path, folder: Path) -> None:
    files = [folder / n for n in ("sr.dcm", "seg.dcm") if (folder / n).exists()]
    said = run(hilum, "objects", "read", *files, "--json")
    if not check(f"{folder.name}: read back", said.returncode == 0 and said.stdout.strip() != "", said.stderr[-300:]):
        return
    back = timeless(json.loads(said.stdout.splitlines()[0]))
    whole = timeless(json.loads((folder / "reading.json").read_text()))
    different = [key for key in whole if whole[key] != back.get(key)]
    check(f"{folder.name}: write then read gives an equal reading", not different and back == whole, str(different))


R4 = "import json, sys; from fhir.resources.bundle import Bundle; Bundle.parse_obj(json.load(open(sys.argv[1])))"


def check_fhir(folder: Path, release: str, r4: Path | None) -> None:
    bundle = json.loads((folder / "fhir.json").read_text())
    name = f"{folder.name}/fhir.json ({release})"
    if has("fhir.resources"):
        if release == "r5":
            from fhir.resources.bundle import Bundle
        else:
            from fhir.resources.R4B.bundle import Bundle
        try:
            Bundle.model_validate(bundle)
            check(f"{name} fits the published resources", True)
        except Exception as problem:  # pydantic's, and the models' own
            check(f"{name} fits the published resources", False, str(problem)[:400])
    if release == "r4" and r4 is not None:
        said = run(r4, "-c", R4, folder / "fhir.json")
        check(f"{name} fits the resources of 4.0.1", said.returncode == 0, said.stderr[-400:])
    links = {entry["fullUrl"] for entry in bundle["entry"]}
    check(f"{name}: one entry a resource", len(links) == len(bundle["entry"]))
    text = json.dumps(bundle)
    used = {part.split('"')[0] for part in text.split('"reference": "')[1:]}
    check(f"{name}: every reference is in the bundle", used <= links, str(used - links)[:200])
    reading = json.loads((folder / "reading.json").read_text())
    seen = [e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "Observation"]
    wanted = len(reading["findings"]) + len(reading["measurements"])
    check(f"{name}: an observation for each finding and measurement", len(seen) == wanted)
    unseen = [f for f in reading["findings"] if f["status"] == "not_assessed"]
    absent = [o for o in seen if o.get("dataAbsentReason", {}).get("text", "").startswith("Not assessed")]
    check(f"{name}: what was not assessed has no value", len(absent) >= len(unseen))


def check_foreign(hilum: Path, out: Path, image_path: Path) -> None:
    """A report and a segmentation by highdicom about a sample, read by Hilum."""
    import highdicom as hd
    import numpy as np
    import pydicom
    from highdicom.sr import CodedConcept
    from pydicom.sr.codedict import codes

    image = pydicom.dcmread(image_path)
    for keyword in ("AccessionNumber", "StudyTime", "StudyDate", "StudyID", "PatientBirthDate", "PatientSex"):
        if keyword not in image:
            setattr(image, keyword, None)
    device = hd.sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=hd.sr.DeviceObserverIdentifyingAttributes(
            uid=hd.UID(), name="Another reader", manufacturer_name="Others"
        ),
    )
    algorithm = hd.sr.AlgorithmIdentification(name="other-net", version="2")
    effusion = CodedConcept("60046008", "SCT", "Pleural effusion")
    nodule = CodedConcept("RID50149", "RADLEX", "Pulmonary nodule")
    ratio = CodedConcept("ctr", "99OTHER", "Cardiothoracic ratio")
    source = hd.sr.SourceImageForRegion.from_source_image(image)
    box = np.array([[100.0, 200.0], [300.0, 200.0], [300.0, 260.0], [100.0, 260.0], [100.0, 200.0]])
    groups = [
        hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=hd.sr.TrackingIdentifier(hd.UID(), "effusion"),
            referenced_region=hd.sr.ImageRegion("POLYLINE", box, source),
            finding_type=effusion,
            algorithm_id=algorithm,
            measurements=[
                hd.sr.Measurement(
                    name=CodedConcept("111012", "DCM", "Certainty of Finding"), value=87.5, unit=codes.UCUM.Percent
                )
            ],
        ),
        hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=hd.sr.TrackingIdentifier(hd.UID(), "nodule"),
            referenced_region=hd.sr.ImageRegion("CIRCLE", np.array([[500.0, 300.0], [510.0, 300.0]]), source),
            finding_type=nodule,
        ),
        hd.sr.MeasurementsAndQualitativeEvaluations(
            tracking_identifier=hd.sr.TrackingIdentifier(hd.UID(), "air"),
            finding_type=CodedConcept("36118008", "SCT", "Pneumothorax"),
            qualitative_evaluations=[
                hd.sr.QualitativeEvaluation(
                    CodedConcept("121052", "DCM", "Presence of property"), CodedConcept("121054", "DCM", "Absent")
                )
            ],
        ),
        hd.sr.MeasurementsAndQualitativeEvaluations(
            tracking_identifier=hd.sr.TrackingIdentifier(hd.UID(), "heart"),
            measurements=[hd.sr.Measurement(name=ratio, value=0.47, unit=CodedConcept("{ratio}", "UCUM", "ratio"))],
        ),
    ]
    content = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(observer_device_context=device),
        procedure_reported=CodedConcept("399208008", "SCT", "Plain chest X-ray"),
        imaging_measurements=groups,
    )
    report = hd.sr.ComprehensiveSR(
        evidence=[image],
        content=content,
        series_number=1,
        series_instance_uid=hd.UID(),
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer="Others",
        is_complete=True,
    )
    folder = out / "foreign"
    folder.mkdir()
    report.save_as(folder / "sr.dcm")
    mask = np.zeros((1, image.Rows, image.Columns, 2), np.uint8)
    mask[0, 50:90, 20:40, 0] = 1
    mask[0, 50:90, 60:80, 1] = 1

    def segment(number: int, side: str) -> hd.seg.SegmentDescription:
        return hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=f"{side} lung",
            segmented_property_category=codes.SCT.AnatomicalStructure,
            segmented_property_type=codes.SCT.Lung,
            algorithm_type="MANUAL",
        )

    seg = hd.seg.Segmentation(
        source_images=[image],
        pixel_array=mask,
        segmentation_type="BINARY",
        segment_descriptions=[segment(1, "Right"), segment(2, "Left")],
        series_instance_uid=hd.UID(),
        series_number=2,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer="Others",
        manufacturer_model_name="x",
        software_versions="1",
        device_serial_number="1",
    )
    seg.save_as(folder / "seg.dcm")
    said = run(hilum, "objects", "read", folder / "sr.dcm", folder / "seg.dcm", image_path, "--json", "--out", folder / "back")
    if not check("highdicom's report is read", said.returncode == 0, said.stderr[-400:]):
        return
    reading = json.loads(said.stdout.splitlines()[0])
    found = {f["code"]: f for f in reading["findings"]}
    effusion = found["pleural_effusion"]
    check("highdicom's report: probability in percent", effusion["probability"] == 0.875, str(effusion))
    check("highdicom's report: algorithm", effusion["model"] == "other-net")
    want = {"x": 100.0, "y": 200.0, "w": 200.0, "h": 60.0}
    check("highdicom's report: box", [r["box"] for r in effusion["regions"]] == [want], str(effusion["regions"]))
    want = {"x": 490.0, "y": 290.0, "w": 20.0, "h": 20.0}
    check("highdicom's report: circle", [r["box"] for r in found["nodule"]["regions"]] == [want])
    check("highdicom's report: absence is stated", found["pneumothorax"]["set"] == "absent")
    check("highdicom's report: the rest is not assessed", found["pneumonia"]["status"] == "not_assessed")
    numbers = {m["name"]: (m["value"], m["unit"]) for m in reading["measurements"]}
    check("highdicom's report: measurement", numbers.get("cardiothoracic_ratio") == (0.47, "ratio"), str(numbers))
    check("highdicom's segmentation: mask file", reading["images"][0]["masks"]["lungs"] is not None)
    from PIL import Image

    lungs = np.asarray(Image.open(folder / "back" / reading["images"][0]["masks"]["lungs"])) > 0
    check("highdicom's segmentation: both lungs in one mask", np.array_equal(lungs, mask[0].any(axis=-1)))
    alone = run(hilum, "objects", "read", folder / "sr.dcm", "--json")
    refused = alone.returncode == 1 and "name its file too" in alone.stderr
    check("a report without its image is refused with the reason", refused, alone.stderr[-300:])


def check_same_twice(hilum: Path, image: Path, first: Path) -> None:
    """A dated study gives the same bytes again."""
    with tempfile.TemporaryDirectory() as again:
        run(hilum, "read", image, "--out", again, "--write", "sr,seg,gsps,sc,pdf,fhir", "--no-progress")
        folder = next(iter(folders(Path(again))), None)
        if not check("the sample is read again", folder is not None):
            return
        # Paths of masks are relative, so nothing in the objects depends on the output folder.
        other = first / folder.name
        names = [*NAMES, "fhir.json"]
        differ = [n for n in names if (folder / n).read_bytes() != (other / n).read_bytes()]
        check("the same study gives the same bytes", not differ, str(differ))


def with_spacing(image_path: Path, folder: Path) -> Path:
    """A copy of a sample that states its spacing at the patient, as a study of its own."""
    import pydicom
    from pydicom.uid import generate_uid

    image = pydicom.dcmread(image_path)
    image.PixelSpacing = [0.4, 0.4]
    image.StudyInstanceUID, image.SeriesInstanceUID = (generate_uid(entropy_srcs=[image_path.name, part]) for part in ("study", "series"))
    image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[image_path.name, "image"])
    path = folder / "with-spacing.dcm"
    image.save_as(path)
    return path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fhir-r4", type=Path, help="Python with fhir.resources 6.0 and pydantic 1")
    parser.add_argument("--hilum", type=Path, default=ROOT / "target" / "release" / "hilum")
    parser.add_argument("--keep", type=Path, help="folder for what was written")
    parser.add_argument("files", nargs="*", type=Path)
    arguments = parser.parse_args()
    samples = sorted((ROOT / "samples" / "images").iterdir())
    files = arguments.files or samples
    out = arguments.keep or Path(tempfile.mkdtemp(prefix="hilum-objects-"))
    out.mkdir(parents=True, exist_ok=True)
    missing = [t for t in ("dciodvfy", "dsrdump") if shutil.which(t) is None]
    missing += [m for m in ("highdicom", "fhir.resources") if not has(m)]
    for tool in missing:
        print(f"skipped: {tool} is not installed")
    if not arguments.files and "highdicom" not in missing:
        files = [*samples, with_spacing(ROOT / "samples" / "images" / "adult-pa.dcm", out)]
    for release in ("r4", "r5"):
        said = run(
            arguments.hilum, "read", *files, "--out", out, "--write", "sr,seg,gsps,sc,pdf,fhir", "--fhir", release,
            "--no-progress",
        )
        check(f"read --write ({release}): exit code", said.returncode in (0, 1), said.stderr[-300:])
        for folder in folders(out):
            check_fhir(folder, release, arguments.fhir_r4)
    for folder in folders(out):
        if "dciodvfy" not in missing:
            check_dciodvfy(folder)
        if "dsrdump" not in missing:
            check_dsrdump(folder)
        if "highdicom" not in missing:
            # A study without masks has no segmentation.
            for file in (folder / name for name in NAMES):
                if file.exists():
                    check_modules(file)
            check_highdicom(folder)
        check_round_trip(arguments.hilum, folder)
    dated = ROOT / "samples" / "images" / "adult-pa.dcm"
    if not arguments.files:
        check_same_twice(arguments.hilum, dated, out)
    if "highdicom" not in missing:
        check_foreign(arguments.hilum, out, dated)
    if arguments.keep is None:
        shutil.rmtree(out)
    print(f"{counts['ok']} checks hold, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
