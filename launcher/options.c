#include "launcher/options.h"
#include "launcher/each/options.h"
#include "base/cpus.h"
#include "launcher/help.h"
#include "launcher/option.h"
#include "launcher/reader.h"
#include "launcher/values.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define USAGE 2
#define NO_MEMORY 125
#define NOT_FOUND 127
#define SEE_HELP "mplaunch --help lists what there is"

static int is_separator (const char *word)
{
    return !strcmp (word, ":");
}

/* "-" alone is a word like any other. */
static int is_option (const char *word)
{
    return word[0] == '-' && word[1];
}

/* ---- options --------------------------------------------------------------------------------------------------- */

static int take_own_keep (mpl_reader_t *self, mpl_env_keep_t how)
{
    self->has_keep = 1;
    mpl__reader_app (self)->keep = how;
    return MPL__GO_ON;
}

static int take_help (const mpl_reader_t *self)
{
    int wants_all = self->at < self->words.n && !strcmp (self->words.words[self->at].text, "all");

    return wants_all ? mpl__help_all () : mpl__help ();
}

static int take_flag (mpl_reader_t *self, mpl_option_id_t id)
{
    mpl_options_t *options = self->options;

    switch (id) {
    case MPL__OPT_OVERSUBSCRIBE:
        options->may_crowd = 1;
        break;
    case MPL__OPT_ENVNONE:
        return take_own_keep (self, MPL__ENV_NONE);
    case MPL__OPT_ENVALL:
        return take_own_keep (self, MPL__ENV_ALL);
    case MPL__OPT_GENVNONE:
        self->gkeep = MPL__ENV_NONE;
        break;
    case MPL__OPT_GENVALL:
        self->gkeep = MPL__ENV_ALL;
        break;
    case MPL__OPT_TAG:
        options->is_tagged = 1;
        break;
    case MPL__OPT_TEE:
        options->is_teed = 1;
        break;
    case MPL__OPT_KEEP_GOING:
        options->keeps_going = 1;
        break;
    case MPL__OPT_DRY_RUN:
        options->is_dry_run = 1;
        break;
    case MPL__OPT_CHECK:
        options->is_check = 1;
        break;
    case MPL__OPT_DISPLAY_MAP:
        options->shows_map = 1;
        break;
    case MPL__OPT_PROGRESS:
        options->has_progress = 1;
        break;
    case MPL__OPT_REPORT:
        options->has_report = 1;
        break;
    case MPL__OPT_VERBOSE:
        options->is_verbose = 1;
        break;
    case MPL__OPT_QUIET:
        options->is_quiet = 1;
        break;
    case MPL__OPT_VERSION:
        return mpl__help_version ();
    case MPL__OPT_HELP:
        return take_help (self);
    default:                            /* --each has been seen to, and the others have no effect */
        break;
    }
    return MPL__GO_ON;
}

/* Finds the value of an option that takes one: behind the "=", or in the next word. */
static int find_value (mpl_reader_t *self, mpl_written_t *written, const char *right)
{
    written->right = right;
    if (!right && written->value)
        return mpl__reader_refuse (self, "'%.200s' takes no value, and " MPL__WORD " is one; " SEE_HELP, written->as,
                                   written->value);
    if (!right || written->value)
        return MPL__GO_ON;
    if (self->at >= self->words.n || is_separator (self->words.words[self->at].text))
        return mpl__reader_refuse (self, "no value after '%.200s'; it takes %s", written->as, right);
    written->value = self->words.words[self->at++].text;
    return MPL__GO_ON;
}

static int check_scope (mpl_reader_t *self, const mpl_option_t *option, const mpl_written_t *written)
{
    if (option->id == MPL__OPT_EACH && self->words.file)
        return mpl__reader_refuse (self, "'%.200s' stands in a configfile; it is for the command line", written->as);
    if (option->scope == MPL__OF_LAUNCH_NOT_EACH && self->options->is_each)
        return mpl__reader_refuse (self, "'%.200s' does not go with --each; mplaunch --help all says what does",
                                   written->as);
    if (option->scope != MPL__OF_PROGRAM && self->options->n_apps > 1)
        return mpl__reader_refuse (
            self, "'%.200s' stands before program %zu; it belongs to the whole launch and before the first program",
            written->as, self->options->n_apps);
    self->has_own |= option->scope == MPL__OF_PROGRAM;
    return MPL__GO_ON;
}

