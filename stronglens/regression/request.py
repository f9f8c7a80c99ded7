"""Checks of a regression command before slow imports."""

from collections.abc import Mapping

from stronglens.explaining.request import check_explanation
from stronglens.learning.plan import check_flags
from stronglens.lens_models import LENS_MODELS
from stronglens.parameters import UsageError
from stronglens.regression.separated import check_separation, identify


def check_request(parameters) -> None:
    """Check that the flags are consistent and, with ``--predict``, that network and images are usable.

    Raises
    ------
    UsageError
        When flags contradict one another.
    RunError
        When the network or an image cannot be used.
    """
    check_flags(parameters)
    check_explanation(parameters)
    given = [name for name in ("published", "coolest", "refine", "refine_from") if getattr(parameters, name)]
    if given and not parameters.predict:
        raise UsageError(f"--{given[0].replace('_', '-')} applies to measured images only; use it with --predict")
    if parameters.refine_from and not parameters.refine:
        raise UsageError("--refine-from is the start of --refine; give both")
    if parameters.refine_source == "pixels" and not parameters.refine:
        raise UsageError("--refine-source is the model of --refine; give both")
    if parameters.coolest and not parameters.published:
        raise UsageError("--coolest needs the redshifts of lens and source; give --published a table with them")
    if parameters.separate:
        if parameters.simulate:
            raise UsageError("--separate and --simulate exclude each other: new simulations are not separated")
        identify(parameters.separate)
    if parameters.predict:
        from stronglens.measuring import check_request
        from stronglens.measuring.coolest import read_coolest
        from stronglens.regression.outputs import read_labels

        def check_task(record: Mapping) -> None:
            read_labels(parameters, record)
            check_separation(parameters, record)
            if given and not record.get("posterior"):
                raise UsageError(
                    f"--{given[0].replace('_', '-')} needs a network with posteriors; train one with --posterior=flow"
                )
            if parameters.refine:
                check_refinable(record)
                if parameters.refine_from:
                    read_coolest(parameters.refine_from)

        check_request(parameters, check_task)


def check_refinable(record: Mapping) -> None:
    """Check that ``--refine`` can fit the lens model.

    Raises
    ------
    UsageError
        When the mass of the training set's lenses is not an ellipsoid.
    """
    model = (record.get("simulation") or {}).get("lens-model")
    if model not in LENS_MODELS or not LENS_MODELS[model].is_ellipsoid:
        raise UsageError(
            f"--refine needs a network trained on elliptical lenses (--lens-model=sie or powerlaw), not {model}"
        )
