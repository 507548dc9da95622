/* SPDX-License-Identifier: Apache-2.0 */
/* offset_state: see offset_state.h. */
#include "offset_state.h"

int64_t offset_end(const struct offset_facts *facts)
{
	return facts->read_uncommitted ? facts->high : facts->last_stable;
}

int64_t offset_lag(const struct offset_facts *facts)
{
	int64_t end = offset_end(facts);
	int64_t from = facts->committed >= 0 ? facts->committed : facts->low;

	if (end < 0 || from < 0)
		return -1;
	return end > from ? end - from : 0;
}

bool offset_may_be_blocked(const struct offset_facts *facts)
{
	return !facts->read_uncommitted && facts->committed >= 0 && facts->committed == facts->last_stable &&
		facts->last_stable < facts->high;
}

bool offset_may_be_stalled(const struct offset_facts *facts)
{
	return facts->committed >= 0 && offset_lag(facts) > 0 && facts->since_commit_ms > facts->stalled_after_ms;
}

enum offset_state offset_state(const struct offset_facts *facts)
{
	if (facts->low < 0 || facts->high < 0)
		return OFFSET_UNKNOWN;
	if (facts->committed >= 0 && facts->committed < facts->low)
		return OFFSET_LOST;
	if (facts->other_log || facts->committed > facts->high || facts->planned > facts->high ||
	    facts->low < facts->log_start)
		return OFFSET_DRIFT;
	if (offset_may_be_blocked(facts) && facts->blocked_long)
		return OFFSET_BLOCKED;
	if (offset_may_be_stalled(facts) && !facts->news_is_young)
		return OFFSET_STALLED;
	return offset_lag(facts) > 0 ? OFFSET_BEHIND : OFFSET_OK;
}

const char *offset_state_name(enum offset_state state)
{
	static const char *const names[] = {"UNKNOWN", "LOST", "DRIFT", "BLOCKED", "STALLED", "BEHIND", "OK"};

	return names[state];
}

bool offset_state_needs_person(enum offset_state state)
{
	return state == OFFSET_LOST || state == OFFSET_DRIFT || state == OFFSET_STALLED;
}
