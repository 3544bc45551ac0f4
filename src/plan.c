/* Planning a row; see plan.h. */
#include "ahead.h"

#include "augment/order.h"

/* A list of operations under construction. */
struct planner {
    const struct fm_program *program;
    const struct fm_key *key;
    uint64_t index;
    const struct fm_ahead *ahead; /* NULL: no draws in advance */
    size_t lane;
    struct fm_op *ops;
    uint32_t n_ops;
    size_t cut_height, cut_width; /* size before the last operation, if it is a cut */
};

static struct fm_op *add(struct planner *planner, enum fm_op_kind kind,
                         uint32_t transform)
{
    struct fm_op *op = &planner->ops[planner->n_ops++];
    op->kind = kind;
    op->transform = transform;
    return op;
}

/* Return the last operation if it is of `kind`, or NULL. */
static struct fm_op *last(const struct planner *planner, enum fm_op_kind kind)
{
    if (planner->n_ops == 0)
        return NULL;
    struct fm_op *op = &planner->ops[planner->n_ops - 1];
    return op->kind == kind ? op : NULL;
}

/* Draw the key of random words. */
static void draw_key(struct fm_draws *draws, uint32_t key[2])
{
    key[0] = fm_draws_word(draws);
    key[1] = fm_draws_word(draws);
}

/* ---- crops, flips and painted boxes --------------------------------------------- */

/* Return a new cut of the whole image. */
static struct fm_cut *add_cut(struct planner *planner, uint32_t i)
{
    const struct fm_transform *transform = &fm_program_transforms(planner->program)[i];
    struct fm_op *op = add(planner, FM_OP_CUT, i);
    planner->cut_height = transform->height;
    planner->cut_width = transform->width;
    fm_crop_set_whole(&op->cut, transform->height, transform->width);
    return &op->cut;
}

/* Return the last operation if it is a cut that may still be flipped and painted on, or
   a new cut. */
static struct fm_cut *open_cut(struct planner *planner, uint32_t i)
{
    struct fm_op *op = last(planner, FM_OP_CUT);
    return op && op->cut.hole.height == 0 ? &op->cut : add_cut(planner, i);
}

/* Crop height x width pixels from (top, left) on. If the image was only flipped so far,
   the crop is the mirrored crop, flipped, because every padding mode looks the same
   from both sides. Return the cut, whose padding the caller sets. */
static struct fm_cut *add_crop(struct planner *planner, uint32_t i, int64_t top,
                               int64_t left, size_t height, size_t width)
{
    struct fm_cut *cut = open_cut(planner, i);
    if (cut->height != planner->cut_height || cut->width != planner->cut_width ||
        cut->top != 0 || cut->left != 0) /* not only flipped so far */
        cut = add_cut(planner, i);
    if (cut->flip_y)
        top = (int64_t)cut->height - top - (int64_t)height;
    if (cut->flip_x)
        left = (int64_t)cut->width - left - (int64_t)width;
    cut->top = top;
    cut->left = left;
    cut->height = height;
    cut->width = width;
    return cut;
}

static void plan_crop(struct planner *planner, uint32_t i, const struct fm_crop *crop,
                      struct fm_draws *draws)
{
    const int64_t top = crop->top + fm_draws_below(draws, crop->n_tops);
    const int64_t left = crop->left + fm_draws_below(draws, crop->n_lefts);
    struct fm_cut *cut = add_crop(planner, i, top, left, crop->height, crop->width);
    cut->mode = crop->mode;
    cut->fill = crop->fill;
}

static void plan_flip(struct planner *planner, uint32_t i, const struct fm_flip *flip)
{
    struct fm_cut *cut = open_cut(planner, i);
    if (flip->vertical)
        cut->flip_y ^= 1;
    else
        cut->flip_x ^= 1;
}

