"""Make the table of template fluxes of the finding task, ``stronglens/finding/templates.txt``.

``python -m benchmarks.colour_table`` takes about three seconds. It needs two packages that the project does not:
skypy 0.5.5 (the five spectral templates of kcorrect) and speclite 1.0 (transmission curves; both BSD):

    pip install --no-deps --target=colours skypy==0.5.5 speclite==1.0
    PYTHONPATH=colours python -m benchmarks.colour_table
"""

from importlib import resources
from pathlib import Path

import numpy as np

TABLE = Path(__file__).parent.parent / "stronglens" / "finding" / "templates.txt"
REDSHIFTS = np.arange(0.05, 4.0, 0.1)
BANDS = {"VIS": "Euclid-VIS", "Y": "Euclid-Y", "J": "Euclid-J", "H": "Euclid-H"}
REST_BAND = "sdss2010-r"
SPECTRA, WAVELENGTHS = 1, 11
"""Extensions of kcorrect's file: spectra in erg/s/cm^2/A at 10 pc for 1 Msun, and wavelengths in A."""

HEAD = """\
AB magnitudes at 10 pc of the five spectral templates of kcorrect (Blanton & Roweis 2007, AJ 133, 734), 1 Msun each,
redshifted: with the distance modulus they are apparent magnitudes. Made by python -m benchmarks.colour_table
with the templates of skypy 0.5.5 and the transmission curves of speclite 1.0, both under a BSD licence.
A redshift of 0 marks the rest-frame SDSS r band, in the column VIS.
"""


def main() -> None:
    from astropy.io import fits
    from speclite.filters import load_filters

    path = resources.files("skypy") / "data/kcorrect/k_nmf_derived.default.fits"
    with fits.open(str(path)) as parts:
        spectra, wavelengths = np.asarray(parts[SPECTRA].data, float), np.asarray(parts[WAVELENGTHS].data, float)
    rows = [[0.0, template, *_magnitudes(spectra[template], wavelengths, 0, load_filters(REST_BAND)), *[np.nan] * 3]
            for template in range(len(spectra))]  # fmt: skip
    bands = load_filters(*BANDS.values())
    rows += [
        [redshift, template, *_magnitudes(spectra[template], wavelengths, redshift, bands)]
        for redshift in REDSHIFTS
        for template in range(len(spectra))
    ]
    names = " ".join(["redshift", "template", *BANDS])
    np.savetxt(TABLE, rows, fmt=["%.2f", "%d", *["%.4f"] * len(BANDS)], header=HEAD + names)
    print(f"{TABLE.name}: {len(rows)} rows, {TABLE.stat().st_size:,} bytes")


def _magnitudes(spectrum, wavelengths, redshift, bands):
    observed, wavelengths = bands.pad_spectrum(spectrum / (1 + redshift), wavelengths * (1 + redshift))
    fluxes = bands.get_ab_maggies(observed, wavelengths)[0]
    return [-2.5 * np.log10(flux) for flux in fluxes]


if __name__ == "__main__":
    main()
