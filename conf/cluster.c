#include "conf/cluster.h"
#include "conf/draft.h"
#include "conf/hostlist.h"
#include "conf/schema.h"
#include "conf/text.h"
#include "conf/tree.h"
#include "conf/units.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HEARTBEAT_LEAST 0.1             /* seconds: more often would be load and no news */
#define DAY 86400
#define MEMORY_LEAST 1048576            /* bytes: no process starts with less, so less was meant in another unit */
#define OPTIONS_MAX 64                  /* words for ssh; a command line has to take them */

/* What a host says, before its name is expanded. */
typedef struct {
    mpl_host_t host;                    /* name: not used */
    const mpl_node_t *name;
} said_t;

/* The whole file, before its hosts are. */
typedef struct {
    mpl_cluster_t cluster;
    said_t defaults;
    const mpl_node_t *hosts;
} file_t;

/* ---- single values --------------------------------------------------------------------------------------------- */

static int read_slots (mpl_reading_t *self, const mpl_rule_t *rule, const mpl_node_t *value, void *field)
{
    if (value->kind != MPL__SCALAR || strcmp (value->text, "auto"))
        return mpl__read_int (self, rule, value, field);
    *(int *) field = 0;
    return 0;
}

static int read_workdir (mpl_reading_t *self, const mpl_rule_t *rule, const mpl_node_t *value, void *field)
{
    const char *text = value->kind == MPL__SCALAR ? value->text : "";

    if (text[0] != '/' && strcmp (text, "~") && strncmp (text, "~/", 2))
        return mpl__bad_value (self, rule, value);
    return mpl__read_line (self, rule, value, field);
}

static int read_user (mpl_reading_t *self, const mpl_rule_t *rule, const mpl_node_t *value, void *field)
{
    char shown[MPL__SHOWN];
    const char *text = mpl__scalar_text (self, rule, value), *bad;

    if (!text)
        return -1;
    if ((bad = mpl__host_bad_user (text, strlen (text))))
        return mpl__err_at (self->err, &value->place, EINVAL, "user is '%s'; %s",
                            mpl__shown (shown, text, strlen (text)), bad);
    return mpl__read_line (self, rule, value, field);
}

static int read_interface (mpl_reading_t *self, const mpl_rule_t *rule, const mpl_node_t *value, void *field)
{
    const char *text = mpl__scalar_text (self, rule, value);

    if (text && strpbrk (text, " /"))
        return mpl__bad_value (self, rule, value);
    return text ? mpl__read_line (self, rule, value, field) : -1;
}

/* Reads a port; NULL: there is none. */
static const char *read_port (const char *text, int *port)
{
    size_t n = strspn (text, "0123456789");

    if (n == 0 || n > 5 || text[0] == '0')
        return NULL;
    for (*port = 0; n; n--, text++)
        *port = *port * 10 + (*text - '0');
    return *port <= 65535 ? text : NULL;
}

static int read_ports (mpl_reading_t *self, const mpl_rule_t *rule, const mpl_node_t *value, void *field)
{
    mpl_transport_t *transport = field;
    const char *text = mpl__scalar_text (self, rule, value);
    int first = 0, last;

    if (!text)
        return -1;
    text = read_port (text, &first);
    last = first;
    if (text && *text == '-')
        text = read_port (text + 1, &last);
    if (!text || *text || last < first)
        return mpl__bad_value (self, rule, value);
    transport->port_first = first;
    transport->port_last = last;
    return 0;
}

/* ---- what only shows when all is read -------------------------------------------------------------------------- */

/* Rows of transport_rules that are spoken of. */
enum { INTERFACE, PORTS, HEARTBEAT, SELF_END_AFTER, LOST_AFTER };

/* The words that are wrong together: where the later of them stands, or the earlier if that alone was given. */
static const mpl_place_t *place_of_pair (const mpl_node_t *const values[], int earlier, int later)
{
    return values[later] ? &values[later]->place : &values[earlier]->place;
}

