# SPDX-License-Identifier: BSD-3-Clause
#
# dragon-run in odd surroundings: it works, or says in one line what is wrong.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
plan 27

works()
{
    local text=$1
    shift
    check_output '^fine$' "$text: the head" "$@" dragon-run echo fine
    check_output '^fine$' "$text: a group" "$@" dragon-run dragon-pg -n 1 echo fine
}
long=$DRAGON_TEST_DIR/$(printf '%0120d' 0)
mkdir "$long"

works "no HOME" env -u HOME
works "no TMPDIR" env -u TMPDIR
works "no LD_LIBRARY_PATH" env -u LD_LIBRARY_PATH
works "almost no environment" env -i PATH="$PATH" DRAGON_TEST_MARK="$DRAGON_TEST_MARK"
works "a TMPDIR of 120 characters" env TMPDIR="$long" XDG_RUNTIME_DIR=
works "a TMPDIR that is not there" env TMPDIR=/no/such/place
works "a relative TMPDIR" env TMPDIR=.
works "umask 0" bash -c 'umask 0; "$@"' bash
works "umask 0777" bash -c 'umask 0777; "$@"' bash

# As somebody whom permissions stop.
if [ "$(id -u)" != 0 ] || ! command -v setpriv >/dev/null ||
    ! setpriv --reuid=65534 --regid=65534 --clear-groups "$DRAGON_BUILDDIR/dragon-run" --version \
        >/dev/null 2>&1; then
    for what in head group TMPDIR --directory message; do
        skip "as another user: $what" "this needs root, setpriv and a build directory that all can read"
    done
else
    as_nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
    mkdir -m 1777 open
    chmod 755 "$DRAGON_TEST_DIR"
    works "umask 0777, as another user" env TMPDIR="$PWD/open" \
        "${as_nobody[@]}" bash -c 'umask 0777; "$@"' bash
    mkdir -m 0555 closed
    check_output '^fine$' "a TMPDIR that cannot be written" env TMPDIR="$PWD/closed" \
        "${as_nobody[@]}" dragon-run echo fine
    check_failure "closed|TMPDIR" "--directory that cannot be written" "${as_nobody[@]}" \
        dragon-run --directory="$PWD/closed" true
    like "says why" 'Permission denied' "$(cat "$err")"
fi
check_failure "no/such|directory" "--directory that is not there" dragon-run --directory=/no/such true
check_failure "working directory" "the current directory was removed" bash -c \
    'mkdir gone && cd gone && rmdir ../gone && dragon-run true'
check "few descriptors" bash -c 'ulimit -n 64; dragon-run dragon-pg -n 2 true'
no_leftovers "nothing is left"
finish
