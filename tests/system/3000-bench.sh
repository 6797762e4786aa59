# SPDX-License-Identifier: BSD-3-Clause
#
# dragon-bench: it measures every part, its report can be read by a program, and it refuses what it does
# not know. What the figures are is not looked at: a test machine is busy.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
plan 12
# Half a minute on an idle machine with two cores.
LIMIT=180

# Every figure is there once, and has a value or the reason why not.
read_report()
{
    python3 - "$1" <<'END'
import json, sys
report = json.load(open(sys.argv[1]))
names = [figure["name"] for figure in report["figures"]]
wanted = """idle-agent idle-run idle-agent-wakes idle-run-wakes one-node spawn-64 spawn-256 spawn-64-two
    spawn-256-two spawn-64-mpiexec spawn-64-sleep mpi-2 mpi-8 mpi-16 series-true series-true-agent-memory
    series-true-agent-descriptors series-true-client-memory series-mpi""".split()
wrong = [name for name in wanted if names.count(name) != 1]
for figure in report["figures"]:
    ours = figure.get("ours")
    if figure["measured"] != bool(ours) or not (ours or figure.get("note")):
        wrong.append(figure["name"] + " has no value and no reason")
    if ours and not ours["low"] <= ours["median"] <= ours["high"]:
        wrong.append(figure["name"] + " has a median outside its range")
    if figure["name"].startswith(("idle", "series-true")) and not ours:
        wrong.append(figure["name"] + " was not measured")
if report["bench"] != "launch" or "cores" not in report["machine"]:
    wrong.append("the head")
sys.exit(str(wrong) if wrong else 0)
END
}

check "launch --quick --json ends well" dragon-bench launch --quick --json
cp "$out" report.json
if command -v python3 >/dev/null; then
    check "its report has every figure" read_report report.json
else
    skip "its report has every figure" "there is no python3"
fi

check "one part alone, for people" dragon-bench launch --quick --only idle
like "  has that part" '^idle-agent ' "$(cat "$out")"
is "  and no other" "$(grep -c '^spawn' "$out")" 0
check_output 'launch --quick --json' "--help" dragon-bench --help

check_failure 'nothing was given' "no word" dragon-bench
check_failure '"lunch"' "a word that it does not know" dragon-bench lunch
check_failure '"everything"' "a part that it does not know" dragon-bench launch --only everything
check_failure 'too many words' "further words" dragon-bench launch again
check_failure '--quik' "an option that it does not know" dragon-bench launch --quik

no_leftovers "nothing is left"
finish