static int read_known (mpl_reader_t *self, const mpl_option_t *option, mpl_written_t *written)
{
    int rc = check_scope (self, option, written);

    if (rc == MPL__GO_ON)
        rc = find_value (self, written, option->right);
    if (rc != MPL__GO_ON)
        return rc;
    return option->right ? mpl__value_take (self, option, written) : take_flag (self, option->id);
}

/* "-n4" as other programs have it is no option here, but what it should be is clear. */
static int read_unknown (const mpl_reader_t *self, const mpl_written_t *written)
{
    const char *instead = mpl__option_elsewhere (written->name, written->len);
    const char *near = mpl__option_nearest (written->name, written->len, self->options->is_each);
    const mpl_option_t *letter = mpl__option_find (written->name, 1, 1);

    if (instead)
        return mpl__reader_refuse (self, "there is no option '%.200s' here; %s", written->as, instead);
    if (!self->options->is_each && mpl__each_option_find (written->name, written->len))
        return mpl__reader_refuse (self, "'%.200s' works with --each; write mplaunch --each %.200s ... COMMAND",
                                   written->as, written->as);
    if (letter && letter->right && written->dashes == 1 && written->len > 1
        && strspn (written->name + 1, "0123456789") == written->len - 1)
        return mpl__reader_refuse (self, "there is no option '%.200s'; did you mean -%c %.200s?", written->as,
                                   written->name[0], written->as + 2);
    if (near)
        return mpl__reader_refuse (self, "there is no option '%.200s'; did you mean --%s?", written->as, near);
    return mpl__reader_refuse (self, "there is no option '%.200s'; " SEE_HELP, written->as);
}

/* ---- --each ---------------------------------------------------------------------------------------------------- */

/* A letter with its value behind it, as in -j4, -I{} and -d, : what begins with a letter would rather be a long
 * name. */
static const mpl_each_option_t *find_each (mpl_written_t *written)
{
    const mpl_each_option_t *option = mpl__each_option_find (written->name, written->len);
    char second = written->len > 1 ? written->name[1] : 'a';

    if (option || written->dashes != 1 || (second >= 'a' && second <= 'z') || (second >= 'A' && second <= 'Z'))
        return option;
    option = mpl__each_option_find (written->name, 1);
    if (!option || !option->right)
        return NULL;
    written->value = written->name + 1;
    return option;
}

/* Options of the jobs go to mpeach in their order, with their long names. How many jobs run at once comes first
 * there. */
static int read_each (mpl_reader_t *self, const mpl_each_option_t *option, mpl_written_t *written)
{
    int rc = find_value (self, written, option->right);

    if (rc != MPL__GO_ON)
        return rc;
    if (!strcmp (option->name, "jobs")) {
        self->jobs = written->value;
        mpl__reader_app (self)->n = 0;
        mpl__value_number (written->value, 1, MPL__RANKS_MAX, &mpl__reader_app (self)->n);      /* what else it may be, mpeach knows */
        return MPL__GO_ON;
    }
    mpl__reader_add (self, &self->each, mpl__reader_join (self, "--", option->name, ""));
    if (written->value)
        mpl__reader_add (self, &self->each, written->value);
    return MPL__GO_ON;
}

/* What mpeach would refuse is refused before anything is started. */
static int check_each (mpl_reader_t *self)
{
    mpl_texts_t *argv = &mpl__reader_app (self)->argv;
    mpl_each_options_t parsed;
    mpl_err_t err;

    if (self->is_out_of_memory)
        return NO_MEMORY;
    if (mpl__each_options_parse (&parsed, (int) argv->n, argv->texts, mpl__cpus_usable (), &err) < 0)
        return mpl__reader_refuse (self, "%s", err.text);
    self->options->each_jobs = parsed.jobs;
    self->options->says_jobs = self->jobs != NULL;
    return MPL__GO_ON;
}

