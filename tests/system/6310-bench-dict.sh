# SPDX-License-Identifier: BSD-3-Clause
#
# dragon-bench dict: it measures every part, with and without the peers, and its report can be read by a program. What the
# figures are is not looked at, but that an operation of this node takes no longer than one that asks another process.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
plan 16
LIMIT=280

# Every figure is there once, and has a value, also when its peer is not installed.
read_report()
{
    python3 - "$1" <<'END_OF_PROGRAM'
import json, sys
report = json.load(open(sys.argv[1]))
figures = {figure["name"]: figure for figure in report["figures"]}
wanted = """get get-redis get-memcached put put-redis put-memcached rate-get-1-redis rate-get-2-redis
    rate-get-2-memcached rate-get-4-redis rate-put-1-redis rate-put-2-redis rate-put-2-memcached rate-put-4-redis
    growth-get-2 growth-get-4 growth-put-2 growth-put-4
    batch-get-redis batch-get-memcached batch-get-50-redis batch-put-redis batch-put-50-redis manager-put manager-get
    large-get-1024k large-put-1024k large-get-65536k large-put-65536k frozen-128 frozen-4096 frozen-65536
    frozen-1048576 frozen-16777216 frozen-67108864 nodes-get nodes-put nodes-batch-get nodes-batch-put nodes-get-64k
    nodes-put-64k nodes-get-1024k nodes-put-1024k nodes-get-1024k-many nodes-put-1024k-many nodes-get-65536k nodes-put-65536k""".split()
wanted += [f"grid-{op}-{size}k-{clients}x{managers}" for op in ("put", "batch", "get", "frozen")
           for size in (1, 64, 4096) for clients in (1, 2) for managers in (1, 2)]
wrong = sorted(set(wanted) ^ set(figures))
if len(figures) != len(report["figures"]):
    wrong.append("a name comes twice")
for name, figure in figures.items():
    ours, note = figure.get("ours"), figure.get("note", "")
    if not ours:
        wrong.append(name + " has no value: " + note)
    if ours and not 0 < ours["low"] <= ours["median"] <= ours["high"]:
        wrong.append(name + " has a median outside its range")
for name in "get", "put":
    if name in figures and figures[name].get("ours", {}).get("median", 0) > 15:
        wrong.append(name + " takes more than ten times what it may")
if report["bench"] != "dict" or "cores" not in report["machine"]:
    wrong.append("the head")
sys.exit(str(wrong) if wrong else 0)
END_OF_PROGRAM
}

check "dict --quick --json ends well" dragon-bench dict --quick --json
cp "$out" report.json
if command -v python3 >/dev/null; then
    check "its report has every figure" read_report report.json
else
    skip "its report has every figure" "there is no python3"
fi

check "one part alone, for people" dragon-bench dict --quick --only frozen
like "  has that part" '^frozen-128 ' "$(cat "$out")"
is "  and no other" "$(grep -c '^get' "$out")" 0

check "the grid, for people" dragon-bench dict --quick --only grid
like "  is a table" 'grid +put +batch put +get +frozen get' "$(cat "$out")"
is "  of 12 rows" "$(grep -c '^[0-9.]* [KM]iB, [12] clients, [12] managers' "$out")" 12

check "in a runtime of one node" dragon-run dragon-bench dict --quick --only nodes
like "  there is no other to measure" 'not measured: the runtime has one node.*--test-hosts 2' "$(cat "$out")"

# Without the other programs.
run=$(command -v dragon-run) bench=$(command -v dragon-bench)
check "without Redis and memcached" env PATH=/nowhere "$run" "$bench" dict --quick --only single
is "  each is named with what to install" "$(grep -c 'the peer was not measured: install \(redis-server\|memcached\)' "$out")" 4

# It ends with the runtime, and the servers with it: see the end.
check_status 137 "killed while it measures" timeout -s KILL 3 dragon-bench dict --only rate

check_output 'dragon-bench dict' "--help has it" dragon-bench --help

check_failure 'dict has no part "spawn"' "a part of another word" dragon-bench dict --only spawn

no_leftovers "nothing is left"
finish
