"""Tessera's image tokenizers in PyTorch: one file, numpy and torch.

    import tessera

    model = tessera.load("checkpoints/fsq")
    ids = model.encode(images)         # [N, 3, H, W] in [-1, 1]  ->  [N, h, w]
    images = model.decode(ids)         # and back
    tokens = tessera.read_tokens("tokens.safetensors")

`load` reads a folder that `train`, `compress` or `import` wrote and returns a `torch.nn.Module` whose
state dict has the names and shapes of `model.safetensors`. Ids are those of the command `encode`, decoded
images those of `decode` to within one 255th; in float32 a vector that lies within rounding of two codes may
fall to either. The file is meant to be read from top to bottom: files, layers, networks, quantizers, the
model, token files.
"""

import dataclasses
import json
import math
import os
import pathlib
import re
from types import SimpleNamespace

import numpy
import torch
from torch import nn
from torch.nn import functional as F

__all__ = [
    "load", "Tokenizer", "from_pixels", "to_pixels", "read_tokens", "write_tokens", "Tokens",
    "read_safetensors", "write_safetensors", "TesseraError",
]


class TesseraError(ValueError):
    """What is wrong, with what, and what to do about it."""


# ---------------------------------------------------------------------------------------------- safetensors

TYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2",
    "I8": "|i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1", "BOOL": "|b1",
}


def read_safetensors(path):
    """The tensors of a safetensors file as numpy arrays, and its metadata.

    The file is 8 bytes with the length of the header, a JSON header with type, shape and place of each
    tensor, and the numbers. Arrays are views of the mapped file, but for bfloat16, which becomes float32.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise TesseraError(f"{path}: no such file")
    data = numpy.memmap(path, numpy.uint8, "r") if path.stat().st_size else numpy.zeros(0, numpy.uint8)
    length = int.from_bytes(data[:8].tobytes(), "little")
    if len(data) < 8 or length > len(data) - 8:
        raise TesseraError(f"{path}: no safetensors file, or one that was cut short; copy or write it again")
    try:
        header = json.loads(data[8:8 + length].tobytes())
    except ValueError:
        raise TesseraError(f"{path}: no safetensors file: its header is not JSON") from None
    metadata, arrays = header.pop("__metadata__", {}), {}
    for name, entry in header.items():
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        kind, shape = TYPES.get(entry["dtype"]), entry["shape"]
        if kind is None:
            raise TesseraError(f"{path}: \"{name}\" is {entry['dtype']}; expected one of {', '.join(TYPES)}")
        if end > len(data) or end - begin != math.prod(shape) * numpy.dtype(kind).itemsize:
            raise TesseraError(f"{path}: \"{name}\" has too few bytes; the file was cut short, copy it again")
        arrays[name] = data[begin:end].view(kind).reshape(shape)
        if entry["dtype"] == "BF16":
            arrays[name] = (arrays[name].astype("<u4") << 16).view("<f4")
    return arrays, metadata


def write_safetensors(path, arrays, metadata=None):
    """Writes numpy arrays by name, and metadata, which are texts. An existing file is replaced when all is written."""
    names = {dtype: name for name, dtype in TYPES.items() if name != "BF16"}
    header, parts, end = {"__metadata__": metadata or {}}, [], 0
    # The widest numbers first, so that all are aligned.
    for name, array in sorted(arrays.items(), key=lambda item: -numpy.asarray(item[1]).dtype.itemsize):
        array = numpy.ascontiguousarray(array).astype(numpy.asarray(array).dtype.newbyteorder("<"), copy=False)
        begin, end = end, end + array.nbytes
        header[name] = {"dtype": names[array.dtype.str], "shape": list(array.shape), "data_offsets": [begin, end]}
        parts.append(array)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with _replacing(path) as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in parts:
            file.write(array.tobytes())


class _replacing:
    """A file that is written beside its place, and takes it when it is complete."""

    def __init__(self, path):
        self.path, self.partial = os.fspath(path), os.fspath(path) + ".partial"

    def __enter__(self):
        self.file = open(self.partial, "wb")
        return self.file

    def __exit__(self, failure, *_):
        self.file.close()
        if failure:
            os.remove(self.partial)
        else:
            os.replace(self.partial, self.path)


# --------------------------------------------------------------------------------------------------- layers


def norm(channels, groups):
    return nn.GroupNorm(groups, channels, eps=1e-6)


def conv3x3(inputs, outputs):
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class ResidualBlock(nn.Module):
    """conv2(silu(norm2(conv1(silu(norm1(x)))))) + shortcut(x)"""

    def __init__(self, inputs, outputs, groups):
        super().__init__()
        self.norm1, self.conv1 = norm(inputs, groups), conv3x3(inputs, outputs)
        self.norm2, self.conv2 = norm(outputs, groups), conv3x3(outputs, outputs)
        if inputs != outputs:
            self.conv_shortcut = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x):
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h)))
        return h + (self.conv_shortcut(x) if hasattr(self, "conv_shortcut") else x)


class Attention(nn.Module):
    """Self-attention of all pixels with one head, added to its input."""

    def __init__(self, channels, groups):
        super().__init__()
        self.group_norm = norm(channels, groups)
        self.to_q, self.to_k, self.to_v = (nn.Linear(channels, channels) for _ in range(3))
        self.to_out = nn.Sequential(nn.Linear(channels, channels))

    def forward(self, x):
        rows = self.group_norm(x).flatten(2).transpose(1, 2)
        rows = F.scaled_dot_product_attention(self.to_q(rows), self.to_k(rows), self.to_v(rows))
        return self.to_out(rows).transpose(1, 2).reshape(x.shape) + x


class Downsample(nn.Module):
    """Half the height and width, by a 3x3 filter of stride 2 with zeros on the right and below, or all around."""

    def __init__(self, channels, padding):
        super().__init__()
        self.zeros = {"right": (0, 1, 0, 1), "around": (1, 1, 1, 1)}[padding]
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x):
        return self.conv(F.pad(x, self.zeros))


class Upsample(nn.Module):
    """Twice the height and width: each pixel four times, then a 3x3 filter; or a filter to four pixels each."""

    def __init__(self, channels, doubling):
        super().__init__()
        self.to_depth = doubling == "depth-to-space"
        self.conv = conv3x3(channels, channels * (4 if self.to_depth else 1))

    def forward(self, x):
        if not self.to_depth:
            return self.conv(F.interpolate(x, scale_factor=2, mode="nearest"))
        # Channel k C + c is pixel k = 2 row + column of channel c; pixel_shuffle wants 4 c + k.
        y = self.conv(x).unflatten(1, (4, -1)).transpose(1, 2).flatten(1, 2)
        return F.pixel_shuffle(y, 2)


class AdaptiveNorm(nn.Module):
    """A group norm without weights, scaled and shifted by the deviation and mean of each channel of the codes."""

    def __init__(self, channels, dimension, groups):
        super().__init__()
        self.groups = groups
        self.gamma, self.beta = nn.Linear(dimension, channels), nn.Linear(dimension, channels)

    def forward(self, x, codes):
        flat = codes.flatten(2)
        scale = self.gamma((flat.var(dim=2) + 1e-6).sqrt())[:, :, None, None]
        shift = self.beta(flat.mean(dim=2))[:, :, None, None]
        return F.group_norm(x, self.groups, eps=1e-6) * scale + shift


# ------------------------------------------------------------------------------------------------- networks


class Level(nn.Module):
    """Residual blocks at one size of the grid, with attention after each where wanted."""

    def __init__(self, inputs, outputs, blocks, attention, groups):
        super().__init__()
        self.resnets = nn.ModuleList(
            ResidualBlock(inputs if block == 0 else outputs, outputs, groups) for block in range(blocks))
        if attention:
            self.attentions = nn.ModuleList(Attention(outputs, groups) for _ in range(blocks))

    def forward(self, x):
        for index, block in enumerate(self.resnets):
            x = block(x)
            if hasattr(self, "attentions"):
                x = self.attentions[index](x)
        return x


class Middle(nn.Module):
    """The lowest level's residual blocks, with attention, if any, after the first."""

    def __init__(self, channels, shape):
        super().__init__()
        self.resnets = nn.ModuleList(
            ResidualBlock(channels, channels, shape.groups) for _ in range(shape.middle_blocks))
        self.attentions = nn.ModuleList(
            Attention(channels, shape.groups) for _ in range(1 if shape.middle_attention else 0))

    def forward(self, x):
        for index, block in enumerate(self.resnets):
            x = block(x)
            if index == 0:
                for attention in self.attentions:
                    x = attention(x)
        return x


