/* mpeach - what mplaunch --each starts: a pool whose task is to run a command, once for each input. A pool program
 * like any other: only rank 0 runs past mpl_init. */
#include "launcher/each/each.h"
#include "launcher/each/options.h"
#include "launcher/each/run.h"
#include "base/cpus.h"

#include <mplaunch.h>

#include <signal.h>
#include <stdio.h>

#define USAGE 2

static const mpl_task_t tasks[] = {
    { "prepare", mpl__each_prepare, MPL_VARIABLE, 0 },
    { "run", mpl__each_run, MPL_VARIABLE, MPL_VARIABLE },
    { 0 }
};

/* Before any thread: they all inherit it, and one of them waits for these. A closed pipe is an error of the write. */
static void block_signals (void)
{
    sigset_t set;

    sigemptyset (&set);
    sigaddset (&set, SIGINT);
    sigaddset (&set, SIGTERM);
    sigaddset (&set, SIGHUP);
    pthread_sigmask (SIG_BLOCK, &set, NULL);
    signal (SIGPIPE, SIG_IGN);
}

int main (int argc, char **argv)
{
    mpl_each_options_t options;
    mpl_err_t err;

    if (mpl_init (&argc, &argv, tasks) < 0) {
        fprintf (stderr, "mplaunch: %s\n", mpl_error ());
        return USAGE;
    }
    int slots = mpl_size () > 1 ? mpl_size () : mpl__cpus_usable ();      /* on several hosts there is a rank for each */
    if (mpl__each_options_parse (&options, argc, argv, slots, &err) < 0) {
        fprintf (stderr, "mplaunch: %s; mpeach is started by mplaunch --each\n", err.text);
        return USAGE;
    }
    if (options.is_dry_run)
        return mpl__each_dry_run (&options);
    block_signals ();
    return mpl__each (&options);
}
