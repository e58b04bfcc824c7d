#include "launcher/ssh.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT_TEXT 8

static size_t count (char *const *texts)
{
    size_t n = 0;

    while (texts && texts[n])
        n++;
    return n;
}

char **mpl__ssh_argv (const mpl_host_t *host)
{
    /* Never a question on the terminal, and no terminal there; no display, which only takes time. */
    static const char *const always[] = { "ssh", "-T", "-x", "-o", "BatchMode=yes" };
    size_t n = 0, n_options = count (host->ssh_options), n_always = sizeof always / sizeof *always;
    char **argv = malloc ((n_always + n_options + 8) * sizeof *argv + PORT_TEXT);

    if (!argv)
        return NULL;
    for (size_t i = 0; i < n_always; i++)
        argv[n++] = (char *) always[i];
    for (size_t i = 0; i < n_options; i++)
        argv[n++] = host->ssh_options[i];
    if (host->user) {
        argv[n++] = (char *) "-l";
        argv[n++] = host->user;
    }
    if (host->port) {
        char *port = (char *) (argv + n_always + n_options + 8);
        snprintf (port, PORT_TEXT, "%d", host->port);
        argv[n++] = (char *) "-p";
        argv[n++] = port;
    }
    argv[n++] = (char *) "--";
    argv[n++] = host->name;
    argv[n++] = (char *) MPL__REMOTE_COMMAND;
    argv[n] = NULL;
    return argv;
}

int mpl__remote_lines (const char *folder, const char *prefix, char **lines)
{
    const char *place = prefix ? prefix : folder;

    if (strchr (place, '\n')) {
        errno = EINVAL;
        return -1;
    }
    int len = prefix ? asprintf (lines, "%s/bin/mpworker\n%s/bin/mpworker\n", prefix, prefix)
                     : asprintf (lines, "%s/mpworker\nmpworker\n", folder);
    return len < 0 ? -1 : 0;
}
