#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Orders into a table: those without an amount are dropped, the card number is redacted, the amount is cents.

    example.py JOB [--until-latest] [--set KEY=VALUE]...
"""
import argparse
import sys

import kdirect


class Orders:
    """One object per worker: what it keeps between two calls is its own."""

    def apply(self, batch, row, emit):
        amount = row.get("amount")
        if amount is None:
            return
        row["cents"] = round(amount * 100)
        row["card"] = "***"
        del row["amount"]
        emit()


def tell_ranges(ranges):
    for r in ranges:
        print(f"{r.batch_time_ms} {r.topic}/{r.partition} [{r.from_offset}, {r.until_offset})", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("job", help="the job file")
    parser.add_argument("--until-latest", action="store_true", help="stop at the offsets that are latest now")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a key of the job file")
    parser.add_argument("--offsets", action="store_true", help="show what Kafka holds, and end")
    arguments = parser.parse_args()
    overrides = dict(text.split("=", 1) for text in arguments.set)
    try:
        if arguments.offsets:
            for row in kdirect.Config(arguments.job, overrides).offsets():
                print(f"{row.topic}/{row.partition}: {row.low} to {row.last_stable}")
            return 0
        job = kdirect.Job(arguments.job, Orders, overrides, arguments.until_latest, on_committed=tell_ranges,
                          log=lambda level, line: print(f"{level}: {line}", file=sys.stderr))
        job.run()
        progress = job.progress()
        print(f"{progress.records} records, {progress.rows} rows, {progress.dropped} dropped")
        job.close()
        return 0
    except kdirect.Error as error:
        print(f"example: {error}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
