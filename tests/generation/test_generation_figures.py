"""Figures of the generation task: every text is inside, and on no other text."""

import numpy as np
from readable_figures import assert_readable
from small_images import draw_spots

from stronglens.generation import figures
from stronglens.generation.components import Components
from stronglens.parameters import Column


def entry(value):
    return {"value": value, "low": 0.9 * value, "high": 1.1 * value}


def test_figures_of_errors_and_losses_are_readable():
    epochs = np.geomspace(1, 0.1, 30).tolist()
    history = {name: epochs for name in ("loss", "val_loss", "rms", "val_rms", "divergence", "val_divergence")}
    assert "best epoch: 30" in assert_readable(figures.draw_losses(history))
    one = {"network": entry(0.1), "pca": entry(0.2), "ratio": entry(0.5)}
    by_latents = {number: {"image": one, "truth": one, "noise": 0.09} for number in (2, 6, 10, 32)}
    assert "noise of the images" in assert_readable(figures.draw_errors(by_latents, "vae"))
    ratios = {kind: {"rms": 0.1, "ratio": entry(0.8)} for kind in ("pca", "linear", "relu", "vae")}
    assert_readable(figures.draw_row_errors({2: ratios, 4: ratios}, ("linear", "relu", "vae"), "9 spectra"))


def test_figures_of_images_and_codes_are_readable():
    images, random = draw_spots(4), np.random.default_rng(0)
    codes = random.standard_normal((60, 7))
    column = Column("einstein-radius", "arcsec", r"\theta_{\rm E}", "", prior=None)
    assert_readable(figures.draw_samples(images, images, 0.1, "magma", "vae"))
    rows = [("image", images), ("vae,\n2 codes", images)]
    assert_readable(
        figures.draw_reconstructions(rows, [("image\nminus vae", 0.1 * images)], range(4), 0.1, "magma", "")
    )
    assert_readable(figures.draw_grid(images.reshape(2, 2, 16, 16), 0.1, "magma", "Grid", "", ("code 1", "code 2")))
    assert_readable(figures.draw_aggregate(codes, np.ones_like(codes), 0, "codes"))
    assert "[arcsec]" in assert_readable(figures.draw_latents(codes, (0, 1), codes[:, :1], [column]))
    assert_readable(figures.draw_row_codes(codes, codes, np.arange(60) % 3))


def test_figures_of_spectra_are_readable():
    axis = np.linspace(4000, 7000, 50)
    spectra = 1 + 0.1 * np.random.default_rng(0).standard_normal((3, 50))
    components = Components(spectra[0], spectra, np.ones(3))
    assert "component 3" in assert_readable(figures.draw_components(axis, components, "3 spectra"))
    good = np.ones((3, 50), bool)
    assert_readable(figures.draw_spectra(axis, spectra, good, {"pca": spectra, "vae": spectra}, ("a", "b", "c"), 2))
