#include "columns.h"

#include "moment_merge.h"
#include "threads.h"

/* A block has whole blocks of products, and about so many elements: ten such signals stay in the second cache. */
#define BLOCK_ELEMENTS ((size_t)1 << 14)
/* Parts of so many sums together are held. */
#define MOST_SUMS ((size_t)1 << 20)
#define MOST_PARTS 32
#define LEAST_PARTS 4
#define LEAST_BLOCKS 2
/* To start a thread takes as long as so many elements. */
#define WORTH_A_THREAD ((size_t)1 << 15)

static size_t most(size_t a, size_t b) { return a > b ? a : b; }

size_t fi_columns_at_once(size_t rows) {
    return most(BLOCK_ELEMENTS / most(rows, 1) / FI_GRAM_BLOCK, 1) * FI_GRAM_BLOCK;
}

static size_t rows_back(const fi_columns *c) { return c->rows * c->functions; }

static size_t blocks_of(size_t rows, size_t width) { return (width + fi_columns_at_once(rows) - 1) / fi_columns_at_once(rows); }

size_t fi_columns_parts(size_t rows, size_t width) {
    const size_t parts = most(fi_fewer(MOST_SUMS / most(rows * rows, 1), MOST_PARTS), LEAST_PARTS);
    return fi_fewer((blocks_of(rows, width) + LEAST_BLOCKS - 1) / LEAST_BLOCKS, parts);
}

static size_t tiles_of(size_t rows) { return (rows + FI_GRAM_TILE - 1) / FI_GRAM_TILE; }

static size_t pairs_of(size_t rows) { return tiles_of(rows) * (tiles_of(rows) + 1) / 2 * FI_GRAM_PAIRS; }

/* Sums of one part: products tile by tile, as the kernel makes them. */
typedef struct {
    fi_moments read, end, read_back, end_back;
    size_t dead;
    double z_squares, *xx, *xy, *nn, *rows;
} part_sums;

/* What a worker has for a block: signals of `rows` rows, one after the other, and the gradients. */
typedef struct {
    char *z, *both, *slope, *d, *signal[FI_MOST_STEPS + 1]; /* before each step, and after the last */
    double *inverse, *packed;
} room;

typedef struct {
    const fi_columns *c;
    const fi_kernels *kernels;
    const fi_columns_seen *wanted;
    size_t first, parts, all_parts, item, ends, others; /* rows: of what ends, and of what it is multiplied by */
    size_t xx, xy, nn, doubles, bytes;
    fi_counter taken, failed;
    part_sums *sums;
    char *rooms;
} pass;

static void draw(const pass *p, const fi_normal_rows *from, double std, size_t first, size_t count, char *out) {
    const fi_parameters parameters = {.scale = std};
    for (size_t row = 0; row < from->rows; row++, out += count * p->item)
        p->kernels->fill[FI_NORMAL][p->c->dtype](from->key, &parameters, row * p->c->width + first, count, out);
}

static void multiply(const pass *p, const fi_matrix *by, size_t rows, size_t terms, const char *x, size_t count,
                     char *out) {
    const fi_kernels *k = p->kernels;
    fi_map_fn *map = by->wide ? k->map_wide[p->c->dtype] : k->map[p->c->dtype];
    map(by->elements, rows, terms, x, count, out);
}

static void copy(const pass *p, const fi_rows *x, size_t first, size_t count, char *out) {
    for (size_t row = 0; row < x->rows; row++, out += count * p->item)
        memcpy(out, x->elements + (int64_t)row * x->step + first * p->item, count * p->item);
}

static fi_rows rows_of(const pass *p, const char *x, size_t rows, size_t count) {
    return (fi_rows){x, rows, (int64_t)(count * p->item)};
}

static void read_moments(const pass *p, const char *x, size_t elements, int which, fi_moments *m) {
    const int order = p->c->orders[which];
    for (size_t left = order ? elements : 0, some; left; left -= some, x += some * p->item) {
        fi_moments block;
        some = fi_fewer(left, FI_MOMENT_BLOCK);
        p->kernels->block[p->c->dtype](x, some, order, &block);
        *m = fi_merge_moments(m, &block);
    }
}

