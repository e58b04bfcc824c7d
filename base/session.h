/* session.h - a program in a session of its own, so that the terminal's Ctrl-C does not come to it, talked to through
 * pipes. */
#ifndef BASE_SESSION_H
#define BASE_SESSION_H

#include <sys/types.h>

typedef struct {
    pid_t pid;                          /* the caller's to wait for */
    int in;                             /* to its standard input */
    int out, words;                     /* from its standard output and error, non-blocking; words -1: it has ours */
} mpl_session_t;

/* Starts argv[0], looked for in PATH when there is no '/' in it, with no signal blocked and SIGPIPE as at a login. All
 * descriptors are close-on-exec and the caller's. 0, or an errno value, and then there is nothing. */
int mpl__session_start (mpl_session_t *self, char **argv, char **env, int has_words);

#endif
