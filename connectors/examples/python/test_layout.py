#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares every struct of kdirect.py with the C headers: a C program prints the sizes and offsets that they have there.

    test_layout.py CC CFLAGS...
"""
import ctypes
import pathlib
import subprocess
import sys
import tempfile

import kdirect

# What is declared only as far as it is read.
PREFIXES = {"kd_sink_ops"}


def structs():
    return {name: kind for name, kind in vars(kdirect).items()
            if name.startswith("kd_") and isinstance(kind, type) and issubclass(kind, ctypes.Structure)}


def program():
    lines = ["#include <stddef.h>", "#include <stdio.h>", "#include <kdirect/kdirect.h>", "int main(void)", "{"]
    for name, kind in structs().items():
        if name not in PREFIXES:
            lines.append(f'printf("{name} %zu\\n", sizeof({name}));')
        for field, *_ in kind._fields_:
            lines.append(f'printf("{name}.{field} %zu %zu\\n", offsetof({name}, {field}), '
                         f'sizeof((({name} *) 0)->{field}));')
    return "\n".join([*lines, "return 0;", "}"])


def expected():
    for name, kind in structs().items():
        if name not in PREFIXES:
            yield f"{name} {ctypes.sizeof(kind)}"
        for field, *_ in kind._fields_:
            place = getattr(kind, field)
            yield f"{name}.{field} {place.offset} {place.size}"


def main():
    with tempfile.TemporaryDirectory() as folder:
        source, binary = pathlib.Path(folder, "layout.c"), pathlib.Path(folder, "layout")
        source.write_text(program())
        subprocess.run([*sys.argv[1:], "-o", binary, source], check=True)
        real = subprocess.run([binary], check=True, capture_output=True, text=True).stdout.splitlines()
    wrong = [(mine, theirs) for mine, theirs in zip(expected(), real, strict=True) if mine != theirs]
    for mine, theirs in wrong:
        print(f"kdirect.py has {mine}, the headers {theirs}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
