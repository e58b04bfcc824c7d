#include "pool/process.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fail.h"
#include "base/fd.h"
#include "wire/control.h"
#include "worker/nursery.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/socket.h>
#include <unistd.h>

#define WELCOME_LIMIT_MS 30000
#define ITEM_MAX ((size_t) 1 << 46)         /* bytes of a fixed item: what a 47-bit address space could hold */

mpl_process_self_t mpl__self = { .rank = 0, .size = 1, .local_rank = 0, .local_size = 1, .defaults = { .retries = 2 }, .link = -1 };

MPL_EXPORT int mpl_is_main (void) { return mpl__self.part == MPL__IS_MAIN; }
MPL_EXPORT int mpl_rank (void) { return mpl__self.rank; }
MPL_EXPORT int mpl_size (void) { return mpl__self.size; }
MPL_EXPORT int mpl_local_rank (void) { return mpl__self.local_rank; }
MPL_EXPORT int mpl_local_size (void) { return mpl__self.local_size; }
MPL_EXPORT const char *mpl_error (void) { return mpl__last_error ()->text; }

int mpl__find_task (mpl_fn_t fn, const char *caller, uint16_t *index)
{
    for (size_t i = 0; i < mpl__self.n_tasks; i++)
        if (mpl__self.tasks[i].fn == fn) {
            *index = (uint16_t) i;
            return 0;
        }
    return mpl__fail (EINVAL, "%s: the function is not a registered task; name it in the table given to mpl_init", caller);
}

/* ---- the task table -------------------------------------------------------------------------------------------- */

static int check_task (const mpl_task_t *tasks, size_t i)
{
    const mpl_task_t *task = &tasks[i];

    if (!task->fn)
        return mpl__fail (EINVAL, "mpl_init: task %s has no function", task->name);
    if (task->in_size > ITEM_MAX && task->in_size != MPL_VARIABLE && task->in_size != MPL_STRING)
        return mpl__fail (EINVAL, "mpl_init: task %s has an in_size of %zu; bytes, MPL_VARIABLE or MPL_STRING", task->name,
                          task->in_size);
    if (task->out_size > ITEM_MAX && task->out_size != MPL_VARIABLE)
        return mpl__fail (EINVAL, "mpl_init: task %s has an out_size of %zu; bytes or MPL_VARIABLE", task->name,
                          task->out_size);
    for (size_t k = 0; k < i; k++) {
        if (!strcmp (tasks[k].name, task->name))
            return mpl__fail (EINVAL, "mpl_init: two tasks are named %s; each needs a name of its own", task->name);
        if (tasks[k].fn == task->fn)
            return mpl__fail (EINVAL, "mpl_init: tasks %s and %s are the same function; a pool call could not tell them "
                              "apart", tasks[k].name, task->name);
    }
    return 0;
}

static int take_tasks (const mpl_task_t *tasks)
{
    size_t n = 0;

    if (!tasks)
        return mpl__fail (EINVAL, "mpl_init: tasks is NULL; a table that ends with {0} is needed");
    for (; tasks[n].name; n++)
        if (n == UINT16_MAX)
            return mpl__fail (EINVAL, "mpl_init: more than %d tasks; does the table end with {0}?", UINT16_MAX);
        else if (check_task (tasks, n) < 0)
            return -1;
    mpl__self.tasks = tasks;
    mpl__self.n_tasks = n;
    return 0;
}

/* ---- the launch ------------------------------------------------------------------------------------------------ */

/* MPL_FD names a unix socket that an agent of ours made; anything else is somebody's mistake or mischief. */
static int parse_link (const char *text)
{
    char *end;
    long fd = strtol (text, &end, 10);
    int type;
    socklen_t size = sizeof type;

    if (end == text || *end || fd < 0 || fd > 1 << 20)
        return -1;
    if (getsockopt ((int) fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_SEQPACKET)
        return -1;
    return (int) fd;
}

static int greet (int link, mpl_control_t *welcome)
{
    mpl_control_t hello = { .type = MPL__C_HELLO, .protocol = 1, .pid = (uint64_t) getpid () };
    struct pollfd wait = { .fd = link, .events = POLLIN };
    int fds[MPL__FDS_MAX];

    if (mpl__control_send (link, &hello, NULL, 0) < 0 || poll (&wait, 1, WELCOME_LIMIT_MS) != 1
        || mpl__control_recv (link, welcome, fds) != 1 || welcome->type != MPL__C_WELCOME)
        return mpl__fail (EPROTO, "mpl_init: the agent that started this process does not answer as one of this version; "
                          "are mplaunch and the program's libmplaunch of the same version?");
    return 0;
}

/* Becomes what the agent says: main, or a nursery and then this never returns. */
static int join_launch (const char *text)
{
    mpl_control_t welcome;
    int link = parse_link (text);

    if (link < 0)
        return mpl__fail (EINVAL, "mpl_init: MPL_FD is '%s', which is not a socket of mplaunch; unset it to run by yourself",
                          text);
    if (greet (link, &welcome) < 0)
        return -1;
    mpl__fd_inherit (link, 0);
    unsetenv ("MPL_FD");                    /* programs that this one starts are not part of the launch */
    snprintf (mpl__self.folder, sizeof mpl__self.folder, "%.*s", MPL__FOLDER_PATH - 1, welcome.text);
    mpl__self.rank = (int) welcome.rank;
    mpl__self.size = (int) welcome.size;
    mpl__self.local_rank = (int) welcome.local_rank;
    mpl__self.local_size = (int) welcome.local_size;
    mpl__self.growth = (int) welcome.n;
    if (welcome.from)
        mpl__self.defaults.retries = (int) welcome.from - 1;
    mpl__self.defaults.task_timeout = (double) welcome.timeout_ns / MPL__NS_PER_S;
    mpl__self.defaults.memory_limit = welcome.memory;
    if (welcome.role == MPL__ROLE_NURSERY) {
        mpl__self.part = MPL__IS_TASK;
        mpl__nursery (link, mpl__self.tasks, mpl__self.n_tasks);
    }
    mpl__self.link = link;
    return 0;
}

MPL_EXPORT int mpl_init (int *argc, char ***argv, const mpl_task_t *tasks)
{
    (void) argc;                            /* kept for options to come; nothing is taken out of them today */
    (void) argv;
    if (mpl__self.part != MPL__NOT_INITIALISED)
        return mpl__fail (EALREADY, "mpl_init was called before; once, first thing in main, is enough");
    if (take_tasks (tasks) < 0)
        return -1;
    const char *fd = getauxval (AT_SECURE) ? NULL : getenv ("MPL_FD");
    if (fd && join_launch (fd) < 0)
        return -1;
    mpl__self.part = MPL__IS_MAIN;
    return 0;
}
