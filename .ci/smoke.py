#!/usr/bin/env python3
"""Black-box checks of the release binary: what the README's first command wrote, and the contract for scripts.

    smoke.py --command 'TEXT OF THE README COMMAND' [--hilum PATH]

Prints one line a check; exit code 1 when any failed. Needs jsonschema.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import jsonschema

ROOT = Path(__file__).resolve().parent.parent
PNG = b"\x89PNG\r\n\x1a\n"
failures: list[str] = []


def check(what: str, holds: bool, detail: str = "") -> bool:
    """Prints and remembers the outcome of one check."""
    print(f"{'ok  ' if holds else 'FAIL'} {what}{f': {detail}' if detail and not holds else ''}")
    if not holds:
        failures.append(what)
    return holds


def hilum(binary: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Runs the binary from a folder that is not the repository, so that models must be found anyway."""
    with tempfile.TemporaryDirectory() as elsewhere:
        return subprocess.run(
            [binary, *arguments], cwd=elsewhere, capture_output=True, text=True, timeout=600, check=False
        )


def schema() -> jsonschema.Draft202012Validator:
    document = json.loads((ROOT / "docs" / "reading.schema.json").read_text())
    check("the schema demands something", any(key in document for key in ("required", "anyOf", "oneOf")))
    jsonschema.Draft202012Validator.check_schema(document)
    return jsonschema.Draft202012Validator(document)


def complaints(validator, reading: dict) -> str:
    return "; ".join(
        f"{'/'.join(map(str, e.absolute_path))}: {e.message[:120]}" for e in list(validator.iter_errors(reading))[:3]
    )


def out_folder(command: str) -> Path | None:
    """The folder after --out in the README's command."""
    words = shlex.split(command, comments=True)
    return ROOT / words[words.index("--out") + 1] if "--out" in words[:-1] else None


def check_written(folder: Path, validator) -> None:
    """reading.json, report.html, overlay and masks of every study below the folder."""
    readings = sorted(folder.rglob("reading.json"))
    check("the README's command wrote readings", bool(readings), f"none below {folder}")
    check("nothing half-written is left", not list(folder.rglob("*.part")) + list(folder.rglob("*.tmp")))
    for path in readings:
        name = path.parent.relative_to(folder)
        reading = json.loads(path.read_text())
        found = complaints(validator, reading)
        check(f"{name}: reading.json fits the schema", not found, found)
        check_report(name, path.parent)
        check_masks(name, folder, reading)
        check_evidence(name, reading)


def check_report(name: Path, folder: Path) -> None:
    """One HTML file that loads nothing from elsewhere, and an overlay that is a PNG."""
    page = folder / "report.html"
    if check(f"{name}: report.html is there", page.is_file()):
        text = page.read_text()
        outside = re.findall(r"""(?:src|href)\s*=\s*["'](?:https?:)?//[^"']+""", text)
        loaded = [link for link in outside if link.startswith("src")] + re.findall(r"<link[^>]+https?://[^>]+", text)
        check(f"{name}: report.html loads nothing from elsewhere", not loaded, str(loaded[:2]))
        check(f"{name}: report.html says what it is not", "research" in text.lower())
    analysed = json.loads((folder / "reading.json").read_text())["gate"]["analysable"]
    if analysed:
        overlays = list(folder.rglob("overlay*.png"))
        check(f"{name}: an overlay is there", any(o.read_bytes().startswith(PNG) for o in overlays))


def check_masks(name: Path, folder: Path, reading: dict) -> None:
    for image in reading["images"]:
        for kind, path in (image.get("masks") or {}).items():
            if path is None:
                continue
            file = folder / path
            holds = file.is_file() and file.read_bytes().startswith(PNG)
            check(f"{name}: mask {kind} is a PNG below the output folder", holds, str(path))


def check_evidence(name: Path, reading: dict) -> None:
    """No sentence without evidence, no probability for what was not assessed."""
    bare = [s["text"] for s in reading["report"]["sentences"] if not s["evidence"]]
    check(f"{name}: every sentence has evidence", not bare, str(bare[:2]))
    guessed = [
        f["code"] for f in reading["findings"] if f["status"] == "not_assessed" and f.get("probability") is not None
    ]
    check(f"{name}: nothing not assessed has a probability", not guessed, str(guessed))


