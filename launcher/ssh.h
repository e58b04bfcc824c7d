/* ssh.h - how an agent is started on another host by its user's own ssh: the arguments, and what the remote side is
 * told. Pure.
 *
 * The remote command is one constant text, so nothing is quoted and nothing can be injected. It is told on standard
 * input, in two lines, where mpworker is likely to be and what else to run; then it is mpworker that reads, from the
 * next byte on (a shell's read takes no more than its line). */
#ifndef LAUNCHER_SSH_H
#define LAUNCHER_SSH_H

#include "conf/hosts.h"

#define MPL__REMOTE_SCRIPT \
    "IFS= read -r a; IFS= read -r b; test -x \"$a\" && exec \"$a\" --far; exec \"$b\" --far"

/* As a login shell of any kind is given it. */
#define MPL__REMOTE_COMMAND "exec /bin/sh -c '" MPL__REMOTE_SCRIPT "'"

/* The arguments of ssh for a host: what its user's configuration says holds, what the cluster file says is stronger.
 * NULL-terminated; what it points into is the host's. Free it. NULL: ENOMEM. */
char **mpl__ssh_argv (const mpl_host_t *host);

/* The two lines: mpworker in `prefix`/bin and nowhere else; or, when that is NULL, in `folder`, and then in the PATH
 * there. The caller frees *lines. 0; -1: ENOMEM, EINVAL (there is a line break in a name). */
int mpl__remote_lines (const char *folder, const char *prefix, char **lines);

#endif
