#!/usr/bin/env python3
"""Writes RESULTS.md from results/*.json. Standard library only."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import common

ENGINE_SUITES = {
    "infer": "Inference, DenseNet-121, 3x224x224",
    "train_step": "One training step (forward, backward, Adam), 1x128x128",
}


def number(value, digits: int = 1) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def engine_table(rows: list[dict]) -> list[str]:
    """Markdown lines of an engine suite."""
    lines = [
        "| net | batch | engine | ms (median) | min to max | images/s | peak MB (before work) | output vs PyTorch | note |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        spread = f"{number(row['ms_min'])} to {number(row['ms_max'])}" if row["ms"] is not None else "-"
        lines.append(
            f"| {row['net']} | {row['batch']} | {row['engine']} | {number(row['ms'])} | {spread} "
            f"| {number(row['per_second'])} | {number(row['peak_mb'], 0)} ({number(row.get('loaded_mb'), 0)}) | {agreement(row)} | {note(row)} |"
        )
    return lines


def agreement(row: dict) -> str:
    outputs = row.get("outputs")
    if outputs is None:
        return "-" if row["ms"] is None else "reference"
    if outputs["equal"] is None:
        return outputs["reason"]
    if "reason" in outputs:
        return f"DIFFERS: {outputs['reason']}"
    return f"{'equal' if outputs['equal'] else 'DIFFERS'} ({outputs['relative']:.0e})"


def note(row: dict) -> str:
    if "reason" in row:
        return f"not measured: {row['reason']}"
    ratios = row.get("time_ratio_to")
    if not ratios:
        return ""
    return "time " + ", ".join(f"{value:.2f} x {name}" for name, value in ratios.items())


def read_table(rows: list[dict]) -> list[str]:
    """Markdown lines of the cold read."""
    lines = [
        "| program | wall s (median) | min to max | first start s | peak MB | note |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        if row["ms"] is None:
            lines.append(f"| {row['engine']} | - | - | - | - | not measured: {row['reason']} |")
            continue
        spread = f"{row['ms_min'] / 1e3:.2f} to {row['ms_max'] / 1e3:.2f}"
        text = ", ".join(f"{key} {value}" for key, value in row.get("ratios", {}).items())
        lines.append(
            f"| {row['engine']} | {row['ms'] / 1e3:.2f} | {spread} | {row['first_ms'] / 1e3:.2f} "
            f"| {row['peak_mb']:,.0f} | {text} |"
        )
    return lines


def circumstances(document: dict) -> str:
    machine = document["machine"]
    peers = document.get("peers")
    named = ", ".join(f"{key} {value}" for key, value in peers.items() if value) if isinstance(peers, dict) else peers
    busy = (
        "**Not to be quoted: the machine was busy with other work.** "
        if common.is_busy(machine["load_before"], machine["cores"])
        else ""
    )
    return (
        f"{busy}{machine['cpu']}, {machine['cores']} cores, {document['threads']} threads an engine; load average "
        f"{machine['load_before']} before and {machine['load_after']} after; {document['rounds']} starts of each "
        f"engine in turn; {document['hilum'] or 'hilum not built'}, commit {document['commit']}; {named}."
    )


def page(folder: Path) -> str:
    """The whole page."""
    parts = [
        "# Measured side by side",
        "",
        "Made by `bench/report.py` from `bench/results/`; do not edit. How to repeat: [README.md](README.md).",
        "Within a table all programs ran in turn on one machine; times of different tables, or of other",
        "machines, are not to be compared.",
    ]
    for name, title in ENGINE_SUITES.items():
        path = folder / f"{name}.json"
        if path.exists():
            document = json.loads(path.read_text())
            parts += ["", f"## {title}", "", *engine_table(document["rows"]), "", circumstances(document)]
    path = folder / "read_cold.json"
    if path.exists():
        document = json.loads(path.read_text())
        parts += [
            "",
            f"## {document['title']}",
            "",
            *read_table(document["rows"]),
            "",
            circumstances(document),
            "",
            document["remark"],
        ]
    return "\n".join(parts) + "\n"


def write_page(folder: Path) -> None:
    """Writes RESULTS.md next to the committed results; other folders get it inside."""
    target = common.BENCH / "RESULTS.md" if folder.resolve() == common.RESULTS else folder / "RESULTS.md"
    target.write_text(page(folder))


if __name__ == "__main__":
    write_page(Path(sys.argv[1]) if len(sys.argv) > 1 else common.RESULTS)