/* Paint a box. If none fits, the cut is still there, and separates affine maps. */
static void plan_erasing(struct planner *planner, uint32_t i,
                         const struct fm_transform *transform, struct fm_draws *draws)
{
    const struct fm_erasing *erasing = &transform->erasing;
    struct fm_cut *cut = open_cut(planner, i);
    struct fm_box box;
    if (!fm_erase_draw(erasing, transform->height, transform->width, draws, &box))
        return;
    if (erasing->random) {
        struct fm_op_erase *erase = &add(planner, FM_OP_ERASE, i)->erase;
        erase->box = box;
        draw_key(draws, erase->key);
    } else {
        cut->hole = box;
        cut->hole_value = erasing->value;
    }
}

static void plan_cutout(struct planner *planner, uint32_t i,
                        const struct fm_transform *transform, struct fm_draws *draws)
{
    struct fm_cut *cut = open_cut(planner, i);
    fm_erase_draw_cutout(&transform->cutout, transform->height, transform->width, draws,
                         &cut->hole);
    cut->hole_value = transform->cutout.value;
}

/* ---- other transforms ------------------------------------------------------------ */

static void plan_affine(struct planner *planner, uint32_t i,
                        const struct fm_affine *affine, struct fm_draws *draws)
{
    struct fm_op *op = last(planner, FM_OP_WARP);
    struct fm_map map;
    fm_warp_draw(affine, draws, &map);
    if (op && op->warp.interpolation == affine->interpolation &&
        op->warp.fill == affine->fill) {
        fm_warp_compose(&op->warp.map, &map, &op->warp.map);
        return;
    }
    op = add(planner, FM_OP_WARP, i);
    op->warp.map = map;
    op->warp.interpolation = affine->interpolation;
    op->warp.fill = affine->fill;
}

static void plan_tone(struct planner *planner, uint32_t i, enum fm_tone_kind kind,
                      double value)
{
    struct fm_op *op = add(planner, FM_OP_TONE, i);
    op->tone.kind = kind;
    op->tone.value = value;
}

static void plan_jitter(struct planner *planner, uint32_t i,
                        const struct fm_jitter *jitter, struct fm_draws *draws)
{
    const int contrast_first = fm_draws_word(draws) >> 31;
    const double brightness = fm_draws_range(draws, &jitter->brightness);
    const double contrast = fm_draws_range(draws, &jitter->contrast);
    if (contrast_first && contrast != 1.0)
        plan_tone(planner, i, FM_TONE_CONTRAST, contrast);
    if (brightness != 1.0)
        plan_tone(planner, i, FM_TONE_BRIGHTNESS, brightness);
    if (!contrast_first && contrast != 1.0)
        plan_tone(planner, i, FM_TONE_CONTRAST, contrast);
}

static void plan_resize(struct planner *planner, uint32_t i,
                        const struct fm_transform *transform, struct fm_draws *draws)
{
    struct fm_box *box = &add(planner, FM_OP_RESIZE, i)->box;
    if (transform->kind == FM_TRANSFORM_RESIZED_CROP) {
        fm_resample_draw(&transform->resized_crop, transform->height, transform->width,
                         draws, box);
        return;
    }
    box->top = box->left = 0;
    box->height = transform->height;
    box->width = transform->width;
}

/* Cut the canvas around the image, and resize it. */
static void plan_zoom_out(struct planner *planner, uint32_t i,
                          const struct fm_transform *transform, struct fm_draws *draws)
{
    const struct fm_zoom_out *zoom_out = &transform->zoom_out;
    const double factor = fm_draws_range(draws, &zoom_out->side);
    const size_t height = fm_resample_canvas(transform->height, factor);
    const size_t width = fm_resample_canvas(transform->width, factor);
    const int64_t left = fm_draws_below(draws, width - transform->width);
    const int64_t top = fm_draws_below(draws, height - transform->height);
    struct fm_cut *cut = add_crop(planner, i, -top, -left, height, width);
    cut->mode = FM_PAD_CONSTANT;
    cut->fill = zoom_out->fill;
    struct fm_box *box = &add(planner, FM_OP_RESIZE, i)->box;
    box->top = box->left = 0;
    box->height = height;
    box->width = width;
}

