/*
 * A show moves from one partition to another and back (DESIGN.md, "A show moves"), for exhaustive
 * checking with spin.
 *
 * Two partitions with an owner each (and perhaps a second one that believes to be it), one
 * Postgres, a Redis for each partition, a gateway that may know the place where the show was, and a
 * world that breaks things between any two steps. What partition.pml has shown of one partition is
 * taken here in larger steps: a batch is one request, one is in flight, a rebuild is one step.
 * README.md says which line of the programs each step stands for; check.py says which
 * configurations are checked, and which mutations (MUTATE_…) must be refuted.
 */

/* ---- sizes, and how often the world may do what ------------------------------------------ */

#ifndef IDS
#define IDS 2 /* request ids, at most 3 */
#endif
#ifndef REPEATS
#define REPEATS 0 /* how many of them are asked for a second time: under a key, that is */
#endif
#ifndef STOCK
#define STOCK 1 /* places to sell: fewer than IDS, so that order matters */
#endif
#ifndef MOVES
#define MOVES 2 /* there and back */
#endif
#ifndef SLOTS
#define SLOTS 1 /* allocators of a partition; with 2, one may take it although the other lives */
#endif
#ifndef CRASHES
#define CRASHES 0 /* an allocator dies and starts again without memory */
#endif
#ifndef THEFTS
#define THEFTS 0 /* a partition is taken although its owner lives */
#endif
#ifndef FLUSHES
#define FLUSHES 0 /* the Redis of one partition is emptied */
#endif
#ifndef FORGETS
#define FORGETS 0 /* the journal is bounded: an older batch of it is gone */
#endif
#ifndef CLOCKS
#define CLOCKS 0 /* 1: deadlines pass, and the hosts' clocks differ */
#endif

#define ASKS (IDS + REPEATS)
#define KEYED (REPEATS > 0)
#define ENTRIES 7
#define OWNERS (2 * SLOTS)
#define PARTITION(me) ((me) / SLOTS)

/* ---- what is left out on purpose ---------------------------------------------------------- */

/* admin_hand_over: the epoch of the partition that the show comes to goes up. */
#ifdef MUTATE_NO_FENCE
#define FENCE 0
#else
#define FENCE 1
#endif

/* … and its version is no lower than that of the partition which the show leaves. */
#ifdef MUTATE_VERSION_STAYS
#define LIFTED(theirs, ours) (theirs)
#else
#define LIFTED(theirs, ours) ((theirs) > (ours) -> (theirs) : (ours))
#endif

/* … nor its clock. */
#ifdef MUTATE_CLOCK_STAYS
#define LATER(theirs, ours) (theirs)
#else
#define LATER(theirs, ours) ((theirs) | (ours))
#endif

/* handover.c: the entry is marked. */
#ifdef MUTATE_NOT_AGAIN
#define MARK 0
#else
#define MARK 1
#endif

/* former.c: requests that are from before the move may have been answered there. */
#define MAY_KNOW(me, who) (a[me].knows && BIT(before, who))
#ifdef MUTATE_NO_FORMERS
#define LOOKS_THERE(me, who) false
#else
#define LOOKS_THERE(me, who) MAY_KNOW(me, who)
#endif

/* … or granted: find_repeated asks Postgres. */
#ifdef MUTATE_NOT_LOOKED_UP
#define LOOKED_UP(me, who, which) (KEYED || a[me].careful || BIT(redis[p].marks, which))
#else
#define LOOKED_UP(me, who, which)                                                                  \
    (KEYED || a[me].careful || BIT(redis[p].marks, which) || MAY_KNOW(me, who))
#endif

/* … and where Redis may have lost what was answered there, its journal. */
#ifdef MUTATE_NO_JOURNAL
#define HAS_ALL_ANSWERS(part) true
#else
#define HAS_ALL_ANSWERS(part) (redis[part].published >= left_in[part])
#endif

/* ---- what there is ------------------------------------------------------------------------ */

/* A decision: NONE, GRANTED, REFUSED, or one of the last two again. In a batch also: */
#define NONE 0
#define GRANTED 1
#define REFUSED 2
#define AGAIN 2
#define HANDED 5 /* the show is elsewhere, and so is the request from now on */
#define MOVING 6 /* the show goes */

