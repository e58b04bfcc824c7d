#include "conf/tree.h"
#include "base/assert.h"
#include "conf/words.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <yaml.h>

#define ANCHORS_MAX 256         /* looked up one by one, by hashes: 10 ms with as many aliases as there may be */
#define DIRECTIVES_MAX 16       /* libyaml compares each %TAG with all before it, within one call */

/* A collection that is being filled. */
typedef struct {
    mpl_node_t *node;
    mpl_pair_t **end;           /* where the next pair goes */
    const mpl_node_t *key;      /* of a mapping: read, its value is to come */
} frame_t;

typedef struct {
    mpl_tree_t *tree;
    const char *name, *text;
    size_t len;
    mpl_err_t *err;
    frame_t frames[MPL__TREE_DEPTH];
    int depth;
    size_t n_nodes;
    const char *anchors[ANCHORS_MAX + 1];       /* NULL at the end, as mpl__nearest wants it */
    uint32_t hashes[ANCHORS_MAX];               /* of the names */
    mpl_node_t *anchored[ANCHORS_MAX];
    size_t n_anchors;
    int n_documents;
} reader_t;

static mpl_place_t place_of (const reader_t *self, const yaml_mark_t *mark)
{
    return (mpl_place_t) { self->name, mark->line + 1, mark->column + 1 };
}

static int no_memory (reader_t *self)
{
    return mpl__err (self->err, ENOMEM, "no memory to read %.300s", self->name);
}

/* ---- what libyaml finds wrong ---------------------------------------------------------------------------------- */

/* The line and column of a byte. */
static mpl_place_t place_of_byte (const reader_t *self, size_t offset)
{
    mpl_place_t place = { self->name, 1, 1 };

    for (size_t i = 0; i < offset && i < self->len; i++)
        if (self->text[i] == '\n') {
            place.line++;
            place.column = 1;
        } else
            place.column += ((unsigned char) self->text[i] & 0xc0) != 0x80;
    return place;
}

/* Of a sequence that goes on wrongly libyaml names that place; the byte that begins it is what one looks for. */
static int bad_sequence (reader_t *self, const yaml_parser_t *parser)
{
    size_t at = parser->problem_offset < self->len ? parser->problem_offset : self->len - 1;

    if (strstr (parser->problem, "trailing"))
        do
            at -= at > 0;
        while (at > 0 && ((unsigned char) self->text[at] & 0xc0) == 0x80);
    mpl_place_t place = place_of_byte (self, at);
    return mpl__err_at (self->err, &place, EINVAL, "this is not UTF-8 (byte 0x%02x)", (unsigned char) self->text[at]);
}

static int bad_bytes (reader_t *self, const yaml_parser_t *parser)
{
    mpl_place_t place = place_of_byte (self, parser->problem_offset);

    if (parser->problem_value == 0)
        return mpl__err_at (self->err, &place, EINVAL, "a NUL byte; a cluster file is text");
    if (strstr (parser->problem, "control"))
        return mpl__err_at (self->err, &place, EINVAL,
                            "a control character (0x%02x); in quotes YAML has \"\\x%02x\" for it",
                            (unsigned) parser->problem_value, (unsigned) parser->problem_value);
    return bad_sequence (self, parser);
}

/* The character at a mark, of which libyaml counts characters and not bytes; 0 at the end. */
static char character_at (const reader_t *self, const yaml_mark_t *mark)
{
    size_t at = 0;

    for (size_t n = 0; at < self->len; at++)
        if (((unsigned char) self->text[at] & 0xc0) != 0x80 && n++ == mark->index)
            break;
    return at < self->len ? self->text[at] : '\0';
}

/* libyaml's words, and what a reader of them is told. %zu is the line of the context. */
typedef struct {
    const char *problem, *context, *sentence;
} hint_t;

static const hint_t hints[] = {
    { "mapping values are not allowed", "",
      "this ':' does not fit here; the indentation is wrong, or a text with ': ' in it needs quotes" },
    { "did not find expected key", "",
      "this is no 'key: value' of the mapping that begins at line %zu; is it indented as the others?" },
    { "did not find expected '-' indicator", "",
      "this is no '- item' of the list that begins at line %zu; is it indented as the others?" },
    { "did not find expected ',' or ']'", "", "a ',' or ']' is missing here, in the list that begins at line %zu" },
    { "did not find expected ',' or '}'", "",
      "a ',' or '}' is missing here, in the mapping that begins at line %zu" },
    { "did not find expected node content", "", "a value is missing here" },
    { "could not find expected ':'", "", "the key at line %zu has no ':' behind it" },
    { "found unexpected end of stream", "quoted", "the quote that begins at line %zu is not closed" },
    { "found unexpected document indicator", "quoted", "the quote that begins at line %zu is not closed" },
    { "found unknown escape character", "",
      "this is no escape that YAML knows in \"...\"; a backslash itself is \\\\, or use '...'" },
    { "found undefined tag handle", "", "this tag is not declared; a cluster file needs no tags" },
    { "found incompatible YAML document", "", "this file is for another version of YAML; 1.1 and 1.2 are read" },
};

