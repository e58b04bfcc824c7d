/* process.h - what this process is in its launch: set once by mpl_init, read by everything else. */
#ifndef POOL_PROCESS_H
#define POOL_PROCESS_H

#include "mplaunch.h"
#include "base/folder.h"

#include <stdint.h>

typedef struct {
    enum { MPL__NOT_INITIALISED, MPL__IS_MAIN, MPL__IS_TASK } part;
    const mpl_task_t *tasks;
    size_t n_tasks;
    int rank, size, local_rank, local_size;
    char folder[MPL__FOLDER_PATH];      /* of a launch: where its pools may bind their sockets */
    int growth;                 /* of a launch: workers that may come besides those of its ranks */
    mpl_pool_opts_t defaults;   /* what the launch says of pools, or nothing else does */
    int link;                   /* of a launch: to the agent that started us; -1: we run by ourselves */
} mpl_process_self_t;

extern mpl_process_self_t mpl__self;

/* The task with that function. 0 with its index; -1: EINVAL, and mpl_error says so in the name of `caller`. */
int mpl__find_task (mpl_fn_t fn, const char *caller, uint16_t *index);

#endif
