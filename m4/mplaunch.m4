dnl Macros of this project's configure.ac.

dnl MPL_OPTIONAL(name, VAR, pkg-config modules, what it is for)
dnl Gives --without-name, the conditional HAVE_VAR, VAR_CFLAGS, VAR_LIBS and the shell variable have_name, which the
dnl summary prints. Asked for by --with-name and absent is an error; absent without being asked for is said aloud.
AC_DEFUN([MPL_OPTIONAL], [
    AC_ARG_WITH([$1], [AS_HELP_STRING([--without-$1], [leave out $4])], [], [with_$1=auto])
    have_$1=no
    AS_IF([test "x$with_$1" != xno],
        [PKG_CHECK_MODULES([$2], [$3], [have_$1=yes],
            [AS_IF([test "x$with_$1" = xauto],
                [AC_MSG_WARN([$1 was not found: $4 will not be built])],
                [AC_MSG_ERROR([--with-$1 was given but $1 was not found])])])])
    AM_CONDITIONAL([HAVE_$2], [test "x$have_$1" = xyes])
])

dnl MPL_ADD_CFLAGS(VAR, flag...)
dnl Adds to VAR each flag that the compiler takes without a word. -Werror, because clang only warns of unknown flags.
AC_DEFUN([MPL_ADD_CFLAGS], [m4_foreach([flag], m4_cdr($@), [
    AC_MSG_CHECKING([whether $CC takes flag])
    mpl_saved_CFLAGS=$CFLAGS
    CFLAGS="$CFLAGS -Werror flag"
    AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])],
        [AC_MSG_RESULT([yes]); $1="$$1 flag"],
        [AC_MSG_RESULT([no])])
    CFLAGS=$mpl_saved_CFLAGS])
])

dnl MPL_ADD_LDFLAGS(VAR, flag...)
AC_DEFUN([MPL_ADD_LDFLAGS], [m4_foreach([flag], m4_cdr($@), [
    AC_MSG_CHECKING([whether $CC links with flag])
    mpl_saved_CFLAGS=$CFLAGS
    mpl_saved_LDFLAGS=$LDFLAGS
    CFLAGS="$CFLAGS $PROGRAM_CFLAGS"
    LDFLAGS="$LDFLAGS flag"
    AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])],
        [AC_MSG_RESULT([yes]); $1="$$1 flag"],
        [AC_MSG_RESULT([no])])
    CFLAGS=$mpl_saved_CFLAGS
    LDFLAGS=$mpl_saved_LDFLAGS])
])

dnl MPL_IF_OPTIMISING(commands)
dnl Runs them when CFLAGS ask for optimisation: _FORTIFY_SOURCE without it is only a warning in every file.
AC_DEFUN([MPL_IF_OPTIMISING], [
    AC_MSG_CHECKING([whether $CFLAGS optimises])
    AC_COMPILE_IFELSE([AC_LANG_SOURCE([
#ifndef __OPTIMIZE__
#error no
#endif
int x;
])], [AC_MSG_RESULT([yes]); $1], [AC_MSG_RESULT([no])])
])

dnl MPL_SANITIZER(list)
dnl A finding ends the program: a test must not pass over one. Frame pointers make its stack trace whole.
AC_DEFUN([MPL_SANITIZER], [
    for mpl_name in `AS_ECHO(["$1"]) | tr ',' ' '`; do
        AS_CASE([$mpl_name],
            [address|undefined|leak|thread], [],
            [AC_MSG_ERROR([--enable-sanitizer=$1: '$mpl_name' is none of address, undefined, leak, thread])])
    done
    mpl_flags="-fsanitize=$1 -fno-sanitize-recover=all -fno-omit-frame-pointer"
    AC_MSG_CHECKING([whether $CC links with -fsanitize=$1])
    mpl_saved_CFLAGS=$CFLAGS
    CFLAGS="$CFLAGS $mpl_flags"
    AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])],
        [AC_MSG_RESULT([yes])],
        [AC_MSG_RESULT([no])
         AC_MSG_ERROR([$CC cannot build with -fsanitize=$1: these do not go together, or its runtime library is missing])])
    CFLAGS=$mpl_saved_CFLAGS
    PROJECT_CFLAGS="$PROJECT_CFLAGS $mpl_flags"
    PROJECT_LDFLAGS="$PROJECT_LDFLAGS -fsanitize=$1"
])
