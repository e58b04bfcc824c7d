#include "worker/cpuset.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

/* More than any kernel has; it says EINVAL for a set that is too small to hold its own. */
#define NUMBERS_MAX (1 << 20)

int mpl__cpuset_init (mpl_cpuset_t *self, int n)
{
    size_t room = n > 0 ? (size_t) n : 1;

    self->size = CPU_ALLOC_SIZE (room);
    self->bits = CPU_ALLOC (room);
    if (!self->bits)
        return -1;
    CPU_ZERO_S (self->size, self->bits);
    return 0;
}

void mpl__cpuset_free (mpl_cpuset_t *self)
{
    CPU_FREE (self->bits);
    *self = (mpl_cpuset_t) { .bits = NULL };
}

void mpl__cpuset_add (mpl_cpuset_t *self, int pu)
{
    if (self->bits && pu >= 0)
        CPU_SET_S ((size_t) pu, self->size, self->bits);
}

int mpl__cpuset_has (const mpl_cpuset_t *self, int pu)
{
    return self->bits && pu >= 0 && CPU_ISSET_S ((size_t) pu, self->size, self->bits) != 0;
}

int mpl__cpuset_of_self (mpl_cpuset_t *self)
{
    for (int n = CPU_SETSIZE; n <= NUMBERS_MAX; n *= 2) {
        if (mpl__cpuset_init (self, n) < 0)
            return -1;
        if (sched_getaffinity (0, self->size, self->bits) == 0)
            return 0;
        mpl__cpuset_free (self);
    }
    return errno = ENOMEM, -1;
}

int mpl__cpuset_bind_self (const mpl_cpuset_t *self)
{
    return sched_setaffinity (0, self->size, self->bits);
}

/* The first number from `pu` on that is in the set (or is not, when that is wanted); INT_MAX: there is none. */
static int find_next (const mpl_cpuset_t *self, int pu, int is_in)
{
    int end = self->bits ? (int) (self->size * CHAR_BIT) : 0;

    while (pu < end && mpl__cpuset_has (self, pu) != is_in)
        pu++;
    return pu < end || !is_in ? pu : INT_MAX;
}

const char *mpl__cpuset_text (const mpl_cpuset_t *self, char *text, size_t size)
{
    size_t len = 0;

    *text = '\0';
    for (int from = find_next (self, 0, 1), end; from != INT_MAX; from = find_next (self, end, 1)) {
        const char *comma = len ? "," : "";
        end = find_next (self, from, 0);
        len += (size_t) (end == from + 1 ? snprintf (text + len, size - len, "%s%d", comma, from)
                                         : snprintf (text + len, size - len, "%s%d-%d", comma, from, end - 1));
        if (len >= size) {
            snprintf (size > 4 ? text + size - 4 : text, size < 4 ? size : 4, "...");
            break;
        }
    }
    return text;
}
