"""Imported tokenizers of full size beside the code of their authors: equal ids, rate, memory.

    PEERS=FOLDER TESSERA=.build/release/tessera python Benchmarks/imports.py FAMILY... --photos FOLDER
        [--tokens 100000] [--size 256] [--batch 1] [--decode] [--runtimes]

PEERS holds checkouts of the authors' repositories by their names (LlamaGen, taming-transformers, SEED-Voken); diffusers is a
package. Their weights cannot be had everywhere, so each network gets random ones that keep the variance, and a codebook
drawn with the mean and covariance of its own latents. It is saved by torch.save, imported by `tessera import`, and both encode the
same crops of photographs, which need no resizing. Where ids differ, the margin is told: how much nearer the best code is
than the second, relative to the mean distance of the best; rounding decides where it is about 1e-6.

Seconds are of `tessera encode` as a process, start and reading of weights included and subtracted by a run of one image, beside the
forward pass of encoder and quantizer in PyTorch, onnxruntime and OpenVINO with weights in memory. --decode adds the way back, for
which `tessera decode` writes PNG files; --runtimes adds the last two, for which `tessera export --to onnx` makes the
models. Memory is the peak of each process.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy
import torch
from PIL import Image
from safetensors.numpy import load_file

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "Tests" / "Golden"))
from golden_families import fetched, from_file, stub_frameworks  # noqa: E402

TESSERA = os.environ.get("TESSERA", ".build/release/tessera")


def enliven(model, seed=0):
    """Random weights under which an image matters: variance is kept, norms and biases are not 1 and 0."""
    random = torch.Generator().manual_seed(seed)
    for module in model.modules():
        weight = getattr(module, "weight", None)
        if isinstance(module, torch.nn.Embedding) or not isinstance(weight, torch.Tensor):
            continue
        noise = torch.randn(weight.shape, generator=random)
        weight.data = noise * 1.2 / weight[0].numel() ** 0.5 if weight.ndim > 1 else 1 + 0.2 * noise
        if getattr(module, "bias", None) is not None:
            module.bias.data = 0.1 * torch.randn(module.bias.shape, generator=random)
    return model.eval().requires_grad_(False)


def ddconfig(multipliers, **changes):
    return dict(double_z=False, z_channels=256, resolution=256, in_channels=3, out_ch=3, ch=128, ch_mult=multipliers,
                num_res_blocks=2, attn_resolutions=[16], dropout=0.0) | changes


def taming(codes=16384):
    stub_frameworks()
    return fetched("taming-transformers", "taming.models.vqgan").VQModel(ddconfig([1, 1, 2, 2, 4]), {}, codes, 256)


def llamagen(name):
    return from_file("LlamaGen", "tokenizer", "tokenizer_image", "vq_model.py").VQ_models[name]()


def ibq(codes=16384):
    stub_frameworks()
    model = fetched("SEED-Voken", "src.IBQ.models.ibqgan")
    return model.IBQ(ddconfig([1, 1, 2, 2, 4], num_res_blocks=4), {}, codes, 256, use_entropy_loss=False)


def diffusers_f4():
    from diffusers import VQModel
    return VQModel(
        block_out_channels=[128, 256, 512], layers_per_block=2, latent_channels=3, num_vq_embeddings=8192,
        down_block_types=["DownEncoderBlock2D"] * 3, up_block_types=["UpDecoderBlock2D"] * 3)


FAMILIES = {
    "llamagen-vq16": (lambda: llamagen("VQ-16"), "llamagen", "cosine"),
    "llamagen-vq8": (lambda: llamagen("VQ-8"), "llamagen", "cosine"),
    "taming-f16": (taming, "taming", "distance"),
    "ibq-16384": (ibq, "ibq", "inner"),
    "ldm-f4": (diffusers_f4, "diffusers", "distance"),
}


def crops(folder, size):
    """Middles of photographs, and then other parts of them, in the order of their names."""
    paths = sorted(p for p in pathlib.Path(folder).rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    for turn in range(4):
        for path in paths:
            image = Image.open(path).convert("RGB")
            if min(image.size) < size:
                continue
            left, top = (image.width - size) // 2, (image.height - size) // 2
            left, top = ((left, top), (0, 0), (image.width - size, image.height - size), (image.width - size, 0))[turn]
            yield numpy.asarray(image.crop((left, top, left + size, top + size)))


def latents(model, x):
    z = model.encoder(x)
    return model.quant_conv(z).permute(0, 2, 3, 1)


def best_two(rows, codes, metric):
    """The best code of each row, and how far the second is behind, relative to the spread."""
    if metric == "cosine":
        rows, codes = (torch.nn.functional.normalize(t, dim=-1) for t in (rows, codes))
    products = rows @ codes.T
    scores = products if metric == "inner" else 2 * products - codes.square().sum(1)
    top = scores.topk(2, dim=1)
    distance = (rows.square().sum(1) - top.values[:, 0]).abs().mean() if metric != "inner" else scores.std()
    return top.indices[:, 0], (top.values[:, 0] - top.values[:, 1]) / distance


def tensor(pixels):
    return (torch.from_numpy(numpy.stack(pixels)).float() / 127.5 - 1).permute(0, 3, 1, 2).contiguous()


def command(*arguments):
    """Seconds and peak memory in MB of a command, and what it printed."""
    start = time.perf_counter()
    process = subprocess.Popen([str(a) for a in arguments], stdout=subprocess.PIPE, text=True)
    peak = 0
    while process.poll() is None:
        peak = max(peak, memory(process.pid))
        time.sleep(0.02)
    if process.returncode:
        sys.exit(f"failed: {' '.join(map(str, arguments))}")
    return time.perf_counter() - start, peak, process.stdout.read()


def memory(pid):
    """The most memory of a process so far, in MB."""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0)


def z_of(model):
    return model.quantize.embedding.weight.shape[1]


def pixels_of(images):
    return ((images.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()


def peer(name, folder, options):
    """PyTorch alone, in a process of its own: ids and margins into a file; prints seconds and MB."""
    build, _, metric = FAMILIES[name]
    folder = pathlib.Path(folder)
    model = build().eval().requires_grad_(False)
    model.load_state_dict(torch.load(folder / "weights.pt", weights_only=True)["model"], strict=False)
    paths = sorted((folder / "all").iterdir())
    theirs, margins, seconds = [], [], 0.0
    with torch.inference_mode():
        for index in range(0, len(paths), options.batch):
            x = tensor([numpy.asarray(Image.open(path)) for path in paths[index:index + options.batch]])
            begin = time.perf_counter()
            ids, margin = best_two(latents(model, x).flatten(0, 2), model.quantize.embedding.weight, metric)
            seconds += time.perf_counter() - begin
            theirs.append(ids.numpy())
            margins.append(margin.numpy())
        used, back, images = memory(os.getpid()), 0.0, []
        for row in theirs if options.decode else []:
            side = int((len(row) / options.batch) ** 0.5)
            codes = model.quantize.embedding(torch.from_numpy(row)).reshape(-1, side, side, z_of(model))
            codes = torch.nn.functional.normalize(codes, dim=-1) if metric == "cosine" else codes
            begin = time.perf_counter()
            image = model.decoder(model.post_quant_conv(codes.permute(0, 3, 1, 2).contiguous()))
            back += time.perf_counter() - begin
            images.append(pixels_of(image))
    numpy.savez(folder / "peer.npz", ids=numpy.concatenate(theirs), margins=numpy.concatenate(margins),
                images=numpy.concatenate(images) if images else 0)
    print(json.dumps({"seconds": seconds, "back": back, "memory": used, "both": memory(os.getpid())}))


def measure(name, options):
    build, family, metric = FAMILIES[name]
    model = enliven(build())
    images = crops(options.photos, options.size)
    side = options.size
    first = [next(images) for _ in range(4)]
    rows = latents(model, tensor(first)).flatten(0, 2)
    factor = side // int((rows.shape[0] / 4) ** 0.5)
    count = max(2, -(-options.tokens // (side // factor) ** 2))
    pixels = [image for _, image in zip(range(count), images)]
    codebook = model.quantize.embedding.weight
    spread = torch.linalg.cholesky(rows.T.cov() + 1e-6 * torch.eye(rows.shape[1]))
    noise = torch.randn(codebook.shape, generator=torch.Generator().manual_seed(1))
    codebook.data = noise @ spread.T + rows.mean(0)

    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        torch.save({"model": model.state_dict()}, folder / "weights.pt")
        size = (folder / "weights.pt").stat().st_size / 1e6
        seconds, used, _ = command(
            TESSERA, "import", "--quiet", "--weights", folder / "weights.pt", "--from", family, "--output", folder / "c")
        print(f"{name}: import of {size:.0f} MB in {seconds:.1f} s, {used:.0f} MB of memory", flush=True)
        for part in ("all", "one"):
            (folder / part).mkdir()
            for index, image in enumerate(pixels[:1] if part == "one" else pixels):
                Image.fromarray(image).save(folder / part / f"{index:05d}.png")

        def encode(part):
            return command(TESSERA, "encode", "--quiet", "--force", "--checkpoint", folder / "c", "--size", "native",
                           "--output", folder / f"{part}.safetensors", folder / part)

        start, _, _ = encode("one")
        whole, used, _ = encode("all")
        ours = load_file(folder / "all.safetensors")["tokens"].reshape(len(pixels), -1).astype(numpy.int64)
        rate = (len(pixels) - 1) / (whole - start)

        del model
        _, _, printed = command(
            sys.executable, __file__, name, "--photos", options.photos, "--batch", options.batch, "--threads",
            options.threads, "--alone", folder, *(["--decode"] if options.decode else []))
        alone = json.loads(printed.splitlines()[-1])
        rival = len(pixels) / alone["seconds"]
        found = numpy.load(folder / "peer.npz")
        theirs, margins = found["ids"], found["margins"]
        differ = ours.flatten() != theirs
        print(
            f"{name}: {len(differ) - differ.sum()} of {len(differ)} ids equal ({len(numpy.unique(theirs))} kinds); margins of "
            f"the others: {numpy.sort(margins[differ])[-5:]}, median margin {numpy.median(margins):.1e}\n"
            f"{name}: {rate:.2f} images/s, PyTorch {rival:.2f}: {rate / rival:.2f} times; memory {used:.0f} MB, PyTorch "
            f"{alone['memory']:.0f} MB", flush=True)
        back = decoding(name, folder, theirs, len(pixels), found["images"], alone) if options.decode else None
        if options.runtimes:
            runtimes(name, folder, pixels, ours, rate, back, options)


def decoding(name, folder, ids, count, theirs, alone):
    """`tessera decode` of the peer's ids; returns images a second."""
    grid = ids.reshape(count, -1)
    side = int(grid.shape[1] ** 0.5)
    for part, rows in (("one", grid[:1]), ("all", grid)):
        numpy.save(folder / f"{part}-ids.npy", rows.reshape(-1, side, side).astype("<u4"))

    def decode(part):
        return command(TESSERA, "decode", "--quiet", "--force", "--checkpoint", folder / "c", "--output",
                       folder / f"{part}-decoded", folder / f"{part}-ids.npy")

    start, _, _ = decode("one")
    whole, used, _ = decode("all")
    rate, rival = (count - 1) / (whole - start), count / alone["back"]
    ours = numpy.stack([numpy.asarray(Image.open(path)) for path in sorted((folder / "all-decoded").iterdir())])
    far = abs(ours.astype(int) - theirs)
    print(f"{name}: decoding {rate:.2f} images/s, PyTorch {rival:.2f}: {rate / rival:.2f} times; memory {used:.0f} MB, PyTorch "
          f"{alone['both']:.0f} MB; {100 * (far == 0).mean():.4f}% of bytes equal, the others differ by {far.max()} at most",
          flush=True)
    return rate


