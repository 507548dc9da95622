/* SPDX-License-Identifier: Apache-2.0 */
/* tables: Kafka, the ledger as it is committed, and what every COMMIT must leave true.
 *
 * A segment's rows in `partition` and `position` and the job's row get epoch and owner by one transaction, so the model
 * keeps them once. */

/* ---- Kafka ---- */
byte latest[NS];         /* last stable offset */
bit recreated;           /* the topic of segment 0 is gone, segment 1's log is there */

/* ---- the ledger ---- */
#define NONE   0
#define OPEN   1
#define CLOSED 2
#define PLANNED   1
#define COMMITTED 2
#define WITHDRAWN 3
#define PRUNED    4      /* no row any more; the model remembers the batch time */
#define IX(s, t) ((s) * TT + (t))

byte epoch, owner;       /* owner: instance + 1 */
byte segment[NS];
byte planned[NS], last_time[NS], committed[NS];
byte row[NS * TT], row_from[NS * TT], row_until[NS * TT];
byte landed[NS * MAXO];  /* how often an offset is in the target */

/* ---- what no program knows, for the invariants ---- */
byte takeovers;          /* committed ones */
byte ruler;              /* which of them owns the ledger */
byte rank[N];            /* an instance's last that it knows of; 0: none */
bit restored;            /* the database was set back */
bit exhausted;           /* out of batch times: the bound of the model */

hidden byte a, b;        /* scratch of one indivisible step */

/* ---- transactions: one slot a session, and one for what its lost connection left behind ----
 * Slot 2*i: driver of instance i; 2*i+1: its worker; LEFT(x): left behind by x. */
#define SESSIONS (2 * N)
#define SLOTS (2 * SESSIONS)
#define LEFT(x) ((x) + SESSIONS)
#define INSTANCE(x) (((x) % SESSIONS) / 2)

/* What a session's transaction is doing */
#define IDLE      0
#define RUNNING   1
#define KILLED    2      /* the backend was ended, the client has yet to find out */
#define IN_FLIGHT 3      /* left behind: COMMIT was sent */
#define LATE      4      /* left behind: its first statement has yet to arrive */
#define GHOST     5      /* left behind: that statement was executed, no COMMIT will ever follow */
byte state[SLOTS];

#define TAKE 1
#define PLAN 2
#define DATA 3
#define BACKWARD 4       /* withdrawal */
#define REPLACE 5        /* close a segment, open the next */
#define ROWS 6           /* wrong protocol: rows without their position */
byte kind[SLOTS], which[SLOTS], time[SLOTS], from[SLOTS * NS], until[SLOTS * NS], mine[SLOTS], reign[SLOTS];

/* ---- row locks: holder + 1 ---- */
byte job_lock, partition_lock[NS], position_lock[NS];

/* Bookkeeping without a decision in it is C, which keeps the checker small. */
hidden byte slot;
c_code {
	static void release_locks(int x)
	{
		now.job_lock = now.job_lock == x + 1 ? 0 : now.job_lock;
		for (int s = 0; s < NS; s++) {
			now.partition_lock[s] = now.partition_lock[s] == x + 1 ? 0 : now.partition_lock[s];
			now.position_lock[s] = now.position_lock[s] == x + 1 ? 0 : now.position_lock[s];
		}
	}

	static void end_transaction(int x)
	{
		release_locks(x);
		now.state[x] = now.kind[x] = now.which[x] = now.time[x] = now.mine[x] = now.reign[x] = 0;
		for (int s = 0; s < NS; s++)
			now.from[x * NS + s] = now.until[x * NS + s] = 0;
	}

	static void move_transaction(int x, int to, int state)
	{
		now.state[to] = state;
		now.kind[to] = now.kind[x];
		now.which[to] = now.which[x];
		now.time[to] = now.time[x];
		now.mine[to] = now.mine[x];
		now.reign[to] = now.reign[x];
		now.job_lock = now.job_lock == x + 1 ? to + 1 : now.job_lock;
		for (int s = 0; s < NS; s++) {
			now.from[to * NS + s] = now.from[x * NS + s];
			now.until[to * NS + s] = now.until[x * NS + s];
			now.partition_lock[s] = now.partition_lock[s] == x + 1 ? to + 1 : now.partition_lock[s];
			now.position_lock[s] = now.position_lock[s] == x + 1 ? to + 1 : now.position_lock[s];
		}
		end_transaction(x);
	}
}

