#!/usr/bin/env python3
"""C-STORE rate of `hilum listen` beside Orthanc and DCMTK's storescp, and QIDO-RS times beside Orthanc.

    python3 bench/node.py --hilum target/release/hilum --objects 400 --side 512
    python3 bench/node.py --objects 0 --indexed 100000   # QIDO-RS over many small objects
    python3 bench/node.py --objects 0 --studies 10000    # memory while so many studies come in

Every server gets the same files from the same `storescu`, first over one association, then over 16 at once. Servers listen on
loopback with folders of their own, which are removed. A server that is not installed becomes a row with the reason.
Standard library only.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from common import RESULTS, ROOT

CR = "1.2.840.10008.5.1.4.1.1.1"
EXPLICIT = "1.2.840.10008.1.2.1"


def element(group: int, number: int, vr: str, value: bytes) -> bytes:
    if len(value) % 2:
        value += b"\0" if vr == "UI" else b" "
    head = struct.pack("<HH2s", group, number, vr.encode())
    if vr in ("OB", "OW"):
        return head + struct.pack("<HI", 0, len(value)) + value
    return head + struct.pack("<H", len(value)) + value


def write_object(path: Path, patient: int, study: int, number: int, side: int, name: str = "Made") -> None:
    """One computed radiograph, explicit little endian."""
    base = f"1.2.826.0.1.3680043.9.7.{patient}.{study}"
    uid = f"{base}.1.{number}"
    text = lambda g, e, vr, v: element(g, e, vr, str(v).encode())
    short = lambda g, e, v: element(g, e, "US", struct.pack("<H", v))
    data = b"".join(
        [
            text(8, 0x16, "UI", CR),
            text(8, 0x18, "UI", uid),
            text(8, 0x20, "DA", f"20{10 + study % 16:02}0{1 + study % 9}1{study % 10}"),
            text(8, 0x30, "TM", "101500"),
            text(8, 0x50, "SH", f"A{study}"),
            text(8, 0x60, "CS", "CR"),
            text(0x10, 0x10, "PN", f"{name}^Up{patient}"),
            text(0x10, 0x20, "LO", f"P{patient}"),
            text(0x20, 0x0D, "UI", base),
            text(0x20, 0x0E, "UI", base + ".1"),
            text(0x20, 0x13, "IS", number),
            short(0x28, 2, 1),
            text(0x28, 4, "CS", "MONOCHROME2"),
            short(0x28, 0x10, side),
            short(0x28, 0x11, side),
            short(0x28, 0x100, 16),
            short(0x28, 0x101, 12),
            short(0x28, 0x102, 11),
            short(0x28, 0x103, 0),
            element(0x7FE0, 0x10, "OW", struct.pack("<H", number % 4096) * (side * side)),
        ]
    )
    meta = b"".join(
        [
            element(2, 1, "OB", b"\0\1"),
            text(2, 2, "UI", CR),
            text(2, 3, "UI", uid),
            text(2, 0x10, "UI", EXPLICIT),
            text(2, 0x12, "UI", "1.2.826.0.1.3680043.9.7"),
        ]
    )
    path.write_bytes(bytes(128) + b"DICM" + element(2, 0, "UL", struct.pack("<I", len(meta))) + meta + data)


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """A server with a folder of its own; ended by its process id."""

    name = ""
    aet = ""

    def __init__(self) -> None:
        self.dir = Path(tempfile.mkdtemp(prefix="hilum-bench-"))
        self.port, self.http = free_port(), free_port()
        self.process: subprocess.Popen | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def web(self) -> str | None:
        return None

    def __enter__(self):
        self.process = subprocess.Popen(self.command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 30
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended at once")
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.05)
        raise RuntimeError(f"{self.name} does not listen")

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def memory_mb(self, what: str = "VmHWM") -> float:
        """Its highest memory so far, or with `VmRSS` that of now."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(what + ":"):
                return int(line.split()[1]) / 1024
        return float("nan")


class Hilum(Server):
    name, aet = "hilum", "HILUM"
    binary: Path = ROOT / "target/release/hilum"

    def command(self) -> list[str]:
        return [str(self.binary), "listen", "--port", str(self.port), "--http", str(self.http), "--store", str(self.dir)]

    def web(self) -> str:
        return f"http://127.0.0.1:{self.http}/dicom-web"


