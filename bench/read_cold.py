#!/usr/bin/env python3
"""`hilum read` of one 2500x2000 16-bit DICOM, from process start to the written reading, beside a Python
script that decodes the same file and runs a torchxrayvision DenseNet-121 (peer_read.py)."""

from __future__ import annotations

import shutil
import statistics
import tempfile
from pathlib import Path

import common
from common import CACHE, ROOT, Failed

SOURCE = ROOT / "samples" / "images" / "child-normal-full.jpg"
COLUMNS, ROWS = 2500, 2000
PEER = "python, pydicom + torchxrayvision"
REMARK = (
    "Each start is a new process; the files it needs are in the page cache from the second start on, "
    "so the first one is shown apart. The two do not do the same work: the Python script writes 18 "
    "outputs of one network; hilum writes its whole reading (gate, all models, masks, measurements, "
    "report, overlay)."
)


def make_file(python: Path) -> Path:
    """The DICOM file, made from a sample by samples/make_dicom.py."""
    path = CACHE / f"read_{COLUMNS}x{ROWS}.dcm"
    if not path.exists():
        CACHE.mkdir(exist_ok=True)
        common.run(
            [
                python,
                ROOT / "samples" / "make_dicom.py",
                SOURCE,
                path,
                "--size",
                str(COLUMNS),
                str(ROWS),
                "--bits",
                "16",
                "--name",
                "bench",
                "--view",
                "AP",
            ],
            threads=1,
        )
    return path


def make_weights(python: Path) -> Path:
    """Random weights of the peer's network, on disk as a user would have them."""
    path = CACHE / "xrv_densenet121.pt"
    if not path.exists():
        CACHE.mkdir(exist_ok=True)
        common.run([python, common.BENCH / "peer_read.py", "-", "-", "--weights", path, "--write-weights"], threads=2)
    return path


def measured(ran: common.Ran, written: Path) -> dict:
    if not written.is_file() or written.stat().st_size == 0:
        raise Failed(f"no {written.name} was written")
    return {"ms": ran.wall_ms, "peak_mb": ran.peak_mb, "bytes": written.stat().st_size}


def read_hilum(options, file: Path, folder: Path) -> dict:
    out = folder / "hilum"
    shutil.rmtree(out, ignore_errors=True)
    ran = common.run([common.find_hilum(options.hilum), "read", file, "--out", out], options.threads)
    readings = sorted(out.rglob("reading.json"))
    if not readings:
        raise Failed("no reading.json was written")
    return measured(ran, readings[0])


def read_peer(options, python: Path, file: Path, folder: Path) -> dict:
    out = folder / "peer.json"
    out.unlink(missing_ok=True)
    ran = common.run(
        [
            python,
            common.BENCH / "peer_read.py",
            file,
            out,
            "--weights",
            make_weights(python),
            "--threads",
            str(options.threads),
        ],
        options.threads,
    )
    return measured(ran, out)


def row(engine: str, reports: list | str) -> dict:
    base = {"engine": engine}
    if isinstance(reports, str):
        return base | {"ms": None, "peak_mb": None, "reason": reports}
    times = common.summary([report["ms"] for report in reports])
    return base | {
        "ms": times["median"],
        "ms_min": times["min"],
        "ms_max": times["max"],
        "runs": times["n"],
        "first_ms": round(reports[0]["ms"], 1),
        "peak_mb": round(statistics.median(report["peak_mb"] for report in reports), 1),
    }


def add_ratios(own: dict, peer: dict) -> None:
    """How many times faster, and what share of the memory."""
    if own["ms"] is None or peer["ms"] is None:
        return
    own["ratios"] = {
        "times faster": round(peer["ms"] / own["ms"], 1),
        "share of the memory": round(own["peak_mb"] / peer["peak_mb"], 3),
    }


def inputs(options, python: Path) -> tuple[Path | None, str]:
    """The file to read, or why there is none."""
    if options.file:
        return options.file.resolve(), ""
    try:
        return make_file(python), ""
    except Failed as problem:
        return None, f"no input, pydicom is needed to make it: {problem}"


def measure(options, python: Path) -> list[dict]:
    file, reason = inputs(options, python)
    if file is None:
        return [row("hilum", reason), row(PEER, reason)]
    with tempfile.TemporaryDirectory() as folder:
        outcome = common.interleave(
            {
                PEER: lambda: read_peer(options, python, file, Path(folder)),
                "hilum": lambda: read_hilum(options, file, Path(folder)),
            },
            options.rounds,
            common.log,
        )
    rows = [row(name, reports) for name, reports in outcome.items()]
    add_ratios(rows[1], rows[0])
    return rows


def main() -> None:
    parser = common.arguments(__doc__, rounds=5)
    parser.add_argument("--file", type=Path, help="read this file instead of the one made here")
    options = parser.parse_args()
    python = common.find_python(options.python)
    machine = common.machine()
    rows = measure(options, python)
    machine["load_after"] = common.load()
    import engines
    import report

    common.write_results(
        options.out,
        "read_cold",
        {
            "suite": "read_cold",
            "title": f"Reading one {COLUMNS}x{ROWS} 16-bit DICOM, process start to written reading"
            if not options.file
            else f"Reading {options.file.name}, process start to written reading",
            "machine": machine,
            "threads": options.threads,
            "rounds": options.rounds,
            "hilum": common.hilum_version(options.hilum),
            "commit": common.commit(),
            "peers": engines.versions(python),
            "remark": REMARK,
            "rows": rows,
        },
    )
    report.write_page(options.out)
    print("\n".join(report.read_table(rows)))


if __name__ == "__main__":
    main()
