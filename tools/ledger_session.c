/* SPDX-License-Identifier: Apache-2.0 */
/* ledger_session: see ledger_session.h. */
#include "ledger_session.h"

#include <time.h>

#include "times.h"

static void sleep_ms(int ms)
{
	struct timespec span = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

	while (nanosleep(&span, &span) < 0)
		;
}

static kd_code open_once(const struct job_file *file, const kd_logger *log, struct ledger_session *ledger,
	kd_error *err)
{
	kd_sink_context context = {.ops = ledger->ops, .config = file->config, .log = log, .read_only = true};
	kd_code code = ledger->ops->open(&context, &ledger->sink, err);

	return code ? code : ledger->ops->connect(ledger->sink, "tool", &ledger->session, err);
}

kd_code ledger_session_open(const struct job_file *file, const kd_logger *log, struct ledger_session *ret,
	kd_error *err)
{
	int64_t deadline_ms = now_ms() + VERB_TIMEOUT_MS;
	kd_code code;

	*ret = (struct ledger_session){.ops = file->sink, .job = kd_config_string(file->config, "job")};
	if (!file->sink->read_ledger)
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "the sink \"%s\" keeps no ledger", file->sink->name);
	for (int pause_ms = 200;; pause_ms = pause_ms < 3000 ? 2 * pause_ms : pause_ms) {
		code = open_once(file, log, ret, err);
		if (!code || err->action != KD_RETRY || now_ms() + pause_ms > deadline_ms)
			return code;
		ledger_session_close(ret);
		kd_log(log, KD_LOG_WARN, 0, "%s; trying again", err->message);
		kd_error_clear(err);
		sleep_ms(pause_ms);
	}
}

void ledger_session_close(struct ledger_session *ledger)
{
	if (ledger->session)
		ledger->ops->disconnect(ledger->session);
	if (ledger->sink)
		ledger->ops->close(ledger->sink);
	ledger->session = NULL;
	ledger->sink = NULL;
}

kd_code ledger_session_read(struct ledger_session *ledger, const kd_ledger_view *view, kd_error *err)
{
	kd_code code = ledger->ops->snapshot_begin(ledger->session, err);

	if (code)
		return code;
	code = ledger->ops->read_ledger(ledger->session, ledger->job, view, err);
	ledger->ops->snapshot_end(ledger->session);
	return code;
}
