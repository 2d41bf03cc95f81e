/*
 * The protocol of one partition (DESIGN.md, section 4), for exhaustive checking with spin.
 *
 * Two allocators, one Postgres, one Redis, a gateway, and a world that breaks things between any
 * two steps. README.md says which line of the programs each step stands for; check.sh says which
 * configurations are checked, and which mutations (MUTATE_…) must be refuted.
 *
 * What is assumed of Postgres: a transaction happens whole or not at all, and transactions that
 * touch the partition's row stand in line. What is assumed of Redis: a script runs alone. Nothing
 * is assumed of the advisory lock: a standby may take a partition whose owner lives on unawares.
 */

/* ---- sizes, and how often the world may do what ------------------------------------------ */

#ifndef IDS
#define IDS 2 /* request ids, at most 3; the gateway asks for 1, 2, … and then again */
#endif
#ifndef REPEATS
#define REPEATS 1 /* how many of them are asked for a second time, from the first on */
#endif
#ifndef STOCK
#define STOCK 1 /* places to sell: fewer than IDS, so that order matters */
#endif
#ifndef CRASHES
#define CRASHES 0 /* an allocator dies and starts again without memory */
#endif
#ifndef THEFTS
#define THEFTS 0 /* the partition is taken although its owner lives */
#endif
#ifndef LOSSES
#define LOSSES 0 /* a COMMIT's answer is lost; it lands later, or never */
#endif
#ifndef ROLLBACKS
#define ROLLBACKS 0 /* Redis comes back with an older state, or with none; connections break */
#endif
#ifndef FLUSHES
#define FLUSHES 0 /* Redis is emptied under its connections */
#endif
#ifndef HALVES
#define HALVES 0 /* a decision script dies half-way; what it wrote stays */
#endif
#ifndef BREAKS
#define BREAKS 0 /* a script's answer is lost; it ran, or runs later, or never */
#endif
#ifndef DEPTH
#define DEPTH 1 /* batches in flight: with 2 the next is decided while one commits */
#endif
#ifndef TIMEOUTS
#define TIMEOUTS 0 /* 1: a request may be refused though there is stock (its deadline passed) */
#endif
#ifndef CLOCK_BACK
#define CLOCK_BACK 0 /* 1: after Redis lost entries, new ones get ids that were given before */
#endif

#define ASKS (IDS + REPEATS)
#define ENTRIES 6     /* stream ids; a few more than asks, for those appended again */
#define EPOCHS 9      /* and generations: one is named after the epoch that wrote it */
#ifndef ORPHANS
#define ORPHANS 1     /* commits under way without a sender; the fence lets one at most matter */
#endif

/* ---- what is left out on purpose ---------------------------------------------------------- */

/* commit_batch: WHERE epoch = p_epoch AND version = p_version - 1 */
#ifdef MUTATE_SQL_WITHOUT_EPOCH
#define SQL_EPOCH_FENCE(e) true
#else
#define SQL_EPOCH_FENCE(e) ((e) == pg_epoch)
#endif

/* decide.lua: check_state */
#ifdef MUTATE_LUA_WITHOUT_EPOCH
#define LUA_EPOCH_FENCE(me) (redis.epoch != 0)
#else
#define LUA_EPOCH_FENCE(me) (redis.epoch == a[me].epoch)
#endif

/* take.lua: whose state it was. The last writer must have been the owner before this one. */
#ifdef MUTATE_TAKE_WITHOUT_LAST_EPOCH
#define TAKEN_FROM_LAST_OWNER(me) true
#else
#define TAKEN_FROM_LAST_OWNER(me) (redis.epoch == a[me].epoch - 1)
#endif

/* stamp.lua: only the owner says how far answers were sent, and trims the stream. */
#ifdef MUTATE_STAMP_WITHOUT_EPOCH
#define STAMP_EPOCH_FENCE(me) true
#else
#define STAMP_EPOCH_FENCE(me) (redis.epoch == a[me].epoch)
#endif

/* rebuild.c: a generation that this one may drop. */
#ifdef MUTATE_DROP_ALL_OTHERS
#define MAY_DROP(me, g) ((g) != a[me].generation)
#else
#define MAY_DROP(me, g) ((g) < a[me].generation)
#endif

/* mend.lua: what stands behind the cursor is looked at whenever the partition is taken. */
#ifdef MUTATE_MEND_IF_LAST_BEHIND
#define MUST_MEND(me) (redis.last < a[me].read)
#else
#define MUST_MEND(me) true
#endif

