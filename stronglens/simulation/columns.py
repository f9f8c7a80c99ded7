"""Derived columns, and the conventions of all columns."""

from stronglens.parameters import Column

LARGEST_ELLIPTICITY = 0.9
"""Maximum of (1-q)/(1+q): an axis ratio of 0.05, flatter than any galaxy; images are tested up to this value."""

DERIVED_COLUMNS = {
    "einstein-radius": Column(
        "einstein-radius",
        "arcsec",
        r"\theta_{\rm E}",
        "radius of the circle about the lens centre within which the mean convergence is 1; blind to shear",
        drawn=False,
    ),
    "einstein-radius-sie": Column(
        "einstein-radius-sie",
        "arcsec",
        r"\theta_{\rm E,SIE}",
        "Einstein radius on the intermediate axis, sqrt(ab) of the ellipse within which the mean convergence is 1, as "
        "catalogues quote",
        drawn=False,
    ),
    "light-ellip-x": Column(
        "light-ellip-x",
        None,
        r"e_{x,\rm light}",
        "cosine component of the lens's light's ellipticity",
        drawn=False,
        spin=2,
        pair=("light-ellip-x", "light-ellip-y"),
    ),
    "light-ellip-y": Column(
        "light-ellip-y",
        None,
        r"e_{y,\rm light}",
        "sine component of the lens's light's ellipticity",
        drawn=False,
        spin=2,
        pair=("light-ellip-x", "light-ellip-y"),
    ),
    "magnification": Column(
        "magnification",
        None,
        r"\mu",
        "flux of the lensed source over that of the unlensed one, both within the field, without blur or noise",
        drawn=False,
    ),
    "snr": Column(
        "snr",
        None,
        r"{\rm S/N}",
        "signal-to-noise of the lensed source: sqrt of the sum over pixels of its light squared over the variance",
        drawn=False,
    ),
    "src-clumps": Column(
        "src-clumps", None, r"N_{\rm clumps}", "number of clumps of star formation in the source", drawn=False
    ),
    "exposure-time": Column(
        "exposure-time",
        "s",
        r"t_{\rm exp}",
        "exposure time at which the wanted signal-to-noise is reached",
        drawn=False,
    ),
}

CONVENTIONS = {
    "axes": "x to the right, y up, arcsec, origin at the image centre; row 0 of an image is its top",
    "pixels": "e-/s in each pixel, sky subtracted",
    "ellipticity": "(1-q)/(1+q) times (cos 2phi, sin 2phi) in (ellip-x, ellip-y), phi from +x towards +y",
    "shear": "deflection (shear-1 x + shear-2 y, shear-2 x - shear-1 y)",
    "intensity": "e-/s at the effective radius in a 0.1 arcsec pixel of Euclid VIS (zero point 25.72), as it would be "
    "seen at z = 0.5 (lens) or z = 1 (source)",
    "mass": "mass-to-light ratios and halo convergence as they act for lens and source at z = 0.5 and 2",
    "labels": "drawn values, before dimming and the scaling of masses with redshift",
}
