# SPDX-License-Identifier: BSD-3-Clause
#
# What the tests of dictionaries that lose managers share (tests/api/dict_lost). Read after system.sh; `on N CMD...` runs a
# command as on node N, see chan.sh, or is the test's own.
lost=$DRAGON_BUILDDIR/tests/api/dict_lost

# make_dict NAME MANAGERS: its descriptor is then in $descriptor
make_dict()
{
    descriptor=$(on 0 "$lost" make "$1" "$2") && [ -n "$descriptor" ]
}

# hold_dict NODE KIND NAME MANAGER: in the background, until it waits; its words are in the file held.NODE.KIND
hold_dict()
{
    on "$1" "$lost" hold "$2" "$3" "$4" >"held.$1.$2" 2>&1 &
    wait_until 30 grep -q waiting "held.$1.$2"
}

# hold_all NAME MANAGER KIND...: on both nodes
hold_all()
{
    local name=$1 manager=$2 kind node good=0
    shift 2
    rm -f held.*
    for kind in "$@"; do
        for node in 0 1; do
            hold_dict $node "$kind" "$name" "$manager" || good=1
        done
    done
    return $good
}

held_end()
{
    ! grep -L ' at ' held.* | grep -q .
}

# told TEXT MS WORDS...: all that hold were told PEER so soon after $killed, and said each of the words, lines of their own
told()
{
    local text=$1 limit=$2 most=0 bad='' file us line
    shift 2
    wait_until 30 held_end
    for file in held.*; do
        us=$(sed -n 's/^DRAGON_ERR_PEER at //p' "$file")
        us=$((${us:-0} - killed))
        [ $us -gt 0 ] || bad="$bad $file: $(cat "$file");"
        [ $us -le $most ] || most=$us
        for line in "$@"; do
            wait_until 10 grep -qx "$line" "$file" || bad="$bad $file: not $line;"
        done
    done
    comment "after $most us at most"
    if [ -z "$bad" ] && [ "$most" -lt "${limit}000" ]; then
        ok "$text"
    else
        not_ok "$text"
        comment "$bad"
        tail -n +1 held.* | sed 's/^/# /'
    fi
}
