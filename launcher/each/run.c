#include "launcher/each/run.h"
#include "launcher/each/template.h"
#include "worker/variables.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KEPT_MAX 16                     /* files that wait to be fetched; then no further job is begun */
#define GRACE_NS ((uint64_t) MPL__NS_PER_S)
#define SWEEP_NS ((uint64_t) MPL__NS_PER_S)
#define TAKEN 0                         /* the mode of a file that was fetched */

enum { V_NUMBER, V_PARALLEL, V_SLOT, N_OWN };
#define OWN_TEXT 48

/* One worker runs one job at a time, so all this is the process's. */
static struct {
    mpl_each_setup_t setup;
    char **words;                       /* of the command */
    char *replace, *output;             /* output: "" when there is no folder */
    mpl_template_t template;
    mpl_variables_t variables;
    char own[N_OWN][OWN_TEXT];
    int files[2];                       /* standard output and error of the job; -1: to be made */
    int kept[KEPT_MAX];
    size_t n_kept;
    int null;
    volatile pid_t job;                 /* its group; 0: none runs */
    volatile sig_atomic_t is_ending;
} worker;

/* ---- signals --------------------------------------------------------------------------------------------------- */

/* The job is in a group of its own, so what the worker is told, the job is to be told. TERM: it has the time until
 * the worker is killed. */
static void on_term (int signal)
{
    if (!worker.job)
        _exit (128 + signal);
    worker.is_ending = 1;
    kill (-worker.job, SIGTERM);
    kill (-worker.job, SIGCONT);
}

static void on_stop (int signal)
{
    int saved = errno;

    (void) signal;
    if (worker.job)
        kill (-worker.job, SIGTSTP);
    raise (SIGSTOP);
    errno = saved;
}

static void on_continue (int signal)
{
    int saved = errno;

    (void) signal;
    if (worker.job)
        kill (-worker.job, SIGCONT);
    errno = saved;
}

static void handle (int signal, void (*handler) (int))
{
    struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART };

    sigemptyset (&action.sa_mask);
    sigaction (signal, &action, NULL);
}

uint64_t mpl__each_node (void)
{
    const char *node = getenv ("MPL_NODE");

    return node ? strtoull (node, NULL, 10) : 0;
}

/* ---- before the first job -------------------------------------------------------------------------------------- */

/* Takes the argument apart. It is kept for as long as the worker lives. */
static int read_setup (const char *in, size_t len)
{
    char *copy = malloc (len);

    if (!copy || len < sizeof worker.setup)
        return -1;
    memcpy (copy, in, len);
    memcpy (&worker.setup, copy, sizeof worker.setup);
    worker.words = calloc (worker.setup.n_words + 1, sizeof *worker.words);
    if (!worker.words)
        return -1;
    char *at = copy + sizeof worker.setup;
    for (uint64_t i = 0; i < worker.setup.n_words; i++, at += strlen (at) + 1)
        worker.words[i] = at;
    worker.replace = at;
    worker.output = at + strlen (at) + 1;
    return 0;
}

int mpl__each_prepare (mpl_call_t *call, const void *in, void *out)
{
    (void) out;
    if (read_setup (in, mpl_call_in_len (call)) < 0
        || mpl__variables_make (&worker.variables, N_OWN, NULL, MPL__KEEP_ALL, NULL, 0) < 0)
        return mpl_call_fail (call, "no memory for the command");
    mpl__template_init (&worker.template, worker.words, worker.setup.n_words, worker.replace);
    worker.files[0] = worker.files[1] = -1;
    worker.null = open ("/dev/null", O_RDONLY | O_CLOEXEC);
    if (worker.null < 0)
        return mpl_call_fail (call, "/dev/null cannot be opened: %s", strerror (errno));
    prctl (PR_SET_CHILD_SUBREAPER, 1);          /* what a job leaves behind comes here, to be ended */
    handle (SIGTERM, on_term);
    handle (SIGTSTP, on_stop);
    handle (SIGCONT, on_continue);
    return 0;
}

/* ---- output ---------------------------------------------------------------------------------------------------- */

/* On disk, like any output of a job, and without a name; in memory where the file system cannot do that. */
static int make_file (void)
{
    const char *folder = getenv ("TMPDIR");
    int fd = open (folder && *folder ? folder : "/tmp", O_TMPFILE | O_RDWR | O_APPEND | O_CLOEXEC, 0600);

    return fd >= 0 ? fd : memfd_create ("job", MFD_CLOEXEC);
}

static int open_named (uint64_t number, const char *ending)
{
    char path[4096];

    snprintf (path, sizeof path, "%s/%llu.%s", worker.output, (unsigned long long) number, ending);
    return open (path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666);
}

static int open_files (uint64_t number)
{
    for (int i = 0; i < 2; i++) {
        if (worker.files[i] < 0)
            worker.files[i] = *worker.output ? open_named (number, i ? "err" : "out") : make_file ();
        if (worker.files[i] < 0)
            return -1;
    }
    return 0;
}

