from stronglens.regression.plan import warn_of_unseen

LABELS = ("src-redshift", "lens-sersic", "src-center-x")


def test_labels_without_effect_on_images_are_named_with_the_reason():
    dark_sie = {"redshift-effects": "none", "lens-light": "off", "lens-model": "sie"}
    redshift, index = warn_of_unseen(dark_sie, LABELS)
    assert "--redshift-effects none: its images do not depend on src-redshift" in redshift
    assert "--lens-light off: its images do not depend on lens-sersic" in index


def test_dark_stars_change_images_by_their_mass():
    composite = {"redshift-effects": "cosmological", "lens-light": "off", "lens-model": "composite"}
    assert warn_of_unseen(composite, LABELS) == []
