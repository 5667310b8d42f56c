/*
 * The hand-over of table entries between processors (docs/simulation.md, EPO-04 to EPO-08), for spin.
 *
 * One NIC front end, PROCESSORS processors, one control process. Two entries, one flow in each. What each process does
 * in one go is one atomic step; between steps everything may happen. README.md says what is left out and why.
 *
 * A moment of virtual time is named by a frame: "when frame n completes". Moments pass in any order that the queues
 * allow, so the search covers all costs, arrival times and speeds at once.
 *
 * All state is global and every process waits at the head of one loop: to forget it all is what a recovery does.
 */

#ifndef FRAMES
#define FRAMES 4 /* at most 7 */
#endif
#ifndef UPDATES
#define UPDATES 2
#endif
#ifndef CREDITS
#define CREDITS 2 /* works in flight */
#endif
#ifndef ROOM
#define ROOM 2 /* messages in a channel */
#endif
#ifndef CRASHES
#define CRASHES 0 /* 0 or 1 */
#endif
#ifndef ENTRIES_MOVED
#define ENTRIES_MOVED 1 /* 2: updates choose either entry; 1: always entry 0, while entry 1 stays */
#endif

#define PROCESSORS 3
#define EPOCHS (UPDATES + 1)
#define NIC PROCESSORS
#define CONTROL (PROCESSORS + 1)
#define NOBODY 255
#define NOT_KNOWN 255

#define BIT(n) (1 << (n))
#define BELOW(n) (BIT(n) - 1)
#define ENTRY(n) ((source >> (n)) & 1)
#define OF_ENTRY(e) ((source ^ ((e) - 1)) & BELOW(FRAMES)) /* one of two entries: the bits of source, or the others */
#define EVERYBODY BELOW(PROCESSORS)
#define OLD_EPOCHS BELOW(UPDATES)

mtype = { Frame, Marker, Settle, Acknowledge, Complete, Answer };

chan to_processor[PROCESSORS] = [ROOM] of { mtype, byte, byte }; /* Frame number epoch | Marker epoch 0 | Settle epoch 0 */
chan to_nic[PROCESSORS] = [ROOM] of { mtype, byte, byte }; /* Acknowledge n 0 | Complete n 0 | Answer epoch last */
chan publish = [1] of { byte };
chan retire = [EPOCHS] of { byte };

/* The scenario: chosen when it is first needed, the same ever after. Survives a crash. */
byte source; /* bit n: entry of frame n */
byte frames_chosen;
byte updates_chosen;
byte moved[EPOCHS]; /* entry that this epoch moves */
byte target[EPOCHS];
byte first_frame[EPOCHS]; /* behind the marker */
byte adoptions_chosen;
byte delivered; /* rows that the reader of the results has */

/* Control */
byte published;
byte freed; /* bit k: the snapshot of epoch k is gone */

/* NIC front end */
byte next_frame;
byte epoch;
byte steered[2]; /* processor of each entry in the snapshot in force */
byte credits = CREDITS;
byte reached[EPOCHS]; /* processors that have met the marker */
byte known[EPOCHS]; /* processors that know their last old frame */
byte moment[EPOCHS]; /* last old frames; Settle carries it, and nothing is added after that */
bool told[EPOCHS]; /* Settle has been sent */
byte complete; /* frames whose completion has been told */
byte rows; /* handed to the reader in this run */
byte retired; /* epochs below are */
#ifdef MARKER_EARLY
byte late_entry; /* where entries went before: one more frame is steered with it */
byte late_processor = NOBODY;
#endif
bool finished;

/* Processors */
chan dpc[PROCESSORS] = [FRAMES] of { byte };
byte got[PROCESSORS]; /* frames that came here */
byte held[PROCESSORS]; /* frames that wait here; arrival order is the order of their numbers */
byte unanswered[PROCESSORS]; /* bit k: said "not known" of epoch k */
byte settled[PROCESSORS]; /* bit k: has Settle of epoch k */
byte wait[FRAMES]; /* epoch whose old frames a held frame waits for */

/* Virtual time: what has happened so far */
byte completed;

/* What must stay false; WITNESS shows that the search gets to a chain of three waiting hand-overs. */
bool reordered, completed_twice, used_after_free, lost, delivered_twice, chain_waits;

byte dead = NOBODY; /* the process that has crashed */
#define LIVES(process) (dead != (process))

inline use(k) {
    used_after_free = (freed & BIT(k)) != 0;
    assert(!used_after_free)
}

#define PASSED(k) ((moment[k] & ~completed) == 0)
#define RELEASED(p, k) ((settled[p] & BIT(k)) && PASSED(k))

