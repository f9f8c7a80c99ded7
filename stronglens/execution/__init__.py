"""Execution of work in chunks (threads, processes or a cluster), progress, interruption, exit codes."""

from stronglens.execution.chunks import available_threads, check_machines, open_executor, run_chunks
from stronglens.execution.commands import exit_codes
from stronglens.execution.console import Console
from stronglens.execution.disk import check_disk, describe_bytes, require_folder
from stronglens.execution.progress import Progress, describe_duration

__all__ = [
    "Console",
    "Progress",
    "available_threads",
    "check_disk",
    "check_machines",
    "describe_bytes",
    "describe_duration",
    "exit_codes",
    "open_executor",
    "require_folder",
    "run_chunks",
]