static void plan_user(struct planner *planner, uint32_t i, const struct fm_draws *draws)
{
    fm_rng_draw(draws->seed, draws->epoch, draws->position, draws->operation, 1,
                add(planner, FM_OP_USER, i)->random);
}

static void plan_salt_pepper(struct planner *planner, uint32_t i,
                             const struct fm_salt_pepper *salt_pepper,
                             struct fm_draws *draws)
{
    struct fm_op_salt_pepper *op = &add(planner, FM_OP_SALT_PEPPER, i)->salt_pepper;
    const double amount = fm_draws_range(draws, &salt_pepper->amount);
    op->salt = fm_noise_threshold(amount * salt_pepper->salt_vs_pepper);
    op->amount = fm_noise_threshold(amount);
    draw_key(draws, op->key);
}

static void plan_transform(struct planner *planner, uint32_t i,
                           const struct fm_transform *transform, struct fm_draws *draws)
{
    switch (transform->kind) {
    case FM_TRANSFORM_GROUP:
    case FM_TRANSFORM_CHOICE:
    case FM_TRANSFORM_ORDER: /* control flow, in plan_transforms */
        break;
    case FM_TRANSFORM_CROP:
        plan_crop(planner, i, &transform->crop, draws);
        break;
    case FM_TRANSFORM_FLIP:
        plan_flip(planner, i, &transform->flip);
        break;
    case FM_TRANSFORM_AFFINE:
        plan_affine(planner, i, &transform->affine, draws);
        break;
    case FM_TRANSFORM_ELASTIC:
        draw_key(draws, add(planner, FM_OP_ELASTIC, i)->key);
        break;
    case FM_TRANSFORM_RESIZE:
    case FM_TRANSFORM_RESIZED_CROP:
        plan_resize(planner, i, transform, draws);
        break;
    case FM_TRANSFORM_TONE:
        plan_tone(planner, i, transform->tone.kind,
                  fm_draws_range(draws, &transform->tone.value));
        break;
    case FM_TRANSFORM_JITTER:
        plan_jitter(planner, i, &transform->jitter, draws);
        break;
    case FM_TRANSFORM_BLUR:
        add(planner, FM_OP_BLUR, i)->amount =
            fm_draws_range(draws, &transform->blur.sigma);
        break;
    case FM_TRANSFORM_SHARPNESS:
        add(planner, FM_OP_SHARPNESS, i)->amount =
            fm_draws_range(draws, &transform->sharpness.factor);
        break;
    case FM_TRANSFORM_NOISE:
        draw_key(draws, add(planner, FM_OP_NOISE, i)->key);
        break;
    case FM_TRANSFORM_ERASING:
        plan_erasing(planner, i, transform, draws);
        break;
    case FM_TRANSFORM_CUTOUT:
        plan_cutout(planner, i, transform, draws);
        break;
    case FM_TRANSFORM_USER:
        plan_user(planner, i, draws);
        break;
    case FM_TRANSFORM_PERSPECTIVE:
        fm_perspective_draw(&transform->perspective, transform->height,
                            transform->width, draws,
                            &add(planner, FM_OP_PERSPECTIVE, i)->perspective);
        break;
    case FM_TRANSFORM_ZOOM_OUT:
        plan_zoom_out(planner, i, transform, draws);
        break;
    case FM_TRANSFORM_SALT_PEPPER:
        plan_salt_pepper(planner, i, &transform->salt_pepper, draws);
        break;
    }
}

/* ---- groups, choices, orders and coins ------------------------------------------- */

/* Return whether an alternating flip runs. operation: of its draws. */
static int runs_now(const struct fm_key *key, uint64_t index, uint32_t operation)
{
    struct fm_draws first;
    fm_draws_begin(&first, key->seed, 0, index, operation);
    return ((fm_draws_word(&first) >> 31) + key->epoch) & 1;
}

/* Return whether a transform runs: by its coin, or by the epoch for alternating
   flips. */
static int applies(const struct planner *planner, const struct fm_transform *transform,
                   struct fm_draws *draws)
{
    if (fm_transform_alternates(transform))
        return runs_now(planner->key, planner->index, draws->operation);
    return fm_draws_coin(draws, transform->threshold);
}

