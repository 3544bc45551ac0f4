/* How the pixels of a program are written: their data type, and the channels of each,
   in planes or beside each other. */
#ifndef FM_FORMAT_H
#define FM_FORMAT_H

#include "machine.h"

#include "../program.h"

/* A copy of what a loop over the pixels of one channel needs. To the compiler, a
   written byte may be one of the program, which would be read again for each pixel. A
   loop that wrote all channels of a pixel would take 56 to 64 registers in cuts. Then
   fewer thread blocks would fit on a multiprocessor: see CONTRIBUTING.md. */
struct fm_format {
    enum fm_dtype dtype;
    uint32_t step; /* items from one pixel to the next */
    float scale, bias;
    uint8_t *out; /* the first pixel */
};

/* Return the format of a channel of an image that begins at `out`. */
FM_INLINE struct fm_format fm_format_of(const struct fm_program *program,
                                        uint32_t channel, uint8_t *out)
{
    const int is_interleaved = program->is_interleaved;
    const uint64_t begin =
        is_interleaved ? channel : channel * (uint64_t)fm_program_out_pixels(program);
    const struct fm_format format = {
        .dtype = program->dtype,
        .step = is_interleaved ? program->out.channels : 1,
        .scale = program->scale[channel],
        .bias = program->bias[channel],
        .out = out + begin * fm_convert_item_nbytes(program->dtype)};
    return format;
}

/* Write pixel n of an image. `dtype` is that of the format.
   In numpy: see fm_convert_fn and fm_convert_rgb_fn. */
FM_INLINE void fm_format_write(const struct fm_format *format, enum fm_dtype dtype,
                               uint8_t pixel, uint32_t n)
{
    fm_convert_pixel(dtype, pixel, format->scale, format->bias, n * format->step,
                     format->out);
}

#endif
