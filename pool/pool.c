#include "pool/pool.h"
#include "pool/link.h"
#include "pool/process.h"
#include "base/clock.h"
#include "base/cpus.h"
#include "base/fail.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define START_LIMIT_MS 60000
#define GOODBYE_LIMIT_MS 2000               /* for workers to leave by themselves before they are terminated */
#define END_LIMIT_MS 1800                   /* for terminated ones: TERM, a second, KILL; then main kills them itself */
#define OWN_DESCRIPTORS 24                  /* of a pool beside two for each worker: ours, ZeroMQ's, some to spare */

/* ---- the one context ------------------------------------------------------------------------------------------- */

static pthread_mutex_t context_lock = PTHREAD_MUTEX_INITIALIZER;
static void *context;

/* One per process, made with the first pool and kept: ending one context can pull the ground from under another's
 * cryptography (libzmq#4241). */
static void *get_context (void)
{
    pthread_mutex_lock (&context_lock);
    if (!context)
        context = zmq_ctx_new ();
    pthread_mutex_unlock (&context_lock);
    return context;
}

static mpl_zap_t *zap;

mpl_zap_t *mpl__pool_zap (mpl_err_t *err)
{
    void *ctx = get_context ();

    pthread_mutex_lock (&context_lock);
    if (!zap)
        zap = mpl__zap_new (ctx, err);
    pthread_mutex_unlock (&context_lock);
    return zap;
}

/* At exit, when no pool is left to use it; else the process's end must do. */
static _Atomic int n_pools;

static __attribute__ ((destructor)) void end_context (void)
{
    if (!context || n_pools || mpl__self.part != MPL__IS_MAIN)
        return;
    mpl__zap_destroy (&zap);
    zmq_ctx_term (context);
}

/* ---- options --------------------------------------------------------------------------------------------------- */

MPL_EXPORT mpl_pool_opts_t mpl_pool_defaults (void)
{
    return mpl__self.defaults;
}

static int check_limits (const mpl_pool_opts_t *opts)
{
    if (opts->workers < 0 || opts->workers > MPL__WORKERS_MAX)
        return mpl__fail (EINVAL, "mpl_pool_new: workers is %d; 0 for as many as there are cores, or up to %d", opts->workers,
                          MPL__WORKERS_MAX);
    if (opts->retries < 0 || opts->retries > 250)
        return mpl__fail (EINVAL, "mpl_pool_new: retries is %d; 0 to 250", opts->retries);
    if (!(opts->task_timeout >= 0) || opts->task_timeout > 1e9)
        return mpl__fail (EINVAL, "mpl_pool_new: task_timeout is %g; seconds, 0 for no limit", opts->task_timeout);
    if (opts->chunk > MPL__CHUNK_ITEMS_MAX)
        return mpl__fail (EINVAL, "mpl_pool_new: chunk is %zu; 0 for adaptive, or up to %u items", opts->chunk,
                          MPL__CHUNK_ITEMS_MAX);
    if (opts->cluster)
        return mpl__fail (ENOTSUP, "mpl_pool_new: a cluster file (%s) is not supported by this version; leave it NULL",
                          opts->cluster);
    return 0;
}

static int check_initializer (const mpl_pool_opts_t *opts, uint16_t *fn)
{
    if (!opts->initializer)
        return 0;
    if (mpl__find_task (opts->initializer, "mpl_pool_new (initializer)", fn) < 0)
        return -1;
    const mpl_task_t *task = &mpl__self.tasks[*fn];
    if (task->out_size)
        return mpl__fail (EINVAL, "mpl_pool_new: the initializer %s has an out_size; it gives no result, so 0", task->name);
    if (!opts->init_arg && opts->init_len)
        return mpl__fail (EINVAL, "mpl_pool_new: init_arg is NULL but init_len is %zu", opts->init_len);
    if (opts->init_len > MPL__MESSAGE_MAX / 2)
        return mpl__fail (EINVAL, "mpl_pool_new: init_len is %zu; at most %zu, larger data go through mpl_pool_share",
                          opts->init_len, MPL__MESSAGE_MAX / 2);
    if (task->in_size != MPL_VARIABLE && task->in_size != MPL_STRING && task->in_size != opts->init_len)
        return mpl__fail (EINVAL, "mpl_pool_new: the initializer %s takes %zu bytes, but init_len is %zu", task->name,
                          task->in_size, opts->init_len);
    return 0;
}

static int check_part (void)
{
    if (mpl__self.part == MPL__NOT_INITIALISED)
        return mpl__fail (EPERM, "mpl_pool_new before mpl_init; call mpl_init first thing in main");
    if (mpl__self.part == MPL__IS_TASK)
        return mpl__fail (EPERM, "mpl_pool_new inside a task; only main opens pools");
    return 0;
}

