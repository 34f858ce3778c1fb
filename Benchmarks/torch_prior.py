"""The prior of a configuration in PyTorch: one measurement or one training, printed as one line of JSON.

    python torch_prior.py --config ../configs/bench-prior-tiny.json --task training
    python torch_prior.py --config ../configs/bench-prior-tiny.json --task sampling --count 16
    python torch_prior.py --config ../configs/bench-prior-tiny.json --tokens tokens.npy \
        --validation validation.npy --steps 600

Same layers, sizes, batch and first values as Tessera's, for tokens of one id each and images without
classes: Llama's blocks, an embedding and a head of K + 1 entries, "none" before the first token, the
loss over the K ids. A training step is forward, backward, clipping and AdamW (foreach) on random ids
in memory; sampling draws whole sequences with a cache of keys and values. With --tokens the prior is
trained on token files as Tessera writes them, and the bits of the held-out ones are told. bfloat16 is
PyTorch's own mixed precision (autocast).
"""

import argparse
import contextlib
import json
import math
import statistics
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch_peer import keep_freed_memory, peak_bytes


def linear(inputs, outputs):
    layer = nn.Linear(inputs, outputs, bias=False)
    nn.init.normal_(layer.weight, std=0.02)
    return layer


def turned(x, turns):
    """Pairs of channels turned by the angles of their places, as products of complex numbers.

    Pairs are neighbours here, and half a head apart in Tessera: another order of the same channels,
    and the fastest way in PyTorch.
    """
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * turns).flatten(-2)


class Block(nn.Module):
    """Attention, then SwiGLU; products of the same input are one product."""

    def __init__(self, width, heads, hidden):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.RMSNorm(width, eps=1e-6), nn.RMSNorm(width, eps=1e-6)
        self.qkv, self.out = linear(width, 3 * width), linear(width, width)
        self.gate_up, self.down = linear(width, 2 * hidden), linear(hidden, width)

    def qkv_heads(self, x, turns):
        n, t, c = x.shape
        qkv = self.qkv(self.norm1(x)).view(n, t, 3, self.heads, c // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        return turned(q, turns), turned(k, turns), v

    def rest(self, x, attended):
        x = x + self.out(attended.transpose(1, 2).reshape(x.shape))
        gate, up = self.gate_up(self.norm2(x)).chunk(2, -1)
        return x + self.down(F.silu(gate) * up)

    def forward(self, x, turns):
        q, k, v = self.qkv_heads(x, turns)
        return self.rest(x, F.scaled_dot_product_attention(q, k, v, is_causal=True))

    def next(self, x, turns, cache, place):
        """One place of each sequence; those before it are in the cache `[2, N, heads, T, channels]`."""
        q, k, v = self.qkv_heads(x, turns)
        cache[0, :, :, place : place + 1] = k
        cache[1, :, :, place : place + 1] = v
        keys, values = cache[:, :, :, : place + 1]
        return self.rest(x, F.scaled_dot_product_attention(q, keys, values))


class Prior(nn.Module):
    def __init__(self, model, codes, places):
        super().__init__()
        width, self.heads = model["width"], model["heads"]
        self.codes, self.places, self.channels = codes, places, width // self.heads
        hidden = model.get("feedForward", 0) or (8 * width // 3 + 63) // 64 * 64
        self.embedding = nn.Embedding(codes + 1, width)
        nn.init.normal_(self.embedding.weight, std=0.02)
        self.blocks = nn.ModuleList(
            Block(width, self.heads, hidden) for _ in range(model["layers"])
        )
        self.norm, self.head = nn.RMSNorm(width, eps=1e-6), linear(width, codes + 1)
        pairs = torch.arange(0, self.channels, 2, dtype=torch.float64) / self.channels
        angles = torch.outer(torch.arange(places, dtype=torch.float64), 10_000.0**-pairs)
        self.turns = torch.polar(torch.ones_like(angles), angles).to(torch.complex64)

    def loss(self, ids):
        """The mean negative log-likelihood of ids `[N, T]`, in nats."""
        none = torch.full_like(ids[:, :1], self.codes)
        x = self.embedding(torch.cat([none, ids[:, :-1]], 1))
        for block in self.blocks:
            x = block(x, self.turns)
        logits = F.linear(self.norm(x), self.head.weight[: self.codes])
        return F.cross_entropy(logits.view(-1, self.codes).float(), ids.reshape(-1))

    def sample(self, count):
        """Draws `count` sequences."""
        shape = (2, count, self.heads, self.places, self.channels)
        precision = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else None
        caches = [torch.empty(shape, dtype=precision) for _ in self.blocks]
        ids = torch.empty(count, self.places, dtype=torch.int64)
        last = torch.full((count, 1), self.codes)
        for place in range(self.places):
            x = self.embedding(last)
            turns = self.turns[place : place + 1]
            for block, cache in zip(self.blocks, caches):
                x = block.next(x, turns, cache, place)
            logits = self.head(self.norm(x[:, 0]))[:, : self.codes]
            last = torch.multinomial(F.softmax(logits.float(), -1), 1)
            ids[:, place : place + 1] = last
        return ids


class Training:
    """A step of training, as a configuration has it; the rate follows its schedule."""

    def __init__(self, model, settings, steps, autocast, is_fused=False):
        self.model, self.settings, self.steps, self.autocast = model, settings, steps, autocast
        optimizer = settings["optimizer"]
        assert optimizer["type"] == "adamw", "expected adamw"
        # As in Tessera, the weights of products decay; embedding and normalizations do not.
        products = [m.weight for m in model.modules() if isinstance(m, nn.Linear)]
        others = [p for p in model.parameters() if all(p is not w for w in products)]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": products, "weight_decay": optimizer.get("weightDecay", 1e-4)},
                {"params": others, "weight_decay": 0},
            ],
            lr=optimizer["learningRate"],
            betas=(optimizer.get("beta1", 0.9), optimizer.get("beta2", 0.99)),
            foreach=not is_fused,
            fused=is_fused,
        )

    def rate(self, step):
        """The rate's share of its peak."""
        schedule = self.settings["schedule"]
        warmup = schedule.get("warmup", 0)
        if step < warmup:
            return (step + 1) / warmup
        if schedule["type"] == "constant":
            return 1
        assert schedule["type"] == "cosine", "expected a cosine or constant schedule"
        final = schedule.get("finalShare", 0)
        done = min(1, (step - warmup + 1) / max(1, self.steps - warmup))
        return final + (1 - final) * (1 + math.cos(math.pi * done)) / 2

    def step(self, index, ids):
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings["optimizer"]["learningRate"] * self.rate(index)
        with self.autocast():
            loss = self.model.loss(ids)
        self.optimizer.zero_grad()
        loss.backward()
        clip = self.settings.get("gradientClip", 0)
        if clip > 0:
            nn.utils.clip_grad_norm_(self.model.parameters(), clip, foreach=True)
        self.optimizer.step()
        return loss.item()