static const char *find_hint (const char *problem, const char *context)
{
    for (size_t i = 0; i < sizeof hints / sizeof *hints; i++)
        if (strstr (problem, hints[i].problem) && strstr (context, hints[i].context))
            return hints[i].sentence;
    return NULL;
}

static int bad_character (reader_t *self, const mpl_place_t *place, char c)
{
    if (c == '\t')
        return mpl__err_at (self->err, place, EINVAL, "a tab; YAML is indented with blanks only");
    return mpl__err_at (self->err, place, EINVAL, "no text begins with '%c' in YAML unless it is in quotes", c);
}

static int bad_yaml (reader_t *self, const yaml_parser_t *parser)
{
    mpl_place_t place = place_of (self, &parser->problem_mark);
    const char *problem = parser->problem ? parser->problem : "", *context = parser->context ? parser->context : "";
    const char *hint = find_hint (problem, context), *line = hint ? strstr (hint, "%zu") : NULL;
    char c = character_at (self, &parser->problem_mark);

    if (parser->error == YAML_MEMORY_ERROR)
        return no_memory (self);
    if (parser->error == YAML_READER_ERROR)
        return bad_bytes (self, parser);
    if (c == '\t' || strstr (problem, "cannot start any token"))
        return bad_character (self, &place, c);
    if (line)
        return mpl__err_at (self->err, &place, EINVAL, "%.*s%zu%s", (int) (line - hint), hint,
                            parser->context_mark.line + 1, line + 3);
    if (hint)
        return mpl__err_at (self->err, &place, EINVAL, "%s", hint);
    return mpl__err_at (self->err, &place, EINVAL, "this is not YAML: %s%s%s", problem, *context ? " " : "", context);
}

/* ---- nodes ----------------------------------------------------------------------------------------------------- */

static int count (reader_t *self, size_t n, const mpl_place_t *place)
{
    if ((self->n_nodes += n) > MPL__TREE_NODES)
        return mpl__err_at (self->err, place, EFBIG,
                            "up to here there are more than %u keys and values, those of aliases included; "
                            "a cluster file has fewer",
                            MPL__TREE_NODES);
    return 0;
}

/* Hangs a node into the collection that is open, or makes it the root. */
static int attach (reader_t *self, mpl_node_t *node, const mpl_place_t *place)
{
    frame_t *frame = self->depth ? &self->frames[self->depth - 1] : NULL;

    if (!frame) {
        self->tree->root = node;
        return 0;
    }
    if (frame->node->kind == MPL__MAP && !frame->key) {
        if (node->kind != MPL__SCALAR)
            return mpl__err_at (self->err, place, EINVAL, "a key is a word; here it is a %s",
                                node->kind == MPL__LIST ? "list" : "mapping");
        frame->key = node;
        return 0;
    }
    mpl_pair_t *pair = mpl__store_get (&self->tree->store, sizeof *pair);
    if (!pair)
        return no_memory (self);
    *pair = (mpl_pair_t) { frame->key, node, *place, NULL };
    *frame->end = pair;
    frame->end = &pair->next;
    frame->key = NULL;
    return 0;
}

/* FNV-1a */
static uint32_t hash (const char *name)
{
    uint32_t value = 0x811c9dc5;

    for (; *name; name++)
        value = (value ^ (unsigned char) *name) * 0x01000193;
    return value;
}

static int remember (reader_t *self, mpl_node_t *node, const yaml_char_t *anchor)
{
    if (!anchor)
        return 0;
    if (self->n_anchors == ANCHORS_MAX)
        return mpl__err_at (self->err, &node->place, EFBIG, "more than %d anchors (&%.40s is one too many)",
                            ANCHORS_MAX, (const char *) anchor);
    const char *name = mpl__store_text (&self->tree->store, (const char *) anchor, strlen ((const char *) anchor));
    if (!name)
        return no_memory (self);
    self->anchors[self->n_anchors] = name;
    self->hashes[self->n_anchors] = hash (name);
    self->anchored[self->n_anchors++] = node;
    return 0;
}

