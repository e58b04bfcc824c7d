#include "conf/schema.h"
#include "base/assert.h"
#include "conf/units.h"
#include "conf/words.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define RIGHT_MAX 200           /* bytes of what would be right */

static int no_memory (mpl_reading_t *self, const mpl_node_t *node)
{
    return mpl__err_at (self->err, &node->place, ENOMEM, "no memory for this");
}

static size_t count_rules (const mpl_section_t *section)
{
    size_t n = 0;

    while (section->rules[n].key)
        n++;
    mpl__assert (n <= MPL__RULES_MAX);
    return n;
}

static void list_keys (const mpl_section_t *section, const char *keys[MPL__RULES_MAX + 1])
{
    size_t n = count_rules (section);

    for (size_t i = 0; i < n; i++)
        keys[i] = section->rules[i].key;
    keys[n] = NULL;
}

static int find_rule (const mpl_section_t *section, const char *key)
{
    for (int i = 0; section->rules[i].key; i++)
        if (!strcmp (section->rules[i].key, key))
            return i;
    return -1;
}

/* ---- what errors say ------------------------------------------------------------------------------------------- */

/* Where a key is right that stands one level too high; NULL: nowhere. */
static const char *find_below (const mpl_section_t *section, const char *key)
{
    for (const mpl_rule_t *rule = section->rules; rule->key; rule++)
        if (rule->section && find_rule (rule->section, key) >= 0)
            return rule->key;
    return NULL;
}

static int unknown_key (mpl_reading_t *self, const mpl_section_t *section, const mpl_node_t *key)
{
    const char *keys[MPL__RULES_MAX + 1], *below = find_below (section, key->text), *near;
    char shown[MPL__SHOWN], right[RIGHT_MAX];

    list_keys (section, keys);
    mpl__shown (shown, key->text, strlen (key->text));
    if (below)
        return mpl__err_at (self->err, &key->place, EINVAL, "unknown key '%s' %s; it belongs under '%s'", shown,
                            section->where, below);
    if ((near = mpl__nearest (key->text, keys)))
        return mpl__err_at (self->err, &key->place, EINVAL, "unknown key '%s' %s; did you mean '%s'?", shown,
                            section->where, near);
    return mpl__err_at (self->err, &key->place, EINVAL, "unknown key '%s' %s; there are %s", shown, section->where,
                        mpl__words_text (keys, right, sizeof right));
}

/* What would be right: the rule's own words, else its section's keys, its choices or its range. */
static const char *right_of (const mpl_rule_t *rule, char text[RIGHT_MAX])
{
    const char *keys[MPL__RULES_MAX + 1];
    size_t len;

    if (rule->right)
        return rule->right;
    if (rule->words)
        return mpl__words_text (rule->words, text, RIGHT_MAX);
    if (rule->section) {
        list_keys (rule->section, keys);
        len = (size_t) snprintf (text, RIGHT_MAX, "a mapping with ");
        mpl__words_text (keys, text + len, RIGHT_MAX - len);
    } else
        snprintf (text, RIGHT_MAX, "a whole number from %.0f to %.0f", rule->least, rule->most);
    return text;
}

int mpl__bad_value (mpl_reading_t *self, const mpl_rule_t *rule, const mpl_node_t *value)
{
    char shown[MPL__SHOWN], right[RIGHT_MAX];
    const char *what = right_of (rule, right);

    if (value->kind != MPL__SCALAR)
        return mpl__err_at (self->err, &value->place, EINVAL, "%s is a %s; %s", rule->key,
                            value->kind == MPL__LIST ? "list" : "mapping", what);
    if (mpl__node_is_null (value))
        return mpl__err_at (self->err, &value->place, EINVAL, "%s has no value; %s", rule->key, what);
    return mpl__err_at (self->err, &value->place, EINVAL, "%s is '%s'; %s", rule->key,
                        mpl__shown (shown, value->text, strlen (value->text)), what);
}

/* ---- sections -------------------------------------------------------------------------------------------------- */

static int given_twice (mpl_reading_t *self, const mpl_node_t *key, const mpl_node_t *first)
{
    char shown[MPL__SHOWN];

    return mpl__err_at (self->err, &key->place, EINVAL, "'%s' is given twice, first at line %zu",
                        mpl__shown (shown, key->text, strlen (key->text)), first->place.line);
}

typedef int (*each_fn) (mpl_reading_t *self, const mpl_node_t *map, void *arg);

