/*
 * How the steps of a schema change are paced: schema caches of two gateways, sessions and leases, acknowledgements, barriers and
 * their bounded wait.
 *
 * schema-change.pml shows that nothing wrong is ever written, whoever is waited for. Here it is shown that the right ones are
 * waited for: a transaction is refused only if a step could not wait for it any longer, or its gateway had lost its session; and that
 * the job ends, whoever stands still. No data, no timestamps: the table's version stands for the index of the schema log.
 * `check` runs everything; Sources/SchemaChange/SchemaChange.docc/Model.md tells what stands for what.
 *
 * Switches: PROGRESS, STALL (a gateway may stand still for good), and the planted faults FAULT_….
 */

#define GATEWAYS 2
/* Transactions at once: the first half runs on gateway 0, the second on gateway 1. */
#ifndef TRANSACTIONS
#define TRANSACTIONS 2
#endif
#define GATEWAY(transaction) ((transaction) / (TRANSACTIONS / GATEWAYS))

/* ---- The metadata leader --------------------------------------------------------------------------------------------------- */

byte version = 1;       /* of the table, in force */
byte floor = 1;         /* the oldest pinned version that may commit */
byte acked[GATEWAYS];   /* the newest version of which the leader knows: applied, and nothing older in use */
bool isLive[GATEWAYS];  /* it has a session whose lease has not run out */
bool jobEnded;

/* ---- Gateways -------------------------------------------------------------------------------------------------------------- */

byte applied[GATEWAYS];       /* the newest version in its catalog */
bool isStalled[GATEWAYS];
byte held[TRANSACTIONS];      /* the oldest version that it may come to use, or uses; 0: it is not running */
bool isExcused[TRANSACTIONS]; /* a step went on without it, or its session was lost */

#ifdef PROGRESS
/* Who is excused does not matter to progress, and leases that run out only shorten a wait: both are left out. */
#define EXCUSE(transaction) skip
#else
#define EXCUSE(transaction) isExcused[transaction] = true
#endif

inline learnSessionIsGone(gateway) {
  isLive[gateway] = true;
  acked[gateway] = 0;
  other = 0;
  do
  :: other < TRANSACTIONS ->
    if :: GATEWAY(other) == gateway && held[other] != 0 -> EXCUSE(other) :: else fi;
    other++
  :: else -> break
  od;
  other = 0
}

/* Watches the schema log, acknowledges, and finds out by a renewal that its session is gone. */
proctype Gateway(byte me) {
  byte usable, other;
endWatching:
  do
  :: d_step { !isStalled[me] && applied[me] < version -> applied[me]++ }
#ifndef FAULT_ACKS_LOST
  :: d_step {
      !isStalled[me] && isLive[me] && acked[me] < applied[me];
      usable = applied[me];
      other = 0;
      do
      :: other < TRANSACTIONS ->
        if
        :: GATEWAY(other) == me && held[other] != 0 && held[other] < usable -> usable = held[other]
        :: else
        fi;
        other++
      :: else -> break
      od;
      other = 0;
      acked[me] = usable;
      usable = 0
    }
#endif
  :: d_step { !isStalled[me] && !isLive[me] -> learnSessionIsGone(me) }
  od
}

/* One transaction after the other: R, a statement that writes, C. */
proctype Transaction(byte me) {
  byte pin, other;
endIdle:
  do
  :: /* Asks for R. */
    d_step {
      !isStalled[GATEWAY(me)];
#ifndef FAULT_HELD_LATE
      held[me] = applied[GATEWAY(me)]
#endif
    }
    /* The leader answers: the version in force. */
    d_step {
      !isStalled[GATEWAY(me)];
      if
#ifndef FAULT_LEASE_UNCHECKED
      :: !isLive[GATEWAY(me)] -> learnSessionIsGone(GATEWAY(me))
#endif
      :: else
      fi;
      pin = version
    }
    /* Waits until it has applied as far, pins, and writes. */
    d_step { !isStalled[GATEWAY(me)] && applied[GATEWAY(me)] >= pin -> held[me] = pin }
    /* Asks for C. */
    d_step {
      !isStalled[GATEWAY(me)];
      if
#ifndef FAULT_LEASE_UNCHECKED
      :: !isLive[GATEWAY(me)] -> learnSessionIsGone(GATEWAY(me))
#endif
      :: else ->
        /* Whoever was waited for is not refused. */
#ifndef PROGRESS
        assert(pin >= floor || isExcused[me]);
#endif
        skip
      fi;
      held[me] = 0;
      isExcused[me] = false;
      pin = 0
    }
  od
}

/* The leader has not heard of a gateway for the time of a lease. */
proctype Leases() {
endLive:
  do
  :: d_step { isLive[0] -> isLive[0] = false }
  :: d_step { isLive[1] -> isLive[1] = false }
  od
}

#ifdef STALL
/* At some time one gateway stands still for good, or none does. */
proctype Stall() {
  if
  :: isStalled[0] = true
  :: isStalled[1] = true
  :: skip
  fi
}
#endif

/* ---- The job ----------------------------------------------------------------------------------------------------------------- */

inline excuse(gateway) {
  if
  :: isLive[gateway] && acked[gateway] < version ->
    other = 0;
    do
    :: other < TRANSACTIONS ->
      if :: GATEWAY(other) == gateway && held[other] != 0 -> EXCUSE(other) :: else fi;
      other++
    :: else -> break
    od;
    other = 0
  :: else
  fi
}

/* Passed when every live session has acknowledged the version in force; or, when the bound has passed, without the others. */
inline barrier() {
  if
  :: (!isLive[0] || acked[0] >= version) && (!isLive[1] || acked[1] >= version)
#ifndef FAULT_WAIT_UNBOUNDED
  :: d_step { excuse(0); excuse(1) }
#endif
  fi
}

inline append(newFloor) {
  d_step {
    version++;
    floor = newFloor
  }
}

/* The entries of an index that is added (delete-only, write-only, backfilling) and, with the same floors and barriers, of one that
 * is dropped (write-only, delete-only, absent). Those that leave the floor alone refuse nobody (TransitionTable.index). */
proctype Job() {
  byte other;
  append(floor);
  barrier();
  append(version - 1);
#ifndef FAULT_NOT_WAITED
  barrier();
#endif
  append(version - 1);
  jobEnded = true
}

init {
  byte next;
  atomic {
    do
    :: next < GATEWAYS -> applied[next] = 1; acked[next] = 1; isLive[next] = true; next++
    :: else -> break
    od;
    run Gateway(0);
    run Gateway(1);
    next = 0;
    do
    :: next < TRANSACTIONS -> run Transaction(next); next++
    :: else -> break
    od;
    next = 0;
#ifndef PROGRESS
    run Leases();
#endif
#ifdef STALL
    run Stall();
#endif
    run Job()
  }
}

#ifdef PROGRESS
ltl progress { <> jobEnded }
#endif