/* Mutations are judged by what people would see, not by who did it. */
#ifdef CONSEQUENCES
#define BY_OWNER(c) true
#else
#define BY_OWNER(c) ((c) == claims)
#endif

/* ---- what there is ------------------------------------------------------------------------ */

#define NONE 0
#define GRANTED 1
#define REFUSED 2
#define AGAIN 2 /* in a batch: GRANTED + AGAIN, REFUSED + AGAIN repeat an earlier decision */

/* Small arrays in one number each, so that a state is small. */
#define BITS2(set, i) (((set) >> (2 * ((i) - 1))) & 3)
#define PUT2(set, i, x) set = ((set) & ~(3 << (2 * ((i) - 1)))) | ((x) << (2 * ((i) - 1)))
#define BITS3(set, i) (((set) >> (3 * ((i) - 1))) & 7)
#define PUT3(set, i, x) set = ((set) & ~(7 << (3 * ((i) - 1)))) | ((x) << (3 * ((i) - 1)))
#define BIT(set, i) (((set) >> ((i) - 1)) & 1)
#define PUT(set, i) set = (set) | (1 << ((i) - 1))

/* A batch on its way into Postgres: the arguments of commit_batch. */
typedef batch {
    unsigned version : 3;
    unsigned after : 3;     /* the cursor before it, */
    unsigned cursor : 3;    /* and with it */
    unsigned decisions : 9; /* of each id */
};

/* The row of `partitions`, the bookings and the journal. Never lost. */
unsigned pg_epoch : 4 = 1;
unsigned pg_version : 3;
unsigned pg_cursor : 3;
unsigned pg_generation : 4 = 1;
unsigned pg_stock : 2 = STOCK;
unsigned pg_decisions : 6;  /* of each id */
unsigned pg_decided_in : 9; /* in which version: the journal's order */

/* Redis, and the older state that it may come back with. */
typedef redis_state {
    unsigned epoch : 4;     /* the state hash; 0: there is none */
    unsigned generation : 4;
    unsigned version : 3;
    unsigned published : 3; /* up to which version answers were sent */
    unsigned clean : 1;
    unsigned stream : 1;    /* there is one: XADD NOMKSTREAM finds it */
    unsigned last : 3;      /* its last id */
    unsigned entries : 12;  /* of each stream id: which request, or none */
    unsigned replies : 6;   /* of each id */
    byte space[EPOCHS + 1]; /* a namespace of each generation: a bit for each live booking, */
};                          /* and the tier's counter above them */
#define STOCK_SHIFT 4
redis_state redis;
redis_state older;

unsigned highest : 3; /* ghost: the highest id ever given */

mtype = { EMPTY, SENT, LANDED, RAISED };
mtype = { STANDBY, TAKE, SNAPSHOT, WRITE_BOOKINGS, NAME, SWITCH, DROP, MEND, REPLAY, SERVE,
          PUBLISH, STAMP, DRAIN };

typedef allocator {
    mtype at = STANDBY;
    mtype wire = EMPTY;      /* the batch that Postgres has: */
    batch flight;
    batch next;              /* decided and not sent, or committed and not published; or none */
    unsigned connected : 1;  /* to the Redis that runs now */
    unsigned fenced : 1;     /* there is another owner: the lock is let go */
    unsigned epoch : 4;
    unsigned version : 3;    /* that Redis should have: of the last batch decided */
    unsigned generation : 4;
    unsigned read : 3;       /* the last entry decided; before that, the cursor */
    unsigned copy : 3;       /* the snapshot's bookings, while they are written; */
    unsigned published : 3;  /* and what Redis had when it was taken */
    unsigned claim : 4;      /* ghost: which ownership this is */
};
allocator a[2];

#define NOBODY 2
#define BOOTING 3
unsigned lock : 2 = BOOTING; /* who holds the advisory lock */

/* Commits whose sender is gone. */
typedef orphan {
    batch sent; /* version 0: none */
    unsigned epoch : 4;
    unsigned claim : 4;
};
orphan orphans[ORPHANS];

#if BREAKS
/* A call of the script that its caller has given up; it may run yet. Of one request, to be short. */
typedef late_call {
    unsigned there : 1;
    unsigned epoch : 4;
    unsigned generation : 4;
    unsigned version : 3;
    unsigned who : 2;
};
late_call late;
#endif

