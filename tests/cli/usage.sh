#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A wrong command line ends with exit code 2 and one line that says what is wrong and, where it can, what was meant.
. "$(dirname "$0")/lib.sh"

run 2 rnu job.json
one_line
says 'there is no verb "rnu"; did you mean "kdirect run"?'
run 2 xyzzy
says '"kdirect --help" lists them'
run 2 --nonsense
one_line
run 2 help nonsense

for verb in run check plan try offsets batches audit skip demo new; do
	run 2 "$verb" --nonsense-option
	one_line
	says "kdirect $verb: unknown option \"--nonsense-option\""
	run 2 "$verb" -Z
	one_line
	says "unknown option \"-Z\""
done

for name in kdirect kdirect-sink-conformance kafka-files kafka-kafka kafka-postgres kafka-sqlite; do
	run 2 new "$name" --dir "$work/new"
	one_line
	says "\"$name\" is a program of kdirect"
	[ ! -e "$work/new" ] || mistake "new $name wrote its project"
done

run 2 run --until-lastest job.json
says "did you mean --until-latest?"
run 2 run --log-frmat=json job.json
says "did you mean --log-format?"
run 2 run job.json --until-latest=yes
says 'option "--until-latest" takes no value'
run 2 run job.json --set
says 'option "--set" needs a value'
run 2 run
says "usage: kdirect run JOB"
run 2 run a.json b.json
says '"b.json" is one too many'
run 2 run job.json --log-level loud
says '--log-level "loud": must be one of error warn info debug'
run 2 run job.json --log-every 1x
says "must be a whole number from 0 to 86400"
run 2 batches job.json -n 0
says "must be a whole number from 1"
run 2 offsets
says "give -b HOST:PORT or a job file"
run 2 offsets -b localhost:1 -p 3-1
says "must be numbers and ranges"
run 2 offsets -b localhost:1 --at yesterday
says '--at "yesterday"'
run 2 offsets -b localhost:1 --max-lag 5
says "--max-lag needs a JOB"
run 2 offsets -b localhost:1 --json --csv
says "exclude each other"
run 2 offsets -b localhost:1 -X nonsense
says "-X: not of the form name=value"
run 2 offsets -X no.such.property=1 -b localhost:1
says "no.such.property"
run 2 offsets -b localhost:1 -F /no/such/file
says 'could not open "/no/such/file"'
printf '# comment\n\nsecurity.protocol=plaintext\nsasl.password\n' >"$work/properties"
run 2 offsets -b localhost:1 -F "$work/properties"
says "properties:4: not of the form name=value"
printf 'sasl.password s3cr3t\n' >"$work/properties"
run 2 offsets -b localhost:1 -F "$work/properties"
case "$err" in *s3cr3t*) mistake "a password is shown: $err" ;; esac

run 2 skip job.json
says "usage: kdirect skip"
run 2 skip job.json orders/3
says "followed by @OFFSET"
run 2 skip job.json orders/3@7
says "--reason is missing"
run 2 skip job.json orders/3@7..7 --reason x
says "the range is empty"

for verb in run check plan try batches audit; do
	run 2 "$verb" /no/such/job.json
	[ "$verb" = check ] || says 'could not open "/no/such/job.json"'
done
finish