static void add_products(const pass *p, int exact, const fi_rows *x, const fi_rows *y, size_t count, const room *r,
                         double *sums) {
    fi_gram_fn *kernel = exact ? p->kernels->gram[p->c->dtype] : p->kernels->products[p->c->dtype];
    for (size_t first = 0; first < count; first += FI_GRAM_BLOCK)
        kernel(x, y, first, fi_fewer(count - first, FI_GRAM_BLOCK), r->packed, sums);
}

static void add_row_sums(const pass *p, const char *x, const char *y, size_t rows, size_t count, double *sums) {
    for (size_t row = 0; row < rows; row++, x += count * p->item, y += count * p->item) {
        double two[2];
        p->kernels->row_sums[p->c->dtype](x, y, count, two);
        sums[row] += two[0], sums[rows + row] += two[1];
    }
}

/* What goes in, into the first signal. */
static void start(const pass *p, size_t first, size_t count, const room *r) {
    const fi_columns *c = p->c;
    char *x = r->signal[0];
    const int is_z = c->z.rows == c->rows && !c->map.elements;
    draw(p, &c->z, 1, first, count, is_z ? x : r->z);
    if (c->map.elements) {
        const fi_normal_rows bias = {c->bias, c->bias_std > 0};
        draw(p, &bias, c->bias_std, first, count, r->z + c->z.rows * count * p->item);
        multiply(p, &c->map, c->rows, c->z.rows + bias.rows, r->z, count, x);
    } else if (c->given.elements) {
        copy(p, &c->given, first, count, x);
    }
    if (!c->stream) return;
    for (size_t row = 0; row < c->rows; row++)
        p->kernels->join[c->dtype](x + row * count * p->item, c->stream + row * c->width + first, c->sign, count);
}

/* A norm of x, or at y its Jacobian times x. */
static void normalise(const pass *p, const char *x, const char *y, size_t count, const room *r, char *out) {
    const fi_columns *c = p->c;
    const fi_kernels *k = p->kernels;
    const double *const *known = y ? c->known_back : c->known;
    const fi_norm n = {rows_of(p, x, c->rows, count), rows_of(p, y, c->rows, count), out, (int64_t)(count * p->item),
                       count, {known[0], known[1]}, r->inverse, c->eps, c->centred};
    if (c->norm_over_columns) {
        k->norm_rows[c->dtype](&n, 0, c->rows);
        return;
    }
    for (size_t first = 0; first < count; first += FI_COLUMNS_AT_ONCE)
        k->norm_columns[c->dtype](&n, first, fi_fewer(count - first, FI_COLUMNS_AT_ONCE));
}

static void count_dead(const pass *p, const room *r, size_t count, part_sums *s) {
    const fi_rows slopes = rows_of(p, r->slope, p->c->rows, count);
    for (size_t first = 0; first < count; first += FI_COLUMNS_AT_ONCE)
        s->dead += p->kernels->zero_columns[p->c->dtype](&slopes, first, fi_fewer(count - first, FI_COLUMNS_AT_ONCE));
}

/* Through the steps; to the norm's x where that is all that is wanted. */
static int go_forward(const pass *p, size_t count, const room *r, part_sums *s) {
    const fi_columns *c = p->c;
    for (int step = 0; step < c->count; step++) {
        const char *x = r->signal[step];
        char *out = r->signal[step + 1];
        fi_own_fn *own = c->own[c->steps[step]];
        if (c->steps[step] == FI_READ) {
            if (c->way == FI_FORWARD) read_moments(p, x, c->rows * count, 0, &s->read);
        } else if (c->steps[step] == FI_NORM && c->way == FI_FORWARD_SUMS) {
            if (own) return own(c->context, FI_NORM, c->rows, count, x, NULL, NULL, NULL) ? -1 : 0;
            add_row_sums(p, x, x, c->rows, count, s->rows);
            return 0;
        } else if (own) {
            if (own(c->context, c->steps[step], c->rows, count, x, NULL, out, r->slope)) return -1;
        } else if (c->steps[step] == FI_NORM) {
            normalise(p, x, NULL, count, r, out);
        } else {
            p->kernels->activate[c->dtype][c->activation](&c->parameters, x, c->rows * count, out, r->slope);
        }
        if (c->steps[step] == FI_ACT && c->way == FI_FORWARD) count_dead(p, r, count, s);
    }
    return 0;
}

