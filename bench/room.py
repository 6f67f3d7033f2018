#!/usr/bin/env python3
"""Answer times of the reading room's API while fifty readers page through many studies and others are being read.

    python3 bench/room.py --hilum target/release/hilum                  # 10,000 studies
    python3 bench/room.py --hilum target/debug/hilum --studies 500 --seconds 5

The store is made here: objects as `hilum listen` keeps them, readings as `hilum read` writes them (one of a sample, with other
probabilities). A first start indexes the objects; then their jobs are marked as done, except those of `--pending` studies that
are copies of the sample and are read in earnest while the load runs. Readers are logged in: every request's session is looked up. The
load is ApacheBench (Debian apache2-utils): one `ab` for each kind of request, all at once, fifty connections together, none of which
ever pauses. Servers listen on loopback with a folder
of their own, which is removed. Standard library only.
"""

from __future__ import annotations

import argparse
import copy
import csv
import json
import math
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

from common import RESULTS, ROOT
from node import write_object

SAMPLE = ROOT / "samples/images/adult-pa.dcm"
# What the UIDs of copies of the sample begin with; those of other objects do not.
COPIES = "2.25."
# The patient's names of made studies, so that a search has something to find and something to pass over.
NAMES = ["Abel", "Bruno", "Clara", "Dora", "Emil", "Frida", "Gustav", "Hanna", "Ida", "Jonas"]


def study_uid(n: int) -> str:
    """As `write_object` of bench/node.py makes it."""
    return f"1.2.826.0.1.3680043.9.7.{n}.{n}"


