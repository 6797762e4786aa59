# SPDX-License-Identifier: BSD-3-Clause
#
# dragon-bench channel: it measures every part on one node and between two, and its report can be read by a program. What
# the figures are is not looked at: a test machine is busy.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
plan 14
LIMIT=280

# Every figure is there once, and has a value or the reason why not; but for peers that may not be installed all have one.
read_report()
{
    python3 - "$1" <<'END'
import json, sys
report = json.load(open(sys.argv[1]))
names = [figure["name"] for figure in report["figures"]]
wanted = """latency-spin latency-spin-line latency-adaptive latency-idle crowd copy-64k copy-64k-pipe copy-64k-near
    copy-64k-near-pipe copy-1024k copy-1024k-pipe copy-1024k-near copy-1024k-near-pipe handover-4k handover-64k handover-1024k handover-16384k handover-65536k rate-1-1 rate-4-1
    rate-1-4 rate-4-4 idle-wait-wakes idle-wait-time idle-wait-far-wakes idle-wait-far-time nodes-latency-spin
    nodes-latency-spin-direct nodes-latency-idle nodes-latency-idle-direct nodes-64k nodes-64k-direct nodes-1024k
    nodes-1024k-direct""".split()
wrong = [name for name in wanted if names.count(name) != 1]
for figure in report["figures"]:
    ours = figure.get("ours")
    if not ours and not (figure.get("note", "").startswith("not measured: ") and "-" not in figure["name"]):
        wrong.append(figure["name"] + " has no value: " + figure.get("note", "and no reason"))
    if ours and not 0 <= ours["low"] <= ours["median"] <= ours["high"]:
        wrong.append(figure["name"] + " has a median outside its range")
for library in "zmq", "nng", "mpi":
    if not any(name.startswith(library) for name in names):
        wrong.append(library)
if report["bench"] != "channel" or "cores" not in report["machine"]:
    wrong.append("the head")
sys.exit(str(wrong) if wrong else 0)
END
}

check "channel --quick --json ends well" dragon-bench channel --quick --json
cp "$out" report.json
if command -v python3 >/dev/null; then
    check "its report has every figure" read_report report.json
else
    skip "its report has every figure" "there is no python3"
fi

check "one part alone, for people" dragon-bench channel --quick --only handover
like "  has that part" '^handover-4k ' "$(cat "$out")"
is "  and no other" "$(grep -c '^latency' "$out")" 0

check "in a runtime of one node" dragon-run dragon-bench channel --quick --only nodes
like "  there is no other to measure" 'not measured: the runtime has one node.*--test-hosts 2' "$(cat "$out")"

# Without the other libraries' programs.
mkdir bare
cp "$DRAGON_BUILDDIR"/dragon-{bench,run,agent,transport} bare/ 2>/dev/null
check "without the other libraries" bare/dragon-bench channel --quick --only zmq --only nng --only mpi --mpiexec /no/mpiexec
is "  each is named with what to install" "$(grep -c 'not measured: install' "$out")" 3

check_output 'dragon-bench channel' "--help has it" dragon-bench --help
check_failure 'channel has no part "spawn"' "a part of the other word" dragon-bench channel --only spawn
check_failure 'for dragon-bench alone' "a partner is not for people" dragon-bench partner
check_failure 'for dragon-bench alone' "whatever it is given" dragon-bench partner echo 0 9 a b 8

no_leftovers "nothing is left"
finish
