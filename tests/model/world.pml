/* SPDX-License-Identifier: Apache-2.0 */
/* world: records come, instances start, crash and freeze, what was left behind arrives, the database goes back; and in
 * the end everything heals, and nothing may be missing. */

#if BACK
byte kept;               /* 0: no copy yet, 1: there is one, 2: it was used */
byte k_epoch, k_owner, k_ruler, k_segment[NS], k_planned[NS], k_last_time[NS], k_committed[NS];
byte k_row[NS * TT], k_from[NS * TT], k_until[NS * TT], k_landed[NS * MAXO];

inline keep_copy() {
	kept = 1; k_epoch = epoch; k_owner = owner; k_ruler = ruler;
	for (a : 0 .. NS - 1) {
		k_segment[a] = segment[a]; k_planned[a] = planned[a]; k_last_time[a] = last_time[a]; k_committed[a] = committed[a]
	}
	for (a : 0 .. NS * TT - 1) { k_row[a] = row[a]; k_from[a] = row_from[a]; k_until[a] = row_until[a] }
	for (a : 0 .. NS * MAXO - 1) { k_landed[a] = landed[a] }
	a = 0
}

/* Every transaction is gone; a statement that has yet to arrive is not. */
inline set_back(x) {
	kept = 2; restored = 1; epoch = k_epoch; owner = k_owner; ruler = k_ruler;
	for (a : 0 .. NS - 1) {
		segment[a] = k_segment[a]; planned[a] = k_planned[a]; last_time[a] = k_last_time[a]; committed[a] = k_committed[a];
		k_segment[a] = 0; k_planned[a] = 0; k_last_time[a] = 0; k_committed[a] = 0
	}
	for (a : 0 .. NS * TT - 1) {
		row[a] = k_row[a]; row_from[a] = k_from[a]; row_until[a] = k_until[a];
		k_row[a] = 0; k_from[a] = 0; k_until[a] = 0
	}
	for (a : 0 .. NS * MAXO - 1) { landed[a] = k_landed[a]; k_landed[a] = 0 }
	a = 0; k_epoch = 0; k_owner = 0; k_ruler = 0;
	for (x : 0 .. SLOTS - 1) {
		if
		:: state[x] == LATE || state[x] == IDLE || state[x] == KILLED
		:: else ->
			b = (state[x] == RUNNING && life[INSTANCE(x)] == ALIVE && x < SESSIONS);
			rollback(x);
			if :: b -> state[x] = KILLED :: else fi;
			b = 0
		fi
	}
	x = 0
}
#endif

/* A statement arrives whose client is gone: it may lock and change, but nobody ever sends its COMMIT; unless COMMIT was
 * sent blindly with it. */
#define FREE(x, s) (!HAS(x, s) || partition_lock[s] == 0)
#if NS > 1
#define LATE_MAY_RUN(x) (kind[x] == PLAN && FREE(x, 0) && FREE(x, 1) || kind[x] != PLAN && position_lock[which[x]] == 0)
#else
#define LATE_MAY_RUN(x) (kind[x] == PLAN && FREE(x, 0) || kind[x] != PLAN && position_lock[which[x]] == 0)
#endif
inline arrive(x) {
	if
	:: kind[x] == PLAN && wrong == UPDATE_THEN_BLIND_INSERT -> state[x] = IN_FLIGHT
	:: kind[x] == PLAN && wrong != UPDATE_THEN_BLIND_INSERT && ALL_MATCH(x) ->
		state[x] = GHOST;
		for (a : 0 .. NS - 1) {
			if :: HAS(x, a) -> partition_lock[a] = x + 1 :: else fi
		}
		a = 0
	:: kind[x] != PLAN && wrong == BLIND_PIPELINING -> state[x] = IN_FLIGHT
	:: kind[x] != PLAN && wrong != BLIND_PIPELINING && DATA_MATCHES(x) -> state[x] = GHOST; position_lock[which[x]] = x + 1
	:: else -> rollback(x)
	fi
}

inline start() {
	printf("instance %d starts\n", started); life[started] = ALIVE; run Driver(started); run Worker(started); started++
}

/* At rest, while somebody is there to work: all that can be delivered has landed once. */
inline judge() {
	for (i : 0 .. NS - 1) {
		if
		:: segment[i] == OPEN && !(REOPEN && recreated && i == 0) ->
			assert(committed[i] == latest[i] && planned[i] == latest[i])    /* I8: nothing is stuck */
		:: else -> assert(segment[i] != OPEN)                           /* a recreated topic's old segment is closed */
		fi;
		x = 0;
		do
		:: x < committed[i] -> assert(landed[i * MAXO + x] == 1); x++   /* I1 and I2 */
		:: x >= committed[i] && x < MAXO -> assert(landed[i * MAXO + x] == 0); x++
		:: x == MAXO -> break
		od
	}
	i = 0; x = 0
}

