"""Errors that a user can cause or repair, as one tree.

    SwtrainError(Exception)      the command line shows it as one line and exits 1
      ConfigError                a setting is unknown, out of range or contradicts another
      DataError                  a data file is missing, truncated, corrupt or not what its name says
      CheckpointError            a stored run cannot be read, continued or used
      OutputError                the output folder cannot be written, or holds another run
      NestingError               a nested model breaks its invariant
      ExportError                a trained model cannot be turned into a graph

A message is one sentence: where, what, the limit with its numbers, and the next step. Nothing here imports
torch, so that `swtrain --help` stays light.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SwtrainError(Exception):
    """Base of every error that swtrain reports in one line."""


class ConfigError(SwtrainError):
    """A setting is unknown, out of range or contradicts another."""


class DataError(SwtrainError):
    """A data file is missing, truncated, corrupt or not what its name says."""


class CheckpointError(SwtrainError):
    """A stored run cannot be read, continued or used."""


class OutputError(SwtrainError):
    """The output folder cannot be written, or holds another run."""


class NestingError(SwtrainError):
    """A nested model breaks its invariant (nesting, exact sparsity, shared values, zeros)."""


class ExportError(SwtrainError):
    """A trained model cannot be turned into a graph."""


def unknown_name(what: str, name: str, known: Iterable[str]) -> str:
    """One sentence for an unknown `name`: the list of known ones and the closest of them."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean '{close[0]}'?" if close else ""
    return f"unknown {what} '{name}': known are {', '.join(names)}{hint}"
