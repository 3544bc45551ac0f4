/* The threads that are filling at a moment, as a list whose items lie on their stacks.
   All calls are made with the mutex of the pipeline held. */
#ifndef FM_FILLERS_H
#define FM_FILLERS_H

#include <stddef.h>

#include "thread.h"

struct fm_filler {
    fm_thread_id thread;
    struct fm_filler *next;
};

struct fm_fillers {
    struct fm_filler *first;
    int n;
};

/* Add the current thread as the item *own. */
static inline void fm_fillers_enter(struct fm_fillers *fillers, struct fm_filler *own)
{
    own->thread = fm_thread_self();
    own->next = fillers->first;
    fillers->first = own;
    fillers->n++;
}

/* Remove the item *own. */
static inline void fm_fillers_leave(struct fm_fillers *fillers, struct fm_filler *own)
{
    struct fm_filler **link = &fillers->first;
    while (*link != own)
        link = &(*link)->next;
    *link = own->next;
    fillers->n--;
}

/* Return whether the current thread is one of them, and so is in a C function of the
   user. A thread-local variable would need 64 MiB of addresses in each worker. */
static inline int fm_fillers_has_self(const struct fm_fillers *fillers)
{
    const struct fm_filler *filler = fillers->first;
    while (filler && !fm_thread_is(filler->thread))
        filler = filler->next;
    return filler != NULL;
}

#endif
