/* Writes what the C core computes on the machine it was compiled for: for every level and record a line "isa aes name
   bytes", and then so many bytes, items in little-endian order whatever the machine's own. proof/dumps.py makes the same
   records through the extension. The arguments are the table of known answers and the file to write: the standard output
   would be text, where there is a difference. */
#include <stdio.h>
#include <stdlib.h>

#include "fill.h"
#include "gram.h"
#include "signals.h"
#include "streaming.h"

#define STRETCH 70001
#define WORD_TILES 64

static const fi_level *level;
static const fi_key key = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
static const char *const dtype_names[FI_DTYPES] = {"float32", "float64", "float16", "bfloat16"};

/* Normal about 1/4, uniform in [-1, 3), and normal between -1 and 2 (which reaches no tail) and above -2. The reader
   takes the parameters from the records. */
typedef struct {
    enum fi_law law;
    const char *name;
    fi_parameters parameters;
} drawn;

static const drawn draws[] = {
    {FI_NORMAL, "normal", {.shift = 0.25, .scale = 1.5}},
    {FI_UNIFORM, "uniform", {.shift = -1, .scale = 4, .least = -1, .greatest = 0x1.7ffffep1}},
    {FI_TRUNCATED, "middle", {0, 1, -1, 2, 0x1.44ed0bb7cb20bp-3, 0x1.a31ed550a84bap-1, 0x1.74bcf82c9d860p-6, 0}},
    {FI_TRUNCATED, "tail", {0, 1, -2, 0x1.ffcp15, 0x1.74bcf82c9d860p-6, 0x1.f45a183e9b13dp-1, 0, 1}},
};

static void write_record(const char *name, const char *variant, const char *dtype, const void *items, size_t count,
                         size_t item) {
    static const uint16_t one = 1;
    const int big_endian = *(const unsigned char *)&one == 0;
    const unsigned char *bytes = items;
    printf("%s %s %s-%s-%s %zu\n", level->isa, level->aes, name, variant, dtype, count * item);
    for (size_t i = 0; i < count; i++, bytes += item)
        for (size_t k = 0; k < item; k++) putchar(bytes[big_endian ? item - 1 - k : k]);
}

/* The core's block function on each row of the table, which the reader compares with the row itself. */
static void write_known_answers(const char *path) {
    FILE *table = fopen(path, "r");
    char line[256];
    unsigned rounds, c[4], k[4];
    uint32_t blocks[64][4];
    size_t rows = 0;
    if (!table) exit(2);
    while (fgets(line, sizeof line, table) && rows < 64)
        if (sscanf(line, "ars4x32 %u %x %x %x %x %x %x %x %x", &rounds, c, c + 1, c + 2, c + 3, k, k + 1, k + 2,
                   k + 3) == 9) {
            fi_key row_key = {k[0] | (uint64_t)k[1] << 32, k[2] | (uint64_t)k[3] << 32};
            fi_ars_block(row_key, (const uint32_t[4]){c[0], c[1], c[2], c[3]}, (int)rounds, blocks[rows++]);
        }
    fclose(table);
    write_record("known", "answers", "uint32", blocks, rows * 4, 4);
}

static void write_words(void) {
    static FI_ALIGNED(64) uint32_t words[FI_TILE * WORD_TILES];
    level->kernels->words((fi_key){0, 0}, FI_MAIN, 0, WORD_TILES, words);
    write_record("words", "zero", "uint32", words, FI_TILE * WORD_TILES, 4);
    level->kernels->words(key, FI_FINE, (uint64_t)1 << 40, WORD_TILES, words);
    write_record("words", "fine", "uint32", words, FI_TILE * WORD_TILES, 4);
}

static void write_parameters(const drawn *d) {
    const fi_parameters *p = &d->parameters;
    const double numbers[] = {d->law,  p->shift, p->scale, p->least,        p->greatest,
                              p->left, p->mass,  p->right, (double)p->tails};
    write_record("parameters", d->name, "float64", numbers, sizeof numbers / sizeof *numbers, sizeof *numbers);
}

typedef struct {
    const char *name;
    fi_region region;
    int64_t start; /* where in memory the first value lies */
} part;

/* A long stretch; the last values there are; a step on each axis, the last axis lying backwards in memory; and steps so
   wide that one more would leave the stream. */
