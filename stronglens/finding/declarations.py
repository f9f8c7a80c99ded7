"""Parameters that only the finding task has."""

from stronglens.parameters import Parameters, choice, declare, names, number


@declare
class FindingImages(Parameters):
    """Images and bands of Euclid"""

    bands: tuple[str, ...] = names(
        ("VIS",),
        help="bands of the images, in this order: any of VIS,Y,J,H. Several bands are the last axis of an image",
    )
    grid_size: int = number(
        66, shortcut="s", unit="pixels", valid=(18, 1024),
        help="side of the square images; on a grid of 0.1 arcsec Y, J and H need a multiple of 3",
    )
    pixel_scale: float = number(
        0.1, shortcut="ps", unit="arcsec", valid=(0.1, 0.3),
        help="pixels of the images, 0.1 or 0.3. Y, J and H are recorded in pixels of 0.3 arcsec, VIS in pixels of 0.1",
    )
    over_sampling: int = number(
        4, shortcut="os", unit="rays", valid=(1, 16), help="rays along each side of a pixel of 0.1 arcsec"
    )


@declare
class LensesAndOthers(Parameters):
    """Lenses and non-lenses"""

    population: str = choice(
        "lenspop", ("lenspop",), help="population of lenses and sources; lenspop: in the form of Collett (2015)"
    )
    lens_share: float = number(0.5, valid=(0, 1), help="fraction of images that are drawn as lenses")
    nonlens_shares: tuple[str, ...] = names(
        ("companions=28", "spiral=22", "single-image=14", "ring=12", "lone=10", "merger=8", "edge-on=6"),
        help="kinds of non-lenses and their shares, KIND=SHARE; kinds that are not named do not occur",
    )
    compound: str | None = choice(
        None, ("rings", "arcs", "two-lenses"),
        help="kind of compound lenses, with galaxies at three redshifts. rings, arcs: two sources, the nearer one with "
        "mass, aligned with the lens or not; two-lenses: one source behind two galaxies. All lenses are of this kind "
        "unless --compound-share is given",
    )
    compound_share: float = number(
        0.0, valid=(0, 1), help="fraction of the lenses that are compound, of the kind of --compound or of all kinds"
    )
    snr_min: float = number(
        20.0, valid=(0, 10_000), help="smallest signal-to-noise ratio of the lensed source in VIS, also if VIS is not "
        "one of the bands",
    )
    tries: int = number(1000, valid=(1, 1_000_000), help="maximum number of draws per image")


OVERRIDES: dict = {}

EXAMPLES = {
    "generate_data.py": (
        ("20,000 images, half of them lenses", "generate_data.py --task=finding -n=20000 --format=zarr"),
        ("in the four bands of Euclid", "generate_data.py --task=finding --bands=VIS,Y,J,H -n=20000 --format=zarr"),
        ("fields of 20 arcsec, of 66 pixels", "generate_data.py --task=finding --preset=ou66"),
        ("a test set of compound lenses", "generate_data.py --task=finding --compound=rings --lens-share=1 -n=500"),
    ),
}
