#include "launcher/texts.h"

#include <string.h>

int mpl__texts_add (mpl_texts_t *self, mpl_store_t *store, const char *text)
{
    size_t used = self->n + 1;                          /* with the NULL */

    if ((used & (used - 1)) == 0) {                     /* the room is always a power of two */
        char **larger = mpl__store_get (store, 2 * used * sizeof *larger);
        if (!larger)
            return -1;
        if (self->n)
            memcpy (larger, self->texts, self->n * sizeof *larger);
        self->texts = larger;
    }
    self->texts[self->n++] = (char *) text;
    self->texts[self->n] = NULL;
    return 0;
}
