/* call.h - one running task as its function sees it: the struct behind mpl_call_t. Owned by the serving loop, which
 * uses the same one for every task; only the task's thread touches it. */
#ifndef WORKER_CALL_H
#define WORKER_CALL_H

#include "mplaunch.h"

#define MPL__FAIL_TEXT 1001         /* bytes of a task's own failure text, the NUL included */

typedef struct mpl_shares mpl_shares_t;

struct mpl_call {
    const mpl_task_t *task;
    size_t in_len, index;
    int worker, attempt;
    mpl_shares_t *shares;           /* borrowed */
    char *reply;                    /* of an MPL_VARIABLE task; owned, kept from task to task */
    size_t reply_len, reply_room;
    int has_bad_reply;              /* it replied with more than its slot holds: the item fails even if it returns 0 */
    char failure[MPL__FAIL_TEXT];
};

/* Makes it ready for the next task. */
static inline void mpl__call_reset (mpl_call_t *self)
{
    self->reply_len = 0;
    self->has_bad_reply = 0;
    self->failure[0] = '\0';
}

#endif