/* From the words for the only program, its argv is made: that of mpeach. */
static int make_each (mpl_reader_t *self)
{
    mpl_options_t *options = self->options;
    mpl_app_t *app = mpl__reader_app (self);
    mpl_texts_t command = app->argv;
    const struct { const int *flag; const char *option;
    } said[] = {
        { &options->is_quiet, "--quiet" },
        { &options->is_verbose, "--verbose" },
        { &options->is_dry_run, "--dry-run" },
    };

    app->argv = (mpl_texts_t) { .n = 0 };
    mpl__reader_add (self, &app->argv, "mpeach");
    if (self->jobs) {
        mpl__reader_add (self, &app->argv, "--jobs");
        mpl__reader_add (self, &app->argv, self->jobs);
    }
    for (size_t i = 0; i < sizeof said / sizeof *said; i++)
        if (*said[i].flag)
            mpl__reader_add (self, &app->argv, said[i].option);
    options->is_verbose = options->is_dry_run = 0;      /* what is said of jobs, mpeach says, and what would be run */
    for (size_t i = 0; i < self->each.n; i++)
        mpl__reader_add (self, &app->argv, self->each.texts[i]);
    mpl__reader_add (self, &app->argv, "--");
    for (size_t i = 0; i < command.n; i++)
        mpl__reader_add (self, &app->argv, command.texts[i]);
    app->n = 1;
    return check_each (self);
}

/* ---- programs -------------------------------------------------------------------------------------------------- */

static mpl_written_t split (mpl_reader_t *self, const char *word)
{
    mpl_written_t written = { .dashes = word[1] == '-' ? 2 : 1 };

    written.name = word + written.dashes;
    written.len = strcspn (written.name, "=");
    written.value = written.name[written.len] ? written.name + written.len + 1 : NULL;
    written.as = written.value ? mpl__reader_keep (self, word, written.dashes + written.len) : word;
    return written;
}

static int read_option (mpl_reader_t *self)
{
    const mpl_word_t *word = &self->words.words[self->at++];
    mpl_written_t written = split (self, word->text);

    self->line = word->line;
    if (!written.as)
        return NO_MEMORY;
    const mpl_each_option_t *each = self->options->is_each ? find_each (&written) : NULL;
    if (each)
        return read_each (self, each, &written);
    const mpl_option_t *option = mpl__option_find (written.name, written.len, written.dashes);
    return option ? read_known (self, option, &written) : read_unknown (self, &written);
}

static int read_own_options (mpl_reader_t *self)
{
    while (self->at < self->words.n && is_option (self->words.words[self->at].text)) {
        if (!strcmp (self->words.words[self->at].text, "--")) {
            self->at++;
            break;
        }
        int rc = read_option (self);
        if (rc != MPL__GO_ON)
            return rc;
    }
    return MPL__GO_ON;
}

/* Everything up to the next colon; with --each, everything. */
static void read_command (mpl_reader_t *self)
{
    for (; self->at < self->words.n; self->at++) {
        const mpl_word_t *word = &self->words.words[self->at];
        if (!self->options->is_each && is_separator (word->text))
            break;
        mpl__reader_add (self, &mpl__reader_app (self)->argv, word->text);
    }
}

/* Sets the names that were given without a value to what they are here. */
static void add_set (mpl_reader_t *self, mpl_texts_t *to, const char *text)
{
    const char *value;

    if (strchr (text, '='))
        mpl__reader_add (self, to, text);
    else if ((value = getenv (text)))
        mpl__reader_add (self, to, mpl__reader_join (self, text, "=", value));
    else
        mpl__reader_warn (
            self, "the variable " MPL__WORD " is not set here, so -x passes nothing on; -x NAME=VALUE sets it", text);
}

static void settle_environment (mpl_reader_t *self)
{
    mpl_app_t *app = mpl__reader_app (self);
    mpl_texts_t own = app->set;

    app->set = (mpl_texts_t) { .n = 0 };
    for (size_t i = 0; i < self->genv.n; i++)
        mpl__reader_add (self, &app->set, self->genv.texts[i]);
    for (size_t i = 0; i < own.n; i++)
        add_set (self, &app->set, own.texts[i]);
    if (self->has_keep)
        return;
    app->keep = self->gkeep;
    app->kept = self->gkept;
}

