"""Share of the maps of a real lens that lies in its arcs.

``python -m benchmarks.arcs figures/explained_data_lens.npz --radius=1.38`` reads arrays that ``--explain`` wrote for
an image in pixels of 0.1 arcsec. Arcs are pixels at 0.7 to 1.4 published Einstein radii that exceed the light
of the lens galaxy by 30 % and three times the noise. The light of the galaxy is the faintest quarter on each ellipse of
its second moments. The share is that of a map's positive values in the arcs, beside that of brightness and of the area.
"""

import argparse
import sys

import numpy as np

from stronglens.observation import measure_noise

RING = (0.7, 1.4)
"""Radii between which arcs are, in Einstein radii."""
EXCESS = 3.0
"""Of arcs over the lens galaxy, in standard deviations of the background."""
SHARE = 0.3
"""Of arcs over the lens galaxy, as a fraction of its light."""
FAINT, WIDTH = 25, 1.5
"""The light of the lens galaxy on an ellipse is this percentile, %; width of the rings in which it is taken, pixels."""


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
    distance = np.hypot(x, y)
    inner = distance < RING[0] * radius
    light = np.maximum(image, 0) * inner
    xx, yy, xy = ((light * values).sum() / light.sum() for values in (x**2, y**2, x * y))
    cosine, sine = (xx - yy) / (xx + yy), 2 * xy / (xx + yy)
    # Constant on ellipses of these second moments.
    ellipse = np.sqrt(np.maximum(x**2 + y**2 - cosine * (x**2 - y**2) - 2 * sine * x * y, 0))
    bins = (ellipse / WIDTH).astype(int)
    faint = np.array([np.percentile(image[bins == number], FAINT) for number in range(bins.max() + 1)])
    galaxy = np.interp(ellipse, WIDTH * (np.arange(len(faint)) + 0.5), faint)
    ring = (distance > RING[0] * radius) & (distance < RING[1] * radius)
    return ring & (image - galaxy > np.maximum(EXCESS * measure_noise(image), SHARE * galaxy))


if __name__ == "__main__":
    sys.exit(main())
