"""What can go wrong through a user's input, said in one line, with the process's exit code."""


class StronglensError(Exception):
    """An error to be shown as one line, without a traceback."""

    exit_code = 1


class RunError(StronglensError):
    """A file, a dataset or a network that cannot be used."""


class UsageError(StronglensError, ValueError):
    """A flag or a value that cannot be used."""

    exit_code = 2
