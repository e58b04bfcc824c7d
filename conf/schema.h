/* schema.h - reading YAML mappings into structs by tables: a rule says which key, of what kind and range, goes
 * where. What the cluster file has in it is conf/cluster.c's; here is how a section is read and what errors say.
 * Pure.
 *
 * In a section each key stands once and none is unknown; "<<" merges other mappings below its own keys; rules are
 * read in the order of their table, whatever the file's is. Scalars are what they look like: a number in quotes is
 * text. */
#ifndef CONF_SCHEMA_H
#define CONF_SCHEMA_H

#include "conf/place.h"
#include "conf/store.h"
#include "conf/tree.h"

#include <stddef.h>

#define MPL__RULES_MAX 16       /* of one section */
#define MPL__ENV_MAX 256        /* variables of one host; every host of a file may have its own list of them */

typedef struct mpl_rule mpl_rule_t;
typedef struct mpl_section mpl_section_t;

/* What the readers of a file share. */
typedef struct {
    mpl_store_t *store;         /* for what stays */
    mpl_err_t *err;
} mpl_reading_t;

/* Reads one value into its field: 0, or -1 with a sentence. */
typedef int (*mpl_read_fn) (mpl_reading_t *self, const mpl_rule_t *rule, const mpl_node_t *value, void *field);

struct mpl_rule {
    const char *key;
    mpl_read_fn read;
    size_t offset;              /* of the field in the section's struct */
    double least, most;         /* of a number, in the field's unit */
    const mpl_section_t *section;       /* of what is below, when there is something */
    const char *const *words;   /* of a choice; their places in the list are its values */
    const char *right;          /* what would be right, for errors */
};

struct mpl_section {
    const char *where;          /* as errors put it: "in a host" */
    const mpl_rule_t *rules;    /* a NULL key ends them */
    /* What only shows when all is read; NULL: nothing. values[i] is what rules[i] read, NULL where it was not
     * there. */
    int (*check) (mpl_reading_t *self, const mpl_node_t *map, const mpl_node_t *const values[], void *base);
    int has_notes;              /* keys that begin with "x-" are the user's own: a place for anchors */
};

/* Reads a mapping into the struct at base. What is not in the file is left as it was. */
int mpl__section_read (mpl_reading_t *self, const mpl_section_t *section, const mpl_node_t *map, void *base);

/* "slots is 'x'; a number ...": the value, what it is, and what would be right. Returns -1. */
int mpl__bad_value (mpl_reading_t *self, const mpl_rule_t *rule, const mpl_node_t *value);

/* The text of a scalar that is no null; NULL after an error. */
const char *mpl__scalar_text (mpl_reading_t *self, const mpl_rule_t *rule, const mpl_node_t *value);

/* The readers, for the tables. Each one's field is
 *     section    the struct of rule->section
 *     int        int, from least to most
 *     choice     int, the place of the word in rule->words
 *     duration   double, seconds from least to most
 *     size       size_t, bytes; 0 is always right, and otherwise least is the least
 *     line       char *, 1 to `most` bytes on one line
 *     lines      char **, at most `most` of them, with a NULL at the end
 *     env        char **, "NAME=value" with a NULL at the end; those that are there stay unless they are given anew
 *     node       const mpl_node_t *, the value as it is */
int mpl__read_section (mpl_reading_t *self, const mpl_rule_t *rule, const mpl_node_t *value, void *field);
int mpl__read_int (mpl_reading_t *self, const mpl_rule_t *rule, const mpl_node_t *value, void *field);
int mpl__read_choice (mpl_reading_t *self, const mpl_rule_t *rule, const mpl_node_t *value, void *field);
int mpl__read_duration (mpl_reading_t *self, const mpl_rule_t *rule, const mpl_node_t *value, void *field);
int mpl__read_size (mpl_reading_t *self, const mpl_rule_t *rule, const mpl_node_t *value, void *field);
int mpl__read_line (mpl_reading_t *self, const mpl_rule_t *rule, const mpl_node_t *value, void *field);
int mpl__read_lines (mpl_reading_t *self, const mpl_rule_t *rule, const mpl_node_t *value, void *field);
int mpl__read_env (mpl_reading_t *self, const mpl_rule_t *rule, const mpl_node_t *value, void *field);
int mpl__read_node (mpl_reading_t *self, const mpl_rule_t *rule, const mpl_node_t *value, void *field);

#endif
