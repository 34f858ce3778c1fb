"""The continuous prior of a configuration in PyTorch: one measurement, printed as one line of JSON.

    python torch_continuous.py --config ../configs/bench-continuous.json --task training
    python torch_continuous.py --config ../configs/bench-continuous.json --task sampling --count 16
    python torch_continuous.py --config ../configs/bench-continuous.json \
        --weights model.safetensors --numbers numbers.safetensors

Same layers, sizes, batch, noise levels and loss as Tessera's, for images without classes: Llama's
blocks over patches, each of which a small residual network denoises, preconditioned as by Karras et
al., 2022. A training step is forward, backward, clipping and AdamW (fused) on a batch in memory, with
noise drawn anew; sampling draws whole images with a cache of keys and values, and solves by Heun's
method. With --weights those of a run of Tessera are read, and what they yield is compared with the
numbers that Tessera computed. bfloat16 is PyTorch's own mixed precision (autocast).
"""

import argparse
import contextlib
import json
import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch_peer import keep_freed_memory, peak_bytes
from torch_prior import Block, Training, linear, seconds_of

DEVIATION = 0.5  # of the data


def zeros(inputs, outputs):
    layer = nn.Linear(inputs, outputs)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def modulated(h, shift, scale):
    normal = F.layer_norm(h, h.shape[-1:], eps=1e-6)
    return torch.addcmul(normal + shift, normal, scale)


class HeadBlock(nn.Module):
    """Shift, scale and gate are one product, as in DiT."""

    def __init__(self, width):
        super().__init__()
        self.modulation = zeros(width, 3 * width)
        self.mlp = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, h, y):
        shift, scale, gate = self.modulation(y).chunk(3, -1)
        return torch.addcmul(h, gate, self.mlp(modulated(h, shift, scale)))


class Head(nn.Module):
    """The network that takes noise from a vector, given what the transformer knows."""

    def __init__(self, head, numbers, known):
        super().__init__()
        assert head["type"] == "diffusion", "expected a diffusion head"
        width = head["width"]
        frequencies = 2 ** (torch.arange(32, dtype=torch.float64) * 7 / 31 - 2)
        self.frequencies = frequencies.float()
        self.time = nn.Sequential(nn.Linear(64, width), nn.SiLU(), nn.Linear(width, width))
        self.condition, self.input = nn.Linear(known, width), nn.Linear(numbers, width)
        self.blocks = nn.ModuleList(HeadBlock(width) for _ in range(head["layers"]))
        self.final_modulation, self.output = zeros(width, 2 * width), zeros(width, numbers)

    def timed(self, log_levels):
        """What the network sees of the logarithms of noise levels `[...]`."""
        angles = (log_levels * 0.25).unsqueeze(-1) * self.frequencies
        return self.time(torch.cat([angles.sin(), angles.cos()], -1))

    def forward(self, x, time, condition):
        y = F.silu(time + condition)
        h = self.input(x)
        for block in self.blocks:
            h = block(h, y)
        return self.output(modulated(h, *self.final_modulation(y).chunk(2, -1)))

    def velocity(self, x, level, time, condition):
        """dx/dsigma at states `[N, numbers]` of one noise level."""
        total = level**2 + DEVIATION**2
        root = math.sqrt(total)
        found = self(x / root, time, condition)
        return torch.add(x * (level / total), found, alpha=-DEVIATION / root)


