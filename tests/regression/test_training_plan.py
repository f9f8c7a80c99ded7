from stronglens.regression.plan import warn_of_unseen

LABELS = ("src-redshift", "lens-sersic", "src-center-x")


def test_labels_that_leave_no_trace_are_named_with_the_reason():
    dark_sie = {"redshift-effects": "none", "lens-light": "off", "lens-model": "sie"}
    redshift, index = warn_of_unseen(dark_sie, LABELS)
    assert "--redshift-effects none, so that src-redshift" in redshift
    assert "--lens-light off, so that lens-sersic" in index


def test_stars_that_do_not_shine_are_seen_by_their_mass():
    composite = {"redshift-effects": "cosmological", "lens-light": "off", "lens-model": "composite"}
    assert warn_of_unseen(composite, LABELS) == []
