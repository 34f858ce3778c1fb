"""The rule that gives every input and every weight of the golden files its values.

Nothing random is stored: a test recomputes the inputs from their names, bit for bit.

    fnv1a64(name):   h = 0xCBF29CE484222325; for each byte of the UTF-8 name:
                     h = (h xor byte) * 0x100000001B3
    splitmix64(x):   x = x + 0x9E3779B97F4A7C15
                     z = (x xor (x >> 30)) * 0xBF58476D1CE4E5B9
                     z = (z xor (z >> 27)) * 0x94D049BB133111EB
                     return z xor (z >> 31)
    unit(name, i):   u = (splitmix64(fnv1a64(name) + i) >> 40) * 2^-24       in [0, 1)
                     return u * 2 - 1                                        in [-1, 1)
    value(name, i):  unit(name, i) * amplitude

All integers are unsigned 64-bit and wrap. i is the flat index, row-major, in the layout the tensor
is named with (NCHW, OIHW, [out, in]). u has 24 bits and every amplitude is a power of two, so each
value is exact in float32: no rounding can differ.

Model parameters, by name and shape:

    "quantize.embedding.weight"    value(name, i), amplitude `codebookAmplitude` of the metadata
    two axes or more               value(name, i), amplitude = the largest power of two not above
                                   sqrt(3 / fanIn), fanIn = product of all axes but the first,
                                   that is 2^-k with the smallest k >= 0 for which fanIn <= 3 * 4^k
    one axis, ends in ".bias"      value(name, i), amplitude 1/16
    one axis, ends in ".weight"    1 + value(name, i), amplitude 1/4   (the scale of a group norm;
                                   the sum is rounded once, to float32, ties to even)
"""

import math

import numpy

RULE = " ".join(__doc__.split())
CODEBOOK = "quantize.embedding.weight"


def fnv1a64(name):
    """The 64-bit FNV-1a hash of a name's UTF-8 bytes."""
    h = 0xCBF29CE484222325
    for byte in name.encode("utf-8"):
        h = ((h ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return h


def values(name, shape, amplitude=1.0):
    """The float32 array of `shape` that the rule gives to `name`."""
    assert math.frexp(amplitude)[0] == 0.5, "an amplitude is a power of two"
    count = math.prod(shape)
    with numpy.errstate(over="ignore"):
        x = numpy.uint64(fnv1a64(name)) + numpy.arange(count, dtype=numpy.uint64)
        x = x + numpy.uint64(0x9E3779B97F4A7C15)
        z = (x ^ (x >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
        z = z ^ (z >> numpy.uint64(31))
    u = (z >> numpy.uint64(40)).astype(numpy.float32) * numpy.float32(2.0**-24)
    unit = u * numpy.float32(2) - numpy.float32(1)
    return (unit * numpy.float32(amplitude)).reshape(shape)


def weight_amplitude(shape):
    """The largest power of two not above sqrt(3 / fanIn), found in integers."""
    fan_in, k = math.prod(shape[1:]), 0
    while fan_in > 3 * 4**k:
        k += 1
    return 2.0**-k


def parameter(name, shape, codebook_amplitude):
    """The float32 values of a model parameter."""
    if name == CODEBOOK:
        return values(name, shape, codebook_amplitude)
    if len(shape) >= 2:
        return values(name, shape, weight_amplitude(shape))
    if name.endswith(".bias"):
        return values(name, shape, 1 / 16)
    assert name.endswith(".weight"), f"the rule has no case for {name}"
    return numpy.float32(1) + values(name, shape, 1 / 4)