/* What the world may still do. */
unsigned crashes : 2 = CRASHES;
unsigned thefts : 2 = THEFTS;
unsigned losses : 2 = LOSSES;
unsigned rollbacks : 2 = ROLLBACKS;
unsigned saves : 2 = ROLLBACKS;
unsigned flushes : 2 = FLUSHES;
unsigned halves : 2 = HALVES;
unsigned breaks : 2 = BREAKS;
unsigned faults : 1 = 1;
unsigned asked : 3; /* requests that the gateway has appended */

/* Ghosts: what the properties speak of. */
unsigned claims : 4 = 1; /* ownerships so far */
unsigned owner : 1;      /* who claimed last */
unsigned took : 1;       /* that owner's epoch is in Redis, and Redis has lost nothing since */
unsigned owed : 3;       /* for each id: accepted, and Redis did not lose it */
#ifdef MUTATE_CURSOR_OUTSIDE
unsigned decided_to : 3; /* last entry of the last committed batch */
#define DECIDED_TO decided_to
#define SET_DECIDED_TO(cursor) decided_to = cursor
#else
#define DECIDED_TO pg_cursor
#define SET_DECIDED_TO(cursor) skip
#endif

/* Only within one step. */
hidden batch spare;
hidden byte i;
hidden byte j;
hidden byte k;
hidden byte d;
hidden short n;

/* ---- small things ------------------------------------------------------------------------- */

inline clear_batch(b)
{
    b.version = 0;
    b.after = 0;
    b.cursor = 0;
    b.decisions = 0
}

inline copy_batch(to, from)
{
    to.version = from.version;
    to.after = from.after;
    to.cursor = from.cursor;
    to.decisions = from.decisions
}

inline copy_redis(to, from)
{
    to.epoch = from.epoch;
    to.generation = from.generation;
    to.version = from.version;
    to.clean = from.clean;
    to.stream = from.stream;
    to.last = from.last;
    to.published = from.published;
    to.entries = from.entries;
    to.replies = from.replies;
    for (i : 1 .. EPOCHS) {
        to.space[i] = from.space[i]
    };
    skip
}

inline clear_redis(r)
{
    r.epoch = 0;
    r.generation = 0;
    r.version = 0;
    r.clean = 0;
    r.stream = 0;
    r.last = 0;
    r.published = 0;
    r.entries = 0;
    r.replies = 0;
    for (i : 1 .. EPOCHS) {
        r.space[i] = 0
    };
    skip
}

/* Redis lost what it had. Of the accepted requests, those that it still has are still owed. */
inline forget_lost()
{
    took = 0;
    n = 0;
    for (i : 1 .. ENTRIES) {
        if
        :: BITS2(redis.entries, i) != NONE -> PUT(n, BITS2(redis.entries, i))
        :: else
        fi
    };
    owed = owed & n
}

#define IN_STREAM(x, from) ((x) > (from) && BITS2(redis.entries, x) != NONE)
#define WAITING(from)                                                                              \
    (IN_STREAM(1, from) + IN_STREAM(2, from) + IN_STREAM(3, from) + IN_STREAM(4, from) +           \
     IN_STREAM(5, from) + IN_STREAM(6, from))

/* XADD. An id is above all ids that the stream has; above all ever, unless the clock ran back. */
inline append(who)
{
    if
    :: !CLOCK_BACK && highest > redis.last -> n = highest + 1
    :: else -> n = redis.last + 1
    fi;
    assert(n <= ENTRIES); /* the bound of the model */
    redis.last = n;
    PUT2(redis.entries, n, who);
    if
    :: n > highest -> highest = n
    :: else
    fi
}

/* ---- Postgres ----------------------------------------------------------------------------- */

/* commit_batch: one transaction. `outcome` becomes LANDED or RAISED. */
inline commit_batch(b, b_epoch, b_claim, outcome)
{
    if
    :: b.version == pg_version + 1 && SQL_EPOCH_FENCE(b_epoch) ->
        assert(BY_OWNER(b_claim));      /* 10: only the owner commits */
        assert(b.after == DECIDED_TO);  /* 5: every entry, in order */
        SET_DECIDED_TO(b.cursor);
        pg_version = b.version;
        pg_cursor = b.cursor;
        for (i : 1 .. IDS) {
            d = BITS3(b.decisions, i);
            if
            :: d == GRANTED || d == REFUSED ->
                assert(BITS2(pg_decisions, i) == NONE); /* 3: one decision an id */
                PUT2(pg_decisions, i, d);
                PUT3(pg_decided_in, i, b.version);
                if
                :: d == GRANTED ->
                    assert(pg_stock > 0);               /* 1: never oversold */
                    pg_stock--
                :: else
                fi
            :: else
            fi
        };
        for (i : 1 .. IDS) {                            /* 5: refused for those before, only */
            assert(TIMEOUTS || BITS3(b.decisions, i) != REFUSED || pg_stock == 0)
        };
        outcome = LANDED
    :: else -> outcome = RAISED
    fi
}

