"""The same networks and tasks in PyTorch and ONNX Runtime, for comparison in one run with the `engine` example:
python crates/kernels/examples/engine/peers.py <net> <infer|step> <batch> <torch|torch_cl|ort> [repeats] [threads]"""
import resource
import statistics
import sys
import time

import torch
from torch import nn
import torchvision


class UNet(nn.Module):
    def __init__(self, channels, width):
        super().__init__()

        def double(i, o):
            return nn.Sequential(nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU(True),
                                 nn.Conv2d(o, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU(True))
        widths = [width << i for i in range(5)]
        self.down = nn.ModuleList(double(channels if i == 0 else widths[i - 1], widths[i]) for i in range(5))
        self.up = nn.ModuleList(nn.ConvTranspose2d(widths[i + 1], widths[i], 2, 2) for i in range(4))
        self.join = nn.ModuleList(double(2 * widths[i], widths[i]) for i in range(4))
        self.last = nn.Conv2d(width, 1, 1, bias=False)

    def forward(self, x):
        skips = []
        for i, block in enumerate(self.down):
            x = block(x if i == 0 else torch.max_pool2d(x, 2))
            skips.append(x)
        for i in reversed(range(4)):
            x = self.join[i](torch.cat([skips[i], self.up[i](x)], 1))
        return self.last(x)


def small(channels):
    def block(i, o):
        return [nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU(True)]
    return nn.Sequential(*block(channels, 16), nn.MaxPool2d(2), *block(16, 32), nn.MaxPool2d(2), *block(32, 64),
                         nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 14))


NETS = {
    "resnet18": (lambda: torchvision.models.resnet18(num_classes=14), (3, 224, 224)),
    "densenet121": (lambda: torchvision.models.densenet121(num_classes=14), (3, 224, 224)),
    "unet": (lambda: UNet(1, 16), (1, 256, 256)),
    "small": (lambda: small(1), (1, 128, 128)),
}


def main():
    name, task, batch, engine = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
    repeats = int(sys.argv[5]) if len(sys.argv) > 5 else 10
    torch.manual_seed(0)
    threads = int(sys.argv[6]) if len(sys.argv) > 6 else torch.get_num_threads()
    torch.set_num_threads(threads)
    build, size = NETS[name]
    net, x = build(), torch.rand(batch, *size) * 2 - 1
    if engine == "torch_cl":
        net, x = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    if task == "infer":
        net.eval()
        if engine == "ort":
            import io
            import onnxruntime
            buffer = io.BytesIO()
            torch.onnx.export(net, x, buffer, dynamo=False)
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            session = onnxruntime.InferenceSession(buffer.getvalue(), options, providers=["CPUExecutionProvider"])
            feed = {session.get_inputs()[0].name: x.numpy()}
            run = lambda: session.run(None, feed)
        else:
            def run():
                with torch.inference_mode():
                    net(x)
    else:
        optimiser = torch.optim.SGD(net.parameters(), 1e-6)

        def run():
            optimiser.zero_grad()
            out = net(x)
            (0.5 * (out * out).sum()).backward()
            optimiser.step()
    run()
    times, before = [], time.process_time()
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1e3)
    cpu = (time.process_time() - before) * 1e3 / repeats
    median = statistics.median(times)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{name} {task} batch {batch} {engine}: median {median:.1f} ms, best {min(times):.1f} ms, {batch * 1e3 / median:.1f} images/s, processor {cpu:.1f} ms, peak {peak} MB")


main()
