/*
 * Two rows and one key of a unique index that is being built beside them.
 *
 * Every writer knows the index already (write-only): what it does to the key it does to the index, in two phases. The build reads
 * the rows at B and brings their entries; until then a key that is taken looks free. Which Swift code each step stands for is told
 * in Sources/SchemaChange/SchemaChange.docc/Model.md.
 *
 * Happy path of the job: take B, read the rows, write the entries, wait for who has prewritten without seeing them, take V, compare
 * both sides at V, public.
 *
 * Switches: the planted faults FAULT_….
 */

#define WRITERS 3
/* Timestamps. No run needs as many. */
#define LAST 14

/* What is known of a row, or of the entry, at a timestamp. The entry of row r is r + 2. */
#define NONE 0
#define AWAY 1 /* the row has another key; the entry is a tombstone */
#define HERE 2

#define ROW(writer) ((writer) % 2)

byte clock;
byte rows[28];     /* versions of row r at r * LAST */
byte entry[LAST];  /* versions of the key's entry */
byte rowLock[2];   /* writer + 1, 0: free */
byte entryLock;
byte inFlight;     /* who has been let in at the key and is not applied yet: writer + 1 */
bool isEnded[WRITERS];

byte publicFrom;   /* 0: not public */

inline findRow(r, at, found) {
  found = at;
  do
  :: rows[r * LAST + found] == NONE && found > 0 -> found--
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

/* Both sides at every timestamp from the one at which the index is public. */
inline requireUnique() {
  if
  :: publicFrom != 0 ->
    t = publicFrom;
    do
    :: t <= clock ->
      findRow(0, t, a); findRow(1, t, b); findEntry(t, seen);
      assert(!(rows[a] == HERE && rows[LAST + b] == HERE)); /* two rows with one key */
      assert(!(rows[a] == HERE && entry[seen] != 2));
      assert(!(rows[LAST + b] == HERE && entry[seen] != 3));
      assert(!(rows[a] != HERE && entry[seen] == 2));
      assert(!(rows[LAST + b] != HERE && entry[seen] == 3));
      t++
    :: else -> break
    od;
    t = 0; a = 0; b = 0; seen = 0
  :: else
  fi
}

/* The locks go; what is on its way to the log is refused when it comes. */
inline rollBack(who) {
  isEnded[who] = true;
  if :: rowLock[ROW(who)] == who + 1 -> rowLock[ROW(who)] = 0 :: else fi;
  if :: entryLock == who + 1 -> entryLock = 0 :: else fi
}

/* Reads its row, and gives it the key or takes it away. */
proctype Writer(byte me) {
  byte start, seen, wish, t, a, b;

  atomic {
    clock++; assert(clock < LAST);
    start = clock;
    findRow(ROW(me), start, seen);
    wish = (rows[ROW(me) * LAST + seen] == HERE -> AWAY : HERE);
    seen = 0
  }
  /* Row: evaluated and applied. */
  atomic {
    if
    :: rowLock[ROW(me)] != 0 -> goto refused
    :: else
    fi;
    findRow(ROW(me), clock, seen);
    if :: seen > start -> seen = 0; goto refused :: else -> seen = 0 fi;
    rowLock[ROW(me)] = me + 1
  }
  /* Entry: evaluated by the leader of the index's range… */
  atomic {
    inFlight == 0; /* a latch */
    if
    :: entryLock != 0 || isEnded[me] -> goto refused
    :: else
    fi;
    findEntry(clock, seen);
    if
    :: seen > start -> seen = 0; goto refused
    :: seen <= start && wish == HERE && entry[seen] != NONE && entry[seen] != AWAY && entry[seen] != ROW(me) + 2 ->
      seen = 0; goto refused /* 23505 */
    :: else -> seen = 0
    fi;
    inFlight = me + 1
  }
  /* …and applied. */
  atomic {
    inFlight = 0;
    if :: isEnded[me] -> goto refused :: else fi;
    entryLock = me + 1
  }
  /* The commit timestamp, and the commit at the primary key. */
  atomic {
    if :: isEnded[me] -> goto refused :: else fi;
    clock++; assert(clock < LAST);
    rows[ROW(me) * LAST + clock] = wish;
    entry[clock] = (wish == HERE -> ROW(me) + 2 : AWAY);
    rollBack(me);
    d_step { requireUnique() }
    goto ended
  }
refused:
  atomic { rollBack(me) }
ended:
  skip
}

proctype Job() {
  byte found, seen, t, a, b, holder, buildAt;

  /* The rows as of B. Whoever commits from here on does so above B. */
  atomic {
    clock++; assert(clock < LAST);
    buildAt = clock
  }
  atomic {
    d_step { findRow(0, buildAt, a); findRow(1, buildAt, b) }
    if
    :: rows[a] == HERE && rows[LAST + b] == HERE -> goto back /* 23505 */
    :: rows[a] == HERE && rows[LAST + b] != HERE -> found = 2
    :: rows[a] != HERE && rows[LAST + b] == HERE -> found = 3
    :: else
    fi;
    a = 0; b = 0
  }
  /* Below all that writers add: the newest version stays what it is. */
  atomic { if :: found != 0 -> entry[buildAt] = found :: else fi; found = 0 }
#ifndef FAULT_NOT_AWAITED
#ifndef FAULT_IN_FLIGHT_FORGOTTEN
  /* A command through the log of the index's range: what was let in before it is applied before it. */
  holder = inFlight;
  (holder == 0 || inFlight != holder);
#endif
  /* The locks there are. Their transactions end, or are ended because their gateways are silent. */
  holder = entryLock;
  if
  :: holder != 0 ->
    if
    :: entryLock != holder
    :: atomic { entryLock == holder -> rollBack(holder - 1) }
    fi
  :: else
  fi;
#endif
  /* V. A lock that stands here belongs to who commits above V. */
  atomic {
    clock++; assert(clock < LAST);
    d_step { findRow(0, clock, a); findRow(1, clock, b); findEntry(clock, seen) }
    if
    :: rows[a] == HERE && rows[LAST + b] == HERE -> goto back
    :: rows[a] == HERE && rows[LAST + b] != HERE && entry[seen] != 2 -> goto back
    :: rows[a] != HERE && rows[LAST + b] == HERE && entry[seen] != 3 -> goto back
    :: rows[a] != HERE && rows[LAST + b] != HERE && entry[seen] > AWAY -> goto back
    :: else
    fi;
    a = 0; b = 0; seen = 0
  }
  atomic {
    clock++; assert(clock < LAST);
    publicFrom = clock;
    d_step { requireUnique() }
  }
back:
  skip
}

init {
  byte next;
  atomic {
    /* The first row may have the key; the second may, too. No entry exists yet. */
    if :: rows[0] = HERE :: rows[0] = AWAY fi;
    if :: rows[LAST] = HERE :: rows[LAST] = AWAY fi;
    do
    :: next < WRITERS -> run Writer(next); next++
    :: else -> break
    od;
    next = 0;
    run Job()
  }
}
