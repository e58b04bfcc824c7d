#include "launcher/values.h"
#include "conf/units.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int bad_value (const mpl_reader_t *self, const mpl_written_t *written)
{
    return mpl__reader_refuse (self, "%.200s is " MPL__WORD "; it takes %s", written->as, written->value,
                               written->right);
}

int mpl__value_number (const char *text, int min, int max, int *number)
{
    const char *digits = text + (*text == '+');
    char *end;

    errno = 0;
    long value = strtol (digits, &end, 10);
    if (*digits < '0' || *digits > '9' || *end || errno || value < min || value > max)
        return -1;
    *number = (int) value;
    return 0;
}

static int is_name (const char *name, size_t len)
{
    return len > 0 && !memchr (name, '=', len);
}

static int take_number (mpl_reader_t *self, const mpl_written_t *written, int *number)
{
    if (mpl__value_number (written->value, 1, MPL__RANKS_MAX, number) < 0)
        return bad_value (self, written);
    return MPL__GO_ON;
}

/* What begins with a dash is an option whose value was forgotten before it; a file of that name can be written
 * with "./". */
static int take_text (mpl_reader_t *self, const mpl_written_t *written, const char **text)
{
    if (!*written->value)
        return bad_value (self, written);
    if (*written->value == '-')
        return mpl__reader_refuse (self, "%.200s is " MPL__WORD ", which looks like an option; it takes %s",
                                   written->as, written->value, written->right);
    *text = written->value;
    return MPL__GO_ON;
}

typedef struct {
    const char *word;
    int value;
} choice_t;

static int take_choice (mpl_reader_t *self, const mpl_written_t *written, const choice_t *choices, int *chosen)
{
    for (; choices->word; choices++)
        if (!strcmp (choices->word, written->value)) {
            *chosen = choices->value;
            return MPL__GO_ON;
        }
    return bad_value (self, written);
}

static int take_map_by (mpl_reader_t *self, const mpl_written_t *written)
{
    static const choice_t choices[] = { { "slot", MPL__MAP_SLOT },      { "node", MPL__MAP_NODE },
                                        { "core", MPL__MAP_CORE },      { "socket", MPL__MAP_SOCKET },
                                        { "package", MPL__MAP_SOCKET }, { NULL, 0 } };
    int chosen = self->options->map_by;

    if (!strncmp (written->value, "ppr:", 4))
        return mpl__reader_refuse (
            self, "%.200s is " MPL__WORD "; ppr is not there: -ppn N is how many processes a host gets", written->as,
            written->value);
    if (strchr (written->value, ':'))
        return mpl__reader_refuse (self,
                                   "%.200s is " MPL__WORD
                                   "; there are no modifiers behind a colon (--oversubscribe is an option of its "
                                   "own); it takes %s",
                                   written->as, written->value, written->right);
    int rc = take_choice (self, written, choices, &chosen);
    self->options->map_by = (mpl_map_by_t) chosen;
    return rc;
}

static int take_bind_to (mpl_reader_t *self, const mpl_written_t *written)
{
    static const choice_t choices[] = { { "none", MPL__BIND_NONE },
                                        { "core", MPL__BIND_CORE },
                                        { "socket", MPL__BIND_SOCKET },
                                        { "package", MPL__BIND_SOCKET },
                                        { NULL, 0 } };
    int chosen = self->options->bind_to, rc = take_choice (self, written, choices, &chosen);

    self->options->bind_to = (mpl_bind_to_t) chosen;
    return rc;
}

static int take_launch (mpl_reader_t *self, const mpl_written_t *written)
{
    for (int i = 0; mpl__launch_words[i]; i++)
        if (!strcmp (mpl__launch_words[i], written->value)) {
            self->options->launch = (mpl_launch_t) i;
            self->options->says_launch = 1;
            return MPL__GO_ON;
        }
    return bad_value (self, written);
}

