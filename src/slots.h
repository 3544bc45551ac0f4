/* Slots: the memory of one batch each, images, padding to a multiple of 256 bytes,
   labels. Free ones are kept in a list, the one given back last in front. Nothing here
   is safe to call from two threads at once. */
#ifndef FM_SLOTS_H
#define FM_SLOTS_H

#include "batch.h"
#include "status.h"

#define FM_PAGE_NBYTES 4096 /* what a slot starts on, and so what it takes at least */
#define FM_SLOT_ALIGNMENT 64 /* what supplied memory starts on: a whole cache line */

struct fm_slot {
    uint8_t *images;
    uint8_t *labels;
    struct fm_slot *next_free;
    int filler;          /* who filled it last, and so may have it in its cache */
    uint64_t units_left; /* pieces of work until it is ready */
};

struct fm_slot_layout {
    uint64_t rows;          /* rows of the largest batch */
    uint64_t labels_offset; /* where the labels start */
    uint64_t nbytes;
};

struct fm_slots {
    struct fm_slot_layout layout;
    int are_supplied; /* the memory is somebody else's, and there is no more */
    struct fm_slot *free_list;
    uint64_t n_slots, n_lent;
};

/* FM_NO_MEMORY when rows * bytes of a row don't fit the address space. */
enum fm_status fm_slots_layout(const struct fm_plan *plan, uint64_t rows,
                               struct fm_slot_layout *out);

/* A slot in memory that is not ours, layout.nbytes from a multiple of
   FM_SLOT_ALIGNMENT on. */
enum fm_status fm_slots_supply(struct fm_slots *slots, void *memory);

/* Make sure of `n` slots that are not lent; else FM_NO_MEMORY, or FM_SLOTS_IN_USE where
   they are supplied. */
enum fm_status fm_slots_reserve(struct fm_slots *slots, uint64_t n);

/* Take a free slot that `filler` filled last, if one was given back lately, or else
   the one given back last.
   Not checked: there is a free one. */
struct fm_slot *fm_slots_pop(struct fm_slots *slots, int filler);

void fm_slots_push(struct fm_slots *slots, struct fm_slot *slot);

/* Memory that starts at a multiple of FM_PAGE_NBYTES; NULL when there is none. */
void *fm_memory_new(size_t nbytes);
void fm_memory_free(void *memory);

/* Free a slot that is in no list, or all that are in the free list. */
void fm_slots_drop(struct fm_slots *slots, struct fm_slot *slot);
void fm_slots_drop_free(struct fm_slots *slots);

#endif