#define BITS2(set, i) (((set) >> (2 * ((i) - 1))) & 3)
#define PUT2(set, i, x) set = ((set) & ~(3 << (2 * ((i) - 1)))) | ((x) << (2 * ((i) - 1)))
#define BITS4(set, i) (((set) >> (4 * ((i) - 1))) & 15)
#define PUT4(set, i, x) set = ((set) & ~(15 << (4 * ((i) - 1)))) | ((x) << (4 * ((i) - 1)))
#define BIT(set, i) (((set) >> ((i) - 1)) & 1)
#define PUT(set, i) set = (set) | (1 << ((i) - 1))
#define DROP(set, i) set = (set) & ~(1 << ((i) - 1))

typedef batch {
    unsigned version : 4; /* 0: there is none */
    unsigned cursor : 3;
    unsigned id : 2;
    unsigned what : 3;
    unsigned now : 1;
};

/* Postgres: the rows of `partitions`; where the show is; bookings and journals. Never lost. */
typedef row {
    unsigned epoch : 4;
    unsigned version : 4;
    unsigned cursor : 3;
    unsigned now : 1;
};
row pg[2];
unsigned show_at : 1;
unsigned moved : 2;         /* how often */
byte left_in[2];            /* in which version it left a partition last */
unsigned before : 3;        /* requests that were made before it last moved */
unsigned decisions : 6;     /* of each id; what of it stands in bookings is GRANTED */
unsigned decided_at : 3;    /* by which partition, */
unsigned decided_in : 12;   /* and in which version of it: its journal, */
unsigned forgotten : 3;     /* less what was granted in batches that are gone from it */

typedef redis_state {
    unsigned epoch : 4; /* 0: it has no state */
    unsigned version : 4;
    unsigned published : 4;
    unsigned stream : 1;
    unsigned loaded : 1;     /* it is loaded */
    unsigned taken : 3;    /* live bookings of it */
    unsigned last : 3;     /* id of the stream */
    unsigned entries : 14; /* of each stream id: which request, or none */
    unsigned marks : 7;    /* … and whether it is marked `again` */
    unsigned replies : 6;  /* of each request, as this partition answered it */
};
redis_state redis[2];
byte highest[2]; /* ghost: stream ids grow whatever was lost */

mtype = { EMPTY, SENT, LANDED, RAISED, REJECTED };
mtype = { STANDBY, TAKE, REBUILD, MEND, SERVE, HAND, SEND, WAIT, PUBLISH };

typedef allocator {
    mtype at = STANDBY;
    mtype wire = EMPTY;
    batch b;
    unsigned epoch : 4;
    unsigned version : 4; /* of the last batch decided */
    unsigned read : 3;    /* its last entry */
    unsigned now : 1;     /* the partition's clock: 1 is behind all deadlines */
    unsigned knows : 1;   /* where the show was before */
    unsigned careful : 1; /* Postgres rejected a batch: look every id up */
};
allocator a[OWNERS];

#define NOBODY 9
byte lock[2] = NOBODY;

/* A commit whose sender is gone: it lands later, or never. */
typedef orphan {
    batch b; /* version 0: none */
    unsigned epoch : 4;
};
orphan late[2];

unsigned crashes : 2 = CRASHES;
unsigned thefts : 2 = THEFTS;
unsigned flushes : 2 = FLUSHES;
unsigned moves : 2 = MOVES;
unsigned faults : 1 = 1;
unsigned asked : 3;

/* Ghosts: what the properties speak of. */
unsigned owed : 3;    /* for each id: accepted, and no Redis lost it */
unsigned told : 3;    /* for each id: by a gateway, that its time was over undecided */
unsigned shown : 4;   /* the version that readers of the show know */

/* Only within one step. */
hidden byte i;
hidden byte j;
hidden byte k;
hidden byte d;
hidden byte e;
hidden byte p;
hidden byte q;
hidden byte n;

/* ---- small things ------------------------------------------------------------------------- */

inline clear_batch(x)
{
    x.version = 0;
    x.cursor = 0;
    x.id = 0;
    x.what = 0;
    x.now = 0
}

/* XADD. */
inline append(to, who, mark)
{
    assert(highest[to] < ENTRIES); /* the bound of the model */
    highest[to] = highest[to] + 1;
    redis[to].last = highest[to];
    redis[to].stream = 1;
    PUT2(redis[to].entries, highest[to], who);
    if
    :: mark -> PUT(redis[to].marks, highest[to])
    :: else
    fi
}

