"""Golden numbers of the whole autoencoder, from the `VQModel` of diffusers.

Tensors of each file (float32, computed in float64):

    image                 [N, 3, H, W]   the input, stored too so that a test can check the rule
    encoder.mid_block     [N, c, h, w]   output of the encoder's middle, to narrow a difference down
    latents               [N, d, h, w]   output of quant_conv, before quantization
    indices               [N, h, w]      int32, the nearest codeword; never ambiguous: the second
                                         nearest is at least `leastIndexMargin` (relative) farther
    decoder.mid_block     [N, c, h, w]   output of the decoder's middle
    decoded               [N, 3, H, W]   the decoder's output for the quantized latents
    losses                [3]            mean of (decoded - image)^2 over all elements; codebook and
                                         commitment loss, each the mean over the N*h*w vectors of
                                         |z - e|^2 summed over the d channels (equal in value)
    gradient.norms        [P]            per parameter, in the order of the metadata's `parameters`,
    gradient.projections  [P]            the gradient of losses[0] + losses[1] + losses[2] / 4,
                                         straight-through: its Euclidean norm, and its dot product
                                         with the direction value(name + ".direction", i),
                                         amplitude 1. Compare with an absolute tolerance: some
                                         gradients are zero (a bias before a group norm of one
                                         channel per group, the bias of an attention's keys)

Metadata: `configuration` (the arguments of VQModel, JSON), `parameters` (a list of
[name, shape], sorted by name, JSON), `codebookAmplitude`, `leastIndexMargin`, `rule`, versions.
"""

import json

import numpy
import torch
from diffusers import VQModel

from hashed_values import parameter, values

CASES = {
    "vqmodel-two-levels": {
        "image": (2, 3, 16, 16),
        "codebook_amplitude": 0.5,
        "configuration": {
            "down_block_types": ["DownEncoderBlock2D"] * 2,
            "up_block_types": ["UpDecoderBlock2D"] * 2,
            "block_out_channels": [32, 64],
            "layers_per_block": 1,
            "latent_channels": 4,
            "vq_embed_dim": 4,
            "num_vq_embeddings": 64,
            "norm_num_groups": 32,
            "mid_block_add_attention": False,
        },
    },
    "vqmodel-three-levels-attention": {
        "image": (1, 3, 24, 40),
        "codebook_amplitude": 0.5,
        "configuration": {
            "down_block_types": ["DownEncoderBlock2D"] * 2 + ["AttnDownEncoderBlock2D"],
            "up_block_types": ["AttnUpDecoderBlock2D"] + ["UpDecoderBlock2D"] * 2,
            "block_out_channels": [32, 32, 64],
            "layers_per_block": 2,
            "latent_channels": 8,
            "vq_embed_dim": 6,
            "num_vq_embeddings": 128,
            "norm_num_groups": 32,
            "mid_block_add_attention": True,
        },
    },
}


def build(configuration, codebook_amplitude):
    """A float32 VQModel with the rule's parameters, and their [name, shape] list."""
    model = VQModel(**configuration)
    state = model.state_dict()
    parameters = [[name, list(state[name].shape)] for name in sorted(state)]
    model.load_state_dict(
        {n: torch.from_numpy(parameter(n, s, codebook_amplitude)) for n, s in parameters}
    )
    return model, parameters


def run(model, image):
    """One pass with losses and gradients; everything a golden file holds, as torch tensors."""
    kept = {}
    for part in ("encoder", "decoder"):
        getattr(model, part).mid_block.register_forward_hook(
            lambda _, __, output, name=part: kept.update({f"{name}.mid_block": output})
        )
    latents = model.encode(image).latents
    rows = latents.permute(0, 2, 3, 1).reshape(-1, latents.shape[1])
    codebook = model.quantize.embedding.weight
    distances = (rows[:, None, :].detach() - codebook[None, :, :].detach()).norm(dim=2)
    indices = distances.argmin(dim=1)
    nearest = distances.sort(dim=1).values[:, :2]
    margin = ((nearest[:, 1] - nearest[:, 0]) / nearest[:, 0]).min().item()

    quantized, _, (_, _, peer_indices) = model.quantize(latents)
    assert torch.equal(indices, peer_indices), "diffusers chose other codewords"
    decoded = model.decode(quantized, force_not_quantize=True).sample
    chosen = codebook[indices]
    losses = torch.stack([
        ((decoded - image) ** 2).mean(),
        ((rows.detach() - chosen) ** 2).sum(dim=1).mean(),
        ((rows - chosen.detach()) ** 2).sum(dim=1).mean(),
    ])
    model.zero_grad()
    (losses[0] + losses[1] + 0.25 * losses[2]).backward()
    grid = (latents.shape[0], *latents.shape[2:])
    kept |= {
        "image": image, "latents": latents, "indices": indices.reshape(grid).int(),
        "decoded": decoded, "losses": losses,
    }
    return kept, margin


def make(name):
    """The tensors and the metadata of one file."""
    case = CASES[name]
    image = torch.from_numpy(values("image", case["image"]))
    model, parameters = build(case["configuration"], case["codebook_amplitude"])
    single, _ = run(model, image)
    model.double()
    tensors, margin = run(model, image.double())
    used = len(tensors["indices"].unique())
    deviation = (single["decoded"] - tensors["decoded"]).abs().max().item()
    print(
        f"{name}: {len(parameters)} parameters, {used} codes used, index margin {margin:.2e}, "
        f"latents {tensors['latents'].mean():.3f} +- {tensors['latents'].std():.3f}, "
        f"decoded {tensors['decoded'].mean():.3f} +- {tensors['decoded'].std():.3f}, "
        f"PyTorch's own float32 is off by {deviation:.1e}"
    )
    assert margin > 1e-3, "an index is ambiguous: choose another codebook amplitude"

    gradients = dict(model.named_parameters())
    norms, projections = [], []
    for parameter_name, shape in parameters:
        gradient = gradients[parameter_name].grad.numpy()
        direction = values(parameter_name + ".direction", shape).astype(numpy.float64)
        norms.append(numpy.sqrt((gradient**2).sum()))
        projections.append((gradient * direction).sum())
    tensors = {key: value.detach().numpy() for key, value in tensors.items()}
    # What float64 leaves of a zero gradient differs from machine to machine.
    noise = numpy.array(norms) < 1e-12
    tensors["gradient.norms"] = numpy.where(noise, 0, norms)
    tensors["gradient.projections"] = numpy.where(noise, 0, projections)
    return tensors, {
        "configuration": json.dumps(case["configuration"]),
        "parameters": json.dumps(parameters),
        "codebookAmplitude": str(case["codebook_amplitude"]),
        "leastIndexMargin": f"{margin:.3e}",
    }