static void write_values(const drawn *d, enum fi_dtype dtype, void *out) {
    const int64_t item = (int64_t)fi_item_bytes[dtype];
    const part parts[] = {
        {"stretch", {1, {STRETCH}, {1}, {item}, 5}, 0},
        {"last", {1, {1003}, {1}, {item}, INT64_MAX - 1003}, 0},
        {"steps", {3, {3, 5, 7}, {100000, -300, 3}, {item * 35, item * 7, -item}, 5000}, item * 6},
        {"wide", {2, {2, 2}, {1, (int64_t)1 << 62}, {item * 2, item}, 7}, 0},
    };
    for (const part *p = parts; p < parts + sizeof parts / sizeof *parts; p++) {
        size_t count = 1;
        for (int axis = 0; axis < p->region.axes; axis++) count *= (size_t)p->region.shape[axis];
        fi_fill(d->law, dtype, key, &d->parameters, &p->region, 0, SIZE_MAX, (char *)out + p->start, 2);
        write_record(p->name, d->name, dtype_names[dtype], out, count, fi_item_bytes[dtype]);
    }
}

/* Of a stretch of normal values, in pieces that end anywhere. */
static void write_moments(enum fi_dtype dtype, void *out) {
    static const size_t cuts[] = {0, 1, 1000, 5096, 5097, STRETCH};
    static fi_accumulator a;
    const size_t item = fi_item_bytes[dtype];
    fi_region stretch = {.axes = 1, .shape = {STRETCH}, .source_step = {1}, .target_step = {(int64_t)item}};
    const fi_array x = {out, item, .axes = 1, .shape = {STRETCH}, .step = {(int64_t)item}};
    fi_moments m;
    fi_fill(FI_NORMAL, dtype, key, &draws[0].parameters, &stretch, 0, SIZE_MAX, out, 1);
    for (int order = 2; order <= 4; order += 2) {
        fi_accumulator_start(&a, order);
        for (size_t i = 0; i + 1 < sizeof cuts / sizeof *cuts; i++)
            fi_accumulator_update(&a, dtype, &x, cuts[i], cuts[i + 1] - cuts[i], 2);
        fi_accumulator_result(&a, &m);
        write_record("moments", order == 2 ? "2" : "4", dtype_names[dtype], &m, sizeof m / sizeof(double),
                     sizeof(double));
    }
}

/* Blocks that the fast sums cannot hold: far from zero, very large, very small, and with elements that are not finite. */
static void write_hard_moments(double *x) {
    static const char *const names[] = {"offset", "large", "small", "infinite"};
    static fi_accumulator a;
    const fi_array elements = {(char *)x, sizeof *x, .axes = 1, .shape = {5000}, .step = {sizeof *x}};
    fi_moments m;
    for (int kind = 0; kind < 4; kind++) {
        for (int i = 0; i < 5000; i++) {
            double value = (i * 7919 % 5000 - 2500) * 0x1p-10;
            x[i] = kind == 0 ? 1e8 + value : kind == 1 ? value * 0x1p300 : kind == 2 ? value * 0x1p-260 : value;
        }
        if (kind == 3) x[4321] = (double)INFINITY;
        fi_accumulator_start(&a, 4);
        fi_accumulator_update(&a, FI_F64, &elements, 0, 5000, 1);
        fi_accumulator_result(&a, &m);
        write_record("moments", names[kind], "float64", &m, sizeof m / sizeof(double), sizeof(double));
    }
}

/* A stretch of normal values, of which those from `first` on, by `step`, are scaled by a power of two. */
static void make_signal(enum fi_dtype dtype, void *out, size_t count, size_t first, size_t step, double power) {
    const int64_t item = (int64_t)fi_item_bytes[dtype];
    fi_region stretch = {.axes = 1, .shape = {(int64_t)count}, .source_step = {1}, .target_step = {item}};
    fi_fill(FI_NORMAL, dtype, key, &draws[0].parameters, &stretch, 0, SIZE_MAX, out, 1);
    for (size_t i = first; i < count; i += step)
        if (dtype == FI_F32)
            ((float *)out)[i] = (float)(((float *)out)[i] * power);
        else
            ((double *)out)[i] *= power;
}

