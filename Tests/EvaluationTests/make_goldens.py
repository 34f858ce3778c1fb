"""Prints the golden numbers of Golden.swift, from scikit-image (made with 0.26.0).

The pixels come from formulas that Golden.swift repeats, so there is no image file:

    python make_goldens.py
"""

import numpy as np
from skimage.metrics import peak_signal_noise_ratio, structural_similarity


def original(width, height):
    y, x, c = np.mgrid[0:height, 0:width, 0:3]
    return ((x * 7 + y * 13 + c * 29 + (x * y) % 17 * 5) % 256).astype(np.uint8)


def reconstruction(width, height, strength):
    y, x, c = np.mgrid[0:height, 0:width, 0:3]
    shift = (x * 31 + y * 17 + c * 11 + (x * y) % 13 * 7) % (2 * strength + 1) - strength
    return np.clip(original(width, height).astype(int) + shift, 0, 255).astype(np.uint8)


for width, height in [(11, 11), (16, 12), (33, 47), (64, 64)]:
    for strength in [1, 10, 60]:
        a = original(width, height)
        b = reconstruction(width, height, strength)
        ssim = structural_similarity(
            a, b, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
            data_range=255)
        psnr = peak_signal_noise_ratio(a, b, data_range=255)
        print(f"    Golden(width: {width}, height: {height}, strength: {strength}, "
              f"ssim: {ssim:.12f}, psnr: {psnr:.12f}),")
