/* The image between two operations, in memory that the threads of a thread block share,
   and the operations that need no more memory. All threads call an operation, and it
   waits for all of them before it returns. The formulas are those of the kernels in
   ../augment/, and so are the bits. */
#ifndef FM_CANVAS_H
#define FM_CANVAS_H

#include "machine.h"

#include "../plan.h"

struct fm_canvas {
    const struct fm_thread_block *block;
    const uint8_t *pixels; /* the source, or one of the buffers */
    uint32_t height, width;
    uint8_t *buffers[2]; /* room for the largest image each */
    uint8_t *table;      /* (256,) */
    uint32_t *counts;    /* (256,) */
    uint8_t *work;       /* fm_planes_work_nbytes bytes (planes.h) */
};

/* Return the buffer that the pixels are not in. */
static inline uint8_t *fm_canvas_other(const struct fm_canvas *canvas)
{
    return canvas->buffers[canvas->pixels == canvas->buffers[0]];
}

/* Make `pixels` the image, and wait until all threads have written theirs. */
static inline void fm_canvas_replace(struct fm_canvas *canvas, const uint8_t *pixels,
                                     uint32_t height, uint32_t width)
{
    canvas->pixels = pixels;
    canvas->height = height;
    canvas->width = width;
    fm_machine_wait(canvas->block);
}

/* Crop, flip, and paint a box. In numpy: see fm_crop_fn (../augment/crop.h). */
FM_CALLED void fm_canvas_cut(struct fm_canvas *canvas, const struct fm_cut *cut);

/* Warp by an affine map. In numpy: see fm_warp_apply. */
FM_CALLED void fm_canvas_warp(struct fm_canvas *canvas, const struct fm_op_warp *warp);

/* Warp by a perspective map. In numpy: see fm_perspective_apply. */
FM_CALLED void fm_canvas_perspective(struct fm_canvas *canvas,
                                     const struct fm_perspective_map *map,
                                     const struct fm_perspective *perspective);

/* Look pixels up in the table of the first tone operations of n. Return how many these
   are. In numpy: see fm_tone_table. */
FM_CALLED uint32_t fm_canvas_tone(struct fm_canvas *canvas, const struct fm_op *ops,
                                  uint32_t n);

/* Sharpen or smooth. In numpy: see fm_filter_sharpen. */
FM_CALLED void fm_canvas_sharpen(struct fm_canvas *canvas, double factor);

/* Add noise. In numpy: see fm_noise_apply. */
FM_CALLED void fm_canvas_add_noise(struct fm_canvas *canvas,
                                   const struct fm_noise *noise, const uint32_t key[2]);

/* Make pixels white or black. In numpy: see fm_noise_salt_pepper. */
FM_CALLED void fm_canvas_salt_pepper(struct fm_canvas *canvas,
                                     const struct fm_op_salt_pepper *op);

/* Paint a box with random bytes. In numpy: see fm_erase_random.
   Not checked: the pixels are in a buffer, as after the cut that every plan has before
   this operation. */
FM_CALLED void fm_canvas_erase(struct fm_canvas *canvas, const struct fm_box *box,
                               const uint32_t key[2]);

#endif