#define IN_STREAM(part, x, from) ((x) > (from) && BITS2(redis[part].entries, x) != NONE)
#define IS_WAITING(part, from)                                                                       \
    (IN_STREAM(part, 1, from) || IN_STREAM(part, 2, from) || IN_STREAM(part, 3, from) ||                 \
     IN_STREAM(part, 4, from) || IN_STREAM(part, 5, from) || IN_STREAM(part, 6, from) ||               \
     IN_STREAM(part, 7, from))

#define COUNT(set) (BIT(set, 1) + BIT(set, 2) + BIT(set, 3))

/* Postgres' bookings. */
inline granted_into(set)
{
    set = 0;
    for (i : 1 .. IDS) {
        if
        :: BITS2(decisions, i) == GRANTED -> PUT(set, i)
        :: else
        fi
    }
}

/* ---- Postgres ----------------------------------------------------------------------------- */

/* commit_batch, and with it commit_admin and admin_hand_over: one transaction. */
inline commit_batch(part, x, x_epoch, outcome)
{
    if
    :: x.version != pg[part].version + 1 || x_epoch != pg[part].epoch -> outcome = RAISED
    :: else ->
        if
        :: x.what == GRANTED && BITS2(decisions, x.id) == GRANTED -> outcome = REJECTED /* its key */
        :: else ->
            outcome = LANDED;
            pg[part].version = x.version;
            assert(x.cursor >= pg[part].cursor); /* the stream is decided in its order */
            pg[part].cursor = x.cursor;
            pg[part].now = pg[part].now | x.now;
            if
            :: x.what == GRANTED || x.what == REFUSED ->
                assert(show_at == part);                     /* one partition decides the show */
                assert(BITS2(decisions, x.id) == NONE);    /* one decision an id */
                assert(x.version > shown);                 /* readers see versions grow */
                shown = x.version;
                granted_into(n);
                assert(x.what == REFUSED || COUNT(n) < STOCK);
                assert(x.what == REFUSED || !BIT(told, x.id)); /* over is over */
                PUT2(decisions, x.id, x.what);
                PUT4(decided_in, x.id, x.version);
                DROP(decided_at, x.id);
                if
                :: part == 1 -> PUT(decided_at, x.id)
                :: else
                fi
            :: x.what == MOVING ->
                assert(show_at == part);
                show_at = 1 - part;
                moved++;
                left_in[part] = x.version;
                before = (1 << (asked < IDS -> asked : IDS)) - 1;
                pg[1 - part].epoch = pg[1 - part].epoch + FENCE;
                pg[1 - part].version = LIFTED(pg[1 - part].version, x.version);
                pg[1 - part].now = LATER(pg[1 - part].now, pg[part].now)
            :: else
            fi
        fi
    fi
}

inline drop_orphan(part)
{
    clear_batch(late[part].b);
    late[part].epoch = 0
}

/* One of an older epoch can only raise. */
inline drop_fenced_orphan(part)
{
    if
    :: late[part].epoch < pg[part].epoch -> drop_orphan(part)
    :: else
    fi
}

mtype landed = EMPTY;
inline land_orphan(part)
{
    commit_batch(part, late[part].b, late[part].epoch, landed);
    landed = EMPTY;
    drop_orphan(part);
    drop_fenced_orphan(1 - part)
}

inline forget_all(me)
{
    a[me].at = STANDBY;
    a[me].wire = EMPTY;
    a[me].epoch = 0;
    a[me].version = 0;
    a[me].read = 0;
    a[me].now = 0;
    a[me].knows = 0;
    clear_batch(a[me].b)
}

/* The tenure is over. A commit under way is settled, its outcome is read by the next one. */
inline give_up(me)
{
    p = PARTITION(me);
    if
    :: lock[p] == me -> lock[p] = NOBODY
    :: else
    fi;
    forget_all(me)
}

/* Killed; a commit under way lands later, or never. */
inline die(me)
{
    p = PARTITION(me);
    if
    :: a[me].wire == SENT && a[me].epoch == pg[p].epoch ->
        late[p].b.version = a[me].b.version;
        late[p].b.cursor = a[me].b.cursor;
        late[p].b.id = a[me].b.id;
        late[p].b.what = a[me].b.what;
        late[p].b.now = a[me].b.now;
        late[p].epoch = a[me].epoch
    :: else
    fi;
    a[me].careful = 0;
    give_up(me)
}

/* ---- taking a partition ------------------------------------------------------------------- */

inline claim(me)
{
    p = PARTITION(me);
    pg[p].epoch = pg[p].epoch + 1;
    drop_fenced_orphan(p);
    lock[p] = me;
    a[me].epoch = pg[p].epoch;
    a[me].version = pg[p].version;
    a[me].read = pg[p].cursor;
    a[me].now = pg[p].now;
    a[me].at = TAKE
}

