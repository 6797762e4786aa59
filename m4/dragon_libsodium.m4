# SPDX-License-Identifier: BSD-3-Clause
AC_DEFUN([DRAGON_CHECK_LIBSODIUM], [
    m4_pushdef([words], [libsodium 1.0.17 or later is needed: install libsodium-dev])
    DRAGON_FIND_LIBRARY([LIBSODIUM], [libsodium], [libsodium], [1.0.17], [-lsodium], m4_defn([words]))
    DRAGON_TRY_LIBRARY([LIBSODIUM], [sodium.h], [return sodium_init()], [AC_MSG_ERROR(m4_defn([words]))])
    m4_popdef([words])
])
