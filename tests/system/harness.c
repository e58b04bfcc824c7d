#define _GNU_SOURCE
#include "tests/system/harness.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CASE_SECONDS 60.0
#define MARK "MPL_TEST_MARK"

extern char **environ;

static char self_path[4096];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char why[1400];
static char skip_why[200];
static const char *volatile running = "";
static volatile int running_number;

/* ---- saying no ------------------------------------------------------------------------------------------------- */

void case_fail (int line, const char *fmt, ...)
{
    int code = errno;
    char text[700];
    va_list args;

    va_start (args, fmt);
    vsnprintf (text, sizeof text, fmt, args);
    va_end (args);
    pthread_mutex_lock (&lock);
    if (!*why)
        snprintf (why, sizeof why, "line %d: %s (errno %s; mpl_error \"%.300s\")", line, text,
                  code ? strerrorname_np (code) : "0", mpl_error ());
    for (char *c = why; *c; c++)
        if (*c == '\n' || *c == '#')
            *c = ' ';
    pthread_mutex_unlock (&lock);
}

void case_skip (const char *reason)
{
    snprintf (skip_why, sizeof skip_why, "%s", reason);
}

void need_failed (int line, const char *what)
{
    fprintf (stderr, "# line %d: %s: errno %d %s; %s\n", line, what, errno, strerror (errno), mpl_error ());
    exit (99);
}

/* ---- time ------------------------------------------------------------------------------------------------------ */

double now (void)
{
    struct timespec t;

    clock_gettime (CLOCK_MONOTONIC, &t);
    return (double) t.tv_sec + (double) t.tv_nsec * 1e-9;
}

void rest (double seconds)
{
    struct timespec t = { (time_t) seconds, (long) ((seconds - (double) (time_t) seconds) * 1e9) };

    while (nanosleep (&t, &t) < 0 && errno == EINTR)
        ;
}

static double slowness (void)
{
    const char *text = getenv ("MPL_TEST_SLOW");
    double k = text && *text ? atof (text) : 1;

    return text && *text && k < 1 ? 10 : k;
}

double within (double seconds) { return seconds * slowness (); }
int is_slow (void) { return slowness () > 1; }

size_t fewer (size_t n)
{
    size_t k = (size_t) ((double) n / slowness ());

    return k ? k : 1;
}

/* ---- files ----------------------------------------------------------------------------------------------------- */

static int remove_one (const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void) st, (void) flag, (void) ftw;
    return remove (path);
}

