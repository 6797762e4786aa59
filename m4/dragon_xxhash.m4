# SPDX-License-Identifier: BSD-3-Clause
#
# Headers alone, without a .pc file.
AC_DEFUN([DRAGON_CHECK_XXHASH], [
    AC_ARG_WITH([xxhash],
        [AS_HELP_STRING([--with-xxhash=DIR], [use the xxhash that is installed in DIR])])
    AS_CASE([$with_xxhash], [""|yes|no], [],
        [XXHASH_CFLAGS="${XXHASH_CFLAGS:--isystem $with_xxhash/include}"])
    AC_SUBST([XXHASH_CFLAGS])
    XXHASH_LIBS=
    DRAGON_TRY_LIBRARY([XXHASH], [xxhash.h], [return 0],
        [AC_MSG_ERROR([xxHash is needed: install libxxhash-dev])])
])
