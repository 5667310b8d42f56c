#!/bin/sh
# Searches all states of the models in this directory. `check.sh [quick|all|large]`, `all` unless told.
# Ends with 0 when every property holds in the correct models and every broken variant fails with the property named
# here; with 1 when not; with 2 when spin or a C compiler is missing.
set -u

for tool in spin gcc; do
    command -v "$tool" > /dev/null || { echo "$tool is missing: sudo apt-get install spin gcc" >&2; exit 2; }
done

what=${1:-all}
models=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
cd "$work" || exit 1
wrong=0

# search <optimization> <model> <flags...>: compiles and runs; leaves the verdict in $verdict, the numbers in $states, $depth
search() {
    optimization=$1 model=$2
    shift 2
    kind=-DSAFETY run=
    case " $* " in *" -DLIVENESS "*) kind=-DNFAIR=1 run=-a ;; esac
    rm -f pan pan.*
    if ! spin -a "$@" "$models/$model.pml" > spin.out 2>&1; then
        cat spin.out >&2
        verdict="spin error"
    elif ! gcc "$optimization" -w "$kind" -DCOLLAPSE -DMEMLIM=3500 -o pan pan.c; then
        verdict="compiler error"
    else
        # -q: at the end all channels are empty. Depth stays below 3000.
        ./pan -q -m20000 $run > pan.out 2>&1
        if grep -q 'errors: 0$\|errors: 0 *$' pan.out && ! grep -qi 'not completed\|too small\|out of memory' pan.out; then
            verdict=holds
        else
            verdict=$(sed -n 's/^pan:[0-9]*: *//p' pan.out | sed 's/ (at depth.*//; s/assertion violated *!(\(.*\))/\1/; q')
        fi
    fi
    states=$(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' pan.out)
    depth=$(sed -n 's/.*depth reached \([0-9]*\),.*/\1/p' pan.out)
}

# expect <verdict> <model> <flags...>
expect() {
    expected=$1
    shift
    if [ "$expected" = holds ]; then search -O1 "$@"; else search -O0 "$@"; fi
    mark=ok
    [ "$verdict" = "$expected" ] || { mark="WRONG, expected: $expected"; wrong=1; }
    printf '%-22s %9s states, depth %4s  %s  %s\n' "${verdict:-stopped}" "$states" "$depth" "$mark" "$*"
}

# What holds -----------------------------------------------------------------------------------------------------------

expect holds hand_over -DFRAMES=3 -DUPDATES=1
expect holds virtual_time -DFRAMES=3 -DUPDATES=1
if [ "$what" != quick ]; then
    expect holds hand_over -DFRAMES=3 -DUPDATES=2
    expect holds hand_over -DFRAMES=4 -DUPDATES=2 -DROOM=1
    expect holds hand_over -DFRAMES=3 -DUPDATES=2 -DROOM=1 -DENTRIES_MOVED=2
    expect holds hand_over -DFRAMES=4 -DUPDATES=3 -DROOM=1 -DCREDITS=4 -DONE_FLOW
    expect holds hand_over -DFRAMES=3 -DUPDATES=2 -DROOM=1 -DCREDITS=1
    expect holds hand_over -DFRAMES=3 -DUPDATES=2 -DROOM=1 -DCREDITS=1 -DACKNOWLEDGE_HELD
    expect holds hand_over -DFRAMES=3 -DUPDATES=2 -DPERMISSIVE
    expect holds hand_over -DFRAMES=3 -DUPDATES=1 -DCRASHES=1
    expect holds hand_over -DFRAMES=3 -DUPDATES=2 -DROOM=1 -DCRASHES=1 -DONE_FLOW
    expect holds hand_over -DFRAMES=3 -DUPDATES=1 -DCRASHES=1 -DPERMISSIVE
    expect holds hand_over -DFRAMES=3 -DUPDATES=2 -DROOM=1 -DLIVENESS
    expect holds hand_over -DFRAMES=3 -DUPDATES=1 -DLIVENESS -DPERMISSIVE
    expect holds hand_over -DFRAMES=3 -DUPDATES=1 -DLIVENESS -DCRASHES=1
    expect holds virtual_time -DFRAMES=5 -DUPDATES=1
    expect holds virtual_time -DFRAMES=4 -DUPDATES=1 -DGAPS -DFAST=0
    expect holds virtual_time -DFRAMES=4 -DUPDATES=2 -DMOVED=3 -DFAST=0
    expect holds virtual_time -DFRAMES=4 -DUPDATES=2 -DFAST=3 -DCREDITS=1
    expect holds virtual_time -DFRAMES=6 -DUPDATES=2 -DMOVED=3 -DSOURCE=42 -DFAST=7 -DSLOW=8
    expect holds virtual_time -DFRAMES=4 -DUPDATES=3 -DMOVED=1 -DSOURCE=0 -DFAST=4 -DSLOW=4 -DPROCESSORS=3
