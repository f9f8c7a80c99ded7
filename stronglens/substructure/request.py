"""What the substructure task refuses before it loads anything heavy."""

from stronglens.learning.plan import check_flags


def check_request(parameters) -> None:
    """Refuse flags that do not go together and, with ``--predict``, a network or images that cannot be used.

    Raises
    ------
    UsageError, RunError
    """
    check_flags(parameters)
    if parameters.predict:
        from stronglens.measuring import check_request

        check_request(parameters)
