"""Speed and memory of the phantom generator and of the measuring of whole CT volumes.

    bench/phantom.py [--studies 12] [--rounds 5]

- `studies`: `hilum phantom` at 512x512, one study a patient (two views of those who stand, masks, report, truth), a fresh process and
  folder each round; studies a second, and the same without what a process needs to start (the slope between half as many and all);
- `volume`: the same study with `--volumes`, what a CT-like volume (2 mm) and its labels add;
- `nodules`: `hilum ct nodules` on a volume of at least 256^3 voxels, made of a phantom by `hilum ct convert`, a ball of 12 mm put into its
  lung as the nodule (needs NumPy and nibabel in `--python`).

Results go to results/phantom.json. There is no peer to compare with: these are times of this machine, and those of a busy one say nothing.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

import common

SEED = "1"
# Fine enough that a phantom of 416 x 344 x 448 mm has more than 256^3 voxels.
SPACING = "1.5"

NODULE = """
import sys, nibabel, numpy as np
source, out, mask_out = sys.argv[1:4]
image = nibabel.load(source)
hu = np.asarray(image.dataobj, dtype=np.float32)
lung = (hu > -950) & (hu < -650)
half = [n // 2 for n in hu.shape]
# Among the lung's voxels of one side, the one nearest to their middle.
places = np.argwhere(lung[half[0] :]) + [half[0], 0, 0]
centre = places[np.abs(places - places.mean(axis=0)).sum(axis=1).argmin()]
grid = np.meshgrid(*[np.arange(n) for n in hu.shape], indexing="ij", sparse=True)
spacing = np.linalg.norm(image.affine[:3, :3], axis=0)
ball = sum(((g - c) * s) ** 2 for g, c, s in zip(grid, centre, spacing)) < 6.0**2
hu[ball] = 30
nibabel.save(nibabel.Nifti1Image(hu.astype(np.int16), image.affine), out)
nibabel.save(nibabel.Nifti1Image(ball.astype(np.uint8), image.affine), mask_out)
print(hu.size)
"""


def main() -> int:
    parser = common.arguments(__doc__.splitlines()[0], rounds=5)
    parser.add_argument("--studies", type=int, default=12, help="studies a round (default 12)")
    args = parser.parse_args()
    hilum, python = common.find_hilum(args.hilum), common.find_python(args.python)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)

        def made(studies: int, *more: str) -> common.Ran:
            out = work / "set"
            shutil.rmtree(out, ignore_errors=True)
            command = [hilum, "phantom", "--n", str(studies), "--seed", SEED, "--size", "512", "--timeline", "1", "--jobs", str(args.threads)]
            return common.run([*command, *more, "--out", out], args.threads)

        before = common.machine()
        half = args.studies // 2
        jobs = {
            "half": lambda: made(half),
            "studies": lambda: made(args.studies),
            "volume": lambda: made(half, "--volumes"),
        }
        voxels = None
        try:
            volume, mask, voxels = large_volume(hilum, python, made, work, args.threads)
            jobs["nodules"] = lambda: common.run([hilum, "ct", "nodules", volume, "--mask", mask, "--json"], args.threads)
        except (common.Missing, common.Failed) as problem:
            common.log(f"no large volume: {problem}")
        reports = common.interleave(jobs, args.rounds, common.log)
    broken = {name: runs for name, runs in reports.items() if isinstance(runs, str)}
    if broken:
        raise common.Failed(str(broken))
    rows = [{"what": name, **figures(runs)} for name, runs in reports.items()]
    ms = {row["what"]: row["ms"] for row in rows}
    result = {
        "suite": "phantom",
        "hilum": common.hilum_version(args.hilum),
        "machine": before | {"load_after": common.load(), "quotable": not common.is_busy(before["load_before"], before["cores"])},
        "threads": args.threads,
        "studies": args.studies,
        "rows": rows,
        "studies_per_second": round(1e3 * args.studies / ms["studies"], 2),
        "studies_per_second_without_start": round(1e3 * (args.studies - half) / (ms["studies"] - ms["half"]), 2),
        "volume_adds_ms_a_study": round((ms["volume"] - ms["half"]) / half, 1),
        "nodules_voxels": voxels,
    }
    common.write_results(args.out, "phantom", result)
    print(json.dumps(result, indent=2))
    return 0


def large_volume(hilum: Path, python: Path, made, work: Path, threads: int) -> tuple[Path, Path, int]:
    """A phantom's volume on a fine grid with a nodule, its mask, and the number of voxels."""
    made(1, "--volumes")
    source = next(path for path in sorted((work / "set" / "volumes").glob("*.nii.gz")) if not path.name.endswith("-labels.nii.gz"))
    fine, volume, mask = (work / f"{name}.nii.gz" for name in ("fine", "volume", "mask"))
    common.run([hilum, "ct", "convert", source, "--spacing", SPACING, "--out", fine], threads)
    said = common.run([python, "-c", NODULE, fine, volume, mask], 1).stdout
    return volume, mask, int(said.split()[-1])


def figures(runs: list[common.Ran]) -> dict:
    times = common.summary([run.wall_ms for run in runs])
    peak = round(statistics.median(run.peak_mb for run in runs), 1)
    return {"ms": times["median"], "ms_min": times["min"], "ms_max": times["max"], "runs": times["n"], "peak_mb": peak}


if __name__ == "__main__":
    sys.exit(main())
