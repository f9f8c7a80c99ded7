"""Checks of a generation command before slow imports."""

from collections.abc import Mapping, Sequence

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
    if parameters.latents > parameters.components and parameters.network != "lecture":
        raise UsageError(
            f"--latents={parameters.latents} must be at most --components={parameters.components}: the networks begin "
            "with one component for each code"
        )
    check_sampler(parameters)
    if parameters.spectra and parameters.example:
        raise UsageError("--spectra and --example exclude each other; give only one")
    read_numbers(parameters.more_latents)
    if parameters.sample and parameters.predict:
        raise UsageError("--sample and --predict exclude each other; give only one")
    if parameters.sample:
        from stronglens.generation.outputs import check_record, sampler_of
        from stronglens.network_archive import read_archive

        record, _ = read_archive(parameters.model_file)
        check_record(parameters, record)
        sampler_of(parameters, record)
    if parameters.predict:
        from stronglens.generation.outputs import check_record
        from stronglens.measuring import check_request

        def check_task(record: Mapping) -> None:
            check_record(parameters, record)

        check_request(parameters, check_task)


def check_sampler(parameters) -> None:
    """Check that the sampler suits the network.

    Raises
    ------
    UsageError
    """
    if parameters.sampler == "prior" and parameters.network in ("autoencoder", "conv-autoencoder", "lecture"):
        raise UsageError(f"--sampler=prior does not apply: the codes of --network={parameters.network} have no prior")
    if parameters.condition and parameters.sampler not in ("flow", "gmm"):
        raise UsageError(f"--condition does not apply with --sampler={parameters.sampler}; use flow or gmm")


def read_numbers(words: Sequence[str]) -> list[int]:
    """Return the numbers of codes of ``--more-latents``.

    Raises
    ------
    UsageError
        If a word is not a whole number above 0.
    """
    if wrong := [word for word in words if not word.isdecimal() or not int(word)]:
        raise UsageError(f"--more-latents must be whole numbers above 0, such as 2,4,6; received {wrong[0]}")
    return [int(word) for word in words]