/* Frames of the entry moved by epoch k that processor p took before the marker. The target's own are ahead anyway. */
#define OLD(p, k) ((p) == target[k] -> 0 : (got[p] & OF_ENTRY(moved[k]) & BELOW(first_frame[k])))

/* The highest bit of `frames`, or 0. */
inline last_of(frames) {
    old = frames;
    last = BIT(FRAMES);
    do
    :: last && !(last & old) -> last = last >> 1
    :: else -> break
    od
}

/* Say of epoch k when the last old frame completes; frames that are held have no such moment yet. */
inline answer(p, k) {
#ifdef PERMISSIVE
    to_nic[p]!Answer(k, 0);
#else
    last_of(OLD(p, k));
#ifdef CHAIN_IGNORED
    last_of(OLD(p, k) & ~held[p]);
#endif
#ifdef RELEASE_EARLY
    last_of(OLD(p, k) & (last - 1));
#endif
    if
#ifndef CHAIN_IGNORED
    :: OLD(p, k) & held[p] ->
#ifdef WITNESS
        chain_waits = k == 3 && p == 2 && target[3] == 0 && (unanswered[1] & BIT(2)) && nempty(dpc[0]);
        assert(!chain_waits);
#endif
        to_nic[p]!Answer(k, NOT_KNOWN); unanswered[p] = unanswered[p] | BIT(k)
#endif
    :: else -> to_nic[p]!Answer(k, last); unanswered[p] = unanswered[p] & ~BIT(k)
    fi;
    old = 0; last = 0
#endif
}

/* The latest epoch up to `newest` that moved entry e, when it is p it moved to; 0: nothing to wait for. */
inline waits_for(p, e, newest) {
    k = newest;
    do
    :: k && moved[k] != e -> k--
    :: else -> break
    od;
    if
    :: k && target[k] != p -> k = 0 /* only MARKER_EARLY sends such frames */
    :: else
    fi
}

inline take(p) {
    use(of_epoch);
    got[p] = got[p] | BIT(n);
    waits_for(p, ENTRY(n), of_epoch);
#if defined(PERMISSIVE) || defined(NO_WAIT)
    k = 0;
#endif
    if
    :: k && (!RELEASED(p, k) || (held[p] & OF_ENTRY(ENTRY(n)))) -> held[p] = held[p] | BIT(n); wait[n] = k
    :: else -> dpc[p]!n
    fi;
#ifdef ACKNOWLEDGE_HELD
    to_nic[p]!Acknowledge(n, 0);
#endif
    k = 0
}

/* The snapshot that frame n was steered with. */
inline use_snapshot_of(n) {
    k = adoptions_chosen;
    do
    :: k && n < first_frame[k] -> k--
    :: else -> break
    od;
    use(k);
    k = 0
}

inline serve(p) {
    dpc[p]?n;
    use_snapshot_of(n);
    completed_twice = (completed & BIT(n)) != 0;
    assert(!completed_twice);
    completed = completed | BIT(n);
    reordered = (completed & OF_ENTRY(ENTRY(n)) & ~BELOW(n + 1)) != 0;
#if !defined(PERMISSIVE) || defined(EXPECT_ORDER)
    assert(!reordered);
#endif
    reordered = false;
    to_nic[p]!Complete(n, 0)
}

#define FIRST_HELD(p, n) ((held[p] & BIT(n)) && !(held[p] & OF_ENTRY(ENTRY(n)) & BELOW(n)))
#define RELEASE(p, n) \
    atomic { LIVES(p) && FIRST_HELD(p, n) && RELEASED(p, wait[n]) -> held[p] = held[p] & ~BIT(n); wait[n] = 0; dpc[p]!n }
#define ANSWER_AGAIN(p, k) \
    atomic { LIVES(p) && (unanswered[p] & BIT(k)) && !(OLD(p, k) & held[p]) && nfull(to_nic[p]) -> answer(p, k) }

proctype Processor(byte p) {
    byte n, k, of_epoch, last, old;
end:
    do
    :: atomic { LIVES(p) && nfull(to_nic[p]) && to_processor[p]?[Frame, _, _] ->
           to_processor[p]?Frame(n, of_epoch); take(p); n = 0; of_epoch = 0 }
    :: atomic { LIVES(p) && nfull(to_nic[p]) && to_processor[p]?[Marker, _, _] ->
           to_processor[p]?Marker(k, _); use(k); answer(p, k); k = 0 }
    :: atomic { LIVES(p) && to_processor[p]?[Settle, _, _] ->
           to_processor[p]?Settle(k, _); settled[p] = settled[p] | BIT(k); k = 0 }
    :: atomic { LIVES(p) && nempty(dpc[p]) && nfull(to_nic[p]) -> serve(p); n = 0 }
#ifndef PERMISSIVE
    :: RELEASE(p, 0)
    :: RELEASE(p, 1)
    :: RELEASE(p, 2)
#if FRAMES > 3
    :: RELEASE(p, 3)
#endif
#if FRAMES > 4
    :: RELEASE(p, 4)
#endif
#if FRAMES > 5
    :: RELEASE(p, 5)
#endif
#if FRAMES > 6
    :: RELEASE(p, 6)
#endif
    :: ANSWER_AGAIN(p, 1)
#if UPDATES > 1
    :: ANSWER_AGAIN(p, 2)
#endif
#if UPDATES > 2
    :: ANSWER_AGAIN(p, 3)
#endif
#endif
    od
}

