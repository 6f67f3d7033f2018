"""Measures one peer engine in this process and prints one JSON object: `{"ms": [...]}`.

    peer.py prepare  NET BATCH FOLDER            writes weights, input, target and the ONNX file
    peer.py infer    NET BATCH FOLDER ENGINE THREADS REPEATS
    peer.py train    NET BATCH FOLDER ENGINE THREADS REPEATS
    peer.py compare  A.npy B.npy                 largest difference over largest magnitude

Started by infer.py and train_step.py, one fresh process for each start of an engine.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

WARM_UP = 3


def weights_path(folder: Path, net: str) -> Path:
    return folder / f"{net}.safetensors"


def data_path(folder: Path, net: str, batch: int, kind: str) -> Path:
    return folder / f"{net}_b{batch}_{kind}.npy"


def prepare(net: str, batch: int, folder: Path) -> dict:
    """Writes what every engine reads, so that all of them run the same numbers."""
    import numpy as np
    from safetensors.torch import save_file

    import nets

    folder.mkdir(parents=True, exist_ok=True)
    model = nets.build(net)
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, weights_path(folder, net))
    np.save(data_path(folder, net, batch, "input"), nets.batch_of(net, batch))
    if net != "densenet121":
        np.save(data_path(folder, net, batch, "target"), nets.target_of(net, batch))
        return {}
    return export_onnx(model, net, batch, folder)


def export_onnx(model, net: str, batch: int, folder: Path) -> dict:
    """The same weights as ONNX, at a fixed batch; the reason instead when the exporter is not here."""
    import torch

    import nets

    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as problem:
        return {"onnx": f"not exported: {problem}"}
    path = folder / f"{net}_b{batch}.onnx"
    sample = torch.from_numpy(nets.batch_of(net, batch))
    program = torch.onnx.export(model, (sample,), dynamo=True, verbose=False)
    program.save(str(path), external_data=False)
    return {}


def timed(step, repeats: int) -> list[float]:
    """Milliseconds of each call of `step` after the warm-up."""
    for _ in range(WARM_UP):
        step()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        step()
        times.append((time.perf_counter() - start) * 1e3)
    return times


def peak_now_mb() -> float | None:
    """This process's peak memory so far: libraries, weights and input, before any work is done."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return round(int(line.split()[1]) / 1024, 1)
    except OSError:
        pass
    return None


def load_net(net: str, folder: Path, threads: int):
    import torch
    from safetensors.torch import load_file

    import nets

    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)
    model = nets.BUILDERS[net]()
    model.load_state_dict(load_file(weights_path(folder, net)))
    return model


def infer_torch(net: str, batch: int, folder: Path, engine: str, threads: int, repeats: int) -> dict:
    import numpy as np
    import torch

    model = load_net(net, folder, threads).eval()
    x = torch.from_numpy(np.load(data_path(folder, net, batch, "input")))
    if engine == "pytorch channels_last":
        model, x = model.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    loaded = peak_now_mb()
    with torch.inference_mode():
        times = timed(lambda: model(x), repeats)
        y = model(x).numpy()
    return {"ms": times, "loaded_mb": loaded, "output": save_output(y, net, batch, folder, engine)}


def infer_onnx(net: str, batch: int, folder: Path, engine: str, threads: int, repeats: int) -> dict:
    import numpy as np
    import onnxruntime

    path = folder / f"{net}_b{batch}.onnx"
    if not path.exists():
        return {"missing": "the ONNX file could not be exported (onnx and onnxscript are needed)"}
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: np.load(data_path(folder, net, batch, "input"))}
    loaded = peak_now_mb()
    times = timed(lambda: session.run(None, feed), repeats)
    output = save_output(session.run(None, feed)[0], net, batch, folder, engine)
    return {"ms": times, "loaded_mb": loaded, "output": output}


def save_output(y, net: str, batch: int, folder: Path, engine: str) -> str:
    import numpy as np

    path = data_path(folder, net, batch, "output_" + engine.replace(" ", "_"))
    np.save(path, y)
    return str(path)


def infer(net: str, batch: int, folder: Path, engine: str, threads: int, repeats: int) -> dict:
    measure = infer_onnx if engine == "onnxruntime" else infer_torch
    return measure(net, batch, folder, engine, threads, repeats)


def train(net: str, batch: int, folder: Path, engine: str, threads: int, repeats: int) -> dict:
    """Adam steps at rate 1e-3 on mean binary cross-entropy; `losses` are those of every step."""
    import numpy as np
    import torch

    model = load_net(net, folder, threads).train()
    x = torch.from_numpy(np.load(data_path(folder, net, batch, "input")))
    target = torch.from_numpy(np.load(data_path(folder, net, batch, "target")))
    if engine == "pytorch channels_last":
        model, x = model.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    losses = []
    loaded = peak_now_mb()

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(model(x), target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())

    times = timed(step, repeats)
    path = save_output(np.asarray(losses, dtype=np.float32), net, batch, folder, engine)
    return {"ms": times, "loaded_mb": loaded, "output": path}


def compare(a: str, b: str, first: str | None = None) -> dict:
    """Largest difference of two arrays over the largest magnitude of the first; `first` limits both
    to their first values."""
    import numpy as np

    x, y = (np.load(path).astype(np.float64) for path in (a, b))
    if first is not None:
        x, y = x.ravel()[: int(first)], y.ravel()[: int(first)]
    if x.shape != y.shape:
        return {"reason": f"shapes differ: {x.shape} and {y.shape}"}
    if not np.isfinite(y).all():
        return {"reason": "output is not finite"}
    return {"relative": float(np.abs(x - y).max() / np.abs(x).max())}


def main(verb: str, *rest: str) -> dict:
    if verb == "compare":
        return compare(*rest)
    net, batch, folder = rest[0], int(rest[1]), Path(rest[2])
    if verb == "prepare":
        return prepare(net, batch, folder)
    measure = {"infer": infer, "train": train}[verb]
    return measure(net, batch, folder, rest[3], int(rest[4]), int(rest[5]))


if __name__ == "__main__":
    try:
        report = main(*sys.argv[1:])
        report.setdefault("peak_mb", peak_now_mb())
    except ImportError as problem:
        report = {"missing": f"{problem} (see bench/README.md)"}
    print(json.dumps(report))
