#!/bin/sh
# Searches all states of the models in this directory, two models at a time. `check.sh [quick|all|large]`, `all` unless told.
# Ends with 0 when every property holds in the correct models and every broken variant fails with the property named
# here; with 1 when not; with 2 when spin or a C compiler is missing.
set -u

for tool in spin gcc; do
    command -v "$tool" > /dev/null || { echo "$tool is missing: sudo apt-get install spin gcc" >&2; exit 2; }
done

# Expected verdict, model, flags. A verdict is `holds` or what is violated first: a named assertion, `deadlock` (an end
# with work left) or `acceptance_cycle` (the LTL formula).
quick='
holds hand_over -DFRAMES=3 -DUPDATES=1
reordered hand_over -DFRAMES=3 -DUPDATES=2 -DROOM=1 -DNO_WAIT
holds virtual_time -DFRAMES=3 -DUPDATES=1
wrong_time virtual_time -DFRAMES=3 -DUPDATES=1 -DRELEASE_AT_ONCE
'
all='
holds hand_over -DFRAMES=2 -DUPDATES=2
holds hand_over -DFRAMES=4 -DUPDATES=2 -DROOM=1
holds hand_over -DFRAMES=3 -DUPDATES=2 -DROOM=1 -DENTRIES_MOVED=2
holds hand_over -DFRAMES=3 -DUPDATES=3 -DROOM=1 -DCREDITS=3 -DONE_FLOW
holds hand_over -DFRAMES=3 -DUPDATES=2 -DROOM=1 -DCREDITS=1
holds hand_over -DFRAMES=3 -DUPDATES=2 -DROOM=1 -DCREDITS=1 -DACKNOWLEDGE_HELD
holds hand_over -DFRAMES=3 -DUPDATES=2 -DPERMISSIVE
holds hand_over -DFRAMES=3 -DUPDATES=1 -DCRASHES=1
holds hand_over -DFRAMES=3 -DUPDATES=2 -DROOM=1 -DCRASHES=1 -DONE_FLOW
holds hand_over -DFRAMES=3 -DUPDATES=1 -DCRASHES=1 -DPERMISSIVE
holds hand_over -DFRAMES=3 -DUPDATES=2 -DROOM=1 -DLIVENESS
holds hand_over -DFRAMES=3 -DUPDATES=1 -DLIVENESS -DPERMISSIVE
holds hand_over -DFRAMES=3 -DUPDATES=1 -DLIVENESS -DCRASHES=1
reordered hand_over -DFRAMES=3 -DUPDATES=2 -DROOM=1 -DPERMISSIVE -DEXPECT_ORDER
reordered hand_over -DFRAMES=3 -DUPDATES=2 -DROOM=1 -DRELEASE_EARLY
reordered hand_over -DFRAMES=3 -DUPDATES=2 -DROOM=1 -DMARKER_EARLY -DFREE_NEVER
used_after_free hand_over -DFRAMES=3 -DUPDATES=2 -DROOM=1 -DMARKER_EARLY
used_after_free hand_over -DFRAMES=3 -DUPDATES=2 -DROOM=1 -DFREE_EARLY
used_after_free hand_over -DFRAMES=3 -DUPDATES=2 -DRETIRE_UNREACHED
reordered hand_over -DFRAMES=3 -DUPDATES=2 -DROOM=1 -DCHAIN_IGNORED
deadlock hand_over -DFRAMES=3 -DUPDATES=2 -DROOM=1 -DCREDITS=1 -DNIC_DEAF
deadlock hand_over -DFRAMES=3 -DUPDATES=2 -DROOM=1 -DCREDITS=1 -DNIC_DEAF -DACKNOWLEDGE_HELD
deadlock hand_over -DFRAMES=3 -DUPDATES=2 -DROOM=1 -DCREDITS=1 -DNIC_DOES_NOT_FORWARD
delivered_twice hand_over -DFRAMES=3 -DUPDATES=1 -DCRASHES=1 -DDELIVER_AGAIN
deadlock hand_over -DFRAMES=3 -DUPDATES=1 -DCRASHES=1 -DSTALE_CHANNELS
acceptance_cycle hand_over -DFRAMES=3 -DUPDATES=1 -DLIVENESS -DFREE_NEVER
chain_waits hand_over -DFRAMES=3 -DUPDATES=3 -DROOM=1 -DCREDITS=3 -DONE_FLOW -DWITNESS
holds virtual_time -DFRAMES=5 -DUPDATES=1
holds virtual_time -DFRAMES=4 -DUPDATES=2 -DMOVED=3 -DFAST=0
holds virtual_time -DFRAMES=4 -DUPDATES=2 -DFAST=3 -DCREDITS=1
holds virtual_time -DFRAMES=5 -DUPDATES=2 -DFAST=3 -DCREDITS=1
holds virtual_time -DFRAMES=6 -DUPDATES=2 -DMOVED=3 -DSOURCE=42 -DFAST=7 -DSLOW=8
holds virtual_time -DFRAMES=4 -DUPDATES=3 -DMOVED=1 -DSOURCE=0 -DFAST=4 -DSLOW=4 -DPROCESSORS=3 -DCREDITS=1
wrong_time virtual_time -DFRAMES=6 -DUPDATES=2 -DMOVED=3 -DSOURCE=42 -DFAST=7 -DSLOW=8 -DCHAIN_IGNORED
wrong_time virtual_time -DFRAMES=6 -DUPDATES=2 -DMOVED=3 -DSOURCE=42 -DFAST=7 -DSLOW=8 -DOVERTAKE_UNKNOWN
deadlock virtual_time -DFRAMES=6 -DUPDATES=2 -DMOVED=3 -DSOURCE=42 -DFAST=7 -DSLOW=8 -DBOUNDS_NOT_RAISED
deadlock virtual_time -DFRAMES=6 -DUPDATES=2 -DMOVED=3 -DSOURCE=42 -DFAST=7 -DSLOW=8 -DBOUND_OF_QUEUE
deadlock virtual_time -DFRAMES=5 -DUPDATES=2 -DFAST=3 -DCREDITS=1 -DWORK_TO_OWNER
'
large='
holds hand_over -DFRAMES=3 -DUPDATES=2
holds hand_over -DFRAMES=4 -DUPDATES=3 -DROOM=1 -DCREDITS=4 -DONE_FLOW
holds hand_over -DFRAMES=5 -DUPDATES=3 -DROOM=1 -DCREDITS=5 -DONE_FLOW
holds hand_over -DFRAMES=3 -DUPDATES=2 -DCREDITS=1 -DACKNOWLEDGE_HELD
holds hand_over -DFRAMES=2 -DUPDATES=2 -DROOM=1 -DCRASHES=1
holds hand_over -DFRAMES=3 -DUPDATES=2 -DROOM=1 -DCREDITS=1 -DNIC_DOES_NOT_FORWARD -DACKNOWLEDGE_HELD
holds virtual_time -DFRAMES=4 -DUPDATES=2
holds virtual_time -DFRAMES=4 -DUPDATES=1 -DGAPS -DFAST=0
holds virtual_time -DFRAMES=4 -DUPDATES=2 -DMOVED=3 -DGAPS -DFAST=0
holds virtual_time -DFRAMES=5 -DUPDATES=3 -DMOVED=1 -DSOURCE=0 -DFAST=4 -DSLOW=4 -DPROCESSORS=3 -DCREDITS=1
'

