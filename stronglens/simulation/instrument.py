"""The telescope of a simulation, from its parameters."""

from stronglens import telescope
from stronglens.parameters import UsageError
from stronglens.telescopes import TELESCOPES


def make_telescope(parameters) -> telescope.Telescope:
    """Make a telescope, with a point-spread function from a file or a model.

    Parameters
    ----------
    parameters : Parameters
        Simulation parameters.

    Returns
    -------
    Telescope

    Raises
    ------
    UsageError
        When parameters of telescope, field or noise contradict one another.
    RunError
        When the file of ``--psf-fits`` cannot be used.
    """
    scale, notes = parameters.pixel_scale, []
    known = TELESCOPES[parameters.telescope]
    if parameters.psf_fits:
        psf, notes = telescope.read_psf(parameters.psf_fits, scale)
    elif parameters.psf_model == "gaussian":
        psf = telescope.gaussian_psf(parameters.psf_fwhm, scale)
    elif known.optics:
        psf = telescope.optical_psf(known.optics, scale)
    else:
        raise UsageError(
            f"--psf-model=optical does not apply to --telescope={parameters.telescope}: {known.without_optics}"
        )
    camera = telescope.Telescope(
        pixel_scale=scale,
        psf=psf,
        exposure_time=parameters.exposure_time,
        exposures=parameters.exposures,
        sky=telescope.sky_rate(parameters.sky_brightness, scale, parameters.zero_point),
        read_noise=parameters.read_noise,
        zero_point=parameters.zero_point,
        noise_correlation=parameters.noise_correlation,
        notes=tuple(notes),
    )
    side = 0 if psf is None else psf.shape[0]
    if side > parameters.grid_size:
        raise UsageError(
            f"the point-spread function ({side} pixels) is wider than the field (--grid-size={parameters.grid_size}); "
            "lower --psf-fwhm, crop --psf-fits, or enlarge the field"
        )
    _check_noise(parameters, camera)
    return camera


def _check_noise(parameters, camera: telescope.Telescope) -> None:
    drawn = parameters.snr_range, parameters.exposure_time_range
    if parameters.peak_noise_range:
        if any(drawn):
            raise UsageError("--peak-noise-range replaces --snr-range and --exposure-time-range; give only one of them")
        return
    if not camera.is_noisy and (parameters.snr_min > 0 or any(drawn)):
        raise UsageError(
            "--snr-min, --snr-range and --exposure-time-range need noise; give --exposure-time or another --telescope"
        )
    if all(drawn):
        raise UsageError(
            f"--snr-range={parameters.snr_range} and --exposure-time-range={parameters.exposure_time_range} both set "
            "the exposure time; give only one of them"
        )
