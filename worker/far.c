#include "worker/far.h"
#include "base/clock.h"
#include "base/cpus.h"
#include "base/fd.h"
#include "worker/variables.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ORDER_LIMIT_S 60                /* its hosts may be many, and it asks all of them for their cores first */

static uint64_t time_of_day (void)
{
    struct timespec now;

    clock_gettime (CLOCK_REALTIME, &now);
    return (uint64_t) now.tv_sec * MPL__NS_PER_S + (uint64_t) now.tv_nsec;
}

static int greet (void)
{
    mpl_control_t here = { .type = MPL__C_AGENT, .protocol = 1, .pid = (uint64_t) getpid (), .text = VERSION,
                           .cores = (uint64_t) mpl__cpus_usable (), .at = time_of_day () };
    uint8_t bytes[sizeof MPL__GREETING + MPL__FRAME_HEAD + MPL__CONTROL_MAX], *at = bytes;

    memcpy (at, MPL__GREETING, strlen (MPL__GREETING));
    at += strlen (MPL__GREETING);
    size_t len = mpl__control_encode (at + MPL__FRAME_HEAD, &here);
    mpl__frame_put (at, &(mpl_frame_t) { MPL__FRAME_CONTROL, 0, (uint32_t) len });
    return mpl__fd_write_all (1, bytes, (size_t) (at - bytes) + MPL__FRAME_HEAD + len);
}

/* It points into the order, and is ours until we end. */
static int take_environment (const mpl_order_t *order)
{
    size_t n = 0, room = 1;

    if (!(order->flags & MPL__ORDER_ENV))
        return 0;
    for (char **at = order->env; *at; at++)
        room++;
    for (char **at = environ; at && *at; at++)
        room++;
    char **all = malloc (room * sizeof *all);
    if (!all)
        return -1;
    for (char **at = order->env; *at; at++)
        if (!mpl__variables_is_of_host (*at))
            all[n++] = *at;
    for (char **at = environ; at && *at; at++)
        if (mpl__variables_is_of_host (*at))
            all[n++] = *at;
    all[n] = NULL;
    environ = all;
    return 0;
}

int mpl__far_begin (mpl_order_t *order, mpl_err_t *err)
{
    if (greet () < 0)
        return mpl__err (err, errno, "the agent cannot say that it is here: %s", strerror (errno));
    alarm (ORDER_LIMIT_S);
    int rc = mpl__order_read (0, order);
    alarm (0);
    if (rc < 0)
        return mpl__err (err, errno, "the launcher's order cannot be read: %s", strerror (errno));
    return take_environment (order) == 0 ? 0 : mpl__err (err, ENOMEM, "no memory for the environment");
}

/* A pipe with one end as descriptor `as`, whichever it was before; the other end. */
static int replace (int as)
{
    int pair[2], mine = as == 0 ? 1 : 0;

    if (pipe2 (pair, O_CLOEXEC) < 0)
        return -1;
    int rc = dup2 (pair[!mine], as);
    mpl__fd_close (&pair[!mine]);
    if (rc < 0)
        mpl__fd_close (&pair[mine]);
    return pair[mine];
}

mpl_post_t *mpl__far_post (mpl_loop_t *loop, const mpl_post_fns_t *fns, mpl_err_t *err)
{
    int in = fcntl (0, F_DUPFD_CLOEXEC, 3), out = fcntl (1, F_DUPFD_CLOEXEC, 3);
    mpl_post_t *post = in >= 0 && out >= 0 ? mpl__post_new (loop, in, out, NULL, fns) : NULL;
    int ends[MPL__CHANNELS] = { -1, -1, -1 };

    for (int i = 0; i < MPL__CHANNELS && post; i++)
        if ((ends[i] = replace (i)) < 0)
            mpl__post_destroy (&post);
    if (!post) {
        mpl__err (err, errno, "the agent cannot begin: %s", strerror (errno));
        mpl__fd_close_all (ends, MPL__CHANNELS);
        return NULL;
    }
    mpl__post_deliver (post, MPL__CHANNEL_IN, ends[0]);
    mpl__post_carry (post, MPL__CHANNEL_OUT, ends[1]);
    mpl__post_carry (post, MPL__CHANNEL_ERR, ends[2]);
    fcntl (2, F_SETFL, O_NONBLOCK);     /* what we say ourselves must not wait for us */
    return post;
}

void mpl__far_end_output (void)
{
    int null = open ("/dev/null", O_RDWR | O_CLOEXEC);

    for (int fd = 1; fd <= 2; fd++)
        if (null >= 0)
            dup2 (null, fd);
        else
            close (fd);
    mpl__fd_close (&null);
}
