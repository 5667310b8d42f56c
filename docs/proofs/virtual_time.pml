/*
 * The hand-over with integer times (docs/simulation.md, TIM-01, TIM-03, PRC-02, EPO-07, ENG-01), for spin.
 *
 * hand_over.pml asks what may happen in which order; this model asks whether processors that know only what they have
 * been told find exactly the completion times that one global clock would have found, and whether they ever stop.
 * README.md says what is left out and why.
 *
 * Every work is one frame or one marker. A processor takes them in order, and stops at one whose moment is not before
 * the earliest release that it does not know: a held frame might come first. Answers and Settle carry lower bounds.
 */

#ifndef FRAMES
#define FRAMES 5 /* at most 8 */
#endif
#ifndef UPDATES
#define UPDATES 2
#endif
#ifndef PROCESSORS
#define PROCESSORS 2
#endif
#ifndef SLOW
#define SLOW 3 /* cost of a frame on a slow processor; on a fast one it is FAST */
#endif
#ifndef FAST
#define FAST 1
#endif
/* SOURCE (bit n: entry of frame n) and MOVED (bit e: every update moves entry e) choose part of the scenario. */
#ifndef CREDITS
#define CREDITS 2 /* works that not all processors have done */
#endif
#define ROOM 12 /* messages in a channel; hand_over.pml looks at full ones */

#define EPOCHS (UPDATES + 1)
#define ENTRIES 2
#define GROUPS (EPOCHS * ENTRIES) /* a moved entry of one epoch is a group */
#define WORKS (FRAMES + UPDATES)
#define NOBODY 255
#define FOREVER 254
#define ARRIVES 255 /* in the place of an epoch: behind all frames that are released at that moment */
#define BIT(n) (1 << (n))
#define BELOW(n) (BIT(n) - 1)
#define EVERYBODY BELOW(PROCESSORS)
#define ENTRY(n) ((source >> (n)) & 1)
#define GROUP(k, e) ((k) * ENTRIES + (e))
#define AT(p, g) ((p) * GROUPS + (g))
#define MOVES(k, e) (moved[k] & BIT(e))

mtype = { Next, Settle };
chan to_processor[PROCESSORS] = [ROOM] of { mtype, byte, byte, byte, byte, byte }; /* Settle group known row row row */
chan to_nic[PROCESSORS] = [ROOM] of { byte, bool, byte }; /* Answer: group known completion */

/* The scenario */
#ifdef SOURCE
byte source = SOURCE;
#else
byte source;
#endif
byte arrival[FRAMES];
byte cost[PROCESSORS];
byte moved[EPOCHS]; /* bit e: this epoch moves entry e */
byte target[GROUPS]; /* processor of the entry from that epoch on */
byte first_frame[EPOCHS];
byte adopted_at[EPOCHS];
byte where[FRAMES]; /* processor that gets the frame */
byte waits_for[FRAMES]; /* epoch that moved its entry there; 0: none */
byte expected[FRAMES]; /* completion by one global clock */

/* NIC front end; the works are the same for all, so counters say how far each has come */
byte sent;
byte heard[GROUPS]; /* processors that have answered */
byte row_known[GROUPS]; /* processors that know the moment */
byte row_time[PROCESSORS * GROUPS];

/* Processors; what belongs to a frame is only touched by the one that has it */
byte received[PROCESSORS]; /* works, and one more for the end */
byte done[PROCESSORS];
byte frames_done[PROCESSORS]; /* of the works that are done: so many frames, and markers up to this epoch */
byte reached[PROCESSORS];
byte held[PROCESSORS];
byte free_at[PROCESSORS]; /* when the queue is empty */
byte completion[FRAMES];
bool others_known[PROCESSORS * GROUPS]; /* what the processor has been told of all others */
byte others_time[PROCESSORS * GROUPS];
bool said[PROCESSORS * GROUPS];
bool said_known[PROCESSORS * GROUPS];
byte said_time[PROCESSORS * GROUPS];

bool reordered, wrong_time;

#define LATER(a, b) ((a) > (b) -> (a) : (b))

/* When frames that epoch k has brought to p may enter: behind the old ones of that update and of those before. */
inline release_of(p, k, e) {
    time = 0;
    known = true;
    for (i : 1 .. k) {
        if
        :: MOVES(i, e) ->
            time = LATER(time, others_time[AT(p, GROUP(i, e))]);
            known = known && others_known[AT(p, GROUP(i, e))]
        :: else
        fi
    }
    i = 0
}

