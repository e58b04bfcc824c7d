/* folder.h - the name of a short-lived folder that two processes agree on beforehand, so that whoever survives can
 * remove it. */
#ifndef BASE_FOLDER_H
#define BASE_FOLDER_H

#define MPL__FOLDER_PATH 90         /* bytes, the NUL included: room is left for a socket's name in it */

/* A name nobody else has, below XDG_RUNTIME_DIR where that is usable, else TMPDIR, else /tmp. Makes nothing. */
void mpl__folder_name (char path[MPL__FOLDER_PATH]);

/* Removes a folder of ours with its one file, if it is there. */
void mpl__folder_remove (const char *path, const char *file);

#endif
