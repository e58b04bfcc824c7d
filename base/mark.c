#include "base/mark.h"

#include <stddef.h>
#include <sys/resource.h>

#define BASE 819200u                /* the kernel's default for the limit; a hard limit above it counts as this */

static rlim_t top (const struct rlimit *limit)
{
    return limit->rlim_max > BASE ? BASE : limit->rlim_max;
}

void mpl__mark_set (uint64_t mark)
{
    struct rlimit limit;

    if (getrlimit (RLIMIT_MSGQUEUE, &limit) < 0 || top (&limit) < MPL__MARKS)
        return;
    limit.rlim_cur = top (&limit) - mark % MPL__MARKS;
    setrlimit (RLIMIT_MSGQUEUE, &limit);
}

uint64_t mpl__mark_get (pid_t pid)
{
    struct rlimit limit;

    if (prlimit (pid, RLIMIT_MSGQUEUE, NULL, &limit) < 0 || limit.rlim_cur >= top (&limit))
        return 0;
    uint64_t mark = top (&limit) - limit.rlim_cur;
    return mark < MPL__MARKS ? mark : 0;
}
