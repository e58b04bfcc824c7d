#include "wire/badge.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PORT_MAX 65535

static const struct {
    const char *word;
    size_t at;
    int is_of_broker;                   /* only the broker's own file has it */
} keys[] = {
    { "broker-public", offsetof (mpl_badge_t, broker_public), 0 },
    { "broker-secret", offsetof (mpl_badge_t, broker_secret), 1 },
    { "public", offsetof (mpl_badge_t, public_key), 0 },
    { "secret", offsetof (mpl_badge_t, secret_key), 0 },
};

/* ---- the text -------------------------------------------------------------------------------------------------- */

size_t mpl__badge_print (const mpl_badge_t *badge, char text[MPL__BADGE_MAX])
{
    size_t len = (size_t) snprintf (text, MPL__BADGE_MAX, "# certificate of an mpbroker: keep it to yourself; see mpbroker(1)\n");

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *key = (const char *) badge + keys[i].at;
        if (*key)
            len += (size_t) snprintf (text + len, MPL__BADGE_MAX - len, "%s %s\n", keys[i].word, key);
    }
    if (badge->port)
        len += (size_t) snprintf (text + len, MPL__BADGE_MAX - len, "port %d\n", badge->port);
    for (int i = 0; i < badge->n_addresses; i++)
        len += (size_t) snprintf (text + len, MPL__BADGE_MAX - len, "address %s\n", badge->addresses[i]);
    return len;
}

/* Z85 has no blank and no #-comment can be mistaken for it, since it is one word behind another. */
static int is_key (const char *value)
{
    return strlen (value) == MPL__BADGE_KEY - 1;
}

static int take_port (mpl_badge_t *badge, const char *value)
{
    char *end;
    long port = strtol (value, &end, 10);

    if (*end || end == value || port < 1 || port > PORT_MAX)
        return -1;
    badge->port = (int) port;
    return 0;
}

static int take_address (mpl_badge_t *badge, const char *value)
{
    if (badge->n_addresses == MPL__BADGE_ADDRESSES || strncmp (value, "tcp://", 6) || strlen (value) >= MPL__BADGE_ADDRESS)
        return -1;
    snprintf (badge->addresses[badge->n_addresses++], MPL__BADGE_ADDRESS, "%s", value);
    return 0;
}

static int take_word (mpl_badge_t *badge, const char *word, const char *value)
{
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (!strcmp (word, keys[i].word)) {
            if (!is_key (value))
                return -1;
            memcpy ((char *) badge + keys[i].at, value, MPL__BADGE_KEY);
            return 0;
        }
    if (!strcmp (word, "port"))
        return take_port (badge, value);
    return !strcmp (word, "address") ? take_address (badge, value) : -1;
}

/* "word value" in a line of len bytes. The value is not shown when it is wrong: it may be most of a key. */
static int take_line (mpl_badge_t *badge, const char *line, size_t len)
{
    char text[160], *value;

    while (len && (line[len - 1] == '\r' || line[len - 1] == ' '))
        len--;
    if (!len || *line == '#')
        return 0;
    if (len >= sizeof text || memchr (line, '\0', len))
        return -1;
    memcpy (text, line, len);
    text[len] = '\0';
    value = strchr (text, ' ');
    if (!value)
        return -1;
    *value++ = '\0';
    int rc = take_word (badge, text, value);
    explicit_bzero (text, sizeof text);
    return rc;
}

int mpl__badge_parse (mpl_badge_t *badge, const char *name, const char *text, size_t len, mpl_err_t *err)
{
    int number = 1;

    *badge = (mpl_badge_t) { .port = 0 };
    for (size_t at = 0; at < len; number++) {
        const char *end = memchr (text + at, '\n', len - at);
        size_t n = end ? (size_t) (end - text) - at : len - at;
        if (take_line (badge, text + at, n) < 0) {
            mpl__badge_clear (badge);
            return mpl__err (err, EINVAL, "%.400s:%d: this is no line of a certificate; mpbroker --cert FILE makes FILE and "
                             "FILE.client", name, number);
        }
        at += n + 1;
    }
    if (*badge->broker_public && *badge->public_key && *badge->secret_key && (*badge->broker_secret || badge->n_addresses))
        return 0;
    mpl__badge_clear (badge);
    return mpl__err (err, EINVAL, "%.400s: this is no whole certificate; mpbroker --cert FILE makes FILE and FILE.client", name);
}

void mpl__badge_clear (mpl_badge_t *badge) { explicit_bzero (badge, sizeof *badge); }

/* ---- files ----------------------------------------------------------------------------------------------------- */

static int check_owner (int fd, const char *path, mpl_err_t *err)
{
    struct stat stat;

    if (fstat (fd, &stat) < 0)
        return mpl__err (err, errno, "the certificate %.400s cannot be read: %s", path, strerror (errno));
    if (!S_ISREG (stat.st_mode))
        return mpl__err (err, EINVAL, "the certificate %.400s is no file", path);
    if (stat.st_mode & (S_IRWXG | S_IRWXO) || (stat.st_uid != geteuid () && geteuid ()))
        return mpl__err (err, EPERM, "the certificate %.400s is open to others, who could run programs with it; "
                         "it has to be yours and of mode 600", path);
    return 0;
}

static int read_all (int fd, char text[MPL__BADGE_MAX], size_t *len)
{
    ssize_t n;

    *len = 0;
    while (*len < MPL__BADGE_MAX && (n = read (fd, text + *len, MPL__BADGE_MAX - *len)) != 0)
        if (n > 0)
            *len += (size_t) n;
        else if (errno != EINTR)
            return -1;
    return 0;
}

int mpl__badge_read (mpl_badge_t *badge, const char *path, mpl_err_t *err)
{
    char text[MPL__BADGE_MAX];
    size_t len;
    int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return mpl__err (err, errno, "the certificate %.400s cannot be read: %s", path, strerror (errno));
    int rc = check_owner (fd, path, err);
    if (!rc && read_all (fd, text, &len) < 0)
        rc = mpl__err (err, errno, "the certificate %.400s cannot be read: %s", path, strerror (errno));
    mpl__fd_close (&fd);
    if (!rc)
        rc = mpl__badge_parse (badge, path, text, len, err);
    explicit_bzero (text, sizeof text);
    return rc;
}

/* Under another name first: whoever reads it finds all of it or nothing. */
static int write_and_name (const char *path, const char *text, size_t len, int is_new)
{
    char other[PATH_MAX];
    int saved, rc = -1;

    if (snprintf (other, sizeof other, "%s.%d", path, (int) getpid ()) >= (int) sizeof other) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = open (other, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -1;
    if (mpl__fd_write_all (fd, text, len) == 0 && fsync (fd) == 0)
        rc = is_new ? link (other, path) : rename (other, path);
    saved = errno;
    mpl__fd_close (&fd);
    if (rc < 0 || is_new)
        unlink (other);
    errno = saved;
    return rc;
}

int mpl__badge_write (const mpl_badge_t *badge, const char *path, int is_new, mpl_err_t *err)
{
    char text[MPL__BADGE_MAX];
    int rc = write_and_name (path, text, mpl__badge_print (badge, text), is_new);

    explicit_bzero (text, sizeof text);
    return rc < 0 ? mpl__err (err, errno, "the certificate %.400s cannot be written: %s", path, strerror (errno)) : 0;
}
