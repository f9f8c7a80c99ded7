"""What the regression task refuses before it loads anything heavy."""

from stronglens.learning.plan import check_flags
from stronglens.parameters import UsageError


def check_request(parameters) -> None:
    """Refuse flags that do not go together and, with ``--predict``, a network or images that cannot be used.

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

        record = check_request(parameters)
        if given and not record.get("posterior"):
            raise UsageError(f"--{given[0]} needs a network that gives a posterior: train one with --posterior=flow")