/* Rows are handed over in the order of frames; one that the reader has from before a crash is known by its number. */
inline deliver() {
    do
    :: rows < FRAMES && (complete & BIT(rows)) ->
        lost = rows > delivered;
        assert(!lost);
#ifdef DELIVER_AGAIN
        delivered_twice = rows < delivered;
#endif
        assert(!delivered_twice);
        delivered = (rows < delivered -> delivered : rows + 1);
        rows++
    :: else -> break
    od
}

/* EPO-04. An answer says that the processor has left the epochs before: not even their markers are read any more. */
#ifdef RETIRE_UNREACHED
#define DRAINED(k) ((complete & BELOW(first_frame[k])) == BELOW(first_frame[k]))
#else
#define DRAINED(k) (reached[k] == EVERYBODY && (complete & BELOW(first_frame[k])) == BELOW(first_frame[k]))
#endif

inline retire_drained() {
#ifdef FREE_EARLY
    skip
#else
    do
    :: retired < epoch && DRAINED(retired + 1) -> retire!retired; retired++
    :: else -> break
    od
#endif
}

inline hear(p) {
    to_nic[p]?what(n, m);
    if
    :: what == Acknowledge -> credits++
    :: what == Complete ->
        complete = complete | BIT(n);
#ifndef ACKNOWLEDGE_HELD
        credits++;
#endif
        deliver()
    :: what == Answer ->
        reached[n] = reached[n] | BIT(p);
        if
        :: m == NOT_KNOWN
        :: else ->
            known[n] = known[n] | BIT(p);
            moment[n] = moment[n] | m
        fi
    fi;
    retire_drained();
    what = 0; n = 0; m = 0
}

/* What the NIC hears while it waits for credits. */
#ifdef NIC_DEAF
#define HEARS(p) (nempty(to_nic[p]) && (credits || next_frame == FRAMES || !to_nic[p]?[Answer, _, _]))
#else
#define HEARS(p) (nempty(to_nic[p]))
#endif
#ifdef NIC_DOES_NOT_FORWARD
#define FORWARDS (credits || next_frame == FRAMES)
#else
#define FORWARDS true
#endif

#define ROOM_FOR_ALL (nfull(to_processor[0]) && nfull(to_processor[1]) && nfull(to_processor[2]))
#define FORWARD(k) \
    atomic { LIVES(NIC) && FORWARDS && known[k] == EVERYBODY && !told[k] && ROOM_FOR_ALL -> tell_all(Settle, k); told[k] = true }

inline tell_all(what, k) {
    to_processor[0]!what(k, 0);
    to_processor[1]!what(k, 0);
    to_processor[2]!what(k, 0)
}

/* The source is a function of the scenario: a frame is drawn when it is first taken. */
inline draw_frame() {
    if
    :: next_frame == frames_chosen ->
        frames_chosen++;
#ifndef ONE_FLOW
        if
        :: source = source | BIT(next_frame)
        :: true
        fi
#endif
    :: else
    fi
}

inline send_frame() {
    draw_frame();
    n = ENTRY(next_frame);
    p = steered[n];
    m = epoch;
#ifdef MARKER_EARLY
    if
    :: late_processor != NOBODY && n == late_entry -> p = late_processor; m = epoch - 1
    :: else
    fi;
    late_processor = NOBODY;
    late_entry = 0;
#endif
    use(m);
    to_processor[p]!Frame(next_frame, m);
    next_frame++;
    credits--;
    n = 0; p = 0; m = 0
}

/* So is the moment of every adoption: in a repeated run it is where it was, or behind all that was taken before. */
#define MAY_ADOPT(k) ((k) <= adoptions_chosen -> next_frame == first_frame[k] : next_frame == frames_chosen)
#define MUST_ADOPT (epoch < adoptions_chosen && next_frame == first_frame[epoch + 1])

