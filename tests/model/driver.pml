/* SPDX-License-Identifier: Apache-2.0 */
/* driver: takes the job over, plans one batch ahead of its worker, closes segments, prunes, notices a successor. */

#define D (2 * i)        /* its slot */

/* May the driver plan segment s?  The old log of a recreated topic has no news. */
#define NEWS(i, s) (known[AT(i, s)] && queue[AT(i, s)] < 2 && ENDS(s) > PLANNED_UNTIL(i, s) && !(REOPEN && s == 0 && recreated))
#define HIGH(s) (opened && s == 0 && latest[s] < MAXO -> latest[s] + 1 : latest[s])
#define ENDS(s) (wrong == UNTIL_FROM_HIGH_WATERMARK -> HIGH(s) : latest[s])

#if NS > 1
#define RESTS(i) (queue[AT(i, 0)] == 0 && queue[AT(i, 1)] == 0)
#define IS_BEHIND(i) (BEHIND(i, 0) || BEHIND(i, 1))
#define PRUNABLE (FULL(0) || FULL(1))
#else
#define RESTS(i) (queue[AT(i, 0)] == 0)
#define IS_BEHIND(i) BEHIND(i, 0)
#define PRUNABLE FULL(0)
#endif
/* An idle owner's look: is the ledger behind my memory? */
#define BEHIND(i, s) (known[AT(i, s)] && (segment[s] != OPEN || committed[s] < done[AT(i, s)] || \
	planned[s] < PLANNED_UNTIL(i, s)))
#define FULL(s) (committed[s] > 1 || (wrong == HOLE_PRUNE_LAST && committed[s] > 0))

/* Waits for a lock; whoever holds it may be ended. */
#define LOCK(lock, in_takeover, again) \
	if \
	:: state[D] == KILLED -> goto again \
	:: state[D] != KILLED && lock == 0 -> lock = D + 1 \
	:: state[D] != KILLED && lock != 0 && HAS_TO_GO(i, in_takeover) -> goto fenced \
	:: state[D] != KILLED && lock != 0 && MAY_END(i, lock - 1, in_takeover) -> end_backend(i, lock - 1); goto again \
	fi