fi
if [ "$what" = large ]; then
    expect holds hand_over -DFRAMES=5 -DUPDATES=3 -DROOM=1 -DCREDITS=5 -DONE_FLOW
    expect holds hand_over -DFRAMES=3 -DUPDATES=2 -DCREDITS=1 -DACKNOWLEDGE_HELD
    expect holds hand_over -DFRAMES=2 -DUPDATES=2 -DROOM=1 -DCRASHES=1
    expect holds virtual_time -DFRAMES=4 -DUPDATES=2
    expect holds virtual_time -DFRAMES=5 -DUPDATES=3 -DMOVED=1 -DSOURCE=0 -DFAST=4 -DSLOW=4 -DPROCESSORS=3
fi

# What must fail, and how ----------------------------------------------------------------------------------------------

expect reordered hand_over -DFRAMES=3 -DUPDATES=2 -DROOM=1 -DNO_WAIT
expect wrong_time virtual_time -DFRAMES=3 -DUPDATES=1 -DHORIZON_IGNORED
if [ "$what" != quick ]; then
    expect reordered hand_over -DFRAMES=3 -DUPDATES=2 -DROOM=1 -DPERMISSIVE -DEXPECT_ORDER
    expect reordered hand_over -DFRAMES=3 -DUPDATES=2 -DROOM=1 -DRELEASE_EARLY
    expect reordered hand_over -DFRAMES=3 -DUPDATES=2 -DROOM=1 -DMARKER_EARLY -DFREE_NEVER
    expect used_after_free hand_over -DFRAMES=3 -DUPDATES=2 -DROOM=1 -DMARKER_EARLY
    expect used_after_free hand_over -DFRAMES=3 -DUPDATES=2 -DROOM=1 -DFREE_EARLY
    expect used_after_free hand_over -DFRAMES=3 -DUPDATES=2 -DRETIRE_UNREACHED
    expect reordered hand_over -DFRAMES=3 -DUPDATES=2 -DROOM=1 -DCHAIN_IGNORED
    expect "invalid end state" hand_over -DFRAMES=3 -DUPDATES=2 -DROOM=1 -DCREDITS=1 -DNIC_DEAF
    expect "invalid end state" hand_over -DFRAMES=3 -DUPDATES=2 -DROOM=1 -DCREDITS=1 -DNIC_DEAF -DACKNOWLEDGE_HELD
    expect "invalid end state" hand_over -DFRAMES=3 -DUPDATES=2 -DROOM=1 -DCREDITS=1 -DNIC_DOES_NOT_FORWARD
    expect delivered_twice hand_over -DFRAMES=3 -DUPDATES=1 -DCRASHES=1 -DDELIVER_AGAIN
    expect "invalid end state" hand_over -DFRAMES=3 -DUPDATES=1 -DCRASHES=1 -DSTALE_CHANNELS
    expect "acceptance cycle" hand_over -DFRAMES=3 -DUPDATES=1 -DLIVENESS -DFREE_NEVER
    expect chain_waits hand_over -DFRAMES=4 -DUPDATES=3 -DROOM=1 -DCREDITS=4 -DONE_FLOW -DWITNESS
    expect wrong_time virtual_time -DFRAMES=6 -DUPDATES=2 -DMOVED=3 -DSOURCE=42 -DFAST=7 -DSLOW=8 -DCHAIN_IGNORED
    expect wrong_time virtual_time -DFRAMES=6 -DUPDATES=2 -DMOVED=3 -DSOURCE=42 -DFAST=7 -DSLOW=8 -DOVERTAKE_HELD
    expect "invalid end state" virtual_time -DFRAMES=6 -DUPDATES=2 -DMOVED=3 -DSOURCE=42 -DFAST=7 -DSLOW=8 -DBOUNDS_NOT_RAISED
    expect "invalid end state" virtual_time -DFRAMES=5 -DUPDATES=2 -DFAST=3 -DCREDITS=1 -DBLOCKED_KEEP_CREDITS
    expect "invalid end state" virtual_time -DFRAMES=5 -DUPDATES=2 -DFAST=3 -DCREDITS=1 -DWAITING_KEEP_CREDITS
fi

exit $wrong
