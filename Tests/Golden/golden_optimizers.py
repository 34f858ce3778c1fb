"""Golden numbers of the optimizers, from torch.optim.

Each case takes ten steps on the same parameter of seven elements, value("parameter", i) with
amplitude 1, with the gradient of step t (from 0) in row t of value("gradient", i), shape [10, 7].
The tensor CASE.parameter, [10, 7], holds the parameter after each step.

Metadata `cases`: a list of {name, optimizer, options}, JSON; the options are torch.optim's, so
`weight_decay` is decoupled in AdamW and added to the gradient in Adam and SGD.
"""

import json

import numpy
import torch

from hashed_values import values

STEPS, SIZE = 10, 7
ADAM = {"lr": 0.01, "betas": [0.9, 0.999], "eps": 1e-8}
CASES = [
    ("adam", "Adam", ADAM | {"weight_decay": 0.0}),
    ("adam-weight-decay", "Adam", ADAM | {"weight_decay": 0.1}),
    ("adamw", "AdamW", ADAM | {"weight_decay": 0.1}),
    ("adamw-other-betas", "AdamW",
     {"lr": 0.003, "betas": [0.5, 0.9], "eps": 1e-6, "weight_decay": 0.01}),
    ("sgd", "SGD", {"lr": 0.1, "momentum": 0.0, "nesterov": False, "weight_decay": 0.0}),
    ("sgd-momentum", "SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": False, "weight_decay": 0.0}),
    ("sgd-nesterov", "SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.0}),
    ("sgd-nesterov-weight-decay", "SGD",
     {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.05}),
]


def make():
    """The tensors and the metadata of the file."""
    gradients = torch.from_numpy(values("gradient", (STEPS, SIZE))).double()
    tensors = {}
    for name, optimizer, options in CASES:
        parameter = torch.from_numpy(values("parameter", (SIZE,))).double().requires_grad_()
        stepper = getattr(torch.optim, optimizer)([parameter], **options)
        after = []
        for gradient in gradients:
            parameter.grad = gradient.clone()
            stepper.step()
            after.append(parameter.detach().numpy().copy())
        tensors[f"{name}.parameter"] = numpy.stack(after)
    cases = [dict(zip(("name", "optimizer", "options"), case)) for case in CASES]
    return tensors, {"cases": json.dumps(cases)}