static int check_transport (mpl_reading_t *self, const mpl_node_t *map, const mpl_node_t *const values[], void *base)
{
    const mpl_transport_t *transport = base;
    const mpl_place_t *place;

    (void) map;
    if (transport->heartbeat >= transport->self_end_after)
        place = place_of_pair (values, HEARTBEAT, SELF_END_AFTER);
    else if (transport->self_end_after >= transport->lost_after)
        place = place_of_pair (values, SELF_END_AFTER, LOST_AFTER);
    else
        return 0;
    return mpl__err_at (
        self->err, place, EINVAL,
        "heartbeat is %gs, self_end_after %gs and lost_after %gs; each is longer than the one before, "
        "and without a word they are 2s, 10s and 15s",
        transport->heartbeat, transport->self_end_after, transport->lost_after);
}

static int check_host (mpl_reading_t *self, const mpl_node_t *map, const mpl_node_t *const values[], void *base)
{
    (void) values;
    if (!((said_t *) base)->name)
        return mpl__err_at (self->err, &map->place, EINVAL, "this host has no name; name: is needed");
    return 0;
}

/* ---- the schema ------------------------------------------------------------------------------------------------ */

#define NAME_RIGHT "a host's name, or a range as in node[01-08]"
#define SLOTS_RIGHT "a whole number from 1 to 65536, or auto"
#define WORKDIR_RIGHT "a folder's whole path, or one that begins with ~/"

const char *const mpl__launch_words[] = { "auto", "local", "ssh", "slurm", "pbs", "lsf", "sge", NULL };
static const char *const tunnels[] = { "none", "ssh", NULL };

static const mpl_rule_t ssh_rules[] = {
    { "user", read_user, offsetof (mpl_host_t, user), .most = 255, .right = "a user's name on that host" },
    { "port", mpl__read_int, offsetof (mpl_host_t, port), .least = 1, .most = 65535 },
    { "options", mpl__read_lines, offsetof (mpl_host_t, ssh_options), .most = OPTIONS_MAX,
      .right = "a list of words for ssh, as in [-o, StrictHostKeyChecking=yes]" },
    { 0 } };
static const mpl_section_t ssh_section = { "in ssh", ssh_rules, NULL, 0 };

/* What defaults and hosts have in common. */
#define HOST_RULES \
    { "slots", read_slots, offsetof (said_t, host.slots), 1, MPL__SLOTS_MAX, .right = SLOTS_RIGHT }, \
    { "workdir", read_workdir, offsetof (said_t, host.workdir), .most = 4095, .right = WORKDIR_RIGHT }, \
    { "env", mpl__read_env, offsetof (said_t, host.env), .right = "a mapping of variables, as in {LANG: C}" }, \
    { "ssh", mpl__read_section, offsetof (said_t, host), .section = &ssh_section }

static const mpl_rule_t defaults_rules[] = { HOST_RULES, { 0 } };
static const mpl_section_t defaults_section = { "in defaults", defaults_rules, NULL, 0 };

static const mpl_rule_t host_rules[] = {
    { "name", mpl__read_node, offsetof (said_t, name), .right = NAME_RIGHT },
    HOST_RULES,
    { 0 } };
static const mpl_section_t host_section = { "in a host", host_rules, check_host, 0 };

static const mpl_rule_t transport_rules[] = {
    [INTERFACE] = { "interface", read_interface, offsetof (mpl_transport_t, interface), .most = 15,
                    .right = "the name of a network interface, such as eth0" },
    [PORTS] = { "ports", read_ports, 0,
                .right = "one port or a range of them, such as 40000-40100, from 1 to 65535" },
    [HEARTBEAT] = { "heartbeat", mpl__read_duration, offsetof (mpl_transport_t, heartbeat), HEARTBEAT_LEAST, DAY,
                    .right = MPL__DURATION_RIGHT },
    [SELF_END_AFTER] = { "self_end_after", mpl__read_duration, offsetof (mpl_transport_t, self_end_after),
                         HEARTBEAT_LEAST, DAY, .right = MPL__DURATION_RIGHT },
    [LOST_AFTER] = { "lost_after", mpl__read_duration, offsetof (mpl_transport_t, lost_after), HEARTBEAT_LEAST, DAY,
                     .right = MPL__DURATION_RIGHT },
    { "tunnel", mpl__read_choice, offsetof (mpl_transport_t, tunnel), .words = tunnels },
    { 0 }
};
static const mpl_section_t transport_section = { "in transport", transport_rules, check_transport, 0 };