inline rollback(x) { slot = x; c_code { end_transaction(slot); } }

/* The connection is gone; what it was doing stays behind in the server, or on its way there. */
inline lose_answer(x) {
	printf("instance %d: the answer to COMMIT is lost\n", INSTANCE(x));
	slot = x; c_code { move_transaction(slot, slot + SESSIONS, IN_FLIGHT); }
}
inline lose_statement(x) {
	printf("instance %d: a statement is held up on its way, the connection is lost\n", INSTANCE(x));
	slot = x; c_code { move_transaction(slot, slot + SESSIONS, LATE); }
}

/* ---- the compare-and-sets ---- */
#define MINE(x) (epoch == mine[x] && (owner == INSTANCE(x) + 1 || wrong == HOLE_OWNER_ID))
#define FROM(x, s) from[(x) * NS + (s)]
#define UNTIL(x, s) until[(x) * NS + (s)]
#define HAS(x, s) ((which[x] >> (s)) & 1)

/* plan: the row of `partition` */
#define PLAN_MATCHES(x, s) (segment[s] == OPEN && planned[s] == FROM(x, s) && \
	(MINE(x) || wrong == PLAN_WITHOUT_EPOCH) && (last_time[s] < time[x] || wrong == BATCH_TIME_FROM_CLOCK))
#if NS > 1
#define ALL_MATCH(x) ((!HAS(x, 0) || PLAN_MATCHES(x, 0)) && (!HAS(x, 1) || PLAN_MATCHES(x, 1)))
#else
#define ALL_MATCH(x) PLAN_MATCHES(x, 0)
#endif

/* data: the row of `position`, and from it the identifier.  which[] is the segment. */
#define POSITION_MATCHES(x) (segment[which[x]] != NONE && (MINE(x) || wrong == COMMIT_WITHOUT_EPOCH) && \
	(committed[which[x]] == FROM(x, which[x]) || wrong == MARK_WITHOUT_RANGE || wrong == SKIP_BY_SELECT || \
	wrong == IDENTIFIER_WITHOUT_PLAN))
#define ROW(x) row[IX(which[x], time[x])]
#define SAME_RANGE(x) (row_from[IX(which[x], time[x])] == FROM(x, which[x]) && \
	row_until[IX(which[x], time[x])] == UNTIL(x, which[x]))
#define MARK_MATCHES(x) ( \
	wrong == IDENTIFIER_WITHOUT_PLAN -> ROW(x) == NONE : \
	(wrong == PLAN_AFTER_FETCH -> ROW(x) == NONE || ROW(x) == PLANNED : \
	(wrong == SKIP_BY_SELECT -> ROW(x) != NONE : \
	(wrong == MARK_WITHOUT_RANGE -> ROW(x) == PLANNED : \
	ROW(x) == PLANNED && SAME_RANGE(x)))))
#define DATA_MATCHES(x) (POSITION_MATCHES(x) && (kind[x] == ROWS || MARK_MATCHES(x)))

/* ---- the effects of a COMMIT ---- */

inline land_rows(x, s) {
	b = FROM(x, s);
	do
	:: b < UNTIL(x, s) -> landed[s * MAXO + b]++; assert(landed[s * MAXO + b] == 1); b++ /* I2: no duplicate */
	:: else -> break
	od;
	b = 0
}

inline commit_takeover(x) {
	printf("COMMIT of instance %d: take-over with epoch %d\n", INSTANCE(x), mine[x]);
	/* I7: who was superseded does not come back, unless the database did */
	assert(restored || rank[INSTANCE(x)] == 0 || owner == INSTANCE(x) + 1);
	epoch = mine[x]; owner = INSTANCE(x) + 1;
	takeovers++; ruler = takeovers
}