/* ---- making ---------------------------------------------------------------------------------------------------- */

static int make_pages (mpl_pool_t *self)
{
    size_t bytes = (size_t) self->n_here * 2 * sizeof (mpl_page_t);

    self->pages_fd = memfd_create ("mplaunch-pages", MFD_CLOEXEC);
    if (self->pages_fd < 0 || ftruncate (self->pages_fd, (off_t) bytes) < 0)
        return -1;
    void *map = mmap (NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, self->pages_fd, 0);
    if (map == MAP_FAILED)
        return -1;
    self->pages = map;
    return 0;
}

static int copy_init_arg (mpl_pool_t *self)
{
    if (!self->opts.init_len)
        return 0;
    void *copy = malloc (self->opts.init_len);
    if (!copy)
        return -1;
    self->opts.init_arg = memcpy (copy, self->opts.init_arg, self->opts.init_len);
    return 0;
}

/* One at a time: the pools of a process use the same folder, each for a moment. */
static int make_router (mpl_pool_t *self)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    void *ctx = get_context ();

    if (!ctx)
        return -1;
    pthread_mutex_lock (&lock);
    self->router = mpl__router_new (ctx, (size_t) self->capacity, mpl__link_folder (), &self->endpoint_fd);
    pthread_mutex_unlock (&lock);
    return self->router ? 0 : -1;
}

static int make_parts (mpl_pool_t *self)
{
    size_t n = (size_t) self->capacity;

    if (!(self->members = calloc (n, sizeof *self->members)))
        return -1;
    for (size_t w = 0; w < n; w++)
        self->members[w].pidfd = -1;
    self->cost_ns = calloc (mpl__self.n_tasks + 1, sizeof *self->cost_ns);
    self->core = mpl__core_new (n, (unsigned) self->opts.retries, self->opts.max_tasks);
    self->arena = mpl__arena_new ();
    self->kick = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!self->cost_ns || !self->core || !self->arena || self->kick < 0 || make_pages (self) < 0)
        return -1;
    return make_router (self);
}

int mpl__pool_order (mpl_pool_t *self, mpl_err_t *err)
{
    int pair[2];
    mpl_control_t order = { .type = MPL__C_POOL_OPEN, .workers = (uint64_t) self->n_here,
                            .timeout_ns = (uint64_t) (self->opts.task_timeout * 1e9), .memory = self->opts.memory_limit,
                            .incarnation = self->members[0].incarnation };

    if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return mpl__err (err, errno, "no socket for the pool's channel: %s", strerror (errno));
    fcntl (pair[0], F_SETFL, O_NONBLOCK);
    int fds[MPL__FDS_MAX] = { pair[1], self->endpoint_fd, self->pages_fd, mpl__arena_fd (self->arena) };
    int rc = mpl__link_order (&order, fds);
    mpl__fd_close (&pair[1]);
    if (rc < 0) {
        mpl__err (err, errno, "the agent (mpworker) cannot be reached: %s", strerror (errno));
        mpl__fd_close (&pair[0]);
        return -1;
    }
    self->channel = pair[0];
    self->is_channel_over = 0;
    return 0;
}

static void free_pool (mpl_pool_t *self)
{
    for (int w = 0; self->members && w < self->capacity; w++) {
        mpl__fd_close (&self->members[w].pidfd);
        free (self->members[w].host);
        free (self->members[w].piece.data);
        mpl__joint_clear (&self->members[w].joint);
    }
    free (self->members);
    free (self->cost_ns);
    free (self->parcels);
    free (self->broken_why);
    mpl__far_free (self);
    if (self->opts.init_len)
        free ((void *) self->opts.init_arg);
    mpl__core_destroy (&self->core);
    pthread_mutex_destroy (&self->lock);
    free (self);
}

/* What the system holds for it; the memory may live on for futures. */
static void release (mpl_pool_t *self)
{
    mpl__router_destroy (&self->router);
    mpl__arena_destroy (&self->arena);
    if (self->pages)
        munmap (self->pages, (size_t) self->n_here * 2 * sizeof (mpl_page_t));
    self->pages = NULL;
    mpl__fd_close (&self->channel);
    mpl__fd_close (&self->endpoint_fd);
    mpl__fd_close (&self->agent_pidfd);
    mpl__fd_close (&self->pages_fd);
    mpl__fd_close (&self->kick);
    mpl__shares_free (self);
}

void mpl__pool_ref (mpl_pool_t *self)
{
    atomic_fetch_add (&self->n_refs, 1);
}

