"""Check the flags of the separation task before slow libraries are loaded."""

from collections.abc import Mapping

from stronglens.learning.plan import check_flags
from stronglens.parameters import UsageError


def check_request(parameters) -> None:
    """Check that flags are compatible and, with ``--predict``, that network and images can be used.

    Raises
    ------
    UsageError, RunError
    """
    check_flags(parameters)
    unfit = "branched" if parameters.map == "convergence" else "components"
    if parameters.network == unfit and not parameters.predict:
        raise UsageError(f"--network={unfit} does not apply to --map={parameters.map}")
    if parameters.adversarial and parameters.network != "branched":
        raise UsageError("--adversarial applies to --network=branched only")
    if parameters.measure_radius and (parameters.predict or parameters.map == "convergence"):
        raise UsageError("--measure-radius tests the training of a network for light; it does not apply here")
    if parameters.predict:
        from stronglens.measuring import check_request

        def check_task(record: Mapping) -> None:
            from stronglens.separation.outputs import read_camera

            read_camera(parameters, record)

        check_request(parameters, check_task)
