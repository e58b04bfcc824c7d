#include "base/proc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char mpl__proc_state (pid_t pid, pid_t *parent)
{
    char path[64], line[512];

    snprintf (path, sizeof path, "/proc/%d/stat", (int) pid);
    FILE *file = fopen (path, "re");
    if (!file)
        return 0;
    /* "PID (NAME) S PARENT ...", and a name may hold blanks and parentheses. */
    const char *end = fgets (line, sizeof line, file) ? strrchr (line, ')') : NULL;
    fclose (file);
    if (!end || strlen (end) < 5)
        return 0;
    if (parent)
        *parent = atoi (end + 4);
    return end[2];
}
