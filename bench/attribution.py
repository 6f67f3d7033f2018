#!/usr/bin/env python3
"""Attributions of ResNet-18 at 1x128x128, batch 4: hilum beside captum (PyTorch) on the same weights, images and classes.

Needs torch, torchvision, safetensors and captum. `attribution.py peer METHOD BATCH FOLDER THREADS REPEATS` is what it starts
for captum, one fresh process for each start.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import common
from common import CACHE, Failed, Missing

NET = "resnet18"
BATCH = 4
TILE = 16
STEPS = 50
WARM_UP = 1
METHODS = (
    "saliency",
    "input-x-gradient",
    "guided-backprop",
    "deconvolution",
    "integrated-gradients",
    "deep-lift",
    "occlusion",
    "feature-ablation",
    "grad-cam",
)
#: Largest difference over the largest magnitude up to which maps are said to agree.
TOLERANCE = 1e-3


def fresh_relus(model):
    """The same network with one ReLU a call, none in place: captum's DeepLIFT and guided backpropagation need both."""
    from torch import nn
    from torchvision.models.resnet import BasicBlock

    class Block(nn.Module):
        def __init__(self, old: BasicBlock):
            super().__init__()
            self.conv1, self.bn1, self.conv2, self.bn2 = old.conv1, old.bn1, old.conv2, old.bn2
            self.downsample = old.downsample
            self.relu1, self.relu2 = nn.ReLU(), nn.ReLU()

        def forward(self, x):
            skip = x if self.downsample is None else self.downsample(x)
            y = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
            return self.relu2(y + skip)

    model.relu = nn.ReLU()
    for name in ("layer1", "layer2", "layer3", "layer4"):
        blocks = [Block(block) for block in getattr(model, name)]
        setattr(model, name, nn.Sequential(*blocks))
    return model


