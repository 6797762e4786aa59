# SPDX-License-Identifier: BSD-3-Clause
#
# For the unit tests alone: without it `make check` says that it skips them.
AC_DEFUN([DRAGON_CHECK_CRITERION], [
    AC_ARG_WITH([criterion],
        [AS_HELP_STRING([--without-criterion], [do not build the unit tests])])
    dragon_criterion_found="skipped (--without-criterion)"
    AS_IF([test "$with_criterion" != no], [
        PKG_CHECK_MODULES([CRITERION], [criterion >= 2.3],
            [dragon_criterion_found=yes],
            [dragon_criterion_found="skipped (install libcriterion-dev)"
             AS_IF([test -n "$with_criterion"],
                [AC_MSG_ERROR([Criterion 2.3 or later is needed: install libcriterion-dev])])])])
    AM_CONDITIONAL([HAVE_CRITERION], [test "$dragon_criterion_found" = yes])
])
