/* SPDX-License-Identifier: Apache-2.0 */
/* advice: see advice.h. */
#include "advice.h"

#include <stdio.h>
#include <string.h>

#include "program.h"
#include "range_arg.h"

/* A word of a shell command, quoted where it must be. */
static const char *quoted(const char *word, char *text, size_t size)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-+=:,@%";

	if (word[0] && word[strspn(word, plain)] == '\0')
		return word;
	if (strchr(word, '\'') || strlen(word) + 3 > size)
		return "JOB";
	snprintf(text, size, "'%s'", word);
	return text;
}

static void about_record(const kd_error *err, const char *job, char *text, size_t size)
{
	struct range_arg at;

	if (!range_arg_find(err->message, &at)) {
		snprintf(text, size, "mend the record's cause, or give the record up with \"%s skip\"", program_name());
		return;
	}
	snprintf(text, size, "mend what refused the record (the message says what) and start again, or give the record up: "
		"%s skip %s %s/%d@%lld --reason \"why\" --execute", program_name(), job, at.topic, (int) at.partition,
		(long long) at.range.from);
}

const char *advice_text(const kd_error *err, const char *job, char *text, size_t size)
{
	char word[512];
	const char *name = quoted(job, word, sizeof word);

	text[0] = '\0';
	if (err->code == KD_EFENCED)
		snprintf(text, size, "a newer instance of this job runs: do not restart this one");
	else if (err->code == KD_ERECORD)
		about_record(err, name, text, size);
	else if (err->code == KD_ELOSS)
		snprintf(text, size,
			"see \"%s offsets %s\"; to go on and record what is gone as a gap: %s run %s --set on_data_loss=record",
			program_name(), name, program_name(), name);
	else if (err->code == KD_ELEDGER)
		snprintf(text, size, "see what does not tile: %s audit %s; positions are never moved by hand: \"%s skip\" gives "
			"offsets up and records it", program_name(), name, program_name());
	else if (err->code == KD_ECONFIG || err->code == KD_ETARGET)
		snprintf(text, size, "see every finding: %s check %s", program_name(), name);
	else if (err->action != KD_STOP || err->code == KD_EBUSY)
		snprintf(text, size, "nothing is lost: start it again once the fault is mended");
	return text;
}