void mpl__pool_unref (mpl_pool_t *self)
{
    if (atomic_fetch_sub (&self->n_refs, 1) == 1)
        free_pool (self);
}

static _Atomic uint64_t n_made;

static mpl_pool_t *new_pool (const mpl_pool_opts_t *opts, uint16_t init_fn)
{
    mpl_pool_t *self = calloc (1, sizeof *self);

    if (!self)
        return NULL;
    self->opts = *opts;
    self->init_fn = init_fn;
    self->n_refs = 1;
    self->owner = getpid ();
    self->id = atomic_fetch_add (&n_made, 1) + 1;
    self->channel = self->agent_pidfd = self->endpoint_fd = self->pages_fd = self->kick = -1;
    self->n_workers = opts->workers ? opts->workers : mpl__self.link >= 0 ? mpl__self.size : mpl__cpus_usable ();
    self->n_wanted = self->n_workers;
    self->capacity = self->n_workers + mpl__self.growth;
    self->n_here = mpl__far_share (self->n_workers, mpl__self.size, 0, mpl__self.local_size);
    self->start_by = mpl__clock_in_ms (START_LIMIT_MS);
    pthread_mutex_init (&self->lock, NULL);
    if (copy_init_arg (self) < 0) {
        self->opts.init_len = 0;
        free_pool (self);
        return NULL;
    }
    return self;
}

