"""Checks of a substructure request that need no neural-network library, which takes seconds to load."""

from functools import partial

from stronglens.learning.plan import check_flags


def check_request(parameters) -> None:
    """Refuse flags that exclude each other and, with ``--predict``, a network or images that cannot be used.

    Raises
    ------
    UsageError, RunError
    """
    check_flags(parameters)
    if parameters.predict:
        from stronglens.measuring import check_request
        from stronglens.substructure.outputs import read_classes

        check_request(parameters, partial(read_classes, parameters))