/* take.lua, and redis_equals_postgres. */
inline take(me)
{
    p = PARTITION(me);
    if
    :: redis[p].epoch > a[me].epoch -> give_up(me)
    :: else ->
        if
        :: redis[p].epoch != 0 && redis[p].epoch + 1 == a[me].epoch &&
           redis[p].version == a[me].version -> a[me].at = MEND
        :: else -> a[me].at = REBUILD
        fi;
        redis[p].epoch = a[me].epoch
    fi
}

inline load_show(part)
{
    redis[part].loaded = (show_at == part);
    if
    :: show_at == part -> granted_into(n)
    :: else -> n = 0
    fi;
    redis[part].taken = n
}

/* The snapshot must be of the version that the tenure began with (check_version). */
inline rebuild(me)
{
    p = PARTITION(me);
    if
    :: redis[p].epoch != a[me].epoch || pg[p].epoch != a[me].epoch -> give_up(me)
    :: else ->
        load_show(p);
        redis[p].version = a[me].version;
        a[me].at = MEND
    fi
}

/* former_read, mend.lua, publisher_replay. */
inline mend(me)
{
    p = PARTITION(me);
    if
    :: redis[p].epoch != a[me].epoch -> give_up(me)
    :: else ->
        a[me].knows = (show_at == p && moved > 0);
        redis[p].stream = 1;
        if
        :: redis[p].last < a[me].read -> redis[p].last = a[me].read
        :: else
        fi;
        for (i : 1 .. IDS) {
            if
            :: BITS2(decisions, i) != NONE && BIT(decided_at, i) == p && !BIT(forgotten, i) &&
               BITS4(decided_in, i) > redis[p].published ->
                PUT2(redis[p].replies, i, BITS2(decisions, i))
            :: else
            fi
        };
        redis[p].published = a[me].version;
        a[me].at = SERVE
    fi
}

/* ---- serving ------------------------------------------------------------------------------ */

#define SCRIPT_AGREES(me)                                                                          \
    (redis[PARTITION(me)].epoch == a[me].epoch && redis[PARTITION(me)].version == a[me].version)

inline begin_batch(me, which, who, decision)
{
    a[me].b.version = a[me].version + 1;
    a[me].b.cursor = which;
    a[me].b.id = who;
    a[me].b.what = decision;
    a[me].b.now = a[me].now;
    redis[PARTITION(me)].version = a[me].version + 1
}

/* In the script: the show is loaded. */
inline decide_new(me, who)
{
    assert(show_at == p); /* nobody else decides the show */
    if
    :: !a[me].now && COUNT(redis[p].taken) < STOCK ->
        PUT(redis[p].taken, who);
        d = GRANTED
    :: else -> d = REFUSED
    fi
}

/* NEED: with nothing in flight Postgres says where the show is (rebuild_show). */
inline meet_need(me, who)
{
    if
    :: show_at != p && moved > 0 -> d = HANDED
    :: else ->
        if
        :: pg[p].epoch != a[me].epoch || pg[p].version != a[me].version -> skip /* fenced */
        :: else ->
            load_show(p);
            decide_new(me, who)
        fi
    fi
}

/* decide in allocator.c: former_look, find_repeated, then the script. */
inline decide(me)
{
    p = PARTITION(me);
    e = a[me].read + 1;
    do
    :: BITS2(redis[p].entries, e) == NONE -> e++
    :: else -> break
    od;
    k = BITS2(redis[p].entries, e);
    d = NONE;
    if
    :: LOOKS_THERE(me, k) && BITS2(redis[1 - p].replies, k) != NONE ->
        d = BITS2(redis[1 - p].replies, k) + AGAIN
    :: LOOKS_THERE(me, k) && BITS2(redis[1 - p].replies, k) == NONE && !HAS_ALL_ANSWERS(1 - p) &&
       BITS2(decisions, k) != NONE && BIT(decided_at, k) == 1 - p && !BIT(forgotten, k) ->
        d = BITS2(decisions, k) + AGAIN
    :: else
    fi;
    if
    :: d == NONE && LOOKED_UP(me, k, e) && BITS2(decisions, k) == GRANTED -> d = GRANTED + AGAIN
    :: else
    fi;
    if
    :: d == NONE && BITS2(redis[p].replies, k) != NONE -> d = BITS2(redis[p].replies, k) + AGAIN
    :: else
    fi;
    if
    :: d == NONE ->
        if
        :: redis[p].loaded -> decide_new(me, k)
        :: else -> meet_need(me, k)
        fi
    :: else
    fi;
    if
    :: d == NONE -> give_up(me)
    :: else ->
        begin_batch(me, e, k, d);
#ifdef MUTATE_HAND_AFTER
        a[me].at = SEND
#else
        a[me].at = (d == HANDED -> HAND : SEND)
#endif
    fi
}

