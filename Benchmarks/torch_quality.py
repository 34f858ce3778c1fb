"""A run of a study in PyTorch, its quantizer by vector-quantize-pytorch; prints one line of JSON.

    python Benchmarks/torch_quality.py --study Benchmarks/studies/codebooks.json \
        --variant "FSQ, tanh" --size 1024 --seed 0 --train cifar10/train --test cifar10/test

It is run from the root of the repository, where the study's configuration lies.

The network, its first values, the optimizer, the rate, the batches' size and the evaluation are those
of the study's configuration, so that the quantizers are what is compared. Two kinds can be: FSQ with
tanh, and a codebook learned by moving averages (straight-through or rotation, k-means, revival). What
differs: random numbers; k-means is of the first batch alone; unused codes are replaced at every step
and not at every fiftieth.
"""

import argparse
import json
import math
import pathlib
import time

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F
from torch_peer import decoder, encoder, keep_freed_memory
from vector_quantize_pytorch import FSQ, VectorQuantize


def quantizer(settings, tokens):
    """The quantizer of a run, and how many channels its vectors have."""
    if settings["type"] == "fsq" and settings.get("bound", "tanh") == "tanh":
        return FSQ(settings["levels"]), len(settings["levels"])
    if settings["type"] == "vq" and settings.get("codebookLearning") == "ema":
        dimension, codes = settings["codeDimension"], settings["codebookSize"]
        revives = settings.get("reviveEvery", 0) > 0
        return (
            VectorQuantize(
                dim=dimension,
                codebook_size=codes,
                decay=settings.get("emaDecay", 0.99),
                eps=settings.get("emaEpsilon", 1e-5),
                # Here a mean over channels, there a sum.
                commitment_weight=settings["commitmentWeight"] * dimension,
                kmeans_init=settings.get("initialization") == "k-means",
                threshold_ema_dead_code=(
                    settings.get("reviveBelow", 0.1) * tokens / codes if revives else 0
                ),
                rotation_trick=settings.get("gradient") == "rotation",
            ),
            dimension,
        )
    raise SystemExit(
        f"expected fsq with tanh, or vq with codebookLearning ema; found {json.dumps(settings)}"
    )


class Tokenizer(nn.Module):
    """The autoencoder, with a 1x1 convolution on either side of the quantizer."""

    def __init__(self, model, quantizer, dimension):
        super().__init__()
        latent = model["latentChannels"]
        parts = (model["channels"], model["blocksPerLevel"], model.get("middleAttention", False))
        self.encoder, self.decoder = encoder(*parts, latent), decoder(*parts, latent)
        self.encoder[-1] = nn.Conv2d(latent, dimension, 1)
        self.decoder[0] = nn.Conv2d(dimension, latent, 1)
        self.quantizer = quantizer
        # The convolutions that no normalization follows keep the variance of what they see.
        for conv in (self.encoder[-1], self.decoder[0]):
            outputs, inputs = conv.weight.shape[:2]
            with torch.no_grad():
                nn.init.orthogonal_(conv.weight, math.sqrt(max(inputs, outputs) / inputs))
        for conv in (self.encoder[-2], self.decoder[1]):
            bound = math.sqrt(3 / (9 * conv.weight.shape[1]))
            nn.init.uniform_(conv.weight, -bound, bound)

    def forward(self, images):
        vectors = self.encoder(images).permute(0, 2, 3, 1)
        shape = vectors.shape
        codes, indices, *loss = self.quantizer(vectors.reshape(shape[0], -1, shape[-1]))
        codes = codes.reshape(shape).permute(0, 3, 1, 2)
        return self.decoder(codes), indices, loss[0].sum() if loss else 0


def pictures(folder):
    files = sorted(p for p in pathlib.Path(folder).rglob("*") if p.is_file())
    return np.stack([np.asarray(Image.open(p).convert("RGB")) for p in files])


def pixels(images):
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 127.5 - 1


