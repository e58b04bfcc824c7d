/* mplaunch - starts the processes of a program and sees them through: reads the command line, plans, and launches. */
#include "launcher/check.h"
#include "launcher/launch.h"
#include "launcher/map.h"
#include "launcher/options.h"
#include "launcher/plan.h"
#include "base/fd.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define OUTPUT_LOST 1
#define USAGE 2
#define LAUNCH_FAILED 125

static int fail (const mpl_err_t *err)
{
    fprintf (stderr, "mplaunch: %s\n", err->text);
    return err->code == ETIMEDOUT || err->code == ECONNREFUSED ? LAUNCH_FAILED : USAGE;       /* the broker's fault, not the line's */
}

static int print_plan (const mpl_plan_t *plan)
{
    mpl_err_t err;

    if (mpl__map_print (plan, stdout, 1, &err) < 0)
        return fail (&err);
    if (fflush (stdout) == 0)
        return 0;
    fprintf (stderr, "mplaunch: the plan cannot be written: %s\n", strerror (errno));
    return OUTPUT_LOST;
}

/* Before anything is started: it would be a pity to find out at the end. */
static int check_trace (const char *path, mpl_err_t *err)
{
    FILE *file = path ? fopen (path, "we") : NULL;

    if (path && !file)
        return mpl__err (err, errno, "the trace %s cannot be written: %s", path, strerror (errno));
    if (file)
        fclose (file);
    return 0;
}

static int run (mpl_plan_t *plan)
{
    const mpl_options_t *options = plan->options;
    mpl_err_t err;

    if (options->is_check)
        return mpl__check (plan, stdout);
    if (options->is_dry_run)
        return print_plan (plan);
    if (check_trace (options->trace, &err) < 0)
        return fail (&err);
    return mpl__launch (plan);
}

int main (int argc, char **argv)
{
    mpl_options_t options;
    mpl_plan_t plan;
    mpl_err_t err;

    if (mpl__fd_fill_standard () < 0)
        return LAUNCH_FAILED;
    int rc = mpl__options_parse (argc, argv, &options);
    if (rc >= 0)
        return rc;
    rc = mpl__plan_make (&plan, &options, &err) < 0 ? fail (&err) : run (&plan);
    mpl__plan_clear (&plan);
    mpl__options_free (&options);
    return rc;
}
