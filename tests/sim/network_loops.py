"""Random C programs of the loops that a neural-network runtime has, over int8, int16 and int32 arrays.

Dot products, scaled additions, requantisation (shift, round, saturate), index gather, pooling, activation and
comparisons of mixed widths, in functions of their own and in line. Signed arithmetic wraps (compile with -fwrapv),
statements have one effect each, and no conditional operator is used, so that the text means the same to a C
compiler for a 16-bit machine and to `c16/host_int16.h`.
"""

from __future__ import annotations

from random import Random

TYPES = ("int8_t", "uint8_t", "int16_t", "uint16_t", "int32_t", "uint32_t")
WIDTH = {t: int("".join(c for c in t if c.isdigit())) for t in TYPES}


class _Program:
    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.arrays: list[tuple[str, str, int]] = []
        self.functions: list[str] = []
        self.calls: list[str] = []

    def pick(self, *widths: int, signed: bool | None = None) -> str:
        return self.rng.choice(
            [t for t in TYPES if (not widths or WIDTH[t] in widths) and signed in (None, t[0] == "i")]
        )

    def array(self, *widths: int, signed: bool | None = None) -> tuple[str, str, int]:
        fitting = [
            a for a in self.arrays
            if (not widths or WIDTH[a[1]] in widths) and signed in (None, a[1][0] == "i")
        ]  # fmt: skip
        if fitting and self.rng.random() < 0.75:
            return self.rng.choice(fitting)
        made = (f"a{len(self.arrays)}", self.pick(*widths, signed=signed), self.rng.randrange(5, 24))
        self.arrays.append(made)
        return made

    def constant(self, kind: str) -> str:
        bits = WIDTH[kind] - (kind[0] == "i")
        value = self.rng.choice([self.rng.randrange(0, 2**bits), self.rng.randrange(0, 40), 2**bits - 1, 1, 0])
        if kind[0] == "i" and value and self.rng.random() < 0.4:
            return f"(-{value})"
        return f"{value}{'U' if kind[0] == 'u' else ''}"

    def expression(self, names: list[tuple[str, str]], depth: int) -> str:
        """Total for every value: no division, shifts by constants below the promoted width, through unsigned."""
        if depth == 0 or self.rng.random() < 0.15:
            if self.rng.random() < 0.25:
                return self.constant(self.rng.choice(TYPES))
            return self.rng.choice(names)[0]
        a, b = self.expression(names, depth - 1), self.expression(names, depth - 1)
        kind = self.rng.choice(TYPES)
        form = self.rng.randrange(8)
        if form == 0:
            return f"(({kind})({a}))"
        if form == 1:
            wide = self.pick(16, 32, signed=False)
            return f"(({wide})({a}) << {self.rng.randrange(WIDTH[wide])})"
        if form == 2:
            wide = self.pick(16, 32)
            return f"(({wide})({a}) >> {self.rng.randrange(WIDTH[wide])})"
        if form == 3:
            return f"({a} {self.rng.choice(['<', '<=', '>', '>=', '==', '!='])} {b})"
        if form == 4:
            return f"({self.rng.choice('-~+')}{a})"
        return f"({a} {self.rng.choice('+-*&|^+-*')} {b})"

    def emit(self, arguments: list[tuple[str, str, int]], extra: list[str], body: str, out: str = "int32_t") -> None:
        """A function over arrays (as pointers) and numbers, and its call."""
        name = f"f{len(self.functions)}"
        parameters = [f"{kind} *{p}" for p, (_, kind, _) in zip("pqrs", arguments, strict=False)]
        parameters += [f"{kind} {p}" for p, kind in zip("uvw", (e.split()[0] for e in extra), strict=False)]
        values = [a for a, _, _ in arguments] + [e.split(maxsplit=1)[1] for e in extra]
        head = self.rng.choice(["static ", "__attribute__((noinline)) static "])
        self.functions.append(f"{head}{out} {name}({', '.join(parameters)}) {{\n{body}\n}}\n")
        self.calls.append(f"    mix((uint32_t){name}({', '.join(values)}));")

    # --- the loops

    def dot(self) -> None:
        x, w = self.array(8, 16), self.array(8, 16)
        acc = self.pick(16, 32, signed=self.rng.random() < 0.8 or None)
        n = min(x[2], w[2])
        cast = self.rng.choice([f"({acc})p[i] * q[i]", f"({acc})p[i] * ({acc})q[i]", "p[i] * q[i]"])
        index = self.rng.choice(["int16_t", "uint16_t", "uint8_t", "int"])
        body = f"    {acc} acc = u;\n    {index} i;\n    for (i = 0; i < {n}; i++)\n        acc += {cast};\n"
        self.emit([x, w], [f"{acc} {self.constant(acc)}"], body + "    return (int32_t)acc;")

    def axpy(self) -> None:
        x, y = self.array(8, 16, 32), self.array(16, 32)
        a = self.pick(8, 16, 32)
        n = min(x[2], y[2])
        op = self.rng.choice(["+=", "-=", "^=", "="])
        body = f"    int i;\n    for (i = {n} - 1; i >= 0; i--)\n        q[i] {op} p[i] * u;\n    return q[{n // 2}];"
        self.emit([x, y], [f"{a} {self.constant(a)}"], body)

    def requantise(self) -> None:
        x, y = self.array(32), self.array(8, 16, signed=True)
        n = min(x[2], y[2])
        shift = self.rng.randrange(1, 31)
        bits = WIDTH[y[1]]
        low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
        rounding = self.rng.choice(["0", f"((int32_t)1 << {shift - 1})"])
        lines = [f"        int32_t t = (int32_t)p[i] * u + {rounding};", f"        t = t >> {shift};"]
        if self.rng.random() < 0.5:
            lines[1] = "        t = t >> (v & 31);"
        lines += [f"        if (t > {high}) t = {high};", f"        if (t < ({low + 1} - 1)) t = ({low + 1} - 1);"]
        body = "    int16_t i;\n" + f"    for (i = 0; i < {n}; i++) {{\n" + "\n".join(lines)
        body += f"\n        q[i] = ({y[1]})t;\n    }}\n    return q[0];"
        self.emit([x, y], [f"int16_t {self.constant('int16_t')}", f"uint8_t {shift}U"], body)

    def saturating_add(self) -> None:
        x, y = self.array(8, 16, signed=True), self.array(8, 16, signed=True)
        n, bits = min(x[2], y[2]), WIDTH[y[1]]
        body = f"    int16_t i;\n    for (i = 0; i < {n}; i++) {{\n        int32_t t = (int32_t)p[i] + q[i] + u;\n"
        body += f"        if (t > {2 ** (bits - 1) - 1}) t = {2 ** (bits - 1) - 1};\n"
        body += f"        else if (t < -{2 ** (bits - 1) - 1}) t = -{2 ** (bits - 1) - 1};\n"
        body += f"        q[i] = ({y[1]})t;\n    }}\n    return q[{n - 1}];"
        self.emit([x, y], [f"int16_t {self.constant('int16_t')}"], body)

    def gather(self) -> None:
        x, index, out = self.array(), self.array(8, 16, signed=False), self.array(16, 32)
        n = min(index[2], out[2])
        if self.rng.random() < 0.5:
            step = f"        r[i] += p[q[i] % {x[2]}U];\n"
            head = ""
        else:  # deltas, as packed sparse rows have
            head = "    uint16_t k = 0;\n"
            step = f"        k += q[i];\n        k %= {x[2]}U;\n        r[i] ^= p[k] * u;\n"
        body = f"{head}    int i;\n    for (i = 0; i < {n}; i++) {{\n{step}    }}\n    return r[{n - 1}];"
        self.emit([x, index, out], [f"int16_t {self.constant('int16_t')}"], body)

    def pool(self) -> None:
        x, y = self.array(8, 16, 32), self.array()
        n = min(x[2], y[2])
        compare = self.rng.choice(["p[i] > best", "best < p[i]", "(int32_t)p[i] > (int32_t)best", "p[i] > q[i]"])
        best = self.rng.choice([x[1], self.pick(16, 32, signed=True)])
        body = f"    {best} best = p[0];\n    uint8_t i;\n    int16_t at = 0;\n    for (i = 1; i < {n}; i++)\n"
        body += f"        if ({compare}) {{\n            best = p[i];\n            at = i;\n        }}\n"
        self.emit([x, y], [], body + f"    q[at % {n}] = best;\n    return (int32_t)best + at;")

    def relu(self) -> None:
        x = self.array(signed=True)
        bound = self.constant(x[1])
        body = f"    {x[1]} *end = p + {x[2]};\n    while (p != end) {{\n        if (*p < 0) *p = 0;\n"
        self.emit([x], [f"{x[1]} {bound}"], body + "        if (*p > u) *p = u;\n        p++;\n    }\n    return u;")

    def sums(self) -> None:
        x, y = self.array(), self.array(16, 32)
        n = min(x[2], y[2])
        body = f"    {y[1]} sum = 0;\n    int i;\n    for (i = 0; i < {n}; i += {self.rng.randrange(1, 4)}) {{\n"
        body += "        sum += p[i];\n        if (sum & 1U) q[i] = sum;\n        else q[i] -= sum;\n    }\n"
        self.emit([x, y], [], body + "    return (int32_t)sum;")

    def divide(self) -> None:
        x, y = self.array(), self.array()
        n, wide = min(x[2], y[2]), self.pick(16, 32, signed=False)
        body = f"    int i;\n    for (i = 0; i < {n}; i++) {{\n        {wide} d = ({wide})q[i] | 1U;\n"
        body += f"        p[i] = (({wide})p[i] {self.rng.choice('/%')} d);\n    }}\n    return p[0];"
        self.emit([x, y], [], body)

    def mixed(self) -> None:
        """Any expression over elements of several widths."""
        x, y, z = self.array(), self.array(), self.array()
        n = min(x[2], y[2], z[2])
        u, v = self.rng.choice(TYPES), self.rng.choice(TYPES)
        names = [("p[i]", x[1]), ("q[i]", y[1]), ("r[i]", z[1]), ("u", u), ("v", v), ("i", "int16_t")]
        local = self.rng.choice(TYPES)
        body = f"    int16_t i;\n    for (i = 0; i < {n}; i++) {{\n"
        body += f"        {local} t = {self.expression(names, 3)};\n"
        names.append(("t", local))
        body += f"        if ({self.expression(names, 2)}) r[i] = {self.expression(names, 3)};\n"
        body += f"        else t = {self.expression(names, 3)};\n"
        body += f"        q[i] {self.rng.choice(['=', '+=', '-=', '^=', '*='])} {self.expression(names, 2)};\n"
        body += f"        v = {self.expression(names, 2)};\n    }}\n    return (int32_t)v;"
        self.emit([x, y, z], [f"{u} {self.constant(u)}", f"{v} {self.constant(v)}"], body)

    def text(self) -> str:
        loops = [self.dot, self.axpy, self.requantise, self.saturating_add, self.gather, self.pool, self.relu]
        loops += [self.sums, self.divide, self.mixed, self.mixed, self.mixed]
        for _ in range(self.rng.randrange(6, 14)):
            self.rng.choice(loops)()
        out = ['#include "csmith.h"\n', "static uint32_t state = 0x2545F491;"]
        out += [f"static {kind} {name}[{size}];" for name, kind, size in self.arrays]
        out += ["", "static uint32_t next(void) {", "    state ^= state << 13;", "    state ^= state >> 17;"]
        out += ["    state ^= state << 5;", "    return state;", "}", ""]
        out += self.functions
        out += ["int main(void) {", "    int16_t i, round;"]
        for name, kind, size in self.arrays:
            out.append(f"    for (i = 0; i < {size}; i++) {name}[i] = ({kind})next();")
        out.append(f"    for (round = 0; round < {self.rng.randrange(1, 4)}; round++) {{")
        out += [f"    {call}" for call in self.calls]
        out.append("    }")
        out += [f"    for (i = 0; i < {size}; i++) mix((uint32_t){name}[i]);" for name, _, size in self.arrays]
        out += ["    report();", "    return 0;", "}"]
        return "\n".join(out) + "\n"


def program(seed: int) -> str:
    """The program of this seed, the same on every machine."""
    return _Program(seed).text()
