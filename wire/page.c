#include "wire/page.h"

uint64_t mpl__page_culprit (const mpl_page_t *page, uint64_t chunk, int is_own_end)
{
    uint64_t item = atomic_load_explicit (&page->item, memory_order_acquire);

    if (item || !is_own_end || !chunk)
        return item;
    for (size_t i = 0; i < MPL__SLOTS; i++) {
        uint64_t word = atomic_load_explicit (&page->claims[i], memory_order_acquire);
        if (mpl__claim_is (word, chunk) && mpl__claim_claimed (word))
            return mpl__claim_claimed (word);
    }
    return 0;
}