inline clear_orphan(o)
{
    orphans[o].epoch = 0;
    orphans[o].claim = 0;
    clear_batch(orphans[o].sent)
}

mtype landed = EMPTY;
inline land_orphan(o)
{
    commit_batch(orphans[o].sent, orphans[o].epoch, orphans[o].claim, landed);
    landed = EMPTY;
    clear_orphan(o)
}

/*
 * A commit of an older epoch can only raise: dropping it as soon as the epoch is higher is the
 * same, and leaves fewer states.
 */
inline drop_fenced_orphans()
{
#ifndef MUTATE_SQL_WITHOUT_EPOCH
    for (k : 0 .. ORPHANS - 1) {
        if
        :: orphans[k].epoch < pg_epoch -> clear_orphan(k)
        :: else
        fi
    };
#endif
    skip
}

/* The sender of a commit goes away before it has an answer: it lands later, or never. */
inline orphan_commit(me)
{
    if
    :: a[me].wire == SENT ->
        k = 0;
        do
        :: k < ORPHANS && orphans[k].sent.version != 0 -> k++
        :: else -> break
        od;
#ifndef MUTATE_SQL_WITHOUT_EPOCH
        assert(k < ORPHANS || a[me].epoch < pg_epoch); /* the bound of the model */
#endif
        if
        :: k < ORPHANS ->
            orphans[k].epoch = a[me].epoch;
            orphans[k].claim = a[me].claim;
            copy_batch(orphans[k].sent, a[me].flight)
        :: else
        fi;
        drop_fenced_orphans()
    :: else
    fi;
    a[me].wire = EMPTY;
    clear_batch(a[me].flight)
}

inline read_row(me)
{
    a[me].epoch = pg_epoch;
    a[me].version = pg_version;
    a[me].generation = pg_generation;
    a[me].read = pg_cursor
}

/* claim_partition: UPDATE partitions SET epoch = epoch + 1 … RETURNING, with the lock or without. */
inline claim_partition(me)
{
    lock = me;
    owner = me;
    took = 0;
    assert(pg_epoch < EPOCHS); /* the bound of the model */
    pg_epoch++;
    claims++;
    a[me].claim = claims;
    read_row(me);
    drop_fenced_orphans();
    a[me].at = TAKE
}

/* ---- the allocator ------------------------------------------------------------------------ */

/* end_tenure: all that this ownership knew is void. Whoever has the lock may claim anew. */
inline end_tenure(me)
{
    orphan_commit(me);
    clear_batch(a[me].next);
    a[me].at = STANDBY;
    a[me].connected = 0; /* it may be, but that makes no difference before the next take */
    a[me].fenced = 0;
    a[me].epoch = 0;
    a[me].version = 0;
    a[me].generation = 0;
    a[me].read = 0;
    a[me].copy = 0;
    a[me].published = 0;
    a[me].claim = 0
}

/* ledger_disconnect: the session ends, and with it the lock. */
inline leave(me)
{
    end_tenure(me);
    if
    :: lock == me -> lock = NOBODY
    :: else
    fi
}

/* Redis is not as it should be, or not there: settle what is in flight, then begin anew. */
inline give_up(me)
{
    clear_batch(a[me].next);
    if
    :: a[me].wire == EMPTY && a[me].fenced -> leave(me)
    :: a[me].wire == EMPTY && !a[me].fenced -> end_tenure(me)
    :: else -> a[me].at = DRAIN
    fi
}

#define REDIS_EQUALS_ROW(me)                                                                       \
    (redis.generation == a[me].generation && redis.version == a[me].version && redis.clean)

/* take.lua, and what tenure_take makes of its answer. A fence here asks for a higher epoch. */
inline take(me)
{
    a[me].connected = 1;
    if
    :: redis.epoch > a[me].epoch -> end_tenure(me)
    :: else ->
        a[me].published = redis.published;
        if
        :: REDIS_EQUALS_ROW(me) && TAKEN_FROM_LAST_OWNER(me) -> a[me].at = MEND
        :: else -> a[me].at = SNAPSHOT
        fi;
        redis.epoch = a[me].epoch;
        if
        :: me == owner -> took = 1
        :: else
        fi
    fi
}

