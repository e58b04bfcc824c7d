#include "worker/leave.h"

#include <stdio.h>
#include <unistd.h>

/* Present in builds with -fsanitize=address and --coverage only. */
extern void __lsan_do_leak_check (void) __attribute__ ((weak));
extern void __gcov_dump (void) __attribute__ ((weak));

_Noreturn void mpl__leave (int status)
{
    fflush (stdout);
    fflush (stderr);
    if (__gcov_dump)
        __gcov_dump ();
    if (__lsan_do_leak_check)
        __lsan_do_leak_check ();
    _exit (status);
}