/* Calls fn with each mapping that a "<<" in this one names, in their order: the one mapping behind it, or those of
 * its list. */
static int each_merged (mpl_reading_t *self, const mpl_node_t *map, each_fn fn, void *arg)
{
    static const char right[] = "'<<' takes a mapping, mostly an alias as in '<<: *name', or a list of them";
    const mpl_node_t *merge = NULL;

    for (const mpl_pair_t *pair = map->pairs; pair && !merge; pair = pair->next)
        if (mpl__node_is_merge (pair->key))
            merge = pair->value;
    if (!merge)
        return 0;
    if (merge->kind == MPL__SCALAR)
        return mpl__err_at (self->err, &merge->place, EINVAL, "%s", right);
    if (merge->kind == MPL__MAP)
        return fn (self, merge, arg);
    for (const mpl_pair_t *pair = merge->pairs; pair; pair = pair->next) {
        if (pair->value->kind != MPL__MAP)
            return mpl__err_at (self->err, &pair->value->place, EINVAL, "%s", right);
        if (fn (self, pair->value, arg) < 0)
            return -1;
    }
    return 0;
}

typedef struct {
    const mpl_section_t *section;
    const mpl_node_t *values[MPL__RULES_MAX];
} gathered_t;

/* Finds the values of a mapping's own keys, and then of those it merges where there is none yet. No deeper than
 * the tree. */
static int gather (mpl_reading_t *self, const mpl_node_t *map, void *arg)
{
    gathered_t *all = arg;
    const mpl_node_t *own[MPL__RULES_MAX + 1] = { NULL };      /* keys; the last is "<<" */

    for (const mpl_pair_t *pair = map->pairs; pair; pair = pair->next) {
        int is_merge = mpl__node_is_merge (pair->key);
        int i = is_merge ? MPL__RULES_MAX : find_rule (all->section, pair->key->text);
        if (i < 0 && all->section->has_notes && !strncmp (pair->key->text, "x-", 2))
            continue;
        if (i < 0)
            return unknown_key (self, all->section, pair->key);
        if (own[i])
            return given_twice (self, pair->key, own[i]);
        own[i] = pair->key;
        if (!is_merge && !all->values[i])
            all->values[i] = pair->value;
    }
    return each_merged (self, map, gather, all);
}

int mpl__section_read (mpl_reading_t *self, const mpl_section_t *section, const mpl_node_t *map, void *base)
{
    gathered_t all = { .section = section };

    if (gather (self, map, &all) < 0)
        return -1;
    for (size_t i = 0; section->rules[i].key; i++) {
        const mpl_rule_t *rule = &section->rules[i];
        if (all.values[i] && rule->read (self, rule, all.values[i], (char *) base + rule->offset) < 0)
            return -1;
    }
    return section->check ? section->check (self, map, all.values, base) : 0;
}

int mpl__read_section (mpl_reading_t *self, const mpl_rule_t *rule, const mpl_node_t *value, void *field)
{
    if (value->kind != MPL__MAP)
        return mpl__bad_value (self, rule, value);
    return mpl__section_read (self, rule->section, value, field);
}

/* ---- scalars --------------------------------------------------------------------------------------------------- */

const char *mpl__scalar_text (mpl_reading_t *self, const mpl_rule_t *rule, const mpl_node_t *value)
{
    if (value->kind == MPL__SCALAR && !mpl__node_is_null (value))
        return value->text;
    mpl__bad_value (self, rule, value);
    return NULL;
}

/* Digits alone, no sign, and no zeros before them, which would be octal in YAML 1.1 and is not in 1.2. */
static int is_whole (const char *text, double most, double *number)
{
    size_t n = strspn (text, "0123456789");

    if (n == 0 || text[n] || (text[0] == '0' && n > 1))
        return 0;
    for (*number = 0; *text && *number <= most; text++)
        *number = *number * 10 + (*text - '0');
    return 1;
}

int mpl__read_int (mpl_reading_t *self, const mpl_rule_t *rule, const mpl_node_t *value, void *field)
{
    char right[RIGHT_MAX];
    const char *text = mpl__scalar_text (self, rule, value);
    double number;

    if (!text)
        return -1;
    int is_number = is_whole (text, rule->most, &number) && number >= rule->least && number <= rule->most;
    if (is_number && !value->is_plain)
        return mpl__err_at (self->err, &value->place, EINVAL,
                            "%s is \"%s\" in quotes, which is text; %s, without quotes", rule->key, text,
                            right_of (rule, right));
    if (!is_number)
        return mpl__bad_value (self, rule, value);
    *(int *) field = (int) number;
    return 0;
}

