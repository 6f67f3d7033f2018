"""How a suite drives the engines: the peers through peer.py, hilum through `hilum bench engine`."""

from __future__ import annotations

from pathlib import Path

import common
from common import CACHE, Failed, Missing

TORCH = ("pytorch eager", "pytorch channels_last")
#: Outputs further apart than this, relative to the largest magnitude, are said to differ.
TOLERANCE = 1e-4


class Suite:
    """One task (`infer` or `train`) over some cases `(net, batch)`."""

    def __init__(self, task: str, peers: tuple[str, ...], options):
        self.task, self.peers, self.options = task, peers, options
        self.python = common.find_python(options.python)

    def peer(self, net: str, batch: int, engine: str) -> dict:
        o = self.options
        return common.worker(
            self.python,
            "peer.py",
            self.task,
            net,
            str(batch),
            CACHE,
            engine,
            str(o.threads),
            str(o.repeats),
            threads=o.threads,
        )

    def hilum(self, net: str, batch: int) -> dict:
        """One start of `hilum bench engine`; its own rows carry the time, the process the memory."""
        o = self.options
        files = {"weights": CACHE / f"{net}.safetensors", "input": CACHE / f"{net}_b{batch}_input.npy"}
        if self.task == "train":
            files["target"] = CACHE / f"{net}_b{batch}_target.npy"
        absent = [common.shown(path) for path in files.values() if not path.exists()]
        if absent:
            raise Missing(f"inputs were not prepared (PyTorch is needed): {', '.join(absent)}")
        output = CACHE / f"{net}_b{batch}_output_{self.task}_hilum.npy"
        output.unlink(missing_ok=True)
        command = [
            common.find_hilum(o.hilum),
            "bench",
            "engine",
            "--net",
            net,
            "--task",
            self.task,
            "--batch",
            str(batch),
            "--repeats",
            str(o.repeats),
            "--output",
            output,
            "--no-peers",
            "--json",
        ]
        for name, path in files.items():
            command += [f"--{name}", path]
        ran = common.run(command, o.threads)
        row = own_row(common.json_rows(ran.stdout), net, self.task, batch)
        report = {"ms": [row["ms"]], "peak_mb": ran.peak_mb, "engine_row": row}
        return report | ({"output": str(output)} if output.exists() else {})

    def case(self, net: str, batch: int) -> list[dict]:
        """The rows of one net and batch."""
        common.log(f"{self.task} {net} batch {batch}")
        try:
            common.worker(self.python, "peer.py", "prepare", net, str(batch), CACHE, threads=self.options.threads)
        except (Missing, Failed) as problem:
            common.log(f"  not prepared: {problem}")
        engines = {name: (lambda name=name: self.peer(net, batch, name)) for name in self.peers}
        engines["hilum"] = lambda: self.hilum(net, batch)
        outcome = common.interleave(engines, self.options.rounds, common.log)
        rows = [common.row(net, self.task, batch, name, found) for name, found in outcome.items()]
        self.add_agreement(rows, outcome)
        common.add_ratios(rows)
        return rows

    def add_agreement(self, rows: list[dict], outcome: dict) -> None:
        """Says in each row how far its output is from PyTorch eager's."""
        reference = output_of(outcome.get(TORCH[0]))
        for row in rows:
            own = output_of(outcome[row["engine"]])
            if row["engine"] == TORCH[0] or row["ms"] is None:
                continue
            row["outputs"] = self.agreement(reference, own)

    def agreement(self, reference: str | None, own: str | None) -> dict:
        if reference is None or own is None:
            return {"equal": None, "reason": "no output to compare"}
        # Rounding grows from step to step, so of a training run only the first loss is compared.
        first = ["1"] if self.task == "train" else []
        found = common.worker(self.python, "peer.py", "compare", reference, own, *first, threads=1)
        if "reason" in found:
            return {"equal": False, "reason": found["reason"]}
        return {"equal": found["relative"] <= TOLERANCE, "relative": float(f"{found['relative']:.2g}")}


def own_row(rows: list[dict], net: str, task: str, batch: int) -> dict:
    """The row of this case whose engine is `hilum`; its peers' rows are measured here, not taken over."""
    wanted = {"net": net, "task": task, "batch": batch, "engine": "hilum"}
    for row in rows:
        if all(row.get(key) == value for key, value in wanted.items()):
            if isinstance(row.get("ms"), int | float):
                return row
            raise Failed(f"hilum gave no time: {row.get('reason', 'no reason given')}")
    raise Failed(f"no row of engine `hilum` for {net}, {task}, batch {batch} in {len(rows)} row(s)")


def output_of(reports) -> str | None:
    return reports[-1].get("output") if isinstance(reports, list) and reports else None


def run_suite(name: str, suite: Suite, cases: list[tuple[str, int]]) -> Path:
    """Measures all cases, writes the results and the page made from them."""
    machine = common.machine()
    rows = [row for net, batch in cases for row in suite.case(net, batch)]
    machine["load_after"] = common.load()
    options = suite.options
    path = common.write_results(
        options.out,
        name,
        {
            "suite": name,
            "machine": machine,
            "threads": options.threads,
            "rounds": options.rounds,
            "repeats": options.repeats,
            "hilum": common.hilum_version(options.hilum),
            "commit": common.commit(),
            "peers": versions(suite.python),
            "rows": rows,
        },
    )
    print_table(rows)
    import report

    report.write_page(options.out)
    return path


def versions(python: Path) -> dict | str:
    """Versions of the peers that are installed."""
    code = (
        "import json, importlib.metadata as m; d = {}\n"
        "for p in ['torch', 'torchvision', 'torchxrayvision', 'onnxruntime', 'pydicom']:\n"
        "    try: d[p] = m.version(p)\n"
        "    except m.PackageNotFoundError: d[p] = None\n"
        "print(json.dumps(d))"
    )
    try:
        return common.json_rows(common.run([python, "-c", code], threads=1).stdout)[0]
    except Failed as problem:
        return str(problem)


def print_table(rows: list[dict]) -> None:
    """The rows as a table on stdout."""
    import report

    print("\n".join(report.engine_table(rows)))
