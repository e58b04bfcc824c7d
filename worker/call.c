#include "worker/call.h"
#include "worker/shares.h"
#include "base/fail.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPLY_KEPT ((size_t) 1 << 20)       /* a longer buffer is given back before the next reply */

MPL_EXPORT size_t mpl_call_in_len (mpl_call_t *self) { return self->in_len; }
MPL_EXPORT size_t mpl_call_index (mpl_call_t *self) { return self->index; }
MPL_EXPORT int mpl_call_worker (mpl_call_t *self) { return self->worker; }
MPL_EXPORT int mpl_call_attempt (mpl_call_t *self) { return self->attempt; }

static int make_room (mpl_call_t *self, size_t len)
{
    if (len <= self->reply_room && (self->reply_room <= REPLY_KEPT || len > REPLY_KEPT))
        return 0;
    char *reply = malloc (len);
    if (!reply)
        return -1;
    free (self->reply);
    self->reply = reply;
    self->reply_room = len;
    return 0;
}

/* A result larger than its slot would be lost, and a task that does not look would not notice: its item fails. */
static int refuse_reply (mpl_call_t *self, size_t len)
{
    self->has_bad_reply = len > self->task->out_size;
    mpl__fail (EINVAL, "mpl_call_reply of %zu bytes in task %s: its results have %zu bytes and go to `out`; only a task "
               "registered with out_size MPL_VARIABLE replies", len, self->task->name, self->task->out_size);
    if (self->has_bad_reply)
        snprintf (self->failure, sizeof self->failure, "%.*s", MPL__FAIL_TEXT - 1, mpl__last_error ()->text);
    return -1;
}

MPL_EXPORT int mpl_call_reply (mpl_call_t *self, const void *data, size_t len)
{
    if (self->task->out_size != MPL_VARIABLE)
        return refuse_reply (self, len);
    if (!data && len)
        return mpl__fail (EINVAL, "mpl_call_reply in task %s: data is NULL but len is %zu", self->task->name, len);
    if (make_room (self, len ? len : 1) < 0)
        return mpl__fail (ENOMEM, "mpl_call_reply in task %s: no memory for %zu bytes", self->task->name, len);
    if (len)
        memcpy (self->reply, data, len);
    self->reply_len = len;
    return 0;
}

MPL_EXPORT int mpl_call_fail (mpl_call_t *self, const char *fmt, ...)
{
    va_list args;

    va_start (args, fmt);
    vsnprintf (self->failure, sizeof self->failure, fmt, args);
    va_end (args);
    return -1;
}

MPL_EXPORT const void *mpl_call_shared (mpl_call_t *self, const char *name, size_t *len)
{
    const void *data = name ? mpl__shares_get (self->shares, name, len) : NULL;

    if (!data)
        mpl__fail (ENOENT, "mpl_call_shared in task %s: nothing was shared under the name '%s'; "
                   "main shares it with mpl_pool_share before it submits the task", self->task->name, name ? name : "NULL");
    return data;
}
