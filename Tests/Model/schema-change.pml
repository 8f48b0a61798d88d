/*
 * Online schema change with the schema as data at a timestamp.
 *
 * One table, one row of it, one index with the entry that this row may have, one metadata leader, one job that adds the index
 * (or drops it), and transactions that read the row and turn it round. What is abstracted away, why that is sound, and which
 * Swift code each step stands for is told in Sources/SchemaChange/SchemaChange.docc/Model.md. `check` runs everything.
 *
 * Happy path of a writer: takes R and with it the version in force, reads the row at R, asks for C, and commits in one round,
 * or locks the row and the entry, asks for C, and commits the primary key. Happy path of the job: delete-only, write-only,
 * backfilling, read the rows at B, write the entries at B, public.
 *
 * Switches: WRITERS, READER, CAREFUL, DROP, COLUMN, SHORT, RANGE_LEADER, RESENT, FORWARD,
 * ANOMALIES_ONLY, and the planted faults FAULT_….
 */

#ifndef WRITERS
#define WRITERS 2
#endif

/* Timestamps. No run needs as many; the oracle asserts it. */
#define LAST 24

/* What is known of a key at a timestamp. */
#define NONE 0
#define TOMBSTONE 1
#define VALUE 2

/* States of the index. Write-only, backfilling and validating are one: writers do the same in them. */
#define ABSENT 0
#define DELETE_ONLY 1
#define WRITE_ONLY 2
#define PUBLIC 3

/* How a transaction ended. */
#define UNDECIDED 0
#define COMMITTED 1
#define ROLLED_BACK 2

/* ---- The metadata leader: oracle and schema log -------------------------------------------------------------------- */

byte clock;        /* the last timestamp issued, or at which an entry took effect */
byte version = 1;  /* of the table, in force */
byte floor = 1;    /* the oldest pinned version that may commit */
byte state[9];     /* of the index, by version */
bool wasPublished;
byte publicFrom;   /* the effective timestamp of the entry that makes it public */
byte publicUntil;  /* of the first entry after which nobody may read it; 0: not yet */
byte goneFrom;     /* of the entry that takes it away */
bool jobEnded;

/* ---- Storage: the row in one range, the entry in another ------------------------------------------------------------ */

byte row[LAST];    /* versions of the row, by commit timestamp */
byte entry[LAST];  /* versions of the index entry */
byte highestRead;  /* of the row's range: nothing commits in one round at or below it */
byte rowLock;      /* writer + 1, 0: free. The row is the primary key. */
byte entryLock;

byte buildAt;      /* B */
bool isScanned;    /* the rows have been read at B */

/* ---- Transactions ---------------------------------------------------------------------------------------------------- */

byte pin[WRITERS];      /* the version its schema has */
byte start[WRITERS];    /* R */
byte commit[WRITERS];   /* C, the newest asked for */
byte minimum[WRITERS];  /* of the lock at the primary key: C has to be at least this */
byte fate[WRITERS];
byte written[WRITERS];  /* VALUE or TOMBSTONE */
bool isTold[WRITERS];   /* its client has been told that nothing was written */
bool hasRead[WRITERS];  /* the row, at R: commits only if nobody has changed it since */


/* ======================================================================================================================= */
/* Properties                                                                                                              */
/* ======================================================================================================================= */

/* Index and table agree at every timestamp at which the index is public. */
inline requireAgreement() {
  if
  :: wasPublished ->
    t = 0; hasValue = 0; hasEntry = 0;
    do
    :: t <= clock && (publicUntil == 0 || t < publicUntil) ->
      if :: row[t] != NONE -> hasValue = (row[t] == VALUE) :: else fi;
      if :: entry[t] != NONE -> hasEntry = (entry[t] == VALUE) :: else fi;
      if
      :: t >= publicFrom ->
        assert(!(hasValue && !hasEntry)); /* missing entry */
        assert(!(hasEntry && !hasValue)); /* orphan entry */
      :: else
      fi;
      t++
    :: else -> break
    od;
    t = 0; hasValue = 0; hasEntry = 0
  :: else
  fi
}

/* ======================================================================================================================= */
/* Steps of the metadata leader                                                                                            */
/* ======================================================================================================================= */

/* One entry of the schema log. It is committed and takes effect in one step: the oracle issues nothing at or above an entry's
 * timestamp before the entry is applied, and nothing below it afterwards. */