int mpl__read_choice (mpl_reading_t *self, const mpl_rule_t *rule, const mpl_node_t *value, void *field)
{
    const char *text = mpl__scalar_text (self, rule, value), *near;
    char shown[MPL__SHOWN];

    if (!text)
        return -1;
    for (int i = 0; rule->words[i]; i++)
        if (!strcmp (rule->words[i], text)) {
            *(int *) field = i;
            return 0;
        }
    if (!(near = mpl__nearest (text, rule->words)))
        return mpl__bad_value (self, rule, value);
    return mpl__err_at (self->err, &value->place, EINVAL, "%s is '%s'; did you mean '%s'?", rule->key,
                        mpl__shown (shown, text, strlen (text)), near);
}

int mpl__read_duration (mpl_reading_t *self, const mpl_rule_t *rule, const mpl_node_t *value, void *field)
{
    const char *text = mpl__scalar_text (self, rule, value);
    char shown[MPL__SHOWN];
    double seconds;

    if (!text)
        return -1;
    int rc = mpl__duration_parse (text, &seconds);
    if (rc < 0 && errno != ERANGE)
        return mpl__bad_value (self, rule, value);
    if (rc < 0 || seconds < rule->least || seconds > rule->most)
        return mpl__err_at (self->err, &value->place, EINVAL, "%s is '%s'; it is from %gs to %.10gs", rule->key,
                            mpl__shown (shown, text, strlen (text)), rule->least, rule->most);
    *(double *) field = seconds;
    return 0;
}

int mpl__read_size (mpl_reading_t *self, const mpl_rule_t *rule, const mpl_node_t *value, void *field)
{
    const char *text = mpl__scalar_text (self, rule, value);
    char shown[MPL__SHOWN];
    size_t bytes;

    if (!text)
        return -1;
    int rc = mpl__size_parse (text, &bytes);
    if (rc < 0 && errno != ERANGE)
        return mpl__bad_value (self, rule, value);
    if (rc < 0 || (bytes && (double) bytes < rule->least))
        return mpl__err_at (self->err, &value->place, EINVAL,
                            "%s is '%s', which is too %s; at least %.0f bytes, or 0 for none", rule->key,
                            mpl__shown (shown, text, strlen (text)), rc < 0 ? "much" : "little", rule->least);
    *(size_t *) field = bytes;
    return 0;
}

static int is_line (const char *text, size_t most)
{
    size_t n = 0;

    while (text[n] && (unsigned char) text[n] >= ' ' && text[n] != 0x7f)
        n++;
    return !text[n] && n > 0 && n <= most;
}

int mpl__read_line (mpl_reading_t *self, const mpl_rule_t *rule, const mpl_node_t *value, void *field)
{
    const char *text = mpl__scalar_text (self, rule, value);

    if (!text)
        return -1;
    if (!is_line (text, (size_t) rule->most))
        return mpl__bad_value (self, rule, value);
    if (!(*(char **) field = mpl__store_text (self->store, text, strlen (text))))
        return no_memory (self, value);
    return 0;
}

int mpl__read_node (mpl_reading_t *self, const mpl_rule_t *rule, const mpl_node_t *value, void *field)
{
    (void) self;
    (void) rule;
    *(const mpl_node_t **) field = value;
    return 0;
}

int mpl__read_lines (mpl_reading_t *self, const mpl_rule_t *rule, const mpl_node_t *value, void *field)
{
    size_t n = 0;

    if (value->kind != MPL__LIST)
        return mpl__bad_value (self, rule, value);
    char **lines = mpl__store_get (self->store, ((size_t) rule->most + 1) * sizeof *lines);
    if (!lines)
        return no_memory (self, value);
    for (const mpl_pair_t *pair = value->pairs; pair; pair = pair->next) {
        if (n == (size_t) rule->most)
            return mpl__err_at (self->err, &pair->value->place, EINVAL, "%s has more than %.0f items", rule->key,
                                rule->most);
        const char *text = mpl__scalar_text (self, rule, pair->value);
        if (!text)
            return -1;
        if (!is_line (text, strlen (text)))
            return mpl__bad_value (self, rule, pair->value);
        if (!(lines[n++] = mpl__store_text (self->store, text, strlen (text))))
            return no_memory (self, value);
    }
    *(char ***) field = lines;
    return 0;
}

