#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a tutorial as its reader would: every block of it, word for word, in order, in one shell.

    tutorial.py PAGE.md FOLDER

What a block is stands behind its fence:

    ```sh                  is run; all of them in one bash, which begins in FOLDER and stops at the first failure
    ```c file=main.c       is written to that file (any language), where the shell stands then
    ```c append=main.c     is put at the end of that file
    ```diff                is applied with patch
    ```output              is what the sh block before it prints, both streams: a line of "..." is any lines, "..." within a
                           line any text
    ```text                is only shown

A block of another kind is a mistake.  Ends with 1 and the block that failed.
"""
import pathlib
import re
import subprocess
import sys
import tempfile


class Block:
    def __init__(self, line, words, text):
        self.line, self.kind, self.text = line, words[0], text
        self.options = dict(word.split("=", 1) for word in words[1:])


def blocks_of(page):
    found, lines, start = [], [], None
    for number, line in enumerate(page.read_text().splitlines(), 1):
        if not line.startswith("```"):
            lines.append(line)
        elif start is None:
            start, words, lines = number, line[3:].split(), []
            if not words:
                sys.exit(f"{page}:{number}: a block without a kind")
        else:
            found.append(Block(start, words, "\n".join(lines) + "\n"))
            start = None
    if start is not None:
        sys.exit(f"{page}:{start}: a block without an end")
    return found


def matches(expected, got):
    pattern = ""
    for line in expected.splitlines():
        if line.strip() == "...":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*?".join(re.escape(part.rstrip() if last else part) for part, last in parts(line)) + r"[ \t]*\n"
    return re.fullmatch(pattern, got) is not None


def parts(line):
    pieces = line.split("...")
    return [(piece, number == len(pieces) - 1) for number, piece in enumerate(pieces)]


def step(page, number, block, shell_blocks, scratch):
    """The line of the driver's script for one block."""
    text, place = scratch / f"{number}.text", f"{page}:{block.line}"
    text.write_text(block.text)
    begin = f"echo {number} >{scratch}/at\n"
    if block.kind == "sh":
        shell_blocks.append(number)
        return begin + f". {text} >{scratch}/{number}.out 2>&1\n"
    if block.kind == "diff":
        return begin + f"patch -s -p0 <{text} >{scratch}/{number}.out 2>&1\n"
    if block.kind == "output":
        return f"cp {scratch}/{shell_blocks[-1]}.out {scratch}/{number}.got\n" if shell_blocks else sys.exit(place)
    for option, sign in (("file", ">"), ("append", ">>")):
        if option in block.options:
            return begin + f"cat {text} {sign}{block.options[option]}\n"
    if block.kind == "text":
        return ""
    sys.exit(f"{place}: what is to be done with a block of {block.kind}?")


def main():
    page, folder = pathlib.Path(sys.argv[1]), sys.argv[2]
    with tempfile.TemporaryDirectory() as name:
        scratch, shell_blocks = pathlib.Path(name), []
        blocks = blocks_of(page)
        driver = scratch / "driver.sh"
        driver.write_text("set -eu\n" + "".join(
            step(page, number, block, shell_blocks, scratch) for number, block in enumerate(blocks)))
        status = subprocess.run(["bash", driver], cwd=folder, stdin=subprocess.DEVNULL).returncode
        if status != 0:
            at = int((scratch / "at").read_text())
            output = scratch / f"{at}.out"
            print(output.read_text() if output.exists() else "", file=sys.stderr)
            sys.exit(f"{page}:{blocks[at].line}: the block ended with {status}")
        wrong = 0
        for number, block in enumerate(blocks):
            got = scratch / f"{number}.got"
            if block.kind == "output" and not matches(block.text, got.read_text()):
                print(f"{page}:{block.line}: this was printed instead:\n{got.read_text()}", file=sys.stderr)
                wrong = 1
        print(f"{page.name}: {len(blocks)} blocks, {len(shell_blocks)} of them run")
        sys.exit(wrong)


if __name__ == "__main__":
    main()
