/* Memory of batches, and the list of free slots; see slots.h. */
#define _GNU_SOURCE /* madvise */

#include "slots.h"

#include <stdlib.h>

#ifdef _WIN32
#include <malloc.h>
#else
#include <sys/mman.h>
#endif

/* Free slots that are searched for one that the same thread filled, and so has in its
   cache. For an epoch of Fashion-MNIST, two threads take 7.2 ms without a search,
   4.2 ms with 4 slots and 3.6 ms with 16. Longer searches find nothing more. */
#define N_LOOKS 16
#define HUGE_PAGE_NBYTES ((size_t)2 << 20)

void *fm_slots_memory_new(size_t nbytes)
{
#ifdef _WIN32
    return _aligned_malloc(nbytes, FM_PAGE_NBYTES);
#else
    void *memory = NULL;
    size_t alignment = nbytes < HUGE_PAGE_NBYTES ? FM_PAGE_NBYTES : HUGE_PAGE_NBYTES;
    if (posix_memalign(&memory, alignment, nbytes) != 0)
        return NULL;
#ifdef MADV_HUGEPAGE
    if (nbytes >= HUGE_PAGE_NBYTES) /* fewer page faults; a refusal costs nothing */
        (void)madvise(memory, nbytes, MADV_HUGEPAGE);
#endif
    return memory;
#endif
}

void fm_slots_memory_free(void *memory)
{
#ifdef _WIN32
    _aligned_free(memory);
#else
    free(memory);
#endif
}

static enum fm_status add_slot(struct fm_slots *slots, void *memory)
{
    struct fm_slot *slot = (struct fm_slot *)calloc(1, sizeof *slot);
    if (slot == NULL)
        return FM_NO_MEMORY;
    slot->memory = (uint8_t *)memory;
    slot->filler = -1;
    fm_slots_push(slots, slot);
    slots->n_slots++;
    return FM_OK;
}

enum fm_status fm_slots_supply(struct fm_slots *slots, void *memory)
{
    slots->are_supplied = 1;
    return add_slot(slots, memory);
}

enum fm_status fm_slots_reserve(struct fm_slots *slots, uint64_t n)
{
    while (slots->n_slots - slots->n_lent < n) {
        if (slots->are_supplied)
            return FM_SLOTS_IN_USE;
        void *memory = fm_slots_memory_new((size_t)slots->slot_nbytes);
        if (memory == NULL)
            return FM_NO_MEMORY;
        enum fm_status status = add_slot(slots, memory);
        if (status != FM_OK) {
            fm_slots_memory_free(memory);
            return status;
        }
    }
    return FM_OK;
}

struct fm_slot *fm_slots_pop(struct fm_slots *slots, int filler)
{
    struct fm_slot **link = &slots->free_list;
    for (int i = 0; i < N_LOOKS && *link && (*link)->filler != filler; i++)
        link = &(*link)->next_free;
    if (*link == NULL || (*link)->filler != filler)
        link = &slots->free_list;
    struct fm_slot *slot = *link;
    *link = slot->next_free;
    slot->filler = filler;
    return slot;
}

void fm_slots_push(struct fm_slots *slots, struct fm_slot *slot)
{
    slot->next_free = slots->free_list;
    slots->free_list = slot;
}

void fm_slots_drop(struct fm_slots *slots, struct fm_slot *slot)
{
    if (!slots->are_supplied)
        fm_slots_memory_free(slot->memory);
    free(slot);
    slots->n_slots--;
}

void fm_slots_drop_free(struct fm_slots *slots)
{
    while (slots->free_list) {
        struct fm_slot *slot = slots->free_list;
        slots->free_list = slot->next_free;
        fm_slots_drop(slots, slot);
    }
}