/* An operator's show.move: alone in its run, all before it committed and published. */
inline decide_move(me)
{
    p = PARTITION(me);
    moves--;
    begin_batch(me, a[me].read, 0, MOVING);
#ifndef MUTATE_SHOW_STAYS
    redis[p].loaded = 0;
    redis[p].taken = 0;
#endif
    a[me].at = SEND
}

/* handover_send: before the batch is committed, whatever becomes of it. */
inline hand_over(me)
{
    p = PARTITION(me);
    append(1 - p, a[me].b.id, MARK);
#ifdef MUTATE_HAND_AFTER
    clear_batch(a[me].b);
    a[me].at = SERVE
#else
    a[me].at = SEND
#endif
}

inline settle(me)
{
    a[me].wire = EMPTY;
    a[me].version = a[me].b.version;
    a[me].read = a[me].b.cursor;
    a[me].careful = 0;
    a[me].at = PUBLISH
}

/* Answers leave; stamp.lua, under the fence: how far they are out, and the stream is trimmed. */
inline publish(me)
{
    p = PARTITION(me);
    d = a[me].b.what;
    if
    :: d > AGAIN && d <= REFUSED + AGAIN -> d = d - AGAIN
    :: else
    fi;
    if
    :: d == GRANTED || d == REFUSED ->
        assert(BITS2(decisions, a[me].b.id) == d); /* what is told is the decision */
        PUT2(redis[p].replies, a[me].b.id, d)
    :: else
    fi;
    if
    :: redis[p].epoch == a[me].epoch ->
        redis[p].published = a[me].version;
        for (i : 1 .. ENTRIES) {
            if
            :: i <= a[me].read -> PUT2(redis[p].entries, i, NONE); DROP(redis[p].marks, i)
            :: else
            fi
        }
    :: else
    fi;
#ifdef MUTATE_HAND_AFTER
    if
    :: a[me].b.what == HANDED -> a[me].at = HAND
    :: else -> clear_batch(a[me].b); a[me].at = SERVE
    fi
#else
    clear_batch(a[me].b);
    a[me].at = SERVE
#endif
}

#define AT(place) (a[_pid].at == place)
#define MINE (PARTITION(_pid))
#define IS_FENCED (pg[MINE].epoch != a[_pid].epoch)

active [OWNERS] proctype Allocator()
{
end:
    do
    :: d_step { AT(STANDBY) && lock[MINE] == NOBODY -> claim(_pid) }
#if THEFTS
    :: d_step { AT(STANDBY) && lock[MINE] != NOBODY && thefts > 0 -> thefts--; claim(_pid) }
#endif
    :: d_step { AT(TAKE) -> take(_pid) }
    :: d_step { AT(REBUILD) -> rebuild(_pid) }
    :: d_step { AT(MEND) -> mend(_pid) }

    :: d_step { AT(SERVE) && SCRIPT_AGREES(_pid) && IS_WAITING(MINE, a[_pid].read) ->
                decide(_pid) }
    :: d_step { AT(SERVE) && SCRIPT_AGREES(_pid) && moves > 0 && redis[MINE].loaded &&
                show_at == MINE -> decide_move(_pid) }
#if CLOCKS
    :: d_step { AT(SERVE) && !a[_pid].now -> a[_pid].now = 1 }
#endif
    :: d_step { AT(HAND) -> hand_over(_pid) }
    :: d_step { AT(SEND) -> a[_pid].wire = SENT; a[_pid].at = WAIT }
    :: d_step { AT(WAIT) && a[_pid].wire == LANDED -> settle(_pid) }
    :: d_step { AT(WAIT) && a[_pid].wire == RAISED -> give_up(_pid) }
    :: d_step { AT(WAIT) && a[_pid].wire == REJECTED -> a[_pid].careful = 1; give_up(_pid) }
    :: d_step { AT(PUBLISH) -> publish(_pid) }

    /* The script or the stamp says that there is another owner, or another Redis. */
    :: d_step { AT(SERVE) && (IS_FENCED || !SCRIPT_AGREES(_pid)) -> give_up(_pid) }

    :: d_step { crashes > 0 && !AT(STANDBY) -> crashes--; die(_pid) }
    od
}

