/* Planning a row; see plan.h. */
#include "plan.h"

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

/* Crop. If the image was only flipped so far, the crop is the mirrored crop, flipped,
   because every padding mode looks the same from both sides. */
static void plan_crop(struct planner *planner, uint32_t i, struct fm_draws *draws)
{
    const struct fm_crop *crop = &fm_program_transforms(planner->program)[i].crop;
    struct fm_cut *cut = open_cut(planner, i);
    if (cut->height != planner->cut_height || cut->width != planner->cut_width ||
        cut->top != 0 || cut->left != 0) /* not only flipped so far */
        cut = add_cut(planner, i);
    int64_t top = crop->top + fm_draws_below(draws, crop->n_tops);
    int64_t left = crop->left + fm_draws_below(draws, crop->n_lefts);
    if (cut->flip_y)
        top = (int64_t)cut->height - top - (int64_t)crop->height;
    if (cut->flip_x)
        left = (int64_t)cut->width - left - (int64_t)crop->width;
    cut->top = top;
    cut->left = left;
    cut->height = crop->height;
    cut->width = crop->width;
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

static void plan_user(struct planner *planner, uint32_t i, const struct fm_draws *draws)
{
    fm_rng_draw(draws->seed, draws->epoch, draws->position, draws->operation, 1,
                add(planner, FM_OP_USER, i)->random);
}

static void plan_transform(struct planner *planner, uint32_t i,
                           const struct fm_transform *transform, struct fm_draws *draws)
{
    switch (transform->kind) {
    case FM_TRANSFORM_GROUP:
    case FM_TRANSFORM_CHOICE: /* control flow, in fm_plan_row */
        break;
    case FM_TRANSFORM_CROP:
        plan_crop(planner, i, draws);
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
    }
}

/* ---- draws in advance ------------------------------------------------------------ */

/* Return how many draws of a transform are made in advance: two if it takes more than
   four words. */
static uint32_t n_draws_ahead(const struct fm_transform *transform)
{
    return 1 + (transform->kind == FM_TRANSFORM_AFFINE ||
                transform->kind == FM_TRANSFORM_RESIZED_CROP ||
                transform->kind == FM_TRANSFORM_ERASING);
}

/* Plan the cuts of all lanes, with the words made in advance. */
static void plan_cuts(const struct fm_program *program, struct fm_ahead *ahead)
{
    const struct fm_transform *all = fm_program_transforms(program);
    const struct fm_crop *crop =
        all->kind == FM_TRANSFORM_CROP ? &all->crop : NULL;
    uint8_t flip_y[FM_WORDS_LANES] = {0}, flip_x[FM_WORDS_LANES] = {0};
    for (uint32_t i = crop != NULL; i < program->n_transforms; i++) {
        uint8_t *flips = all[i].flip.vertical ? flip_y : flip_x;
        for (size_t lane = 0; lane < FM_WORDS_LANES; lane++)
            flips[lane] ^= ahead->words[i][lane] < all[i].threshold;
    }
    const uint32_t *tops = ahead->words[0] + FM_DRAWS_STRIDE; /* word 1 */
    const uint32_t *lefts = tops + FM_DRAWS_STRIDE;
    for (size_t lane = 0; lane < FM_WORDS_LANES; lane++) {
        struct fm_op *op = &ahead->cuts[lane];
        op->kind = FM_OP_CUT;
        op->transform = 0;
        fm_crop_set_whole(&op->cut, program->out.height, program->out.width);
        op->cut.flip_y = flip_y[lane];
        op->cut.flip_x = flip_x[lane];
        ahead->n_ops[lane] = crop || flip_y[lane] || flip_x[lane];
        if (crop == NULL)
            continue;
        op->cut.top = crop->top + (int64_t)(tops[lane] * crop->n_tops >> 32);
        op->cut.left = crop->left + (int64_t)(lefts[lane] * crop->n_lefts >> 32);
        op->cut.mode = crop->mode;
        op->cut.fill = crop->fill;
    }
}

void fm_plan_ahead(const struct fm_program *program, const struct fm_kernels *kernels,
                   const struct fm_key *key, struct fm_ahead *out)
{
    const struct fm_transform *all = fm_program_transforms(program);
    for (uint32_t i = 0; i < FM_PROGRAM_AHEAD && i < program->n_transforms; i++)
        for (uint32_t draw = 0; draw < n_draws_ahead(&all[i]); draw++)
            kernels->draws(key->seed, key->epoch, key->position,
                           fm_program_operation(key->view, i), draw,
                           out->words[i] + draw * FM_WORDS_CHUNK);
    if (program->is_cut)
        plan_cuts(program, out);
}

/* ---- groups, choices and coins --------------------------------------------------- */

/* Return whether a transform runs: by its coin, or by the epoch for alternating
   flips. */
static int applies(const struct planner *planner, const struct fm_transform *transform,
                   struct fm_draws *draws)
{
    if (transform->kind != FM_TRANSFORM_FLIP || !transform->flip.alternating)
        return fm_draws_coin(draws, transform->threshold);
    struct fm_draws first;
    fm_draws_begin(&first, draws->seed, 0, planner->index, draws->operation);
    return ((fm_draws_word(&first) >> 31) + planner->key->epoch) & 1;
}

/* Start the words of transform i. */
FM_INLINE void begin_draws(const struct planner *planner, uint32_t i,
                           const struct fm_transform *transform, struct fm_draws *draws)
{
    const struct fm_key *key = planner->key;
    fm_draws_begin(draws, key->seed, key->epoch, key->position,
                   fm_program_operation(key->view, i));
    if (planner->ahead && i < FM_PROGRAM_AHEAD) {
        draws->n_known = 4 * n_draws_ahead(transform);
        draws->known = planner->ahead->words[i] + planner->lane;
    }
}

void fm_plan_row(const struct fm_program *program, const struct fm_key *key,
                 uint64_t index, const struct fm_ahead *ahead, size_t lane,
                 struct fm_op *ops, struct fm_row *row)
{
    const struct fm_transform *const all = fm_program_transforms(program);
    if (program->is_cut && ahead) {
        row->ops = &ahead->cuts[lane];
        row->n_ops = ahead->n_ops[lane];
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
    uint32_t chosen = 0; /* the last group that a choice took */
    for (uint32_t i = 0; i < program->n_transforms;) {
        const struct fm_transform *transform = &all[i];
        struct fm_draws draws;
        if (transform->is_alternative && i != chosen) { /* after the chosen group */
            i = transform->after;
            continue;
        }
        begin_draws(&planner, i, transform, &draws);
        if (!applies(&planner, transform, &draws)) {
            i = transform->after;
        } else if (transform->kind == FM_TRANSFORM_CHOICE) {
            const uint32_t pick = fm_draws_word(&draws);
            chosen = i + 1;
            while (pick >= all[chosen].until)
                chosen += 1 + all[chosen].n_inner;
            i = chosen;
        } else {
            plan_transform(&planner, i, transform, &draws);
            i++;
        }
    }
    row->ops = ops;
    row->n_ops = planner.n_ops;
}
