"""Error by the number of rays per pixel, after the convolution with the PSF, in units of the noise."""

import numpy as np

import params_and_cli as panel
from stronglens import telescope
from stronglens.simulation.lens_simulator import LensSimulator

OVER_SAMPLINGS = (1, 2, 4, 8, 16)
REFERENCE = 64
IMAGES = 16


def measure(seconds: float) -> list[dict]:
    """Compare with 64x64 rays per pixel for draws from the default ranges (composite lenses, Euclid VIS).

    The error of an image is the maximum over its pixels, separately for the light of source and lens.
    """
    truth, sigma = render(REFERENCE)
    rows = []
    print(f"{'rays':>6} {'source: median':>15} {'worst':>7} {'lens: median':>14} {'worst':>7}   in units of the noise")
    for over_sampling in OVER_SAMPLINGS:
        images, _ = render(over_sampling)
        errors = {name: np.abs((images[name] - truth[name]) / sigma).max(axis=(1, 2)) for name in ("source", "lens")}
        row = {"over_sampling": over_sampling}
        for name, values in errors.items():
            row |= {f"{name}_median": float(np.median(values)), f"{name}_worst": float(values.max())}
        rows.append(row)
        print(
            f"{over_sampling:>4}x{over_sampling:<2} {row['source_median']:>13.3f} {row['source_worst']:>7.3f} "
            f"{row['lens_median']:>14.3f} {row['lens_worst']:>7.3f}",
            flush=True,
        )
    return rows


def render(over_sampling: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return images of source and lens with PSF, and the noise of their pixels."""
    simulator = LensSimulator(panel.RegressionSimulation.of(panel.OVERRIDES, over_sampling=over_sampling))
    camera = simulator.telescope
    scene = simulator.physical_scene(simulator.draw(range(IMAGES)).draws)
    source, lens = (telescope.blur(images, camera.psf) for images in simulator.render(scene))
    return {"source": source, "lens": lens}, np.sqrt(telescope.noise_variance(source + lens, camera))
