/* SPDX-License-Identifier: Apache-2.0 */
/* worker: reads what is planned and lands it, one batch of a segment after another, with a session of its own. */

#define W (2 * i + 1)    /* its slot */

/* May the worker read the first batch of segment s to its end?  The reader waits for the last stable
 * offset; of a recreated topic it may have read all before. */
#define READABLE(i, s) (queue[AT(i, s)] > 0 && latest[s] >= until1[AT(i, s)])

proctype Worker(byte i) {
	byte s, seen;
	bit part;                /* wrong protocol: the rows are in, their position is not */
	{
	do
	:: working[i] == IS_TO_STOP -> working[i] = ASLEEP
	:: working[i] == WORKS;
	{
	goto next;
next:
	atomic {
		s = 0; part = 0; seen = 0;
		if
		:: READABLE(i, 0)
#if NS > 1
		:: READABLE(i, 1) -> s = 1
#endif
		fi;
		/* I6: the plan is durable before the first record of its range goes to the encoder */
		assert(restored || takeovers > rank[i] || !ABSENT(s, time1[AT(i, s)]) || wrong == IDENTIFIER_WITHOUT_PLAN);
begin:                   /* the position moves, and from it the identifier is marked: one statement */
		rollback(W);
		d_step { kind[W] = DATA; which[W] = s; time[W] = time1[AT(i, s)]; mine[W] = me[i]; reign[W] = rank[i];
			FROM(W, s) = done[AT(i, s)]; UNTIL(W, s) = until1[AT(i, s)];
			if :: wrong == POSITION_OUTSIDE && !part -> kind[W] = ROWS :: else fi };
		if
		:: wrong == SKIP_BY_SELECT && ROW(W) == COMMITTED -> goto landed_before
		:: wrong == IDENTIFIER_WITHOUT_PLAN && ROW(W) == COMMITTED -> goto landed_before
		:: else
		fi;
		if
		:: MAY_BE_LATE(W) -> lates--; d_step { lose_statement(W) }; goto begin
		:: true
		fi;
		if
		:: wrong == BLIND_PIPELINING
		:: wrong != BLIND_PIPELINING && DATA_MATCHES(W)
		:: wrong != BLIND_PIPELINING && !DATA_MATCHES(W) -> goto miss   /* the statement's snapshot */
		fi;
wait:
		if
		:: position_lock[s] == 0
		:: position_lock[s] != 0 && HAS_TO_GO(i, false) -> goto superseded
		:: position_lock[s] != 0 && MAY_END(i, position_lock[s] - 1, false) -> end_backend(i, position_lock[s] - 1); goto wait
		fi;
		if
		:: DATA_MATCHES(W) || wrong == BLIND_PIPELINING ->              /* the row as it is by now */
			state[W] = RUNNING; position_lock[s] = W + 1
		:: else -> goto miss
		fi
	}
commit:                  /* rows, COPY, COMMIT */
	atomic {
		if
		:: state[W] == KILLED -> goto begin
		:: state[W] == RUNNING -> d_step { commit_data(W); rollback(W) };
			if
			:: wrong == POSITION_OUTSIDE && !part -> part = 1; goto begin
			:: else
			fi
		:: state[W] == RUNNING && MAY_LOSE(W) -> losses--; d_step { lose_answer(W) };
			if
			:: wrong == IDENTIFIER_WITHOUT_PLAN && !(queue[AT(i, s)] == 2) -> until1[AT(i, s)] = latest[s]
			:: else
			fi;
			goto begin                                              /* the repeated write decides */
		:: state[W] == RUNNING && drops > 0 && !calm -> drops--; goto begin
		fi
	}
landed_before:
	atomic { d_step { rollback(W); dequeue(i, s) }; goto next }
miss:                    /* 0 rows is a question: lock the row, read, judge */
	if
	:: atomic { wrong == HARMLESS_UNLOCKED_LOOK -> seen = ROW(W) }
	:: atomic { wrong != HARMLESS_UNLOCKED_LOOK -> goto look }
	fi;
look:
	atomic {
		printf("instance %d: the commit of batch %d moved nothing\n", i, time[W]);
		if
		:: position_lock[s] == 0
		:: position_lock[s] != 0 && HAS_TO_GO(i, false) -> goto superseded
		:: position_lock[s] != 0 && MAY_END(i, position_lock[s] - 1, false) -> end_backend(i, position_lock[s] - 1); goto look
		fi;
		if :: wrong != HARMLESS_UNLOCKED_LOOK -> seen = ROW(W) :: else fi;
		if
		:: wrong == IDENTIFIER_WITHOUT_PLAN && seen == COMMITTED -> goto landed_before
		:: wrong == HOLE_ORDER_OF_TESTS && !IS_FENCED(i) && seen == COMMITTED && SAME_RANGE(W) -> goto landed_before
		:: wrong == HOLE_ORDER_OF_TESTS && !IS_FENCED(i) && seen == PLANNED && SAME_RANGE(W) &&
			committed[s] == FROM(W, s) -> goto begin
		:: else
		fi;
		if
		:: IS_FENCED(i) ->
superseded:
			failure[i] = FENCED
		:: else ->
			if
			:: epoch < me[i] || segment[s] == NONE || committed[s] < FROM(W, s) || seen == NONE || seen == PRUNED ->
				failure[i] = WENT_BACK
			:: else ->
				if
				:: seen == COMMITTED && (SAME_RANGE(W) || wrong == MARK_WITHOUT_RANGE) &&
					committed[s] >= UNTIL(W, s) -> goto landed_before
				:: seen == PLANNED && SAME_RANGE(W) && committed[s] == FROM(W, s) -> goto begin
				:: else -> assert(segment[s] == CLOSED); failure[i] = STOP
				fi
			fi
		fi;
		d_step { rollback(W); seen = 0 };
		(false)                                                         /* until the driver has stopped me */
	}
	} unless { working[i] == IS_TO_STOP }; working[i] = ASLEEP
	od
	} unless { life[i] != ALIVE }
}