/* The gradient d of one function. */
static int go_back(const pass *p, size_t count, const room *r, char *d, part_sums *s) {
    const fi_columns *c = p->c;
    fi_own_fn *own = c->own[FI_NORM];
    for (int step = c->count; step-- > 0;) {
        const char *x = r->signal[step];
        if (c->steps[step] == FI_READ) {
            read_moments(p, d, c->rows * count, 2, &s->read_back);
        } else if (c->steps[step] == FI_ACT) {
            p->kernels->times[c->dtype](d, r->slope, c->rows * count);
        } else if (c->way == FI_BACKWARD_SUMS) {
            if (own) return own(c->context, FI_NORM, c->rows, count, x, d, NULL, NULL) ? -1 : 0;
            add_row_sums(p, d, r->signal[step + 1], c->rows, count, s->rows);
            return 0;
        } else if (own) {
            if (own(c->context, FI_NORM, c->rows, count, x, d, d, NULL)) return -1;
        } else {
            normalise(p, d, r->signal[step + 1], count, r, d);
        }
    }
    return 0;
}

static void see_end(const pass *p, size_t first, size_t count, const room *r, part_sums *s) {
    const fi_columns *c = p->c;
    const char *end = r->signal[c->count];
    const fi_rows x = rows_of(p, end, c->rows, count), n = rows_of(p, r->both, c->n.rows, count);
    double two[2];
    read_moments(p, end, c->rows * count, 1, &s->end);
    if (c->z.rows && c->map.elements) {
        p->kernels->row_sums[c->dtype](r->z, r->z, c->z.rows * count, two);
        s->z_squares += two[1];
    }
    if (s->xx) add_products(p, 1, &x, NULL, count, r, s->xx);
    if (!s->xy) return;
    draw(p, &c->n, 1, first, count, r->both);
    add_products(p, c->exact, &x, &n, count, r, s->xy);
    if (p->wanted->nn)
        add_products(p, 1, &n, NULL, count, r, s->nn);
    else
        add_row_sums(p, r->both, r->both, c->n.rows, count, s->rows);
}

/* The gradients at the end. */
static void turn(const pass *p, size_t first, size_t count, const room *r) {
    const fi_columns *c = p->c;
    const size_t bytes = c->rows * count * p->item;
    if (c->back.elements) {
        memcpy(r->both, r->signal[c->count], bytes);
        draw(p, &c->n, 1, first, count, r->both + bytes);
        multiply(p, &c->back, rows_back(c), c->rows + c->n.rows, r->both, count, r->d);
    } else if (c->gradient.elements) {
        copy(p, &c->gradient, first, count, r->d);
    } else {
        draw(p, &c->n, 1, first, count, r->both);
        p->kernels->take_signs[c->dtype](r->both, r->both, c->n.rows * count);
        multiply(p, &c->signs, rows_back(c), c->n.rows, r->both, count, r->d);
    }
}

static void put(const pass *p, const char *x, size_t rows, size_t first, size_t count) {
    const fi_columns *c = p->c;
    for (size_t row = 0; row < rows; row++, x += count * p->item) {
        char *out = c->out + (row * c->width + first) * p->item;
        if (c->adds)
            p->kernels->add[c->dtype](out, x, count);
        else
            memcpy(out, x, count * p->item);
    }
}

