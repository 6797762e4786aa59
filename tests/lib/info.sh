# SPDX-License-Identifier: BSD-3-Clause
#
# What the tests of dragon-info share: values of its JSON, and a place in which no runtime of others is found.
# Read after system.sh.
unset XDG_RUNTIME_DIR DRAGON_RUNTIME

# json_value FILE EXPRESSION: of python, with the object as `it`. Fails when the file is no JSON.
json_value()
{
    python3 -c '
import json, sys
try:
    it = json.load(open(sys.argv[1]))
    print(eval(sys.argv[2]))
except Exception as problem:
    sys.exit("%s: %s" % (type(problem).__name__, problem))' "$1" "$2"
}

# json_is TEXT EXPRESSION EXPECTED: of the last command's output
json_is()
{
    is "$1" "$(json_value "$out" "$2" 2>&1)" "$3"
}

# check_json SCHEMA TEXT CMD...: it succeeds, says nothing else, and prints one JSON object of the schema.
check_json()
{
    local schema=$1 text=$2 got
    shift 2
    run "$@"
    got="$status $(wc -c <"$err") $(python3 -m json.tool "$out" >/dev/null 2>&1; echo $?)"
    got="$got $(json_value "$out" 'it["schema"], it["version"]' 2>/dev/null)"
    if [ "$got" = "0 0 0 ('$schema', 1)" ]; then
        ok "$text"
    else
        not_ok "$text"
        comment "code, bytes of errors, JSON or not, schema and version: $got"
        show_run "$@"
    fi
}

no_other_runtime()
{
    ! grep -oE ' /tmp/dragon-[A-Za-z0-9]{6}/agent\.sock$' /proc/net/unix
}

# Other tests may have a runtime in /tmp for a moment, where dragon-info looks too; then it is done again.
run_alone()
{
    local i code=0
    for i in 1 2 3 4 5; do
        wait_until 20 no_other_runtime
        code=0
        "$@" || code=$?
        no_other_runtime >/dev/null && break
    done
    return "$code"
}
