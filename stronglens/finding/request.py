"""Checks of a finding command before slow imports."""

from functools import partial

from stronglens.explaining.request import check_explanation
from stronglens.learning.plan import check_flags
from stronglens.parameters import RunError, UsageError


def check_request(parameters) -> None:
    """Check that the flags are consistent and, with ``--predict``, that network and images are usable.

    Raises
    ------
    UsageError
        When flags contradict one another.
    RunError
        When the network or an image cannot be used, or the file of weights does not exist.
    """
    check_flags(parameters)
    check_explanation(parameters)
    if parameters.test_only and (parameters.weights_from or parameters.simulate or parameters.predict):
        raise UsageError("--test-only tests a trained network: it excludes --weights-from, --simulate and --predict")
    if parameters.weights_from:
        if parameters.network == "small" or parameters.input != "minmax":
            raise UsageError("--weights-from needs --network=ou66 or ou200, and --input=minmax: the published scaling")
        if parameters.members > 1 or parameters.simulate:
            raise UsageError("--weights-from needs no training: it excludes --members and --simulate")
        if not parameters.weights_from.is_file():
            raise RunError(f"{parameters.weights_from}: no such file (--weights-from)")
    if parameters.as_is:
        from stronglens.finding.cubes import check_cubes
        from stronglens.network_archive import read_archive

        if not parameters.predict or parameters.bologna:
            raise UsageError("--as-is applies with --predict only, and not with --bologna")
        check_cubes(parameters, read_archive(parameters.model_file)[0])
    elif parameters.predict:
        from stronglens.finding.outputs import check_record
        from stronglens.finding.reading import BandReader
        from stronglens.measuring import check_request

        check_request(parameters, partial(check_record, parameters), BandReader)
