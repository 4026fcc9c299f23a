"""swtrain: one set of weights, several nested sparse models, for batteryless MSP430FR microcontrollers."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("swtrain")
except PackageNotFoundError:  # a checkout that was never installed
    __version__ = "0+unknown"

__all__ = ["__version__"]
