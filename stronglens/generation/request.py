"""Checks of a generation command before slow imports."""

from collections.abc import Mapping, Sequence

from stronglens.learning.plan import check_flags
from stronglens.parameters import RunError, UsageError


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
    if parameters.latents > parameters.components and parameters.network not in ("lecture", "gan", "cyclegan"):
        raise UsageError(
            f"--latents={parameters.latents} must be at most --components={parameters.components}: the networks begin "
            "with one component for each code"
        )
    check_sampler(parameters)
    check_players(parameters)
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
        from stronglens.generation.outputs import PARTS, check_record
        from stronglens.measuring import check_request

        def check_task(record: Mapping) -> None:
            check_record(parameters, record)
            if record.get("network") in PARTS:
                raise RunError(f"the network in {parameters.model_file} is a {record['network']}: it has no encoder")

        check_request(parameters, check_task)


def check_sampler(parameters) -> None:
    """Check that the sampler suits the network.

    Raises
    ------
    UsageError
    """
    network, sampler = parameters.network, parameters.sampler
    if sampler == "prior" and network in ("autoencoder", "conv-autoencoder", "lecture"):
        raise UsageError(f"--sampler=prior does not apply: the codes of --network={network} have no prior")
    if network == "cyclegan":
        if sampler != "none":
            raise UsageError(f"--sampler={sampler} does not apply: a cyclegan translates images")
    elif network == "gan":
        own = "prior" if parameters.gan_space == "pixels" else "gan"
        if sampler != own:
            raise UsageError(f"--sampler={sampler} does not apply: a gan draws its own random numbers")
    elif parameters.condition and sampler in ("prior", "none"):
        raise UsageError(f"--condition does not apply with --sampler={sampler}; use flow, flow-matching, gmm or gan")


def check_players(parameters) -> None:
    """Check that the flags suit networks that play against each other.

    Raises
    ------
    UsageError
    """
    network = parameters.network
    if parameters.target_dir and network != "cyclegan":
        raise UsageError("--target-dir applies with --network=cyclegan only")
    if network not in ("gan", "cyclegan") or parameters.gan_space != "pixels":
        return
    if network == "cyclegan":
        if not parameters.target_dir:
            raise UsageError("--network=cyclegan needs --target-dir, the folder of another dataset")
        if parameters.sample:
            raise UsageError("--sample does not apply with --network=cyclegan: it translates images")
    unused = {
        "--optimizer": parameters.optimizer != "adam",
        "--weight-decay": parameters.weight_decay,
        "--more-latents": parameters.more_latents,
        "--few-labels": parameters.few_labels,
        "--condition": parameters.condition and network == "cyclegan",
        "--spectra": parameters.spectra,
        "--example": parameters.example,
    }
    if wrong := [flag for flag, is_given in unused.items() if is_given]:
        raise UsageError(f"{wrong[0]} does not apply with --network={network}")
    if parameters.valid_split == 0:
        raise UsageError(f"--network={network} needs validation images, to detect a collapse")
    if parameters.predict:
        raise UsageError(f"--predict does not apply with --network={network}: it has no encoder")


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
