/*
 * The hand-over with integer times (docs/simulation.md, TIM-01, PRC-02, EPO-07, ENG-01), for spin.
 *
 * hand_over.pml asks what may happen in which order; this model asks whether processors that know only what they have
 * been told find exactly the completion times that one global clock would have found, and whether they ever stop.
 * README.md says what is left out and why.
 *
 * A processor enters frames into its DPC queue in the order of (entry time, number). The entry time of a held frame is
 * not known before its old frames are, so whatever might come behind it waits as well; but a lower bound is known.
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
#define CREDITS FRAMES
#endif
#ifndef ROOM
#define ROOM (FRAMES + UPDATES + 1) /* messages in a channel; hand_over.pml looks at full ones */
#endif

#define EPOCHS (UPDATES + 1)
#define ENTRIES 2
#define GROUPS (EPOCHS * ENTRIES) /* a moved entry of one epoch is a group */
#define NOBODY 255
#define BIT(n) (1 << (n))
#define BELOW(n) (BIT(n) - 1)
#define ENTRY(n) ((source >> (n)) & 1)
#define GROUP(k, e) ((k) * ENTRIES + (e))
#define ROW(k, e, p) (GROUP(k, e) * PROCESSORS + (p))
#define MOVES(k, e) (moved[k] & BIT(e))

mtype = { Frame, Marker, Settle, End };
chan to_processor[PROCESSORS] = [ROOM] of { mtype, byte, bool, byte }; /* Settle group known completion */
chan to_nic[PROCESSORS] = [8] of { byte, bool, byte }; /* Answer: group known completion */

/* The scenario */
#ifdef SOURCE
byte source = SOURCE;
#else
byte source;
#endif
byte arrival[FRAMES];
byte cost[PROCESSORS];
byte moved[EPOCHS]; /* bit e: this epoch moves entry e */
byte target[GROUPS];
byte first_frame[EPOCHS];
byte adopted_at[EPOCHS];
byte where[FRAMES]; /* processor that gets the frame */
byte waits_for[FRAMES]; /* epoch that moved its entry there; 0: none */
byte expected[FRAMES]; /* completion by one global clock */

/* NIC front end */
byte next_frame;
byte epoch;
byte credits = CREDITS;
byte keeps; /* frames that keep their credit */
byte heard[GROUPS]; /* processors that have answered */
byte row_known[GROUPS]; /* processors that know the moment */
byte row_time[GROUPS * PROCESSORS];

/* Processors; what belongs to a frame or group is only touched by the one that has it */
byte seen[PROCESSORS]; /* whatever comes arrives no earlier */
bool ended[PROCESSORS];
byte reached[PROCESSORS]; /* epoch of the last marker */
byte free_at[PROCESSORS]; /* when the queue is empty */
byte waiting[PROCESSORS]; /* frames that came and have not entered the queue */
byte got[PROCESSORS];
byte completion[FRAMES];
bool release_known[GROUPS];
byte release[GROUPS]; /* a lower bound unless it is known */
byte said_known[GROUPS]; /* bit p */
byte said_time[GROUPS * PROCESSORS];

bool reordered, wrong_time;

#define LATER(a, b) ((a) > (b) -> (a) : (b))

/* Entry time of frame n, or a lower bound. */
inline entry_time(n) {
    g = GROUP(waits_for[n], ENTRY(n));
    time = arrival[n];
    if
    :: waits_for[n] ->
        known = release_known[g];
        if
        :: release[g] > time -> time = release[g]
        :: else
        fi
    :: else -> known = true
    fi
}