/* `::: a b` alone has parallel run a and b. Here a command is a command. */
static int check_command (mpl_reader_t *self, size_t from)
{
    const mpl_texts_t *argv = &mpl__reader_app (self)->argv;
    int is_last = self->at >= self->words.n;
    size_t word = argv->n ? from : from - 1;            /* the program, or what stands before its gap */

    self->line = word < self->words.n ? self->words.words[word].line : 0;
    if (self->options->is_each && (!argv->n || !strncmp (argv->texts[0], ":::", 3)))
        return mpl__reader_refuse (
            self, "no command is named; mplaunch --each COMMAND [args...] [::: inputs...], see mplaunch --help");
    if (!argv->n && is_last && self->options->n_apps == 1 && self->options->is_check)
        return MPL__GO_ON;              /* the hosts alone are checked */
    if (!argv->n && is_last && self->options->n_apps == 1)
        return mpl__reader_refuse (self,
                                   "no program is named; mplaunch [-n N] program [args...], see mplaunch --help");
    if (!argv->n)
        return mpl__reader_refuse (
            self, "no program is named %s a ':'; mplaunch [-n N] program [args...] : [-n N] program [args...]",
            is_last ? "after" : "before");
    if (!*argv->texts[0]) {
        mpl__reader_refuse (self, "the name of a program is empty; mplaunch [-n N] program [args...]");
        return NOT_FOUND;
    }
    return MPL__GO_ON;
}

static int begin_program (mpl_reader_t *self)
{
    mpl_options_t *options = self->options;
    size_t n = options->n_apps;

    if ((n & (n - 1)) == 0) {                   /* the room is a power of two, or there is none yet */
        mpl_app_t *larger = mpl__store_get (&options->store, (n ? 2 * n : 1) * sizeof *larger);
        if (!larger)
            return NO_MEMORY;
        if (n)
            memcpy (larger, options->apps, n * sizeof *larger);
        options->apps = larger;
    }
    options->apps[n] = (mpl_app_t) { .n = 0 };
    options->n_apps++;
    self->has_keep = 0;
    return MPL__GO_ON;
}

static int read_program (mpl_reader_t *self)
{
    int rc = begin_program (self);

    if (rc == MPL__GO_ON)
        rc = read_own_options (self);
    if (rc != MPL__GO_ON)
        return rc;
    size_t from = self->at;
    read_command (self);
    if ((rc = check_command (self, from)) == MPL__GO_ON)
        settle_environment (self);
    self->line = 0;
    return rc;
}

static int read_programs (mpl_reader_t *self)
{
    for (;;) {
        int rc = read_program (self);
        if (rc != MPL__GO_ON)
            return rc;
        if (self->at >= self->words.n)
            return MPL__GO_ON;
        self->at++;                             /* the colon */
    }
}

/* ---- the whole ------------------------------------------------------------------------------------------------- */

/* Whether --each is among the options before the command: it changes what others mean, wherever they stand.
 * Whatever is wrong with them is said when they are read. */
static int has_each (const mpl_words_t *words)
{
    for (size_t i = 0; i < words->n && is_option (words->words[i].text) && strcmp (words->words[i].text, "--"); i++) {
        const char *word = words->words[i].text, *name = word + (word[1] == '-' ? 2 : 1);
        size_t len = strcspn (name, "=");
        const mpl_option_t *option = mpl__option_find (name, len, (int) (name - word));
        const mpl_each_option_t *each = mpl__each_option_find (name, len);
        if (option && option->id == MPL__OPT_EACH)
            return 1;
        if (name[len])
            continue;
        i += option ? option->right != NULL : each && each->right;
        i += option && (option->id == MPL__OPT_ENV || option->id == MPL__OPT_GENV) && i < words->n
             && !strchr (words->words[i].text, '=');
    }
    return 0;
}