/* Copy a cut made in advance, and add the alternating flips. They need the index of the
   sample. Return the number of operations. When these flips were planned like other
   transforms, an epoch of crop + alternating flip took 23 % longer than one of crop +
   flip. Now it takes 2 % longer. */
static uint32_t add_alternating(const struct fm_program *program,
                                const struct fm_key *key, uint64_t index,
                                const struct fm_op *ahead, uint32_t n_ops,
                                struct fm_op *op)
{
    const struct fm_transform *const all = fm_program_transforms(program);
    *op = *ahead;
    for (uint32_t i = 0; i < program->n_transforms; i++) {
        if (!fm_transform_alternates(&all[i]))
            continue;
        int *const flip = all[i].flip.vertical ? &op->cut.flip_y : &op->cut.flip_x;
        *flip ^= runs_now(key, index, fm_program_operation(key->view, i));
    }
    return n_ops || op->cut.flip_y || op->cut.flip_x;
}

/* Start the words of transform i. */
FM_INLINE void begin_draws(const struct planner *planner, uint32_t i,
                           const struct fm_transform *transform, struct fm_draws *draws)
{
    const struct fm_key *key = planner->key;
    fm_draws_begin(draws, key->seed, key->epoch, key->position,
                   fm_program_operation(key->view, i));
    if (planner->ahead && i < FM_PROGRAM_AHEAD) {
        draws->n_known = 4 * fm_ahead_count_draws(transform);
        draws->known = planner->ahead->words[i] + planner->lane;
    }
}

/* Walk through the transforms of a row. */
static void plan_transforms(struct planner *planner, const struct fm_transform *all,
                            uint32_t n)
{
    uint32_t chosen = 0; /* the last group that a choice or an order took */
    struct fm_order order = {.first = 0, .end = FM_ORDER_NONE, .left = 0, .n_words = 0};
    for (uint32_t i = 0; i < n || i == order.end;) {
        const struct fm_transform *transform = &all[i];
        struct fm_draws draws;
        if (i == order.end) { /* before each of its groups, and after the last one */
            begin_draws(planner, order.first - 1, &all[order.first - 1], &draws);
            i = fm_order_next(&order, all, &draws, &chosen);
            continue;
        }
        if (transform->is_alternative && i != chosen) { /* after the chosen group */
            i = transform->after;
            continue;
        }
        begin_draws(planner, i, transform, &draws);
        if (!applies(planner, transform, &draws)) {
            i = transform->after;
        } else if (transform->kind == FM_TRANSFORM_CHOICE) {
            const uint32_t pick = fm_draws_word(&draws);
            chosen = i + 1;
            while (pick >= all[chosen].until)
                chosen += 1 + all[chosen].n_inner;
            i = chosen;
        } else if (transform->kind == FM_TRANSFORM_ORDER) {
            fm_order_begin(&order, all, i);
            i = order.end;
        } else {
            plan_transform(planner, i, transform, &draws);
            i++;
        }
    }
}

void fm_plan_row(const struct fm_program *program, const struct fm_key *key,
                 uint64_t index, const struct fm_ahead *ahead, size_t lane,
                 struct fm_op *ops, struct fm_row *row)
{
    if (program->is_cut && ahead) {
        row->ops = &ahead->cuts[lane];
        row->n_ops = ahead->n_ops[lane];
        if (program->alternates) {
            row->n_ops =
                add_alternating(program, key, index, row->ops, row->n_ops, ops);
            row->ops = ops;
        }
        return;
    }
    struct planner planner = {.program = program,
                              .key = key,
                              .index = index,
                              .ahead = ahead,
                              .lane = lane,
                              .ops = ops,
                              .n_ops = 0,
                              .cut_height = 0,
                              .cut_width = 0};
    plan_transforms(&planner, fm_program_transforms(program), program->n_transforms);
    row->ops = ops;
    row->n_ops = planner.n_ops;
}