/* libzmq aborts the program when it runs out of descriptors, so that there are enough is made sure before. */
static int check_descriptors (const mpl_pool_t *self)
{
    rlim_t needed = OWN_DESCRIPTORS + 2 * (rlim_t) self->n_workers;
    struct rlimit limit;

    if (mpl__fd_can_open (needed))
        return 0;
    if (getrlimit (RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        rlim_t soft = limit.rlim_cur;
        limit.rlim_cur = limit.rlim_max - soft > needed ? soft + needed : limit.rlim_max;
        if (setrlimit (RLIMIT_NOFILE, &limit) == 0 && mpl__fd_can_open (needed))
            return 0;
    }
    return mpl__fail (EMFILE, "mpl_pool_new: a pool of %d workers needs %llu descriptors more than the limit of %llu leaves; "
                      "more must be allowed (ulimit -n), or fewer workers asked for", self->n_workers,
                      (unsigned long long) needed, (unsigned long long) limit.rlim_cur);
}

MPL_EXPORT mpl_pool_t *mpl_pool_new (const mpl_pool_opts_t *opts_p)
{
    mpl_pool_opts_t opts = opts_p ? *opts_p : mpl_pool_defaults ();
    uint16_t init_fn = 0;
    mpl_err_t err;

    if (check_part () < 0 || check_limits (&opts) < 0 || check_initializer (&opts, &init_fn) < 0)
        return NULL;
    mpl_pool_t *self = new_pool (&opts, init_fn);
    if (!self)
        return mpl__fail_null (ENOMEM, "mpl_pool_new: no memory for a pool");
    /* The agent first: spawning comes before ZeroMQ's threads, and it starts the program's nursery while main goes on. */
    if (check_descriptors (self) < 0 || mpl__link_open (self->n_workers, mpl__last_error ()) < 0) {
        int saved = errno;
        free_pool (self);
        errno = saved;
        return NULL;
    }
    n_pools++;
    int rc = make_parts (self);
    if (rc < 0)
        mpl__fail (errno, "mpl_pool_new: a pool of %d workers cannot be made: %s", self->n_workers, strerror (errno));
    else if ((rc = mpl__pool_order (self, &err)) < 0)
        mpl__fail (errno, "mpl_pool_new: %s", err.text);
    if (rc < 0) {
        int saved = errno;
        mpl__link_close ();
        n_pools--;
        release (self);
        free_pool (self);
        errno = saved;
        return NULL;
    }
    return self;
}

MPL_EXPORT int mpl_pool_size (mpl_pool_t *self) { return self->n_workers; }

MPL_EXPORT int mpl_pool_grow (mpl_pool_t *self, int workers)
{
    if (mpl__pool_check (self, "mpl_pool_grow") < 0)
        return -1;
    if (!mpl__self.growth)
        return mpl__fail (ENOTSUP, "mpl_pool_grow: hosts come later only to a launch that is attached to an mpbroker (mplaunch --attach)");
    if (workers < 1 || workers > self->capacity)
        return mpl__fail (EINVAL, "mpl_pool_grow: workers is %d; 1 to %d", workers, self->capacity);
    pthread_mutex_lock (&self->lock);
    int rc = 0;
    if (self->state != MPL__OPEN)
        rc = mpl__fail (ESHUTDOWN, "mpl_pool_grow: the pool takes no more work");
    else if (workers > self->n_wanted)
        mpl__far_grow (self, workers);
    pthread_mutex_unlock (&self->lock);
    return rc;
}

int mpl__pool_check (const mpl_pool_t *self, const char *caller)
{
    if (!self)
        return mpl__fail (EINVAL, "%s: the pool is NULL", caller);
    if (self->owner != getpid ())
        return mpl__fail (EPERM, "%s: the pool belongs to process %d, of which this one is a copy", caller, (int) self->owner);
    return 0;
}

/* ---- ending ---------------------------------------------------------------------------------------------------- */

static void give_up_all (mpl_pool_t *self, int error, const char *why)
{
    while (self->running)
        mpl__batch_give_up (self->running, error, why);
}

void mpl__pool_break (mpl_pool_t *self, const char *fmt, ...)
{
    mpl_control_t terminate = { .type = MPL__C_TERMINATE };
    va_list args;

    if (self->state == MPL__BROKEN || self->state == MPL__TERMINATED)
        return;
    va_start (args, fmt);
    if (vasprintf (&self->broken_why, fmt, args) < 0)
        self->broken_why = NULL;
    va_end (args);
    self->state = MPL__BROKEN;
    if (!self->broken_why)
        self->broken_why = strdup ("no memory");
    mpl__control_send (self->channel, &terminate, NULL, 0);
    mpl__far_tell_all (self, MPL__C_TERMINATE);
    give_up_all (self, EPIPE, self->broken_why);
}

MPL_EXPORT int mpl_pool_close (mpl_pool_t *self)
{
    pthread_mutex_lock (&self->lock);
    self->state = self->state == MPL__OPEN ? MPL__CLOSED : self->state;
    pthread_mutex_unlock (&self->lock);
    return 0;
}

static void terminate (mpl_pool_t *self)
{
    mpl_control_t message = { .type = MPL__C_TERMINATE };

    if (self->state != MPL__BROKEN)
        self->state = MPL__TERMINATED;
    if (!self->is_channel_over)
        mpl__control_send (self->channel, &message, NULL, 0);
    mpl__far_tell_all (self, MPL__C_TERMINATE);
    give_up_all (self, ECANCELED, "the pool was terminated");
}

MPL_EXPORT int mpl_pool_terminate (mpl_pool_t *self)
{
    pthread_mutex_lock (&self->lock);
    terminate (self);
    pthread_mutex_unlock (&self->lock);
    return 0;
}

static int has_no_work (void *arg)
{
    const mpl_pool_t *self = arg;

    return !self->n_running && !self->callbacks && !self->in_callback;
}

static int has_no_workers (void *arg)
{
    return ((const mpl_pool_t *) arg)->is_channel_over;
}

/* Terminated workers end within a second or so, unless their agent is stopped or lost. */
static int wait_for_end (mpl_pool_t *self)
{
    if (mpl__wait (self, has_no_workers, self, mpl__clock_in_ms (END_LIMIT_MS)) == 0)
        return 0;
    mpl__members_kill (self);
    return mpl__fail (ETIMEDOUT, "the agent (mpworker) has not ended the pool's workers in %d ms; they were killed",
                      END_LIMIT_MS);
}

MPL_EXPORT int mpl_pool_join (mpl_pool_t *self)
{
    if (mpl__pool_check (self, "mpl_pool_join") < 0)
        return -1;
    pthread_mutex_lock (&self->lock);
    int rc = 0;
    if (self->state == MPL__OPEN) {
        rc = mpl__fail (EINVAL, "mpl_pool_join: the pool is open; close or terminate it first");
    } else if ((rc = mpl__wait (self, has_no_work, self, MPL__NEVER)) == 0) {
        if (self->state == MPL__CLOSED && !self->is_leaving)
            mpl__members_goodbye (self);
        if (mpl__wait (self, has_no_workers, self, mpl__clock_in_ms (GOODBYE_LIMIT_MS)) < 0) {
            terminate (self);
            rc = wait_for_end (self);
        }
    }
    pthread_mutex_unlock (&self->lock);
    return rc;
}

MPL_EXPORT void mpl_pool_destroy (mpl_pool_t **self_p)
{
    mpl_pool_t *self = *self_p;
    int saved = errno;

    if (!self)
        return;
    *self_p = NULL;
    if (self->owner != getpid ())               /* in a copy made by fork: nothing of it is ours */
        return;
    pthread_mutex_lock (&self->lock);
    if (!self->is_channel_over)
        terminate (self);
    (void) wait_for_end (self);
    mpl__stop_helper (self);
    release (self);
    pthread_mutex_unlock (&self->lock);
    mpl__link_close ();
    n_pools--;
    mpl__pool_unref (self);
    errno = saved;
}