/* All frames enter whose turn is certain: nothing that waits or is still to come can be before them. */
inline serve(p) {
    do
    :: first = NOBODY;
       for (n : 0 .. FRAMES - 1) {
           if
           :: waiting[p] & BIT(n) ->
               entry_time(n);
               if
               :: first == NOBODY || time < first_time -> first = n; first_time = time; first_known = known
               :: else
               fi
           :: else
           fi
       }
#ifdef OVERTAKE_HELD
       /* The first whose entry time is known. */
       first = NOBODY;
       for (n : 0 .. FRAMES - 1) {
           if
           :: waiting[p] & BIT(n) ->
               entry_time(n);
               if
               :: known && (first == NOBODY || time < first_time) -> first = n; first_time = time; first_known = known
               :: else
               fi
           :: else
           fi
       }
#endif
       if
#ifdef HORIZON_IGNORED
       :: first != NOBODY && first_known ->
#else
       :: first != NOBODY && first_known && (ended[p] || first_time <= seen[p]) ->
#endif
           waiting[p] = waiting[p] & ~BIT(first);
           completion[first] = cost[p] + LATER(first_time, free_at[p]);
           free_at[p] = completion[first];
           wrong_time = completion[first] != expected[first];
           assert(!wrong_time);
           give_back(first)
       :: else -> break
       fi
    od;
    first = 0; first_time = 0; first_known = false
}

/*
 * A row that cannot be served yet is HELD, whatever it waits for, and its slot is acknowledged. If it kept the slot,
 * credits would come back only with virtual time, and virtual time passes only with work, that is with credits.
 */
#ifdef WAITING_KEEP_CREDITS
#define KEEPS_CREDIT(n) true
#endif
#ifdef BLOCKED_KEEP_CREDITS /* those behind a held frame, not the held one itself */
#define KEEPS_CREDIT(n) (!waits_for[n] || release_known[GROUP(waits_for[n], ENTRY(n))])
#endif
#ifndef KEEPS_CREDIT
#define KEEPS_CREDIT(n) false
#endif

inline acknowledge(p, n) {
    if
    :: (waiting[p] & BIT(n)) && KEEPS_CREDIT(n) -> keeps = keeps | BIT(n)
    :: else -> credits++
    fi
}

inline give_back(n) {
    if
    :: keeps & BIT(n) -> keeps = keeps & ~BIT(n); credits++
    :: else
    fi
}

/* Old frames of the entry that epoch k moves: known when all have entered, otherwise when they can complete at best. */
inline answer_all(p) {
    for (k : 1 .. UPDATES) {
        for (e : 0 .. ENTRIES - 1) {
            if
            :: k <= reached[p] && MOVES(k, e) && target[GROUP(k, e)] != p ->
                all_known = true;
                latest = 0;
                for (n : 0 .. FRAMES - 1) {
                    if
                    :: (got[p] & BIT(n)) && ENTRY(n) == e && n < first_frame[k] ->
                        if
                        :: waiting[p] & BIT(n) ->
                            entry_time(n);
#ifndef CHAIN_IGNORED
                            all_known = false;
#endif
                        :: else -> time = completion[n]
                        fi;
                        latest = LATER(latest, time)
                    :: else
                    fi
                }
                answer(p)
            :: else
            fi
        }
    }
    k = 0; e = 0; n = 0; g = 0; time = 0; known = false; latest = 0; all_known = false
}

/* Only what is new; a raised bound is new. */
inline answer(p) {
    if
#ifdef BOUNDS_NOT_RAISED
    :: k > answered || (all_known && !(said_known[GROUP(k, e)] & BIT(p))) ->
#else
    :: k > answered || said_time[ROW(k, e, p)] != latest || (all_known && !(said_known[GROUP(k, e)] & BIT(p))) ->
#endif
        said_time[ROW(k, e, p)] = latest;
        if
        :: all_known -> said_known[GROUP(k, e)] = said_known[GROUP(k, e)] | BIT(p)
        :: else
        fi;
        to_nic[p]!GROUP(k, e), all_known, latest
    :: else
    fi
}

