/* Operations that compute with planes of floats, in the work memory of a canvas:
   resizing, blurring and elastic warps. All threads call them, as in canvas.h. Rows of
   a plane are padded to a multiple of FM_PLANES_PADDING floats, so that strips of
   FM_LANES_COUNT columns divide them. */
#ifndef FM_PLANES_H
#define FM_PLANES_H

#include "canvas.h"

#define FM_PLANES_PADDING 8

/* Return the bytes that a transform needs at canvas->work; 0 if it needs none. */
uint64_t fm_planes_work_nbytes(const struct fm_transform *transform);

/* Resize a box of the image. In numpy: see fm_resample_apply. */
FM_CALLED void fm_planes_resize(struct fm_canvas *canvas, const struct fm_box *box,
                                const struct fm_resize *resize);

/* Blur. In numpy: see fm_filter_blur. */
FM_CALLED void fm_planes_blur(struct fm_canvas *canvas, const struct fm_blur *blur,
                              double sigma);

/* Displace each pixel by smooth noise. In numpy: see fm_elastic_apply. */
FM_CALLED void fm_planes_warp(struct fm_canvas *canvas,
                              const struct fm_elastic *elastic, const uint32_t key[2]);

#endif
