#include "base/files.h"

#include <errno.h>

#define ENOUGH 1048576                  /* the kernel's own table grows with the highest descriptor, not with the limit */

static void set (const mpl_files_t *self, const struct rlimit *limit)
{
    int saved = errno;

    if (self->given.rlim_cur != self->raised.rlim_cur)
        setrlimit (RLIMIT_NOFILE, limit);
    errno = saved;
}

void mpl__files_begin (mpl_files_t *self)
{
    if (getrlimit (RLIMIT_NOFILE, &self->given) < 0)
        self->given = (struct rlimit) { 0, 0 };
    self->raised = self->given;
    if (self->given.rlim_cur < self->given.rlim_max)
        self->raised.rlim_cur = self->given.rlim_max < ENOUGH ? self->given.rlim_max : ENOUGH;
    if (self->raised.rlim_cur < self->given.rlim_cur)
        self->raised.rlim_cur = self->given.rlim_cur;
    if (self->raised.rlim_cur != self->given.rlim_cur && setrlimit (RLIMIT_NOFILE, &self->raised) < 0)
        self->raised = self->given;
}

void mpl__files_lower (const mpl_files_t *self) { set (self, &self->given); }
void mpl__files_raise (const mpl_files_t *self) { set (self, &self->raised); }
