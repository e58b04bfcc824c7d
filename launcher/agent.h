/* agent.h - the launcher's hold on the agent of a host: a child with a socket on this one, whose end is the job's
 * end; on another one the other end of a post, which ssh or srun carries (launcher/reach.h). */
#ifndef LAUNCHER_AGENT_H
#define LAUNCHER_AGENT_H

#include "base/err.h"
#include "base/loop.h"
#include "base/tail.h"
#include "launcher/plan.h"
#include "worker/post.h"

#include <sys/types.h>

#define MPL__VERSION_TEXT 32

typedef enum {
    MPL__AGENT_WAITS,                   /* its turn to be reached has not come */
    MPL__AGENT_REACHED,                 /* for: ssh or srun was started, and has not brought us there yet */
    MPL__AGENT_THERE,
    MPL__AGENT_GONE
} mpl_agent_state_t;

typedef struct {
    size_t host;                        /* in the plan */
    mpl_agent_state_t state;
    pid_t pid;                          /* of the agent here, or of what carries us there; 0: reaped */
    int link;                           /* here: control messages; -1: it is gone, or elsewhere */
    mpl_source_t *source;               /* of whoever listens to it */
    void *owner;                        /* and who that is */
    /* Elsewhere. */
    mpl_post_t *post;
    int words_fd;                       /* standard error of ssh or srun */
    mpl_source_t *words_source;
    mpl_tail_t words;                   /* what it said last */
    int n_attempts;
    int is_late;                        /* it came, or came back, when the ranks were running */
    int may_come_back;                  /* GONE: it is to be reached again */
    int is_resized;                     /* of its slots so many are to be used: others wait for the rest */
    uint64_t n_slots;
    int is_given_back;                  /* all of them were, so it ends */
    int is_staging;                     /* it has files to read, and says nothing meanwhile */
    uint64_t files_left;                /* bytes of them that were to be sent when it was last looked */
    uint64_t due;                       /* WAITS: when to try; REACHED: until when; THERE: when it is lost */
    uint64_t cores, time_of_day;        /* there; ns since 1970, when it said hello */
    char version[MPL__VERSION_TEXT];    /* of mpworker there */
} mpl_host_agent_t;

/* Starts mpworker on this host, in a session of its own, so that the terminal's Ctrl-C comes to us alone, and gives
 * it its order and descriptors 0 to 2 (-1: ours). 0, or -1 with *err: ENOENT (mpworker is not found), EMFILE, EAGAIN. */
int mpl__agent_start (mpl_host_agent_t *self, const mpl_plan_t *plan, size_t host, int standard_input, const int fds[3],
                      mpl_err_t *err);

/* Says it to the agent, which may be gone. */
void mpl__agent_say (mpl_host_agent_t *self, const mpl_control_t *message);

#endif
