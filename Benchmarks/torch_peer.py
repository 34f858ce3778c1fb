"""The network of a configuration in PyTorch: one measurement, printed as one line of JSON.

    python torch_peer.py --config ../configs/bench-small.json --task training --precision float32

Same layers, sizes and batch as Tessera's: residual blocks of GroupNorm, SiLU and 3x3 convolution,
attention in the middle where the configuration has it, FSQ between encoder and decoder. A training
step is forward, backward and AdamW; encoding is pixels in memory to token ids. bfloat16 is PyTorch's
own mixed precision (autocast): weights and normalization stay in float32.
"""

import argparse
import ctypes
import json
import statistics
import time

import torch
from torch import nn
from torch.nn import functional as F


def norm(channels):
    return nn.GroupNorm(32, channels, eps=1e-6)


class Residual(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.norm1, self.conv1 = norm(inputs), nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm2, self.conv2 = norm(outputs), nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x):
        h = self.conv1(F.silu(self.norm1(x)))
        return self.shortcut(x) + self.conv2(F.silu(self.norm2(h)))


class Attention(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.norm, self.qkv = norm(channels), nn.Conv2d(channels, 3 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, x):
        n, c, h, w = x.shape
        q, k, v = self.qkv(self.norm(x)).reshape(n, 3, 1, c, h * w).transpose(3, 4).unbind(1)
        y = F.scaled_dot_product_attention(q, k, v)
        return x + self.out(y.transpose(2, 3).reshape(n, c, h, w))


class Downsampling(nn.Conv2d):
    def __init__(self, channels):
        super().__init__(channels, channels, 3, stride=2)

    def forward(self, x):
        return super().forward(F.pad(x, (0, 1, 0, 1)))


def middle(channels, attention):
    blocks = [Residual(channels, channels), Residual(channels, channels)]
    return blocks[:1] + [Attention(channels)] * attention + blocks[1:]


def encoder(channels, blocks, attention, latent):
    layers, c = [nn.Conv2d(3, channels[0], 3, padding=1)], channels[0]
    for level, width in enumerate(channels):
        for _ in range(blocks):
            layers.append(Residual(c, width))
            c = width
        if level < len(channels) - 1:
            layers.append(Downsampling(c))
    layers += middle(c, attention) + [norm(c), nn.SiLU(), nn.Conv2d(c, latent, 3, padding=1)]
    return nn.Sequential(*layers, nn.Conv2d(latent, latent, 1))


def decoder(channels, blocks, attention, latent):
    c = channels[-1]
    layers = [nn.Conv2d(latent, latent, 1), nn.Conv2d(latent, c, 3, padding=1)]
    layers += middle(c, attention)
    for level, width in reversed(list(enumerate(channels))):
        for _ in range(blocks + 1):
            layers.append(Residual(c, width))
            c = width
        if level > 0:
            layers += [nn.Upsample(scale_factor=2.0), nn.Conv2d(c, c, 3, padding=1)]
    return nn.Sequential(*layers, norm(c), nn.SiLU(), nn.Conv2d(c, 3, 3, padding=1))


class FiniteScalarQuantizer(nn.Module):
    """tanh bounds, rounding with a straight-through gradient, digits packed into one id."""

    def __init__(self, levels):
        super().__init__()
        levels = torch.tensor(levels, dtype=torch.float32).view(1, -1, 1, 1)
        self.half, self.middle = (levels - 1) * (1 - 1e-3) / 2, torch.floor(levels / 2)
        self.offset = torch.where(levels % 2 == 0, 0.5, 0.0)
        self.shift = torch.tan(self.offset / self.half)
        ones = torch.ones(1, 1, 1, 1)
        self.basis = torch.cat([ones, torch.cumprod(levels, 1)[:, :-1]], 1)

    def forward(self, z):
        z = z.float()
        bounded = torch.tanh(z + self.shift) * self.half - self.offset
        rounded = bounded + (torch.round(bounded) - bounded).detach()
        digits = rounded.detach() + self.middle
        return rounded / self.middle, (digits * self.basis).sum(1).to(torch.int64)


class Autoencoder(nn.Module):
    def __init__(self, model, levels):
        super().__init__()
        parts = (model["channels"], model["blocksPerLevel"], model.get("middleAttention", False))
        self.encoder = encoder(*parts, model["latentChannels"])
        self.decoder = decoder(*parts, model["latentChannels"])
        self.quantizer = FiniteScalarQuantizer(levels)

    def encode(self, x):
        return self.quantizer(self.encoder(x))[1]

    def forward(self, x):
        return self.decoder(self.quantizer(self.encoder(x))[0])


def training(model, images, autocast):
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, foreach=True)

    def step():
        with autocast():
            reconstruction = model(images)
        loss = F.mse_loss(reconstruction.float(), images)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def encoding(model, images, autocast):
    def step():
        with torch.inference_mode(), autocast():
            return model.encode(images)

    model.eval()
    return step


def keep_freed_memory():
    """Tells glibc to use freed memory again instead of returning it to the system.

    In favour of PyTorch, which allocates every activation anew in every step: encoding is 1.6
    times as fast, training the same.
    """
    try:
        libc = ctypes.CDLL("libc.so.6")
    except OSError:
        return
    M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
    libc.mallopt(M_MMAP_MAX, 0)
    libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def peak_bytes():
    """The most memory this process has had at once; None where the system does not tell."""
    try:
        with open("/proc/self/status") as status:
            return next(1024 * int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    except OSError:
        return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", required=True)
    parser.add_argument("--task", choices=["training", "encoding"], default="training")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--steps", type=int, default=5)
    arguments = parser.parse_args()

    with open(arguments.config) as file:
        run = json.load(file)
    keep_freed_memory()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    model = Autoencoder(run["model"], run["quantizer"]["levels"])
    batch, size = run["training"]["batchSize"], run["data"]["imageSize"]
    images = torch.rand(batch, 3, size, size) * 2 - 1

    def autocast():
        return torch.autocast("cpu", torch.bfloat16, enabled=arguments.precision == "bfloat16")

    step = {"training": training, "encoding": encoding}[arguments.task](model, images, autocast)
    seconds = []
    for index in range(arguments.warmup + arguments.steps):
        began = time.perf_counter()
        step()
        if index >= arguments.warmup:
            seconds.append(time.perf_counter() - began)
    print(
        json.dumps(
            {
                "imagesPerSecond": batch / statistics.median(seconds),
                "peakBytes": peak_bytes(),
                "parameters": sum(p.numel() for p in model.parameters()),
                "version": "PyTorch " + torch.__version__,
            }
        )
    )


if __name__ == "__main__":
    main()