static const mpl_rule_t pool_rules[] = {
    { "retries", mpl__read_int, offsetof (mpl_pool_limits_t, retries), .least = 0, .most = 1000000 },
    { "task_timeout", mpl__read_duration, offsetof (mpl_pool_limits_t, task_timeout), 0, 1e9,
      .right = MPL__DURATION_RIGHT ", or 0 for none" },
    { "memory_limit", mpl__read_size, offsetof (mpl_pool_limits_t, memory_limit), .least = MEMORY_LEAST,
      .right = MPL__SIZE_RIGHT ", or 0 for none" },
    { 0 }
};
static const mpl_section_t pool_section = { "in pool", pool_rules, NULL, 0 };

static int read_hosts (mpl_reading_t *self, const mpl_rule_t *rule, const mpl_node_t *value, void *field);
static int check_file (mpl_reading_t *self, const mpl_node_t *map, const mpl_node_t *const values[], void *base);

/* Rows of file_rules that are spoken of; defaults come before hosts, which begin with them. */
enum { CLUSTER, DEFAULTS, HOSTS, LAUNCH };

static const mpl_rule_t file_rules[] = {
    [CLUSTER] = { "cluster", mpl__read_line, offsetof (file_t, cluster.name), .most = 64,
                  .right = "a name of at most 64 bytes on one line" },
    [DEFAULTS] = { "defaults", mpl__read_section, offsetof (file_t, defaults), .section = &defaults_section },
    [HOSTS] = { "hosts", read_hosts, 0, .section = &host_section,
                .right = "a list of hosts, each a name or a mapping with a name" },
    [LAUNCH] = { "launch", mpl__read_choice, offsetof (file_t, cluster.launch), .words = mpl__launch_words },
    { "transport", mpl__read_section, offsetof (file_t, cluster.transport), .section = &transport_section },
    { "pool", mpl__read_section, offsetof (file_t, cluster.pool), .section = &pool_section },
    { 0 }
};
static const mpl_section_t file_section = { "in a cluster file", file_rules, check_file, 1 };

static int check_file (mpl_reading_t *self, const mpl_node_t *map, const mpl_node_t *const values[], void *base)
{
    (void) map;
    if (((file_t *) base)->cluster.launch == MPL__LAUNCH_SSH && !values[HOSTS])
        return mpl__err_at (self->err, &values[LAUNCH]->place, EINVAL,
                            "launch is ssh, and there are no hosts; a list under 'hosts' is needed");
    return 0;
}

/* ---- hosts ----------------------------------------------------------------------------------------------------- */

/* Where the name's text begins, so that an error in a range can say its column. */
static mpl_place_t place_of_text (const mpl_node_t *node)
{
    return mpl__place_after (&node->place, !node->is_plain);
}

/* Where an item of the list is: what an alias brings is there where the alias is. */
static const mpl_place_t *place_of_item (const mpl_pair_t *item, const mpl_place_t *name)
{
    return item->place.line == item->value->place.line ? name : &item->place;
}

static int add_host (mpl_reading_t *self, mpl_draft_t *draft, const mpl_host_t *host, const char *name,
                     const mpl_place_t *place)
{
    int i = mpl__draft_find (draft, name);

    if (i >= 0)
        return mpl__err_at (self->err, place, EINVAL,
                            "host '%s' is there already, by line %zu; every host is named once", name,
                            draft->named[i].line);
    return mpl__draft_append (draft, host, name, place, self->err);
}

static int add_range (mpl_reading_t *self, mpl_draft_t *draft, const said_t *said, const mpl_pair_t *item)
{
    static const mpl_rule_t rule = { .key = "name", .right = NAME_RIGHT };
    mpl_place_t place = place_of_text (said->name);
    const char *text = mpl__scalar_text (self, &rule, said->name);
    mpl_hostlist_t list = { 0 };
    int rc = text ? mpl__hostlist_add (&list, &place, text, strlen (text), self->err) : -1;

    for (size_t i = 0; rc == 0 && i < list.n; i++)
        rc = add_host (self, draft, &said->host, list.names[i], place_of_item (item, &place));
    mpl__hostlist_free (&list);
    return rc;
}