class ContinuousPrior(nn.Module):
    def __init__(self, model, data):
        super().__init__()
        side, head = data["imageSize"] // data["patch"], model["head"]
        self.places, self.numbers = side * side, 3 * data["patch"] ** 2
        width, self.heads = model["width"], model["heads"]
        self.channels = width // self.heads
        self.levels = head["levels"]
        self.noise = head.get("noiseMean", -1.2), head.get("noiseDeviation", 1.2)
        hidden = model.get("feedForward", 0) or (8 * width // 3 + 63) // 64 * 64
        self.embedding = nn.Embedding(1, width)
        nn.init.normal_(self.embedding.weight, std=0.02)
        self.input = nn.Linear(self.numbers, width)
        nn.init.normal_(self.input.weight, std=0.02)
        self.blocks = nn.ModuleList(
            Block(width, self.heads, hidden) for _ in range(model["layers"])
        )
        self.norm = nn.RMSNorm(width, eps=1e-6)
        self.head = Head(head, self.numbers, width)
        angles = self.angles(model.get("positions", "rope"), side)
        self.turns = torch.polar(torch.ones_like(angles), angles).to(torch.complex64)

    def angles(self, positions, side):
        """The class, then all patches but the last, row by row: `[places, pairs]`."""
        place = torch.arange(self.places, dtype=torch.float64)
        if positions == "rope":
            pairs = torch.arange(0, self.channels, 2, dtype=torch.float64) / self.channels
            return torch.outer(place, 10_000.0**-pairs)
        assert positions == "rope2d", "expected rope or rope2d"
        half = torch.arange(0, self.channels // 2, 2, dtype=torch.float64) / (self.channels // 2)
        before = place[:-1]
        none = torch.zeros(1, dtype=torch.float64)
        rows = torch.cat([none, before.div(side, rounding_mode="floor") + 1])
        columns = torch.cat([none, before % side + 1])
        return torch.cat([torch.outer(p, 10_000.0**-half) for p in (rows, columns)], 1)

    def known(self, vectors):
        """What the transformer knows of each vector before it comes, `[N, places, width]`."""
        first = self.embedding.weight.expand(len(vectors), 1, -1)
        x = torch.cat([first, self.input(vectors[:, :-1])], 1)
        for block in self.blocks:
            x = block(x, self.turns)
        return self.norm(x)

    def loss(self, vectors, noise=None, level_noise=None):
        """The mean squared error of the head on vectors `[N, places, numbers]`."""
        n, t, d = vectors.shape
        if noise is None:
            noise, level_noise = torch.randn(n, t, self.levels, d), torch.randn(n, t, self.levels)
        mean, deviation = self.noise
        condition = self.head.condition(self.known(vectors)).unsqueeze(2)
        x, log_levels = vectors.unsqueeze(2), level_noise * deviation + mean
        level = log_levels.exp().unsqueeze(-1)
        root = (level.square() + DEVIATION**2).sqrt()
        target = (level * x - DEVIATION**2 * noise) / (DEVIATION * root)
        found = self.head((x + level * noise) / root, self.head.timed(log_levels), condition)
        return F.mse_loss(found.float(), target)

    def sample(self, count, steps, noise=None):
        """Draws vectors `[count, places, numbers]` from noise of that shape, or from any."""
        shape = (2, count, self.heads, self.places, self.channels)
        precision = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else None
        caches = [torch.empty(shape, dtype=precision) for _ in self.blocks]
        if noise is None:
            noise = torch.randn(count, self.places, self.numbers)
        levels = noise_levels(steps)
        # What the head sees of a noise level is the same at all places.
        times = self.head.timed(torch.tensor(levels, dtype=torch.float64).log().float())
        drawn = torch.empty(count, self.places, self.numbers)
        x = self.embedding.weight.expand(count, 1, -1)
        for place in range(self.places):
            turns = self.turns[place : place + 1]
            for block, cache in zip(self.blocks, caches):
                x = block.next(x, turns, cache, place)
            condition = self.head.condition(self.norm(x[:, 0]))
            state = self.solved(noise[:, place] * levels[0], levels, times, condition)
            drawn[:, place] = state
            x = self.input(state).float().unsqueeze(1)
        return drawn

    def solved(self, x, levels, times, condition):
        """Heun's method: the mean of the velocities at both ends of a step."""
        for index, (level, end) in enumerate(zip(levels, levels[1:])):
            first = self.head.velocity(x, level, times[index], condition)
            guess = torch.add(x, first, alpha=end - level)
            second = self.head.velocity(guess, end, times[index + 1], condition)
            x = torch.add(x, first + second, alpha=(end - level) / 2)
        return x

    def named(self, of):
        """Views of `of(parameter)` by the names and in the order of Tessera's weights.

        The rows of queries and keys go by halves of a head there, and by pairs here.
        """
        width = self.embedding.weight.shape[1]

        def both(name, layer):
            yield name + ".weight", of(layer.weight)
            yield name + ".bias", of(layer.bias)

        yield "class_embedding.weight", of(self.embedding.weight)
        yield from both("vector_input", self.input)
        for index, block in enumerate(self.blocks):
            scope = f"model.layers.{index}."
            yield scope + "input_layernorm.weight", of(block.norm1.weight)
            yield scope + "post_attention_layernorm.weight", of(block.norm2.weight)
            q, k, v = of(block.qkv.weight).split(width)
            for name, rows in (("q", q), ("k", k)):
                rows = rows.view(self.heads, self.channels // 2, 2, width).transpose(1, 2)
                yield scope + f"self_attn.{name}_proj.weight", rows
            yield scope + "self_attn.v_proj.weight", v
            yield scope + "self_attn.o_proj.weight", of(block.out.weight)
            gate, up = of(block.gate_up.weight).chunk(2)
            yield scope + "mlp.gate_proj.weight", gate
            yield scope + "mlp.up_proj.weight", up
            yield scope + "mlp.down_proj.weight", of(block.down.weight)
        yield "model.norm.weight", of(self.norm.weight)
        head = self.head
        yield from both("head.time.0", head.time[0])
        yield from both("head.time.1", head.time[2])
        for name in ("condition", "input", "final_modulation", "output"):
            yield from both("head." + name, getattr(head, name))
        for index, block in enumerate(head.blocks):
            scope = f"head.blocks.{index}."
            for kind in ("weight", "bias"):
                shift_scale_gate = of(getattr(block.modulation, kind))
                own = 2 * len(shift_scale_gate) // 3
                yield scope + "modulation." + kind, shift_scale_gate[:own]
                yield scope + "gate." + kind, shift_scale_gate[own:]
            yield from both(scope + "mlp.0", block.mlp[0])
            yield from both(scope + "mlp.1", block.mlp[2])

    def load(self, weights):
        """Takes Tessera's weights, by name; each must be there, and no other."""
        views = dict(self.named(lambda parameter: parameter.data))
        assert views.keys() == weights.keys(), (
            f"expected the weights of this prior; too many or too few: {views.keys() ^ weights.keys()}"
        )
        for name, view in views.items():
            view.copy_(weights[name].reshape(view.shape))


def noise_levels(steps, smallest=0.002, largest=80.0, exponent=7.0):
    """Falling noise levels, one more than steps; Karras et al., 2022."""
    a, b = largest ** (1 / exponent), smallest ** (1 / exponent)
    inner = [(a + i / steps * (b - a)) ** exponent for i in range(1, steps)]
    return [largest] + inner + [smallest]


def rate(arguments, model, settings, autocast):
    """Images a second."""
    batch = settings["batchSize"]
    if arguments.task == "training":
        vectors = torch.randn(batch, model.places, model.numbers) * DEVIATION
        training = Training(model, settings, settings["steps"], autocast, is_fused=True)
        seconds = seconds_of(
            lambda index: training.step(index, vectors), arguments.warmup, arguments.steps or 5
        )
        return batch / seconds
    # One autocast around all, so that weights are converted once.
    with torch.no_grad(), autocast():
        seconds = seconds_of(
            lambda _: model.sample(arguments.count, arguments.solver_steps),
            min(1, arguments.warmup),
            arguments.steps or 1,
        )
    return arguments.count / seconds


def difference(found, expected):
    """The norm of the difference over that of what is expected."""
    return ((found - expected).norm() / expected.norm()).item()


def differences(model, numbers, steps):
    """How far this network is from the numbers that Tessera computed with the same weights."""
    with torch.no_grad():
        known = model.known(numbers["vectors"])
        head = model.head
        levels = numbers["log_levels"].exp()
        time, condition = head.timed(numbers["log_levels"]), head.condition(known.flatten(0, 1))
        velocity = torch.stack(
            [
                head.velocity(x, level, *rows)
                for x, level, *rows in zip(numbers["states"], levels.tolist(), time, condition)
            ]
        )
        drawn = model.sample(len(numbers["draw_noise"]), steps, numbers["draw_noise"])
    loss = model.loss(numbers["vectors"], numbers["noise"], numbers["level_noise"])
    loss.backward()
    gradients = dict(model.named(lambda parameter: parameter.grad))
    worst = max(
        gradients,
        key=lambda name: difference(gradients[name].reshape(-1), numbers["gradient." + name]),
    )
    return {
        "known": difference(known, numbers["known"]),
        "velocity": difference(velocity, numbers["velocity"]),
        "loss": difference(loss.detach(), numbers["loss"].squeeze()),
        "gradient": difference(gradients[worst].reshape(-1), numbers["gradient." + worst]),
        "gradientOf": worst,
        "drawn": difference(drawn, numbers["drawn"]),
    }


def read(path):
    """The tensors of a safetensors file of 32-bit floats, by name."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = file.read()
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        assert entry["dtype"] == "F32", f"{path}: {name}: expected F32, found {entry['dtype']}"
        start, end = entry["data_offsets"]
        numbers = np.frombuffer(data[start:end], dtype="<f4").reshape(entry["shape"])
        tensors[name] = torch.from_numpy(numbers.copy())
    return tensors


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", required=True)
    parser.add_argument("--task", choices=["training", "sampling"], default="training")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--count", type=int, default=16)
    parser.add_argument("--solver-steps", type=int, default=9)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--weights")
    parser.add_argument("--numbers")
    arguments = parser.parse_args()

    with open(arguments.config) as file:
        run = json.load(file)
    keep_freed_memory()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    is_bfloat16 = arguments.precision == "bfloat16"

    def autocast():
        return torch.autocast("cpu", torch.bfloat16) if is_bfloat16 else contextlib.nullcontext()

    model = ContinuousPrior(run["model"], run["data"])
    result = {"version": "PyTorch " + torch.__version__}
    if arguments.weights:
        model.load(read(arguments.weights))
        result |= differences(model, read(arguments.numbers), arguments.solver_steps)
    else:
        result["imagesPerSecond"] = rate(arguments, model, run["training"], autocast)
    result["peakBytes"] = peak_bytes()
    result["parameters"] = sum(p.numel() for p in model.parameters())
    print(json.dumps(result))


if __name__ == "__main__":
    main()
