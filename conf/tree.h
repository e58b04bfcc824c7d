/* tree.h - a YAML file as a tree of nodes that know their lines, read through libyaml's events. Bounded in every
 * way, since a file may be anything: refused are more than MPL__TREE_BYTES of text, MPL__TREE_DEPTH levels and
 * MPL__TREE_NODES nodes, counted as if every alias were written out. Knows no key of the cluster file
 * (conf/schema.h does). Pure.
 *
 * One document, in UTF-8. An alias is the anchor's own node once more, so a tree is not to be changed. A key is a
 * scalar; whether it is there twice, and what "<<" merges, is for whoever reads the mapping. Only YAML's own tags
 * (!!str ...) may stand there, and they change nothing. */
#ifndef CONF_TREE_H
#define CONF_TREE_H

#include "conf/place.h"
#include "conf/store.h"

#include <stddef.h>

#define MPL__TREE_BYTES 1048576u        /* a cluster file of 20,000 hosts with five lines each is as long */
#define MPL__TREE_DEPTH 32              /* the deepest right cluster file has five levels */
#define MPL__TREE_NODES 100000u

typedef enum { MPL__SCALAR, MPL__LIST, MPL__MAP } mpl_node_kind_t;

typedef struct mpl_node mpl_node_t;
typedef struct mpl_pair mpl_pair_t;

struct mpl_node {
    mpl_node_kind_t kind;
    int is_plain;               /* a scalar without quotes, which alone may be a number or nothing */
    int is_open;                /* while it is read: an alias to it would be endless */
    int height;                 /* collections on the longest way down, itself included; 0 for scalars */
    size_t n_nodes;             /* itself and all below, aliases counted as what they stand for */
    mpl_place_t place;
    const char *text;           /* of a scalar; without a NUL in it */
    mpl_pair_t *pairs;          /* of a list or mapping, in their order */
};

struct mpl_pair {
    const mpl_node_t *key;      /* NULL in a list */
    const mpl_node_t *value;
    mpl_place_t place;          /* of the value here: an alias' own, where value->place is the anchor's */
    mpl_pair_t *next;
};

typedef struct {
    mpl_node_t *root;           /* NULL: nothing but blanks and comments is there */
    mpl_store_t store;
} mpl_tree_t;

/* Reads len bytes; `name` is the file's, which errors show and the nodes' places borrow. 0; -1 with errno (EINVAL;
 * EFBIG: too long, too deep, too many; ENOMEM) and a sentence, and there is nothing to free. */
int mpl__tree_parse (mpl_tree_t *self, const char *name, const char *text, size_t len, mpl_err_t *err);

void mpl__tree_free (mpl_tree_t *self);

/* Whether it is a scalar that YAML takes for no value: nothing, ~ or null, without quotes. */
int mpl__node_is_null (const mpl_node_t *node);

/* Whether it is "<<" without quotes, the key that merges. */
int mpl__node_is_merge (const mpl_node_t *node);

#endif
