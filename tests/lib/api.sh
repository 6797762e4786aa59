# SPDX-License-Identifier: BSD-3-Clause
#
# For tests that run one program of tests/api in several surroundings: each run is one test, and of what the program printed
# only what went wrong is shown.

# passes OPTIONS... PROGRAM ARGS...: the program, as head of a runtime with these options, is content.
passes()
{
    local options=()
    while [[ $1 == -* ]]; do
        case $1 in
        --*=*) options+=("$1") && shift ;;
        *) options+=("$1" "$2") && shift 2 ;;
        esac
    done
    local program=$DRAGON_BUILDDIR/tests/api/$1 code=0
    shift
    timeout -k 5 "$LIMIT" dragon-run "${options[@]}" "$program" "$@" >tap.out || code=$?
    grep -v '^ok ' tap.out
    return $code
}
