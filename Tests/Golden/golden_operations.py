"""Golden numbers of single operations and their gradients, from PyTorch in float64.

Inputs are value("CASE.INPUT", i) with the amplitude the metadata gives. The upstream gradient of
the output y is value("CASE.g", i), amplitude 1, in the shape of y. For each case the file holds

    CASE.y      the output (a scalar has shape [1])
    CASE.dINPUT the gradient of sum(g * y) with respect to each input

in PyTorch's layouts: images [N, C, H, W], convolution filters [out, in, kh, kw], linear weights
[out, in], attention's q, k and v [N, tokens, channels]. The quantizers' cases have further outputs:
see golden_quantizers.py.

Metadata `cases`: a list of {name, operation, parameters, inputs: [{name, shape, amplitude}],
outputs: [names]}, JSON; names of inputs and outputs are without the case's prefix.
"""

import json
import math

import torch
import torch.nn.functional as F

import golden_quantizers
from hashed_values import values


def convolution(x, w, b, stride, padding):
    """padding = [left, right, top, bottom], of zeros."""
    return F.conv2d(F.pad(x, padding), w, b, stride=stride)


def group_norm(x, weight, bias, groups, epsilon):
    return F.group_norm(x, groups, weight, bias, epsilon)


def attention(q, k, v):
    scores = q @ k.transpose(1, 2) / math.sqrt(q.shape[2])
    return torch.softmax(scores, dim=2) @ v


OPERATIONS = {
    "convolution": convolution,
    "linear": lambda x, w, b: F.linear(x, w, b),
    "groupNorm": group_norm,
    "groupNormSiLU": lambda *a, **k: F.silu(group_norm(*a, **k)),
    "silu": F.silu,
    "relu": F.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "upsampleNearest": lambda x, factor: F.interpolate(x, scale_factor=factor, mode="nearest"),
    "attention": attention,
    "meanSquaredError": lambda a, b: ((a - b) ** 2).mean().reshape(1),
    "meanAbsoluteError": lambda a, b: (a - b).abs().mean().reshape(1),
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "scale": lambda x, by: x * by,
}


def convolution_case(name, x, w, stride=1, padding=(0, 0, 0, 0)):
    inputs = {"x": (x, 1), "w": (w, 0.25), "b": ((w[0],), 1)}
    return name, "convolution", {"stride": stride, "padding": list(padding)}, inputs


GROUPS = {"groups": 8, "epsilon": 1e-6}
NORM = {"x": ((2, 32, 4, 5), 2), "weight": ((32,), 1), "bias": ((32,), 1)}
POINTS = {"x": ((2, 3, 4, 5), 4)}
PAIR = {"a": ((2, 3, 4, 5), 1), "b": ((2, 3, 4, 5), 1)}
CASES = [
    convolution_case("conv3x3", (2, 4, 7, 6), (5, 4, 3, 3), padding=(1, 1, 1, 1)),
    convolution_case("conv3x3-wide", (1, 16, 13, 10), (24, 16, 3, 3), padding=(1, 1, 1, 1)),
    convolution_case("conv3x3-one-pixel", (1, 3, 1, 1), (2, 3, 3, 3), padding=(1, 1, 1, 1)),
    convolution_case("conv3x3-down", (2, 4, 8, 6), (5, 4, 3, 3), 2, padding=(0, 1, 0, 1)),
    convolution_case("conv3x3-down-odd", (1, 3, 7, 5), (4, 3, 3, 3), 2, padding=(0, 1, 0, 1)),
    convolution_case("conv1x1", (2, 5, 4, 3), (7, 5, 1, 1)),
    convolution_case("conv5x5", (1, 3, 7, 8), (4, 3, 5, 5), padding=(2, 2, 2, 2)),
    convolution_case("conv4x4-down", (2, 3, 8, 6), (4, 3, 4, 4), 2, padding=(1, 1, 1, 1)),
    ("linear", "linear", {}, {"x": ((6, 5), 1), "w": ((4, 5), 1), "b": ((4,), 1)}),
    ("group-norm", "groupNorm", GROUPS, NORM),
    ("group-norm-silu", "groupNormSiLU", GROUPS, NORM),
    ("silu", "silu", {}, POINTS),
    ("relu", "relu", {}, POINTS),
    ("tanh", "tanh", {}, POINTS),
    ("sigmoid", "sigmoid", {}, POINTS),
    ("upsample", "upsampleNearest", {"factor": 2}, {"x": ((2, 3, 3, 4), 1)}),
    ("attention", "attention", {}, {n: ((2, 12, 8), 2) for n in "qkv"}),
    ("mse", "meanSquaredError", {}, PAIR),
    ("l1", "meanAbsoluteError", {}, PAIR),
    ("add", "add", {}, PAIR),
    ("subtract", "subtract", {}, PAIR),
    ("multiply", "multiply", {}, PAIR),
    ("scale", "scale", {"by": -0.625}, {"x": ((2, 3, 4, 5), 1)}),
]


def make():
    """The tensors and the metadata of the file."""
    tensors, described = {}, []
    for name, operation, parameters, inputs in CASES + golden_quantizers.CASES:
        leaves = {
            key: torch.from_numpy(values(f"{name}.{key}", shape, float(amplitude)))
            .double().requires_grad_()
            for key, (shape, amplitude) in inputs.items()
        }
        if operation in OPERATIONS:
            y = OPERATIONS[operation](*leaves.values(), **parameters)
            g = torch.from_numpy(values(f"{name}.g", tuple(y.shape))).double()
            (g * y).sum().backward()
            outputs = {"y": y}
        else:
            outputs = golden_quantizers.run(name, operation, parameters, leaves)
        outputs |= {f"d{key}": leaf.grad for key, leaf in leaves.items() if leaf.grad is not None}
        tensors |= {f"{name}.{key}": value.detach().numpy() for key, value in outputs.items()}
        described.append({
            "name": name,
            "operation": operation,
            "parameters": parameters,
            "inputs": [
                {"name": key, "shape": list(shape), "amplitude": amplitude}
                for key, (shape, amplitude) in inputs.items()
            ],
            "outputs": sorted(outputs),
        })
    return tensors, {"cases": json.dumps(described)}
