#include "pool/link.h"
#include "pool/process.h"
#include "base/fd.h"
#include "base/folder.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef BINDIR
#define BINDIR "/usr/local/bin"
#endif

#define NUMBER_TEXT 24

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int agent = -1;                      /* our end of the link; -1: no agent of our own */
static int n_open;
static char folder[MPL__FOLDER_PATH];
static pid_t intermediary;                  /* not reaped yet; 0: none */

/* ---- finding things -------------------------------------------------------------------------------------------- */

/* folder/relative/mpworker, if it can be run. */
static int look_in (const char *place, size_t len, const char *relative, char *path)
{
    int n = snprintf (path, PATH_MAX, "%.*s/%smpworker", (int) len, place, relative);

    return n > 0 && n < PATH_MAX && access (path, X_OK) == 0;
}

/* Beside the library or program this code is in, one above, or in the bin beside it; so build trees, staged installs and
 * prefixes that were moved work. Then where it was installed, then PATH. */
static int find_mpworker (char *path)
{
    static const char *const places[] = { "", "../", "../bin/", "../../bin/", "../../../bin/" };
    Dl_info info;

    if (dladdr (&agent, &info) && info.dli_fname && strchr (info.dli_fname, '/')) {
        size_t len = (size_t) (strrchr (info.dli_fname, '/') - info.dli_fname);
        for (size_t i = 0; i < sizeof places / sizeof *places; i++)
            if (look_in (info.dli_fname, len, places[i], path))
                return 0;
    }
    if (look_in (BINDIR, strlen (BINDIR), "", path))
        return 0;
    for (const char *at = getenv ("PATH"); at && *at; at += *at == ':') {
        size_t len = strcspn (at, ":");
        if (len && look_in (at, len, "", path))
            return 0;
        at += len;
    }
    errno = ENOENT;
    return -1;
}

/* The file main runs; where /proc names a file that was removed, the agent's check says so. */
static int find_program (char *path, struct stat *file)
{
    ssize_t len = readlink ("/proc/self/exe", path, PATH_MAX - 1);

    if (len < 0)
        return -1;
    path[len] = '\0';
    return stat (path, file) < 0 ? stat ("/proc/self/exe", file) : 0;
}

/* Main's arguments as it was started with them, whatever became of argv since. One block of memory for all; NULL:
 * errno. */
