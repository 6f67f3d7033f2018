"""A 512x512 DRR of a CT: `hilum drr` beside plastimatch and DiffDRR.

    bench/drr.py CT.nii.gz

The same geometry for all: 1800 mm source to detector, 1600 mm to the volume's centre, 0.8 mm pixels, PA.
Every program is a fresh process that reads the CT and writes float32 line integrals; for hilum the picture and
its JSON are written as well. plastimatch runs its `exact` ray tracing. Results go to results/drr.json.

Correlation and mean error compare line integrals where any of the two is over 0.05. plastimatch maps Hounsfield
units to attenuation by its own table, so it is given attenuation that is linear in HU (`-P none`); its unit of length
differs by a constant factor (`scale`), and it shows the patient from the source. DiffDRR (PyPI, needs torch) runs its Siddon renderer
on the CPU; its process reads the CT, warms up once and prints the time of the projection alone beside that of the process.
How the cost grows with rays and voxels: `cargo run --release -p hilum-drr --example cost`.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

import common

GEOMETRY = ["--sid", "1800", "--sad", "1600", "--pixel", "0.8", "--size", "512"]

# plastimatch does not mind the signs of the axes: the copy it gets runs along +x, +y, +z of DICOM.
PREPARE = """
import sys, nibabel, numpy as np
ct, out = sys.argv[1:3]
image = nibabel.as_closest_canonical(nibabel.load(ct))
mu = 0.02 * np.clip(1 + np.asarray(image.dataobj, dtype=np.float32) / 1000, 0, None)
last = [mu.shape[0] - 1, mu.shape[1] - 1, 0, 1]
affine = image.affine @ np.diag([-1, -1, 1, 1])
affine[:, 3] = image.affine @ np.array(last)
nibabel.save(nibabel.Nifti1Image(np.ascontiguousarray(mu[::-1, ::-1]), affine), out)
centre = affine @ np.array([(n - 1) / 2 for n in mu.shape] + [1.0])
print(-centre[0], -centre[1], centre[2])
"""

COMPARE = """
import sys, json, numpy as np
ours = np.fromfile(sys.argv[1], dtype="<f4").reshape(512, 512)
raw = open(sys.argv[2], "rb").read()
theirs = np.frombuffer(raw[-512 * 512 * 4:], dtype="<f4").reshape(512, 512)
best = None
for name, view in {"as written": theirs, "left-right": theirs[:, ::-1], "up-down": theirs[::-1], "turned": theirs[::-1, ::-1]}.items():
    seen = (ours > 0.05) | (view > 0.05)
    r = float(np.corrcoef(ours[seen], view[seen])[0, 1])
    if best is None or r > best["correlation"]:
        scale = float((ours[seen] * view[seen]).sum() / (view[seen] ** 2).sum())
        error = np.abs(ours[seen] - scale * view[seen])
        best = {"orientation": name, "correlation": r, "scale": scale, "mean_error": float(error.mean()), "largest_error": float(error.max())}
print(json.dumps(best))
"""


DIFFDRR = """
import sys, time, torch
from diffdrr.data import read
from diffdrr.drr import DRR
torch.set_num_threads(int(sys.argv[2]))
subject = read(sys.argv[1], orientation="AP", bone_attenuation_multiplier=1.0)
drr = DRR(subject, sdd=1800.0, height=512, delx=0.8, renderer="siddon")
rotation, translation = torch.zeros(1, 3), torch.tensor([[0.0, 1600.0, 0.0]])
call = lambda: drr(rotation, translation, parameterization="euler_angles", convention="ZXY")
with torch.no_grad():
    call()
    start = time.perf_counter()
    call()
print(1000 * (time.perf_counter() - start))
"""


def plastimatch(program: str, ct: Path, centre: list[str], out: Path, threads: int) -> common.Ran:
    """One run of plastimatch's projector; its normal points from the centre to the source."""
    command = [
        program, "drr", "-A", "cpu", "-t", "raw", "-i", "exact", "-P", "none", "-r", "512 512", "-z", "409.6 409.6",
        "--sad", "1600", "--sid", "1800", "-n", "0 1 0", "--vup", "0 0 1", "-o", " ".join(centre), "-I", str(ct), "-O", str(out),
    ]
    return common.run(command, threads)


def main() -> int:
    parser = common.arguments(__doc__.splitlines()[0], rounds=5)
    parser.add_argument("ct", type=Path, help="a CT volume as NIfTI")
    args = parser.parse_args()
    hilum, python = common.find_hilum(args.hilum), common.find_python(args.python)
    program = shutil.which("plastimatch")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        mu = work / "mu.nii.gz"
        centre = common.run([python, "-c", PREPARE, args.ct, mu], args.threads).stdout.split()

        def ours() -> common.Ran:
            return common.run([hilum, "drr", args.ct, *GEOMETRY, "--out", work / "a.png", "--raw", work / "a.f32"], args.threads)

        def theirs() -> common.Ran:
            if program is None:
                raise common.Missing("plastimatch is not installed (Debian package plastimatch)")
            return plastimatch(program, mu, centre, work / "b", args.threads)

        projection: list[float] = []

        def diffdrr() -> common.Ran:
            if common.run([python, "-c", "import importlib.util as u, sys; print(u.find_spec('diffdrr') is not None)"], 1).stdout.strip() != "True":
                raise common.Missing("diffdrr is not installed (PyPI package diffdrr)")
            ran = common.run([python, "-c", DIFFDRR, args.ct, str(args.threads)], args.threads)
            projection.append(float(ran.stdout.split()[-1]))
            return ran

        before = common.machine()
        reports = common.interleave({"hilum": ours, "plastimatch": theirs, "diffdrr": diffdrr}, args.rounds, common.log)
        rows = [row(name, runs) for name, runs in reports.items()]
        written = sorted(work.glob("b*.raw"))
        agreement = json.loads(common.run([python, "-c", COMPARE, work / "a.f32", written[0]], 1).stdout) if written else None
    ms = {r["engine"]: r["ms"] for r in rows}
    if projection:
        ms["diffdrr_projection_alone"] = round(statistics.median(projection), 1)
    result = {
        "suite": "drr",
        "hilum": common.hilum_version(args.hilum),
        "machine": before | {"load_after": common.load(), "quotable": not common.is_busy(before["load_before"], before["cores"])},
        "threads": args.threads,
        "ct": args.ct.name,
        "rows": rows,
        # How many times as long as hilum's whole process.
        "times_hilum": {name: round(t / ms["hilum"], 2) for name, t in ms.items() if t and ms["hilum"] and name != "hilum"},
        "diffdrr_projection_ms": ms.get("diffdrr_projection_alone"),
        "agreement": agreement,
    }
    common.write_results(args.out, "drr", result)
    print(json.dumps(result, indent=2))
    return 0


def row(engine: str, runs: list[common.Ran] | str) -> dict:
    """Median, spread and memory of an engine's processes, or why there are none."""
    if isinstance(runs, str):
        return {"engine": engine, "ms": None, "peak_mb": None, "reason": runs}
    times = common.summary([run.wall_ms for run in runs])
    peak = round(statistics.median(run.peak_mb for run in runs), 1)
    return {"engine": engine, "ms": times["median"], "ms_min": times["min"], "ms_max": times["max"], "runs": times["n"], "peak_mb": peak}


if __name__ == "__main__":
    sys.exit(main())
