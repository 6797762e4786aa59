# SPDX-License-Identifier: BSD-3-Clause
#
# Starts that cannot succeed under mpiexec: one line that names the host, 125, in time, nothing left.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
command -v mpiexec.openmpi >/dev/null || skip_all "there is no mpiexec of Open MPI"
plan 14
host=$(uname -n)
nofence=$DRAGON_BUILDDIR/tests/lib/preload_nofence.so

outer()
{
    timeout -k 5 "$LIMIT" mpiexec.openmpi --oversubscribe "$@"
}
started=$SECONDS
check_failure "rank 1 of 2.*$host" "a rank that is no dragon-run" \
    outer -n 1 dragon-run --up-timeout 3s true : -n 1 sleep 60
check_failure "rank 0 of 3.*$host" "when it is the first" \
    outer -n 1 sleep 60 : -n 2 dragon-run --up-timeout 3s true
check_failure "rank 3 of 4.*$host" "or the last of four" \
    outer -n 3 dragon-run --up-timeout 3s true : -n 1 sleep 60
is "each within its limit" "$((SECONDS - started < 25))" 1
if [ -z "${DRAGON_SANITIZER:-}" ]; then
    check_failure "reported that addresses were exchanged.*rank 1.*$host" "a fence that moved no data" \
        outer -n 2 -x LD_PRELOAD="$nofence" dragon-run --up-timeout 10s true
    check "which matters to one alone not at all" outer -n 1 -x LD_PRELOAD="$nofence" dragon-run true
else
    skip "a fence that moved no data" "a sanitizer wants to be the first library"
    skip "which matters to one alone not at all" "a sanitizer wants to be the first library"
fi
check_failure '"nonsense"' "a network that is not there" outer -n 2 dragon-run --network nonsense true

# A launcher's variables without the launcher: left over in a shell, or copied to another host.
stale()
{
    env PMIX_NAMESPACE=1234 PMIX_RANK=0 PMIX_SERVER_URI2="1234.0;tcp4://127.0.0.1:1" \
        PMIX_SERVER_URI21="1234.0;tcp4://127.0.0.1:1" timeout -k 5 "$LIMIT" dragon-run "$@"
}
check_failure 'PMIX_NAMESPACE.*unset' "a launcher that has ended" stale --up-timeout 5s true
check_failure 'PMI' "half of a launcher's variables" env PMI_FD=77 PMI_RANK=0 PMI_SIZE=2 \
    dragon-run --up-timeout 5s true

# Signals while it comes up end that. A job in the background ignores SIGINT, and so would dragon-run.
(umask 077; head -c 32 /dev/urandom >secret)
port=$((20000 + RANDOM % 10000))
give_up()
{
    port=$((port + 1))
    timeout -k 5 "$LIMIT" env --default-signal=INT dragon-run --rank=0 --size=2 \
        --address="127.0.0.1:$port" --secret-file="$PWD/secret" true &
    local job=$!
    wait_until 20 bash -c "exec 3<>/dev/tcp/127.0.0.1/$port" || return 1
    kill -s "$1" "$(pgrep -P "$job" -x dragon-run)"
    wait "$job"
}
for signal in TERM/143 INT/130 HUP/129; do
    check_status "${signal#*/}" "${signal%/*} while it comes up" give_up "${signal%/*}"
done
is "without an error" "$(grep -c error: "$err")" 0
no_leftovers "nothing is left"
finish
