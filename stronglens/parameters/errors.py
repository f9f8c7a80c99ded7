"""Errors that a user's input can cause. A command prints each as one line and exits with its exit code."""


class StronglensError(Exception):
    """Base class of errors that are shown as one line, without a traceback."""

    exit_code = 1


class RunError(StronglensError):
    """A file, a dataset or a network is not usable."""


class UsageError(StronglensError, ValueError):
    """A flag or its value is not valid."""

    exit_code = 2