static int take_stdin (mpl_reader_t *self, const mpl_written_t *written)
{
    static const choice_t choices[] = { { "all", MPL__STDIN_ALL }, { "none", MPL__STDIN_NONE }, { NULL, 0 } };

    if (mpl__value_number (written->value, 0, MPL__RANKS_MAX - 1, &self->options->standard_input) == 0)
        return MPL__GO_ON;
    return take_choice (self, written, choices, &self->options->standard_input);
}

/* Less than a nanosecond is nothing, and no job ends in nothing. */
static int take_timeout (mpl_reader_t *self, const mpl_written_t *written)
{
    double seconds;

    if (mpl__duration_parse (written->value, &seconds) < 0 || seconds < 1e-9)
        return bad_value (self, written);
    self->options->timeout = seconds;
    return MPL__GO_ON;
}

/* Open MPI 5 has words there. A folder of such a name would be a surprise. */
static int take_output (mpl_reader_t *self, const mpl_written_t *written)
{
    if (!strcmp (written->value, "tag"))
        return mpl__reader_refuse (
            self, "%.200s is 'tag'; -l begins each line with its rank, and ./tag is a folder of that name",
            written->as);
    if (strchr (written->value, '='))
        return mpl__reader_refuse (
            self, "%.200s is " MPL__WORD "; it takes %s alone, and ./NAME is one that has a '=' in its name",
            written->as, written->value, written->right);
    return take_text (self, written, &self->options->output);
}

static int take_stage (mpl_reader_t *self, const mpl_written_t *written)
{
    const char *path;
    int rc = take_text (self, written, &path);

    if (rc == MPL__GO_ON)
        mpl__reader_add (self, &self->options->stage, path);
    return rc;
}

static int take_file_of_hosts (mpl_reader_t *self, const mpl_written_t *written)
{
    const char *value = written->value;
    size_t len = strlen (value);
    int is_cluster =
        (len > 5 && !strcasecmp (value + len - 5, ".yaml")) || (len > 4 && !strcasecmp (value + len - 4, ".yml"));

    return take_text (self, written, is_cluster ? &self->options->cluster : &self->options->hostfile);
}

/* NAME or NAME=VALUE. A name alone is looked up when its program has been read, since -q may still come. */
static int take_set (mpl_reader_t *self, const mpl_written_t *written, mpl_texts_t *set)
{
    if (!is_name (written->value, strcspn (written->value, "=")))
        return bad_value (self, written);
    mpl__reader_add (self, set, written->value);
    return MPL__GO_ON;
}

/* NAME VALUE in two words, or NAME=VALUE in one, as MPICH reads -env and -genv. */
static int take_pair (mpl_reader_t *self, const mpl_written_t *written, mpl_texts_t *set)
{
    const char *name = written->value;

    if (strchr (name, '=') || !*name)
        return take_set (self, written, set);
    if (self->at >= self->words.n)
        return mpl__reader_refuse (self, "no value after '%.200s %.200s'; it takes %s", written->as, name,
                                   written->right);
    mpl__reader_add (self, set, mpl__reader_join (self, name, "=", self->words.words[self->at++].text));
    return MPL__GO_ON;
}

static int take_names (mpl_reader_t *self, const mpl_written_t *written, mpl_texts_t *names)
{
    *names = (mpl_texts_t) { .n = 0 };
    for (const char *at = written->value;; at++) {
        size_t len = strcspn (at, ",");
        if (!is_name (at, len))
            return bad_value (self, written);
        mpl__reader_add (self, names, mpl__reader_keep (self, at, len));
        at += len;
        if (!*at)
            return MPL__GO_ON;
    }
}

static int take_display (mpl_reader_t *self, const mpl_written_t *written)
{
    if (strcmp (written->value, "map"))
        return bad_value (self, written);
    self->options->shows_map = 1;
    return MPL__GO_ON;
}

/* The file takes the place of the rest of the command line. What has been read before it are options of the
 * launch. */
