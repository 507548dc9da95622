/* SPDX-License-Identifier: Apache-2.0 */
/* settings: how large the world is (compiled in), what may go wrong in it and which rule is left out (read from the
 * environment when the check starts, so that one compiled model serves many checks). */

#ifndef N
#define N 2        /* instances, started in this order; the last one never crashes */
#endif
#ifndef NS
#define NS 1       /* segments: Kafka partitions, or with REOPEN the two lives of one */
#endif
#ifndef REOPEN
#define REOPEN 0   /* 1: the topic is recreated, segment 0 is closed and segment 1 opened */
#endif
#ifndef MAXO
#define MAXO 2     /* offsets of a segment: 0 .. MAXO-1 */
#endif
#ifndef TT
#define TT 5       /* batch times 1 .. TT-1; a run that needs more ends there */
#endif
#ifndef BACK
#define BACK 0     /* 1: the database may be set back once to what it held at some earlier moment */
#endif

/* Budgets: how often each fault may happen in one run. */
byte crashes;      /* an instance is gone; the server notices later */
byte losses;       /* the answer to COMMIT is lost: applied at any later time, or never */
byte drops;        /* the connection is lost inside a transaction */
byte lates;        /* the connection is lost, its first statement is executed at any later time */
byte kills;        /* a blocked transaction ends a blocker that only was slow */
byte jumps;        /* the clock jumps ahead; otherwise it stands still */
byte withdrawals;  /* a plan is given back at the start */
byte prunes;       /* the ledger is pruned */
byte starts;       /* so many instances may start (at most N) */
byte opened;       /* 1: behind the last stable offset stands an open transaction that never ends */

/* The rule that is left out, or the protocol that is wrong; names[] has them in the same order.  The first twelve and
 * the last are also patches of the code: tests/wrong. */
hidden byte wrong;
#define IDENTIFIER_WITHOUT_PLAN      1
#define PLAN_AFTER_FETCH             2
#define POSITION_OUTSIDE             3
#define SKIP_BY_SELECT               4
#define BLIND_PIPELINING             5
#define UNTIL_FROM_HIGH_WATERMARK    6
#define PLAN_WITHOUT_EPOCH           7
#define MARK_WITHOUT_RANGE           8
#define UPDATE_THEN_BLIND_INSERT     9
#define COMMIT_WITHOUT_EPOCH        10
#define TAKE_OVER_WITHOUT_WAITING   11
#define BATCH_TIME_FROM_CLOCK       12
#define HOLE_OWNER_ID               13
#define HOLE_IDLE_CHECK             14
#define HOLE_ORDER_OF_TESTS         15
#define HOLE_KEEP_EPOCH             16
#define HOLE_ONLY_TAKEOVER_ENDS     17
#define HOLE_NOBODY_ENDS            18
#define HOLE_CLOSE_WITHOUT_LOCK     19
#define HOLE_PRUNE_LAST             20
#define HOLE_TAKE_OVER_AGAIN        21
#define HOLE_OTHER_REPEAT           22
#define HOLE_RECONNECT_TAKES_OVER   23
#define HOLE_ADOPT_TAKEOVER         24
#define HOLE_SUPERSEDED_ENDS_OWNER  25
#define HARMLESS_UNLOCKED_LOOK      26

c_decl {
static const char *const names[] = {
	"",
	"identifier-without-plan",
	"plan-after-fetch",
	"position-outside",
	"skip-by-select",
	"blind-pipelining",
	"until-from-high-watermark",
	"plan-without-epoch",
	"mark-without-range",
	"update-then-blind-insert",
	"commit-without-epoch",
	"take-over-without-waiting",
	"batch-time-from-clock",
	"hole-owner-id",
	"hole-idle-check",
	"hole-order-of-tests",
	"hole-keep-epoch",
	"hole-only-take-over-ends-blockers",
	"hole-nobody-ends-blockers",
	"hole-close-without-lock",
	"hole-prune-last",
	"hole-take-over-again",
	"hole-other-repeat",
	"hole-reconnect-takes-over",
	"hole-adopt-take-over",
	"hole-superseded-ends-owner",
	"harmless-unlocked-look",
};

static int budget(const char *name, int otherwise)
{
	const char *value = getenv(name);
	return value ? atoi(value) : otherwise;
}

static int wrong_number(void)
{
	const char *name = getenv("WRONG");
	if (!name || !*name)
		return 0;
	for (size_t i = 1; i < sizeof names / sizeof *names; i++)
		if (!strcmp(names[i], name))
			return (int) i;
	fprintf(stderr, "no such rule: %s\n", name);
	exit(2);
}
}

inline read_settings() {
	c_code {
		wrong = wrong_number();
		now.crashes = budget("CRASHES", 0);
		now.losses = budget("LOSSES", 0);
		now.drops = budget("DROPS", 0);
		now.lates = budget("LATES", 0);
		now.kills = budget("KILLS", 0);
		now.jumps = budget("JUMPS", 0);
		now.withdrawals = budget("WITHDRAWALS", 0);
		now.prunes = budget("PRUNES", 0);
		now.starts = budget("STARTS", N);
		now.opened = budget("OPENED", 0);
	}
}