def seconds_of(work, warmup, times):
    """The median time of some work, which is told how often it was done before."""
    seconds = []
    for index in range(warmup + times):
        began = time.perf_counter()
        work(index)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds[warmup:])


def tokens_per_second(arguments, model, settings, autocast):
    batch, places = settings["batchSize"], model.places
    if arguments.task == "training":
        ids = torch.randint(model.codes, (batch, places))
        training = Training(model, settings, settings["steps"], autocast)
        seconds = seconds_of(
            lambda index: training.step(index, ids), arguments.warmup, arguments.steps or 5
        )
        return batch * places / seconds
    # One autocast around all, so that weights are converted once.
    with torch.no_grad(), autocast():
        seconds = seconds_of(
            lambda _: model.sample(arguments.count), min(1, arguments.warmup), arguments.steps or 1
        )
    return arguments.count * places / seconds


def held_out_bits(arguments, model, settings, autocast, tokens, validation):
    """Trains on `tokens` `[N, T]`; the mean bits of the ids of `validation`."""
    batch, steps = settings["batchSize"], arguments.steps or settings["steps"]
    training = Training(model, settings, steps, autocast)
    # All images once, in a random order, before any comes again.
    epochs = -(-steps * batch // len(tokens))
    order = torch.cat([torch.randperm(len(tokens)) for _ in range(epochs)])
    for index in range(steps):
        training.step(index, tokens[order[index * batch : (index + 1) * batch]])
    with torch.no_grad():
        nats = sum(model.loss(ids).item() * len(ids) for ids in validation.split(batch))
    return nats / len(validation) / math.log(2)


def read(path):
    """The ids of a token file `[N, T]`, and how many there may be."""
    with open(path + ".json") as file:
        header = json.load(file)
    ids = np.load(path).astype(np.int64)
    assert ids.ndim == 3, f"{path}: expected ids [N, rows, columns], found {ids.shape}"
    return torch.from_numpy(ids.reshape(len(ids), -1)), header["codebook_size"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", required=True)
    parser.add_argument("--task", choices=["training", "sampling"], default="training")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--codes", type=int, default=1024)
    parser.add_argument("--places", type=int, default=256)
    parser.add_argument("--count", type=int, default=16)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tokens")
    parser.add_argument("--validation")
    arguments = parser.parse_args()

    with open(arguments.config) as file:
        run = json.load(file)
    keep_freed_memory()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    is_bfloat16 = arguments.precision == "bfloat16"

    def autocast():
        return torch.autocast("cpu", torch.bfloat16) if is_bfloat16 else contextlib.nullcontext()

    result = {"version": "PyTorch " + torch.__version__}
    if arguments.tokens:
        tokens, codes = read(arguments.tokens)
        validation, _ = read(arguments.validation)
        model = Prior(run["model"], codes, tokens.shape[1])
        began = time.perf_counter()
        result["bitsPerToken"] = held_out_bits(
            arguments, model, run["training"], autocast, tokens, validation
        )
        result["seconds"] = time.perf_counter() - began
    else:
        model = Prior(run["model"], arguments.codes, arguments.places)
        result["tokensPerSecond"] = tokens_per_second(arguments, model, run["training"], autocast)
    result["peakBytes"] = peak_bytes()
    result["parameters"] = sum(p.numel() for p in model.parameters())
    print(json.dumps(result))


if __name__ == "__main__":
    main()