static void remove_tree (const char *dir)
{
    nftw (dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static char own_dir[64];

static void remove_own_dir (void)
{
    if (*own_dir)
        remove_tree (own_dir);
    *own_dir = 0;
}

const char *work_dir (void)
{
    const char *dir = getenv ("MPL_TEST_DIR");

    if (dir && *dir)
        return dir;
    if (!*own_dir) {
        strcpy (own_dir, "/tmp/mplt-XXXXXX");
        NEED (mkdtemp (own_dir));
    }
    return own_dir;
}

void note (const char *dir, const char *file, const char *fmt, ...)
{
    char path[4096], text[512];
    va_list args;

    va_start (args, fmt);
    int len = vsnprintf (text, sizeof text, fmt, args);
    va_end (args);
    snprintf (path, sizeof path, "%s/%s", dir, file);
    int fd = open (path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || write (fd, text, (size_t) len) != len)
        fprintf (stderr, "# cannot note in %s: %s\n", path, strerror (errno));
    if (fd >= 0)
        close (fd);
}

static char *slurp_fd (int fd)
{
    size_t len = 0, room = 4096;
    char *text = malloc (room);

    NEED (text);
    for (;;) {
        ssize_t n = read (fd, text + len, room - len - 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        len += (size_t) n;
        if (room - len < 2)
            NEED (text = realloc (text, room *= 2));
    }
    text[len] = 0;
    return text;
}

char *slurp (const char *dir, const char *file)
{
    char path[4096];

    snprintf (path, sizeof path, "%s/%s", dir, file);
    int fd = open (path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return strdup ("");
    char *text = slurp_fd (fd);
    close (fd);
    return text;
}

size_t count_in (const char *text, const char *what)
{
    size_t n = 0;

    for (const char *at = text; (at = strstr (at, what)); at += strlen (what))
        n++;
    return n;
}

size_t count_lines (const char *dir, const char *file)
{
    char *text = slurp (dir, file);
    size_t n = count_in (text, "\n");

    free (text);
    return n;
}

size_t count_entries (const char *path)
{
    DIR *dir = opendir (path);
    size_t n = 0;

    for (struct dirent *e; dir && (e = readdir (dir));)
        n += strcmp (e->d_name, ".") != 0 && strcmp (e->d_name, "..") != 0;
    if (dir)
        closedir (dir);
    return n;
}

/* ---- looking at processes -------------------------------------------------------------------------------------- */

static int open_proc (pid_t pid, const char *file)
{
    char path[64];

    snprintf (path, sizeof path, "/proc/%d/%s", (int) pid, file);
    return open (path, O_RDONLY | O_CLOEXEC);
}

/* Does the process carry `mark`, itself or with a suffix that begins with a dot? */
static int carries (pid_t pid, const char *mark)
{
    int fd = open_proc (pid, "environ"), found = 0;
    size_t room = 1 << 18, len = 0, mark_len = strlen (mark);
    char *text = malloc (room);

    while (fd >= 0 && text && len < room - 1) {
        ssize_t n = read (fd, text + len, room - 1 - len);
        if (n <= 0)
            break;
        len += (size_t) n;
    }
    if (fd >= 0)
        close (fd);
    for (size_t i = 0; text && i < len && !found; i += strnlen (text + i, len - i) + 1) {
        text[len] = 0;
        if (strncmp (text + i, MARK "=", strlen (MARK) + 1) == 0) {
            const char *value = text + i + strlen (MARK) + 1;
            found = strncmp (value, mark, mark_len) == 0 && (value[mark_len] == 0 || value[mark_len] == '.');
        }
    }
    free (text);
    return found;
}

static int find_carriers (const char *mark, pid_t *pids, int max)
{
    DIR *dir = opendir ("/proc");
    int n = 0;

    for (struct dirent *e; dir && (e = readdir (dir));) {
        pid_t pid = (pid_t) atoi (e->d_name);
        if (pid > 0 && pid != getpid () && carries (pid, mark)) {
            if (n < max)
                pids[n] = pid;
            n++;
        }
    }
    if (dir)
        closedir (dir);
    return n;
}

static void full_mark (char *text, size_t size, const char *suffix)
{
    const char *mine = getenv (MARK);

    if (!mine || !*mine)
        mine = "unmarked";
    if (suffix)
        snprintf (text, size, "%s.%s", mine, suffix);
    else
        snprintf (text, size, "%s", mine);
}

int find_marked (const char *suffix, pid_t *pids, int max)
{
    char mark[256];

    full_mark (mark, sizeof mark, suffix);
    return find_carriers (mark, pids, max);
}

int find_agents (const char *suffix, pid_t *pids, int max)
{
    pid_t all[512];
    int n = find_marked (suffix, all, 512), found = 0;

    for (int i = 0; i < n && i < 512; i++) {
        char link[64], path[4096] = "";
        snprintf (link, sizeof link, "/proc/%d/exe", (int) all[i]);
        if (readlink (link, path, sizeof path - 1) > 0 && strstr (path, "mpworker")) {
            if (found < max)
                pids[found] = all[i];
            found++;
        }
    }
    return found;
}

/* The pidfd is opened first and the mark read afterwards, so a number that was given to someone else is not hit. */
static int kill_carrier (pid_t pid, int sig, const char *mark)
{
    int fd = (int) syscall (SYS_pidfd_open, pid, 0);
    int ok = -1;

    if (fd < 0)
        return -1;
    errno = ESRCH;
    if (carries (pid, mark))
        ok = (int) syscall (SYS_pidfd_send_signal, fd, sig, NULL, 0);
    close (fd);
    return ok;
}

int kill_marked (pid_t pid, int sig)
{
    char mark[256];

    full_mark (mark, sizeof mark, NULL);
    return kill_carrier (pid, sig, mark);
}

static void kill_carriers (const char *mark)
{
    pid_t pids[512];

    for (int round = 0; round < 50; round++) {
        int n = find_carriers (mark, pids, 512);
        if (n == 0)
            return;
        for (int i = 0; i < n && i < 512; i++)
            kill_carrier (pids[i], SIGKILL, mark);
        rest (0.02);
    }
}

void kill_all_marked (const char *suffix)
{
    char mark[256];

    full_mark (mark, sizeof mark, suffix);
    kill_carriers (mark);
}

char process_state (pid_t pid)
{
    char text[512] = "";
    int fd = open_proc (pid, "stat");

    if (fd < 0)
        return 0;
    ssize_t n = read (fd, text, sizeof text - 1);
    close (fd);
    char *end = n > 0 ? strrchr (text, ')') : NULL;
    return end && end[1] ? end[2] : 0;
}

int process_is_there (pid_t pid)
{
    char state = process_state (pid);

    return state && state != 'Z' && state != 'X';
}

int count_fds (void)
{
    return (int) count_entries ("/proc/self/fd");
}

int has_children (void)
{
    siginfo_t info;

    return waitid (P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/* ---- starting this program again ------------------------------------------------------------------------------- */

typedef struct {
    int in, out, err;                   /* -1: out and err stay ours, in is /dev/null */
} ends_t;

static pid_t spawn_self (const spec_t *spec, const char *mark, const ends_t *ends)
{
    char *argv[10] = { self_path }, mark_var[320];
    size_t n_env = 0, n = 0;
    char **env;
    pid_t pid = -1;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, all;

    for (int i = 0; i < 8 && spec->args[i]; i++)
        argv[i + 1] = (char *) spec->args[i];
    while (environ[n_env])
        n_env++;
    NEED (env = calloc (n_env + 12, sizeof *env));
    snprintf (mark_var, sizeof mark_var, MARK "=%s", mark);
    env[n++] = mark_var;
    env[n++] = (char *) "MPL_TEST_CHILD=1";
    for (int i = 0; i < 6 && spec->env[i]; i++)
        env[n++] = (char *) spec->env[i];
    size_t n_set = n;
    for (size_t i = 0; i < n_env; i++) {
        size_t len = strcspn (environ[i], "=") + 1, k = 0;
        while (k < n_set && strncmp (env[k], environ[i], len) != 0)
            k++;
        if (k == n_set)
            env[n++] = environ[i];
    }
    posix_spawn_file_actions_init (&actions);
    if (ends->in >= 0)
        posix_spawn_file_actions_adddup2 (&actions, ends->in, 0);
    else
        posix_spawn_file_actions_addopen (&actions, 0, "/dev/null", O_RDONLY, 0);
    if (ends->out >= 0)
        posix_spawn_file_actions_adddup2 (&actions, ends->out, 1);
    if (ends->err >= 0)
        posix_spawn_file_actions_adddup2 (&actions, ends->err, 2);
    posix_spawnattr_init (&attr);
    sigemptyset (&none);
    sigfillset (&all);
    posix_spawnattr_setsigmask (&attr, &none);
    posix_spawnattr_setsigdefault (&attr, &all);
    posix_spawnattr_setflags (&attr, (short) (POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF
                                              | (spec->own_session ? POSIX_SPAWN_SETSID : 0)));
    int code = posix_spawn (&pid, self_path, &actions, &attr, argv, env);
    posix_spawn_file_actions_destroy (&actions);
    posix_spawnattr_destroy (&attr);
    free (env);
    if (code != 0) {
        errno = code;
        return -1;
    }
    return pid;
}

pid_t start_self (const spec_t *spec)
{
    char mark[256];
    ends_t ends = { -1, 2, 2 };

    full_mark (mark, sizeof mark, spec->mark ? spec->mark : "run");
    return spawn_self (spec, mark, &ends);
}

int end_of (pid_t pid, double seconds, int *status)
{
    double until = now () + within (seconds);

    for (;;) {
        pid_t got = waitpid (pid, status, WNOHANG);
        if (got == pid)
            return 0;
        if (got < 0 && errno != EINTR)
            return -1;
        if (now () > until)
            return -1;
        rest (0.002);
    }
}

/* Reads what is there; 0 at the end of it. */
static int take_in (int fd, char **text, size_t *len)
{
    char part[65536];
    ssize_t n = read (fd, part, sizeof part);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    NEED (*text = realloc (*text, *len + (size_t) n + 1));
    memcpy (*text + *len, part, (size_t) n);
    *len += (size_t) n;
    (*text)[*len] = 0;
    return n > 0;
}

/* Gathers until the process has ended and its pipes are empty; whoever else still holds them is not waited for. */
static int gather (pid_t pid, int fds[2], char *texts[2], double seconds)
{
    size_t lens[2] = { 0, 0 };
    int is_open[2] = { fds[0] >= 0, fds[1] >= 0 }, status = -1, has_ended = 0;
    double until = now () + seconds;

    for (;;) {
        struct pollfd polls[2] = { { is_open[0] ? fds[0] : -1, POLLIN, 0 }, { is_open[1] ? fds[1] : -1, POLLIN, 0 } };
        int n = poll (polls, 2, has_ended ? 0 : 5);
        for (int i = 0; i < 2; i++)
            if (is_open[i] && polls[i].revents)
                is_open[i] = take_in (fds[i], &texts[i], &lens[i]);
        if (has_ended && n <= 0)
            return status;
        if (!has_ended && waitpid (pid, &status, WNOHANG) == pid)
            has_ended = 1;
        if (!has_ended && now () > until) {
            kill (pid, SIGKILL);
            waitpid (pid, &status, 0);
            status = -1;
            has_ended = 1;
        }
    }
}

int run_self (const spec_t *spec, run_t *run)
{
    int in[2] = { -1, -1 }, out[2] = { -1, -1 }, err[2] = { -1, -1 };
    char mark[256];
    double began = now ();

    memset (run, 0, sizeof *run);
    full_mark (mark, sizeof mark, spec->mark ? spec->mark : "run");
    NEED (run->out = calloc (1, 1));
    NEED (run->err = calloc (1, 1));
    if (spec->in) {
        NEED (pipe2 (in, O_CLOEXEC) == 0);
        NEED (write (in[1], spec->in, strlen (spec->in)) >= 0);
        close (in[1]);
    }
    if (spec->out_path)
        NEED ((out[1] = open (spec->out_path, O_WRONLY | O_CLOEXEC)) >= 0);
    else if (spec->out_fd)
        out[1] = fcntl (spec->out_fd, F_DUPFD_CLOEXEC, 3);
    else
        NEED (pipe2 (out, O_CLOEXEC) == 0);
    NEED (pipe2 (err, O_CLOEXEC) == 0);
    ends_t ends = { in[0], out[1], err[1] };
    pid_t pid = spawn_self (spec, mark, &ends);
    int code = errno;
    close (out[1]);
    close (err[1]);
    if (in[0] >= 0)
        close (in[0]);
    if (pid > 0) {
        int fds[2] = { out[0], err[0] };
        char *texts[2] = { run->out, run->err };
        run->status = gather (pid, fds, texts, within (spec->limit > 0 ? spec->limit : 20));
        run->out = texts[0];
        run->err = texts[1];
    }
    if (out[0] >= 0)
        close (out[0]);
    close (err[0]);
    run->seconds = now () - began;
    errno = code;
    return pid > 0 ? 0 : -1;
}

void run_free (run_t *run)
{
    free (run->out);
    free (run->err);
    run->out = run->err = NULL;
}

/* ---- the cases ------------------------------------------------------------------------------------------------- */

static void report (int number, const char *name, const char *reason, const char *skipped)
{
    if (reason && *reason)
        printf ("not ok %d - %s # %s\n", number, name, reason);
    else if (skipped && *skipped)
        printf ("ok %d - %s # SKIP %s\n", number, name, skipped);
    else
        printf ("ok %d - %s\n", number, name);
    fflush (stdout);
}

static void too_long (int sig)
{
    char text[300];

    (void) sig;
    int n = snprintf (text, sizeof text, "not ok %d - %s # no end after its time\n", running_number, running);
    if (write (1, text, (size_t) n) < 0)
        _exit (3);
    _exit (2);
}

static int run_here (int number, const case_t *c)
{
    *why = *skip_why = 0;
    running = c->name;
    running_number = number;
    signal (SIGALRM, too_long);
    alarm ((unsigned) within (CASE_SECONDS));
    c->run ();
    alarm (0);
    remove_own_dir ();
    report (number, c->name, why, skip_why);
    return *why != 0;
}

/* Runs one case as a process of its own; what it printed besides its verdict follows as comments. */
static int run_apart (int number, const case_t *c, long stamp)
{
    char dir[] = "/tmp/mplt-XXXXXX", mark[64], work[64], tmp[64], run[64], reason[1600] = "", skipped[300] = "";
    char var_work[96], var_tmp[96], var_run[96];
    int out[2];
    double began = now ();

    NEED (mkdtemp (dir));
    snprintf (work, sizeof work, "%s/work", dir);
    snprintf (tmp, sizeof tmp, "%s/tmp", dir);
    snprintf (run, sizeof run, "%s/run", dir);
    NEED (mkdir (work, 0700) == 0 && mkdir (tmp, 0700) == 0 && mkdir (run, 0700) == 0);
    snprintf (mark, sizeof mark, "%d-%ld-%d", (int) getpid (), stamp, number);
    snprintf (var_work, sizeof var_work, "MPL_TEST_DIR=%s", work);
    snprintf (var_tmp, sizeof var_tmp, "TMPDIR=%s", tmp);
    snprintf (var_run, sizeof var_run, "XDG_RUNTIME_DIR=%s", run);
    spec_t spec = { .args = { c->name }, .env = { var_work, var_tmp, var_run } };
    NEED (pipe2 (out, O_CLOEXEC) == 0);
    ends_t ends = { -1, out[1], -1 };
    pid_t pid = spawn_self (&spec, mark, &ends);
    NEED (pid > 0);
    close (out[1]);
    int fds[2] = { out[0], -1 };
    char *texts[2] = { strdup (""), NULL };
    int status = gather (pid, fds, texts, within (CASE_SECONDS + 5));
    close (out[0]);

    int has_verdict = 0;
    for (char *line = texts[0], *next; line && *line; line = next) {
        if ((next = strchr (line, '\n')))
            *next++ = 0;
        char *hash = strchr (line, '#');
        if (strncmp (line, "not ok ", 7) == 0) {
            snprintf (reason, sizeof reason, "%s", hash ? hash + 2 : "failed");
            has_verdict = 1;
        } else if (strncmp (line, "ok ", 3) == 0) {
            snprintf (skipped, sizeof skipped, "%s", hash ? hash + 7 : "");
            has_verdict = 1;
        } else if (strncmp (line, "1..", 3) != 0)
            printf ("# %s\n", line);
    }
    free (texts[0]);
    if (status == -1)
        snprintf (reason, sizeof reason, "killed after %g s", within (CASE_SECONDS + 5));
    else if (!*reason && WIFSIGNALED (status))
        snprintf (reason, sizeof reason, "ended by signal %d", WTERMSIG (status));
    else if (!*reason && (!has_verdict || WEXITSTATUS (status) != 0))
        snprintf (reason, sizeof reason, "ended with %d%s", WEXITSTATUS (status), has_verdict ? "" : " and no verdict");

    double until = now () + within (2);
    pid_t left[64];
    int n_left;
    while ((n_left = find_carriers (mark, left, 64)) > 0 && now () < until)
        rest (0.01);
    if (n_left > 0) {
        if (!*reason)
            snprintf (reason, sizeof reason, "%d processes left 2 s after its end, one is %d", n_left, (int) left[0]);
        kill_carriers (mark);
    }
    if (!*reason && count_entries (tmp) + count_entries (run) > 0)
        snprintf (reason, sizeof reason, "files left in TMPDIR or XDG_RUNTIME_DIR");
    remove_tree (dir);
    report (number, c->name, reason, skipped);
    if (now () - began > 3)
        printf ("# that took %.1f s\n", now () - began);
    fflush (stdout);
    return *reason != 0;
}

static int is_wanted (const case_t *c, int argc, char **argv)
{
    if (argc < 2)
        return 1;
    for (int i = 1; i < argc; i++)
        if (strcmp (argv[i], c->name) == 0 || strcmp (argv[i], "all") == 0
            || (strcmp (argv[i], "all-basic") == 0 && (c->flags & BASIC)))
            return 1;
    return 0;
}

static void find_self (const char *arg)
{
    char *path = arg && strchr (arg, '/') ? realpath (arg, NULL) : NULL;

    if (path)
        snprintf (self_path, sizeof self_path, "%s", path);
    else if (readlink ("/proc/self/exe", self_path, sizeof self_path - 1) < 0)
        snprintf (self_path, sizeof self_path, "%s", arg ? arg : "");
    free (path);
}

int harness_main (int argc, char **argv, const mpl_task_t *tasks, const case_t *cases, const sub_t *subs)
{
    int n = 0, n_failed = 0;

    find_self (argv[0]);
    if (argc > 2 && strcmp (argv[1], "--sub") == 0) {
        for (const sub_t *sub = subs; sub->name; sub++)
            if (strcmp (sub->name, argv[2]) == 0)
                return sub->run (argc, argv);
        fprintf (stderr, "no sub is called %s\n", argv[2]);
        return 98;
    }
    if (argc == 2 && strcmp (argv[1], "--list") == 0) {
        for (const case_t *c = cases; c->name; c++)
            puts (c->name);
        return 0;
    }
    int is_apart = !getenv ("MPL_RANK") && !getenv ("MPL_FD") && !getenv ("MPL_TEST_CHILD");
    if (!is_apart && mpl_init (&argc, &argv, tasks) < 0) {
        printf ("Bail out! mpl_init: %s\n", mpl_error ());
        return 97;
    }
    for (const case_t *c = cases; c->name; c++)
        n += is_wanted (c, argc, argv);
    if (n == 0) {
        fprintf (stderr, "no case has that name; --list shows them\n");
        return 2;
    }
    printf ("1..%d\n", n);
    fflush (stdout);
    n = 0;
    long stamp = (long) time (NULL);
    for (const case_t *c = cases; c->name; c++)
        if (is_wanted (c, argc, argv))
            n_failed += is_apart ? run_apart (++n, c, stamp) : run_here (++n, c);
    return n_failed > 0;
}