/* ---- environments ---------------------------------------------------------------------------------------------- */

typedef struct {
    const mpl_rule_t *rule;
    const mpl_node_t *keys[MPL__ENV_MAX], *values[MPL__ENV_MAX];
    size_t n;
} variables_t;

static size_t find_variable (const variables_t *all, const char *name)
{
    size_t i = 0;

    while (i < all->n && strcmp (all->keys[i]->text, name))
        i++;
    return i;
}

/* Whether this mapping itself has the key, before `end`. */
static const mpl_node_t *find_own (const mpl_node_t *map, const mpl_pair_t *end, const char *name)
{
    for (const mpl_pair_t *pair = map->pairs; pair != end; pair = pair->next)
        if (!strcmp (pair->key->text, name))
            return pair->key;
    return NULL;
}

static int check_variable (mpl_reading_t *self, const mpl_pair_t *pair)
{
    char shown[MPL__SHOWN];
    const char *name = pair->key->text;

    mpl__shown (shown, name, strlen (name));
    if (!is_line (name, strlen (name)) || strpbrk (name, "= "))
        return mpl__err_at (self->err, &pair->key->place, EINVAL,
                            "'%s' is no name of a variable, which has no blanks and no '='", shown);
    if (pair->value->kind != MPL__SCALAR)
        return mpl__err_at (self->err, &pair->value->place, EINVAL, "variable %s is a %s; a variable is a text",
                            shown, pair->value->kind == MPL__LIST ? "list" : "mapping");
    if (mpl__node_is_null (pair->value))
        return mpl__err_at (self->err, &pair->value->place, EINVAL, "variable %s has no value; \"\" is the empty one",
                            shown);
    return 0;
}

static int gather_variables (mpl_reading_t *self, const mpl_node_t *map, void *arg)
{
    variables_t *all = arg;
    size_t n_own = 0;

    for (const mpl_pair_t *pair = map->pairs; pair; pair = pair->next) {
        if (n_own++ == MPL__ENV_MAX)
            return mpl__err_at (self->err, &pair->key->place, EINVAL, "more than %d variables", MPL__ENV_MAX);
        const mpl_node_t *first = find_own (map, pair, pair->key->text);
        if (first)
            return given_twice (self, pair->key, first);
        if (mpl__node_is_merge (pair->key))
            continue;
        if (check_variable (self, pair) < 0)
            return -1;
        if (find_variable (all, pair->key->text) < all->n)
            continue;                           /* merged below one of the same name */
        if (all->n == MPL__ENV_MAX)
            return mpl__err_at (self->err, &pair->key->place, EINVAL, "with what is merged more than %d variables",
                                MPL__ENV_MAX);
        all->keys[all->n] = pair->key;
        all->values[all->n++] = pair->value;
    }
    return each_merged (self, map, gather_variables, all);
}

static char *join_variable (mpl_reading_t *self, const mpl_node_t *key, const mpl_node_t *value)
{
    size_t size = strlen (key->text) + strlen (value->text) + 2;
    char *text = mpl__store_get (self->store, size);

    if (text)
        snprintf (text, size, "%s=%s", key->text, value->text);
    return text;
}

/* Whether a "NAME=value" is of a variable that the mapping gives anew. */
static int is_overridden (const variables_t *all, const char *variable)
{
    for (size_t i = 0; i < all->n; i++) {
        size_t len = strlen (all->keys[i]->text);
        if (!strncmp (variable, all->keys[i]->text, len) && variable[len] == '=')
            return 1;
    }
    return 0;
}

int mpl__read_env (mpl_reading_t *self, const mpl_rule_t *rule, const mpl_node_t *value, void *field)
{
    variables_t all = { .rule = rule };
    char **before = *(char ***) field;
    size_t n_before = 0, n = 0;

    if (value->kind != MPL__MAP)
        return mpl__bad_value (self, rule, value);
    if (gather_variables (self, value, &all) < 0)
        return -1;
    while (before && before[n_before])
        n_before++;
    char **env = mpl__store_get (self->store, (n_before + all.n + 1) * sizeof *env);
    if (!env)
        return no_memory (self, value);
    for (size_t i = 0; i < n_before; i++)
        if (!is_overridden (&all, before[i]))
            env[n++] = before[i];
    for (size_t i = 0; i < all.n; i++)
        if (!(env[n++] = join_variable (self, all.keys[i], all.values[i])))
            return no_memory (self, value);
    *(char ***) field = env;
    return 0;
}
