#include "launcher/each/options.h"
#include "conf/units.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RETRIES_MAX 1000000

typedef int (*take_fn) (mpl_each_options_t *options, const char *value, int cores);

/* 0: a number, -1: not. */
static int number (const char *text, long min, long max, long *value)
{
    char *end;

    errno = 0;
    *value = strtol (text, &end, 10);
    return errno || end == text || *end || *text < '0' || *text > '9' || *value < min || *value > max ? -1 : 0;
}

/* As GNU parallel has it: 4, 0 (as many as possible), +1 and -1 (more or fewer than cores), 50%. */
static int take_jobs (mpl_each_options_t *options, const char *value, int cores)
{
    size_t len = strlen (value);
    char digits[16];
    long n;

    if (len && value[len - 1] == '%' && len < sizeof digits) {
        memcpy (digits, value, len - 1);
        digits[len - 1] = '\0';
        if (number (digits, 1, 100000, &n) < 0)
            return -1;
        n = cores * n / 100;
    } else if (*value == '+' || *value == '-') {
        if (number (value + 1, 0, MPL__EACH_JOBS_MAX, &n) < 0)
            return -1;
        n = *value == '+' ? cores + n : cores - n;
    } else if (number (value, 0, MPL__EACH_JOBS_MAX, &n) < 0) {
        return -1;
    } else if (n == 0) {
        n = 256;
    }
    options->jobs = (int) (n < 1 ? 1 : n > MPL__EACH_JOBS_MAX ? MPL__EACH_JOBS_MAX : n);
    return 0;
}

static int take_file (mpl_each_options_t *options, const char *value, int cores)
{
    (void) cores;
    if (options->n_sources == MPL__EACH_SOURCES_MAX || !*value)
        return -1;
    options->sources[options->n_sources++] = (mpl_each_source_t) { .path = value };
    return 0;
}

static int take_null (mpl_each_options_t *options, const char *value, int cores)
{
    (void) value, (void) cores;
    options->separator = '\0';
    return 0;
}

static int take_delimiter (mpl_each_options_t *options, const char *value, int cores)
{
    static const char names[] = "ntr0\\", meant[] = "\n\t\r\0\\";
    const char *name = value[0] == '\\' && value[1] ? strchr (names, value[1]) : NULL;

    (void) cores;
    if (name && !value[2])
        options->separator = meant[name - names];
    else if (value[0] && !value[1])
        options->separator = value[0];
    else
        return -1;
    return 0;
}

static int take_replace (mpl_each_options_t *options, const char *value, int cores)
{
    (void) cores;
    options->replace = value;
    return *value ? 0 : -1;
}

static int take_timeout (mpl_each_options_t *options, const char *value, int cores)
{
    (void) cores;
    return mpl__duration_parse (value, &options->timeout) < 0 || options->timeout <= 0 ? -1 : 0;
}

static int take_retries (mpl_each_options_t *options, const char *value, int cores)
{
    long n;

    (void) cores;
    if (number (value, 1, RETRIES_MAX, &n) < 0)
        return -1;
    options->retries = (int) n;
    return 0;
}

static int take_halt (mpl_each_options_t *options, const char *value, int cores)
{
    (void) cores;
    return mpl__halt_parse (value, &options->halt);
}

static int take_output (mpl_each_options_t *options, const char *value, int cores)
{
    (void) cores;
    options->output = value;
    return *value ? 0 : -1;
}

static int take_joblog (mpl_each_options_t *options, const char *value, int cores)
{
    (void) cores;
    options->joblog = value;
    return *value ? 0 : -1;
}

#define FLAG(function, statement)                                                                                                              \
    static int function (mpl_each_options_t *options, const char *value, int cores)                                                            \
    {                                                                                                                                          \
        (void) value, (void) cores;                                                                                                            \
        statement;                                                                                                                             \
        return 0;                                                                                                                              \
    }
FLAG (take_order, options->keeps_order = 1)
FLAG (take_tag, options->is_tagged = 1)
FLAG (take_resume, options->resume = MPL__RESUME_REST)
FLAG (take_resume_failed, options->resume = MPL__RESUME_FAILED)
FLAG (take_progress, options->has_progress = 1)
FLAG (take_bar, options->has_progress = options->has_bar = 1)
FLAG (take_quiet, options->is_quiet = 1)
FLAG (take_verbose, options->is_verbose = 1)
FLAG (take_dry_run, options->is_dry_run = 1)