inline commit_plan(x) {
	printf("COMMIT of instance %d: plan of batch %d, [%d, %d)\n", INSTANCE(x), time[x], FROM(x, (which[x] == 2 -> NS - 1 : 0)),
		UNTIL(x, (which[x] == 2 -> NS - 1 : 0)));
	if
	:: wrong == UPDATE_THEN_BLIND_INSERT && !ALL_MATCH(x) && row[IX(0, time[x])] != NONE -> skip /* the primary key says no */
	:: else ->
		assert(ruler == reign[x]);                                  /* I7: a superseded instance changes nothing */
		for (a : 0 .. NS - 1) {
			if
			:: HAS(x, a) ->
				assert(row[IX(a, time[x])] == NONE);        /* I6: no batch time twice */
				assert(planned[a] == FROM(x, a));           /* I3: plans tile */
				planned[a] = UNTIL(x, a); last_time[a] = time[x];
				row[IX(a, time[x])] = PLANNED; row_from[IX(a, time[x])] = FROM(x, a);
				row_until[IX(a, time[x])] = UNTIL(x, a)
			:: else
			fi
		}
		a = 0
	fi
}

inline commit_data(x) {
	printf("COMMIT of instance %d: batch %d of segment %d, [%d, %d) lands\n", INSTANCE(x), time[x], which[x],
		FROM(x, which[x]), UNTIL(x, which[x]));
	if
	:: wrong == BLIND_PIPELINING && !DATA_MATCHES(x) -> land_rows(x, which[x])
	:: kind[x] == ROWS -> land_rows(x, which[x])
	:: else ->
		assert(ruler == reign[x]);                                  /* I7 */
		assert(segment[which[x]] == OPEN);                          /* a closed segment is at rest: I1, I2 */
		if
		:: wrong != POSITION_OUTSIDE -> land_rows(x, which[x])
		:: else
		fi;
		if
		:: wrong == IDENTIFIER_WITHOUT_PLAN || wrong == PLAN_AFTER_FETCH ->
			row[IX(which[x], time[x])] = PLANNED; row_from[IX(which[x], time[x])] = FROM(x, which[x]);
			row_until[IX(which[x], time[x])] = UNTIL(x, which[x]); last_time[which[x]] = time[x];
			planned[which[x]] = UNTIL(x, which[x])
		:: else
		fi;
		assert(ROW(x) == PLANNED);                                  /* I6: planned, not withdrawn, once */
		assert(SAME_RANGE(x));                                      /* I6: committed as planned */
		assert(committed[which[x]] == FROM(x, which[x]));           /* I3: commits tile, in order (I5) */
		committed[which[x]] = UNTIL(x, which[x]); ROW(x) = COMMITTED;
		assert(committed[which[x]] <= planned[which[x]])
	fi
}

inline commit_withdrawal(x) {
	printf("COMMIT of instance %d: batch %d is withdrawn\n", INSTANCE(x), time[x]);
	assert(ruler == reign[x]);                                          /* I7 */
	assert(ROW(x) == PLANNED && planned[which[x]] == UNTIL(x, which[x]));
	ROW(x) = WITHDRAWN; planned[which[x]] = FROM(x, which[x]);
	assert(committed[which[x]] <= planned[which[x]])
}

inline commit_replacement(x) {
	printf("COMMIT of instance %d: segment 0 is closed, segment %d opened\n", INSTANCE(x), NS - 1);
	assert(ruler == reign[x]);                                          /* I7 */
	assert(segment[0] == OPEN && segment[NS - 1] == NONE);
	segment[0] = CLOSED;                            /* [committed, planned) of it is a gap from now on */
	for (a : 1 .. TT - 1) {
		if :: row[IX(0, a)] == PLANNED -> row[IX(0, a)] = WITHDRAWN :: else fi
	}
	a = 0;
	segment[NS - 1] = OPEN
}

inline apply(x) {
	if
	:: kind[x] == TAKE -> commit_takeover(x)
	:: kind[x] == PLAN -> commit_plan(x)
	:: kind[x] == DATA || kind[x] == ROWS -> commit_data(x)
	:: kind[x] == BACKWARD -> commit_withdrawal(x)
	:: kind[x] == REPLACE -> commit_replacement(x)
	fi;
	rollback(x)
}
