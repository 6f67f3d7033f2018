#!/usr/bin/env python3
"""Hilum and the programs of a hospital: Orthanc with its DICOMweb plugin, DCMTK, pynetdicom, dicomweb-client.

    peers.py [--hilum PATH] [--files DIR] [--phantoms N] [--only WORD,...] [--keep DIR]

Starts Orthanc and `hilum listen` on loopback, each with a folder and ports of its own, and ends them by their process id.
Parts: `ingest` (storescu of every file of DIR and of N made films into Hilum, with a table of what was refused and why), `network`
(C-STORE, C-FIND, C-MOVE and C-GET both ways), `web` (QIDO-RS, WADO-RS and STOW-RS both ways), `reading` (what is received
is read, and the results appear in Orthanc by C-STORE and by STOW-RS), `results` (storescu of every file of DIR and of N made films;
what became of each study, and whether every result is in Orthanc once), `priors` (fetched from Orthanc both ways).
A program or module that is not installed is named, and what needs it is skipped. Prints one line a check that failed;
exit code 1 when any did.
"""

from __future__ import annotations

import argparse
import collections
import csv
import datetime
import importlib.util
import json
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Debian puts it where only root looks.
ORTHANC = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin")
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
UID = "1.2.826.0.1.3680043.9.7.7"
failures: list[str] = []
counts = {"ok": 0, "skipped": 0}


def check(what: str, holds: bool, detail: object = "") -> bool:
    """Remembers the outcome of one check, and prints it when it failed."""
    if holds:
        counts["ok"] += 1
    else:
        print(f"FAIL {what}{f': {str(detail)[:600]}' if detail else ''}", flush=True)
        failures.append(what)
    return holds


def skip(what: str, why: str) -> None:
    counts["skipped"] += 1
    print(f"skipped: {what}: {why}", flush=True)


def has(*modules: str) -> bool:
    return all(importlib.util.find_spec(m) is not None for m in modules)


def run(*command: object, timeout: float = 300) -> subprocess.CompletedProcess:
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=timeout, check=False)


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def until(what, seconds: float = 60):
    """The first true value of `what()`, or the last one."""
    end = time.monotonic() + seconds
    while True:
        value = what()
        if value or time.monotonic() > end:
            return value
        time.sleep(0.2)


def get(url: str, data: bytes | None = None, accept: str = "application/json", kind: str = "application/json"):
    headers = {"accept": accept} | ({"content-type": kind} if data is not None else {})
    with urllib.request.urlopen(urllib.request.Request(url, data=data, headers=headers), timeout=60) as answer:
        body = answer.read()
    return json.loads(body) if body else None


def post(url: str, value) -> object:
    return get(url, json.dumps(value).encode())


class Orthanc:
    """Orthanc with its DICOMweb plugin."""

    def __init__(self, folder: Path, hilum_port: int, hilum_http: int) -> None:
        folder.mkdir()
        self.port, self.http = free_port(), free_port()
        settings = {
            "Name": "PEER",
            "StorageDirectory": str(folder),
            "IndexDirectory": str(folder),
            "DicomAet": "ORTHANC",
            "DicomPort": self.port,
            "HttpPort": self.http,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomAlwaysAllowStore": True,
            "DicomAlwaysAllowEcho": True,
            "DicomAlwaysAllowFind": True,
            "DicomAlwaysAllowGet": True,
            "DicomAlwaysAllowMove": True,
            "DicomCheckModalityHost": False,
            "DicomModalities": {"hilum": ["HILUM", "127.0.0.1", hilum_port]},
            "Plugins": [str(PLUGIN)],
            "DicomWeb": {"Enable": True, "Servers": {"hilum": [f"http://127.0.0.1:{hilum_http}/dicom-web/", "", ""]}},
        }
        path = folder / "orthanc.json"
        path.write_text(json.dumps(settings))
        self.log = (folder / "log").open("w")
        self.process = subprocess.Popen([ORTHANC, str(path)], stdout=self.log, stderr=self.log)
        self.rest = f"http://127.0.0.1:{self.http}"
        self.web = f"{self.rest}/dicom-web"
        if not until(self.answers, 30):
            raise RuntimeError("Orthanc does not answer")

    def answers(self) -> bool:
        try:
            return bool(get(f"{self.rest}/system"))
        except OSError:
            return False

    def instances(self, **query: str) -> list[dict]:
        """What it has, by values of tags."""
        body = {"Level": "Instance", "Expand": True, "Query": query or {"PatientID": "*"}}
        return post(f"{self.rest}/tools/find", body)

    def stop(self) -> None:
        end(self.process)
        self.log.close()