static const struct {
    const char *name;
    take_fn take;
    const char *right;                  /* of its value; NULL: it has none */
} table[] = {
    { "jobs", take_jobs, "a number up to 4096, such as 4, +1, 50% or 0" },
    { "arg-file", take_file, "the path of a file, at most 16 of them" },
    { "null", take_null, NULL },
    { "delimiter", take_delimiter, "one character, or \\n, \\t, \\r, \\0" },
    { "replace", take_replace, "a text such as {}" },
    { "keep-order", take_order, NULL },
    { "tag", take_tag, NULL },
    { "output", take_output, "the path of a folder" },
    { "timeout", take_timeout, "a time above 0, such as 10, 1.5s or 5min" },
    { "retries", take_retries, "a number from 1 to 1000000: how often a job is run in all" },
    { "halt", take_halt, "never, or soon or now with a condition, such as now,fail=1 or soon,fail=20%" },
    { "joblog", take_joblog, "the path of a file" },
    { "resume", take_resume, NULL },
    { "resume-failed", take_resume_failed, NULL },
    { "progress", take_progress, NULL },
    { "bar", take_bar, NULL },
    { "quiet", take_quiet, NULL },
    { "verbose", take_verbose, NULL },
    { "dry-run", take_dry_run, NULL },
};

/* argv[*at] is an option. */
static int take_option (mpl_each_options_t *options, int argc, char *const *argv, int *at, int cores, mpl_err_t *err)
{
    const char *name = argv[*at] + 2;

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strcmp (name, table[i].name))
            continue;
        if (table[i].right && ++*at == argc)
            return mpl__err (err, EINVAL, "--%s has no value; %s", name, table[i].right);
        if (table[i].take (options, argv[*at], cores) == 0)
            return 0;
        return mpl__err (err, EINVAL, "--%s is '%.200s'; %s", name, argv[*at], table[i].right);
    }
    return mpl__err (err, EINVAL, "there is no option '--%.200s' with --each", name);
}

static int is_separator (const char *word)
{
    return !strcmp (word, ":::") || !strcmp (word, "::::") || !strcmp (word, ":::+") || !strcmp (word, "::::+");
}

/* What follows a separator, up to the next one. */
static int take_inputs (mpl_each_options_t *options, int argc, char *const *argv, int *at, mpl_err_t *err)
{
    const char *separator = argv[(*at)++];
    int first = *at;

    if (strchr (separator, '+'))
        return mpl__err (err, EINVAL, "'%s' is not there; several ::: give every combination", separator);
    while (*at < argc && !is_separator (argv[*at]))
        ++*at;
    if (!strcmp (separator, ":::")) {
        if (options->n_sources == MPL__EACH_SOURCES_MAX)
            return mpl__err (err, E2BIG, "there are more than %d sources of inputs", MPL__EACH_SOURCES_MAX);
        options->sources[options->n_sources++] =
            (mpl_each_source_t){ .words = argv + first, .n = (size_t) (*at - first) };
        return 0;
    }
    for (int i = first; i < *at; i++)
        if (take_file (options, argv[i], 0) < 0)
            return mpl__err (err, EINVAL, "'%.200s' after :::: is no path, or there are more than %d sources",
                             argv[i], MPL__EACH_SOURCES_MAX);
    return 0;
}

static int check (const mpl_each_options_t *options, mpl_err_t *err)
{
    size_t n_stdin = 0;

    for (size_t i = 0; i < options->n_sources; i++)
        n_stdin += options->sources[i].path && !strcmp (options->sources[i].path, "-");
    if (n_stdin > 1)
        return mpl__err (err, EINVAL, "standard input is named %zu times; it can be read once", n_stdin);
    if (options->resume != MPL__RESUME_NOT && !options->joblog)
        return mpl__err (err, EINVAL, "--resume needs to know what was done; name the file with --joblog FILE");
    return 0;
}

int mpl__each_options_parse (mpl_each_options_t *options, int argc, char *const *argv, int cores, mpl_err_t *err)
{
    int at = 1;

    *options = (mpl_each_options_t) { .jobs = cores, .separator = '\n', .replace = "{}", .retries = 1 };
    for (; at < argc && strcmp (argv[at], "--"); at++) {
        if (strncmp (argv[at], "--", 2))
            return mpl__err (err, EINVAL, "'%.200s' is no option in its long form; -- goes before the command",
                             argv[at]);
        if (take_option (options, argc, argv, &at, cores, err) < 0)
            return -1;
    }
    options->command = argv + ++at;
    while (at < argc && !is_separator (argv[at]))
        at++;
    options->n_command = (size_t) (argv + at - options->command);
    if (at > argc || !options->n_command)
        return mpl__err (err, EINVAL, "no command is named; mplaunch --each COMMAND [args...] [::: inputs...]");
    while (at < argc)
        if (take_inputs (options, argc, argv, &at, err) < 0)
            return -1;
    if (!options->n_sources)
        options->sources[options->n_sources++] = (mpl_each_source_t) { .path = "-" };
    return check (options, err);
}
