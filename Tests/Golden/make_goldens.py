"""Makes the golden files of this folder: what PyTorch and diffusers compute, for tests to compare.

    vqmodel-two-levels.safetensors              the whole autoencoder, see golden_vqmodel.py
    vqmodel-three-levels-attention.safetensors  the same, deeper, with attention, not square
    operations.safetensors                      single operations and their gradients, see
                                                golden_operations.py and golden_quantizers.py
    optimizers.safetensors                      ten steps of each optimizer, see
                                                golden_optimizers.py

Run:

    python3 -m pip install torch diffusers safetensors numpy
    python3 Tests/Golden/make_goldens.py [FOLDER]

FOLDER is where the files go, this script's own by default. Inputs and weights are not stored: they
follow from their names by the rule in hashed_values.py, which every file repeats in its metadata.
Results are computed in float64 and stored in float32; indices are int32. Every file's metadata also
names the versions that made it. A second run with the same versions gives the same bytes.
"""

import json
import pathlib
import platform
import struct
import sys

import diffusers
import numpy
import safetensors.numpy
import torch

import golden_operations
import golden_optimizers
import golden_vqmodel
from hashed_values import RULE

VERSIONS = {
    "python": platform.python_version(),
    "torch": torch.__version__,
    "diffusers": diffusers.__version__,
    "numpy": numpy.__version__,
    "safetensors": safetensors.__version__,
}


def write(folder, name, tensors, metadata):
    """Writes one safetensors file; floats become float32.

    Written here and not by the safetensors library, which orders the metadata anew in each run.
    """
    metadata = {"rule": RULE, "madeBy": "Tests/Golden/make_goldens.py"} | metadata | VERSIONS
    header, body = {"__metadata__": dict(sorted(metadata.items()))}, b""
    for key, value in sorted(tensors.items()):
        assert numpy.isfinite(value).all(), f"{key} is not finite"
        kind, label = ("<f4", "F32") if value.dtype.kind == "f" else ("<i4", "I32")
        data = numpy.ascontiguousarray(value).astype(kind).tobytes()
        header[key] = {
            "dtype": label,
            "shape": list(value.shape),
            "data_offsets": [len(body), len(body) + len(data)],
        }
        body += data
    head = json.dumps(header, separators=(",", ":")).encode("ascii")
    head += b" " * (-len(head) % 8)
    path = folder / f"{name}.safetensors"
    path.write_bytes(struct.pack("<Q", len(head)) + head + body)
    read = safetensors.numpy.load_file(path)
    assert all(numpy.array_equal(read[key], value.astype(read[key].dtype))
               for key, value in tensors.items()), "the library reads something else"
    print(f"{path.name}: {len(read)} tensors, {path.stat().st_size} bytes")


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else __file__)
    folder = folder if folder.is_dir() else folder.parent
    print(", ".join(f"{key} {value}" for key, value in VERSIONS.items()))
    for name in golden_vqmodel.CASES:
        write(folder, name, *golden_vqmodel.make(name))
    write(folder, "operations", *golden_operations.make())
    write(folder, "optimizers", *golden_optimizers.make())


if __name__ == "__main__":
    main()