def reading_of_sample(hilum: Path) -> dict:
    with tempfile.TemporaryDirectory(prefix="hilum-bench-") as out:
        subprocess.run([hilum, "read", SAMPLE, "--out", out], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        (path,) = Path(out).glob("*/reading.json")
        return json.loads(path.read_text())


def made_reading(base: dict, n: int, dice: random.Random) -> dict:
    """The reading of the sample for another study, with probabilities and answers of its own."""
    reading = copy.deepcopy(base)
    uid = study_uid(n)
    reading["study"] = {"id": uid, "patient": f"P{n}", "date": reading["study"]["date"]}
    reading["images"][0].update(path=f"{uid}.1.0.dcm", masks=None)
    for finding in reading["findings"]:
        if finding["probability"] is not None:
            finding["probability"] = round(dice.random(), 4)
            finding["set"] = dice.choice(["absent", "absent", "absent", "undecided", "present"])
    return reading


def make_store(root: Path, base: dict, studies: int, pending: int) -> None:
    """Objects of all studies; readings of all but the last `pending`, which are copies of the sample."""
    dice = random.Random(1)
    sample = SAMPLE.read_bytes()
    old = uids_of(sample)
    for n in range(studies):
        uid = study_uid(n)
        series = root / "instances" / uid / f"{uid}.1"
        series.mkdir(parents=True)
        file = series / f"{uid}.1.0.dcm"
        if n < studies - pending:
            write_object(file, n, n, 0, 16, NAMES[n % len(NAMES)])
            folder = root / "readings" / uid
            folder.mkdir(parents=True)
            (folder / "reading.json").write_text(json.dumps(made_reading(base, n, dice)))
        else:
            copied = sample
            fresh = {k: copied_uid(i, n, len(u)) for i, (k, u) in enumerate(old.items())}
            for key, value in old.items():
                copied = copied.replace(value, fresh[key])
            series.rmdir()
            series.parent.rmdir()
            at = root / "instances" / fresh["study"].decode() / fresh["series"].decode()
            at.mkdir(parents=True)
            (at / f"{fresh['instance'].decode()}.dcm").write_bytes(copied)


def uids_of(file: bytes) -> dict[str, bytes]:
    """UIDs of study, series and instance of an explicit little-endian file."""
    found = {}
    for name, tag in (("instance", b"\x08\0\x18\0UI"), ("study", b"\x20\0\x0d\0UI"), ("series", b"\x20\0\x0e\0UI")):
        at = file.index(tag) + len(tag)
        length = int.from_bytes(file[at : at + 2], "little")
        found[name] = file[at + 2 : at + 2 + length].rstrip(b"\0")
    # The longest first: one UID may be the beginning of another.
    return dict(sorted(found.items(), key=lambda pair: -len(pair[1])))


def copied_uid(kind: int, n: int, length: int) -> bytes:
    """A UID of a given length, so that no length of the file changes."""
    room = length - len(COPIES) - 1
    if room < 6:
        raise RuntimeError(f"the sample's UID of {length} digits has no room")
    return f"{COPIES}{kind + 1}{n:0{room}}".encode()


PASSWORD = "a long password"


def add_reader(hilum: Path, store: Path) -> None:
    args = [hilum, "serve", "--store", store, "--add-user", "reader", "--role", "editor"]
    subprocess.run(args, input=PASSWORD + "\n", text=True, check=True, stdout=subprocess.DEVNULL)


class Room:
    """`hilum serve` on a store; ended by its process id."""

    def __init__(self, hilum: Path, store: Path, workers: int):
        args = [hilum, "serve", "--port", "0", "--store", store, "--workers", str(workers)]
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.base, self.cookie = "", ""
        for line in self.process.stdout:
            words = line.split()
            if words[:1] == ["http"]:
                self.base = words[1].rstrip("/")
            if words == ["listening"]:
                return
        self.log.seek(0)
        raise RuntimeError("hilum serve ended: " + self.log.read().decode(errors="replace")[-500:])

    def log_in(self) -> None:
        """A session; its cookie goes with every request from here on."""
        token = self.get("/api/session")["csrf"]
        body = json.dumps({"name": "reader", "password": PASSWORD}).encode()
        headers = {"content-type": "application/json", "x-hilum-csrf": token}
        with urllib.request.urlopen(urllib.request.Request(self.base + "/api/session", body, headers), timeout=60) as answer:
            self.cookie = answer.headers["set-cookie"].split(";")[0]

    def get(self, path: str) -> dict:
        request = urllib.request.Request(self.base + path, headers={"cookie": self.cookie})
        with urllib.request.urlopen(request, timeout=300) as answer:
            return json.load(answer)

    def wait(self, what: str, holds) -> float:
        """Seconds until the counts of the work list are as wanted."""
        start = time.monotonic()
        while not holds(self.get("/api/worklist?limit=1")):
            if time.monotonic() - start > 3600:
                raise RuntimeError(f"not within an hour: {what}")
            time.sleep(0.5)
        return time.monotonic() - start

    def memory_mb(self, what: str) -> float:
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(what + ":"):
                return int(line.split()[1]) / 1024
        return math.nan

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.log.close()


def requests(studies: int, code: str) -> dict[str, str]:
    """What readers ask for. Each is one address, since `ab` knows no lists; the database keeps no answers."""
    return {
        "first page": "/api/worklist?limit=50",
        "page in the middle": f"/api/worklist?limit=50&offset={studies // 2}&sort=date",
        "state and finding": f"/api/worklist?limit=50&state=read&finding={code}",
        "search": "/api/worklist?limit=50&q=hanna",
        "one study": f"/api/studies/{study_uid(studies // 3)}",
    }


def ab(url: str, cookie: str, connections: int, seconds: int, out: Path) -> dict:
    """One ApacheBench; its percentiles are read from the file it writes."""
    args = ["ab", "-q", "-d", "-k", "-l", "-r", "-s", "60", "-c", str(connections), "-t", str(seconds), "-n", "10000000", "-C", cookie, "-g", out, url]
    ran = subprocess.run(args, capture_output=True, text=True, timeout=seconds + 300)
    if ran.returncode:
        raise RuntimeError(f"ab: {ran.stderr.strip()[-300:]}")
    value = lambda name: next((int(l.split()[-1]) for l in ran.stdout.splitlines() if l.startswith(name)), 0)
    times = [float(row["ttime"]) for row in csv.DictReader(out.open(), delimiter="\t")]
    # Answers of another length are no failures, the list changes; statuses and broken connections are.
    return {"times": sorted(times), "failed": value("Failed requests"), "not_2xx": value("Non-2xx responses")}


def at(times: list[float], q: float) -> float:
    return times[min(len(times) - 1, math.ceil(q * len(times)) - 1)]


def load(room: Room, asked: dict[str, str], connections: int, seconds: int) -> list[dict]:
    """All kinds of requests at once."""
    results: dict[str, dict | Exception] = {}

    def one(name: str, path: str, share: int, out: Path) -> None:
        try:
            results[name] = ab(room.base + path, cookie, share, seconds, out)
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            results[name] = error

    cookie = room.cookie
    share, rest = divmod(connections, len(asked))
    with tempfile.TemporaryDirectory(prefix="hilum-bench-") as folder:
        threads = [
            threading.Thread(target=one, args=(name, path, share + (i < rest), Path(folder) / f"{i}.tsv"))
            for i, (name, path) in enumerate(asked.items())
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    rows, everything = [], []
    for name in asked:
        result = results[name]
        if isinstance(result, Exception):
            raise result
        everything += result["times"]
        rows.append(row(name, result["times"], seconds, result["failed"], result["not_2xx"]))
    rows.append(row("all", sorted(everything), seconds, sum(r["failed"] for r in rows), sum(r["not_2xx"] for r in rows)))
    return rows


def row(name: str, times: list[float], seconds: int, failed: int, not_2xx: int) -> dict:
    figures = {f"p{int(q * 100)}_ms": at(times, q) for q in (0.5, 0.95, 0.99)} if times else {}
    return {"request": name, "answers": len(times), "per_second": round(len(times) / seconds, 1), "failed": failed, "not_2xx": not_2xx, **figures}


def mark_as_read(store: Path, pending: int) -> None:
    """The jobs of the studies that have readings are done. The server does not run."""
    with sqlite3.connect(store / "index.sqlite") as db:
        now = int(time.time() * 1000)
        done = "UPDATE jobs SET state = 'done', attempts = 0, changed = ? WHERE subject NOT LIKE ?"
        db.execute(done, (now, f"{COPIES}%"))
        (left,) = db.execute("SELECT COUNT(*) FROM jobs WHERE state = 'waiting'").fetchone()
    db.close()
    if left != pending:
        raise RuntimeError(f"{left} jobs are left where {pending} were made")


def measure(args, store: Path) -> dict:
    base = reading_of_sample(args.hilum)
    code = next(f["code"] for f in base["findings"] if f["probability"] is not None)
    make_store(store, base, args.studies, args.pending)
    say = lambda text: print(text, file=sys.stderr, flush=True)
    with Room(args.hilum, store, 0) as room:
        indexed = room.wait("all rows", lambda page: page["total"] == args.studies)
        say(f"{args.studies} studies listed after {indexed:.0f} s")
    mark_as_read(store, args.pending)
    asked = requests(args.studies, code)
    rounds = []
    add_reader(args.hilum, store)
    with Room(args.hilum, store, args.workers) as room:
        room.log_in()
        room.wait("read studies", lambda page: page["counts"]["read"] >= args.studies - args.pending)
        start = room.memory_mb("VmRSS")
        for n in range(args.rounds):
            before = room.get("/api/worklist?limit=1")["counts"]
            rows = load(room, asked, args.connections, args.seconds)
            after = room.get("/api/worklist?limit=1")["counts"]
            read = after["read"] - before["read"]
            kept = {"rss_mb": round(room.memory_mb("VmRSS"), 1), "own_mb": round(room.memory_mb("RssAnon"), 1), "peak_mb": round(room.memory_mb("VmHWM"), 1)}
            rounds.append({"round": n, "read_meanwhile": read, "still_waiting": after["waiting"], **kept, "requests": rows})
            say(f"round {n}: {read} studies read meanwhile, {after['waiting']} waiting, {kept['rss_mb']} MB")
            for r in rows:
                say(f"  {r['request']:<20} {r['per_second']:>8}/s  p50 {r['p50_ms']:>6} ms  p99 {r['p99_ms']:>6} ms  failed {r['failed'] + r['not_2xx']}")
    return {"indexed_s": round(indexed, 1), "rss_before_mb": round(start, 1), "rounds": rounds}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hilum", type=Path, default=ROOT / "target/release/hilum", help="the binary")
    parser.add_argument("--studies", type=int, default=10_000, help="studies of the work list")
    parser.add_argument("--pending", type=int, help="of which so many are read while the load runs (default: a tenth, at most 400)")
    parser.add_argument("--workers", type=int, default=1, help="studies that are read at a time")
    parser.add_argument("--connections", type=int, default=50, help="readers")
    parser.add_argument("--seconds", type=int, default=20, help="of each round")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of load; memory is looked at after each")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the result")
    args = parser.parse_args()
    if args.pending is None:
        args.pending = min(args.studies // 10, 400)
    if shutil.which("ab") is None:
        parser.error("ab is not installed (Debian apache2-utils)")
    busy = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="hilum-bench-") as made:
        result = measure(args, Path(made))
    settings = {k: getattr(args, k) for k in ("studies", "pending", "workers", "connections", "seconds")}
    result = {"suite": "room", "cores": os.cpu_count(), "load_before": busy, **settings, **result}
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "room.json").write_text(json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
