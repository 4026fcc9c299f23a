"""Reads what ``firmware/tests/lea_probe`` prints on a board, and decides the options of the LEA model.

In: a serial log. Out: a `Report` (each option with its reading and the evidence) and an option file that
``Machine(lea="board.toml")`` takes. `run_probe` makes such a log on the simulator.
Deliberately not here: what commands compute. Results are held against the core itself, under every combination of
options.
"""

from .decide import Decision, Report, decide
from .log import BadLog, ProbeLog, read_log
from .runner import run_probe

__all__ = ["BadLog", "Decision", "ProbeLog", "Report", "decide", "read_log", "run_probe"]
