#!/usr/bin/env python3
"""Reports a second of `hilum text label` and `hilum text facts`, and their memory on a long input that is
never on disk. The reports are sentences of the annotated fixtures put together with a fixed seed.

Peers: NegBio's and CheXpert's labelers cannot be installed from a package index any more; a row says so.
medspaCy's ConText, where it is installed, judges the same findings by target rules."""

from __future__ import annotations

import json
import random
import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import common
from common import ROOT

FIXTURE = ROOT / "crates" / "text" / "tests" / "fixtures" / "annotated_facts.jsonl"
SENTENCES = (5, 9)


def make_reports(count: int) -> list[str]:
    """Lines of a JSON Lines file; the same for the same count."""
    sentences = [json.loads(line)["text"] for line in FIXTURE.read_text().splitlines()]
    draw = random.Random(5)
    lines = []
    for number in range(count):
        picked = draw.sample(sentences, draw.randint(*SENTENCES))
        half = len(picked) * 2 // 3
        report = {"id": str(number), "findings": " ".join(picked[:half]), "impression": " ".join(picked[half:])}
        lines.append(json.dumps(report))
    return lines


def timed(hilum: Path, verb: list[str], file: Path, threads: int) -> float:
    """Seconds from start to end of the process; a few refused lines (exit 1) are part of a run."""
    env = {"RAYON_NUM_THREADS": str(threads), "PATH": "/usr/bin:/bin"}
    start = time.perf_counter()
    ran = subprocess.run([hilum, "text", *verb, file], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    seconds = time.perf_counter() - start
    # "hilum: 100000 lines: 99997 done, 3 failed, ...": more than one in a thousand would be another job.
    counts = re.search(r"(\d+) lines: (\d+) done", ran.stderr)
    if ran.returncode > 1 or counts is None or int(counts[2]) < 0.999 * int(counts[1]):
        raise SystemExit(f"hilum text {' '.join(verb)}: {ran.stderr.strip()}")
    return seconds


def resident_mb(pid: int) -> float | None:
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    except OSError:
        return None
    return None


def long_input(hilum: Path, verb: list[str], lines: int, threads: int) -> dict:
    """Peak memory while `lines` lines go through a pipe, looked at after each tenth of them."""
    block = [line.split('"findings"', 1)[1] for line in make_reports(1000)]
    env = {"RAYON_NUM_THREADS": str(threads), "PATH": "/usr/bin:/bin"}
    start = time.perf_counter()
    child = subprocess.Popen(
        [hilum, "text", *verb, "-"], env=env, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    peaks, tenth = [], max(lines // 10, 1)
    for number in range(0, lines, 1000):
        text = "".join(f'{{"id":"{number + i}","findings"{rest}\n' for i, rest in enumerate(block[: lines - number]))
        child.stdin.write(text.encode())
        if (number + 1000) % tenth < 1000:
            peaks.append(resident_mb(child.pid))
    child.stdin.close()
    said = child.stderr.read().decode().strip()
    code = child.wait()
    return {
        "lines": lines,
        "exit": code,
        "seconds": round(time.perf_counter() - start, 1),
        "peak_mb_after_each_tenth": [p and round(p, 1) for p in peaks],
        "said": said,
    }


def peer_medspacy(lines: list[str], python: Path | None) -> dict:
    """medspaCy with target rules for the same words, in this machine's Python."""
    script = (
        "import json,sys,time\n"
        "import medspacy\n"
        "from medspacy.ner import TargetRule\n"
        "nlp=medspacy.load(enable=['medspacy_pyrush','medspacy_target_matcher','medspacy_context'])\n"
        "words=['effusion','pneumothorax','consolidation','edema','cardiomegaly','atelectasis','pneumonia','nodule','mass',"
        "'opacity','fracture','emphysema','scarring','infiltrate']\n"
        "nlp.get_pipe('medspacy_target_matcher').add([TargetRule(w,'F') for w in words])\n"
        "texts=[json.loads(l) for l in sys.stdin]\n"
        "texts=[t['findings']+' '+t['impression'] for t in texts]\n"
        "start=time.perf_counter()\n"
        "n=sum(len(nlp(t).ents) for t in texts)\n"
        "print(len(texts)/(time.perf_counter()-start))\n"
    )
    if python is None or not python.exists():
        return {"reports_a_second": None, "reason": "no Python environment with peers"}
    ran = subprocess.run([python, "-c", script], input="\n".join(lines), capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        return {"reports_a_second": None, "reason": ran.stderr.strip().splitlines()[-1] if ran.stderr else "failed"}
    return {"reports_a_second": round(float(ran.stdout.strip().splitlines()[-1]), 1)}


def main() -> None:
    parser = common.arguments(__doc__.splitlines()[0], rounds=5)
    parser.add_argument("--reports", type=int, default=100_000, help="reports of the speed runs")
    parser.add_argument("--lines", type=int, default=10_000_000, help="lines of the memory run; 0 leaves it out")
    options = parser.parse_args()
    hilum = common.find_hilum(options.hilum)
    lines = make_reports(options.reports)
    verbs = {"label": ["label"], "facts": ["facts"], "graph": ["graph"]}
    seconds: dict[str, list[float]] = {name: [] for name in verbs}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "reports.jsonl"
        file.write_text("\n".join(lines) + "\n")
        for _ in range(options.rounds):
            for name, verb in verbs.items():
                seconds[name].append(timed(hilum, verb, file, options.threads))
    result = {
        "reports": options.reports,
        "threads": options.threads,
        "load_average": list(__import__("os").getloadavg()),
        "hilum": {
            name: {
                "reports_a_second": round(options.reports / statistics.median(runs)),
                "spread": [round(options.reports / max(runs)), round(options.reports / min(runs))],
            }
            for name, runs in seconds.items()
        },
        "peers": {
            "chexpert-labeler": {"reports_a_second": None, "reason": "not installable from a package index"},
            "medspacy": peer_medspacy(lines[:200], options.python or ROOT / ".venv" / "bin" / "python"),
        },
    }
    both = sum(statistics.median(seconds[name]) for name in ("label", "facts"))
    result["hilum"]["label_and_facts"] = {"reports_a_second": round(options.reports / both)}
    if options.lines:
        result["memory"] = {name: long_input(hilum, [name], options.lines, options.threads) for name in ("label", "facts")}
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "text.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