proctype Driver(byte i) {
	byte p, t, what, pu[NS];
	bit same;
	{
	goto takeover;
takeover:                /* one transaction: job, partitions, positions; a new epoch; what the tables say */
	atomic {
		stop_worker(i);
		d_step { rollback(D); forget(i); p = 0; t = 0; what = 0; same = 0; for (p : 0 .. NS - 1) { pu[p] = 0 } p = 0 };
		LOCK(job_lock, true, takeover);
		state[D] = RUNNING; kind[D] = TAKE;
		if
		:: HAS_TO_GO(i, true) -> goto fenced
		:: else -> mine[D] = epoch + 1
		fi;
		do
		:: p < NS && segment[p] != NONE ->
			LOCK(partition_lock[p], true, takeover);
			p++
		:: p < NS && segment[p] == NONE -> p++
		:: p == NS -> break
		od;
		p = 0;
		do
		:: p < NS && segment[p] != NONE && wrong != TAKE_OVER_WITHOUT_WAITING ->
			LOCK(position_lock[p], true, takeover);
			p++
		:: p < NS && (segment[p] == NONE || wrong == TAKE_OVER_WITHOUT_WAITING) -> p++
		:: p == NS -> break
		od;
		p = 0
	}
takeover_commit:
	atomic {
		if
		:: state[D] == KILLED -> goto takeover
		:: state[D] == RUNNING -> d_step { read_ledger(i); me[i] = mine[D]; commit_takeover(D); rank[i] = ruler; rollback(D) }
		:: state[D] == RUNNING && MAY_LOSE(D) -> losses--;      /* unknown: a fresh take-over */
			if
			:: wrong == HOLE_ADOPT_TAKEOVER ->
				d_step { read_ledger(i); me[i] = mine[D]; rank[i] = takeovers + 1; lose_answer(D) }
			:: else -> d_step { lose_answer(D) }; goto takeover
			fi
		:: state[D] == RUNNING && drops > 0 && !calm -> drops--; goto takeover
		fi;
withdraw:                /* newest first, before anything is replayed */
		if
		:: withdrawals > 0 && !calm && queue[AT(i, 0)] > 0 -> withdrawals--
		:: working[i] = WORKS; goto steady
		fi
	}
withdraw_begin:          /* a single statement: its snapshot first, then the lock, then the row as it is by now */
	atomic {
		rollback(D);
		d_step { kind[D] = BACKWARD; which[D] = 0; mine[D] = me[i]; reign[D] = rank[i];
			time[D] = (queue[AT(i, 0)] == 2 -> time2[AT(i, 0)] : time1[AT(i, 0)]);
			FROM(D, 0) = (queue[AT(i, 0)] == 2 -> until1[AT(i, 0)] : done[AT(i, 0)]);
			UNTIL(D, 0) = PLANNED_UNTIL(i, 0) };
		if
		:: !(MINE(D) && planned[0] == UNTIL(D, 0) && ROW(D) == PLANNED && segment[0] == OPEN) -> goto withdraw_miss
		:: else
		fi;
		LOCK(partition_lock[0], false, withdraw_begin);
		if
		:: MINE(D) && planned[0] == UNTIL(D, 0) && ROW(D) == PLANNED && segment[0] == OPEN -> state[D] = RUNNING
		:: else -> partition_lock[0] = 0; goto withdraw_miss
		fi
	}
	atomic {
		if
		:: state[D] == KILLED -> goto withdraw_begin
		:: state[D] == RUNNING -> d_step { commit_withdrawal(D); rollback(D); unqueue(i, 0) }; goto withdraw
		:: state[D] == RUNNING && MAY_LOSE(D) -> losses--; d_step { lose_answer(D) }; goto withdraw_begin
		fi
	}
withdraw_miss:
	atomic {
		partition_lock[0] == 0;
		if
		:: IS_FENCED(i) -> goto fenced
		:: else ->
			if
			:: epoch == me[i] && ROW(D) == WITHDRAWN && planned[0] == FROM(D, 0) ->
				d_step { rollback(D); unqueue(i, 0) }; goto withdraw
			:: else -> assert(restored); goto takeover
			fi
		fi
	}

steady:
	atomic {
		p = 0; t = 0; what = 0; same = 0;
		if
		:: failure[i] == FENCED -> goto fenced
		:: failure[i] == WENT_BACK -> goto went_back
		:: failure[i] == STOP -> assert(false)          /* a STOP that nothing explains */
		:: failure[i] == 0 && NEWS(i, 0) -> what = 1
#if NS > 1
		:: failure[i] == 0 && NEWS(i, 1) -> what = 2
		:: failure[i] == 0 && NEWS(i, 0) && NEWS(i, 1) -> what = 3
#endif
#if REOPEN
		:: failure[i] == 0 && recreated && known[AT(i, 0)] -> goto replace
#endif
		:: failure[i] == 0 && RESTS(i) && wrong != HOLE_IDLE_CHECK && (IS_FENCED(i) || epoch < me[i] || IS_BEHIND(i)) ->
			if
			:: IS_FENCED(i) -> goto fenced
			:: else -> goto went_back
			fi
		:: failure[i] == 0 && prunes > 0 && !calm && PRUNABLE -> goto prune
		fi;
		/* batch time and ranges, from memory and Kafka alone */
		for (p : 0 .. NS - 1) {
			if :: ((what >> p) & 1) && newest[AT(i, p)] + 1 > t -> t = newest[AT(i, p)] + 1 :: else fi
		}
		if
		:: true
		:: jumps > 0 && !calm -> jumps--; t++
		:: wrong == BATCH_TIME_FROM_CLOCK && jumps > 0 && t > 1 -> jumps--; t--
		fi;
		if :: t >= TT -> exhausted = 1; (false) :: else fi;
		p = 0;
		do
		:: p < NS && ((what >> p) & 1) ->
			if
			:: pu[p] = ENDS(p)
			:: ENDS(p) > PLANNED_UNTIL(i, p) + 1 -> pu[p] = PLANNED_UNTIL(i, p) + 1
			fi;
			p++
		:: p < NS && !((what >> p) & 1) -> p++
		:: p == NS -> break
		od;
		p = 0;
		if
		:: wrong == IDENTIFIER_WITHOUT_PLAN || wrong == PLAN_AFTER_FETCH -> goto plan_done
		:: else
		fi;
plan:                    /* first the rows `for update`, in order, then the statement that moves and inserts */
		rollback(D);
		d_step { kind[D] = PLAN; which[D] = what; time[D] = t; mine[D] = me[i]; reign[D] = rank[i];
			for (p : 0 .. NS - 1) {
				if :: HAS(D, p) -> FROM(D, p) = PLANNED_UNTIL(i, p); UNTIL(D, p) = pu[p] :: else fi
			}
			p = 0 };
		if
		:: MAY_BE_LATE(D) -> lates--; d_step { lose_statement(D) }; goto plan
		:: true
		fi;
		do
		:: p < NS && HAS(D, p) -> LOCK(partition_lock[p], false, plan); state[D] = RUNNING; p++
		:: p < NS && !HAS(D, p) -> p++
		:: p == NS -> break
		od;
		p = 0;
		if
		:: ALL_MATCH(D) || wrong == UPDATE_THEN_BLIND_INSERT
		:: else -> d_step { rollback(D) }; goto plan_miss
		fi
	}
plan_commit:
	atomic {
		if
		:: state[D] == KILLED -> goto plan
		:: state[D] == RUNNING -> d_step { commit_plan(D); rollback(D) }; goto plan_done
		:: state[D] == RUNNING && MAY_LOSE(D) -> losses--; d_step { lose_answer(D) };
			if
			:: wrong == MARK_WITHOUT_RANGE || wrong == HOLE_OTHER_REPEAT ->   /* the repeat plans anew */
				if :: (what & 1) -> pu[0] = ENDS(0) :: true fi;
				if :: wrong == HOLE_OTHER_REPEAT -> t++; if :: t >= TT -> exhausted = 1; (false) :: else fi :: else fi;
				goto plan
			:: wrong == HOLE_RECONNECT_TAKES_OVER -> goto takeover
			:: else -> goto plan
			fi
		:: state[D] == RUNNING && drops > 0 && !calm -> drops--;
			if :: wrong == HOLE_RECONNECT_TAKES_OVER -> goto takeover :: else -> goto plan fi
		fi
	}
plan_miss:               /* 0 rows is a question: lock the rows, read them, judge; the worst answer counts */
	atomic {
		printf("instance %d: the plan of batch %d moved nothing\n", i, t);
		p = 0;
		do
		:: p < NS && ((what >> p) & 1) ->
			if
			:: partition_lock[p] == 0
			:: partition_lock[p] != 0 && MAY_END(i, partition_lock[p] - 1, false) -> end_backend(i, partition_lock[p] - 1)
			fi;
			p++
		:: p < NS && !((what >> p) & 1) -> p++
		:: p == NS -> break
		od;
		p = 0;
		if
		:: IS_FENCED(i) -> goto fenced
		:: else
		fi;
		d_step {
			same = 1;        /* 1: ours, durable by now; 0: the database went back; anything else is a STOP */
			for (p : 0 .. NS - 1) {
				if
				:: (what >> p) & 1 ->
					if
					:: epoch < me[i] || segment[p] == NONE || planned[p] < PLANNED_UNTIL(i, p) || ABSENT(p, t) -> same = 0
					:: else ->
						assert(row_from[IX(p, t)] == PLANNED_UNTIL(i, p));
						assert(row_until[IX(p, t)] == pu[p] || wrong == MARK_WITHOUT_RANGE);
						assert(row[IX(p, t)] == PLANNED && planned[p] == row_until[IX(p, t)] ||
							row[IX(p, t)] == COMMITTED && planned[p] >= row_until[IX(p, t)])
					fi
				:: else
				fi
			}
			p = 0
		};
		if
		:: same -> skip
		:: else -> goto went_back
		fi
	}
plan_done:               /* durable: now it goes to the worker */
	atomic {
		d_step {
			rollback(D);
			for (p : 0 .. NS - 1) {
				if
				:: (what >> p) & 1 -> enqueue(i, p, t, pu[p]); newest[AT(i, p)] = t; pu[p] = 0
				:: else
				fi
			}
			p = 0
		};
		goto steady
	}

#if REOPEN
replace:                 /* job, partition, position; close the old segment, open the next */
	atomic {
		rollback(D);
		d_step { kind[D] = REPLACE; mine[D] = me[i]; reign[D] = rank[i] };
		LOCK(job_lock, false, replace);
		state[D] = RUNNING;
		LOCK(partition_lock[0], false, replace);
		if
		:: wrong == HOLE_CLOSE_WITHOUT_LOCK
		:: else -> LOCK(position_lock[0], false, replace)
		fi;
		if
		:: !MINE(D) || segment[NS - 1] != NONE -> goto takeover /* which says whether I am fenced */
		:: else
		fi
	}
	atomic {
		if
		:: state[D] == KILLED -> goto takeover
		:: state[D] == RUNNING -> d_step { commit_replacement(D); rollback(D) }
		:: state[D] == RUNNING && MAY_LOSE(D) -> losses--; d_step { lose_answer(D) }
		fi
	}
	goto takeover;       /* the worker may fail meanwhile: nobody listens any more */
#endif

prune:                   /* committed rows below committed_until, never a segment's last */
	atomic {
		prunes--;
		position_lock[0] == 0;
#if NS > 1
		position_lock[NS - 1] == 0;
#endif
		d_step {
			for (p : 0 .. NS - 1) {
				for (t : 1 .. TT - 1) {
					if
					:: epoch == me[i] && owner == i + 1 && row[IX(p, t)] == COMMITTED &&
						(row_until[IX(p, t)] < committed[p] || wrong == HOLE_PRUNE_LAST) -> row[IX(p, t)] = PRUNED
					:: else
					fi
				}
			}
			p = 0; t = 0
		};
		goto steady
	}

went_back:               /* the workers end, a fresh take-over says what counts */
	atomic { printf("instance %d: the database went back in time\n", i); assert(restored) }
	if
	:: wrong == HOLE_KEEP_EPOCH ->
		atomic { stop_worker(i); d_step { rollback(D); forget(i); read_ledger(i) }; working[i] = WORKS; goto steady }
	:: else -> goto takeover
	fi;

fenced:
	atomic {
		printf("instance %d is fenced\n", i);
		assert(takeovers > rank[i]);                    /* somebody took over after me */
		stop_worker(i); d_step { rollback(D); forget(i) };
		life[i] = EXITED
	}
	} unless { atomic { life[i] != ALIVE -> d_step { forget(i); me[i] = 0; rank[i] = 0; working[i] = ASLEEP; failure[i] = 0 } } }
}