/*
 * One repeatable-read snapshot of the row and the bookings, written into a namespace of its own in
 * several calls of load.lua, which looks at the epoch.
 */
inline snapshot(me)
{
    if
    :: pg_epoch != a[me].epoch || redis.epoch != a[me].epoch -> leave(me)
    :: else ->
#ifdef MUTATE_ONE_GENERATION
        a[me].generation = 1;
#else
        a[me].generation = a[me].epoch;
#endif
        a[me].copy = 0;
        for (i : 1 .. IDS) {
            if
            :: BITS2(pg_decisions, i) == GRANTED -> PUT(a[me].copy, i)
            :: else
            fi
        };
        n = STOCK - BIT(a[me].copy, 1) - BIT(a[me].copy, 2) - BIT(a[me].copy, 3);
        redis.space[a[me].generation] =
            (redis.space[a[me].generation] & 7) | (n << STOCK_SHIFT);
        a[me].at = WRITE_BOOKINGS
    fi
}

inline write_bookings(me)
{
    if
    :: redis.epoch != a[me].epoch -> leave(me)
    :: else ->
        redis.space[a[me].generation] =
            (redis.space[a[me].generation] & ~7) | a[me].copy;
        a[me].copy = 0;
        a[me].at = NAME
    fi
}

/* name_generation: Postgres knows the name before Redis uses it. */
inline name_generation(me)
{
    if
    :: pg_epoch != a[me].epoch -> leave(me)
    :: else ->
        pg_generation = a[me].generation;
        a[me].at = SWITCH
    fi
}

/* switch.lua */
inline switch_generation(me)
{
    if
    :: redis.epoch != a[me].epoch -> leave(me)
    :: else ->
        assert(me == owner || !took); /* 10 */
        redis.generation = a[me].generation;
        redis.version = a[me].version;
        redis.clean = 1;
        a[me].at = DROP
    fi
}

/* drop_other_generations, by plain commands. */
inline drop_generations(me)
{
    for (i : 1 .. EPOCHS) {
        if
        :: MAY_DROP(me, i) -> redis.space[i] = 0
        :: else
        fi
    };
    a[me].at = MEND
}

/*
 * mend.lua: the stream exists and goes on after the cursor (XSETID); and what stands behind the
 * cursor and was never decided is appended again: Redis had lost its last id when that came in.
 * (The script appends all of it, and what was decided gets its answer again: the same outcome by
 * more states.)
 */
inline mend_stream(me)
{
    redis.stream = 1;
    if
    :: MUST_MEND(me) ->
        if
        :: redis.last < a[me].read -> redis.last = a[me].read
        :: else
        fi;
        for (j : 1 .. ENTRIES) {
            k = BITS2(redis.entries, j);
            if
            :: j <= a[me].read && k != NONE ->
                PUT2(redis.entries, j, NONE);
                if
                :: BITS2(pg_decisions, k) == NONE -> append(k)
                :: else
                fi
            :: else
            fi
        }
    :: else
    fi;
    a[me].at = REPLAY
}

/* An answer leaves: Redis keeps it, and whoever waits is told. */
inline publish_one(who, what)
{
    assert(BITS2(pg_decisions, who) == what); /* 2, 3: what is told is the decision in Postgres */
    PUT2(redis.replies, who, what)
}

/* publisher_replay: what the journal has and this Redis may not have shown. */
inline replay_journal(me)
{
    for (i : 1 .. IDS) {
        d = BITS2(pg_decisions, i);
        if
        :: d != NONE && BITS3(pg_decided_in, i) > a[me].published -> publish_one(i, d)
        :: else
        fi
    };
    a[me].published = 0;
    a[me].at = STAMP
}

/* XTRIM MINID */
inline trim_to(upto)
{
    for (i : 1 .. ENTRIES) {
        if
        :: i <= upto -> PUT2(redis.entries, i, NONE)
        :: else
        fi
    };
    skip
}

/* stamp.lua, behind the answers in the pipeline: of the batch just published, or the journal. */
inline stamp(me)
{
    n = a[me].version;
    k = a[me].read;
    if
    :: a[me].next.version != 0 ->
        n = a[me].next.version;
        k = a[me].next.cursor
    :: else
    fi;
    if
    :: STAMP_EPOCH_FENCE(me) ->
        redis.published = n;
        trim_to(k)
    :: else
    fi;
    clear_batch(a[me].next);
    a[me].at = SERVE
}

