# SPDX-License-Identifier: BSD-3-Clause
#
# Headers alone, without a .pc file.
AC_DEFUN([DRAGON_CHECK_UTHASH], [
    AC_ARG_WITH([uthash],
        [AS_HELP_STRING([--with-uthash=DIR], [use the uthash that is installed in DIR])])
    AS_CASE([$with_uthash], [""|yes|no], [],
        [UTHASH_CFLAGS="${UTHASH_CFLAGS:--isystem $with_uthash/include}"])
    AC_SUBST([UTHASH_CFLAGS])
    UTHASH_LIBS=
    DRAGON_TRY_LIBRARY([UTHASH], [uthash.h], [return 0],
        [AC_MSG_ERROR([uthash is needed: install uthash-dev])])
])
