#include "fill.h"

#include "pages.h"
#include "threads.h"

/* Work is dealt out in pieces of so many values: about 30 us, and a multiple of the batch. */
#define PIECE ((size_t)1 << 16)
/* Where values lie apart in fresh memory each may be the first of a page of 2 MiB, which the system has to clear: whether
   it is so is asked of some of those to come. */
#define PIECE_APART ((size_t)1 << 6)
#define AHEAD (4 * PIECE)
#define ASKED ((size_t)32)
/* To start a thread takes as long as two of them, or more where the cores are busy: with one for every two, 256 Ki
   values took a tenth to a third longer than on one thread. */
#define WORTH_A_THREAD (4 * PIECE)
#define WIDEST_ITEM 8
/* Values whose numbers lie within so many are made together, with those between them. */
#define TOGETHER 512
/* Memory of so many bytes is asked whether it is fresh; and so much of what is, where there is enough for all threads,
   is one piece: the system locks pages by the table of theirs, which at 4 KiB a page has 512. */
#define LARGE ((size_t)1 << 20)
#define TABLE ((size_t)1 << 21)

typedef struct {
    fi_fill_fn *fill;
    fi_key key;
    const fi_parameters *parameters;
    const fi_region *region;
    char *out;
    size_t item, done, values, piece;
    int fresh;
    fi_stream_fn *stream; /* or NULL */
} job;

static void scatter(const char *items, int64_t item_step, char *out, int64_t out_step, size_t count, size_t item) {
    for (size_t i = 0; i < count; i++, items += item_step, out += out_step) memcpy(out, items, item);
}

/* first + step count, where only the numbers before it need exist: after the last one it may leave the stream. */
static int64_t moved(int64_t first, int64_t step, size_t count) {
    return (int64_t)((uint64_t)first + (uint64_t)step * count);
}

/* `count` values in a row, of which whole lines of memory are made on the stack and streamed. */
static void stream_run(const job *j, uint64_t first, char *out, size_t count) {
    FI_ALIGNED(FI_LINE) char lines[TOGETHER * WIDEST_ITEM];
    const size_t before = (FI_LINE - (uintptr_t)out % FI_LINE) % FI_LINE / j->item;
    size_t now = before < count ? before : count;
    j->fill(j->key, j->parameters, first, now, out);
    while (first += now, out += now * j->item, (count -= now) >= TOGETHER) {
        now = TOGETHER;
        j->fill(j->key, j->parameters, first, now, lines);
        j->stream(out, lines, now * j->item);
    }
    FI_END_STREAM();
    j->fill(j->key, j->parameters, first, count, out);
}

/* `count` values along the last axis: numbers first, first + step, ... */
static void fill_run(const job *j, int64_t first, int64_t step, char *out, int64_t out_step, size_t count) {
    FI_ALIGNED(64) char items[TOGETHER * WIDEST_ITEM];
    const int64_t item = (int64_t)j->item;
    if (step == 1 && out_step == item && (uintptr_t)out % j->item == 0) {
        if (j->stream)
            stream_run(j, (uint64_t)first, out, count);
        else
            j->fill(j->key, j->parameters, (uint64_t)first, count, out);
        return;
    }
    const int64_t stride = step < 0 ? -step : step;
    const int64_t item_step = stride < TOGETHER ? step * item : 0;
    const size_t together = stride == 0 ? count : stride < TOGETHER ? (size_t)((TOGETHER - 1) / stride + 1) : 1;
    while (count) {
        size_t now = together < count ? together : count;
        int64_t span = stride * (int64_t)(now - 1);
        int64_t least = step < 0 ? first - span : first;
        j->fill(j->key, j->parameters, (uint64_t)least, (size_t)span + 1, items);
        scatter(items + (first - least) * item, item_step, out, out_step, now, j->item);
        first = moved(first, step, now), out += out_step * (int64_t)now, count -= now;
    }
}

