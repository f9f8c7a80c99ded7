"""Images of lenses, and what they are made of: the light of source and lens, and the convergence."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from stronglens import telescope
from stronglens.parameters import UsageError
from stronglens.raytracing import Perturbers, convergence_maps
from stronglens.sampling import Draws
from stronglens.separation.arrays import CONVERGENCE, LENS, SOURCE
from stronglens.simulation.lens_simulator import LensSimulator


class SeparationSimulator(LensSimulator):
    """Simulate images of lenses with the noise-free light of source and lens, and the convergence.

    All come from the same draws as the image, after its rejections. Parameters are those of `LensSimulator`. Images are
    recorded on the CPU, also if a GPU renders them.

    Raises
    ------
    UsageError
        When the parameters contradict one another, or there is no noise or no light of the lens to separate.
    """

    def __init__(self, parameters, threads: int | None = None, chunk_size: int = 128):
        super().__init__(parameters, threads, chunk_size, on_device=False)
        if parameters.lens_light == "off":
            raise UsageError("--lens-light=off leaves nothing to separate from the source")
        if parameters.peak_noise_range is not None or not self.telescope.is_noisy:
            raise UsageError(
                "--task=separation needs the photon and read noise of a camera: give --exposure-time or another "
                "--telescope, and no --peak-noise-range"
            )

    def describe(self) -> dict:
        """Return the entries on images and telescope in the manifest of a dataset."""
        conventions = {
            SOURCE: "e-/s in each pixel of the lensed source, with PSF, without noise",
            LENS: "e-/s in each pixel of the lens's light, with PSF, without noise",
            CONVERGENCE: "convergence of the lens, averaged over each pixel, without PSF",
        }
        found = super().describe()
        arrays = {name: list(self.shape) for name in conventions}
        return found | {"arrays": arrays, "conventions": found["conventions"] | conventions}

    def simulate(self, indices: Sequence[int]) -> tuple[np.ndarray, Draws, Counter, dict[str, np.ndarray]]:  # type: ignore[override]
        """Simulate images. Each depends on the seed and its own index alone.

        Returns
        -------
        images, labels, rejected
            See `LensSimulator.simulate`.
        others : dict
            ``source`` and ``lens``: ndarray (N, H, W) float32, e-/s; ``convergence``: ndarray (N, H, W) float32.
        """
        images, found, rejected = self._simulate(indices)
        labels = {name: found[name] for name in self.columns}
        others = {name: found[name].astype(np.float32) for name in (SOURCE, LENS)}
        scene = self.physical_scene(labels)
        others[CONVERGENCE] = convergence_maps(
            self.parameters.lens_model, scene, self.shape, self.parameters.pixel_scale
        )
        return images, labels, rejected, others

    def _expose(self, scene: Draws, draws: Draws, perturbers: Perturbers | None):
        rendered = self.render(scene, perturbers)
        wanted = [draws.get(name) for name in ("snr-wanted", "exposure-time")]
        rate, measured = telescope.observe(*rendered, self.telescope, *wanted)
        source, lens = (telescope.blur(light, self.telescope.psf) for light in rendered)
        return rate, measured | {SOURCE: source, LENS: lens}