inline append(newState, newFloor) {
  d_step {
    clock++; assert(clock < LAST);
    version++;
    state[version] = newState;
#ifndef FAULT_FLOOR_NOT_RAISED
    floor = newFloor;
#endif
  }
}

/* R, and the version in force at R. */
inline takeReadTimestamp(r, pinned) {
  clock++; assert(clock < LAST);
  r = clock;
#ifndef FAULT_STALE_CATALOG
  pinned = version
#else
  /* The answer does not name the schema index: the gateway uses what it has. */
  pinned = 1;
  do
  :: pinned < version -> pinned++
  :: break
  od
#endif
}

/* C, unless the pinned version is below the floor. */
inline takeCommitTimestamp() {
#ifndef FAULT_PIN_UNCHECKED
  if
  :: pin[me] < floor ->
    goto refused
  :: else
  fi;
#endif
  clock++; assert(clock < LAST);
  commit[me] = clock;
#ifndef ANOMALIES_ONLY
  /* At most two adjacent states of the index commit side by side. */
  assert(known <= state[version] + 1 && state[version] <= known + 1)
#endif
}


/* ======================================================================================================================= */
/* Steps of storage                                                                                                        */
/* ======================================================================================================================= */

inline noteRead(at) {
  if :: highestRead < at -> highestRead = at :: else fi
}

inline rollBack(who) {
  fate[who] = ROLLED_BACK;
  if :: rowLock == who + 1 -> rowLock = 0 :: else fi;
  if :: entryLock == who + 1 -> entryLock = 0 :: else fi
}

/* A read at `at` meets the lock of `holder` (writer + 1). Its transaction is made to commit above the read, or is rolled back
 * because its gateway is silent: how long silence lasts is not for a model to say, so either may happen at any time. */
inline passLock(holder, at) {
  if
  :: holder != 0 && start[holder - 1] < at && minimum[holder - 1] <= at ->
    if
    :: rowLock == holder -> minimum[holder - 1] = at + 1
    :: rollBack(holder - 1)
    fi
  :: else
  fi
}

/* The commit timestamp of the newest version at or below `at`. */
inline findRow(at, found) {
  found = at;
  do
  :: row[found] == NONE && found > 0 -> found--
  :: else -> break
  od
}

inline findEntry(at, found) {
  found = at;
  do
  :: entry[found] == NONE && found > 0 -> found--
  :: else -> break
  od
}

/* The transaction's versions appear at C: row and, where its schema demands it, entry. */
inline land(who, touchesEntry) {
  assert(row[commit[who]] == NONE);
#ifndef ANOMALIES_ONLY
  /* No write lands at or below B once the rows have been read at B. */
  assert(!(isScanned && commit[who] <= buildAt));
#endif
  /* Nobody's acknowledged write is overwritten unseen. */
  other = 0;
  do
  :: other < WRITERS ->
    assert(!(other != who && fate[other] == COMMITTED && hasRead[other] && start[other] < commit[who] && commit[who] < commit[other]));
    assert(!(other != who && fate[other] == COMMITTED && hasRead[who] && start[who] < commit[other] && commit[other] < commit[who]));
#if !defined(ANOMALIES_ONLY) || defined(COLUMN)
    /* Who has read a row knows every column that it was written with. */
    assert(!(other != who && fate[other] == COMMITTED && hasRead[who] && commit[other] < commit[who] && pin[who] < pin[other]));
#endif
    other++
  :: else -> break
  od;
  other = 0;
  /* What is said not to have happened never happens. */
  assert(!isTold[who]);
  row[commit[who]] = written[who];
  if
  :: touchesEntry ->
    entry[commit[who]] = written[who];
    /* Nothing is added to an index that is gone. */
    assert(!(goneFrom > 0 && commit[who] > goneFrom && written[who] == VALUE))
  :: else
  fi;
  if :: rowLock == who + 1 -> rowLock = 0 :: else fi;
  if :: entryLock == who + 1 -> entryLock = 0 :: else fi;
  fate[who] = COMMITTED;
  requireAgreement()
}

/* ======================================================================================================================= */
/* A writing transaction                                                                                                   */
/* ======================================================================================================================= */