static int pass_block(const pass *p, size_t first, size_t count, const room *r, part_sums *s) {
    const fi_columns *c = p->c;
    start(p, first, count, r);
    if (go_forward(p, count, r, s)) return -1;
    if (c->way == FI_FORWARD_SUMS) return 0;
    if (c->way == FI_FORWARD) {
        see_end(p, first, count, r, s);
        if (c->out) put(p, r->signal[c->count], c->rows, first, count);
        return 0;
    }
    turn(p, first, count, r);
    if (c->way == FI_BACKWARD) read_moments(p, r->d, rows_back(c) * count, 3, &s->end_back);
    for (size_t function = 0; function < c->functions; function++)
        if (go_back(p, count, r, r->d + function * c->rows * count * p->item, s)) return -1;
    if (c->way == FI_BACKWARD_SUMS) return 0;
    if (c->out) put(p, r->d, rows_back(c), first, count);
    const fi_rows d = rows_of(p, r->d, rows_back(c), count), z = rows_of(p, r->z, c->z.rows, count);
    if (s->xx) add_products(p, 1, &d, NULL, count, r, s->xx);
    if (s->xy) add_products(p, c->exact, &d, &z, count, r, s->xy);
    return 0;
}

/* Room for one worker, every signal on a line of the cache, what is only read in its place; or (NULL) how many bytes it
   takes. */
static size_t lay_out(const pass *p, char *memory, room *r) {
    const fi_columns *c = p->c;
    const size_t columns = fi_fewer(fi_columns_at_once(rows_back(c)), c->width), row = columns * p->item;
    size_t used = 0;
#define TAKE(place, bytes) \
    place = memory ? (void *)(memory + used) : NULL, used += ((bytes) + FI_LINE - 1) / FI_LINE * FI_LINE
    TAKE(r->z, (c->z.rows + 1) * row);
    TAKE(r->both, (c->rows + rows_back(c)) * row);
    TAKE(r->slope, c->rows * row);
    TAKE(r->d, rows_back(c) * row);
    TAKE(r->signal[0], c->rows * row);
    for (int step = 0; step < c->count; step++)
        if (c->steps[step] == FI_READ)
            r->signal[step + 1] = r->signal[step];
        else
            TAKE(r->signal[step + 1], c->rows * row);
    TAKE(r->inverse, most(columns, c->rows) * sizeof(double));
    TAKE(r->packed, 2 * tiles_of(rows_back(c)) * FI_GRAM_TILE * FI_GRAM_BLOCK * sizeof(double));
#undef TAKE
    return used;
}

static void pass_parts(void *context, size_t worker) {
    pass *p = context;
    const size_t blocks = blocks_of(rows_back(p->c), p->c->width), columns = fi_columns_at_once(rows_back(p->c));
    room r;
    lay_out(p, p->rooms + worker * p->bytes, &r);
    for (size_t part; (part = fi_count_up(&p->taken)) < p->parts && !p->failed;) {
        part_sums *s = &p->sums[part];
        const size_t end = blocks * (p->first + part + 1) / p->all_parts;
        for (size_t block = blocks * (p->first + part) / p->all_parts; block < end; block++) {
            const size_t first = block * columns;
            if (pass_block(p, first, fi_fewer(p->c->width - first, columns), &r, s)) {
                fi_count_up(&p->failed);
                return;
            }
        }
    }
}

/* Adds products of two, or (triangle) of one, from their tiles. */
static void add_tiles(size_t rows, size_t others, int triangle, const double *sums, double *out) {
    if (!out) return;
    for (size_t one = 0; one < tiles_of(rows); one++)
        for (size_t other = 0; other < (triangle ? one + 1 : tiles_of(others)); other++, sums += FI_GRAM_PAIRS)
            for (size_t pair = 0; pair < FI_GRAM_PAIRS; pair++) {
                const size_t i = FI_GRAM_TILE * one + pair / FI_GRAM_TILE;
                const size_t k = FI_GRAM_TILE * other + pair % FI_GRAM_TILE;
                if (i >= rows || k >= others) continue;
                out[i * others + k] += sums[pair];
                if (triangle && one != other) out[k * others + i] += sums[pair];
            }
}