class Hilum:
    """`hilum listen`."""

    def __init__(self, binary: Path, folder: Path, port: int, http: int, config: str = "") -> None:
        folder.mkdir(exist_ok=True)
        self.binary, self.store, self.port = binary, folder / "store", port
        self.web = f"http://127.0.0.1:{http}/dicom-web"
        path = folder / "hilum.toml"
        path.write_text(f"[node]\naet = \"HILUM\"\nport = {port}\n[http]\nport = {http}\n{config}")
        self.config = path
        self.err = (folder / "err").open("w")
        self.process = subprocess.Popen(
            [binary, "listen", "--config", path, "--store", self.store, "--log", "info"],
            stdout=subprocess.PIPE, stderr=self.err, text=True,
        )
        for line in self.process.stdout:
            if line.strip() == "listening":
                return
        raise RuntimeError(f"hilum listen ended: {(folder / 'err').read_text()}")

    def readings(self) -> dict[str, dict]:
        found = {}
        for path in self.store.glob("readings/*/reading.json"):
            try:
                found[path.parent.name] = json.loads(path.read_text())
            except json.JSONDecodeError:  # being written
                pass
        return found

    def audit(self) -> str:
        return (self.store / "audit.xml").read_text()

    def stop(self) -> str:
        """Its table of what was done."""
        self.process.send_signal(signal.SIGTERM)
        table, _ = self.process.communicate(timeout=60)
        self.err.close()
        return table