/* The earliest (moment, epoch) of a release that p does not know: nothing is decided from there on. */
inline find_bound(p) {
    bound = FOREVER;
    bound_epoch = 0;
    for (k : 1 .. reached[p]) {
        for (e : 0 .. ENTRIES - 1) {
            if
            :: MOVES(k, e) && target[GROUP(k, e)] == p ->
                release_of(p, k, e);
                if
                :: !known && time < bound -> bound = time; bound_epoch = k
                :: else
                fi
            :: else
            fi
        }
    }
    k = 0; e = 0; time = 0; known = false
}

inline enter(p, n, moment) {
    completion[n] = cost[p] + LATER(moment, free_at[p]);
    free_at[p] = completion[n];
    wrong_time = completion[n] != expected[n];
    assert(!wrong_time)
}

/* Held frames whose release has come enter, by (release, epoch, number), as far as that order is certain. */
inline let_in(p, moment) {
    find_bound(p);
    do
    :: first = NOBODY;
       for (n : 0 .. FRAMES - 1) {
           if
           :: held[p] & BIT(n) ->
               release_of(p, waits_for[n], ENTRY(n));
               if
               :: known && (first == NOBODY || time < first_time || (time == first_time && waits_for[n] < waits_for[first])) ->
                   first = n; first_time = time
               :: else
               fi
           :: else
           fi
       }
       if
#ifdef RELEASE_AT_ONCE
       :: first != NOBODY ->
#else
#ifdef OVERTAKE_UNKNOWN
       :: first != NOBODY && first_time <= moment ->
#else
       :: first != NOBODY && first_time <= moment &&
          (first_time < bound || (first_time == bound && waits_for[first] < bound_epoch)) ->
#endif
#endif
           held[p] = held[p] & ~BIT(first);
           enter(p, first, first_time)
       :: else -> break
       fi
    od;
    first = 0; first_time = 0; n = 0; time = 0; known = false
}

#define NEXT_IS_MARKER(p) (reached[p] < UPDATES && first_frame[reached[p] + 1] == frames_done[p])
#define MINE(p) (frames_done[p] < FRAMES && where[frames_done[p]] == (p))

inline next_moment(p) {
    if
    :: done[p] == WORKS -> moment = FOREVER - 1 /* the end */
    :: done[p] < WORKS && NEXT_IS_MARKER(p) -> moment = adopted_at[reached[p] + 1]
    :: else -> moment = arrival[frames_done[p]]
    fi
}

/* Everything that can be decided now. */
inline go_on(p) {
    do
    :: done[p] == received[p] -> break
#ifdef WORK_TO_OWNER
    :: done[p] < received[p] && done[p] < WORKS && !NEXT_IS_MARKER(p) && !MINE(p) -> /* it never came here */
        frames_done[p]++;
        done[p]++
    :: done[p] < received[p] && (done[p] == WORKS || NEXT_IS_MARKER(p) || MINE(p)) ->
#else
    :: done[p] < received[p] ->
#endif
        next_moment(p);
        let_in(p, moment);
        if
#ifdef OVERTAKE_UNKNOWN
        :: bound <= moment && done[p] == WORKS -> break
#else
        :: bound <= moment -> break
#endif
        :: else ->
            if
            :: done[p] == WORKS -> skip
            :: done[p] < WORKS && NEXT_IS_MARKER(p) -> adopt(p)
            :: else ->
                if
                :: MINE(p) -> take(p)
                :: else
                fi;
                frames_done[p]++
            fi;
            done[p]++
        fi
    od;
    moment = 0; bound = 0; bound_epoch = 0
}

inline adopt(p) {
    reached[p]++;
    for (e : 0 .. ENTRIES - 1) {
        if
        :: MOVES(reached[p], e) -> others_time[AT(p, GROUP(reached[p], e))] = adopted_at[reached[p]]
        :: else
        fi
    }
    e = 0
}

inline take(p) {
    n = frames_done[p];
    release_of(p, waits_for[n], ENTRY(n));
    if
    :: !known || time > moment -> held[p] = held[p] | BIT(n)
    :: else -> enter(p, n, moment)
    fi;
    n = 0; time = 0; known = false
}