class Encoder(nn.Module):
    """Images [N, 3, H, W] to `outputs` channels [N, outputs, H / f, W / f]."""

    def __init__(self, shape, outputs):
        super().__init__()
        self.shape, channels = shape, shape.channels
        self.conv_in = conv3x3(3 * shape.patch ** 2, channels[0])
        self.down_blocks = nn.ModuleList()
        for i, width in enumerate(channels):
            level = Level(channels[max(0, i - 1)], width, shape.encoder_blocks[i], i in shape.attention, shape.groups)
            if i in shape.halvings:
                level.downsamplers = nn.ModuleList([Downsample(width, shape.halving_padding)])
            self.down_blocks.append(level)
        self.mid_block = Middle(channels[-1], shape)
        self.conv_norm_out, self.conv_out = norm(channels[-1], shape.groups), conv3x3(channels[-1], outputs)

    def forward(self, images):
        x = images * self.shape.input_scale + self.shape.input_offset
        h = self.conv_in(F.pixel_unshuffle(x, self.shape.patch))
        for level in self.down_blocks:
            h = level(h)
            if hasattr(level, "downsamplers"):
                h = level.downsamplers[0](h)
        return self.conv_out(F.silu(self.conv_norm_out(self.mid_block(h))))


class Decoder(nn.Module):
    """The encoder, mirrored: up_blocks.0 is the lowest level."""

    def __init__(self, shape, dimension):
        super().__init__()
        self.shape, channels = shape, shape.decoder_channels
        self.conv_in = conv3x3(shape.latent_channels, channels[-1])
        self.mid_block = Middle(channels[-1], shape)
        self.up_blocks = nn.ModuleList()
        for i in reversed(range(len(channels))):
            above = channels[min(i + 1, len(channels) - 1)]
            level = Level(above, channels[i], shape.decoder_blocks[i], i in shape.attention, shape.groups)
            if shape.adaptive_norm:
                level.adaptive_norm = AdaptiveNorm(above, dimension, shape.groups)
            if i in shape.doublings:
                level.upsamplers = nn.ModuleList([Upsample(channels[i], shape.doubling)])
            self.up_blocks.append(level)
        self.conv_norm_out = norm(channels[0], shape.groups)
        self.conv_out = conv3x3(channels[0], 3 * shape.patch ** 2)

    def forward(self, latents, codes):
        h = self.mid_block(self.conv_in(latents))
        for level in self.up_blocks:
            if hasattr(level, "adaptive_norm"):
                h = level.adaptive_norm(h, codes)
            h = level(h)
            if hasattr(level, "upsamplers"):
                h = level.upsamplers[0](h)
        h = self.conv_out(F.silu(self.conv_norm_out(h)))
        return F.pixel_shuffle(h, self.shape.patch)


