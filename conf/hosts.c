#include "conf/hosts.h"
#include "conf/draft.h"
#include "conf/hostlist.h"
#include "conf/word.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int add_word (mpl_draft_t *draft, const mpl_piece_t *word, mpl_err_t *err)
{
    mpl_piece_t name;
    mpl_host_t host;

    if (mpl__word_read (word, &name, &host, &draft->store, err) < 0)
        return -1;
    if (host.slots == MPL__SLOTS_UNSAID)
        host.slots = 1;
    return mpl__word_add (draft, &name, &host, err);
}

static int add_words (mpl_draft_t *draft, const char *text, mpl_err_t *err)
{
    const char *end = text + strlen (text);
    mpl_piece_t word;

    for (const char *at = text; at <= end; at++) {
        const char *comma = mpl__hostlist_entry (at, end, &word.text, &word.len);
        word.place = (mpl_place_t) { text, 0, (size_t) (word.text - text) + 1 };
        if (add_word (draft, &word, err) < 0)
            return -1;
        at = comma;
    }
    return 0;
}

int mpl__hosts_add_list (mpl_hosts_t *self, const char *text, mpl_err_t *err)
{
    mpl_draft_t draft;
    int rc = mpl__draft_begin (&draft, self, err);

    if (rc == 0)
        rc = add_words (&draft, text, err);
    if (rc == 0)
        mpl__draft_commit (&draft, self);
    mpl__draft_drop (&draft);
    return rc;
}

int mpl__hosts_find (const mpl_hosts_t *self, const char *name)
{
    for (size_t i = 0; i < self->n; i++)
        if (!strcmp (self->hosts[i].name, name))
            return (int) i;
    return -1;
}

void mpl__hosts_free (mpl_hosts_t *self)
{
    int keep = errno;

    free (self->hosts);
    mpl__store_free (&self->store);
    *self = (mpl_hosts_t) { 0 };
    errno = keep;
}

/* As ssh refuses them, since a user's own shell may see the name (ProxyCommand with %r). */
const char *mpl__host_bad_user (const char *user, size_t len)
{
    if (len == 0)
        return "a user's name is not empty";
    if (*user == '-')
        return "a user's name does not begin with '-'";
    for (size_t i = 0; i < len; i++)
        if ((unsigned char) user[i] <= ' ' || user[i] == 0x7f || strchr ("'`\";&<>|(){}[],", user[i]))
            return "a user's name has no blanks, quotes, brackets, commas or characters of the shell";
    return user[len - 1] == '\\' ? "a user's name does not end in '\\'" : NULL;
}