static int add_item (mpl_reading_t *self, mpl_draft_t *draft, const mpl_host_t *defaults, const mpl_pair_t *pair)
{
    const mpl_node_t *item = pair->value;
    said_t said = { .host = *defaults };

    if (item->kind == MPL__LIST)
        return mpl__err_at (self->err, &item->place, EINVAL,
                            "a host is a name or a mapping with a name; here it is a list");
    if (item->kind == MPL__SCALAR)
        said.name = item;
    else if (mpl__section_read (self, &host_section, item, &said) < 0)
        return -1;
    return add_range (self, draft, &said, pair);
}

static int add_items (mpl_reading_t *self, mpl_draft_t *draft, const mpl_host_t *defaults, const mpl_node_t *list)
{
    for (const mpl_pair_t *pair = list->pairs; pair; pair = pair->next)
        if (add_item (self, draft, defaults, pair) < 0)
            return -1;
    return 0;
}

/* Its field is the whole file_t, whose defaults are read by now. */
static int read_hosts (mpl_reading_t *self, const mpl_rule_t *rule, const mpl_node_t *value, void *field)
{
    file_t *file = field;
    mpl_draft_t draft;

    if (value->kind != MPL__LIST)
        return mpl__bad_value (self, rule, value);
    if (!value->pairs)
        return mpl__err_at (self->err, &value->place, EINVAL, "hosts is empty; at least one host is needed there");
    int rc = mpl__draft_begin (&draft, &file->cluster.hosts, self->err);
    if (rc == 0)
        rc = add_items (self, &draft, &file->defaults.host, value);
    if (rc == 0)
        mpl__draft_commit (&draft, &file->cluster.hosts);
    mpl__draft_drop (&draft);
    return rc;
}

/* ---- the whole ------------------------------------------------------------------------------------------------- */

static int read_tree (file_t *file, const mpl_tree_t *tree, const char *name, mpl_err_t *err)
{
    mpl_reading_t reading = { &file->cluster.hosts.store, err };

    if (!tree->root || mpl__node_is_null (tree->root))
        return mpl__err_at (err, &(mpl_place_t) { name, 1, 1 }, EINVAL,
                            "this file is empty; a cluster file has hosts: with at least one name");
    if (tree->root->kind != MPL__MAP)
        return mpl__err_at (err, &tree->root->place, EINVAL,
                            "a cluster file is a mapping with cluster, defaults, hosts, launch, transport or pool; "
                            "this is a %s",
                            tree->root->kind == MPL__LIST ? "list" : "text");
    return mpl__section_read (&reading, &file_section, tree->root, file);
}

int mpl__cluster_parse (mpl_cluster_t *self, const char *name, const char *text, size_t len, mpl_err_t *err)
{
    file_t file = { .cluster = { .transport = MPL__TRANSPORT_DEFAULTS, .pool = { .retries = -1 } } };
    mpl_tree_t tree;

    if (mpl__tree_parse (&tree, name, text, len, err) < 0)
        return -1;
    int rc = read_tree (&file, &tree, name, err);
    mpl__tree_free (&tree);
    if (rc < 0)
        mpl__cluster_free (&file.cluster);
    else
        *self = file.cluster;
    return rc;
}

int mpl__cluster_read (mpl_cluster_t *self, const char *path, mpl_err_t *err)
{
    size_t len;
    char *text = mpl__text_read (path, MPL__TREE_BYTES, "a cluster file", &len, err);

    if (!text)
        return -1;
    int rc = mpl__cluster_parse (self, path, text, len, err), keep = errno;
    free (text);
    errno = keep;
    return rc;
}

void mpl__cluster_free (mpl_cluster_t *self)
{
    mpl__hosts_free (&self->hosts);
    *self = (mpl_cluster_t) { 0 };
}