/* The database's side of the connections. */
active proctype Postgres()
{
end:
    do
    :: d_step { a[0].wire == SENT -> commit_batch(PARTITION(0), a[0].b, a[0].epoch, a[0].wire) }
    :: d_step { a[1].wire == SENT -> commit_batch(PARTITION(1), a[1].b, a[1].epoch, a[1].wire) }
#if SLOTS > 1
    :: d_step { a[2].wire == SENT -> commit_batch(PARTITION(2), a[2].b, a[2].epoch, a[2].wire) }
    :: d_step { a[3].wire == SENT -> commit_batch(PARTITION(3), a[3].b, a[3].epoch, a[3].wire) }
#endif
    :: d_step { late[0].b.version != 0 -> land_orphan(0) }
    :: d_step { late[0].b.version != 0 -> drop_orphan(0) }
    :: d_step { late[1].b.version != 0 -> land_orphan(1) }
    :: d_step { late[1].b.version != 0 -> drop_orphan(1) }
    od
}

/* It knows where the show is, or where it was. */
#define MAY_SEND_TO(to) (asked < ASKS && redis[to].stream && (show_at == to || moved > 0))

inline ask(to)
{
    k = (asked < IDS -> asked + 1 : asked - IDS + 1);
    asked++;
    append(to, k, 0);
    PUT(owed, k)
}

active proctype Gateway()
{
end:
    do
    :: d_step { MAY_SEND_TO(0) -> ask(0) }
    :: d_step { MAY_SEND_TO(1) -> ask(1) }
#if CLOCKS
    /* Who asks for an undecided request whose deadline its partition's clock has passed. */
    :: d_step { pg[show_at].now && BITS2(decisions, 1) == NONE && !BIT(told, 1) -> PUT(told, 1) }
    :: d_step { pg[show_at].now && BITS2(decisions, 2) == NONE && !BIT(told, 2) -> PUT(told, 2) }
#endif
    od
}

inline flush(part)
{
    flushes--;
    for (i : 1 .. ENTRIES) {
        if
        :: BITS2(redis[part].entries, i) != NONE -> DROP(owed, BITS2(redis[part].entries, i))
        :: else
        fi
    };
    redis[part].epoch = 0;
    redis[part].version = 0;
    redis[part].published = 0;
    redis[part].stream = 0;
    redis[part].loaded = 0;
    redis[part].taken = 0;
    redis[part].last = 0;
    redis[part].entries = 0;
    redis[part].marks = 0;
    redis[part].replies = 0
}

active proctype World()
{
end:
    do
    :: d_step { flushes > 0 -> flush(0) }
    :: d_step { flushes > 0 -> flush(1) }
#if FORGETS
    :: d_step { BITS2(decisions, 1) == GRANTED && !BIT(forgotten, 1) -> PUT(forgotten, 1) }
    :: d_step { BITS2(decisions, 2) == GRANTED && !BIT(forgotten, 2) -> PUT(forgotten, 2) }
#endif
    /* From some time on nothing breaks any more. */
    :: d_step { faults -> faults = 0; crashes = 0; thefts = 0; flushes = 0 }
    od
}

inline partition_is_well(part)
{
    assert(lock[part] != NOBODY && a[lock[part]].at == SERVE);
    assert(a[lock[part]].epoch == pg[part].epoch && redis[part].epoch == pg[part].epoch);
    assert(redis[part].version == pg[part].version && redis[part].published == pg[part].version);
    assert(!IS_WAITING(part, pg[part].cursor));
    assert(!redis[part].loaded || show_at == part)
}

/* When nothing more can happen, all is well again by itself. */
active proctype Quiescence()
{
    timeout ->
    d_step {
        assert(asked == ASKS);
        partition_is_well(0);
        partition_is_well(1);
        granted_into(n);
        assert(!redis[show_at].loaded || redis[show_at].taken == n);
        for (i : 1 .. IDS) {
            assert(!BIT(owed, i) || BITS2(decisions, i) != NONE); /* nobody waits for ever, */
            if
            :: BITS2(decisions, i) != NONE && !BIT(forgotten, i) -> /* and who asks is told */
                assert(BITS2(redis[BIT(decided_at, i)].replies, i) == BITS2(decisions, i))
            :: else
            fi
        };
        skip
    }
}