static int check_ranks (mpl_reader_t *self)
{
    const mpl_options_t *options = self->options;
    size_t total = 0, n_known = 0;

    for (size_t i = 0; i < options->n_apps; i++) {
        total += (size_t) options->apps[i].n;
        n_known += options->apps[i].n > 0;
    }
    if (total > MPL__RANKS_MAX)
        return mpl__reader_refuse (self, "%zu processes are too many for one launch; %d are possible", total,
                                   MPL__RANKS_MAX);
    if (n_known == options->n_apps && options->standard_input >= 0 && (size_t) options->standard_input >= total)
        return mpl__reader_refuse (self, "--stdin is '%d', and the ranks are 0 to %zu; it takes a rank, all or none",
                                   options->standard_input, total - 1);
    return MPL__GO_ON;
}

/* A broker says where all programs run. */
static int check_attach (mpl_reader_t *self)
{
    const mpl_options_t *options = self->options;
    const char *other = options->hosts ? "-hosts" : options->hostfile ? "--hostfile" : options->cluster ? "--cluster"
                        : options->says_launch ? "--launch" : NULL;

    for (size_t i = 0; i < options->n_apps && !other; i++)
        other = options->apps[i].hosts ? "-H" : NULL;
    if (options->attach && other)
        return mpl__reader_refuse (self, "--attach and %s both say where programs run; give one of them", other);
    return MPL__GO_ON;
}

static int check_together (mpl_reader_t *self)
{
    const mpl_options_t *options = self->options;

    if (check_attach (self) != MPL__GO_ON)
        return USAGE;

    if (options->is_verbose && options->is_quiet)
        return mpl__reader_refuse (self, "-v and -q ask for the opposite; give one of them");
    if (options->is_teed && !options->output)
        return mpl__reader_refuse (
            self, "--tee prints what goes to files, and no --output says where these are; --output DIR --tee");
    if (options->hostfile && options->cluster)
        return mpl__reader_refuse (
            self, "there is a hostfile, " MPL__WORD ", and a cluster file, " MPL__WORD "; give one of them",
            options->hostfile, options->cluster);
    if (options->hosts && (options->hostfile || options->cluster))
        return mpl__reader_refuse (self,
                                   "-hosts and the file " MPL__WORD
                                   " both say where all programs run; -H picks hosts of the file for a "
                                   "program",
                                   options->hostfile ? options->hostfile : options->cluster);
    return check_ranks (self);
}

/* With one program and no file, its hosts are those of the launch. */
static void settle_hosts (mpl_options_t *options)
{
    if (options->n_apps > 1 || options->hostfile || options->cluster || options->hosts)
        return;
    options->hosts = options->apps[0].hosts;
    options->apps[0].hosts = NULL;
}

static int read_all (mpl_reader_t *self)
{
    self->options->is_each = has_each (&self->words);
    int rc = read_programs (self);
    if (rc == MPL__GO_ON)
        rc = check_together (self);
    if (rc == MPL__GO_ON && self->options->is_each)
        rc = make_each (self);
    if (rc == MPL__GO_ON)
        settle_hosts (self->options);
    return self->is_out_of_memory ? NO_MEMORY : rc;
}

int mpl__options_parse (int argc, char **argv, mpl_options_t *options)
{
    mpl_reader_t self = { .options = options };
    int rc = NO_MEMORY;

    *options = (mpl_options_t) { .n_apps = 0 };
    self.words.n = argc > 1 ? (size_t) argc - 1 : 0;
    self.words.words = mpl__store_get (&options->store, (self.words.n + 1) * sizeof *self.words.words);
    for (size_t i = 0; i < self.words.n && self.words.words; i++)
        self.words.words[i].text = argv[i + 1];
    if (self.words.words)
        rc = read_all (&self);
    if (rc == NO_MEMORY)
        fputs ("mplaunch: there is no memory for the command line\n", stderr);
    if (rc != MPL__GO_ON)
        mpl__options_free (options);
    return rc;
}

void mpl__options_free (mpl_options_t *options)
{
    mpl__store_free (&options->store);
    *options = (mpl_options_t) { .n_apps = 0 };
}