def optimizer(model, settings):
    """AdamW whose decay leaves biases, norms and codebooks alone."""
    decayed = [p for n, p in model.named_parameters() if p.ndim == 4]
    others = [p for n, p in model.named_parameters() if p.ndim != 4]
    return torch.optim.AdamW(
        [{"params": decayed, "weight_decay": settings["weightDecay"]}, {"params": others, "weight_decay": 0}],
        lr=settings["learningRate"],
        betas=(0.9, settings["beta2"]),
    )


def share(step, steps, schedule):
    """The share of the peak rate, as Tessera's cosine has it."""
    if step < schedule["warmup"]:
        return (step + 1) / schedule["warmup"]
    done = (step - schedule["warmup"] + 1) / max(1, steps - schedule["warmup"])
    final = schedule["finalShare"]
    return final + (1 - final) * (1 + math.cos(math.pi * min(1, done))) / 2


def evaluate(model, images):
    model.eval()
    error, counts = 0.0, {}
    with torch.inference_mode():
        for start in range(0, len(images), 100):
            batch = images[start : start + 100]
            y, indices, _ = model(pixels(batch))
            y = ((y.clamp(-1, 1) + 1) * 127.5).round().permute(0, 2, 3, 1).numpy()
            error += ((y - batch) ** 2).mean((1, 2, 3)).sum()
            for code, count in zip(*np.unique(indices.numpy(), return_counts=True)):
                counts[int(code)] = counts.get(int(code), 0) + int(count)
    share = np.array(list(counts.values()), float)
    share /= share.sum()
    perplexity = math.exp(-(share * np.log(share)).sum())
    return 10 * math.log10(255**2 * len(images) / error), len(counts), perplexity


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", required=True)
    parser.add_argument("--variant", required=True)
    parser.add_argument("--size", required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--train", required=True)
    parser.add_argument("--test", required=True)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()

    study = json.loads(pathlib.Path(arguments.study).read_text())
    run = json.loads(pathlib.Path(study["config"]).read_text())
    variant = next(v for v in study["variants"] if v["name"] == arguments.variant)
    values = next(s for s in study["sizes"] if s["name"] == arguments.size)["values"]
    (setting,) = variant["set"]
    for name, value in values.items():
        setting = setting.replace("{" + name + "}", value)
    training, batch = run["training"], run["training"]["batchSize"]

    keep_freed_memory()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    random = np.random.default_rng(arguments.seed)
    train, test = pictures(arguments.train), pictures(arguments.test)
    grid = run["data"]["imageSize"] // 2 ** (len(run["model"]["channels"]) - 1)
    model = Tokenizer(
        run["model"], *quantizer(json.loads(setting.removeprefix("quantizer=")), batch * grid * grid)
    )
    adamw = optimizer(model, training["optimizer"])
    schedule = torch.optim.lr_scheduler.LambdaLR(
        adamw, lambda step: share(step, training["steps"], training["schedule"])
    )
    began, order = time.perf_counter(), np.empty(0, int)
    for step in range(training["steps"]):
        if len(order) < batch:
            order = np.concatenate([order, random.permutation(len(train))])
        images, order = train[order[:batch]], order[batch:]
        flips = random.random((batch, 1, 1, 1)) < 0.5
        images = pixels(np.where(flips, images[:, :, ::-1], images))
        reconstruction, _, extra = model(images)
        loss = F.mse_loss(reconstruction, images) + extra
        adamw.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), training["gradientClip"])
        adamw.step()
        schedule.step()
    seconds = time.perf_counter() - began
    psnr, used, perplexity = evaluate(model, test)
    print(
        json.dumps(
            {
                "variant": arguments.variant,
                "size": arguments.size,
                "seed": arguments.seed,
                "steps": training["steps"],
                "psnr": psnr,
                "usedCodes": used,
                "perplexity": perplexity,
                "seconds": seconds,
                "version": "PyTorch " + torch.__version__,
            }
        ),
        flush=True,
    )


if __name__ == "__main__":
    main()
