/* countdown - a library to be preloaded, in which the Nth call of a kind fails once, as if there were no more of it.
 *
 *   MPL_FAULT_KIND   fds (EMFILE), memory (ENOMEM) or processes (EAGAIN)
 *   MPL_FAULT_AT     which call fails, from 1
 *   MPL_FAULT_IN     main, held (the program as nursery and workers) or agent (mpworker): only there is counted
 *   MPL_FAULT_LOG    a file that gets a line when the call failed, so that the caller knows when there are no more of them
 *
 * In main the count begins when the program calls countdown_arm; elsewhere when the process starts. Memory is refused to
 * the project's own code only, descriptors and processes to everyone but libzmq, which ends the process when it gets none
 * (MPL_FAULT_ZMQ=1 refuses them to it too): what the library does about that is to look beforehand whether there is enough,
 * and a case with a real limit tests it. The count is by process: a forked one goes on from its parent's. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

enum { FDS = 1, MEMORY, PROCESSES };

static int kind;
static long fail_at;
static atomic_long n_calls;
static atomic_int is_armed;
static const char *log_path;

void countdown_arm (void);
void countdown_arm (void)
{
    const char *where = getenv ("MPL_FAULT_IN");

    is_armed = kind && where && strcmp (where, "main") == 0;
}

static void __attribute__ ((constructor)) begin (void)
{
    const char *name = getenv ("MPL_FAULT_KIND"), *at = getenv ("MPL_FAULT_AT"), *where = getenv ("MPL_FAULT_IN");
    int is_agent = strstr (program_invocation_short_name, "mpworker") != NULL;
    int is_held = !is_agent && getenv ("MPL_FD") != NULL;

    log_path = getenv ("MPL_FAULT_LOG");
    if (!name || !at || !where || !log_path)
        return;
    fail_at = atol (at);
    kind = strcmp (name, "fds") == 0 ? FDS : strcmp (name, "memory") == 0 ? MEMORY : PROCESSES;
    is_armed = (is_agent && strcmp (where, "agent") == 0) || (is_held && strcmp (where, "held") == 0);
}

/* Is this the call that fails? */
static int is_due (int its_kind, const char *what)
{
    if (its_kind != kind || !is_armed || atomic_fetch_add (&n_calls, 1) + 1 != fail_at)
        return 0;
    int fd = open (log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd >= 0) {
        char text[80];
        int n = snprintf (text, sizeof text, "%s %d\n", what, (int) getpid ());
        if (write (fd, text, (size_t) n) < 0)
            _exit (96);
        close (fd);
    }
    return 1;
}

/* Does the project's own code call, be it in the program or in its library? */
static int is_ours (void *caller)
{
    Dl_info info;

    if (!is_armed || kind != MEMORY || !dladdr (caller, &info) || !info.dli_fname)
        return 0;
    return !strstr (info.dli_fname, ".so") || strstr (info.dli_fname, "libmplaunch");
}

static int is_libzmq (void *caller)
{
    Dl_info info;

    return is_armed && !getenv ("MPL_FAULT_ZMQ") && dladdr (caller, &info) && info.dli_fname
           && strstr (info.dli_fname, "libzmq");
}

#define NEXT(type, name) type = (__typeof__ (type)) (void *) dlsym (RTLD_NEXT, name)

/* ---- descriptors ----------------------------------------------------------------------------------------------- */

#define FD_CALL(name, params, args)                                                                                    \
    int name params;                                                                                                   \
    int name params                                                                                                    \
    {                                                                                                                  \
        static int (*next) params;                                                                                     \
        if (!next)                                                                                                     \
            NEXT (next, #name);                                                                                        \
        if (!is_libzmq (__builtin_return_address (0)) && is_due (FDS, #name)) {                                        \
            errno = EMFILE;                                                                                            \
            return -1;                                                                                                 \
        }                                                                                                              \
        return next args;                                                                                              \
    }

FD_CALL (socket, (int family, int type, int protocol), (family, type, protocol))
FD_CALL (socketpair, (int family, int type, int protocol, int fds[2]), (family, type, protocol, fds))
FD_CALL (accept4, (int fd, struct sockaddr *addr, socklen_t *len, int flags), (fd, addr, len, flags))
FD_CALL (pipe, (int fds[2]), (fds))
FD_CALL (pipe2, (int fds[2], int flags), (fds, flags))
FD_CALL (eventfd, (unsigned value, int flags), (value, flags))
FD_CALL (epoll_create1, (int flags), (flags))
FD_CALL (memfd_create, (const char *name, unsigned flags), (name, flags))
FD_CALL (dup, (int fd), (fd))

/* ---- memory ---------------------------------------------------------------------------------------------------- */

extern void *__libc_malloc (size_t);
extern void *__libc_calloc (size_t, size_t);
extern void *__libc_realloc (void *, size_t);

void *malloc (size_t size)
{
    if (is_ours (__builtin_return_address (0)) && is_due (MEMORY, "malloc")) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_malloc (size);
}

void *calloc (size_t n, size_t size)
{
    if (is_ours (__builtin_return_address (0)) && is_due (MEMORY, "calloc")) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_calloc (n, size);
}

void *realloc (void *old, size_t size)
{
    if (is_ours (__builtin_return_address (0)) && is_due (MEMORY, "realloc")) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_realloc (old, size);
}

void *mmap (void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
    static void *(*next) (void *, size_t, int, int, int, off_t);

    if (!next)
        NEXT (next, "mmap");
    if (is_ours (__builtin_return_address (0)) && is_due (MEMORY, "mmap")) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return next (addr, len, prot, flags, fd, offset);
}

/* ---- processes and threads ------------------------------------------------------------------------------------- */

pid_t fork (void)
{
    static pid_t (*next) (void);

    if (!next)
        NEXT (next, "fork");
    if (!is_libzmq (__builtin_return_address (0)) && is_due (PROCESSES, "fork")) {
        errno = EAGAIN;
        return -1;
    }
    return next ();
}

int posix_spawn (pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attr,
                 char *const argv[], char *const env[])
{
    static int (*next) (pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *, char *const *,
                        char *const *);

    if (!next)
        NEXT (next, "posix_spawn");
    if (!is_libzmq (__builtin_return_address (0)) && is_due (PROCESSES, "posix_spawn"))
        return EAGAIN;
    return next (pid, path, actions, attr, argv, env);
}

int pthread_create (pthread_t *thread, const pthread_attr_t *attr, void *(*start) (void *), void *arg)
{
    static int (*next) (pthread_t *, const pthread_attr_t *, void *(*) (void *), void *);

    if (!next)
        NEXT (next, "pthread_create");
    if (!is_libzmq (__builtin_return_address (0)) && is_due (PROCESSES, "pthread_create"))
        return EAGAIN;
    return next (thread, attr, start, arg);
}
