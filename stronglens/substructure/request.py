"""Checks of a substructure command before slow imports."""

from functools import partial

from stronglens.explaining.request import check_explanation
from stronglens.learning.plan import check_flags


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
    if parameters.predict:
        from stronglens.measuring import check_request
        from stronglens.substructure.outputs import read_classes

        check_request(parameters, partial(read_classes, parameters))