proctype Writer(byte me)
{
  byte seen;
  byte known;           /* the state of the index in the pinned version */
  bool touchesEntry;
  byte t, other;        /* scratch, zero between steps */
  bool hasValue, hasEntry;

  /* All writers are alike, so they may be named in the order of their read timestamps. */
  atomic {
    me == 0 || start[me - 1] != 0;
    takeReadTimestamp(start[me], pin[me]);
    known = state[pin[me]]
  }

  /* Most writers read the row at R and turn it round; they commit only if nobody changed it meanwhile. Others write blindly, and
   * the last one wins. From the pinned schema follows whether the write concerns the index. */
  atomic {
    if
    :: hasRead[me] = true;
      passLock(rowLock, start[me]);
      d_step {
        noteRead(start[me]);
        findRow(start[me], seen);
        written[me] = (row[seen] == VALUE -> TOMBSTONE : VALUE);
        seen = 0
      }
#ifndef CAREFUL
    :: written[me] = TOMBSTONE
    :: written[me] = VALUE
#endif
    fi;
#ifdef FAULT_DELETE_ONLY_IGNORED
    touchesEntry = known >= WRITE_ONLY;
#else
    touchesEntry = known >= WRITE_ONLY || (known == DELETE_ONLY && written[me] == TOMBSTONE);
#endif
    if
    :: !touchesEntry -> goto oneRound
    :: goto twoPhases /* always allowed: something else may have been written as well */
    fi
  }

oneRound:
  atomic {
    takeCommitTimestamp()
  }
  /* The message may be late by any time. */
#ifdef RESENT
late:
#endif
  atomic {
#ifdef RESENT
    if :: fate[me] == ROLLED_BACK -> goto ended :: else fi;
#endif
    if
    :: rowLock != 0 ->
      if
      :: rollBack(rowLock - 1)
      :: goto refused
      fi
    :: else
    fi;
    findRow(clock, seen);
    if
#ifndef FAULT_CONFLICT_UNCHECKED
    :: hasRead[me] && seen > start[me] -> seen = 0; goto refused
#endif
#ifndef FAULT_LATE_COMMIT_ACCEPTED
    :: !(hasRead[me] && seen > start[me]) && commit[me] <= highestRead -> seen = 0; goto oneRound
#endif
    :: !(hasRead[me] && seen > start[me]) && commit[me] <= seen -> seen = 0; goto oneRound
    :: else -> seen = 0
    fi;
    d_step { land(me, false) }
    goto ended
  }

twoPhases:
  /* Row and entry are prewritten side by side. */
  do
  :: atomic {
      fate[me] != ROLLED_BACK && rowLock != me + 1;
      if
      :: rowLock != 0 ->
        if
        :: rollBack(rowLock - 1)
        :: goto refused
        fi
      :: else
      fi;
      findRow(clock, seen);
      if
#ifndef FAULT_CONFLICT_UNCHECKED
      :: hasRead[me] && seen > start[me] -> seen = 0; goto refused
#endif
      :: else -> seen = 0
      fi;
      rowLock = me + 1;
      minimum[me] = (highestRead > start[me] -> highestRead + 1 : start[me] + 1)
    }
  :: atomic {
      fate[me] != ROLLED_BACK && touchesEntry && entryLock != me + 1;
      if
      :: entryLock != 0 ->
        if
        :: rollBack(entryLock - 1)
        :: goto refused
        fi
      :: else
      fi;
      findEntry(clock, seen);
      if
      :: hasRead[me] && seen > start[me] -> seen = 0; goto refused
      :: else -> seen = 0
      fi;
      entryLock = me + 1
    }
  :: atomic { fate[me] == ROLLED_BACK -> goto refused }
  :: atomic {
      fate[me] != ROLLED_BACK && rowLock == me + 1 && (!touchesEntry || entryLock == me + 1) ->
      takeCommitTimestamp();
      break
    }
  od;
  goto primary;
decide:
  atomic {
    takeCommitTimestamp()
  }
primary:
  atomic {
    if
    :: fate[me] == ROLLED_BACK -> goto refused
    :: fate[me] != ROLLED_BACK && commit[me] < minimum[me] -> goto decide
    :: else
    fi;
    d_step { land(me, touchesEntry) }
    goto ended
  }

refused:
  atomic {
#ifndef FAULT_NOT_SEALED
    rollBack(me);
#endif
#ifdef RESENT
    /* The gateway had sent the message twice; one copy was refused, the other is still on its way. */
    if
    :: !touchesEntry && commit[me] != 0 && rowLock != me + 1 && !isTold[me] -> isTold[me] = true; goto late
    :: else
    fi
#endif
    isTold[me] = true
  }
ended:
  skip
}