/* Lets those files go that were fetched, and waits until there is room for more. Whoever fetches them is our main;
 * without it we are killed. */
static void let_fetched_go (size_t room)
{
    for (;;) {
        size_t n = 0;
        for (size_t i = 0; i < worker.n_kept; i++) {
            struct stat file;
            if (fstat (worker.kept[i], &file) == 0 && (file.st_mode & 0777) == TAKEN)
                close (worker.kept[i]);
            else
                worker.kept[n++] = worker.kept[i];
        }
        worker.n_kept = n;
        if (n + room <= KEPT_MAX)
            return;
        poll (NULL, 0, 5);
    }
}

static uint64_t size_of (int fd)
{
    struct stat file;

    return fstat (fd, &file) == 0 ? (uint64_t) file.st_size : 0;
}

static int read_file (int fd, char *to, uint64_t len)
{
    for (uint64_t done = 0; done < len;) {
        ssize_t rc = pread (fd, to + done, len - done, (off_t) done);
        if (rc == 0)
            errno = EIO;
        if (rc == 0 || (rc < 0 && errno != EINTR))
            return -1;
        done += rc > 0 ? (uint64_t) rc : 0;
    }
    return 0;
}

/* Small output travels with the answer. */
static int reply_inline (mpl_call_t *call, mpl_each_result_t *result)
{
    size_t len = sizeof *result + result->out_bytes + result->err_bytes;
    char *answer = malloc (len);

    if (!answer)
        return mpl_call_fail (call, "no memory for what the job printed");
    memcpy (answer, result, sizeof *result);
    char *bytes = answer + sizeof *result;
    int rc;
    if (read_file (worker.files[0], bytes, result->out_bytes) < 0
        || read_file (worker.files[1], bytes + result->out_bytes, result->err_bytes) < 0)
        rc = mpl_call_fail (call, "what the job printed cannot be read: %s", strerror (errno));
    else
        rc = mpl_call_reply (call, answer, len);
    free (answer);
    for (int i = 0; i < 2; i++)         /* used again, unless something may still write there */
        if (size_of (worker.files[i]) && ftruncate (worker.files[i], 0) < 0)
            mpl__fd_close (&worker.files[i]);
    return rc;
}

/* Large output stays where it is until main has opened it. */
static int reply_kept (mpl_call_t *call, mpl_each_result_t *result)
{
    let_fetched_go (2);
    result->out_fd = worker.files[0];
    result->err_fd = worker.files[1];
    for (int i = 0; i < 2; i++) {
        worker.kept[worker.n_kept++] = worker.files[i];
        worker.files[i] = -1;
    }
    return mpl_call_reply (call, result, sizeof *result);
}

static int reply (mpl_call_t *call, mpl_each_result_t *result)
{
    if (*worker.output) {
        mpl__fd_close_all (worker.files, 2);
        return mpl_call_reply (call, result, sizeof *result);
    }
    result->out_bytes = size_of (worker.files[0]);
    result->err_bytes = size_of (worker.files[1]);
    return *result->host || result->out_bytes + result->err_bytes <= MPL__EACH_INLINE_BYTES ? reply_inline (call, result)
                                                                                            : reply_kept (call, result);
}

/* ---- running --------------------------------------------------------------------------------------------------- */

/* 0, or an errno value. */
static int spawn (char **argv)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, defaults;
    pid_t pid = 0;
    int rc = posix_spawn_file_actions_init (&actions);

    if (rc)
        return rc;
    sigemptyset (&none);
    sigemptyset (&defaults);
    sigaddset (&defaults, SIGPIPE);     /* the only one that is ignored in a worker */
    if (!(rc = posix_spawnattr_init (&attr))) {
        posix_spawnattr_setflags (&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
        posix_spawnattr_setpgroup (&attr, 0);
        posix_spawnattr_setsigmask (&attr, &none);
        posix_spawnattr_setsigdefault (&attr, &defaults);
        rc = posix_spawn_file_actions_adddup2 (&actions, worker.null, 0);
        for (int i = 0; i < 2 && !rc; i++)
            rc = posix_spawn_file_actions_adddup2 (&actions, worker.files[i], i + 1);
        rc = rc ? rc : posix_spawnp (&pid, argv[0], &actions, &attr, argv, worker.variables.vars);
        posix_spawnattr_destroy (&attr);
    }
    posix_spawn_file_actions_destroy (&actions);
    if (!rc)
        worker.job = pid;
    return rc;
}

/* Waits for the job's end without reaping it, until `deadline`. 1: it has ended. */
static int wait_for_end (pid_t pid, uint64_t deadline)
{
    siginfo_t ended;

    if (deadline == MPL__NEVER) {
        while (waitid (P_PID, (id_t) pid, &ended, WEXITED | WNOWAIT) < 0 && errno == EINTR)
            ;
        return 1;
    }
    int pidfd = (int) syscall (SYS_pidfd_open, pid, 0);
    struct pollfd poller = { .fd = pidfd, .events = POLLIN };
    int rc = 0;
    for (uint64_t now = mpl__clock_ns (); rc <= 0 && now < deadline; now = mpl__clock_ns ()) {
        rc = poll (&poller, pidfd >= 0, mpl__clock_poll_ms (deadline, now));
        if (pidfd < 0 || rc < 0)        /* too many descriptors, or a signal */
            poll (NULL, 0, 1);
    }
    mpl__fd_close (&pidfd);
    return rc > 0;
}

