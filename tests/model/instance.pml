/* SPDX-License-Identifier: Apache-2.0 */
/* instance: what driver and worker of one process share, and what both do when a lock is not free. */

#define UNBORN  0
#define ALIVE   1
#define EXITED  2
#define CRASHED 3
#define FROZEN  4        /* for ever; that a process rests for a while is that it is not scheduled */
byte life[N];
bit calm;                /* the faults are over: from here on it must come to an end */

/* ---- the memory of an instance ---- */
byte me[N];              /* epoch */
byte working[N];         /* its worker */
#define ASLEEP     0
#define WORKS      1
#define IS_TO_STOP 2
byte failure[N];         /* what the worker ended with */
#define FENCED    1
#define WENT_BACK 2
#define STOP      3
byte known[N * NS];       /* open segments, as take-over read them */
byte done[N * NS];       /* committed_until */
byte newest[N * NS];     /* last batch time */
/* At most two planned batches a segment, the one at work and one ahead; the first begins at done. */
byte queue[N * NS], time1[N * NS], until1[N * NS], time2[N * NS], until2[N * NS];

#define AT(i, s) ((i) * NS + (s))
#define PLANNED_UNTIL(i, s) (queue[AT(i, s)] == 0 -> done[AT(i, s)] : \
	(queue[AT(i, s)] == 1 -> until1[AT(i, s)] : until2[AT(i, s)]))

inline enqueue(i, s, t, u) {
	if
	:: queue[AT(i, s)] == 0 -> time1[AT(i, s)] = t; until1[AT(i, s)] = u
	:: else -> time2[AT(i, s)] = t; until2[AT(i, s)] = u
	fi;
	queue[AT(i, s)]++
}

inline dequeue(i, s) {
	done[AT(i, s)] = until1[AT(i, s)]; time1[AT(i, s)] = time2[AT(i, s)]; until1[AT(i, s)] = until2[AT(i, s)];
	time2[AT(i, s)] = 0; until2[AT(i, s)] = 0; queue[AT(i, s)]--
}

inline unqueue(i, s) {   /* the newest is withdrawn */
	if
	:: queue[AT(i, s)] == 2 -> time2[AT(i, s)] = 0; until2[AT(i, s)] = 0
	:: else -> time1[AT(i, s)] = 0; until1[AT(i, s)] = 0
	fi;
	queue[AT(i, s)]--
}

c_code {
	static void forget_all(int i)
	{
		for (int k = i * NS; k < i * NS + NS; k++)
			now.known[k] = now.done[k] = now.newest[k] = now.queue[k] = now.time1[k] = now.until1[k] = now.time2[k] =
				now.until2[k] = 0;
	}
}
inline forget(i) { slot = i; c_code { forget_all(slot); } }

/* What take-over reads: only plans that chain from committed to planned are replayed, anything else is a STOP. */
inline read_ledger(i) {
	for (a : 0 .. NS - 1) {
		if
		:: segment[a] == OPEN ->
			known[AT(i, a)] = 1; done[AT(i, a)] = committed[a]; newest[AT(i, a)] = last_time[a]; b = committed[a];
			for (t : 1 .. TT - 1) {
				if
				:: row[IX(a, t)] == PLANNED ->
					assert(row_from[IX(a, t)] == b && queue[AT(i, a)] < 2);
					b = row_until[IX(a, t)];
					enqueue(i, a, t, b)
				:: else
				fi
			}
			t = 0;
			assert(b == planned[a])
		:: else
		fi
	}
	a = 0; b = 0
}

/* ---- the order of the tests: fenced, went back, done, go on, stop ---- */
#define IS_FENCED(i) (epoch > me[i] || (epoch == me[i] && owner != i + 1 && wrong != HOLE_OWNER_ID))
#define ABSENT(s, t) (row[IX(s, t)] == NONE || row[IX(s, t)] == PRUNED)

/* ---- a lock that is not free ---- */

/* Did somebody take over after me?  A take-over asks only where its instance has owned the ledger before. */
#define IS_SUPERSEDED(i) (rank[i] != 0 && owner != i + 1 && epoch >= me[i])
#define HAS_TO_GO(i, in_takeover) (in_takeover -> \
	IS_SUPERSEDED(i) && wrong != HOLE_TAKE_OVER_AGAIN && wrong != HOLE_RECONNECT_TAKES_OVER : \
	IS_FENCED(i) && wrong != HOLE_SUPERSEDED_ENDS_OWNER)

/* Ends the backend of slot x: one whose client is gone or stands still, or within its budget one that is only slow. */
#define MAY_END(i, x, in_takeover) ((x) < SESSIONS && INSTANCE(x) != i && state[x] == RUNNING && \
	(life[INSTANCE(x)] != ALIVE || (!calm && kills > 0)) && wrong != HOLE_NOBODY_ENDS && \
	(in_takeover || wrong != HOLE_ONLY_TAKEOVER_ENDS) && !HAS_TO_GO(i, in_takeover))
inline end_backend(i, x) {
	d_step {
		if :: life[INSTANCE(x)] == ALIVE -> kills-- :: else fi;
		printf("instance %d ends the backend of %d\n", i, INSTANCE(x));
		victim = x; rollback(victim);
		assert(restored || rank[i] == 0 || rank[INSTANCE(victim)] < takeovers);  /* I7: not the rightful owner's */
		if :: life[INSTANCE(victim)] == ALIVE -> state[victim] = KILLED :: else fi;
		victim = 0
	}
}
hidden byte victim;

#define MAY_LOSE(x) (!calm && losses > 0 && state[LEFT(x)] == IDLE)
#define MAY_BE_LATE(x) (!calm && lates > 0 && state[LEFT(x)] == IDLE)

/* The worker is stopped and waited for: what it had open is rolled back, or its COMMIT is on its way. */
inline stop_worker(i) {
	if
	:: working[i] == WORKS -> working[i] = IS_TO_STOP
	:: else
	fi;
	working[i] == ASLEEP;
	failure[i] = 0;
	if
	:: state[2 * i + 1] == RUNNING && MAY_LOSE(2 * i + 1) -> losses--; d_step { lose_answer(2 * i + 1) }
	:: d_step { rollback(2 * i + 1) }
	fi
}