class Orthanc(Server):
    name, aet = "orthanc", "ORTHANC"
    durable = True

    def command(self) -> list[str]:
        plugins = [p for p in ("/usr/share/orthanc/plugins/libOrthancDicomWeb.so",) if Path(p).exists()]
        config = {
            "Name": "BENCH",
            "StorageDirectory": str(self.dir),
            "IndexDirectory": str(self.dir),
            "DicomPort": self.port,
            "HttpPort": self.http,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomAlwaysAllowStore": True,
            "SyncStorageArea": self.durable,
            "Plugins": plugins,
            "DicomWeb": {"Enable": True},
            "ConcurrentJobs": 2,
        }
        path = self.dir / "orthanc.json"
        path.write_text(json.dumps(config))
        return [shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin") or missing("Orthanc"), str(path)]

    def web(self) -> str:
        return f"http://127.0.0.1:{self.http}/dicom-web"


class OrthancLoose(Orthanc):
    name, durable = "orthanc, files not flushed", False


class Storescp(Server):
    name, aet = "storescp", "STORESCP"

    def command(self) -> list[str]:
        program = shutil.which("storescp") or missing("storescp")
        return [program, "--fork", "-pdu", "131072", "-od", str(self.dir), "+xa", str(self.port)]


def missing(program: str):
    raise RuntimeError(f"{program} is not installed")


def send(server: Server, folders: list[Path]) -> float:
    """Seconds until every folder was sent, each over an association of its own, at the same time."""
    program = shutil.which("storescu") or missing("storescu")
    args = lambda f: [program, "-aec", server.aet, "+sd", "-pdu", "131072", "127.0.0.1", str(server.port), str(f)]
    start = time.perf_counter()
    senders = [subprocess.Popen(args(f), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for f in folders]
    for sender in senders:
        _, err = sender.communicate(timeout=3600)
        if sender.returncode:
            raise RuntimeError(err.decode(errors="replace").strip()[-300:])
    return time.perf_counter() - start


def ingest(kind, objects: int, side: int, associations: int, files: Path) -> dict:
    """One server, one number of associations, everything fresh."""
    row = {"server": kind.name, "associations": associations, "objects": objects, "object_kb": side * side * 2 // 1024}
    folders = sorted(files.iterdir())
    groups = [folders] if associations == 1 else [[f] for f in folders]
    try:
        with kind() as server:
            start = sum(send(server, [f]) for f in groups[0]) if associations == 1 else send(server, folders)
            row |= {"seconds": start, "per_second": objects / start, "peak_mb": server.memory_mb()}
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        row |= {"seconds": None, "per_second": None, "peak_mb": None, "why": str(error)}
    return row


STEPS = 10


def memory(kind, studies: int) -> list[dict]:
    """Memory after every tenth of so many studies of one small object, sixteen associations at a time."""
    rows = []
    try:
        with kind() as server:
            done = 0
            for step in range(STEPS):
                with tempfile.TemporaryDirectory(prefix="hilum-bench-") as made:
                    count = studies // STEPS
                    for n in range(done, done + count):
                        sub = Path(made) / f"{n % 16:02}"
                        sub.mkdir(exist_ok=True)
                        write_object(sub / f"{n}.dcm", n, n, 0, 64)
                    seconds = send(server, sorted(Path(made).iterdir()))
                done += count
                now = server.memory_mb("VmRSS")
                rows.append(
                    {"server": kind.name, "studies": done, "rss_mb": now, "peak_mb": server.memory_mb(), "per_second": count / seconds}
                )
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        rows.append({"server": kind.name, "studies": None, "why": str(error)})
    return rows


def ask(url: str) -> float:
    start = time.perf_counter()
    request = urllib.request.Request(url, headers={"accept": "application/dicom+json"})
    with urllib.request.urlopen(request, timeout=300) as answer:
        answer.read()
    return (time.perf_counter() - start) * 1000


QUERIES = {
    "patient": "/studies?PatientID=P{n}",
    "page": "/studies?limit=25&offset={n}",
    "series": "/studies/1.2.826.0.1.3680043.9.7.{n}.{n}/series",
    "name": "/studies?PatientName=Made*{n}&limit=25",
}


# Seconds for the searches of one kind; a slow server gets fewer of them, and the row says how many.
LONGEST = 120


def search(kind, files: Path, objects: int, patients: int, repeats: int) -> list[dict]:
    """Times of searches over what was sent."""
    try:
        with kind() as server:
            if server.web() is None:
                return []
            seconds = send(server, sorted(files.iterdir()))
            rows = []
            for name, query in QUERIES.items():
                times, end = [], time.monotonic() + LONGEST
                while len(times) < repeats and (time.monotonic() < end or not times):
                    times.append(ask(server.web() + query.format(n=len(times) * 37 % patients)))
                times.sort()
                rows.append(
                    {
                        "server": kind.name,
                        "objects": objects,
                        "sent_per_second": objects / seconds,
                        "query": name,
                        "repeats": len(times),
                        "p50_ms": statistics.median(times),
                        "p99_ms": times[min(len(times) - 1, int(len(times) * 0.99))],
                        "peak_mb": server.memory_mb(),
                    }
                )
            return rows
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        return [{"server": kind.name, "objects": objects, "query": None, "why": str(error)}]


def make(folder: Path, objects: int, side: int, per_study: int) -> int:
    """Sixteen folders of objects. Returns the number of patients."""
    for n in range(objects):
        study = n // per_study
        sub = folder / f"{study % 16:02}"
        sub.mkdir(exist_ok=True)
        write_object(sub / f"{n}.dcm", study, study, n % per_study, side)
    return max(1, objects // per_study)


def keep(file: Path, parts: dict[str, list], load: list[float]) -> None:
    """Puts the parts of this run in the file, with the load of the machine before and after; other parts stay as they are."""
    result = json.loads(file.read_text()) if file.exists() else {"suite": "node"}
    for name, rows in parts.items():
        result[name] = {"load": load, "rows": rows}
    file.write_text(json.dumps(result, indent=1) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hilum", type=Path, default=Hilum.binary, help="the binary")
    parser.add_argument("--objects", type=int, default=320, help="objects of the C-STORE part; 0 leaves it out")
    parser.add_argument("--side", type=int, default=1024, help="rows and columns of each; 16 bits a pixel")
    parser.add_argument("--rounds", type=int, default=3, help="times every server is started, in turn with the others")
    parser.add_argument("--indexed", type=int, default=0, help="objects of the QIDO-RS part; 0 leaves it out")
    parser.add_argument("--studies", type=int, default=0, help="studies of the memory part; 0 leaves it out")
    parser.add_argument("--repeats", type=int, default=100, help="searches of each kind")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    args = parser.parse_args()
    Hilum.binary = args.hilum
    rows: dict[str, list] = {"ingest": [], "search": [], "memory": []}
    load = os.getloadavg()[0]
    if args.objects:
        with tempfile.TemporaryDirectory(prefix="hilum-bench-") as made:
            make(Path(made), args.objects, args.side, 4)
            for round_ in range(args.rounds):
                for associations in (1, 16):
                    for kind in (Hilum, Orthanc, OrthancLoose, Storescp):
                        row = ingest(kind, args.objects, args.side, associations, Path(made)) | {"round": round_}
                        rows["ingest"].append(row)
                        print(json.dumps(row), file=sys.stderr)
    if args.indexed:
        with tempfile.TemporaryDirectory(prefix="hilum-bench-") as made:
            patients = make(Path(made), args.indexed, 8, 4)
            for kind in (Hilum, Orthanc):
                for row in search(kind, Path(made), args.indexed, patients, args.repeats):
                    rows["search"].append(row)
                    print(json.dumps(row), file=sys.stderr)
    if args.studies:
        for kind in (Hilum, Orthanc):
            for row in memory(kind, args.studies):
                rows["memory"].append(row)
                print(json.dumps(row), file=sys.stderr)
    args.out.mkdir(parents=True, exist_ok=True)
    keep(args.out / "node.json", {name: part for name, part in rows.items() if part}, [load, os.getloadavg()[0]])
    return 0


if __name__ == "__main__":
    sys.exit(main())