#define CRASH(i) \
	:: atomic { !calm && crashes > 0 && life[i] == ALIVE -> \
		printf("instance %d crashes\n", i); crashes--; life[i] = CRASHED }
/* The server ends what a dead client left open, and by a time-out what a frozen one has open; inside COPY that one does
 * not count. */
#define TIME_OUT(x) (state[x] == RUNNING && (life[INSTANCE(x)] == CRASHED || \
	life[INSTANCE(x)] == FROZEN && kind[x] != DATA && wrong != HOLE_NOBODY_ENDS))

init {
	byte i, x, started;
	d_step {
		read_settings();
		segment[0] = OPEN;
		if :: NS > 1 && !REOPEN -> segment[NS - 1] = OPEN :: else fi
	}
	do
	:: atomic { !calm && latest[0] < MAXO && !recreated -> printf("a record: segment 0 ends at %d\n", latest[0] + 1); latest[0]++ }
#if NS > 1
	:: atomic { !calm && latest[1] < MAXO && (!REOPEN || recreated) ->
		printf("a record: segment 1 ends at %d\n", latest[1] + 1); latest[1]++ }
#endif
#if REOPEN
	:: atomic { !calm && !recreated -> printf("the topic is recreated\n"); recreated = 1 }
#endif
	:: atomic { !calm && started < starts -> start() }
	CRASH(0)
#if N > 2
	CRASH(1)
#endif
	/* what was left behind arrives: a COMMIT, or never; a statement, and its end */
	:: atomic {
		if
		:: state[SESSIONS] != IDLE -> x = SESSIONS
		:: state[SESSIONS + 1] != IDLE -> x = SESSIONS + 1
		:: state[SESSIONS + 2] != IDLE -> x = SESSIONS + 2
		:: state[SESSIONS + 3] != IDLE -> x = SESSIONS + 3
		:: N > 2 && state[SLOTS - 2] != IDLE -> x = SLOTS - 2
		:: N > 2 && state[SLOTS - 1] != IDLE -> x = SLOTS - 1
		fi;
		if
		:: state[x] == IN_FLIGHT -> d_step { printf("what instance %d left behind arrives:\n", INSTANCE(x)); apply(x) }
		:: state[x] == IN_FLIGHT || state[x] == GHOST -> d_step { rollback(x) }
		:: state[x] == LATE && LATE_MAY_RUN(x) -> d_step { arrive(x) }
		:: else
		fi;
		x = 0 }
	:: atomic {
		if
		:: TIME_OUT(0) -> x = 0
		:: TIME_OUT(1) -> x = 1
		:: N > 2 && TIME_OUT(2) -> x = 2
		:: N > 2 && TIME_OUT(3) -> x = 3
		fi;
		d_step { rollback(x) }; x = 0 }
#if BACK
	:: atomic { !calm && kept == 0 && started > 0 -> d_step { printf("a copy of the database is kept\n"); keep_copy() } }
	:: atomic { !calm && kept == 1 && (epoch != k_epoch || planned[0] != k_planned[0] || committed[0] != k_committed[0]) ->
		d_step { printf("the database is set back to the copy\n"); set_back(x) } }
#endif
	/* The faults end.  Whoever was superseded may stay frozen for ever. */
	:: atomic { !calm && started > 0 ->
		if :: life[started - 1] != ALIVE && started < starts -> start() :: else fi;
		printf("from here on nothing fails\n");
		calm = 1; crashes = 0; losses = 0; drops = 0; lates = 0; kills = 0; jumps = 0; withdrawals = 0; prunes = 0;
		i = 0;
		do
		:: i < N ->
			if
			:: i != started - 1 && life[i] == ALIVE && rank[i] < takeovers ->
				life[i] = FROZEN; printf("instance %d is frozen for good\n", i)
			:: true
			fi;
			i++
		:: i == N -> break
		od;
		i = 0 }
	:: atomic { calm && timeout ->
		if
		:: exhausted
		:: !exhausted && (life[0] == ALIVE || life[1] == ALIVE || life[N - 1] == ALIVE) -> judge()
		:: !exhausted && !(life[0] == ALIVE || life[1] == ALIVE || life[N - 1] == ALIVE)
		fi;
		break }
	od
}