inline take(p) {
    to_processor[p]?what(n, known, time);
    answered = reached[p]; /* epochs above have their first answer to come */
    if
    :: what == Frame ->
        seen[p] = arrival[n];
        got[p] = got[p] | BIT(n);
        waiting[p] = waiting[p] | BIT(n);
        came = n
    :: what == Marker -> seen[p] = adopted_at[n]; reached[p] = n
    :: what == Settle -> release_known[n] = known; release[n] = LATER(release[n], time)
    :: what == End -> ended[p] = true
    fi;
    serve(p);
    if
    :: what == Frame -> acknowledge(p, came)
    :: else
    fi;
    answer_all(p);
    what = 0; came = 0; answered = 0
}

proctype Processor(byte p) {
    mtype what;
    byte n, k, e, g, time, first, first_time, latest, came, answered;
    bool known, first_known, all_known;
    do
    :: atomic { nempty(to_processor[p]) -> take(p) }
    :: atomic { ended[p] && !waiting[p] -> break }
    od;
end:
    do /* nothing to serve any more: what still comes is for nothing */
    :: atomic { nempty(to_processor[p]) -> to_processor[p]?_, _, _, _ }
    od
}

/* Everything that is known of a group goes to all processors; only the target needs it, and the others are left out here. */
inline hear(p) {
    to_nic[p]?g, known, time;
    heard[g] = heard[g] | BIT(p);
    if
    :: known -> row_known[g] = row_known[g] | BIT(p)
    :: else
    fi;
    row_time[g * PROCESSORS + p] = time;
    if
    :: (heard[g] | BIT(target[g])) == BELOW(PROCESSORS) ->
        time = 0;
        for (n : 0 .. PROCESSORS - 1) {
            time = LATER(time, row_time[g * PROCESSORS + n])
        }
        known = (row_known[g] | BIT(target[g])) == BELOW(PROCESSORS);
        to_processor[target[g]]!Settle(g, known, time)
    :: else
    fi;
    g = 0; n = 0; known = false; time = 0
}

#define ADOPTS (epoch < UPDATES && first_frame[epoch + 1] == next_frame)

inline to_all(what, n) {
    to_processor[0]!what(n, false, 0);
    to_processor[1]!what(n, false, 0);
#if PROCESSORS > 2
    to_processor[2]!what(n, false, 0);
#endif
}

proctype Nic() {
    byte g, n, time;
    bool known;
    do
    :: atomic { nempty(to_nic[0]) -> hear(0) }
    :: atomic { nempty(to_nic[1]) -> hear(1) }
#if PROCESSORS > 2
    :: atomic { nempty(to_nic[2]) -> hear(2) }
#endif
    :: atomic { ADOPTS -> epoch++; to_all(Marker, epoch) }
    :: atomic { !ADOPTS && next_frame < FRAMES && credits ->
           to_processor[where[next_frame]]!Frame(next_frame, false, 0); next_frame++; credits-- }
    :: atomic { !ADOPTS && next_frame == FRAMES -> to_all(End, 0); break }
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
                target[GROUP(k, e)] = (target[GROUP(k, e)] + g) % PROCESSORS;
#else
                target[GROUP(k, e)] = 1 - target[GROUP(k, e)];
#endif
                release[GROUP(k, e)] = adopted_at[k]
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
 * One global clock. Of the frames whose old frames have all been served, the one with the least (entry time, number)
 * is served next. None that is not ready can come before it: its old frames are not served, and are before itself.
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
                if
                :: ready && (first == NOBODY || time < first_time) -> first = n; first_time = time
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
    byte n, m, k, e, g, time, first, first_time, waiting_all;
    bool ready;
    atomic {
        target[GROUP(0, 1)] = 1; /* entry e starts on processor e */
        choose_scenario();
        steer_all();
        expect_all();
        n = 0; m = 0; k = 0; e = 0; g = 0; time = 0; first = 0; first_time = 0; ready = false;
        run Processor(0); run Processor(1);
#if PROCESSORS > 2
        run Processor(2);
#endif
        run Nic()
    }
}
