"""Columns of the finding task's datasets, and their conventions."""

from stronglens.finding.camera import BANDS
from stronglens.finding.classes import GROUPS, KINDS
from stronglens.parameters import Column

NO_LIGHT = 99.0
"""Magnitude in ``labels.csv`` of a galaxy that is not in the image."""


def _column(name: str, unit: str | None, symbol: str, description: str, spin: int = 0) -> Column:
    ends = "12" if name[-1] in "12" else "xy"
    pair = (f"{name[:-1]}{ends[0]}", f"{name[:-1]}{ends[1]}") if spin else None
    return Column(name, unit, symbol, description, drawn=False, spin=spin, pair=pair)


COLUMNS = {
    column.name: column
    for column in (
        _column("group", None, r"{\rm group}", ", ".join(f"{k} {name}" for k, name in enumerate(GROUPS))),
        _column("kind", None, r"{\rm kind}", ", ".join(f"{k} {name}" for k, name in enumerate(KINDS))),
        _column("lens-redshift", None, r"z_{\rm lens}", "redshift of the lens, or of the galaxy in its place"),
        _column("src-redshift", None, r"z_{\rm src}", "redshift of the source; without a source that of none"),
        _column("velocity-dispersion", "km/s", r"\sigma_v", "velocity dispersion of the lens; 0 without mass"),
        _column(
            "einstein-radius-sie", "arcsec", r"\theta_{\rm E,SIE}",
            "Einstein radius on the intermediate axis; 0 without mass",
        ),
        _column("lens-center-x", "arcsec", r"x_{\rm lens}", "x of the galaxy in the middle, to the right", 1),
        _column("lens-center-y", "arcsec", r"y_{\rm lens}", "y of the galaxy in the middle, upwards", 1),
        _column("lens-ellip-x", None, r"e_{x,\rm lens}", "cosine component of its ellipticity", 2),
        _column("lens-ellip-y", None, r"e_{y,\rm lens}", "sine component of its ellipticity", 2),
        _column("shear-1", None, r"\gamma_1", "component gamma_1 of the external shear: stretch along x", 2),
        _column("shear-2", None, r"\gamma_2", "component gamma_2 of the shear: stretch along the diagonal", 2),
        _column("lens-effect", "arcsec", r"R_{\rm e,lens}", "half-light radius of the galaxy in the middle"),
        _column("lens-sersic", None, r"n_{\rm lens}", "its Sersic index"),
        _column("src-center-x", "arcsec", r"x_{\rm src}", "x of the unlensed source", 1),
        _column("src-center-y", "arcsec", r"y_{\rm src}", "y of the unlensed source", 1),
        _column("src-ellip-x", None, r"e_{x,\rm src}", "cosine component of the source's ellipticity", 2),
        _column("src-ellip-y", None, r"e_{y,\rm src}", "sine component of the source's ellipticity", 2),
        _column("src-effect", "arcsec", r"R_{\rm e,src}", "half-light radius of the source"),
        _column("src-sersic", None, r"n_{\rm src}", "Sersic index of the source"),
        *(
            _column(
                f"{galaxy}-magnitude-{band.lower()}", "AB mag", rf"m_{{\rm {galaxy},{band}}}",
                f"total magnitude of the {what} in {band}; {NO_LIGHT:g}: none",
            )
            for galaxy, what in (("lens", "galaxy in the middle"), ("src", "unlensed source"))
            for band in BANDS
        ),
        _column("magnification", None, r"\mu", "flux of the lensed source in the field over its unlensed flux"),
        _column(
            "arc-pixels", None, r"N_{\rm pix}",
            "pixels of 0.1 arcsec in which the lensed source in VIS, blurred, exceeds the noise of the sky",
        ),
        _column("source-images", None, r"N_{\rm images}", "number of images of the source's centre by the lens alone"),
        _column("snr", None, r"{\rm S/N}", "signal-to-noise of the lensed source in VIS, also if the images lack VIS"),
    )
}  # fmt: skip

MIDDLE_COLUMNS = {
    column.name: column
    for column in (
        _column("middle-redshift", None, r"z_{\rm middle}", "redshift of the galaxy between lens and source; 0: none"),
        _column(
            "middle-einstein-radius", "arcsec", r"\theta_{\rm E,middle}",
            "its Einstein radius for the source, on the intermediate axis",
        ),
        _column("middle-center-x", "arcsec", r"x_{\rm middle}", "its x without the lens", 1),
        _column("middle-center-y", "arcsec", r"y_{\rm middle}", "its y without the lens", 1),
        _column("middle-magnitude-vis", "AB mag", r"m_{\rm middle,VIS}", f"its unlensed magnitude; {NO_LIGHT:g}: none"),
        _column("beta", None, r"\beta", "deflection of its light by the lens, relative to that of the source's light"),
        _column("middle-snr", None, r"{\rm S/N}_{\rm middle}", "signal-to-noise of its lensed light in VIS"),
    )
}  # fmt: skip

CONVENTIONS = {
    "axes": "x to the right, y up, arcsec, origin at the image centre; row 0 of an image is its top",
    "pixels": "e-/s, sky subtracted; VIS on a grid of 0.3 arcsec is the mean of 3 x 3 pixels",
    "ellipticity": "(1-q)/(1+q) times (cos 2phi, sin 2phi) in (ellip-x, ellip-y), phi from +x towards +y",
    "shear": "deflection (shear-1 x + shear-2 y, shear-2 x - shear-1 y)",
    "group": "by the rule of the second lens finding challenge in VIS; doubtful images are not trained on",
}
