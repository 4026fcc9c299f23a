"""The Python examples of sim/README.md run as they stand there, in order, on a small firmware."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

import sim

PAGE = Path(sim.__file__).parent / "README.md"
FIRMWARE = """
    .globl _start, work, sw_idle, done, result, input, output
    .type _start,@function
_start:
    mov #0x2c00, r1
    mov #0x5a80, &0x015c
    mov #2, r10
1:  call #work
sw_idle:
    dec r10
    jnz 1b
    call #work
done:
    bis #0xd0, r2
    jmp done
    .size _start, .-_start
    .type work,@function
work: mov #40, r12
2:  decd r12
    mov r12, result(r12)
    jnz 2b
    ret
    .size work, .-work
    .section .nvm,"aw",@progbits
    .type result,@object
result: .zero 40
    .size result, 40
    .type input,@object
input: .zero 1568
    .size input, 1568
    .type output,@object
output: .zero 20
    .size output, 20
"""


@pytest.mark.skipif(not PAGE.exists(), reason="installed from a wheel: the page is not there")
def test_examples_run(assemble, tmp_path, monkeypatch, capsys):
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) >= 2
    shutil.copy(assemble(FIRMWARE), tmp_path / "firmware.elf")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    shown = capsys.readouterr().out
    assert '"power_cycles"' in shown
    assert isinstance(names["node"], sim.PoweredMachine)
