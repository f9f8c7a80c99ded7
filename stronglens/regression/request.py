"""Checks of a regression request that need no neural-network library, which takes seconds to load."""

from collections.abc import Mapping

from stronglens.learning.plan import check_flags
from stronglens.parameters import UsageError


def check_request(parameters) -> None:
    """Refuse flags that exclude each other and, with ``--predict``, a network or images that cannot be used.

    Raises
    ------
    UsageError, RunError
    """
    check_flags(parameters)
    given = [name for name in ("published", "coolest") if getattr(parameters, name)]
    if given and not parameters.predict:
        raise UsageError(f"--{given[0]} is for measured images: give it with --predict")
    if parameters.coolest and not parameters.published:
        raise UsageError("--coolest needs the redshifts of lens and source: give --published a table of them")
    if parameters.predict:
        from stronglens.measuring import check_request
        from stronglens.regression.outputs import read_labels

        def check_task(record: Mapping) -> None:
            read_labels(parameters, record)
            if given and not record.get("posterior"):
                raise UsageError(
                    f"--{given[0]} needs a network that gives a posterior: train one with --posterior=flow"
                )

        check_request(parameters, check_task)
