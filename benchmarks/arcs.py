"""Share of the maps of a real lens that lies in its arcs.

``python -m benchmarks.arcs figures/explained_data_lens.npz --radius=1.38`` reads arrays that ``--explain`` wrote for
an image in pixels of 0.1 arcsec. Arcs are pixels at 0.7 to 1.4 times the published Einstein radius that exceed a fitted
Sersic profile of the lens galaxy by three times the noise; the profile is fitted to the other pixels. The share is that
of a map's positive values in the arcs, beside the share of brightness and of the area.
"""

import argparse
import sys

import numpy as np
from scipy.optimize import least_squares
from scipy.special import gammaincinv

from stronglens.observation import measure_noise

RING = (0.7, 1.4)
"""Radii between which arcs are, in Einstein radii."""
EXCESS = 3.0
"""Of arcs over the lens galaxy, in standard deviations of the background."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.arcs", description=__doc__.splitlines()[0])
    parser.add_argument("arrays", help="file .npz of --explain")
    parser.add_argument("--radius", type=float, required=True, help="published Einstein radius, arcsec")
    parser.add_argument("--pixel-scale", type=float, default=0.1, help="arcsec")
    chosen = parser.parse_args()
    with np.load(chosen.arrays) as file:
        arrays = {name: file[name] for name in file.files}
    image, score = arrays.pop("image"), float(arrays.pop("score")[0])
    arcs = find_arcs(image, chosen.radius / chosen.pixel_scale)
    print(f"score {score:.2f}; arcs: {arcs.sum()} of {arcs.size} pixels ({arcs.mean():.3f})")
    for name, values in {"brightness": image, **arrays}.items():
        positive = np.maximum(values, 0)
        print(f"{name:24}{positive[arcs].sum() / max(positive.sum(), 1e-30):.2f}")
    return 0


def find_arcs(image: np.ndarray, radius: float) -> np.ndarray:
    """Return the pixels (H, W) of arcs around a galaxy in the middle of an image; the radius is in pixels."""
    y, x = np.mgrid[: image.shape[0], : image.shape[1]] - (np.array(image.shape) - 1)[:, None, None] / 2
    noise = measure_noise(image)
    distance = np.hypot(x, y)
    ring = (distance > RING[0] * radius) & (distance < RING[1] * radius)

    def model(values):
        level, flux, size, index, y_middle, x_middle, cosine, sine = values
        dx, dy = x - x_middle, y - y_middle
        # Elliptical radius of axis ratio (1 - e) / (1 + e), with e and its angle in (cosine, sine).
        r2 = (1 + cosine**2 + sine**2) * (dx**2 + dy**2) - 2 * (cosine * (dx**2 - dy**2) + 2 * sine * dx * dy)
        index = np.clip(index, 0.5, 8)
        b = gammaincinv(2 * index, 0.5)
        return level + np.exp(flux - b * ((np.sqrt(np.abs(r2)) + 0.3) / np.exp(size)) ** (1 / index))

    def misfit(values):
        residual = ((image - model(values)) / np.hypot(noise, 0.05 * np.abs(image)))[~ring]
        return np.arctan(residual / 3)  # neighbours have little weight

    peak = image[ring.shape[0] // 2, ring.shape[1] // 2]
    fitted = least_squares(misfit, [0, np.log(peak), np.log(5), 2, 0, 0, 0, 0])
    return ring & (image - model(fitted.x) > EXCESS * noise)


if __name__ == "__main__":
    sys.exit(main())