/* ======================================================================================================================= */
/* A reading transaction: looks the row up through the index                                                               */
/* ======================================================================================================================= */

#ifdef READER
proctype Reader() {
  byte at, pinned, seen, t;
  bool hasValue, hasEntry;

endBefore:
  atomic {
#ifndef FAULT_STALE_CATALOG
    /* Before, it would not use the index. */
    state[version] == PUBLIC;
#endif
    takeReadTimestamp(at, pinned)
  }
  /* Two reads at one timestamp: each is final once served, so they can be one step. */
  atomic {
    if
    :: state[pinned] == PUBLIC ->
      passLock(rowLock, at);
      passLock(entryLock, at);
      d_step {
        noteRead(at);
        findRow(at, seen); hasValue = (row[seen] == VALUE);
        findEntry(at, seen); hasEntry = (entry[seen] == VALUE);
        assert(!(hasValue && !hasEntry)); /* missing entry */
        assert(!(hasEntry && !hasValue)); /* orphan entry */
      }
    :: else
    fi
  }
}
#endif

#ifdef RANGE_LEADER
/* The row's range gets another leader. It starts above everything its predecessors may have served. */
proctype RangeLeader() {
#ifdef FAULT_READS_FORGOTTEN
  highestRead = 0
#else
  highestRead = clock
#endif
}
#endif

/* ======================================================================================================================= */
/* The job                                                                                                                 */
/* ======================================================================================================================= */

/* Nothing that is right rests on a barrier: here each is passed whenever it pleases. */
inline barrier() { skip }

/* A job can be canceled, or fail, in every state before the index is public. */
inline mayTurnBack() {
#ifdef FORWARD
  skip
#else
  if :: goto back :: skip fi
#endif
}

inline readRows() {
  atomic {
#ifndef FAULT_LOCK_PASSED
    passLock(rowLock, buildAt);
#endif
    d_step {
      noteRead(buildAt);
      findRow(buildAt, found);
      isScanned = true
    }
  }
}

inline writeEntries() {
  d_step {
    if :: row[found] == VALUE -> entry[buildAt] = VALUE :: else fi;
    found = 0
  }
}

proctype Job() {
  byte found, t, other;
  bool hasValue, hasEntry;

#ifdef COLUMN
  /* A column with a constant default: one entry, and the floor stays. No writer is concerned with an index. */
  append(ABSENT, floor);
  goto done;
#endif
#ifndef DROP
#ifndef SHORT
  atomic {
    append(DELETE_ONLY, floor);
    mayTurnBack()
  }
  barrier();
#endif
  atomic {
#ifdef SHORT
    append(WRITE_ONLY, floor);
#else
    append(WRITE_ONLY, version - 1);
#endif
#ifdef FAULT_BACKFILL_EARLY
    buildAt = clock
  }
  readRows();
  atomic {
    append(WRITE_ONLY, version - 1)
  }
#else
    mayTurnBack()
  }
  barrier();
  atomic {
    append(WRITE_ONLY, version - 1);
    buildAt = clock;
    mayTurnBack()
  }
#ifndef FAULT_PUBLISHED_EARLY
  readRows();
#endif
#endif
#ifndef FAULT_PUBLISHED_EARLY
  atomic {
    writeEntries();
    mayTurnBack()
  }
#endif
  atomic {
    append(PUBLIC, floor);
    d_step { wasPublished = true; publicFrom = clock; requireAgreement() }
    goto done
  }
#else
  /* In force at the start: version 1, public. */
  atomic { append(WRITE_ONLY, floor); publicUntil = clock }
  barrier();
#endif

back:
  atomic {
    if
    :: state[version] == WRITE_ONLY ->
#ifdef FAULT_DROPPED_AT_ONCE
      skip
#else
      append(DELETE_ONLY, version - 1)
#endif
    :: else
    fi
  }
  barrier();
  atomic { append(ABSENT, version - 1); goneFrom = clock }
done:
  jobEnded = true
}

init {
  byte next;
  atomic {
    /* Whether the row is there at first. */
    if :: row[0] = VALUE :: row[0] = TOMBSTONE fi;
#ifdef DROP
    state[1] = PUBLIC;
    wasPublished = true;
    entry[0] = row[0];
#endif
    do
    :: next < WRITERS -> run Writer(next); next++
    :: else -> break
    od;
    next = 0;
#ifdef RANGE_LEADER
    run RangeLeader();
#endif
#ifdef READER
    run Reader();
#endif
    run Job()
  }
}
