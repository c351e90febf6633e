"""PyTorch as a contender: eager mode, autograd, torch.optim. Speaks the protocol of harness/contender.ts.

Called with --probe it prints the speed of one matrix product, in GFLOP/s, and ends: the harness uses it to find the
OpenBLAS kernels that are fastest here (an OpenBLAS older than the processor falls back to SSE3 ones).
"""
import json
import os
import pathlib
import resource
import sys
import time

import torch
from torch.nn import functional

from pytorch_models import ModelTraining

DTYPES = {"float32": torch.float32, "int32": torch.int32}
RULES = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=1e-3),
    "momentum": lambda parameters: torch.optim.SGD(parameters, lr=1e-3, momentum=0.9),
    "adamw": lambda parameters: torch.optim.AdamW(parameters, lr=1e-3, weight_decay=0.01),
}


def load(folder, tensor):
    data = bytearray((folder / tensor["file"]).read_bytes())
    return torch.frombuffer(data, dtype=DTYPES[tensor["dtype"]]).reshape(tensor["shape"])


class Training:
    """Steps of one task at one microbatch size; the batches lie ready as views of the data."""

    def __init__(self, case):
        folder = pathlib.Path(case["task"])
        task = json.loads((folder / "task.json").read_text())
        modules = []
        for layer in task["layers"]:
            weight = load(folder, layer["weight"])
            linear = torch.nn.Linear(weight.shape[1], weight.shape[0])
            with torch.no_grad():
                linear.weight.copy_(weight)
                linear.bias.copy_(load(folder, layer["bias"]))
            modules += [torch.nn.ReLU()] * (len(modules) > 0) + [linear]
        self.model = torch.nn.Sequential(*modules) if len(modules) > 1 else modules[0]
        self.optimizer = torch.optim.SGD(
            self.model.parameters(), lr=task["learningRate"], momentum=task["momentum"]
        )
        targets = load(folder, task["y"])
        self.loss = functional.mse_loss
        if task["loss"] == "crossEntropy":
            self.loss, targets = functional.cross_entropy, targets.long()
        size = case["microbatch"]
        self.batches = list(zip(load(folder, task["x"]).split(size), targets.split(size)))
        self.step = 0

    def run(self, steps):
        ms, losses = [], []
        for _ in range(steps):
            x, y = self.batches[self.step % len(self.batches)]
            self.step += 1
            start = time.perf_counter()
            self.optimizer.zero_grad(set_to_none=True)
            loss = self.loss(self.model(x), y)
            loss.backward()
            self.optimizer.step()
            losses.append(loss.item())
            ms.append((time.perf_counter() - start) * 1e3)
        return {"ms": ms, "losses": losses}


class Update:
    """An optimizer's step alone, on parameters of the sizes given, with gradients already there."""

    def __init__(self, case):
        shapes = case["shapes"]
        self.parameters = [torch.nn.Parameter(torch.randn(shape) * 0.01) for shape in shapes]
        for parameter in self.parameters:
            parameter.grad = torch.randn(parameter.shape) * 0.01
        self.optimizer = RULES[case["rule"]](self.parameters)

    def run(self, steps):
        ms = []
        for _ in range(steps):
            start = time.perf_counter()
            self.optimizer.step()
            ms.append((time.perf_counter() - start) * 1e3)
        return {"ms": ms}


CASES = {"training": Training, "update": Update, "model": ModelTraining}


def probe():
    a, b = torch.randn(128, 784), torch.randn(784, 512)
    times = []
    for _ in range(40):
        start = time.perf_counter()
        torch.mm(a, b)
        times.append(time.perf_counter() - start)
    print(2 * 128 * 784 * 512 / sorted(times)[len(times) // 2] / 1e9)


def resident_bytes():
    with open("/proc/self/statm") as pages:
        return int(pages.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def say(message):
    print(json.dumps(message), flush=True)


def main():
    torch.set_num_threads(int(os.environ.get("BENCH_THREADS", "1")))
    if sys.argv[1:] == ["--probe"]:
        return probe()
    say({"name": "PyTorch", "version": torch.__version__, "threads": torch.get_num_threads()})
    case = None
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "prepare":
            case = None
            case = CASES[request["case"]["kind"]](request["case"])
            say({"ready": True})
        elif request["do"] == "run":
            say(case.run(request["steps"]))
        elif request["do"] == "memory":
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            say({"residentBytes": resident_bytes(), "peakBytes": peak})


main()
