"""What the suites share: finding programs, running them one at a time, and writing results.

Standard library only, on purpose. On Linux a child's peak memory starts from its parent's at the
moment of the fork, so a driver that had numpy or torch loaded would spoil every small figure.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parent
RESULTS = BENCH / "results"
CACHE = BENCH / ".cache"


class Missing(Exception):
    """A program or library is not here; the text is the reason shown in its row."""


class Failed(Exception):
    """A program ran and failed; the text says how."""


@dataclass
class Ran:
    """One finished process."""

    wall_ms: float
    peak_mb: float
    stdout: str


def arguments(description: str, **defaults: int) -> argparse.ArgumentParser:
    """The options that every suite has. `defaults`: rounds, repeats."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--hilum", type=Path, help="the hilum binary (default: target/release/hilum)")
    parser.add_argument("--python", type=Path, help="Python with the peers (default: .venv/bin/python)")
    parser.add_argument("--threads", type=int, default=2, help="threads of every engine (default 2)")
    parser.add_argument(
        "--rounds", type=int, default=defaults["rounds"], help="times each engine is started, in turn with the others"
    )
    if "repeats" in defaults:
        parser.add_argument(
            "--repeats", type=int, default=defaults["repeats"], help="timed runs in each start, after the warm-up"
        )
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    return parser


def find_hilum(given: Path | None) -> Path:
    """The release binary: the one given, else $HILUM, else the workspace's own."""
    path = given or Path(os.environ.get("HILUM", ROOT / "target" / "release" / "hilum"))
    if not path.is_file():
        raise Missing(f"no hilum binary at {shown(path)}: run `cargo build --release` first")
    return path.resolve()


def find_python(given: Path | None) -> Path:
    """The interpreter that has the peers: the one given, else .venv, else the running one."""
    if given:
        return given
    own = ROOT / ".venv" / "bin" / "python"
    return own if own.exists() else Path(sys.executable)


def shown(path: Path) -> str:
    """A path as results show it: relative to the repository where it lies inside."""
    try:
        return str(path.resolve().relative_to(ROOT))
    except ValueError:
        return path.name


def environment(threads: int) -> dict[str, str]:
    """The environment that holds every engine to the same number of threads."""
    names = ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"]
    return os.environ | {name: str(threads) for name in names}