/* Values and then slopes, of which the seventh ones are of angles beyond a million. */
static void write_activations(enum fi_dtype dtype, void *out) {
    const size_t item = fi_item_bytes[dtype], count = 2003;
    const fi_activation_parameters p = {1.05, -1.7};
    char *value = (char *)out + count * item;
    make_signal(dtype, out, count, 0, 7, 0x1p30);
    for (int activation = 0; activation < FI_ACTIVATIONS; activation++) {
        char number[12];
        snprintf(number, sizeof number, "%d", activation);
        level->kernels->activate[dtype][activation](&p, out, count, value, value + count * item);
        write_record("activation", number, dtype_names[dtype], value, 2 * count, item);
    }
}

/* Of x and d, the first and the last nine rows of a matrix of 13, one of whose columns is subnormal: products, norms, what
   norms send back, and projections, weighted by the sums of rows. */
static void write_signals(enum fi_dtype dtype, double *out) {
    enum { ROWS = 9, COLUMNS = 1301, STEP = 1304, ALL = (ROWS + 4) * STEP };
    static const char *const norms[2][2] = {{"rows", "rows_centred"}, {"units", "units_centred"}};
    const size_t item = fi_item_bytes[dtype], size = ROWS * COLUMNS * item;
    const char *label = dtype_names[dtype];
    const fi_rows x = {(const char *)out, ROWS, (int64_t)(STEP * item)}, d = {x.elements + 4 * x.step, ROWS, x.step};
    double *numbers = out + ALL, *sums = numbers + COLUMNS;
    char *y = (char *)(sums + 2 * ROWS), *back = y + size;
    make_signal(dtype, out, ALL, 7, STEP, dtype == FI_F32 ? 0x1p-130 : 0x1p-1060);
    fi_gram(dtype, &x, NULL, COLUMNS, numbers, 2);
    write_record("products", "gram", label, numbers, ROWS * ROWS, sizeof *numbers);
    fi_gram(dtype, &x, &d, COLUMNS, numbers, 2);
    write_record("products", "cross", label, numbers, ROWS * ROWS, sizeof *numbers);
    for (int centred = 0; centred < 2; centred++)
        for (int axis = 0; axis < 2; axis++) {
            const fi_rows at = {y, ROWS, (int64_t)(COLUMNS * item)};
            const size_t count = axis == FI_OVER_ROWS ? COLUMNS : ROWS;
            fi_norm n = {x, {0}, y, at.step, COLUMNS, {NULL}, numbers, 1e-5, centred};
            fi_normalise((enum fi_axis)axis, dtype, &n, 1);
            n.x = d, n.y = at, n.out = back;
            fi_normalise((enum fi_axis)axis, dtype, &n, 1);
            write_record("inverse", norms[axis][centred], label, numbers, count, sizeof *numbers);
            write_record("norm", norms[axis][centred], label, y, 2 * ROWS * COLUMNS, item);
        }
    fi_row_sums(dtype, &x, &d, COLUMNS, sums, 2);
    write_record("products", "row_sums", label, sums, 2 * ROWS, sizeof *sums);
    fi_weighted_square(dtype, &x, sums, COLUMNS, numbers, 2);
    write_record("products", "weighted_square", label, numbers, 1, sizeof *numbers);
    fi_project(dtype, &x, sums, COLUMNS, numbers, y);
    write_record("projected", "sums", label, numbers, COLUMNS, sizeof *numbers);
    write_record("projected", "peaks", label, y, COLUMNS, item);
}

int main(int count, char **arguments) {
    const fi_level *levels[FI_MOST_LEVELS];
    size_t supported = fi_supported_levels(levels);
    double *out = malloc((STRETCH + 64) * sizeof *out);
    if (count != 3 || !out || !freopen(arguments[2], "wb", stdout)) return 2;
    for (size_t i = 0; i < supported; i++) {
        level = levels[i];
        if (fi_use_level(level->isa, level->aes)) return 3;
        write_known_answers(arguments[1]);
        write_words();
        for (const drawn *d = draws; d < draws + sizeof draws / sizeof *draws; d++) {
            write_parameters(d);
            for (int dtype = 0; dtype < FI_DTYPES; dtype++) write_values(d, (enum fi_dtype)dtype, out);
        }
        for (int dtype = 0; dtype < FI_DTYPES; dtype++) write_moments((enum fi_dtype)dtype, out);
        write_hard_moments(out);
        for (int dtype = 0; dtype < FI_SIGNALS; dtype++) {
            write_activations((enum fi_dtype)dtype, out);
            write_signals((enum fi_dtype)dtype, out);
        }
    }
    free(out);
    return ferror(stdout) || fclose(stdout);
}
