# SPDX-License-Identifier: BSD-3-Clause
#
# What a runtime has on disk and in its processes is its owner's alone.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
plan 16

mkfifo go
dragon-run --test-hosts 2 sh -c 'echo "$DRAGON_RUNTIME" >socket.tmp; mv socket.tmp socket; read -r _ <go; exit 4' &
runtime=$!
check "a runtime comes up" wait_until 30 test -s socket
socket=$(cat socket)
folder=${socket%/*}
is "its folder lies in TMPDIR" "${folder%/dragon-*}" "$TMPDIR"
is "and is 0700 and the caller's" "$(stat -c '%a %u' "$folder")" "700 $(id -u)"
is "as is every folder in it" \
    "$(find "$folder" -type d ! -perm 700 -o ! -uid "$(id -u)" | wc -l)" 0
shared=$(find /dev/shm -maxdepth 1 -name 'dragon-*' -perm /077 -printf '%p ')
is "and every one of any runtime in /dev/shm" "$shared" ""
is "the socket is a socket" "$(stat -c %F "$socket")" socket

# The secret is random, so what is looked for is anything random: 32 bytes, as bytes, hex or base64,
# would stand out among words and paths.
is "no process has anything like a secret in its arguments or its environment" \
    "$(runtime_processes | while read -r _ pid _; do
        cat "/proc/$pid/cmdline" "/proc/$pid/environ" 2>/dev/null | tr '\0' '\n' |
            grep -v -e ^LS_COLORS -e ^DRAGON_TEST -e ^PATH |
            LC_ALL=C grep -aE '[0-9a-fA-F]{40,}|[A-Za-z0-9+_-]{40,}|[^ -~[:space:]]{4,}'
    done)" ""
is "nor is the secret in a file" "$(find "$folder" -type f -size -40c -size +0c | wc -l)" 0

# Somebody else, to whom the folder is opened as wide as can be: the socket itself refuses.
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
    chmod 711 "$DRAGON_TEST_DIR" "$TMPDIR" "$folder"
    chmod 666 "$socket"
    as_nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
    if "${as_nobody[@]}" "$DRAGON_BUILDDIR/dragon-pg" --version >/dev/null 2>&1; then
        run env DRAGON_RUNTIME="$socket" "${as_nobody[@]}" dragon-pg -n 1 id
        is "another user's dragon-pg is refused" "$status" 125
        like "with the reason" '^dragon-pg: error: .*(user|refused|owner|closed|reset|permission)' "$(cat "$err")"
        check_status 1 "nor does dragon-info of another user find it" "${as_nobody[@]}" dragon-info
        chmod 700 "$folder"
        check_failure 'belongs to another user' "and named, it is said whose it is" \
            "${as_nobody[@]}" dragon-info --runtime "$folder"
        check_failure 'memory limits cannot be set on .*: Permission denied' \
            "who may make no control groups gets no memory limit" \
            "${as_nobody[@]}" env TMPDIR=/tmp dragon-pg --memory 100M true
    else
        for text in "dragon-info finds nothing" "it is said whose it is" "no memory limits"; do
            skip "$text" "the build directory is not readable for all"
        done
        skip "another user's dragon-pg is refused" "the build directory is not readable for all"
        skip "with the reason" "the build directory is not readable for all"
    fi
else
    skip "another user's dragon-pg is refused" "this needs root and setpriv"
    skip "with the reason" "this needs root and setpriv"
    for text in "dragon-info finds nothing" "it is said whose it is" "no memory limits"; do
        skip "$text" "this needs root and setpriv"
    done
fi
echo >go
wait "$runtime"
is "the runtime goes on undisturbed" $? 4
check_failure 'no place for the runtime.s directory in /no/such; .*--directory' "--directory that is not there" \
    dragon-run --directory /no/such true
no_leftovers "nothing is left"
finish