inline adopt() {
    publish?epoch;
    use(epoch);
    if
    :: epoch > adoptions_chosen -> adoptions_chosen = epoch; first_frame[epoch] = next_frame
    :: else
    fi;
#ifdef MARKER_EARLY
    late_entry = moved[epoch];
    late_processor = steered[late_entry];
#endif
    steered[moved[epoch]] = target[epoch];
    tell_all(Marker, epoch);
#ifdef FREE_EARLY
    retire!(epoch - 1);
    retired = epoch
#endif
}

#ifdef PERMISSIVE
#define SETTLED true
#else
#define SETTLED (told[1] && told[UPDATES] && told[UPDATES / 2 + 1])
#endif

proctype Nic() {
    mtype what;
    byte n, m, p;
    do
    :: atomic { LIVES(NIC) && HEARS(0) -> hear(0) }
    :: atomic { LIVES(NIC) && HEARS(1) -> hear(1) }
    :: atomic { LIVES(NIC) && HEARS(2) -> hear(2) }
#ifndef PERMISSIVE
    :: FORWARD(1)
#if UPDATES > 1
    :: FORWARD(2)
#endif
#if UPDATES > 2
    :: FORWARD(3)
#endif
#endif
    :: atomic { LIVES(NIC) && nempty(publish) && MAY_ADOPT(epoch + 1) && ROOM_FOR_ALL -> adopt() }
    :: atomic { LIVES(NIC) && !MUST_ADOPT && next_frame < FRAMES && credits && ROOM_FOR_ALL ->
           send_frame() }
    :: atomic { LIVES(NIC) && complete == BELOW(FRAMES) && dead == NOBODY && retired == UPDATES && SETTLED ->
           lost = completed != BELOW(FRAMES) || delivered != FRAMES;
           assert(!lost);
           finished = true; break }
    od
}

/* Any entry goes to any other processor than it is on. */
inline choose_update() {
#if ENTRIES_MOVED > 1
    if
    :: e = 0
    :: e = 1
    fi;
#endif
    moved[published] = e;
    k = published - 1;
    do
    :: k && moved[k] != e -> k--
    :: else -> break
    od;
    k = (k -> target[k] : e); /* where it is: entry e starts on processor e */
    if
    :: target[published] = (k + 1) % PROCESSORS
    :: target[published] = (k + 2) % PROCESSORS
    fi;
    e = 0; k = 0
}

inline free(k) {
#ifdef FREE_NEVER
    skip
#else
    freed = freed | BIT(k)
#endif
}

/* Requests are answered by publishing an epoch; snapshots are freed when the NIC says that they are retired. */
proctype Control() {
    byte e, k;
end:
    do
    :: atomic { LIVES(CONTROL) && published < UPDATES && nfull(publish) ->
           published++;
           if
           :: published > updates_chosen -> choose_update(); updates_chosen = published
           :: else
           fi;
           publish!published }
    :: atomic { LIVES(CONTROL) && nempty(retire) -> retire?k; free(k); k = 0 }
    od
}

#define FORGET(c) do :: nempty(c) -> c?_, _, _ :: empty(c) -> break od

/* New processes and new channels; nobody is left who could remember. */
inline start_again() {
    published = 0; freed = 0;
    next_frame = 0; epoch = 0; credits = CREDITS; complete = 0; rows = 0; retired = 0;
    steered[0] = 0; steered[1] = 1;
    completed = 0;
    for (i : 0 .. PROCESSORS - 1) {
#ifndef STALE_CHANNELS
        FORGET(to_processor[i]);
        FORGET(to_nic[i]);
#endif
        do :: nempty(dpc[i]) -> dpc[i]?_ :: empty(dpc[i]) -> break od;
        got[i] = 0; held[i] = 0; unanswered[i] = 0; settled[i] = 0
    }
    for (i : 0 .. UPDATES) {
        reached[i] = 0; known[i] = 0; moment[i] = 0; told[i] = false
    }
    for (i : 0 .. FRAMES - 1) {
        wait[i] = 0
    }
    do :: nempty(publish) -> publish?_ :: empty(publish) -> break od;
    do :: nempty(retire) -> retire?_ :: empty(retire) -> break od;
    i = 0;
    dead = NOBODY
}

#if CRASHES
/* One process dies at any moment; the others go on until somebody sees it, at any later moment. */
proctype Crash() {
    byte i;
end:
    atomic { !finished -> select(i : 0 .. CONTROL); dead = i; i = 0 };
end_unseen:
    d_step { !finished -> start_again() }
}
#endif

init {
    atomic {
        steered[1] = 1;
        run Processor(0); run Processor(1); run Processor(2); run Nic(); run Control();
#if CRASHES
        run Crash()
#endif
    }
}

#ifdef LIVENESS
ltl everything_ends { <> (finished && freed == OLD_EPOCHS) }
#endif