def end(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def peers(binary: Path, folder: Path, config=lambda orthanc: ""):
    """Both, knowing of each other. `config` says what Hilum's configuration has besides its ports."""
    port, http = free_port(), free_port()
    folder.mkdir()
    orthanc = Orthanc(folder / "orthanc", port, http)
    try:
        hilum = Hilum(binary, folder / "hilum", port, http, config(orthanc))
        try:
            yield hilum, orthanc
        finally:
            if hilum.process.poll() is None:
                hilum.stop()
    finally:
        orthanc.stop()


def films(binary: Path, folder: Path, count: int) -> list[Path]:
    """Made films as computed radiographs: studies of a patient follow each other by the days of the set."""
    import numpy
    import pydicom
    from PIL import Image
    from pydicom.uid import ExplicitVRLittleEndian

    command = (binary, "phantom", "--n", count, "--seed", 7, "--out", folder / "set", "--size", 256, "--frontal-only")
    made = run(*command, timeout=300 + 5 * count)
    if made.returncode:
        raise RuntimeError(made.stderr)
    out = []
    with (folder / "set" / "manifest.csv").open() as rows:
        for n, row in enumerate(csv.DictReader(rows), 1):
            notes = dict(p.split("=", 1) for p in row["notes"].split(";") if "=" in p)
            day = datetime.date(2024, 1, 1) + datetime.timedelta(days=int(notes.get("day", 0)))
            pixels = numpy.asarray(Image.open(folder / "set" / row["path"]).convert("L")).astype(numpy.uint16) * 16
            d = pydicom.Dataset()
            d.SOPClassUID, d.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1", f"{UID}.3.{n}"
            d.StudyInstanceUID, d.SeriesInstanceUID = f"{UID}.1.{n}", f"{UID}.2.{n}"
            d.PatientID, d.PatientName = row["patient_id"], f"Made^{row['patient_id']}"
            d.PatientBirthDate, d.PatientSex = "19600101", row["sex"] or "O"
            d.StudyDate, d.StudyTime, d.AccessionNumber, d.StudyID = f"{day:%Y%m%d}", "101500", f"A{n}", str(n)
            d.ReferringPhysicianName, d.Modality, d.BodyPartExamined = "", "CR", "CHEST"
            d.ViewPosition, d.PatientOrientation = row["view"] or "PA", ["L", "F"]
            d.SeriesNumber, d.InstanceNumber = 1, 1
            d.SamplesPerPixel, d.PhotometricInterpretation = 1, "MONOCHROME2"
            d.Rows, d.Columns = pixels.shape
            d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = 16, 12, 11, 0
            d.ImagerPixelSpacing = [1.4, 1.4]
            d.PixelData = pixels.tobytes()
            d.file_meta = pydicom.dataset.FileMetaDataset()
            d.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            path = folder / f"{n:04}.dcm"
            d.save_as(path, enforce_file_format=True)
            out.append(path)
    return out


def storescu(hilum: Hilum, path: Path, *more: str) -> subprocess.CompletedProcess:
    return run("storescu", "-v", "-aec", "HILUM", *more, "127.0.0.1", hilum.port, path, timeout=60)


def outcome_of(sent: subprocess.CompletedProcess) -> tuple[str, str]:
    """(sent, refused or not sent, why) of what storescu says."""
    text = sent.stdout + sent.stderr
    if sent.returncode == 0 and "Received Store Response (Success)" in text:
        return "stored", ""
    refused = re.search(r"Received Store Response \((?:Unknown )?(?:Status: )?([^)]*)\)", text)
    if refused:
        return "refused", refused.group(1)
    lines = [line for line in text.splitlines() if line.startswith(("E:", "F:"))]
    why = re.sub(r"/\S+", "FILE", lines[-1][3:].strip()) if lines else f"exit code {sent.returncode}"
    return "not sent by storescu", why[:90]


# The transfer syntax of a file, and how storescu is told to offer it.
OFFERS = {
    "1.2.840.10008.1.2": "-xi", "1.2.840.10008.1.2.1": "-xe", "1.2.840.10008.1.2.2": "-xb", "1.2.840.10008.1.2.1.99": "-xd",
    "1.2.840.10008.1.2.4.50": "-xy", "1.2.840.10008.1.2.4.51": "-xx", "1.2.840.10008.1.2.4.57": "-xs",
    "1.2.840.10008.1.2.4.70": "-xs", "1.2.840.10008.1.2.4.80": "-xt", "1.2.840.10008.1.2.4.81": "-xu",
    "1.2.840.10008.1.2.4.90": "-xv", "1.2.840.10008.1.2.4.91": "-xw", "1.2.840.10008.1.2.5": "-xr",
}


def syntax_of(path: Path) -> str:
    """(0002,0010) of a file, found by its bytes."""
    head = path.read_bytes()[:2048]
    at = head.find(b"\x02\x00\x10\x00UI")
    if head[128:132] != b"DICM" or at < 0:
        return ""
    length = int.from_bytes(head[at + 6 : at + 8], "little")
    return head[at + 8 : at + 8 + length].rstrip(b"\0 ").decode("ascii", "replace")


def send_all(hilum: Hilum, files: Path, made: list[Path]) -> collections.Counter:
    """Every file by a storescu of its own: how many of which fate, (where from, what became of it, why)."""
    table: collections.Counter = collections.Counter()
    given = sorted(p for p in files.rglob("*") if p.is_file()) if files.is_dir() else []
    if not given:
        skip("files of the data folder", f"{files} is not there")
    for path in given:
        offer = OFFERS.get(syntax_of(path))
        what, why = outcome_of(storescu(hilum, path, *([offer] if offer else ["-R"])))
        table["data", what, why] += 1
    for path in made:
        what, why = outcome_of(storescu(hilum, path))
        table["made", what, why] += 1
    return table


def ingest(binary: Path, folder: Path, files: Path, made: list[Path]) -> None:
    folder.mkdir()
    hilum = Hilum(binary, folder, free_port(), free_port())
    try:
        table = send_all(hilum, files, made)
        stored = sum(n for (_, what, _), n in table.items() if what == "stored")
        found = run(binary, "find", f"HILUM@127.0.0.1:{hilum.port}", "--level", "image", "--json", "--limit", 100000)
        uids = {json.loads(line)["00080018"]["Value"][0] for line in found.stdout.splitlines()}
        check("everything that was acknowledged is found", 0 < len(uids) <= stored, f"{len(uids)} of {stored}")
        check("every made film is stored", table["made", "stored", ""] == len(made), table)
    finally:
        said = hilum.stop()
    for (where, what, why), n in sorted(table.items()):
        print(f"  {where:5} {what:21} {n:5}  {why}")
    refused = sum(n for (_, what, _), n in table.items() if what == "refused")
    numbers = [int(line.split()[-1]) for line in said.splitlines() if line.startswith("refused")]
    check("what was refused is in the listener's own table", sum(numbers) == refused, said)
    for line in said.splitlines():
        print(f"  hilum: {line}")


def network(binary: Path, folder: Path, made: list[Path]) -> None:
    def reader(orthanc):
        return f"[[destination]]\nname = \"pacs\"\naet = \"ORTHANC\"\nhost = \"127.0.0.1\"\nport = {orthanc.port}\n"

    with peers(binary, folder, reader) as (hilum, orthanc):
        to_orthanc, to_hilum = f"ORTHANC@127.0.0.1:{orthanc.port}", f"HILUM@127.0.0.1:{hilum.port}"
        check("C-ECHO of Orthanc", run(binary, "echo", to_orthanc).returncode == 0)
        sent = run(binary, "send", to_orthanc, *made[:4])
        check("hilum send to Orthanc", sent.returncode == 0 and len(orthanc.instances()) == 4, sent.stderr)
        rows = run(binary, "find", to_orthanc, "PatientID=*", "--json").stdout.splitlines()
        check("hilum find at Orthanc", len(rows) == 4, rows)
        moved = run(binary, "move", to_orthanc, "--to", "HILUM", f"StudyInstanceUID={UID}.1.1", "--json")
        check("hilum move has Orthanc send", moved.returncode == 0, moved.stdout + moved.stderr)
        rows = run(binary, "find", to_hilum, "--level", "image", "--json").stdout.splitlines()
        check("what Orthanc sent is here", len(rows) == 1, rows)
        # The other way round, asked by Orthanc.
        check("C-ECHO by Orthanc", post(f"{orthanc.rest}/modalities/hilum/echo", {}) == {})
        ids = [i["ID"] for i in orthanc.instances()]
        stored = post(f"{orthanc.rest}/modalities/hilum/store", ids)
        check("C-STORE by Orthanc", stored["FailedInstancesCount"] == 0, stored)
        check("storescu", outcome_of(storescu(hilum, made[4])) == ("stored", ""))
        asked = post(f"{orthanc.rest}/modalities/hilum/query", {"Level": "Study", "Query": {"PatientID": "*"}})
        answers = get(f"{orthanc.rest}/queries/{asked['ID']}/answers")
        check("C-FIND by Orthanc", len(answers) == 5, answers)
        before = len(orthanc.instances())
        post(f"{orthanc.rest}/queries/{asked['ID']}/retrieve", {"TargetAet": "ORTHANC", "Synchronous": True})
        check("C-MOVE by Orthanc", until(lambda: len(orthanc.instances()) == before + 1, 20))
        if not has("pynetdicom"):
            return skip("pynetdicom", "not installed")
        by_pynetdicom(hilum, made)


def by_pynetdicom(hilum: Hilum, made: list[Path]) -> None:
    from pydicom import Dataset, dcmread
    from pynetdicom import AE
    from pynetdicom.sop_class import (
        ComputedRadiographyImageStorage,
        StudyRootQueryRetrieveInformationModelFind,
        Verification,
    )

    caller = AE("TESTER")
    for context in (Verification, ComputedRadiographyImageStorage, StudyRootQueryRetrieveInformationModelFind):
        caller.add_requested_context(context)
    association = caller.associate("127.0.0.1", hilum.port, ae_title="HILUM")
    if not check("pynetdicom makes an association", association.is_established):
        return
    check("pynetdicom C-ECHO", association.send_c_echo().Status == 0)
    # One that is not here yet: it comes in another transfer syntax, which makes it another object.
    check("pynetdicom C-STORE", association.send_c_store(dcmread(made[9])).Status == 0)
    asked = Dataset()
    asked.QueryRetrieveLevel, asked.PatientID, asked.StudyInstanceUID = "STUDY", "", f"{UID}.1.1"
    answers = list(association.send_c_find(asked, StudyRootQueryRetrieveInformationModelFind))
    pending = [i for s, i in answers if s.Status in (0xFF00, 0xFF01)]
    right = len(pending) == 1 and pending[0].PatientID == dcmread(made[0]).PatientID
    check("pynetdicom C-FIND", right and answers[-1][0].Status == 0, answers)
    association.release()


def web(binary: Path, folder: Path, made: list[Path]) -> None:
    with peers(binary, folder) as (hilum, orthanc):
        sent = run(binary, "send", orthanc.web, *made[:3])
        check("STOW-RS to Orthanc", sent.returncode == 0 and len(orthanc.instances()) == 3, sent.stderr + sent.stdout)
        ids = [i["ID"] for i in orthanc.instances()]
        answer = post(f"{orthanc.rest}/dicom-web/servers/hilum/stow", {"Resources": ids, "Synchronous": True})
        rows = get(f"{hilum.web}/instances", accept="application/dicom+json")
        check("STOW-RS by Orthanc", rows is not None and len(rows) == 3, answer)
        sent = run(binary, "send", f"HILUM@127.0.0.1:{hilum.port}", *made[3:6])
        check("hilum send to itself", sent.returncode == 0, sent.stderr)
        # Orthanc answers with the body of ours, whatever it is.
        rows = post(f"{orthanc.rest}/dicom-web/servers/hilum/qido", {"Uri": "/studies", "Arguments": {"limit": "10"}})
        check("QIDO-RS by Orthanc", isinstance(rows, list) and len(rows) == 6, rows)
        resources = [{"Study": f"{UID}.1.{n}"} for n in (4, 5, 6)]
        post(f"{orthanc.rest}/dicom-web/servers/hilum/retrieve", {"Resources": resources, "Synchronous": True})
        check("WADO-RS by Orthanc", until(lambda: len(orthanc.instances()) == 6, 20))
        same_pixels(hilum, orthanc)
        if not has("dicomweb_client", "pydicom"):
            return skip("dicomweb-client", "not installed")
        by_dicomweb_client(hilum, made)


def same_pixels(hilum: Hilum, orthanc: Orthanc) -> None:
    """Both servers describe and hand out the same object."""
    path = f"/studies/{UID}.1.1/series/{UID}.2.1/instances/{UID}.3.1"
    ours, theirs = (get(f"{base}{path}/metadata", accept="application/dicom+json")[0] for base in (hilum.web, orthanc.web))
    differing = [
        tag for tag in ("00080018", "00100010", "00100020", "00280010", "00280011", "00181164", "00080020")
        if ours.get(tag, {}).get("Value") != theirs.get(tag, {}).get("Value")
    ]
    check("the same metadata as Orthanc", not differing, differing)


def by_dicomweb_client(hilum: Hilum, made: list[Path]) -> None:
    import numpy
    from dicomweb_client.api import DICOMwebClient
    from pydicom import dcmread

    client = DICOMwebClient(url=hilum.web)
    client.store_instances(datasets=[dcmread(p) for p in made[6:8]])
    check("dicomweb-client stores and searches", len(client.search_for_studies(limit=100)) == 8)
    ids = [f"{UID}.{kind}.7" for kind in (1, 2, 3)]
    back, original = client.retrieve_instance(*ids), dcmread(made[6])
    check("dicomweb-client retrieves", numpy.array_equal(back.pixel_array, original.pixel_array))
    frame = client.retrieve_instance_frames(*ids, [1])[0]
    check("dicomweb-client retrieves frames", frame == original.PixelData)
    picture = client.retrieve_instance_rendered(*ids, media_types=("image/png",))
    check("dicomweb-client retrieves a picture", picture[:4] == b"\x89PNG")
    check("dicomweb-client retrieves metadata", client.retrieve_instance_metadata(*ids)["00100020"]["Value"])


READ = "[send]\nbackoff_s = 1\nmax_backoff_s = 2\n[read]\nsettle_s = 0\nbackoff_s = 1\nobjects = [\"sr\", \"seg\"]\n"


def destinations(orthanc: Orthanc) -> str:
    return (
        f"[[destination]]\nname = \"pacs\"\naet = \"ORTHANC\"\nhost = \"127.0.0.1\"\nport = {orthanc.port}\n"
        f"[[destination]]\nname = \"web\"\nurl = \"{orthanc.web}\"\n"
    )


def reading(binary: Path, folder: Path, films_: list[Path]) -> None:
    def config(orthanc):
        rules = "".join(
            f"[[rule]]\nname = \"{to}\"\ncalling_aet = [\"{caller}\"]\nsend_to = [\"{to}\"]\n"
            for caller, to in (("ROOM1", "pacs"), ("ROOM2", "web"))
        )
        return READ + rules + destinations(orthanc)

    with peers(binary, folder, config) as (hilum, orthanc):
        doctor = run(binary, "doctor", "--config", hilum.config)
        check("hilum doctor reaches Orthanc both ways", doctor.stdout.count(" answers") == 2, doctor.stdout)
        for caller, path in zip(("ROOM1", "ROOM2"), films_):
            check("storescu", outcome_of(storescu(hilum, path, "-aet", caller)) == ("stored", ""))
        for caller, path, n in zip(("C-STORE", "STOW-RS"), films_, study_numbers(films_)):
            def classes():
                return sorted(i["MainDicomTags"].get("SOPInstanceUID", "") for i in orthanc.instances(StudyInstanceUID=n))

            until(lambda: len(classes()) >= 2, 90)
            check(f"report and segmentation reach Orthanc by {caller}", len(classes()) == 2, hilum.audit()[-1500:])
        check("nothing is put aside", "EventOutcomeIndicator=\"8\"" not in hilum.audit(), hilum.audit()[-1500:])


def gate_of(reading_: dict) -> str:
    """Whether a study was found fit to be read, and why not."""
    why = sorted({r["code"] for r in reading_["gate"]["reasons"] if r["blocking"]})
    return "analysable" if reading_["gate"]["analysable"] else f"not analysable: {', '.join(why)}"


def results(binary: Path, folder: Path, files: Path, made: list[Path]) -> None:
    """Everything that comes is read, and its results go to Orthanc: a table of what became of each study."""

    def config(orthanc):
        return f"{READ}[[rule]]\nname = \"all\"\nsend_to = [\"pacs\"]\n{destinations(orthanc)}"

    with peers(binary, folder, config) as (hilum, orthanc):
        start = time.monotonic()
        table = send_all(hilum, files, made)
        index = hilum.store / "index.sqlite"

        def count(sql: str) -> list[tuple]:
            with sqlite3.connect(f"file:{index}?mode=ro", uri=True, timeout=30) as db:
                found = db.execute(sql).fetchall()
            db.close()
            return found

        def ended() -> bool:
            work = count("SELECT COUNT(*) FROM jobs WHERE state NOT IN ('done', 'dead')")
            post_ = count("SELECT COUNT(*) FROM outbox WHERE state NOT IN ('sent', 'dead')")
            return work == [(0,)] and post_ == [(0,)]

        check("all work ends", until(ended, 60 + 3 * sum(table.values())), count("SELECT kind, state, COUNT(*) FROM jobs GROUP BY 1, 2"))
        seconds = time.monotonic() - start
        studies = count("SELECT COUNT(*) FROM studies")[0][0]
        for state, error, n in count("SELECT state, error, COUNT(*) FROM jobs WHERE kind = 'read' GROUP BY 1, 2 ORDER BY 3 DESC"):
            print(f"  jobs {state:8} {n:5}  {re.sub(r'/[^ :]+', 'FILE', error)[:150]}")
        answers = collections.Counter(gate_of(r) for r in hilum.readings().values())
        for answer, n in sorted(answers.items()):
            print(f"  readings {n:5}  {answer}")
        sent = {uid for (uid,) in count("SELECT sop_uid FROM outbox WHERE state = 'sent'")}
        there = [i["MainDicomTags"]["SOPInstanceUID"] for i in orthanc.instances()]
        print(f"  {studies} studies, {len(sent)} results in Orthanc, {seconds:.0f} s from the first file to the last result")
        check("what Orthanc has is what was sent, each once", sorted(sent) == sorted(there), f"{len(sent)} sent, {len(there)} there")
        numbers = study_numbers(made)
        without = [n for n in numbers if len(orthanc.instances(StudyInstanceUID=n)) == 0]
        check("every made film has results in Orthanc", not without, f"{len(without)} have none: {without[:3]}")
        check("nothing is put aside", count("SELECT COUNT(*) FROM outbox WHERE state = 'dead'") == [(0,)])


def study_numbers(paths: list[Path]) -> list[str]:
    from pydicom import dcmread

    return [str(dcmread(p, stop_before_pixels=True).StudyInstanceUID) for p in paths]


def priors(binary: Path, folder: Path, source: str, sample: Path) -> None:
    """Two earlier studies are in Orthanc, one of another patient too; today's comes to Hilum."""
    from pydicom import dcmread

    def config(orthanc):
        return f"{READ}[priors]\nfrom = [\"{source}\"]\n[[rule]]\nname = \"all\"\nmodality = [\"CR\"]\n{destinations(orthanc)}"

    def film(n: int, patient: str, date: str) -> Path:
        d = dcmread(sample)
        d.PatientID, d.StudyDate, d.StudyTime = patient, date, "080000"
        d.StudyInstanceUID, d.SeriesInstanceUID, d.SOPInstanceUID = (f"{UID}.9.{kind}.{n}" for kind in (1, 2, 3))
        d.file_meta.MediaStorageSOPInstanceUID = d.SOPInstanceUID
        path = folder.parent / f"{source}-{n}.dcm"
        d.save_as(path, enforce_file_format=True)
        return path

    with peers(binary, folder, config) as (hilum, orthanc):
        earlier = [film(1, "SAME", "20230101"), film(2, "SAME", "20240101"), film(3, "OTHER", "20240101")]
        sent = run(binary, "send", f"ORTHANC@127.0.0.1:{orthanc.port}", *earlier)
        check("the earlier studies are in Orthanc", sent.returncode == 0, sent.stderr)
        check("storescu", outcome_of(storescu(hilum, film(4, "SAME", "20250101"))) == ("stored", ""))
        want = {f"{UID}.9.1.{n}" for n in (1, 2, 4)}
        until(lambda: want <= set(hilum.readings()), 90)
        check(f"priors from {source} are fetched and read", set(hilum.readings()) == want, hilum.audit()[-3000:])
        check(f"one search at {source}", hilum.audit().count("search for priors: ") == 1, hilum.audit()[-3000:])


PARTS = ("ingest", "network", "web", "reading", "results", "priors")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hilum", type=Path, default=ROOT / "target/release/hilum", help="the binary")
    parser.add_argument("--files", type=Path, default=ROOT.parent / "shared/data/dicom", help="DICOM files of all kinds")
    parser.add_argument("--phantoms", type=int, default=12, help="made films")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas")
    parser.add_argument("--keep", type=Path, help="folder that keeps everything, logs too")
    args = parser.parse_args()
    parts = set(args.only.split(","))
    if unknown := parts - set(PARTS):
        parser.error(f"unknown parts: {', '.join(sorted(unknown))}")
    if not has("numpy", "PIL", "pydicom"):
        skip("everything", "numpy, pillow and pydicom are needed for the films")
        return 0
    orthanc = ORTHANC is not None and PLUGIN.is_file()
    for part in PARTS:
        if part in parts and part != "ingest" and not orthanc:
            skip(part, "Orthanc with its DICOMweb plugin is not installed (Debian: orthanc, orthanc-dicomweb)")
            parts.discard(part)
    if not shutil.which("storescu"):
        skip("everything", "storescu is not installed (Debian: dcmtk)")
        return 0
    with tempfile.TemporaryDirectory(prefix="hilum-peers-") as made:
        base = args.keep or Path(made)
        base.mkdir(parents=True, exist_ok=True)
        (base / "films").mkdir()
        paths = films(args.hilum, base / "films", max(args.phantoms, 10))
        samples = sorted((ROOT / "samples/images").glob("*.dcm"))
        start = time.monotonic()
        calls = {
            "ingest": [lambda: ingest(args.hilum, base / "ingest", args.files, paths)],
            "network": [lambda: network(args.hilum, base / "network", paths)],
            "web": [lambda: web(args.hilum, base / "web", paths)],
            "reading": [lambda: reading(args.hilum, base / "reading", samples[:2])],
            "results": [lambda: results(args.hilum, base / "results", args.files, paths)],
            "priors": [
                lambda to=to: priors(args.hilum, base / f"priors-{to}", to, samples[0]) for to in ("pacs", "web")
            ],
        }
        for part in PARTS:
            for call in calls[part] if part in parts else []:
                try:
                    call()
                except (OSError, RuntimeError, subprocess.SubprocessError) as error:
                    check(f"{part} runs to its end", False, repr(error))
        seconds = time.monotonic() - start
    print(f"peers: {counts['ok']} checks hold, {len(failures)} do not, {counts['skipped']} skipped, {seconds:.0f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