/* What the owner goes on with: Postgres' bookings, and those of its batch in flight. */
inline check_state_is_true(me)
{
    n = 0;
    k = STOCK;
    for (i : 1 .. IDS) {
        if
        :: BITS2(pg_decisions, i) == GRANTED || BITS3(a[me].flight.decisions, i) == GRANTED ->
            PUT(n, i);
            k--
        :: else
        fi
    };
    assert(redis.space[a[me].generation] == (n | (k << STOCK_SHIFT)))
}

#define SCRIPT_AGREES(me) (a[me].connected && LUA_EPOCH_FENCE(me) && REDIS_EQUALS_ROW(me))

/* One request, in the script. `is_late`: its deadline has passed. */
inline decide_one(me, who, is_late)
{
    d = BITS3(a[me].flight.decisions, who); /* the allocator knows what it has in flight */
    if
    :: BITS2(redis.replies, who) != NONE -> d = BITS2(redis.replies, who) + AGAIN
    :: else ->
        if
        :: BIT(redis.space[a[me].generation], who) -> d = GRANTED + AGAIN
        :: else ->
            if
            :: d == REFUSED || d == REFUSED + AGAIN -> d = REFUSED + AGAIN
            :: else ->
                if
                :: (redis.space[a[me].generation] >> STOCK_SHIFT) > 0 && !(is_late) ->
                    redis.space[a[me].generation] =
                        redis.space[a[me].generation] - (1 << STOCK_SHIFT);
                    PUT(redis.space[a[me].generation], who);
                    d = GRANTED
                :: else -> d = REFUSED
                fi
            fi
        fi
    fi;
    if
    :: BITS3(a[me].next.decisions, who) == NONE -> PUT3(a[me].next.decisions, who, d)
    :: else /* its second time in this batch */
    fi
}

inline publish_batch(b)
{
    for (i : 1 .. IDS) {
        d = BITS3(b.decisions, i);
        if
        :: d > AGAIN -> d = d - AGAIN
        :: else
        fi;
        if
        :: d != NONE -> publish_one(i, d)
        :: else
        fi
    };
    skip
}

/* ledger_begin: commit_batch is sent; its answer comes later. */
inline send(me)
{
#ifdef MUTATE_CURSOR_OUTSIDE
    pg_cursor = a[me].next.cursor; /* in a statement of its own, ahead of the batch */
#endif
    copy_batch(a[me].flight, a[me].next);
    clear_batch(a[me].next);
    a[me].wire = SENT
}

/* The batch has landed: the next one, if there is one, is sent before this one's answers leave. */
inline settle(me)
{
    copy_batch(spare, a[me].flight);
    if
    :: a[me].next.version != 0 ->
        send(me);
        a[me].at = PUBLISH
    :: else ->
        a[me].wire = EMPTY;
        clear_batch(a[me].flight);
        a[me].at = PUBLISH
    fi;
    copy_batch(a[me].next, spare);
    clear_batch(spare)
}

/* decide.lua: the next `count` entries; the bits of `lateness` say whose deadline has passed. */
inline decide(me, count, lateness)
{
#ifndef CONSEQUENCES
    if
    :: me == owner -> check_state_is_true(me) /* 9, 10 */
    :: else -> assert(!took)                  /* 10: nobody else, once the owner has taken it */
    fi;
#endif
    a[me].next.version = a[me].version + 1;
    a[me].next.after = a[me].read;
    j = 0;
    i = a[me].read + 1;
    do
    :: j < count ->
        k = BITS2(redis.entries, i);
        if
        :: k != NONE ->
            decide_one(me, k, (lateness >> j) & 1);
            a[me].next.cursor = i;
            j++
        :: else
        fi;
        i++
    :: else -> break
    od;
    a[me].read = a[me].next.cursor;
    a[me].version = a[me].next.version;
    redis.version = a[me].version;
    if
    :: a[me].wire == EMPTY -> send(me)
    :: else
    fi;
#ifdef MUTATE_TRIM_BEFORE_COMMIT
    trim_to(a[me].read);
#endif
#ifdef MUTATE_PUBLISH_BEFORE_COMMIT
    publish_batch(a[me].flight);
#endif
    skip
}

/* The answer to a commit was lost, and the session with it. */
inline outcome_unknown(me)
{
#ifdef MUTATE_EPOCH_STAYS
    /* The same owner looks whether it has happened, and believes what it sees. */
    orphan_commit(me);
    clear_batch(a[me].next);
    if
    :: a[me].epoch == pg_epoch ->
        read_row(me);
        a[me].at = TAKE
    :: else -> leave(me)
    fi
#else
    leave(me)
#endif
}

