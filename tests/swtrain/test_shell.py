"""What all commands have in common: JSON, quiet, verbose, colours, completion, exit codes."""

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import swtrain
from swtrain.cli import main
from swtrain.terminal import console, fail, json_result, known_errors, log, with_common_options

COMMANDS = sorted(main.commands)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_the_common_options(name: str) -> None:
    found = CliRunner().invoke(main, [name, "--help"])
    assert found.exit_code == 0
    for option in ("--json [FILE]", "--quiet", "--verbose"):
        assert option in found.output, option
    (parameter,) = (p for p in main.commands[name].params if "--json" in p.opts)
    assert isinstance(parameter, click.Option)
    assert parameter.flag_value == "-"  # alone it prints


@pytest.mark.parametrize("name", [n for n in COMMANDS if n not in ("sim", "run")])
def test_every_command_gives_json(name: str) -> None:
    """`sim` and `run` have JSON of their own; the others call json_result."""
    callback = main.commands[name].callback
    assert callback is not None
    assert "json_result" in inspect.unwrap(callback).__code__.co_names


@with_common_options
@click.command()
@click.option("--how", default="done")
@known_errors
def sample(how: str) -> None:
    console.print("for people")
    log.print("progress")
    if how == "fails":
        fail("no")
    if how == "raises":
        raise swtrain.errors.ConfigError("wrong\n  setting")
    if how == "stops":
        raise KeyboardInterrupt
    json_result({"path": Path("a"), "n": 1})


def run(*arguments: str) -> tuple[int, str, str]:
    found = CliRunner().invoke(sample, arguments)
    return found.exit_code, found.stdout, found.stderr


def test_json_alone_on_stdout() -> None:
    code, out, err = run("--json", "-")
    assert (code, json.loads(out)) == (0, {"path": "a", "n": 1})
    assert "progress" in err
    assert run("--json") == (0, out, err)
    assert "for people" in run()[1]  # silent for one command only


def test_json_in_a_file(tmp_path: Path) -> None:
    code, out, _ = run("--json", str(tmp_path / "x" / "r.json"))
    assert (code, out) == (0, "for people\n")
    assert json.loads((tmp_path / "x" / "r.json").read_text())["n"] == 1


def test_quiet_and_verbose() -> None:
    assert run("--quiet") == (0, "", "")
    code, out, err = run("-q", "--how", "raises")
    assert (code, out, err) == (1, "", "Error: wrong setting\n")
    code, _, err = run("-v", "--how", "raises")
    assert code == 1
    assert "Traceback" in err
    code, _, err = run("-v", "-q")
    assert code == 2
    assert "exclude each other" in err


def test_exit_codes() -> None:
    assert [run("--how", how)[0] for how in ("done", "fails", "raises", "stops")] == [0, 1, 1, 130]
    assert run("--unknown")[0] == 2
    assert "run the command again" in run("--how", "stops")[2]


def shell(*arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    code = "import sys; sys.argv[0] = 'swtrain'; from swtrain.cli import main; main()"
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **extra})


def test_no_colours_where_there_is_no_terminal() -> None:
    """Pipes and logs get plain text."""
    environment = dict.fromkeys(("FORCE_COLOR", "CLICOLOR_FORCE", "TTY_COMPATIBLE"), "")
    done = shell("doctor", **environment)
    assert "Python" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr


def test_version() -> None:
    assert CliRunner().invoke(main, ["--version"]).output == f"swtrain, version {swtrain.__version__}\n"


@pytest.mark.parametrize("kind", ["bash", "zsh", "fish"])
def test_completion_scripts(kind: str) -> None:
    done = CliRunner().invoke(main, ["completion", kind])
    assert done.exit_code == 0
    assert f"_SWTRAIN_COMPLETE={kind}_complete" in done.output


def test_completion_knows_commands_and_options() -> None:
    """What the script asks for at a press of tab."""
    found = shell(_SWTRAIN_COMPLETE="bash_complete", COMP_WORDS="swtrain ev", COMP_CWORD="1")
    assert "plain,eval" in found.stdout
    found = shell(_SWTRAIN_COMPLETE="bash_complete", COMP_WORDS="swtrain eval --base", COMP_CWORD="2")
    assert "plain,--baseline" in found.stdout
    found = shell(_SWTRAIN_COMPLETE="bash_complete", COMP_WORDS="swtrain emit-c run --target msp430fr6", COMP_CWORD="4")
    assert found.stdout.strip() == "plain,msp430fr6989"