static void add_part(const pass *p, const part_sums *s, fi_columns_seen *seen) {
    const size_t others = p->others;
    seen->read = fi_merge_moments(&seen->read, &s->read);
    seen->end = fi_merge_moments(&seen->end, &s->end);
    seen->read_back = fi_merge_moments(&seen->read_back, &s->read_back);
    seen->end_back = fi_merge_moments(&seen->end_back, &s->end_back);
    seen->dead += s->dead, seen->z_squares += s->z_squares;
    add_tiles(p->ends, p->ends, 1, s->xx, seen->xx);
    add_tiles(p->ends, others, 0, s->xy, seen->xy);
    add_tiles(others, others, 1, s->nn, seen->nn);
    for (size_t row = 0; seen->n_squares && row < others; row++) seen->n_squares[row] += s->rows[others + row];
    for (size_t sum = 0; seen->row_sums && sum < 2 * p->c->rows; sum++) seen->row_sums[sum] += s->rows[sum];
}

void fi_columns_start(fi_columns_seen *seen) {
    memset(seen, 0, sizeof *seen);
    seen->read = seen->end = seen->read_back = seen->end_back = fi_no_moments();
}

static pass pass_of(const fi_columns *c, const fi_columns_seen *seen, size_t first, size_t parts) {
    pass p = {.c = c, .kernels = fi_level_in_use()->kernels, .wanted = seen, .first = first, .parts = parts};
    room none;
    const int forward = c->way == FI_FORWARD;
    p.all_parts = fi_columns_parts(rows_back(c), c->width), p.item = fi_item_bytes[c->dtype];
    p.ends = forward ? c->rows : rows_back(c), p.others = forward ? c->n.rows : c->z.rows;
    p.xx = seen->xx ? pairs_of(p.ends) : 0, p.nn = seen->nn ? pairs_of(p.others) : 0;
    p.xy = seen->xy ? tiles_of(p.ends) * tiles_of(p.others) * FI_GRAM_PAIRS : 0;
    p.doubles = p.xx + p.xy + p.nn + 2 * most(c->rows, p.others);
    p.bytes = lay_out(&p, NULL, &none);
    return p;
}

static size_t workers_of(const pass *p, int threads) {
    const size_t elements = p->c->rows * p->c->width / most(p->all_parts, 1) * p->parts;
    return fi_workers_for(p->parts, elements, WORTH_A_THREAD, threads);
}

static size_t bytes_of_sums(const pass *p) { return p->parts * (sizeof *p->sums + p->doubles * sizeof(double)); }

size_t fi_columns_bytes(const fi_columns *c, const fi_columns_seen *seen, size_t parts, int threads) {
    const pass p = pass_of(c, seen, 0, parts);
    return bytes_of_sums(&p) + workers_of(&p, threads) * p.bytes + FI_LINE;
}

int fi_pass_columns(const fi_columns *c, size_t first, size_t parts, fi_columns_seen *seen, void *memory, int threads) {
    pass p = pass_of(c, seen, first, parts);
    const size_t workers = workers_of(&p, threads);
    memset(memory, 0, bytes_of_sums(&p));
    p.sums = memory;
    p.rooms = (char *)memory + bytes_of_sums(&p);
    p.rooms += (FI_LINE - (uintptr_t)p.rooms % FI_LINE) % FI_LINE;
    for (size_t part = 0; part < parts; part++) {
        part_sums *s = &p.sums[part];
        double *sums = (double *)(p.sums + parts) + part * p.doubles;
        s->read = s->end = s->read_back = s->end_back = fi_no_moments();
        if (seen->xx) s->xx = sums, sums += p.xx;
        if (seen->xy) s->xy = sums, sums += p.xy;
        if (seen->nn) s->nn = sums, sums += p.nn;
        s->rows = sums;
    }
    fi_run_parallel(pass_parts, &p, workers, (int)workers);
    if (p.failed) return -1;
    fi_fp_state caller = fi_fp_enter();
    for (size_t part = 0; part < parts; part++) add_part(&p, &p.sums[part], seen);
    fi_fp_leave(caller);
    return 0;
}