/* Ends what is left of the job: its group, and what has left that and came to us when its parent died. */
static void end_rest (pid_t pid, int *status)
{
    kill (-pid, SIGKILL);
    while (waitpid (pid, status, 0) < 0 && errno == EINTR)
        ;
    worker.job = 0;
    if (waitpid (-1, NULL, WNOHANG) < 0 && errno == ECHILD)
        return;
    mpl__sweep_all (mpl__clock_ns () + SWEEP_NS);
}

static void watch (mpl_each_result_t *result, uint64_t began)
{
    pid_t pid = worker.job;
    uint64_t timeout = worker.setup.timeout_ns, deadline = timeout ? began + timeout : MPL__NEVER;
    int status = 0;

    if (!wait_for_end (pid, deadline)) {
        result->timed_out = 1;
        kill (-pid, SIGTERM);
        kill (-pid, SIGCONT);
        wait_for_end (pid, mpl__clock_ns () + GRACE_NS);
    }
    end_rest (pid, &status);
    result->status = status;
}

static void run_job (char **argv, mpl_each_result_t *result)
{
    struct timespec wall;
    uint64_t began = mpl__clock_ns ();

    clock_gettime (CLOCK_REALTIME, &wall);      /* for the joblog, which people read; it decides nothing */
    result->began_at = (double) wall.tv_sec + (double) wall.tv_nsec / 1e9;
    result->error = spawn (argv);
    if (result->error)
        result->status = W_EXITCODE (result->error == ENOENT ? 127 : 126, 0);
    else
        watch (result, began);
    result->seconds = (double) (mpl__clock_ns () - began) / MPL__NS_PER_S;
}

static void set_variables (uint64_t number, int slot)
{
    snprintf (worker.own[V_NUMBER], OWN_TEXT, "MPL_SEQ=%llu", (unsigned long long) number);
    snprintf (worker.own[V_PARALLEL], OWN_TEXT, "PARALLEL_SEQ=%llu", (unsigned long long) number);
    snprintf (worker.own[V_SLOT], OWN_TEXT, "MPL_SLOT=%d", slot);
    for (int i = 0; i < N_OWN; i++)
        worker.variables.vars[i] = worker.own[i];
}

static char **fill_arguments (const char *in, const mpl_each_item_t *item, unsigned slot)
{
    char **inputs = malloc ((item->n_inputs + 1) * sizeof *inputs), **argv = NULL;
    char *at = (char *) in + sizeof *item;

    if (!inputs)
        return NULL;
    for (uint64_t i = 0; i < item->n_inputs; i++, at += strlen (at) + 1)
        inputs[i] = at;
    mpl_job_words_t job = { .inputs = inputs, .n = item->n_inputs, .number = item->number, .slot = slot };
    argv = mpl__template_fill (&worker.template, &job);
    free (inputs);
    return argv;
}

int mpl__each_run (mpl_call_t *call, const void *in, void *out)
{
    mpl_each_item_t item;
    int slot = mpl_call_worker (call);

    (void) out;
    memcpy (&item, in, sizeof item);
    mpl_each_result_t result = {
        .number = item.number, .slot = slot, .pid = (int) getpid (), .out_fd = -1, .err_fd = -1
    };
    if (worker.setup.node != mpl__each_node ())
        gethostname (result.host, sizeof result.host - 1);
    let_fetched_go (0);
    char **argv = fill_arguments (in, &item, (unsigned) slot + 1);
    if (!argv)
        return mpl_call_fail (call, "no memory for its arguments");
    set_variables (item.number, slot);
    if (open_files (item.number) < 0) {
        free (argv);
        return mpl_call_fail (call, "there is no file for its output%s%s: %s", *worker.output ? " in " : "",
                              worker.output, strerror (errno));
    }
    run_job (argv, &result);
    free (argv);
    if (worker.is_ending)               /* nobody waits for the answer any more */
        _exit (128 + SIGTERM);
    return reply (call, &result);
}

/* ---- in main --------------------------------------------------------------------------------------------------- */

int mpl__each_fetch (pid_t worker_pid, int fd)
{
    char path[64];

    snprintf (path, sizeof path, "/proc/%d/fd/%d", (int) worker_pid, fd);
    int file = open (path, O_RDONLY | O_CLOEXEC);
    /* Also when it cannot be opened, for want of descriptors: the worker would wait for ever with files that
     * nobody comes for. */
    int saved = errno;
    chmod (path, TAKEN);
    errno = saved;
    return file;
}