def captum_call(method: str, model, x, targets):
    """A function that makes the maps once."""
    import torch
    from captum import attr

    if method == "grad-cam":
        found = attr.LayerGradCam(model, model.layer4[-1])
        return lambda: found.attribute(x, target=targets, relu_attributions=False)
    if method == "integrated-gradients":
        found = attr.IntegratedGradients(model)
        return lambda: found.attribute(x, target=targets, n_steps=STEPS)
    if method == "occlusion":
        found = attr.Occlusion(model)
        window = (x.shape[1], TILE, TILE)
        stride = (x.shape[1], TILE // 2, TILE // 2)
        return lambda: found.attribute(x, window, strides=stride, target=targets, perturbations_per_eval=4)
    if method == "feature-ablation":
        found = attr.FeatureAblation(model)
        row = torch.arange(x.shape[2]) // TILE
        mask = (row[:, None] * (x.shape[3] // TILE) + row[None, :])[None, None]
        return lambda: found.attribute(x, target=targets, feature_mask=mask, perturbations_per_eval=4)
    classes = {
        "saliency": attr.Saliency,
        "input-x-gradient": attr.InputXGradient,
        "guided-backprop": attr.GuidedBackprop,
        "deconvolution": attr.Deconvolution,
        "deep-lift": attr.DeepLift,
    }
    found = classes[method](model)
    return lambda: found.attribute(x, target=targets)


def peer(method: str, batch: int, folder: Path, threads: int, repeats: int) -> dict:
    """Times captum in this process."""
    try:
        import numpy as np
        import torch
        from safetensors.torch import load_file

        import nets
        import peer as files
        from captum import attr  # noqa: F401
    except ImportError as problem:
        return {"missing": str(problem)}
    import warnings

    warnings.filterwarnings("ignore")
    torch.set_num_threads(threads)
    model = nets.resnet18()
    model.load_state_dict(load_file(files.weights_path(folder, NET)))
    model = fresh_relus(model.eval())
    x = torch.from_numpy(np.load(files.data_path(folder, NET, batch, "input"))).requires_grad_()
    targets = torch.arange(batch) % 14
    call = captum_call(method, model, x, targets)
    times, maps = [], None
    for number in range(WARM_UP + repeats):
        start = time.perf_counter()
        maps = call()
        if number >= WARM_UP:
            times.append((time.perf_counter() - start) * 1e3)
    path = folder / f"{NET}_b{batch}_{method}_captum.npy"
    np.save(path, maps.detach().numpy().astype("float32"))
    return {"ms": times, "output": str(path), "loaded_mb": None}


def hilum(method: str, options) -> dict:
    """One start of `hilum bench attribution`."""
    output = CACHE / f"{NET}_b{BATCH}_{method}_hilum.npy"
    command = [common.find_hilum(options.hilum), "bench", "attribution", "--net", NET, "--method", method]
    command += ["--batch", str(BATCH), "--repeats", str(options.repeats), "--steps", str(STEPS)]
    command += ["--weights", CACHE / f"{NET}.safetensors", "--input", CACHE / f"{NET}_b{BATCH}_input.npy"]
    ran = common.run([*command, "--output", output], options.threads)
    row = common.json_rows(ran.stdout)[0]
    return {"ms": [row["ms"]], "peak_mb": ran.peak_mb, "output": str(output)}


def agreement(python: Path, method: str, outcome: dict) -> dict:
    """How far hilum's maps are from captum's."""
    last = [found[-1].get("output") if isinstance(found, list) and found else None for found in outcome.values()]
    if None in last:
        return {"equal": None, "reason": "no output to compare"}
    found = common.worker(python, "peer.py", "compare", *last, threads=1)
    if "reason" in found:
        return {"equal": False, "reason": found["reason"]}
    return {"equal": found["relative"] <= TOLERANCE, "relative": float(f"{found['relative']:.2g}")}


def case(method: str, options, python: Path) -> list[dict]:
    """The rows of one attribution."""
    common.log(method)
    script = ("attribution.py", "peer", method, str(BATCH), CACHE, str(options.threads), str(options.repeats))
    engines = {
        "captum": lambda: common.worker(python, *script, threads=options.threads),
        "hilum": lambda: hilum(method, options),
    }
    outcome = common.interleave(engines, options.rounds, common.log)
    rows = [common.row(NET, method, BATCH, name, found) for name, found in outcome.items()]
    common.add_ratios(rows)
    rows[-1]["outputs"] = agreement(python, method, outcome)
    return rows


def versions(python: Path) -> dict | str:
    """Versions of the peers that are installed."""
    code = "import json, importlib.metadata as m; print(json.dumps({p: m.version(p) for p in ['torch', 'captum']}))"
    try:
        return common.json_rows(common.run([python, "-c", code], threads=1).stdout)[0]
    except Failed as problem:
        return str(problem)


def show(rows: list[dict]) -> None:
    """The rows as a table on stdout."""
    print(f"{'attribution':<22}{'captum, ms':>12}{'hilum, ms':>12}{'hilum/captum':>14}  outputs")
    for captum, own in zip(rows[::2], rows[1::2]):
        ms = [f"{r['ms']:.1f}" if r["ms"] else "-" for r in (captum, own)]
        ratio = own.get("time_ratio_to", {}).get("captum")
        note = own["outputs"].get("relative", own["outputs"].get("reason"))
        shown = "-" if ratio is None else f"{ratio:.2f}"
        print(f"{own['task']:<22}{ms[0]:>12}{ms[1]:>12}{shown:>14}  {note}")
        for row in (captum, own):
            if row["ms"] is None:
                print(f"  {row['engine']}: {row['reason']}")


def main() -> None:
    parser = common.arguments(__doc__.splitlines()[0], rounds=3, repeats=5)
    parser.add_argument("--methods", nargs="*", default=METHODS, help="only these attributions")
    options = parser.parse_args()
    python = common.find_python(options.python)
    machine = common.machine()
    try:
        common.worker(python, "peer.py", "prepare", NET, str(BATCH), CACHE, threads=options.threads)
    except (Missing, Failed) as problem:
        sys.exit(f"the weights and images could not be prepared: {problem}")
    rows = [row for method in options.methods for row in case(method, options, python)]
    machine["load_after"] = common.load()
    document = {
        "suite": "attribution",
        "machine": machine,
        "threads": options.threads,
        "rounds": options.rounds,
        "repeats": options.repeats,
        "hilum": common.hilum_version(options.hilum),
        "commit": common.commit(),
        "peers": versions(python),
        "rows": rows,
    }
    common.write_results(options.out, "attribution", document)
    show(rows)


if __name__ == "__main__":
    if sys.argv[1:2] == ["peer"]:
        _, _, method, batch, folder, threads, repeats = sys.argv
        print(json.dumps(peer(method, int(batch), Path(folder), int(threads), int(repeats))))
    else:
        main()
