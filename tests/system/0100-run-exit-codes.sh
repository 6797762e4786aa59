# SPDX-License-Identifier: BSD-3-Clause
# quick
#
# What dragon-run returns: the program's own code, and a shell's codes for what cannot be run.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
plan 26

check "0 is 0" dragon-run true
is "without a word" "$(cat "$out" "$err")" ""
check_status 3 "3 is 3" dragon-run sh -c 'exit 3'
is "without a word, too" "$(cat "$err")" ""
check_status 255 "255 is 255" dragon-run sh -c 'exit 255'
check_status 143 "killed by TERM is 143" dragon-run sh -c 'kill -TERM $$'
like "and says so" '^dragon-run: .*signal 15' "$(cat "$err")"
check_status 137 "killed by KILL is 137" dragon-run sh -c 'kill -KILL $$'
check_status 139 "killed by SEGV is 139" dragon-run sh -c 'ulimit -c 0; kill -SEGV $$'

check_status 127 "a program that is not there is 127" dragon-run no-such-program
like "and is named" '^dragon-run: .*no-such-program' "$(cat "$err")"
check_status 127 "also with a path" dragon-run ./no/such/program
echo 'no program' >data
check_status 126 "a file without permission is 126" dragon-run ./data
check_status 126 "a directory is 126" dragon-run /
printf '#!/no/such/interpreter\n' >script
chmod +x script
check_status 127 "a script without its interpreter is 127" dragon-run ./script

one_line_usage()
{
    run "$@"
    grep -q '^dragon-run: ' "$err" || status="$status, no message"
}
for wrong in --nonsense --test-hosts=0 --test-hosts=x --fanout=0 --up-timeout=x "--rank=0 true" \
    "--rank=2 --size=2 --address=h:1 --secret-file=f true" "--up-timeout=0s true"; do
    # shellcheck disable=SC2086
    one_line_usage dragon-run $wrong
    is "wrong use is 125: $wrong" "$status" 125
done
check_status 125 "no program and no terminal is 125" dragon-run
check_output 'usage: dragon-run' "--help helps" dragon-run --help
no_leftovers "nothing is left"
finish
