#include "gather.h"

/* Rows that lie side by side are copied a line of the cache at a time, then turned where they are all at hand. */
#define LINES 64

typedef struct {
    size_t count;
    int64_t from, to; /* steps in bytes */
} walk;

#define COPY(type) \
    for (size_t i = 0; i < count; i++) memcpy(to + i * sizeof(type), from + (int64_t)i * step, sizeof(type))

static void copy_run(const char *from, int64_t step, size_t count, size_t item, char *to) {
    if (step == (int64_t)item)
        memcpy(to, from, count * item);
    else if (item == sizeof(uint16_t))
        COPY(uint16_t);
    else if (item == sizeof(uint32_t))
        COPY(uint32_t);
    else
        COPY(uint64_t);
}

/* Turns as many lines of a tile as a vector holds items, by one shuffle after the other: what is a row of `to` stood in
   one place of each. A loop over single items takes three times as long. */
#if FI_X86
#define VECTOR sizeof(__m128i)
#define TURN(bits, rows, shuffles)                                                                          \
    static void turn_##bits(const char *from, char *to, int64_t to_step) {                                  \
        __m128i x[rows], y[rows];                                                                           \
        FI_UNROLL for (int i = 0; i < rows; i++) x[i] = _mm_load_si128((const __m128i *)(from + i * FI_LINE)); \
        FI_UNROLL for (int shuffle = 0; shuffle < shuffles; shuffle++) {                                    \
            FI_UNROLL for (int i = 0; i < rows / 2; i++) {                                                  \
                y[2 * i] = _mm_unpacklo_epi##bits(x[i], x[i + rows / 2]);                                   \
                y[2 * i + 1] = _mm_unpackhi_epi##bits(x[i], x[i + rows / 2]);                               \
            }                                                                                               \
            FI_UNROLL for (int i = 0; i < rows; i++) x[i] = y[i];                                           \
        }                                                                                                   \
        FI_UNROLL for (int i = 0; i < rows; i++) _mm_storeu_si128((__m128i *)(to + i * to_step), x[i]);     \
    }
TURN(16, 8, 3)
TURN(32, 4, 2)
TURN(64, 2, 1)

/* A whole tile; how many of its rows were turned. */
static size_t turn_tile(const char *tile, size_t rows, size_t item, char *to, int64_t to_step) {
    const size_t abreast = VECTOR / item;
    size_t row = 0;
    for (; row + abreast <= rows; row += abreast, tile += VECTOR, to += (int64_t)abreast * to_step)
        for (size_t i = 0; i < LINES; i += abreast)
            if (item == sizeof(uint16_t))
                turn_16(tile + i * FI_LINE, to + i * item, to_step);
            else if (item == sizeof(uint32_t))
                turn_32(tile + i * FI_LINE, to + i * item, to_step);
            else
                turn_64(tile + i * FI_LINE, to + i * item, to_step);
    return row;
}
#else
static size_t turn_tile(const char *tile, size_t rows, size_t item, char *to, int64_t to_step) {
    (void)tile, (void)rows, (void)item, (void)to, (void)to_step;
    return 0;
}
#endif

/* At most a line of rows that lie side by side. */
static void turn_rows(const char *from, const walk *rows, const walk *run, size_t item, char *to) {
    FI_ALIGNED(FI_LINE) char tile[LINES * FI_LINE];
    const size_t bytes = rows->count * item;
    for (size_t done = 0; done < run->count; done += LINES, to += LINES * item) {
        const size_t some = run->count - done < LINES ? run->count - done : LINES;
        for (size_t i = 0; i < some; i++, from += run->from) {
            if (bytes == FI_LINE)
                memcpy(tile + i * FI_LINE, from, FI_LINE);
            else
                memcpy(tile + i * FI_LINE, from, bytes);
        }
        for (size_t row = some < LINES ? 0 : turn_tile(tile, rows->count, item, to, rows->to); row < rows->count; row++)
            copy_run(tile + row * item, FI_LINE, some, item, to + (int64_t)row * rows->to);
    }
}

/* The last axis is the one along which what is written lies together. */
static void copy_axes(const char *from, const walk *axes, size_t count, size_t item, char *to) {
    if (count == 1) {
        copy_run(from, axes->from, axes->count, item, to);
    } else if (count == 2 && axes->from == (int64_t)item) {
        walk rows = *axes;
        for (size_t rest = axes->count; rest; rest -= rows.count) {
            rows.count = rest < FI_LINE / item ? rest : FI_LINE / item;
            turn_rows(from, &rows, &axes[1], item, to);
            from += rows.count * item, to += (int64_t)rows.count * rows.to;
        }
    } else {
        for (size_t i = 0; i < axes->count; i++, from += axes->from, to += axes->to)
            copy_axes(from, axes + 1, count - 1, item, to);
    }
}

/* Of each row the first `some` of an axis, with all that the axes after it hold. Axes that one step walks are joined;
   the one whose elements lie side by side comes next to the last. */
static void copy_box(const fi_array *a, int first, const char *from, walk rows, size_t some, char *to) {
    walk axes[FI_MOST_AXES + 1], *const end = axes + FI_MOST_AXES + 1, *outer = end;
    int64_t step = (int64_t)a->item;
    for (int i = a->axes - 1; i >= first; i--) {
        const size_t count = i == first ? some : (size_t)a->shape[i];
        if (outer < end && a->step[i] == outer->from * (int64_t)outer->count)
            outer->count *= count;
        else if (count > 1)
            *--outer = (walk){count, a->step[i], step};
        step *= (int64_t)count;
    }
    if (outer == end) *--outer = (walk){1, step, step};
    if (rows.count > 1) *--outer = rows;
    for (walk *one = outer; one + 2 < end; one++) {
        if (one->from != (int64_t)a->item) continue;
        const walk beside = *one;
        *one = end[-2], end[-2] = beside;
    }
    copy_axes(from, outer, (size_t)(end - outer), a->item, to);
}

/* The elements of an axis that begin or end within what one of its places holds are those of the axes after it. */
static void gather_from(const fi_array *a, int first_axis, const char *start, walk rows, size_t first, size_t count,
                        char *to) {
    size_t held = 1;
    for (int i = first_axis + 1; i < a->axes; i++) held *= (size_t)a->shape[i];
    while (count) {
        const char *from = start + (int64_t)(first / held) * a->step[first_axis];
        const size_t within = first % held;
        size_t some = count - count % held;
        if (within || !some) {
            some = held - within < count ? held - within : count;
            gather_from(a, first_axis + 1, from, rows, within, some, to);
        } else {
            copy_box(a, first_axis, from, rows, some / held, to);
        }
        first += some, count -= some, to += some * a->item;
    }
}

int fi_is_in_order(const fi_array *a, int axis) {
    int64_t step = (int64_t)a->item;
    for (int i = a->axes - 1; i >= axis; i--) {
        if (a->shape[i] == 1) continue;
        if (a->step[i] != step) return 0;
        step *= a->shape[i];
    }
    return 1;
}

void fi_gather(const fi_array *a, int axis, const char *start, int64_t row_step, size_t rows, size_t first,
               size_t count, void *out) {
    gather_from(a, axis, start, (walk){rows, row_step, (int64_t)(count * a->item)}, first, count, out);
}
