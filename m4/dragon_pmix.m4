# SPDX-License-Identifier: BSD-3-Clause
#
# Debian's pmix.pc adds a run path to a private folder, where plain -lpmix finds the same library
# in the system's: the plain form is taken where it links and nobody asked for a certain place.
AC_DEFUN([DRAGON_CHECK_PMIX], [
    m4_pushdef([words], [PMIx 4.0 or later is needed: install libpmix-dev])
    DRAGON_FIND_LIBRARY([PMIX], [pmix], [pmix], [4.0], [-lpmix], m4_defn([words]))
    dragon_pmix_libs=$PMIX_LIBS
    AS_IF([test -z "$dragon_dir$PKG_CONFIG_PATH"], [PMIX_LIBS=-lpmix])
    DRAGON_TRY_LIBRARY([PMIX], [pmix.h], [return PMIx_Initialized()], [
        PMIX_LIBS=$dragon_pmix_libs
        DRAGON_TRY_LIBRARY([PMIX], [pmix.h], [return PMIx_Initialized()],
            [AC_MSG_ERROR(m4_defn([words]))])])
    m4_popdef([words])
])
