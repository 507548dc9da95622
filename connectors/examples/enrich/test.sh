#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Is the job right?  What the transform makes of records depends on a table, so "try" cannot show it without a server.
cd "$(dirname "$0")" || exit
export KAFKA="${KAFKA:-localhost:9092}" DSN="${DSN:-dbname=postgres}"
./enrich check job.json --offline
