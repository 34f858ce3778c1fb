"""Prints what Pillow's resize gives, as the table of Tests/ImagingTests/PillowResizeTests.swift.

    python3 -m pip install pillow
    python3 Tests/Golden/golden_pillow.py

Each line: width, height, new width, new height, and FNV-1a (64 bits) of the resized bytes under box, bilinear,
bicubic and Lanczos. Inputs are bits 24 to 31 of SplitMix64 from seed 1. The table is of Pillow 13.
"""

from PIL import Image

CASES = [
    (1, 1, 3, 2), (5, 4, 1, 1), (16, 12, 8, 6), (13, 17, 5, 9), (7, 5, 14, 10), (9, 3, 4, 11),
    (3, 9, 11, 4), (31, 29, 30, 28), (64, 3, 7, 3), (3, 64, 3, 7), (1, 200, 1, 3), (200, 1, 3, 5),
    (2, 97, 50, 1), (97, 2, 1, 50), (40, 90, 30, 20), (90, 40, 20, 30), (61, 47, 128, 128),
]
MASK = (1 << 64) - 1


def noise(count, state=1):
    values = bytearray()
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        values.append(((z ^ (z >> 31)) >> 24) & 255)
    return bytes(values)


def fnv(values):
    state = 0xCBF29CE484222325
    for value in values:
        state = ((state ^ value) * 0x100000001B3) & MASK
    return state


if __name__ == "__main__":
    for width, height, across, down in CASES:
        image = Image.frombytes("RGB", (width, height), noise(width * height * 3))
        sums = [
            fnv(image.resize((across, down), Image.Resampling[name]).tobytes())
            for name in ("BOX", "BILINEAR", "BICUBIC", "LANCZOS")
        ]
        print(f"    ({width}, {height}, {across}, {down},")
        print("      [" + ", ".join(f"0x{value:016X}" for value in sums) + "]),")
