# SPDX-License-Identifier: BSD-3-Clause
#
# For the prompt of dragon-dict alone.
AC_DEFUN([DRAGON_CHECK_LIBEDIT], [
    m4_pushdef([words], [libedit 3.1 or later is needed: install libedit-dev])
    DRAGON_FIND_LIBRARY([LIBEDIT], [libedit], [libedit], [3.1], [-ledit], m4_defn([words]))
    DRAGON_TRY_LIBRARY([LIBEDIT], [histedit.h], [return !history_init()],
        [AC_MSG_ERROR(m4_defn([words]))])
    m4_popdef([words])
])
