#include "base/err.h"
#include "base/assert.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

int mpl__err (mpl_err_t *err, int code, const char *fmt, ...)
{
    if (err) {
        va_list args;

        va_start (args, fmt);
        err->code = code;
        vsnprintf (err->text, sizeof err->text, fmt, args);
        va_end (args);
    }
    errno = code;
    return -1;
}

const char *mpl__signal_name (int signal)
{
    const char *name = sigdescr_np (signal);

    return name ? name : "unknown signal";
}

const char *mpl__status_text (int status, char *text, size_t size)
{
    if (WIFSIGNALED (status))
        snprintf (text, size, "signal %d (%s)", WTERMSIG (status), mpl__signal_name (WTERMSIG (status)));
    else
        snprintf (text, size, "exit code %d", WEXITSTATUS (status));
    return text;
}

_Noreturn void mpl__assert_failed (const char *condition, const char *file, int line)
{
    fprintf (stderr, "mplaunch: a mistake of ours at %s:%d: %s does not hold; please report it\n", file, line, condition);
    abort ();
}