/* Of the old frames of every moved entry: the last completion, at least; what is new of it is said. */
inline answer_all(p) {
    find_bound(p);
    for (k : 1 .. reached[p]) {
        for (e : 0 .. ENTRIES - 1) {
            if
            :: MOVES(k, e) ->
                all_known = true;
                latest = 0;
                for (n : 0 .. first_frame[k] - 1) {
                    if
                    :: where[n] == p && ENTRY(n) == e ->
                        if
                        :: held[p] & BIT(n) ->
                            release_of(p, waits_for[n], e);
#ifdef BOUND_OF_QUEUE
                            time = (known -> time : FOREVER);
                            moment = LATER(bound, adopted_at[k] + 1);
                            time = (time < moment -> time : moment);
#endif
#ifdef BOUNDS_NOT_RAISED
                            time = adopted_at[k];
#endif
#ifndef CHAIN_IGNORED
                            all_known = false
#endif
                        :: else -> time = completion[n]
                        fi;
                        latest = LATER(latest, time)
                    :: else
                    fi
                }
                g = AT(p, GROUP(k, e));
                if
                :: !said[g] || said_known[g] != all_known || said_time[g] != latest ->
                    said[g] = true; said_known[g] = all_known; said_time[g] = latest;
                    to_nic[p]!GROUP(k, e), all_known, latest
                :: else
                fi
            :: else
            fi
        }
    }
    k = 0; e = 0; n = 0; g = 0; time = 0; moment = 0; known = false; latest = 0; all_known = false;
    bound = 0; bound_epoch = 0
}

inline listen(p) {
    to_processor[p]?what(g, rows_known, row[0], row[1], row[2]);
    if
    :: what == Next -> received[p]++
    :: what == Settle ->
        rows_known = rows_known | BIT(p); /* its own frames are ahead in the queue anyway */
        row[p] = 0;
        others_known[AT(p, g)] = rows_known == EVERYBODY;
        time = LATER(row[0], row[1]);
        others_time[AT(p, g)] = LATER(time, row[2])
    fi;
    what = 0; g = 0; rows_known = 0; row[0] = 0; row[1] = 0; row[2] = 0; time = 0;
    go_on(p);
    answer_all(p)
}

#define OVER(p) (done[p] > WORKS && !held[p])

proctype Processor(byte p) {
    mtype what;
    byte i, n, k, e, g, time, moment, first, first_time, bound, bound_epoch, latest, rows_known;
    byte row[3];
    bool known, all_known;
    do
    :: atomic { nempty(to_processor[p]) -> listen(p) }
    :: atomic { OVER(p) -> break }
    od;
end:
    do
    :: atomic { nempty(to_processor[p]) -> listen(p) }
    od
}

#if PROCESSORS > 2
#define THIRD_ROW(g) row_time[AT(2, g)]
#else
#define THIRD_ROW(g) 0
#endif

/* What is known of a group goes to all processors, once all have reached the marker. */
inline hear(p) {
    to_nic[p]?g, known, time;
    heard[g] = heard[g] | BIT(p);
    row_known[g] = (known -> row_known[g] | BIT(p) : row_known[g] & ~BIT(p));
    row_time[AT(p, g)] = time;
    if
    :: heard[g] == EVERYBODY -> to_all(Settle, g, row_known[g], row_time[AT(0, g)], row_time[AT(1, g)], THIRD_ROW(g))
    :: else
    fi;
    g = 0; known = false; time = 0
}

inline to_all(what, a, b, c, d, f) {
    to_processor[0]!what(a, b, c, d, f);
    to_processor[1]!what(a, b, c, d, f);
#if PROCESSORS > 2
    to_processor[2]!what(a, b, c, d, f)
#endif
}

#if PROCESSORS > 2
#define HAS_CREDIT (sent < done[0] + CREDITS && sent < done[1] + CREDITS && sent < done[2] + CREDITS)
#else
#define HAS_CREDIT (sent < done[0] + CREDITS && sent < done[1] + CREDITS)
#endif

proctype Nic() {
    byte g, time;
    bool known;
    do
    :: atomic { nempty(to_nic[0]) -> hear(0) }
    :: atomic { nempty(to_nic[1]) -> hear(1) }
#if PROCESSORS > 2
    :: atomic { nempty(to_nic[2]) -> hear(2) }
#endif
    :: atomic { sent < WORKS && HAS_CREDIT -> sent++; to_all(Next, 0, 0, 0, 0, 0) }
    :: atomic { sent == WORKS -> to_all(Next, 0, 0, 0, 0, 0); break } /* the end needs no buffer */
    od;
end:
    do
    :: atomic { nempty(to_nic[0]) -> hear(0) }
    :: atomic { nempty(to_nic[1]) -> hear(1) }
#if PROCESSORS > 2
    :: atomic { nempty(to_nic[2]) -> hear(2) }
#endif
    od
}

