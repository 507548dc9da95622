#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Is the job right?  Needs no server.
cd "$(dirname "$0")" || exit
export KAFKA="${KAFKA:-localhost:9092}" SERVICE="${SERVICE:-http://localhost:8080}"
./webhook check job.json --offline
