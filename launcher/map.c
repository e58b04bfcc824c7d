#include "launcher/map.h"
#include "worker/cores.h"

#include <string.h>

/* A word as a shell would have to be given it. */
static void print_word (FILE *to, const char *word)
{
    if (*word
        && strspn (word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=,+@%^{}")
               == strlen (word)) {
        fputs (word, to);
        return;
    }
    fputc ('\'', to);
    for (; *word; word++)
        if (*word == '\'')
            fputs ("'\\''", to);
        else
            fputc (*word, to);
    fputc ('\'', to);
}

static void print_command (FILE *to, const mpl_app_t *app)
{
    for (size_t i = 0; i < app->argv.n; i++) {
        if (i)
            fputc (' ', to);
        print_word (to, app->argv.texts[i]);
    }
}

static int widest_host (const mpl_plan_t *plan)
{
    size_t width = strlen ("host");

    for (size_t i = 0; i < plan->hosts.n; i++)
        if (strlen (plan->hosts.hosts[i].name) > width)
            width = strlen (plan->hosts.hosts[i].name);
    return (int) width;
}

/* "0-3" for what the rank is bound to. */
static void cores_of (const mpl_plan_t *plan, const mpl_topology_t *topology, size_t rank, char *text, size_t size)
{
    const mpl_place_t *place = &plan->places[rank];
    mpl_cpuset_t set;

    snprintf (text, size, "any");
    if (plan->options->bind_to == MPL__BIND_NONE)
        return;
    snprintf (text, size, "?");
    if (!mpl__plan_is_here (plan, place->host))
        return;
    if (mpl__cores_assign (topology, mpl__plan_deal (plan->options), mpl__plan_hold (plan->options),
                           (int) plan->n_on[place->host], (int) place->local, &set) > 0)
        mpl__cpuset_text (&set, text, size);
    mpl__cpuset_free (&set);
}

int mpl__map_print (const mpl_plan_t *plan, FILE *to, int with_command, mpl_err_t *err)
{
    mpl_topology_t topology = { .pus = NULL };
    int width = widest_host (plan);
    char cores[256];

    if (plan->options->bind_to != MPL__BIND_NONE && mpl__topology_read (&topology, err) < 0)
        return -1;
    fprintf (to, "%5s  %-*s  %s%s\n", "rank", width, "host", with_command ? "cores   " : "cores",
             with_command ? "  command" : "");
    for (size_t i = 0; i < plan->n; i++) {
        const mpl_place_t *place = &plan->places[i];
        cores_of (plan, &topology, i, cores, sizeof cores);
        fprintf (to, "%5zu  %-*s  ", i, width, plan->hosts.hosts[place->host].name);
        fprintf (to, with_command ? "%-8s  " : "%s", cores);
        if (with_command)
            print_command (to, &plan->options->apps[place->app]);
        fputc ('\n', to);
    }
    mpl__topology_free (&topology);
    return 0;
}