def network_shape(model):
    """What `model` in config.json says of both networks, with what it leaves out filled in."""
    channels, layout = model["channels"], dict(model.get("layout", {}))
    levels, blocks = len(channels), model.get("blocksPerLevel", 1)
    take = layout.pop
    shape = SimpleNamespace(
        channels=channels,
        latent_channels=model["latentChannels"],
        groups=model.get("normGroups", 32),
        attention=model.get("attentionLevels", []),
        middle_attention=model.get("middleAttention", False),
        input_scale=take("inputScale", 1), input_offset=take("inputOffset", 0),
        patch=take("patch", 1),
        encoder_blocks=take("encoderBlocks", []) or [blocks] * levels,
        decoder_blocks=take("decoderBlocks", []) or [blocks + 1] * levels,
        decoder_channels=take("decoderChannels", []) or channels,
        middle_blocks=take("middleBlocks", 2),
        halvings=take("halvings", []) or list(range(levels - 1)),
        doublings=take("doublings", []) or list(range(1, levels)),
        halving_padding=take("halvingPadding", "right"),
        doubling=take("doubling", "nearest"),
        adaptive_norm=take("adaptiveNorm", False),
    )
    if layout:
        raise TesseraError(f"model.layout has the key \"{next(iter(layout))}\", which this module does not know; "
                           "take the tessera.py of the version that wrote the checkpoint")
    shape.downsampling = shape.patch << len(shape.halvings)
    return shape


