#include "base/folder.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

static int is_usable (const char *folder)
{
    return folder && folder[0] == '/' && strlen (folder) < MPL__FOLDER_PATH - 36 && access (folder, W_OK | X_OK) == 0;
}

void mpl__folder_name (char path[MPL__FOLDER_PATH])
{
    const char *places[] = { getenv ("XDG_RUNTIME_DIR"), getenv ("TMPDIR") }, *place = "/tmp";
    uint64_t number = 0;

    for (size_t i = 0; i < 2 && !strcmp (place, "/tmp"); i++)
        place = is_usable (places[i]) ? places[i] : place;
    if (getrandom (&number, sizeof number, GRND_NONBLOCK) != sizeof number)
        number = (uint64_t) getpid ();
    snprintf (path, MPL__FOLDER_PATH, "%s/mplaunch-%016llx", place, (unsigned long long) number);
}

void mpl__folder_remove (const char *path, const char *file)
{
    char name[MPL__FOLDER_PATH + 16];

    if (!path || !*path)
        return;
    snprintf (name, sizeof name, "%s/%s", path, file);
    unlink (name);
    rmdir (path);
}
