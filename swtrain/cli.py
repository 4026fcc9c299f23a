"""The command line: parses, calls one function per command, shows what comes back.

Known errors are one line and exit 1, wrong usage is exit 2, Ctrl-C is 130, anything else a traceback. torch is
imported only by the commands that train or export.
"""

from __future__ import annotations

import click

from . import (
    __version__,
    cli_board,
    cli_emit,
    cli_eval,
    cli_import,
    cli_monitor,
    cli_package,
    cli_plan,
    cli_policy,
    cli_report,
    cli_shell,
    cli_sim,
    cli_train,
)
from .terminal import with_common_options


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="swtrain")
def main() -> None:
    """Nested sparse neural networks on batteryless MSP430FR microcontrollers.

    \b
    Exit codes:
      0    done, all limits held
      1    a known error in one line, or a missed limit
      2    wrong usage
      130  interrupted by Ctrl-C
    """


COMMAND_SETS = (
    cli_train,
    cli_import,
    cli_plan,
    cli_emit,
    cli_sim,
    cli_eval,
    cli_report,
    cli_policy,
    cli_package,
    cli_board,
    cli_monitor,
    cli_shell,
)
for command in (c for module in COMMAND_SETS for c in module.COMMANDS):
    main.add_command(with_common_options(command))


if __name__ == "__main__":
    main()
