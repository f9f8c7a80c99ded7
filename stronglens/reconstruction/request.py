"""Check the flags of the reconstruction task before slow libraries are loaded."""

from collections.abc import Mapping

from stronglens.learning.plan import check_flags
from stronglens.parameters import UsageError
from stronglens.reconstruction.lens_of_images import read_lenses


def check_request(parameters) -> None:
    """Check that flags are compatible and, with ``--predict``, that network and images can be used.

    Raises
    ------
    UsageError, RunError
    """
    check_flags(parameters)
    if parameters.network == "magnet" and parameters.rim_stride not in (1, 2, 4):
        raise UsageError(f"--rim-stride={parameters.rim_stride} must be 1, 2 or 4")
    flags = ("lens", "lens_model_file", "lens_draws", "psf_width", "psf_fits")
    given = [f"--{name.replace('_', '-')}" for name in flags if getattr(parameters, name) is not None]
    if given and not parameters.predict:
        raise UsageError(f"{given[0]} describes measured images: give it with --predict")
    if not parameters.predict:
        return
    read_lenses(parameters)
    if parameters.psf_width is not None and parameters.psf_fits is not None:
        raise UsageError("--psf-width and --psf-fits exclude each other; give only one")

    from stronglens.measuring import check_request
    from stronglens.reconstruction.training_ranges import read_training_ranges

    def check_task(record: Mapping) -> None:
        read_training_ranges(parameters, record)
        if record.get("psf") is not None and given[1:]:
            raise UsageError(f"{given[1]} does not apply: the network has a measured PSF of its own")
        if parameters.psf_fits is not None:
            from stronglens.telescope import measure_fwhm

            measure_fwhm(parameters.psf_fits, 1.0)

    check_request(parameters, check_task)
