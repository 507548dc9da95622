#!/bin/sh
# Feeds input.json, a record a line, through the job's decoder and transform, and compares the rows with expected.json.
# Needs no server.
cd "$(dirname "$0")" || exit
./@NAME@ try job.json <input.json >output.json || exit
diff -u expected.json output.json && rm output.json && echo "@NAME@: as expected"
