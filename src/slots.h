/* Slots. Each is the memory of one batch (record.h). Free slots are in a list, most
   recently returned first. Nothing here is safe to call from two threads at once. */
#ifndef FM_SLOTS_H
#define FM_SLOTS_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

#define FM_PAGE_NBYTES 4096 /* alignment of slots, and so the least they take */
#define FM_SLOT_ALIGNMENT 64 /* alignment of supplied slots: a cache line */

struct fm_slot {
    uint8_t *memory;
    struct fm_slot *next_free;
    int filler;          /* thread that filled it last and may have it in its cache */
    uint64_t units_left; /* pieces of work still to do until it is ready */
};

struct fm_slots {
    uint64_t slot_nbytes;
    int are_supplied; /* the memory is the caller's, and no slots can be added */
    struct fm_slot *free_list;
    uint64_t n_slots, n_lent;
};

/* Add a slot in memory of the caller. Return FM_OK or FM_NO_MEMORY.
   Not checked: memory has slot_nbytes bytes, from a multiple of FM_SLOT_ALIGNMENT
   on. */
enum fm_status fm_slots_supply(struct fm_slots *slots, void *memory);

/* Add slots until at least `n` slots are not lent. Return FM_OK or FM_NO_MEMORY. With
   supplied slots, none can be added: return FM_OK or FM_SLOTS_IN_USE. */
enum fm_status fm_slots_reserve(struct fm_slots *slots, uint64_t n);

/* Take a free slot: one that `filler` filled last if it was given back recently, and
   otherwise the one that was given back last.
   Not checked: a slot is free. */
struct fm_slot *fm_slots_pop(struct fm_slots *slots, int filler);

/* Put a slot in front of the free list. */
void fm_slots_push(struct fm_slots *slots, struct fm_slot *slot);

/* Return memory that starts at a multiple of FM_PAGE_NBYTES, or NULL if it is short. */
void *fm_slots_memory_new(size_t nbytes);
void fm_slots_memory_free(void *memory);

/* Free a slot that is not in the free list; or all slots in the free list. */
void fm_slots_drop(struct fm_slots *slots, struct fm_slot *slot);
void fm_slots_drop_free(struct fm_slots *slots);

#endif
