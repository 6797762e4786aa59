# SPDX-License-Identifier: BSD-3-Clause
#
# Dictionaries: values in pieces, why calls failed, full managers and limits of memory, figures as JSON.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/api.sh"
. "$DRAGON_SRCDIR/tests/lib/info.sh"
plan 7
check "with the managers on this node" passes dict_pieces 0
check "a limit of 24 MiB" passes --memory 24M dict_pieces limit 24
check "a limit of 100 MiB" passes --memory 100M dict_pieces limit 100
check "figures" passes dict_pieces stats "$PWD/stats.json"
is "are JSON" "$(json_value stats.json '[m["keys"] for m in it["managers"]]' 2>&1)" "[1]"
is "with all fields" "$(json_value stats.json '0 <= it["managers"][0]["fragmentation"] <= 1000' 2>&1)" "True"
no_leftovers "nothing is left"
finish