def compress(network, reduced):
    """Makes layers as small as `model.compression` says: blocks with fewer channels inside, layers of two factors."""
    for name, width in reduced.get("widths", {}).items():
        block = network.get_submodule(name)
        inputs, outputs = block.conv1.in_channels, block.conv2.out_channels
        block.conv1, block.conv2 = conv3x3(inputs, width), conv3x3(width, outputs)
        block.norm2 = norm(width, block.norm2.num_groups * width // outputs)
    for name, rank in reduced.get("ranks", {}).items():
        parent, _, child = name.rpartition(".")
        factors = two_factors(network.get_submodule(name), rank, name in reduced.get("pointwiseFirst", []))
        setattr(network.get_submodule(parent) if parent else network, child, factors)


def two_factors(layer, rank, pointwise_first):
    """A layer as the product of two with `rank` channels between them: NAME.0.weight, NAME.1.weight, NAME.1.bias."""
    if isinstance(layer, nn.Linear):
        return nn.Sequential(nn.Linear(layer.in_features, rank, bias=False), nn.Linear(rank, layer.out_features))
    filtering = {"kernel_size": layer.kernel_size, "stride": layer.stride, "padding": layer.padding}
    first, second = ({"kernel_size": 1}, filtering) if pointwise_first else (filtering, {"kernel_size": 1})
    return nn.Sequential(
        nn.Conv2d(layer.in_channels, rank, bias=False, **first), nn.Conv2d(rank, layer.out_channels, **second))


# ----------------------------------------------------------------------------------------------- quantizers
#
# Each maps vectors [N, h, w, d] to ids, and ids to codes [N, h, w, d]. Ids are int64, [N, h, w] or, where a
# token has several, [N, h, w, depth]. `size` is the number of different ids.


def nearest(vectors, table, metric="euclidean"):
    """The row of `table` [K, d] that is nearest to each vector; the lowest of equals.

    argmin |e|^2 - 2 z . e, or argmax z . e with the metric "inner"; by portions, as the scores of all
    vectors are N K numbers.
    """
    squares = (table ** 2).sum(1) if metric == "euclidean" else 0
    rows = vectors.reshape(-1, table.shape[1]).split(max(1, (1 << 24) // len(table)))
    return torch.cat([(squares - 2 * part @ table.T).argmin(1) for part in rows]).reshape(vectors.shape[:-1])


def directions(x):
    """Vectors of length 1; one shorter than 1e-6 has no direction and becomes zeros."""
    length = x.double().norm(dim=-1, keepdim=True)
    return x * torch.where(length < 1e-6, 0, 1 / length).to(x)


class VectorQuantizer(nn.Module):
    """vq: the nearest entry of a codebook."""

    depth = 1

    def __init__(self, q):
        super().__init__()
        self.size, self.dimension = q["codebookSize"], q["codeDimension"]
        self.metric = q.get("metric", "euclidean")
        self.embedding = nn.Embedding(self.size, self.dimension)

    def table(self):
        return self.embedding.weight

    def ids(self, z):
        return nearest(z, self.table(), self.metric)

    def codes(self, ids):
        return F.embedding(ids, self.table())


class CosineQuantizer(VectorQuantizer):
    """cosine-vq: the entry with the smallest angle; vectors and codes have length 1."""

    def table(self):
        return directions(self.embedding.weight)

    def ids(self, z):
        return nearest(directions(z), self.table())


class SimVectorQuantizer(VectorQuantizer):
    """simvq: the codes are a linear map of a codebook that was never trained."""

    def __init__(self, q):
        super().__init__(q)
        self.embedding_proj = nn.Linear(self.dimension, self.dimension, bias=False)

    def table(self):
        return self.embedding_proj(self.embedding.weight)


class Codebooks(nn.ModuleList):
    """Several codebooks, one for each id of a token: quantize.0.embedding.weight, quantize.1.embedding.weight, ..."""

    def __init__(self, depth, size, dimension):
        super().__init__(
            VectorQuantizer({"codebookSize": size, "codeDimension": dimension}) for _ in range(depth))
        self.depth, self.size = depth, size


class ProductQuantizer(Codebooks):
    """product-vq: a codebook for each group of channels."""

    def __init__(self, q):
        super().__init__(q["groups"], q["codebookSize"], q["codeDimension"] // q["groups"])
        self.dimension = q["codeDimension"]

    def ids(self, z):
        return torch.stack([book.ids(part) for book, part in zip(self, z.chunk(self.depth, -1))], -1)

    def codes(self, ids):
        return torch.cat([book.codes(ids[..., index]) for index, book in enumerate(self)], -1)


class ResidualQuantizer(Codebooks):
    """residual-vq: each codebook quantizes what those before it left."""

    def __init__(self, q):
        super().__init__(q["depth"], q["codebookSize"], q["codeDimension"])
        self.dimension = q["codeDimension"]

    def ids(self, z):
        ids = []
        for book in self:
            ids.append(book.ids(z))
            z = z - book.codes(ids[-1])
        return torch.stack(ids, -1)

    def codes(self, ids):
        return sum(book.codes(ids[..., index]) for index, book in enumerate(self))


class FiniteScalarQuantizer(nn.Module):
    """fsq: each channel is bounded and rounded to one of its levels, half to even.

    An id is digit_0 + L_0 (digit_1 + L_1 (...)): channel 0 is the least significant digit.
    """

    depth = 1

    def __init__(self, q):
        super().__init__()
        self.levels, self.bound = q["levels"], q.get("bound", "tanh")
        if self.bound not in ("tanh", "tanh-wide", "sigmoid", "ifsq"):
            raise TesseraError(f"quantizer.bound is \"{self.bound}\"; expected tanh, tanh-wide, sigmoid or ifsq")
        self.dimension, self.size = len(self.levels), math.prod(self.levels)

    def constant(self, of_level, like):
        return torch.tensor([of_level(count) for count in self.levels], dtype=like.dtype, device=like.device)

    def bounded(self, z):
        """Channels on the scale of digits, 0 to L - 1."""
        if self.bound == "sigmoid":
            return torch.sigmoid(z) * self.constant(lambda n: n - 1, z)
        if self.bound == "ifsq":
            return torch.sigmoid(1.6 * z) * self.constant(lambda n: n - 1, z)
        # The paper's tanh is a little narrower than the levels; other implementations' is a little wider.
        wide = self.bound == "tanh-wide"
        half = lambda n: (n - 1) * (1 + (1e-3 if wide else -1e-3)) / 2
        offset = lambda n: 0.5 if n % 2 == 0 else 0.0
        shift = lambda n: (math.atanh if wide else math.tan)(offset(n) / half(n))
        y = torch.tanh(z + self.constant(shift, z)) * self.constant(half, z) - self.constant(offset, z)
        # Rounded before the middle is added, which changes the last bit.
        rounded, middle = y.round(), self.constant(lambda n: n // 2, z)
        return _between(y + middle, rounded + middle)

    def scaled(self, digits):
        """Digits, or what lies between them, on the scale of codes, -1 to 1."""
        half = (lambda n: 1 / (n // 2)) if self.bound.startswith("tanh") else (lambda n: 2 / (n - 1))
        return digits * self.constant(half, digits) - 1

    def packed(self, digits):
        basis = numpy.cumprod([1] + self.levels[:-1])
        top = self.constant(lambda n: n - 1, digits)
        return (digits.clamp(min=0).minimum(top).long() * torch.tensor(basis, device=digits.device)).sum(-1)

    def unpacked(self, ids):
        digits = []
        for count in self.levels:
            digits.append(ids % count)
            ids = ids // count
        return torch.stack(digits, -1).float()

    def ids(self, z):
        return self.packed(self.bounded(z).round())

    def codes(self, ids):
        return self.scaled(self.unpacked(ids))


def _between(x, digit):
    """x, moved by its last bit where it would not round to its digit."""
    toward = torch.nextafter(x, digit)
    return torch.where(x.round() == digit, x, toward)


class ResidualFiniteScalarQuantizer(FiniteScalarQuantizer):
    """residual-fsq: each depth divides the level that the one before has chosen."""

    def __init__(self, q):
        super().__init__(q)
        self.depth = q["depth"]

    def ids(self, z):
        ids, rest, top = [], self.bounded(z), self.constant(lambda n: n - 1, z)
        for _ in range(self.depth):
            digits = rest.round()
            ids.append(self.packed(digits))
            rest = (rest - digits) * top + top / 2
        return torch.stack(ids, -1)

    def codes(self, ids):
        x, unit = 0, None
        for index in range(self.depth):
            digits = self.unpacked(ids[..., index])
            if index == 0:
                x, unit = digits, torch.ones_like(digits[0, 0, 0])
            else:
                finer = unit / self.constant(lambda n: n - 1, digits)
                x, unit = x + (digits * finer - unit / 2), finer
        return self.scaled(x)


class BinaryQuantizer(nn.Module):
    """lfq: the sign of each channel is a bit, channel 0 least significant. bsq: codes have length 1."""

    depth = 1

    def __init__(self, q):
        super().__init__()
        self.dimension, self.size = q["bits"], 1 << q["bits"]
        self.length = 1.0 if q["type"] == "lfq" else q["bits"] ** -0.5
        self.on_sphere = q["type"] == "bsq"

    def places(self, like):
        return torch.arange(self.dimension, device=like.device)

    def ids(self, z):
        z = directions(z) if self.on_sphere else z
        return ((z > 0).long() << self.places(z)).sum(-1)

    def codes(self, ids):
        bits = ids.unsqueeze(-1) >> self.places(ids) & 1
        return bits.float() * (2 * self.length) - self.length


class Continuous(nn.Module):
    """kl, none: nothing is quantized. Of a posterior (kl), the means are taken."""

    depth = size = 0

    def __init__(self, q):
        super().__init__()
        self.dimension = q["channels"]


QUANTIZERS = {
    "vq": VectorQuantizer, "cosine-vq": CosineQuantizer, "simvq": SimVectorQuantizer,
    "product-vq": ProductQuantizer, "residual-vq": ResidualQuantizer, "fsq": FiniteScalarQuantizer,
    "residual-fsq": ResidualFiniteScalarQuantizer, "lfq": BinaryQuantizer, "bsq": BinaryQuantizer,
    "kl": Continuous, "none": Continuous,
}


# ------------------------------------------------------------------------------------------------ the model


def from_pixels(pixels):
    """Bytes [N, H, W, 3] to images [N, 3, H, W] in [-1, 1]."""
    return torch.as_tensor(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1


def to_pixels(images):
    """Images [N, 3, H, W] to bytes [N, H, W, 3], clamped and rounded."""
    return ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()


class Tokenizer(nn.Module):
    """An image tokenizer: encoder, quant_conv, quantizer, post_quant_conv, decoder.

    Images are RGB, [N, 3, H, W] in [-1, 1], with sides that are multiples of `downsampling`; bytes
    [N, H, W, 3] are taken too. `config` is the content of config.json.
    """

    def __init__(self, config):
        super().__init__()
        self.config = config
        model, q = config["model"], config["quantizer"]
        if q["type"] not in QUANTIZERS:
            raise TesseraError(f"quantizer.type is \"{q['type']}\"; expected one of {', '.join(QUANTIZERS)}")
        shape = network_shape(model)
        self.downsampling = shape.downsampling
        numbers = 2 if q["type"] == "kl" else 1  # means and log-variances
        quantizer = QUANTIZERS[q["type"]](q)
        self.encoder = Encoder(shape, numbers * shape.latent_channels)
        self.quant_conv = nn.Conv2d(numbers * shape.latent_channels, numbers * quantizer.dimension, 1)
        self.quantize = quantizer
        # An import may be an encoder alone.
        self.has_decoder = config.get("origin", {}).get("parts", "whole") == "whole"
        if self.has_decoder:
            self.post_quant_conv = nn.Conv2d(quantizer.dimension, shape.latent_channels, 1)
            self.decoder = Decoder(shape, quantizer.dimension)
        compress(self, model.get("compression", {}))

    @property
    def is_continuous(self):
        """Whether there are no ids: then `encode` gives latents [N, h, w, d], and `decode` takes them."""
        return isinstance(self.quantize, Continuous)

    def latents(self, images):
        """The vectors before quantization, [N, h, w, d]; the means where they are distributions."""
        images = torch.as_tensor(images)
        if images.dtype == torch.uint8:
            images = from_pixels(images)
        if images.dim() != 4 or images.shape[1] != 3:
            raise TesseraError(f"images of shape {list(images.shape)}; expected [N, 3, H, W] in [-1, 1], "
                               "or bytes [N, H, W, 3]")
        height, width = images.shape[2:]
        if height % self.downsampling or width % self.downsampling:
            raise TesseraError(f"images of {width}x{height} pixels; expected multiples of {self.downsampling}, the "
                               "pixels of a token: pad or crop them")
        z = self.quant_conv(self.encoder(images.to(next(self.parameters()))))
        return z[:, :self.quantize.dimension].permute(0, 2, 3, 1)

    @torch.no_grad()
    def encode(self, images):
        """Images to ids [N, h, w], or [N, h, w, depth] where a token has several; int64."""
        z = self.latents(images)
        if not z.isfinite().all():
            raise TesseraError("the encoder put out a number that is not finite; are the images in [-1, 1]?")
        return z if self.is_continuous else self.quantize.ids(z)

    def codes(self, ids):
        """The vectors that ids stand for, [N, h, w, d]."""
        ids, depth = torch.as_tensor(ids), self.quantize.depth
        if self.is_continuous:
            raise TesseraError("nothing is quantized here, so that there are no ids: decode takes latents")
        ids = ids.to(next(self.parameters()).device, torch.int64)
        if ids.dim() != (3 if depth == 1 else 4) or depth > 1 and ids.shape[-1] != depth:
            raise TesseraError(f"ids of shape {list(ids.shape)}; expected [N, h, w{f', {depth}' if depth > 1 else ''}]")
        if ids.numel() and not 0 <= ids.min() <= ids.max() < self.quantize.size:
            raise TesseraError(f"ids from {ids.min()} to {ids.max()}; expected 0 to {self.quantize.size - 1}: they are "
                               "of another tokenizer, or of a vocabulary with an offset")
        return self.quantize.codes(ids)

    def decode(self, ids):
        """Ids to images [N, 3, H, W]; latents [N, h, w, d] where nothing is quantized."""
        return self.decode_codes(torch.as_tensor(ids) if self.is_continuous else self.codes(ids))

    def decode_codes(self, codes):
        """Codes [N, h, w, d] to images [N, 3, H, W], roughly in [-1, 1]."""
        if not self.has_decoder:
            raise TesseraError("an encoder alone, which decodes nothing; import a file that has the decoder too")
        codes = codes.to(next(self.parameters())).permute(0, 3, 1, 2)
        return self.decoder(self.post_quant_conv(codes), codes)

    def forward(self, images):
        """Images after the round trip. Through ids no gradient passes."""
        return self.decode(self.encode(images))


def load(folder, weights="model", device="cpu"):
    """The tokenizer in a checkpoint folder, in evaluation mode.

    `weights` is "model", the weights to encode with, or "best", the best evaluated ones, where training kept them.
    """
    folder = pathlib.Path(folder)
    if weights not in ("model", "best"):
        raise TesseraError(f"weights=\"{weights}\"; expected \"model\" or \"best\"")
    if not (folder / "config.json").is_file():
        raise TesseraError(f"{folder}: no config.json here; name the folder of a checkpoint")
    try:
        config = json.loads((folder / "config.json").read_text())
    except ValueError as error:
        raise TesseraError(f"{folder / 'config.json'}: not JSON: {error}") from None
    kind = config.get("kind", "tokenizer")
    if kind != "tokenizer":
        raise TesseraError(f"{folder} is a {kind}, not a tokenizer; priors go to PyTorch by "
                           "tessera export --to transformers")
    path = folder / f"{weights}.safetensors"
    if weights == "best" and not path.is_file():
        raise TesseraError(f"{folder}: no best.safetensors; training keeps it if monitor.keepBest is psnr or ssim")
    try:
        model = Tokenizer(config)
    except KeyError as error:
        raise TesseraError(f"{folder / 'config.json'}: the key {error} is missing; "
                           "is it the config.json that train wrote?") from None
    arrays, metadata = read_safetensors(path)
    if metadata.get("tessera", "1") != "1":
        raise TesseraError(f"{path}: format version {metadata['tessera']}, this module reads 1; "
                           "take a newer tessera.py")
    state = {}
    for name, value in model.state_dict().items():
        found = list(arrays[name].shape) if name in arrays else "nothing"
        if found != list(value.shape):
            raise TesseraError(f"{path}: expected \"{name}\" of shape {list(value.shape)}, found {found}: "
                               "config.json and weights are of two models")
        state[name] = torch.from_numpy(arrays[name].astype(numpy.float32))
    model.load_state_dict(state)
    return model.to(device).eval()


# ---------------------------------------------------------------------------------------------- token files

HEADER_TEXTS = ("format", "fingerprint", "quantizer", "digit_order", "checksum", "xxh64")
IDENTITY = ("fingerprint", "quantizer", "levels", "codebook_size", "depth", "downsampling", "digit_order", "recipe")


@dataclasses.dataclass
class Tokens:
    """The ids of N images.

    `ids` is [N, h, w], or flat [T] where grids differ: then image i has `ids[offsets[i]:offsets[i + 1]]`, rows
    and columns `grids[i]`. Where a token has several ids, `depth` of them, they are the last dimension.
    `tokens[i]` is image i as [h, w] in both cases. `labels[i]` is the index of its class in `classes`, or -1.
    """

    ids: numpy.ndarray
    header: dict = dataclasses.field(default_factory=dict)
    offsets: numpy.ndarray = None
    grids: numpy.ndarray = None
    sizes: numpy.ndarray = None
    padded_sizes: numpy.ndarray = None
    labels: numpy.ndarray = None
    classes: list = dataclasses.field(default_factory=list)
    paths: list = None

    @property
    def depth(self):
        return self.header.get("depth", 1)

    @property
    def is_ragged(self):
        return self.offsets is not None

    def __len__(self):
        return len(self.grids) if self.is_ragged else len(self.ids)

    def __getitem__(self, index):
        if not self.is_ragged:
            return self.ids[index]
        index = range(len(self))[index]
        flat = self.ids[self.offsets[index]:self.offsets[index + 1]]
        return flat.reshape(*(int(side) for side in self.grids[index]), *flat.shape[1:])

    def __iter__(self):
        return (self[index] for index in range(len(self)))


def read_tokens(path):
    """The tokens of a file, `NAME.safetensors`, `NAME.npy` or `NAME.bin`, or of all its shards `NAME-00001...`.

    Ids are views of the mapped file, until shards are joined. Checksums are not compared; `decode` does that.
    """
    path = pathlib.Path(path)
    if path.is_file():
        return _read_piece(path)
    shards = sorted(p for p in path.parent.glob(f"{path.stem}-*{path.suffix}")
                    if re.fullmatch(re.escape(path.stem) + r"-\d{5,}", p.stem))
    if not shards:
        raise TesseraError(f"{path}: no such file, and no shards {path.stem}-00001{path.suffix} either")
    pieces = [_read_piece(shard) for shard in shards]
    for number, (shard, piece) in enumerate(zip(shards, pieces), 1):
        if piece.header.get("shard", number) != number:
            raise TesseraError(f"{shard}: the shard before it is missing; "
                               f"expected {path.stem}-{number:05}{path.suffix}")
        if piece.header.get("fingerprint") != pieces[0].header.get("fingerprint"):
            raise TesseraError(f"{shard}: made by another tokenizer than {shards[0].name}; remove what does not belong")
    if not pieces[-1].header.get("last_shard", True):
        raise TesseraError(f"{shards[-1]}: the shards behind it are missing; encode --resume writes them")
    return _joined(pieces)


def write_tokens(path, ids, like=None, labels=None, classes=None, paths=None, images_per_shard=None):
    """Writes ids as `encode` does, by the ending of the path: .safetensors, or .npy or .bin with a .json beside it.

    - ids: `Tokens`, an array or tensor [N, h, w], or a list of [h, w] where images differ; with a depth,
      it is the last dimension.
    - like: `Tokens` of the same tokenizer, whose description is copied, such as those that a generative model
      learned from. Without, only ids of one grid can be written, which `decode` then takes on trust.
    - labels, classes: for each image the index of its class, or -1, and the names of the classes.
    - images_per_shard: writes `NAME-00001...` of so many images each.
    """
    path = pathlib.Path(path)
    if path.suffix not in (".safetensors", ".npy", ".bin"):
        raise TesseraError(f"{path}: expected a name that ends in .safetensors, .npy or .bin")
    # What is not given is that of `ids`, if these are Tokens; a description of the tokenizer also that of `like`.
    source = ids if isinstance(ids, Tokens) else Tokens(ids)
    like = source if like is None else like
    given = Tokens(
        ids=[_whole_numbers(path, grid) for grid in ids],
        header={key: like.header[key] for key in IDENTITY if key in like.header},
        labels=source.labels if labels is None else labels,
        classes=list(classes if classes is not None else source.classes or like.classes),
        paths=source.paths if paths is None else list(paths), sizes=source.sizes)
    _check_tokens(path, given)
    if not images_per_shard:
        return _write_piece(path, given, slice(None), {})
    starts = range(0, len(given.ids), images_per_shard)
    for number, start in enumerate(starts, 1):
        shard = path.with_name(f"{path.stem}-{number:05}{path.suffix}")
        _write_piece(shard, given, slice(start, start + images_per_shard),
                     {"shard": number, "last_shard": number == len(starts)})


def _whole_numbers(path, grid):
    array = numpy.asarray(grid.cpu() if isinstance(grid, torch.Tensor) else grid)
    if array.dtype.kind not in "iu":
        raise TesseraError(f"{path}: ids of type {array.dtype}; expected whole numbers")
    return array


def _check_tokens(path, tokens):
    depth, size = tokens.depth, tokens.header.get("codebook_size")
    if not tokens.ids:
        raise TesseraError(f"{path}: no images to write")
    rank = 2 if depth == 1 else 3
    for index, grid in enumerate(tokens.ids):
        if grid.ndim != rank and (tokens.header or grid.ndim not in (2, 3)) or depth > 1 and grid.shape[-1] != depth:
            raise TesseraError(f"{path}: image {index} has ids of shape {list(grid.shape)}; expected "
                               f"[h, w{f', {depth}' if depth > 1 else ''}]")
        if size and (grid.min() < 0 or grid.max() >= size):
            raise TesseraError(f"{path}: image {index} has ids from {grid.min()} to {grid.max()}; "
                               f"expected 0 to {size - 1}")
    if tokens.paths is not None and len(tokens.paths) != len(tokens.ids):
        raise TesseraError(f"{path}: {len(tokens.paths)} paths for {len(tokens.ids)} images")
    if tokens.labels is not None:
        labels = numpy.asarray(tokens.labels)
        if len(labels) != len(tokens.ids) or not len(tokens.classes) > labels.max() or labels.min() < -1:
            raise TesseraError(f"{path}: labels have to be one for each of {len(tokens.ids)} images, each the "
                               f"index of one of {len(tokens.classes)} classes, or -1; name these by classes=[...]")
    ragged = len({grid.shape for grid in tokens.ids}) > 1
    if not tokens.header and (ragged or tokens.labels is not None or path.suffix == ".bin"):
        what = "grids that differ" if ragged else "a .bin file" if path.suffix == ".bin" else "labels"
        raise TesseraError(f"{path}: {what} cannot be written without a description of the tokenizer: pass "
                           "like=read_tokens(...) of a file that encode wrote with it")


def _write_piece(path, tokens, part, shard):
    """Some of the images as one file."""
    grids, header = tokens.ids[part], tokens.header
    size = header.get("codebook_size") or 1 + max(int(grid.max()) for grid in grids)
    kind = "U8" if size <= 1 << 8 else "U16" if size <= 1 << 16 else "U32"
    side, tensors = header.get("downsampling", 1), {}
    extents = numpy.array([grid.shape[:2] for grid in grids], numpy.uint32)
    if (extents == extents[0]).all():
        ids = numpy.stack(grids).astype(TYPES[kind])
    else:
        ids = numpy.concatenate([grid.reshape(-1, *grid.shape[2:]) for grid in grids]).astype(TYPES[kind])
        tensors["offsets"] = numpy.concatenate([[0], numpy.cumsum(extents.prod(1, dtype=numpy.int64))])
        tensors["grids"] = extents
    facts = {}
    if header:
        facts = {"format": "tessera-tokens", "format_version": 1, **header, **shard}
        tensors["padded_sizes"] = extents * numpy.uint32(side)
        tensors["sizes"] = tensors["padded_sizes"] if tokens.sizes is None else tokens.sizes[part].astype(numpy.uint32)
        if tokens.paths is not None:
            facts["paths"] = tokens.paths[part]
        if tokens.labels is not None:
            facts["classes"], tensors["labels"] = tokens.classes, numpy.asarray(tokens.labels, numpy.int32)[part]
    if path.suffix == ".safetensors":
        texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in facts.items()}
        return write_safetensors(path, {"tokens": ids, **tensors}, texts)
    with _replacing(path) as file:
        if path.suffix == ".npy":
            numpy.save(file, ids)
        else:
            file.write(ids.tobytes())
    if facts:
        facts.update({name: value.tolist() for name, value in tensors.items()})
        facts.update(storage=path.suffix[1:], dtype=kind, shape=list(ids.shape), byte_count=ids.nbytes)
        with _replacing(_sidecar(path)) as file:
            file.write(json.dumps(facts, sort_keys=True).encode() + b"\n")


def _sidecar(path):
    """The file that describes a .npy or .bin file."""
    return path.with_name(path.name + ".json")


def _read_piece(path):
    """One file."""
    if path.suffix == ".safetensors":
        tensors, texts = read_safetensors(path)
        described = "format_version" in texts
        header = {key: text if key in HEADER_TEXTS else json.loads(text) for key, text in texts.items() if described}
    elif path.suffix in (".npy", ".bin"):
        tensors, header = _read_flat(path)
    else:
        raise TesseraError(f"{path}: expected a name that ends in .safetensors, .npy or .bin")
    if header.get("format", "tessera-tokens") != "tessera-tokens":
        raise TesseraError(f"{path}: its format is \"{header['format']}\", expected \"tessera-tokens\"; "
                           "latents are read by read_safetensors")
    if header.get("format_version", 1) != 1:
        raise TesseraError(f"{path}: format version {header['format_version']}, this module reads 1; "
                           "take a newer tessera.py")
    if "tokens" not in tensors:
        raise TesseraError(f"{path}: no tensor \"tokens\" among its {len(tensors)}; is it a token file?")
    return Tokens(
        ids=tensors["tokens"], header=header, classes=header.pop("classes", []), paths=header.pop("paths", None),
        **{name: tensors.get(name) for name in ("offsets", "grids", "sizes", "padded_sizes", "labels")})


def _read_flat(path):
    """The arrays and the description of a .npy or .bin file, of which all but the ids are in the .json beside it."""
    tensors, header, sidecar = {}, {}, _sidecar(path)
    if not sidecar.is_file() and path.with_suffix(".json").is_file():
        sidecar = path.with_suffix(".json")  # as version 0.2 called it
    if sidecar.is_file():
        header = json.loads(sidecar.read_text())
        if header.get("storage") != path.suffix[1:]:
            raise TesseraError(f"{path}: {sidecar.name} describes a file of another kind; "
                               "give one of both another name")
    elif path.suffix == ".bin":
        raise TesseraError(f"{path}: {sidecar.name} is missing beside it, which says what the bytes are")
    if path.suffix == ".npy":
        tensors["tokens"] = numpy.load(path, mmap_mode="r")
    else:
        kind, shape = TYPES[header["dtype"]], tuple(header["shape"])
        found, expected = path.stat().st_size, math.prod(shape) * numpy.dtype(kind).itemsize
        if found != expected:
            raise TesseraError(f"{path}: {found} bytes, but {sidecar.name} says {expected}: they are of two runs")
        tensors["tokens"] = numpy.memmap(path, kind, "r", shape=shape)
    for name, kind in (("offsets", "i8"), ("grids", "u4"), ("sizes", "u4"), ("padded_sizes", "u4"), ("labels", "i4")):
        if name in header:
            tensors[name] = numpy.array(header.pop(name), kind)
    return tensors, header


def _joined(pieces):
    """Shards as one: an array where all have one grid, flat ids otherwise."""
    header = {key: value for key, value in pieces[0].header.items() if key in IDENTITY}
    ids, offsets, grids = [piece.ids for piece in pieces], None, None
    if any(piece.is_ragged for piece in pieces) or len({piece.ids.shape[1:] for piece in pieces}) > 1:
        depth = (header["depth"],) if header.get("depth", 1) > 1 else ()
        ids = [array if piece.is_ragged else array.reshape(-1, *depth) for piece, array in zip(pieces, ids)]
        grids = numpy.concatenate([piece.grids if piece.is_ragged else [piece.ids.shape[1:3]] * len(piece)
                                   for piece in pieces]).astype("u4")
        offsets = numpy.concatenate([[0], numpy.cumsum(grids.prod(1, dtype=numpy.int64))])

    def all_of(name):
        parts = [getattr(piece, name) for piece in pieces]
        return None if any(part is None for part in parts) else numpy.concatenate(parts)

    paths = None if any(piece.paths is None for piece in pieces) else [path for piece in pieces for path in piece.paths]
    return Tokens(
        ids=numpy.concatenate(ids), header=header, offsets=offsets, grids=grids, sizes=all_of("sizes"),
        padded_sizes=all_of("padded_sizes"), labels=all_of("labels"), classes=pieces[0].classes, paths=paths)
