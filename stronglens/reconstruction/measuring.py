"""Reconstruct the sources of telescope images, and print what the numbers assume."""

import textwrap
from collections.abc import Sequence

from stronglens.execution import Console
from stronglens.measuring import (
    MAX_DETAILED,
    Measurement,
    measure_files,
    read_training_images,
    refuse,
    write_measurements,
)
from stronglens.plotting import save_figure
from stronglens.reconstruction.figures.measured import draw_reconstruction
from stronglens.reconstruction.fits_output import write_source
from stronglens.reconstruction.lens_of_images import read_lenses
from stronglens.reconstruction.source_prediction import HEADERS, SourcePredictor

CAVEATS = (
    "Flux (summed over pixels of the size of the file's) and peak are in the unit of the file. They assume the lens "
    "model and PSF. Behind a mass sheet the source is of another size, at the same surface brightness.",
    "The image must show the lensed source alone: the light of the lens galaxy must be subtracted or masked.",
)
WITHOUT_SIGMA = "The sources have no error bars: --network=none is the inversion alone, without a trained network."
WITH_SIGMA = (
    "sigma is the half-width of the 68 % interval of each source pixel, calibrated on simulated validation images."
)


def measure(parameters, network, record: dict, rebuild, open_simulation) -> None:
    """Reconstruct the sources of files with a trained network, and write ``measured.csv``, FITS files and figures.

    Parameters
    ----------
    parameters : ReconstructionTraining
    network : keras.Model
    record : dict
        As saved with the network.
    rebuild, open_simulation
        Not used: the network contains the model of the images.

    Raises
    ------
    RunError
        If the network was trained for another task, the file of the lens model cannot be used, or an image cannot be
        used (after all others were written).
    UsageError
        If a flag has an invalid value, does not apply to this network, or names a file that does not exist.
    """
    training_images = read_training_images(parameters, record, network)
    predict = SourcePredictor(parameters, network, record, read_lenses(parameters))
    results = measure_files(
        parameters,
        training_images,
        predict,
        HEADERS,
        cells=["unit"],
        flags=["lens", "lens-model-file", "lens-draws", "psf-width", "psf-fits"],
        collect=list,
    )
    caveats = [*CAVEATS, WITH_SIGMA if predict.has_sigma else WITHOUT_SIGMA]
    caveats = [part for line in caveats for part in textwrap.wrap(line, 116, subsequent_indent="  ")]
    captions = [_caption(one) for one in results.kept]
    write_measurements(parameters, training_images, results, HEADERS, captions, caveats)
    if results.number <= MAX_DETAILED:
        _write_sources(parameters, predict, results.kept)
    refuse(results)


def _write_sources(parameters, predict: SourcePredictor, kept: Sequence[Measurement]) -> None:
    """Write the FITS file and the figure of each image."""
    say, scales = Console(parameters.quiet).say, (predict.camera.pixel_scale, predict.source_pixel)
    for one in kept:
        prediction, stem, unit = one.prediction, one.image.stem, one.observation.unit
        y, x = one.prepared.centre
        cards = {
            "FILE": (one.name, ""),
            "NETWORK": (parameters.model_file.name, ""),
            "DRAWS": (len(predict.lenses), "number of lens models"),
            "FIELD_X": (x, "[arcsec] cut-out's centre, from the file's"),
            "FIELD_Y": (y, "[arcsec]"),
        }
        path = write_source(parameters.figures_dir / f"source_{stem}.fits", prediction, *scales, unit, cards)
        notes = [note for note in one.notes if note not in prediction.warnings]
        figure = draw_reconstruction(one.name, prediction, *scales, unit, parameters.cmap, notes)
        drawn = save_figure(figure, parameters.figures_dir / f"source_{stem}.{parameters.figure_format}")
        say(f"Source: {path}, {drawn.name}")


def _caption(one: Measurement) -> str:
    flux, peak, radius, magnification, chi2, of_inversion = one.values
    return "\n".join(
        [
            f"flux {flux:.4g}",
            f"peak {peak:.3g}",
            f"half-light radius {radius:.2g}″",
            f"magnification {magnification:.3g}",
            rf"$\chi^2$ per pixel {chi2:.2f}",
            f"  of the inversion {of_inversion:.2f}",
        ]
    )