static int check_tag (reader_t *self, const mpl_place_t *place, const yaml_char_t *tag)
{
    static const char *const own[] = { "!",           YAML_STR_TAG,  YAML_INT_TAG, YAML_FLOAT_TAG,
                                       YAML_BOOL_TAG, YAML_NULL_TAG, YAML_SEQ_TAG, YAML_MAP_TAG };
    char shown[MPL__SHOWN];
    const char *text = (const char *) tag;

    for (size_t i = 0; text && i < sizeof own / sizeof *own; i++)
        if (!strcmp (text, own[i]))
            return 0;
    if (!text)
        return 0;
    return mpl__err_at (self->err, place, EINVAL, "tag '%s' is not known here; a cluster file needs no tags",
                        mpl__shown (shown, text, strlen (text)));
}

/* A new node, counted, under its anchor's name and in its place. */
static mpl_node_t *add_node (reader_t *self, const yaml_event_t *event, mpl_node_kind_t kind,
                             const yaml_char_t *anchor, const yaml_char_t *tag)
{
    mpl_node_t *node = mpl__store_get (&self->tree->store, sizeof *node);

    if (!node) {
        no_memory (self);
        return NULL;
    }
    node->kind = kind;
    node->n_nodes = 1;
    node->place = place_of (self, &event->start_mark);
    if (count (self, 1, &node->place) < 0 || check_tag (self, &node->place, tag) < 0
        || remember (self, node, anchor) < 0 || attach (self, node, &node->place) < 0)
        return NULL;
    return node;
}

/* An event begins with its anchor or tag. The text itself does so only where it has none; that of a plain scalar
 * ends with the event. */
static void find_text (mpl_node_t *node, const yaml_event_t *event)
{
    size_t n_characters = 0;

    if (!node->is_plain || event->start_mark.line != event->end_mark.line)
        return;
    for (const char *at = node->text; *at; at++)
        n_characters += ((unsigned char) *at & 0xc0) != 0x80;
    if (n_characters <= event->end_mark.column)
        node->place.column = event->end_mark.column - n_characters + 1;
}

static int add_scalar (reader_t *self, const yaml_event_t *event)
{
    const char *value = (const char *) event->data.scalar.value;
    size_t len = event->data.scalar.length;
    mpl_node_t *node = add_node (self, event, MPL__SCALAR, event->data.scalar.anchor, event->data.scalar.tag);

    if (!node)
        return -1;
    if (memchr (value, '\0', len))
        return mpl__err_at (self->err, &node->place, EINVAL, "this text has a NUL character in it");
    node->is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (!(node->text = mpl__store_text (&self->tree->store, value, len)))
        return no_memory (self);
    find_text (node, event);
    return 0;
}

static int begin (reader_t *self, mpl_node_t *node)
{
    if (!node)
        return -1;
    if (self->depth == MPL__TREE_DEPTH)
        return mpl__err_at (self->err, &node->place, EFBIG, "more than %d levels deep; a cluster file has five",
                            MPL__TREE_DEPTH);
    node->is_open = 1;
    node->height = 1;
    self->frames[self->depth++] = (frame_t) { node, &node->pairs, NULL };
    return 0;
}

/* Closes the innermost collection and adds up what is in it. */
static int end (reader_t *self)
{
    mpl__assert (self->depth > 0);
    mpl_node_t *node = self->frames[--self->depth].node;

    node->is_open = 0;
    for (const mpl_pair_t *pair = node->pairs; pair; pair = pair->next) {
        node->n_nodes += pair->value->n_nodes + (pair->key != NULL);
        if (node->height <= pair->value->height)
            node->height = pair->value->height + 1;
    }
    return 0;
}

static int unknown_anchor (reader_t *self, const mpl_place_t *place, const char *name)
{
    char shown[MPL__SHOWN];
    const char *near = mpl__nearest (name, self->anchors);

    mpl__shown (shown, name, strlen (name));
    if (near)
        return mpl__err_at (self->err, place, EINVAL, "nothing before this is marked &%s; did you mean *%.40s?",
                            shown, near);
    return mpl__err_at (self->err, place, EINVAL, "nothing before this is marked &%s", shown);
}