def run(command: list[str | Path], threads: int, timeout_s: float = 1800, ok=(0,)) -> Ran:
    """Runs one command; wall time from the start of the process to its end, and its peak memory.

    Raises Failed with the last lines of its error output when the exit code is not in `ok`.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.perf_counter()
        process = subprocess.Popen(
            [str(part) for part in command], stdout=out, stderr=err, stdin=subprocess.DEVNULL, env=environment(threads)
        )
        usage = wait(process, start + timeout_s)
        wall_ms = (time.perf_counter() - start) * 1e3
        out.seek(0)
        err.seek(0)
        stdout, stderr = out.read().decode(errors="replace"), err.read().decode(errors="replace")
    if process.returncode not in ok:
        tail = " / ".join(line for line in stderr.strip().splitlines()[-3:])
        raise Failed(f"exit {process.returncode}: {tail or 'no error output'}")
    kib = usage.ru_maxrss if sys.platform != "darwin" else usage.ru_maxrss / 1024
    return Ran(wall_ms, kib / 1024, stdout)


def wait(process: subprocess.Popen, deadline: float):
    """Waits for one child and returns its resource usage."""
    import signal
    import threading

    timer = threading.Timer(max(0.0, deadline - time.perf_counter()), lambda: os.kill(process.pid, signal.SIGKILL))
    timer.start()
    _, status, usage = os.wait4(process.pid, 0)
    timer.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage


def worker(python: Path, script: str, *options: str | Path, threads: int) -> dict:
    """Runs one of the scripts beside this file; its last line of output is one JSON object.

    A worker that lacks a library says so in the key `missing`.
    """
    done = run([python, BENCH / script, *options], threads)
    report = json.loads(done.stdout.strip().splitlines()[-1])
    if "missing" in report:
        raise Missing(report["missing"])
    return report | {"peak_mb": done.peak_mb}


def json_rows(text: str) -> list[dict]:
    """Rows from a JSON array or from JSON Lines."""
    text = text.strip()
    if text.startswith("["):
        return json.loads(text)
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def interleave(engines: dict, rounds: int, log) -> dict[str, list | str]:
    """Starts every engine once a round, the first of a round rotating, so that a drift of the
    machine falls on all of them. Returns an engine's reports, or the reason why it has none.
    """
    outcome: dict[str, list | str] = {name: [] for name in engines}
    names = list(engines)
    for number in range(rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            if isinstance(outcome[name], str):
                continue
            try:
                outcome[name].append(engines[name]())
                log(f"  round {number + 1}/{rounds} {name}")
            except (Missing, Failed) as problem:
                outcome[name] = str(problem)
                log(f"  round {number + 1}/{rounds} {name}: {problem}")
    return outcome


def summary(values: list[float]) -> dict[str, float]:
    """Median and spread of timings, rounded to what they can carry."""
    ordered = sorted(values)
    return {
        "median": round(statistics.median(ordered), 3),
        "min": round(ordered[0], 3),
        "max": round(ordered[-1], 3),
        "n": len(ordered),
    }


def row(net: str, task: str, batch: int, engine: str, reports: list | str) -> dict:
    """One row of the contract `{net,task,batch,engine,ms,per_second,peak_mb}`.

    `ms` is the median over all timed runs of all starts, `peak_mb` the median over the starts of the
    whole process's peak, `loaded_mb` that part of it which was there before the first run (libraries,
    weights, input; null where the engine does not say). Nulls with a `reason` when there is nothing to report.
    """
    base = {"net": net, "task": task, "batch": batch, "engine": engine}
    if isinstance(reports, str):
        return base | {"ms": None, "per_second": None, "peak_mb": None, "reason": reports}
    times = summary([ms for report in reports for ms in report["ms"]])
    loaded = [report["loaded_mb"] for report in reports if report.get("loaded_mb") is not None]
    return base | {
        "ms": times["median"],
        "per_second": round(batch * 1e3 / times["median"], 3),
        "peak_mb": round(statistics.median(report["peak_mb"] for report in reports), 1),
        "ms_min": times["min"],
        "ms_max": times["max"],
        "runs": times["n"],
        "loaded_mb": round(statistics.median(loaded), 1) if loaded else None,
    }


def add_ratios(rows: list[dict], engine: str = "hilum") -> None:
    """Adds to the rows of hilum its time divided by each peer's on the same task (below 1: faster)."""

    def key(row: dict) -> tuple:
        return row["net"], row["task"], row["batch"]

    for own in rows:
        if not own["engine"].startswith(engine) or own["ms"] is None:
            continue
        peers = [r for r in rows if key(r) == key(own) and not r["engine"].startswith(engine)]
        own["time_ratio_to"] = {r["engine"]: round(own["ms"] / r["ms"], 3) for r in peers if r["ms"]}
        own["memory_ratio_to"] = {r["engine"]: round(own["peak_mb"] / r["peak_mb"], 3) for r in peers if r["peak_mb"]}


def machine() -> dict:
    """What was measured on, and how busy it was."""
    model = platform.processor()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    except OSError:
        pass
    busy = settled()
    if is_busy(busy, os.cpu_count()):
        log(f"warning: load average {busy}: the machine is busy, and these times will not be worth quoting")
    return {"cpu": model, "cores": os.cpu_count(), "system": platform.system(), "load_before": busy}


def is_busy(load_before: float, cores: int | None) -> bool:
    """Whether other work held more than a quarter of the machine before the suite began. PyTorch's
    threads wait for each other by spinning, so it loses far more than its share to other work."""
    return load_before > 0.25 * (cores or 1)


def settled(patience_s: float = 150.0) -> float:
    """The load once it has died down: the average still remembers what ended a minute ago, such as the suite
    before this one."""
    until = time.monotonic() + patience_s
    while is_busy(load(), os.cpu_count()) and time.monotonic() < until:
        time.sleep(5)
    return load()


def load() -> float:
    """One-minute load average."""
    return round(os.getloadavg()[0], 2)


def hilum_version(given: Path | None) -> str | None:
    """`hilum --version`, or None when there is no binary."""
    try:
        return run([find_hilum(given), "--version"], threads=1).stdout.strip()
    except (Missing, Failed):
        return None


def commit() -> str | None:
    """The checked out commit, marked when tracked files differ from it."""
    try:
        head = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout.strip()
        dirty = subprocess.run(
            ["git", "diff", "--quiet", "HEAD", "--", "crates", "Cargo.lock"], cwd=ROOT, check=False
        ).returncode
        return head + ("+changes" if dirty else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def write_results(folder: Path, name: str, document: dict) -> Path:
    """Writes `<folder>/<name>.json` whole, then renames it into place."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    part = path.with_suffix(".part")
    part.write_text(json.dumps(document, indent=2) + "\n")
    part.replace(path)
    return path


def log(text: str) -> None:
    """Progress, on stderr."""
    print(text, file=sys.stderr, flush=True)