#if BREAKS
inline give_up_call(me)
{
    late.there = 1;
    late.epoch = a[me].epoch;
    late.generation = a[me].generation;
    late.version = a[me].version;
    j = a[me].read + 1;
    do
    :: BITS2(redis.entries, j) == NONE -> j++
    :: else -> break
    od;
    late.who = BITS2(redis.entries, j);
    a[me].connected = 0;
    give_up(me)
}

inline drop_late_call()
{
    late.there = 0;
    late.epoch = 0;
    late.generation = 0;
    late.version = 0;
    late.who = 0
}

inline run_late_call()
{
    if
    :: redis.epoch == late.epoch && redis.generation == late.generation &&
       redis.version == late.version && redis.clean ->
        redis.version = late.version + 1;
        if
        :: (redis.space[late.generation] >> STOCK_SHIFT) > 0 &&
           !BIT(redis.space[late.generation], late.who) ->
            redis.space[late.generation] = redis.space[late.generation] - (1 << STOCK_SHIFT);
            PUT(redis.space[late.generation], late.who)
        :: else
        fi
    :: else
    fi;
    drop_late_call()
}
#endif

#define AT(place) (a[_pid].at == place)
#define ON(place) (a[_pid].at == place && a[_pid].connected)
#define MAY_DECIDE(count)                                                                          \
    (AT(SERVE) && a[_pid].next.version == 0 && (DEPTH == 2 || a[_pid].wire == EMPTY) &&            \
     SCRIPT_AGREES(_pid) && WAITING(a[_pid].read) >= count)

active [2] proctype Allocator()
{
end:
    do
    /* Stand by. The lock is free, or still ours; or its holder seems to hang and is terminated. */
    :: d_step { AT(STANDBY) && (lock == NOBODY || lock == _pid) -> claim_partition(_pid) }
    :: d_step { AT(STANDBY) && lock == 1 - _pid && thefts > 0 -> thefts--; claim_partition(_pid) }

    /* Take it: in Redis too, and write that anew if it is not what Postgres says. */
    :: d_step { AT(TAKE) -> take(_pid) }
    :: d_step { ON(SNAPSHOT) -> snapshot(_pid) }
    :: d_step { ON(WRITE_BOOKINGS) -> write_bookings(_pid) }
    :: d_step { AT(NAME) -> name_generation(_pid) }
    :: d_step { ON(SWITCH) -> switch_generation(_pid) }
    :: d_step { ON(DROP) -> drop_generations(_pid) }
    :: d_step { ON(MEND) -> mend_stream(_pid) }
    :: d_step { ON(REPLAY) -> replay_journal(_pid) }

    /* Serve: decide, commit, publish, trim. */
    :: d_step { MAY_DECIDE(1) -> decide(_pid, 1, 0) }
    :: d_step { MAY_DECIDE(2) -> decide(_pid, 2, 0) }
#if TIMEOUTS
    :: d_step { MAY_DECIDE(1) -> decide(_pid, 1, 1) }
    :: d_step { MAY_DECIDE(2) -> decide(_pid, 2, 1) }
    :: d_step { MAY_DECIDE(2) -> decide(_pid, 2, 2) }
    :: d_step { MAY_DECIDE(2) -> decide(_pid, 2, 3) }
#endif
    :: d_step { AT(SERVE) && a[_pid].wire == LANDED -> settle(_pid) }
    :: d_step { ON(PUBLISH) -> publish_batch(a[_pid].next); a[_pid].at = STAMP }
    :: d_step { ON(STAMP) -> stamp(_pid) }

    /* Redis is not what it should be: the next call of the script says so, or check_redis. */
    :: d_step { AT(SERVE) && !SCRIPT_AGREES(_pid) ->
                a[_pid].fenced = a[_pid].connected && redis.epoch > a[_pid].epoch;
                give_up(_pid) }
    :: d_step { !a[_pid].connected &&
                (AT(SNAPSHOT) || AT(WRITE_BOOKINGS) || AT(SWITCH) || AT(DROP) || AT(MEND) ||
                 AT(REPLAY) || AT(PUBLISH) || AT(STAMP)) -> give_up(_pid) }
    :: d_step { AT(DRAIN) && a[_pid].wire == LANDED ->
                a[_pid].wire = EMPTY; clear_batch(a[_pid].flight); give_up(_pid) }

    /* The commit raised: there is another owner. */
    :: d_step { (AT(SERVE) || AT(DRAIN)) && a[_pid].wire == RAISED -> leave(_pid) }

    /* Its outcome is not known: nothing is decided before the partition is claimed anew. */
    :: d_step { losses > 0 && (AT(SERVE) || AT(DRAIN)) && a[_pid].wire == SENT ->
                losses--; outcome_unknown(_pid) }

    /* Killed, anywhere. */
    :: d_step { crashes > 0 && !AT(STANDBY) -> crashes--; leave(_pid) }

#if HALVES
    /* The script dies between its writes. */
    :: d_step { halves > 0 && MAY_DECIDE(1) && redis.space[a[_pid].generation] >> STOCK_SHIFT > 0 ->
                halves--; redis.clean = 0;
                redis.space[a[_pid].generation] =
                    redis.space[a[_pid].generation] - (1 << STOCK_SHIFT);
                give_up(_pid) }
#endif
#if BREAKS
    /* The script ran, or runs later, or never; nobody knows. */
    :: d_step { breaks > 0 && MAY_DECIDE(1) ->
                breaks--; decide(_pid, 1, 0); a[_pid].connected = 0; give_up(_pid) }
    :: d_step { breaks > 0 && MAY_DECIDE(1) -> breaks--; give_up_call(_pid) }
#endif
    od
}