def check_bad_files(binary: Path) -> None:
    """Every bad sample is refused with a kind and a reason; the good one beside them is read."""
    bad = sorted(str(path) for path in (ROOT / "samples" / "bad").iterdir())
    good = str(ROOT / "samples" / "images" / "child-normal.jpg")
    done = hilum(binary, "read", *bad, good, "--json")
    check("bad files: exit code 1", done.returncode == 1, f"{done.returncode}: {done.stderr[-300:]}")
    check("bad files: no panic", "panicked" not in done.stderr, done.stderr[-300:])
    try:
        lines = [json.loads(line) for line in done.stdout.splitlines()]
    except json.JSONDecodeError as problem:
        check("bad files: stdout is JSON Lines and nothing else", False, str(problem))
        return
    failed = {line["path"]: line["error"] for line in lines if "error" in line}
    broken = [path for path in bad if Path(path).name not in MAY_BE_READ]
    missing = [Path(path).name for path in broken if path not in failed]
    check("bad files: each has its error line", not missing, str(missing))
    vague = [path for path, error in failed.items() if not error.get("kind") or not error.get("message")]
    check("bad files: each error has a kind and a message", not vague, str(vague))
    read = [image["path"] for line in lines for image in line.get("images", [])]
    check("bad files: the good file among them is read", good in read, str(read))


#: Not broken as files: these may be refused by name or by the gate, or read by their content.
MAY_BE_READ = {"colour.png", "ct-slice.png", "jpeg-named.dcm", "one-pixel.png"}


def check_same_twice(binary: Path, validator) -> None:
    """Same input, same output whatever --jobs is; a stored-inverted twin reads the same."""
    folder = ROOT / "samples" / "images"
    twins = [str(folder / name) for name in ("adult-pa.dcm", "adult-pa-monochrome1.dcm")]
    runs = [hilum(binary, "read", *twins, "--json", "--jobs", jobs) for jobs in ("1", "2")]
    check("read --json: exit code 0", all(run.returncode == 0 for run in runs), runs[0].stderr[-300:])
    texts = [re.sub(r'"elapsed_ms":\s*[0-9.]+', "", run.stdout) for run in runs]
    check("read --json: the same whatever --jobs is", texts[0] == texts[1])
    lines = [json.loads(line) for line in runs[0].stdout.splitlines()]
    check("read --json: one line a study", len(lines) == 2, str(len(lines)))
    for line in lines:
        found = complaints(validator, line)
        check("read --json: the line fits the schema", not found, found)
    if len(lines) == 2:
        findings = [[(f["code"], f.get("logit")) for f in line["findings"]] for line in lines]
        check("a MONOCHROME1 twin has the same findings", findings[0] == findings[1])


def check_methods(binary: Path) -> None:
    """`hilum methods --json`, and the README's table is the one that the registry prints."""
    done = hilum(binary, "methods", "--json")
    rows = json.loads(done.stdout) if done.returncode == 0 else []
    keys = {"card", "name", "title", "tasks", "data", "holds"}
    check("methods --json: an array of rows", bool(rows) and all(keys <= row.keys() for row in rows))
    table = hilum(binary, "methods", "--markdown").stdout.strip()
    readme = (ROOT / "README.md").read_text()
    marked = re.search(r"<!-- methods:begin -->\n(.*?)<!-- methods:end -->", readme, re.S)
    if check("README has its table of methods between the markers", marked is not None):
        check(
            "README's table of methods is that of `hilum methods --markdown`",
            bool(table) and marked.group(1).strip() == table,
        )


def check_usage(binary: Path) -> None:
    done = hilum(binary, "read", "--no-such-option")
    check("a usage error has exit code 2", done.returncode == 2, str(done.returncode))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--command", required=True)
    parser.add_argument("--hilum", type=Path, default=ROOT / "target" / "release" / "hilum")
    options = parser.parse_args()
    if not check("the release binary is there", options.hilum.is_file(), str(options.hilum)):
        return 1
    binary, validator = options.hilum.resolve(), schema()
    folder = out_folder(options.command)
    if check("the README's command has --out DIR", folder is not None):
        check_written(folder, validator)
    check_bad_files(binary)
    check_same_twice(binary, validator)
    check_methods(binary)
    check_usage(binary)
    print(f"{len(failures)} check(s) failed" if failures else "all checks hold")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