inline choose(value, one, other) {
    if
    :: value = one
    :: value = other
    fi
}

inline choose_scenario() {
    for (n : 0 .. PROCESSORS - 1) {
        choose(cost[n], FAST, SLOW)
    }
    for (n : 0 .. FRAMES - 1) {
        if
        :: n ->
#ifndef SOURCE
            choose(e, 0, 1); source = source | (e << n); /* the two entries are alike: frame 0 is of entry 0 */
#endif
#ifdef GAPS
            choose(e, 0, 1); arrival[n] = arrival[n - 1] + e
#else
            arrival[n] = n
#endif
        :: else
        fi
    }
    for (k : 1 .. UPDATES) {
        /* Adopted behind the first frame and before the last, at the moment the next one arrives (TIM-03). */
        first_frame[k] = LATER(first_frame[k - 1], 1);
        do
        :: first_frame[k] < FRAMES - 1 -> first_frame[k]++
        :: break
        od;
        adopted_at[k] = arrival[first_frame[k]];
#ifdef MOVED
        moved[k] = MOVED
#else
        if
        :: moved[k] = 1
        :: moved[k] = 2
        :: moved[k] = 3
        fi
#endif
    }
}

/* Where every frame goes and what it waits for. */
inline steer_all() {
    for (k : 1 .. UPDATES) {
        for (e : 0 .. ENTRIES - 1) {
            target[GROUP(k, e)] = target[GROUP(k - 1, e)];
            if
            :: MOVES(k, e) ->
#if PROCESSORS > 2
                choose(g, 1, 2);
                target[GROUP(k, e)] = (target[GROUP(k, e)] + g) % PROCESSORS
#else
                target[GROUP(k, e)] = 1 - target[GROUP(k, e)]
#endif
            :: else
            fi
        }
    }
    for (n : 0 .. FRAMES - 1) {
        where[n] = target[GROUP(0, ENTRY(n))];
        for (k : 1 .. UPDATES) {
            if
            :: first_frame[k] <= n && MOVES(k, ENTRY(n)) -> where[n] = target[GROUP(k, ENTRY(n))]; waits_for[n] = k
            :: else
            fi
        }
    }
}

/*
 * One global clock. Of the frames whose old frames have all been served, the one with the least (entry time, epoch it
 * was held by, number) is served next. None that is not ready can come before it: its old frames come before itself.
 */
inline expect_all() {
    waiting_all = BELOW(FRAMES);
    do
    :: waiting_all ->
        first = NOBODY;
        for (n : 0 .. FRAMES - 1) {
            if
            :: waiting_all & BIT(n) ->
                time = arrival[n];
                ready = true;
                for (m : 0 .. FRAMES - 1) {
                    if
                    :: waits_for[n] && m < first_frame[waits_for[n]] && ENTRY(m) == ENTRY(n) && where[m] != where[n] ->
                        ready = ready && !(waiting_all & BIT(m));
                        time = LATER(time, expected[m])
                    :: else
                    fi
                }
                e = (time > arrival[n] -> waits_for[n] : ARRIVES);
                if
                :: ready && (first == NOBODY || time < first_time || (time == first_time && e < first_epoch)) ->
                    first = n; first_time = time; first_epoch = e
                :: else
                fi
            :: else
            fi
        }
        waiting_all = waiting_all & ~BIT(first);
        expected[first] = cost[where[first]] + LATER(first_time, free_at[where[first]]);
        free_at[where[first]] = expected[first]
    :: else -> break
    od;
    for (n : 0 .. PROCESSORS - 1) {
        free_at[n] = 0
    }
    for (n : 0 .. FRAMES - 1) {
        for (m : 0 .. FRAMES - 1) {
            reordered = reordered || (n < m && ENTRY(n) == ENTRY(m) && expected[m] < expected[n])
        }
    }
    assert(!reordered)
}

init {
    byte n, m, k, e, g, time, first, first_time, first_epoch, waiting_all;
    bool ready;
    atomic {
        target[GROUP(0, 1)] = 1; /* entry e starts on processor e */
        choose_scenario();
        steer_all();
        expect_all();
        n = 0; m = 0; k = 0; e = 0; g = 0; time = 0; first = 0; first_time = 0; first_epoch = 0; ready = false;
        run Processor(0); run Processor(1);
#if PROCESSORS > 2
        run Processor(2);
#endif
        run Nic()
    }
}