static char **read_arguments (size_t *n)
{
    size_t room = 4096, len = 0;
    char *text = NULL;
    int fd = open ("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return NULL;
    for (ssize_t got = 1; got > 0; len += (size_t) got) {
        if (!text || len == room) {
            char *grew = realloc (text, room *= 2);
            if (!grew)
                break;
            text = grew;
        }
        if ((got = read (fd, text + len, room - len)) < 0)
            break;
    }
    close (fd);
    *n = 0;
    for (size_t i = 0; i < len; i++)
        *n += text[i] == '\0';
    char **list = text ? malloc ((*n + 1) * sizeof *list + len) : NULL;
    if (list) {
        char *copy = memcpy (list + *n + 1, text, len);
        for (size_t i = 0; i < *n; i++, copy += strlen (copy) + 1)
            list[i] = copy;
        list[*n] = NULL;
    }
    free (text);
    return list;
}

/* ---- starting the agent ---------------------------------------------------------------------------------------- */

typedef struct {
    char worker[PATH_MAX], program[PATH_MAX];
    char link[NUMBER_TEXT], pidfd[NUMBER_TEXT], workers[NUMBER_TEXT], file[2 * NUMBER_TEXT];
    char **arguments;
    size_t n_arguments;
} command_t;

static char **make_argv (command_t *command)
{
    const char *head[] = { "mpworker", "--for-main", command->link, "--pidfd", command->pidfd, "--file", command->file,
                           "--workers", command->workers, "--folder", folder, command->program };
    size_t n = sizeof head / sizeof *head;
    char **argv = malloc ((n + command->n_arguments + 1) * sizeof *argv);

    if (!argv)
        return NULL;
    memcpy (argv, head, sizeof head);
    memcpy (argv + n, command->arguments, (command->n_arguments + 1) * sizeof *argv);
    return argv;
}

/* 0, or an errno value. */
static int spawn_agent (command_t *command, int link, int pidfd)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t all, none;
    char **argv = make_argv (command);

    if (!argv)
        return ENOMEM;
    sigfillset (&all);
    sigemptyset (&none);
    int rc = posix_spawn_file_actions_init (&actions);
    if (!rc) {
        posix_spawn_file_actions_adddup2 (&actions, link, link);
        if (pidfd >= 0)
            posix_spawn_file_actions_adddup2 (&actions, pidfd, pidfd);
        if (!(rc = posix_spawnattr_init (&attr))) {
            posix_spawnattr_setflags (&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
            posix_spawnattr_setsigdefault (&attr, &all);
            posix_spawnattr_setsigmask (&attr, &none);
            rc = posix_spawn (&intermediary, command->worker, &actions, &attr, argv, environ);
            posix_spawnattr_destroy (&attr);
        }
        posix_spawn_file_actions_destroy (&actions);
    }
    if (rc)
        intermediary = 0;
    free (argv);
    return rc;
}

static int fill_command (command_t *command, int link, int pidfd, int n_workers, mpl_err_t *err)
{
    struct stat file;

    if (find_mpworker (command->worker) < 0)
        return mpl__err (err, ENOENT, "mpl_pool_new: the program mpworker is neither beside the library nor in " BINDIR
                         " nor in PATH; it belongs to mplaunch and must be installed with it");
    if (find_program (command->program, &file) < 0 || !(command->arguments = read_arguments (&command->n_arguments)))
        return mpl__err (err, errno, "mpl_pool_new: /proc does not say how this program was started: %s", strerror (errno));
    snprintf (command->link, sizeof command->link, "%d", link);
    snprintf (command->pidfd, sizeof command->pidfd, "%d", pidfd);
    snprintf (command->workers, sizeof command->workers, "%d", n_workers);
    snprintf (command->file, sizeof command->file, "%llu:%llu", (unsigned long long) file.st_dev,
              (unsigned long long) file.st_ino);
    return 0;
}

static int start_agent (int n_workers, mpl_err_t *err)
{
    int pair[2], rc = -1;
    mpl__folder_name (folder);
    command_t *command = calloc (1, sizeof *command);

    if (!command || socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        free (command);
        return mpl__err (err, errno, "mpl_pool_new: no socket for the agent: %s", strerror (errno));
    }
    int pidfd = (int) syscall (SYS_pidfd_open, getpid (), 0);
    if (fill_command (command, pair[1], pidfd, n_workers, err) == 0) {
        rc = spawn_agent (command, pair[1], pidfd);
        if (rc)
            mpl__err (err, rc, "mpl_pool_new: cannot start %s: %s", command->worker, strerror (rc));
    }
    agent = rc ? -1 : pair[0];
    if (rc)
        mpl__fd_close (&pair[0]);
    mpl__fd_close (&pair[1]);
    mpl__fd_close (&pidfd);
    free (command->arguments);
    free (command);
    return rc ? -1 : 0;
}

/* It lives for a millisecond; meanwhile main had better things to do. */
static void reap_intermediary (void)
{
    while (intermediary && waitpid (intermediary, NULL, 0) < 0 && errno == EINTR)
        ;
    intermediary = 0;
}

const char *mpl__link_folder (void)
{
    return mpl__self.link >= 0 ? mpl__self.folder : folder;
}

/* ---- for pools ------------------------------------------------------------------------------------------------- */

int mpl__link_open (int n_workers, mpl_err_t *err)
{
    int rc = 0;

    pthread_mutex_lock (&lock);
    if (agent < 0 && mpl__self.link < 0)
        rc = start_agent (n_workers, err);
    n_open += rc == 0;
    pthread_mutex_unlock (&lock);
    return rc;
}

int mpl__link_order (const mpl_control_t *order, const int fds[4])
{
    pthread_mutex_lock (&lock);
    reap_intermediary ();
    int rc = mpl__control_send (agent >= 0 ? agent : mpl__self.link, order, fds, 4);
    if (rc < 0 && errno == EPIPE)
        mpl__fd_close (&agent);             /* it is gone: the next open starts another */
    pthread_mutex_unlock (&lock);
    return rc;
}

void mpl__link_lost (void)
{
    char byte;

    pthread_mutex_lock (&lock);
    if (agent >= 0 && recv (agent, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0)
        mpl__fd_close (&agent);             /* another pool may have started the next one already */
    pthread_mutex_unlock (&lock);
}

void mpl__link_close (void)
{
    pthread_mutex_lock (&lock);
    reap_intermediary ();
    if (--n_open == 0)
        mpl__fd_close (&agent);
    pthread_mutex_unlock (&lock);
}