static int take_configfile (mpl_reader_t *self, const mpl_written_t *written)
{
    const char *path = NULL;
    mpl_err_t err;

    if (self->words.file)
        return mpl__reader_refuse (self, "'%.200s' stands in a file that is one already; it is for the command line",
                                   written->as);
    if (self->has_own)
        return mpl__reader_refuse (self, "an option of a program stands before '%.200s'; it belongs into the file",
                                   written->as);
    if (self->at < self->words.n)
        return mpl__reader_refuse (
            self, MPL__WORD " follows '%.200s %.200s'; nothing may, since the programs are in the file",
            self->words.words[self->at].text, written->as, written->value);
    int rc = take_text (self, written, &path);
    if (rc != MPL__GO_ON)
        return rc;
    if (mpl__configfile_read (&self->words, &self->options->store, path, &err) < 0)
        return mpl__reader_refuse (&(mpl_reader_t) { .words = { .file = NULL } }, "%s", err.text);
    if (!self->words.n)
        return mpl__reader_refuse (self, "%.300s names no program; it takes one on each line", path);
    self->at = 0;
    return MPL__GO_ON;
}

static int take_count (mpl_reader_t *self, const mpl_written_t *written)
{
    int rc = take_number (self, written, &mpl__reader_app (self)->n);

    if (self->options->is_each)
        self->jobs = written->value;
    return rc;
}

/* ---- which is which -------------------------------------------------------------------------------------------- */

int mpl__value_take (mpl_reader_t *self, const mpl_option_t *option, const mpl_written_t *written)
{
    mpl_options_t *options = self->options;
    mpl_app_t *app = mpl__reader_app (self);

    switch (option->id) {
    case MPL__OPT_COUNT:
        return take_count (self, written);
    case MPL__OPT_PER_NODE:
        return take_number (self, written, &options->per_node);
    case MPL__OPT_HOST:
        return take_text (self, written, &app->hosts);
    case MPL__OPT_HOSTS:
        return take_text (self, written, &options->hosts);
    case MPL__OPT_HOSTFILE:
        return take_text (self, written, &options->hostfile);
    case MPL__OPT_CLUSTER_OR_HOSTFILE:
        return take_file_of_hosts (self, written);
    case MPL__OPT_CLUSTER:
        return take_text (self, written, &options->cluster);
    case MPL__OPT_MAP_BY:
        return take_map_by (self, written);
    case MPL__OPT_BIND_TO:
        return take_bind_to (self, written);
    case MPL__OPT_SET:
        return take_set (self, written, &app->set);
    case MPL__OPT_ENV:
        return take_pair (self, written, &app->set);
    case MPL__OPT_GENV:
        return take_pair (self, written, &self->genv);
    case MPL__OPT_ENVLIST:
        app->keep = MPL__ENV_LIST;
        self->has_keep = 1;
        return take_names (self, written, &app->kept);
    case MPL__OPT_GENVLIST:
        self->gkeep = MPL__ENV_LIST;
        return take_names (self, written, &self->gkept);
    case MPL__OPT_WDIR:
        return take_text (self, written, &app->wdir);
    case MPL__OPT_PATH:
        return take_text (self, written, &app->path);
    case MPL__OPT_ATTACH:
        return take_text (self, written, &options->attach);
    case MPL__OPT_STAGE:
        return take_stage (self, written);
    case MPL__OPT_LAUNCH:
        return take_launch (self, written);
    case MPL__OPT_PREFIX:
        return take_text (self, written, &options->prefix);
    case MPL__OPT_STDIN:
        return take_stdin (self, written);
    case MPL__OPT_OUTPUT:
        return take_output (self, written);
    case MPL__OPT_TIMEOUT:
        return take_timeout (self, written);
    case MPL__OPT_DISPLAY:
        return take_display (self, written);
    case MPL__OPT_TRACE:
        return take_text (self, written, &options->trace);
    case MPL__OPT_CONFIGFILE:
        return take_configfile (self, written);
    default:                            /* the others take no value */
        return MPL__GO_ON;
    }
}
