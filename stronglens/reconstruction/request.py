"""Check the flags of the reconstruction task before slow libraries are loaded."""

from stronglens.learning.plan import check_flags
from stronglens.parameters import UsageError


def check_request(parameters) -> None:
    """Check that flags are compatible and, with ``--predict``, that network and images can be used.

    Raises
    ------
    UsageError, RunError
    """
    check_flags(parameters)
    if parameters.simulate or parameters.mixed_precision:
        flag = "--simulate" if parameters.simulate else "--mixed-precision"
        raise UsageError(f"{flag} is not available with --task=reconstruction")
    if parameters.network == "magnet" and parameters.rim_stride not in (1, 2, 4):
        raise UsageError(f"--rim-stride={parameters.rim_stride} must be 1, 2 or 4")
    has_lens = bool(parameters.lens) or parameters.lens_model_file is not None
    if has_lens and not parameters.predict:
        raise UsageError("--lens and --lens-model-file describe measured images: give them with --predict")
    if not parameters.predict:
        return
    if bool(parameters.lens) == (parameters.lens_model_file is not None):
        raise UsageError("--predict needs the lens model of the images: give --lens or --lens-model-file")
    if parameters.lens:
        read_numbers(parameters.lens)

    from stronglens.measuring import check_request

    check_request(parameters, lambda record: None)


def read_numbers(text: str) -> tuple[float, ...]:
    """Return the seven numbers of ``--lens``.

    Raises
    ------
    UsageError
        When they are not seven numbers, or no lens has these values.
    """
    try:
        values = tuple(float(word) for word in text.split(","))
    except ValueError:
        values = ()
    if len(values) != 7:
        raise UsageError(f"--lens={text} must be seven numbers: Einstein radius, x, y, two ellipticities, two shears")
    if not (0 < values[0] < 100 and values[3] ** 2 + values[4] ** 2 < 0.81 and values[5] ** 2 + values[6] ** 2 < 0.81):
        raise UsageError(f"--lens={text}: the Einstein radius must be positive, ellipticity and shear below 0.9")
    return values