static void fill_piece(void *context, size_t piece) {
    const job *j = context;
    const fi_region *r = j->region;
    const int last = r->axes - 1;
    const size_t before = piece * j->piece;
    size_t done = j->done + before, end = done + (j->values - before < j->piece ? j->values - before : j->piece);
    if (j->fresh) fi_give_pages(j->out + done * j->item, (end - done) * j->item);
    int64_t index[FI_MOST_AXES];
    size_t rest = done;
    for (int axis = last; axis >= 0; axis--) {
        index[axis] = (int64_t)(rest % (size_t)r->shape[axis]);
        rest /= (size_t)r->shape[axis];
    }
    while (done < end) {
        int64_t number = r->first;
        char *place = j->out;
        for (int axis = 0; axis <= last; axis++) {
            number += index[axis] * r->source_step[axis];
            place += index[axis] * r->target_step[axis];
        }
        size_t run = (size_t)(r->shape[last] - index[last]);
        run = run < end - done ? run : end - done;
        fill_run(j, number, r->source_step[last], place, r->target_step[last], run);
        done += run;
        index[last] += (int64_t)run;
        for (int axis = last; axis > 0 && index[axis] == r->shape[axis]; axis--) {
            index[axis] = 0;
            index[axis - 1]++;
        }
    }
}

/* The same region with as few axes as can be: those of length 1 dropped, and neighbours that one step walks joined. */
static fi_region joined(const fi_region *r) {
    fi_region few = {.axes = 0, .first = r->first};
    for (int axis = 0; axis < r->axes; axis++) {
        if (r->shape[axis] == 1) continue;
        int last = few.axes - 1;
        const size_t length = (size_t)r->shape[axis];
        if (last >= 0 && few.source_step[last] == moved(0, r->source_step[axis], length) &&
            few.target_step[last] == moved(0, r->target_step[axis], length))
            few.shape[last] *= r->shape[axis];
        else
            few.shape[last = few.axes++] = r->shape[axis];
        few.source_step[last] = r->source_step[axis];
        few.target_step[last] = r->target_step[axis];
    }
    if (few.axes == 0) few.shape[few.axes++] = 1;
    return few;
}

static const char *place_of(const job *j, size_t number) {
    const char *place = j->out;
    for (int axis = j->region->axes - 1; axis >= 0; axis--) {
        const size_t length = (size_t)j->region->shape[axis];
        place += (int64_t)(number % length) * j->region->target_step[axis];
        number /= length;
    }
    return place;
}

static int comes_to_fresh(const job *j) {
    const size_t step = fi_fewer(j->values, AHEAD) / ASKED;
    size_t asked = 0;
    while (asked < ASKED && !fi_is_fresh(place_of(j, j->done + asked * step))) asked++;
    return asked < ASKED;
}

void fi_fill(enum fi_law law, enum fi_dtype dtype, fi_key key, const fi_parameters *parameters, const fi_region *region,
             size_t done, size_t count, void *out, int threads) {
    fi_fill_for(law, dtype, key, parameters, region, done, count, out, threads, (double)INFINITY);
}

size_t fi_fill_for(enum fi_law law, enum fi_dtype dtype, fi_key key, const fi_parameters *parameters,
                   const fi_region *region, size_t done, size_t count, void *out, int threads, double seconds) {
    const fi_region few = joined(region);
    const fi_kernels *kernels = fi_level_in_use()->kernels;
    size_t rest = 1;
    for (int axis = 0; axis < few.axes; axis++) rest *= (size_t)few.shape[axis];
    rest -= done < rest ? done : rest;
    rest = count < rest ? count : rest;
    job j = {kernels->fill[law][dtype], key, parameters, &few, out, fi_item_bytes[dtype], done, rest, .piece = PIECE};
    const int contiguous = few.axes == 1 && few.target_step[0] == (int64_t)j.item;
    const size_t bytes = j.values * j.item;
    j.fresh = contiguous && bytes >= LARGE && fi_is_fresh(j.out + (done + j.values / 2) * j.item);
    if (law == FI_UNIFORM && j.item >= sizeof(float) && contiguous && !j.fresh && bytes >= fi_streamed_from())
        j.stream = kernels->stream;
    const size_t workers = fi_workers_for(j.values, j.values, WORTH_A_THREAD, threads), share = j.values / workers;
    while (j.fresh && j.piece * j.item < TABLE && j.piece * 2 <= share) j.piece *= 2;
    if (!contiguous && bytes >= LARGE && comes_to_fresh(&j)) j.piece = PIECE_APART;
    const size_t pieces = (j.values + j.piece - 1) / j.piece;
    const size_t begun = fi_run_parallel_for(fill_piece, &j, pieces, (int)workers, seconds);
    return fi_fewer(begun * j.piece, j.values);
}
