"""Names of the arrays that a dataset of this task has beside its images."""

SOURCE, LENS, CONVERGENCE = "source", "lens", "convergence"