static int add_alias (reader_t *self, const yaml_event_t *event)
{
    const char *name = (const char *) event->data.alias.anchor;
    mpl_place_t place = place_of (self, &event->start_mark);
    uint32_t wanted = hash (name);
    size_t i = self->n_anchors;

    while (i > 0 && (self->hashes[i - 1] != wanted || strcmp (self->anchors[i - 1], name)))
        i--;                                    /* the latest of a name is the one that is meant */
    if (i == 0)
        return unknown_anchor (self, &place, name);
    mpl_node_t *node = self->anchored[i - 1];
    if (node->is_open)
        return mpl__err_at (self->err, &place, EINVAL,
                            "*%.40s is inside of what it stands for, which would never end", name);
    if (self->depth + node->height > MPL__TREE_DEPTH)
        return mpl__err_at (self->err, &place, EFBIG, "with what *%.40s stands for this is more than %d levels deep",
                            name, MPL__TREE_DEPTH);
    return count (self, node->n_nodes, &place) < 0 ? -1 : attach (self, node, &place);
}

static int begin_document (reader_t *self, const yaml_event_t *event)
{
    mpl_place_t place = place_of (self, &event->start_mark);

    if (++self->n_documents > 1)
        return mpl__err_at (self->err, &place, EINVAL, "a second document begins here; a cluster file is one");
    return 0;
}

static int take (reader_t *self, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        return begin_document (self, event);
    case YAML_ALIAS_EVENT:
        return add_alias (self, event);
    case YAML_SCALAR_EVENT:
        return add_scalar (self, event);
    case YAML_SEQUENCE_START_EVENT:
        return begin (self, add_node (self, event, MPL__LIST, event->data.sequence_start.anchor,
                                      event->data.sequence_start.tag));
    case YAML_MAPPING_START_EVENT:
        return begin (
            self, add_node (self, event, MPL__MAP, event->data.mapping_start.anchor, event->data.mapping_start.tag));
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return end (self);
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        break;
    }
    return 0;
}

/* ---- the whole ------------------------------------------------------------------------------------------------- */

static int check_directives (reader_t *self)
{
    int n = 0;

    for (const char *at = self->text, *end_of_text = at + self->len; at && at < end_of_text;) {
        if (*at == '%' && ++n > DIRECTIVES_MAX) {
            mpl_place_t place = place_of_byte (self, (size_t) (at - self->text));
            return mpl__err_at (self->err, &place, EFBIG,
                                "more than %d lines begin with '%%'; a cluster file needs none", DIRECTIVES_MAX);
        }
        at = memchr (at, '\n', (size_t) (end_of_text - at));
        at = at ? at + 1 : NULL;
    }
    return 0;
}

static int read_events (reader_t *self, yaml_parser_t *parser)
{
    for (;;) {
        yaml_event_t event;
        if (!yaml_parser_parse (parser, &event))
            return bad_yaml (self, parser);
        int is_last = event.type == YAML_STREAM_END_EVENT, rc = take (self, &event);
        yaml_event_delete (&event);
        if (rc < 0 || is_last)
            return rc;
    }
}

static int read_text (reader_t *self)
{
    yaml_parser_t parser;

    if (self->len > MPL__TREE_BYTES)
        return mpl__err (self->err, EFBIG, "%.300s has more than %u bytes; a cluster file has at most that",
                         self->name, MPL__TREE_BYTES);
    if (check_directives (self) < 0)
        return -1;
    if (!yaml_parser_initialize (&parser))
        return no_memory (self);
    yaml_parser_set_encoding (&parser, YAML_UTF8_ENCODING);     /* else two bytes of a mark could make it UTF-16 */
    yaml_parser_set_input_string (&parser, (const unsigned char *) self->text, self->len);
    int rc = read_events (self, &parser);
    yaml_parser_delete (&parser);
    return rc;
}

int mpl__tree_parse (mpl_tree_t *self, const char *name, const char *text, size_t len, mpl_err_t *err)
{
    size_t bom = len >= 3 && !memcmp (text, "\xef\xbb\xbf", 3) ? 3 : 0;    /* in no column of the first line */
    reader_t reader = { .tree = self, .name = name, .text = text + bom, .len = len - bom, .err = err };

    *self = (mpl_tree_t) { 0 };
    if (read_text (&reader) < 0) {
        mpl__tree_free (self);
        return -1;
    }
    return 0;
}

void mpl__tree_free (mpl_tree_t *self)
{
    mpl__store_free (&self->store);
    self->root = NULL;
}

int mpl__node_is_null (const mpl_node_t *node)
{
    static const char *const nulls[] = { "", "~", "null", "Null", "NULL" };

    for (size_t i = 0; node->kind == MPL__SCALAR && node->is_plain && i < sizeof nulls / sizeof *nulls; i++)
        if (!strcmp (node->text, nulls[i]))
            return 1;
    return 0;
}

int mpl__node_is_merge (const mpl_node_t *node)
{
    return node->kind == MPL__SCALAR && node->is_plain && !strcmp (node->text, "<<");
}
