"""Golden numbers of the quantizers: values, indices, losses and gradients, in float64.

Each works on rows of vectors, z [rows, channels]. The upstream gradient g = value("CASE.g", i),
amplitude 1, has the shape of z and acts on what the decoder would see.

vectorQuantizer        outputs q (the nearest codewords), indices, codebookLoss and commitmentLoss
                       (unweighted, [1]: mean over rows of |z - e|^2 summed over channels), and the
                       gradients dz and dcodebook of
                       sum(g * q) + codebookWeight * codebookLoss
                           + commitmentWeight * commitmentLoss
                       where q passes its gradient straight through to z: z + constant(q - z).
                       With the rotation trick (gradient = "rotation", Fifty et al., 2410.06424)
                       q = constant(|e| / |z| R) z with R turning z/|z| into e/|e|.
finiteScalarTanh       Mentzer et al., 2309.15505:  h = (L - 1)(1 - epsilon) / 2, o = 1/2 for even L
                       else 0, s = tan(o / h), f(z) = tanh(z + s) h - o; zhat = round(f(z)),
                       straight-through; code = zhat / floor(L / 2); digit = zhat + floor(L / 2).
                       (vector-quantize-pytorch differs: atanh, and 1 + epsilon.)
finiteScalarSigmoid    f(z) = (L - 1) sigmoid(z); zhat = round(f(z)), straight-through;
                       code = zhat / (L - 1), in [0, 1]; digit = zhat.
                       Both: outputs zhat, code, indices = sum of digit_i * product of the levels
                       before i (the first channel is least significant), and dz of sum(g * code).

No result hangs on a tie: the second nearest codeword is at least 0.1% farther, and every f(z) is
at least 0.001 away from the middle between two levels.
"""

import torch

from hashed_values import values

VQ = {"z": ((24, 4), 1), "codebook": ((16, 4), 1)}
WEIGHTS = {"codebookWeight": 1.0, "commitmentWeight": 0.25}
NO_LOSSES = {"codebookWeight": 0.0, "commitmentWeight": 0.0}
CASES = [
    ("vq", "vectorQuantizer", {"gradient": "straightThrough"} | WEIGHTS, VQ),
    ("vq-rotation", "vectorQuantizer", {"gradient": "rotation"} | WEIGHTS, VQ),
    ("vq-rotation-alone", "vectorQuantizer", {"gradient": "rotation"} | NO_LOSSES, VQ),
    ("fsq-tanh-8555", "finiteScalarTanh", {"levels": [8, 5, 5, 5], "epsilon": 1e-3},
     {"z": ((32, 4), 2)}),
    ("fsq-tanh-754", "finiteScalarTanh", {"levels": [7, 5, 4], "epsilon": 1e-3},
     {"z": ((32, 3), 2)}),
    ("fsq-sigmoid-6666", "finiteScalarSigmoid", {"levels": [6, 6, 6, 6]}, {"z": ((32, 4), 4)}),
]


def rotated(z, e):
    """Each row of z, turned and stretched onto the row of e; turn and stretch are constants."""
    rows = []
    for row, target in zip(z, e):
        a = (row / row.norm()).detach()
        b = (target / target.norm()).detach()
        r = (a + b) / (a + b).norm()
        turn = torch.eye(len(a), dtype=a.dtype) - 2 * torch.outer(r, r) + 2 * torch.outer(b, a)
        stretch = (target.norm() / row.norm()).detach()
        rows.append(stretch * turn @ row)
    return torch.stack(rows)


def vector_quantizer(g, z, codebook, gradient, codebookWeight, commitmentWeight):
    distances = (z[:, None, :] - codebook[None, :, :]).norm(dim=2).detach()
    nearest = distances.sort(dim=1).values[:, :2]
    assert (nearest[:, 1] / nearest[:, 0]).min() > 1.001, "an index is ambiguous"
    indices = distances.argmin(dim=1)
    e = codebook[indices]
    q = rotated(z, e) if gradient == "rotation" else z + (e - z).detach()
    assert torch.allclose(q, e, rtol=0, atol=1e-14)
    codebook_loss = ((z.detach() - e) ** 2).sum(dim=1).mean()
    commitment_loss = ((z - e.detach()) ** 2).sum(dim=1).mean()
    objective = (g * q).sum()
    objective = objective + codebookWeight * codebook_loss + commitmentWeight * commitment_loss
    objective.backward()
    return {
        "q": e, "indices": indices,
        "codebookLoss": codebook_loss.reshape(1), "commitmentLoss": commitment_loss.reshape(1),
    }


def finite_scalar(g, bounded, lowest, scale, levels):
    """Rounds `bounded`, whose least level is `lowest` and whose code is zhat / scale."""
    distance_to_tie = (bounded - bounded.floor() - 0.5).abs().min()
    assert distance_to_tie > 1e-3, "a level is ambiguous"
    zhat = bounded + (bounded.round() - bounded).detach()
    code = zhat / scale
    (g * code).sum().backward()
    digits = (zhat.detach() - lowest).round().long()
    assert (digits >= 0).all() and (digits < torch.tensor(levels)).all()
    basis = torch.cumprod(torch.tensor([1] + levels[:-1]), dim=0)
    return {"zhat": zhat.detach().round(), "code": code, "indices": (digits * basis).sum(dim=1)}


def finite_scalar_tanh(g, z, levels, epsilon):
    count = torch.tensor(levels, dtype=torch.float64)
    half = (count - 1) * (1 - epsilon) / 2
    offset = torch.where(count % 2 == 0, 0.5, 0.0).double()
    bounded = torch.tanh(z + torch.tan(offset / half)) * half - offset
    floor_half = torch.floor(count / 2)
    return finite_scalar(g, bounded, -floor_half, floor_half, levels)


def finite_scalar_sigmoid(g, z, levels):
    top = torch.tensor(levels, dtype=torch.float64) - 1
    return finite_scalar(g, top * torch.sigmoid(z), 0, top, levels)


QUANTIZERS = {
    "vectorQuantizer": vector_quantizer,
    "finiteScalarTanh": finite_scalar_tanh,
    "finiteScalarSigmoid": finite_scalar_sigmoid,
}


def run(name, operation, parameters, leaves):
    """The outputs of one case; the gradients are left on the leaves."""
    g = torch.from_numpy(values(f"{name}.g", tuple(leaves["z"].shape))).double()
    return QUANTIZERS[operation](g, **leaves, **parameters)
