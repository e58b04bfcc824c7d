/* help.h - what mplaunch says of itself. */
#ifndef LAUNCHER_HELP_H
#define LAUNCHER_HELP_H

/* The most used options on one screen of 80 by 24. 0, or 1 when standard output cannot be written: an exit code. */
int mpl__help (void);

/* Every option, from the table that they are read by. As above. */
int mpl__help_all (void);

int mpl__help_version (void);

#endif