models=$(cd "$(dirname "$0")" && pwd)

# check <expected> <model> <flags...>: one line of the lists
check() {
    expected=$1 model=$2
    shift 2
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    cd "$work" || exit 1
    # A search that ends early is not worth an optimizing compiler.
    optimize=-O1 kind=-DSAFETY search=
    [ "$expected" = holds ] || optimize=-O0
    case " $* " in *" -DLIVENESS "*) kind='' search=-a ;; esac
    # shellcheck disable=SC2086  # kind and search may be nothing
    if ! spin -a "$@" "$models/$model.pml" > spin.out 2>&1; then
        verdict=$(tail -n 1 spin.out)
    elif ! gcc "$optimize" -w $kind -DCOLLAPSE -DMEMLIM=1900 -o pan pan.c; then
        verdict="does not compile"
    else
        # -q: at the end all channels are empty. No depth is near the limit.
        ./pan -q -m20000 $search > pan.out 2>&1
        verdict=$(sed -n 's/^pan:[0-9]*: *//p' pan.out | sed 's/ (at depth.*//; s/assertion violated *!(\(.*\))/\1/; q' |
            sed 's/invalid end state/deadlock/; s/ /_/g')
        if grep -qi 'not complete\|too small\|out of memory' pan.out && [ "$expected" = holds ]; then
            verdict=${verdict:-stopped}
        elif grep -q 'errors: 0 *$' pan.out; then
            verdict=holds
        fi
        states=$(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' pan.out)
        depth=$(sed -n 's/.*depth reached \([0-9]*\),.*/\1/p' pan.out)
    fi
    mark=ok
    [ "$verdict" = "$expected" ] || mark="WRONG, expected $expected"
    printf '%-16s %9s states, depth %4s  %s  %s\n' "${verdict:-stopped}" "${states:-}" "${depth:-}" "$mark" "$model $*"
    [ "$mark" = ok ]
}

case ${1:-all} in
quick) list=$quick ;;
all) list=$quick$all ;;
large) list=$quick$all$large ;;
check) shift && check "$@" && exit 0 || exit 1 ;;
*) echo "usage: $0 [quick|all|large]" >&2 && exit 1 ;;
esac
if echo "$list" | grep -v '^$' | xargs -P 2 -L 1 "$models/check.sh" check; then
    echo "every property holds, and every broken variant fails"
else
    echo "something above is WRONG" >&2
    exit 1
fi