def runtimes(name, folder, pixels, ours, rate, back, options):
    """onnxruntime and OpenVINO with the models that export writes."""
    command(TESSERA, "export", "--quiet", "--checkpoint", folder / "c", "--to", "onnx", "--output", folder / "onnx")
    side = int(ours.shape[1] ** 0.5)
    grids = ours.reshape(-1, side, side)
    for engine, encode in engines(folder / "onnx" / "encode.onnx").items():
        ids, peer = timed(encode, pixels[:32], options.batch)
        equal = (ids.reshape(len(ids), -1) == ours[:len(ids)]).mean()
        print(f"{name}: {engine} {peer:.2f} images/s: Tessera {rate / peer:.2f} times; {100 * equal:.3f}% of its ids equal",
              flush=True)
    for engine, decode in engines(folder / "onnx" / "decode.onnx").items() if back else ():
        _, peer = timed(decode, grids[:16], options.batch)
        print(f"{name}: {engine} decodes {peer:.2f} images/s: Tessera {back / peer:.2f} times", flush=True)


def timed(run, items, batch):
    """What an engine makes of items, and items a second."""
    run(numpy.stack(items[:batch]))
    begin = time.perf_counter()
    results = [run(numpy.stack(items[i:i + batch])) for i in range(0, len(items), batch)]
    return numpy.concatenate(results), len(items) / (time.perf_counter() - begin)


def engines(path):
    """A function for each engine that Python has."""
    path, engines = str(path), {}
    try:
        import onnxruntime
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = torch.get_num_threads()
        session = onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
        engines["onnxruntime"] = lambda x: session.run(None, {session.get_inputs()[0].name: x})[0]
    except ImportError:
        pass
    try:
        import openvino
        compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        engines["OpenVINO"] = lambda x: next(iter(compiled({0: x}).values()))
    except ImportError:
        pass
    return engines


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("families", nargs="+", choices=[*FAMILIES, "all"])
    parser.add_argument("--photos", required=True)
    parser.add_argument("--tokens", type=int, default=100_000)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--decode", action="store_true")
    parser.add_argument("--runtimes", action="store_true")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.alone:
        return peer(options.families[0], options.alone, options)
    for name in FAMILIES if "all" in options.families else options.families:
        measure(name, options)


if __name__ == "__main__":
    main()
