#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Feeds input.txt to the job's decoder and transform, and compares the rows with expected.txt.  Needs no server.
cd "$(dirname "$0")" || exit
export KAFKA="${KAFKA:-localhost:9092}" DSN="${DSN:-dbname=postgres}"
./split-orders try job.json input.txt | diff -u expected.txt - && echo "split-orders: as expected"
