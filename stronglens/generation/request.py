"""Checks of a generation command before slow imports."""

from collections.abc import Mapping

from stronglens.learning.plan import check_flags
from stronglens.parameters import UsageError


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
    if parameters.simulate or parameters.mixed_precision:
        flag = "--simulate" if parameters.simulate else "--mixed-precision"
        raise UsageError(f"{flag} is not available with --task={parameters.task}")
    if parameters.latents > parameters.components and parameters.network != "lecture":
        raise UsageError(
            f"--latents={parameters.latents} must be at most --components={parameters.components}: the networks begin "
            "with one component for each code"
        )
    if parameters.predict:
        from stronglens.generation.outputs import check_record
        from stronglens.measuring import check_request

        def check_task(record: Mapping) -> None:
            check_record(parameters, record)

        check_request(parameters, check_task)