/* The database's side of the connections. */
active proctype Postgres()
{
end:
    do
    :: d_step { a[0].wire == SENT -> commit_batch(a[0].flight, a[0].epoch, a[0].claim, a[0].wire) }
    :: d_step { a[1].wire == SENT -> commit_batch(a[1].flight, a[1].epoch, a[1].claim, a[1].wire) }
    :: d_step { orphans[0].sent.version != 0 -> land_orphan(0) }
    :: d_step { orphans[0].sent.version != 0 -> clear_orphan(0) }
#if ORPHANS > 1
    :: d_step { orphans[1].sent.version != 0 -> land_orphan(1) }
    :: d_step { orphans[1].sent.version != 0 -> clear_orphan(1) }
#endif
    od
}

active proctype Gateway()
{
end:
    do
    :: d_step { asked < ASKS && redis.stream ->
                k = (asked < IDS -> asked + 1 : asked - IDS + 1);
                asked++;
                append(k);
                PUT(owed, k) }
    od
}

active proctype World()
{
    /* It begins with an owner that serves: who that is makes no difference. */
    d_step {
        redis.epoch = 1;
        redis.generation = 1;
        redis.clean = 1;
        redis.stream = 1;
        redis.space[1] = STOCK << STOCK_SHIFT;
        a[0].at = SERVE;
        a[0].connected = 1;
        a[0].epoch = 1;
        a[0].generation = 1;
        a[0].claim = 1;
        took = 1;
        lock = 0
    }
end:
    do
    :: d_step { saves > 0 && rollbacks > 0 -> saves--; copy_redis(older, redis) }
    :: d_step { rollbacks > 0 ->
                rollbacks--;
                copy_redis(redis, older);
                if
                :: rollbacks == 0 -> clear_redis(older); saves = 0
                :: else
                fi;
                a[0].connected = 0;
                a[1].connected = 0;
                forget_lost() }
    :: d_step { flushes > 0 -> flushes--; clear_redis(redis); forget_lost() }
#if BREAKS
    :: d_step { late.there -> run_late_call() }
    :: d_step { late.there -> drop_late_call() }
#endif
    /* From some time on nothing breaks any more. */
    :: d_step { faults && lock != BOOTING ->
                faults = 0; crashes = 0; thefts = 0; losses = 0; rollbacks = 0; saves = 0;
                flushes = 0; halves = 0; breaks = 0; clear_redis(older) }
    od
}

/* When nothing more can happen, all is well again by itself. */
active proctype Quiescence()
{
    timeout ->
    d_step {
        assert(asked == ASKS);
        assert(lock != NOBODY && lock == owner && a[owner].at == SERVE);
        assert(a[owner].epoch == pg_epoch && redis.epoch == pg_epoch);
        assert(a[owner].wire == EMPTY && a[owner].next.version == 0);
        assert(redis.generation == pg_generation && redis.version == pg_version && redis.clean);
#ifndef CONSEQUENCES
        assert(redis.published == pg_version);
#endif
        check_state_is_true(owner);
        for (i : 1 .. IDS) {
            assert(!BIT(owed, i) || BITS2(pg_decisions, i) != NONE);     /* nobody waits for ever, */
            assert(BITS2(redis.replies, i) == BITS2(pg_decisions, i)) /* and who asks is told */
        };
        skip
    }
}
