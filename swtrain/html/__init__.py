"""The report of `swtrain eval` as one HTML file, and its figures as SVG and PNG.

Comes in: the JSON files of an evaluation. Goes out: the text of a page that needs no other file and no network, and
its figures. Knows neither codegen nor sim.
"""

from .page import make_page
from .stored import Stored, read_stored

__all__ = ["Stored", "make_page", "read_stored"]
