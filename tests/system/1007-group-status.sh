# SPDX-License-Identifier: BSD-3-Clause
# quick
#
# The status file: how a group went, whole and whatever became of it.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
command -v python3 >/dev/null || skip_all "there is no python3"
plan 31

host=$(hostname)

# status EXPRESSION: of the file "status", as Python.
status_of()
{
    python3 -c 'import json, sys
s = json.load(open("status"))
assert s["schema"] == "dragon-pg-status" and s["version"] == 1
print(eval(sys.argv[1]))' "$1"
}

check "a group that goes well" dragon-run --test-hosts 2 dragon-pg --status-file status -n 2 --ppn 1 sh -c 'sleep 0.2' x
is "code and cause" "$(status_of '(s["exit_code"], s["cause"], s["state"])')" "(0, '', 'ended')"
is "the program" "$(status_of 's["program"]')" "['sh', '-c', 'sleep 0.2', 'x']"
is "nodes" "$(status_of '[r["node"] for r in s["ranks"]]')" "[0, 1]"
is "hosts" "$(status_of '[r["host"] for r in s["ranks"]]')" "['$host', '$host']"
is "codes" "$(status_of '[r["exit_code"] for r in s["ranks"]]')" "[0, 0]"
is "restarts" "$(status_of '[r["restarts"] for r in s["ranks"]]')" "[0, 0]"
is "processes" "$(status_of 'all(r["pid"] > 1 for r in s["ranks"])')" True
is "times" "$(status_of 's["started"] < s["ended"] and 0.2 <= s["seconds"] < 60')" True
is "nothing else was left beside it" "$(ls status*)" status
is "it is a file as any other" "$(stat -c %a status)" "$(printf '%o' $((0666 & ~$(umask))))"

check_status 3 "a rank that fails" dragon-run dragon-pg --status-file status -n 2 sh -c '[ $DRAGON_RANK = 0 ] || exit 3'
is "codes of ranks" "$(status_of '[r["exit_code"] for r in s["ranks"]]')" "[0, 3]"
like "the cause" "rank 1 on $host" "$(status_of 's["cause"]')"
is "the code" "$(status_of 's["exit_code"]')" 3
check_status 127 "a program that is not there" dragon-run dragon-pg --status-file status no-such-program
is "has a status too" "$(status_of '(s["exit_code"], s["started"], s["seconds"], "no-such" in s["cause"])')" \
    "(127, None, 0.0, True)"
check_status 124 "a time limit" dragon-run dragon-pg --status-file status -t 200ms sleep 600
is "is in it" "$(status_of 's["exit_code"]')" 124
is "two programs" "$(dragon-run dragon-pg --status-file status true : echo b >/dev/null; status_of 's["program"]')" \
    "['true', ':', 'echo', 'b']"
is "outside a runtime" "$(rm status; dragon-pg --status-file status sh -c 'exit 5'; status_of 's["exit_code"]')" 5
echo old >status
chmod 700 .
mkdir gone
check_failure 'no/such/status cannot be written' "a folder that is not there is told" \
    dragon-run dragon-pg --status-file no/such/status touch ran
is "before anything runs" "$(ls ran 2>/dev/null)" ""
check_failure 'status file /tmp cannot be written' "nor is a folder a file" dragon-pg --status-file /tmp touch ran
is "the last file is as it was" "$(cat status)" old
check_status 125 "a runtime that cannot be started" env DRAGON_GPUS=wrong dragon-pg --status-file status true
is "leaves no status of another run" "$(ls status 2>/dev/null)" ""
check_status 125 "what is found wrong outside a runtime" dragon-pg --status-file status --signal USR1@1s true
is "has a status" "$(status_of 's["exit_code"]')" 125
check_status 125 "one that cannot be written in the end is no success" \
    dragon-run dragon-pg --status-file gone/status sh -c 'rmdir gone; exit 0'
no_leftovers "nothing is left"
finish
