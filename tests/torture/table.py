#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""table.py PAGE: writes what the release gate found into PAGE, between its two markers (make torture-table).

The results are build/torture/results.jsonl; KDIRECT_TORTURE names another folder."""
import json
import os
import sys

BEGIN, END = "<!-- release gate: begin -->\n", "<!-- release gate: end -->\n"
ASKED = {"singles": 10800, "doubles": 3645, "pg-crashes": 300, "zombies": 200, "lost-answers": 1000}
NAMES = {"singles": "single kills", "doubles": "double faults", "pg-crashes": "PostgreSQL crashes",
         "zombies": "zombies", "lost-answers": "lost commit answers"}


def duration(seconds):
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def total(parts, key):
    return sum(part.get(key, 0) for part in parts)


def row(name, sink, parts, last):
    return (f"| {name} | {sink} | {total(parts, 'faults'):,} | {total(parts, 'records'):,} | "
            f"{duration(total(parts, 'seconds'))} | {total(parts, 'violations')} | {total(parts, 'unfinished')} | {last} |")


def seeds(parts):
    """Parts of one run have seeds that follow each other."""
    runs = []
    for seed in sorted({part["seed"] for part in parts}):
        if runs and runs[-1][1] == seed - 1:
            runs[-1][1] = seed
        else:
            runs.append([seed, seed])
    return ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in runs)


def table(parts):
    if not parts:
        return ["Not run yet."]
    days = sorted(part["date"][:10] for part in parts)
    commits = ", ".join(dict.fromkeys(part["commit"] for part in parts))
    lines = [f"Run {days[0]}" + (f" to {days[-1]}" if days[-1] != days[0] else "") + f", {len(parts)} parts, at {commits}.", "",
             "| piece | sink | faults | records | h:mm:ss | violations | unfinished parts | seeds |",
             "|---|---|---:|---:|---:|---:|---:|---|"]
    for piece, asked in ASKED.items():
        of_piece = [part for part in parts if part["piece"] == piece]
        for sink in dict.fromkeys(part["sink"] for part in of_piece):
            of_sink = [part for part in of_piece if part["sink"] == sink]
            lines.append(row(NAMES[piece], sink, of_sink, seeds(of_sink)))
        if of_piece:
            lines.append(row(f"**{NAMES[piece]}**", "all", of_piece, f"{asked:,} are asked for"))
    lines.append(row("**all**", "", parts, ""))
    return lines


def main():
    folder = os.environ.get("KDIRECT_TORTURE", "build/torture")
    path = os.path.join(folder, "results.jsonl")
    parts = []
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            parts = [json.loads(line) for line in file if line.strip()]
    with open(sys.argv[1], encoding="utf-8") as file:
        page = file.read()
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        file.write(before + BEGIN + "\n".join(table(parts)) + "\n" + END + after)


main()
