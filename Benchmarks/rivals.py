"""A tokenizer in another engine: one measurement, printed as one line of JSON.

    python rivals.py --engine onnxruntime --checkpoint C --onnx FOLDER --task encode --batch 1 \\
        --images FOLDER --ids ids.npy --decoded FOLDER

The weights are those of the checkpoint C: `python/tessera.py` reads them into PyTorch, and FOLDER is what
`tessera export --to onnx` wrote. Encoding is images in memory, of PNG files of one size, to token ids; decoding is
ids, [N, h, w], to images. `equal` is the share of ids that are those of --ids, or of bytes that are those of --decoded.
"""

import argparse
import importlib.metadata
import json
import pathlib
import statistics
import sys
import tempfile
import time

import numpy
from PIL import Image

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "python"))


def torch_engine(options, change):
    """PyTorch, as `change` sets the model up."""
    import torch
    import tessera
    torch.set_num_threads(options.threads)
    model = tessera.load(options.checkpoint)
    # Conversion of ids and bytes is a part of neither network.
    part = (lambda x: model.quantize.ids(model.latents(x))) if options.task == "encode" else model.decode
    run = change(torch, model, part)

    def step(batch):
        with torch.inference_mode():
            return run(torch.from_numpy(batch)).numpy()

    return step, torch.__version__


def eager(torch, model, part):
    return part


def channels_last(torch, model, part):
    model.to(memory_format=torch.channels_last)
    # Latents come as channels last from ids; images are turned once.
    return lambda x: part(x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x)


def compiled(torch, model, part):
    return torch.compile(part)


def onnxruntime(options):
    import onnxruntime
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = options.threads
    session = onnxruntime.InferenceSession(path(options), settings, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda x: session.run(None, {name: x})[0], onnxruntime.__version__


def openvino(options, settings):
    import openvino
    settings = dict(settings, INFERENCE_NUM_THREADS=options.threads, PERFORMANCE_HINT="LATENCY")
    compiled = openvino.Core().compile_model(path(options), "CPU", settings)
    return lambda x: next(iter(compiled({0: x}).values())), openvino.__version__.split("-")[0]


def ncnn(options):
    """The network alone: what comes before the quantizer, or after the codes; image by image."""
    import ncnn
    import pnnx
    import tessera
    import torch
    model = tessera.load(options.checkpoint)
    images, ids = pictures(options.images), numpy.load(options.ids)

    class Encoding(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder, self.quant_conv = model.encoder, model.quant_conv

        def forward(self, images):
            return self.quant_conv(self.encoder(images))

    class Decoding(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.post_quant_conv, self.decoder = model.post_quant_conv, model.decoder

        def forward(self, codes):
            return self.decoder(self.post_quant_conv(codes), codes)

    if options.task == "encode":
        network, example = Encoding(), tessera.from_pixels(images[:1])
    else:
        network = Decoding()
        example = model.codes(torch.from_numpy(ids[:1].astype(numpy.int64))).permute(0, 3, 1, 2).contiguous()
    with tempfile.TemporaryDirectory() as folder:
        base = pathlib.Path(folder) / "network"
        pnnx.export(network.eval(), str(base) + ".pt", example, fp16=False)
        net = ncnn.Net()
        net.opt.num_threads = options.threads
        net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
        net.opt.use_bf16_storage = False
        net.load_param(str(base) + ".ncnn.param")
        net.load_model(str(base) + ".ncnn.bin")

    def run(item):
        extractor = net.create_extractor()
        extractor.input("in0", ncnn.Mat(item))
        return numpy.array(extractor.extract("out0")[1])

    def step(batch):
        return numpy.stack([run(item) for item in batch])

    def prepared(batch):
        with torch.no_grad():
            if options.task == "encode":
                return batch
            return model.codes(torch.from_numpy(batch)).permute(0, 3, 1, 2).contiguous().numpy()

    def finished(made):
        if options.task == "decode":
            return made
        with torch.no_grad():
            return model.quantize.ids(torch.from_numpy(made).permute(0, 2, 3, 1)).numpy()

    return step, ncnn.__version__, prepared, finished


def pictures(folder):
    """The PNG files of a folder, in order: bytes [N, H, W, 3]."""
    return numpy.stack([numpy.asarray(Image.open(path).convert("RGB")) for path in sorted(pathlib.Path(folder).glob("*.png"))])


def path(options):
    return str(pathlib.Path(options.onnx) / f"{options.task}.onnx")


ENGINES = {
    "eager": lambda o: torch_engine(o, eager),
    "channels-last": lambda o: torch_engine(o, channels_last),
    "compile": lambda o: torch_engine(o, compiled),
    "onnxruntime": onnxruntime,
    "openvino": lambda o: openvino(o, {"INFERENCE_PRECISION_HINT": "f32"}),
    "openvino-default": lambda o: openvino(o, {}),
    "ncnn": ncnn,
}
# What each needs besides numpy.
MODULES = {"eager": ["torch"], "channels-last": ["torch"], "compile": ["torch"], "onnxruntime": ["onnxruntime"],
           "openvino": ["openvino"], "openvino-default": ["openvino"], "ncnn": ["torch", "ncnn", "pnnx"]}


def available():
    """The engines that this Python has."""
    def has(name):
        try:
            importlib.metadata.version(name)
            return True
        except importlib.metadata.PackageNotFoundError:
            return False
    return [engine for engine, modules in MODULES.items() if all(has(name) for name in modules)]


def peak_bytes():
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--list", action="store_true", help="print the engines that are there")
    parser.add_argument("--engine", choices=ENGINES)
    parser.add_argument("--checkpoint")
    parser.add_argument("--onnx")
    parser.add_argument("--task", choices=["encode", "decode"])
    parser.add_argument("--images")
    parser.add_argument("--ids")
    parser.add_argument("--decoded")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    if options.list:
        return print(json.dumps(available()))
    step, version, *rest = ENGINES[options.engine](options)
    images, ids = pictures(options.images), numpy.load(options.ids).astype(numpy.int64)
    encodes = options.task == "encode"
    if encodes and options.engine.startswith(("onnx", "openvino")):
        items = images  # the exported model turns bytes into numbers itself
    elif encodes:
        items = numpy.ascontiguousarray((images.astype(numpy.float32) / 127.5 - 1).transpose(0, 3, 1, 2))
    else:
        items = ids
    batches = [items[i:i + options.batch] for i in range(0, len(items), options.batch)]
    if rest:
        batches = [rest[0](batch) for batch in batches]
    results = [step(batch) for batch in batches]
    seconds = []
    while len(seconds) < 5 or sum(seconds) < 2:
        batch = batches[len(seconds) % len(batches)]
        begin = time.perf_counter()
        step(batch)
        seconds.append(time.perf_counter() - begin)
    made = numpy.concatenate(results)
    made = rest[1](made) if rest else made
    if not encodes and made.dtype != numpy.uint8:
        made = numpy.rint((made.clip(-1, 1) + 1) * 127.5).astype(numpy.uint8).transpose(0, 2, 3, 1)
    equal = float((made == (ids if encodes else pictures(options.decoded))).mean())
    print(json.dumps({"imagesPerSecond": options.batch / statistics.median(seconds), "peakBytes": peak_bytes(),
                      "version": f"{options.engine} {version}", "equal": equal}))


if __name__ == "__main__":
    main()
