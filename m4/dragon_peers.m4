# SPDX-License-Identifier: BSD-3-Clause
#
# Other people's messages, which dragon-bench channel measures beside ours: each is a program of its own that is built
# when its library is there, and nothing else needs it. nng has no pkg-config file everywhere.
AC_DEFUN([DRAGON_CHECK_PEERS], [
    AC_ARG_WITH([bench-peers],
        [AS_HELP_STRING([--without-bench-peers],
            [do not build dragon-bench-zmq, -nng and -mpi, which dragon-bench compares with])])
    dragon_zmq_found=no
    dragon_nng_found=no
    dragon_mpi_peer=no
    AS_IF([test "$with_bench_peers" != no], [
        PKG_CHECK_MODULES([ZMQ], [libzmq >= 4.0], [dragon_zmq_found=yes], [:])
        AC_CHECK_HEADER([nng/nng.h], [
            AC_CHECK_LIB([nng], [nng_pair0_open], [dragon_nng_found=yes; NNG_LIBS=-lnng])], [], [-])
        AS_IF([test -n "$MPICC_OPENMPI"], [dragon_mpi_peer=yes])])
    AC_SUBST([NNG_LIBS])
    AM_CONDITIONAL([HAVE_ZMQ], [test $dragon_zmq_found = yes])
    AM_CONDITIONAL([HAVE_NNG], [test $dragon_nng_found = yes])
    AM_CONDITIONAL([HAVE_MPI_PEER], [test $dragon_mpi_peer = yes])
])
