/* What normals.py counts of normal values, REAL being float or double: with what lies between the counts and a p-value
   left to it. Compiled with fast mathematics, so that exp and atan2 are vectors; all values are finite. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    CELLS = 1 << 16,
    GROUPS = 64,
    RINGS = 4096,
    ANGLES = 1024, /* of a quadrant */
    MOMENTS = 8,
    TAILS = 6,
    BEFORE = 1024, /* values that come before those that are counted, for the lags */
    MOST = 1 << 16,
    BLOCK = 1 << 11,
    LANES = 16,
    TILE = 32,
};

static const int lags[] = {1, 2, 8, 15, 16, 17, 31, 32, 33, 1024};
#define LAGS (sizeof lags / sizeof *lags)

/* Of whole tiles. Cells are of equal width between -6.5 and 6.5, those at the ends also taking what is beyond. */
typedef struct {
    const uint8_t *group;          /* of each cell */
    uint32_t *cells;               /* CELLS */
    uint32_t *neighbours;          /* GROUPS x GROUPS, of the group of a value and of that 1 before it */
    uint32_t *halves;              /* of lanes l + 16 and l */
    uint32_t *tiles;               /* of values 32 apart */
    uint32_t *rings;               /* RINGS, of exp(-radius^2 / 2) less ring_offset */
    uint32_t *angles;              /* 4 x ANGLES, of each quadrant, more by angle_offset */
    uint32_t *places;              /* GROUPS x GROUPS, of ring and angle */
    uint64_t *tails;               /* below -4, -4.5, ... -6.5; then above */
    double *moments;               /* sums of z, z^2, ... */
    double *products, *of_squares; /* at each lag: sums of z z' and of (z^2 - 1)(z'^2 - 1) */
    double ring_offset, angle_offset;
} counts;

static int32_t cell_of(double z) {
    const double place = (z + 6.5) * (CELLS / 13.0);
    return (int32_t)(place < 0 ? 0 : place > CELLS - 1 ? CELLS - 1 : place);
}

static void count_tail(double z, uint64_t *tails) {
    const double size = fabs(z);
    uint64_t *side = tails + (z > 0 ? TAILS : 0);
    for (int i = 0; i < TAILS; i++) side[i] += size > 4 + 0.5 * i;
}

/* Values n before the first are given too. */
static void count_cells(const REAL *z, ptrdiff_t first, size_t count, uint8_t *groups, const counts *c) {
    int32_t cell[BLOCK];
    for (size_t i = 0; i < count; i++) cell[i] = cell_of((double)z[i]);
    for (size_t i = 0; i < count; i++) groups[i] = c->group[cell[i]];
    if (first < 0) return;
    for (size_t i = 0; i < count; i++) {
        c->cells[cell[i]]++;
        if (z[i] > 4 || z[i] < -4) count_tail((double)z[i], c->tails);
    }
}

static void count_neighbours(const uint8_t *g, size_t count, const counts *c) {
    for (size_t i = 0; i < count; i++) {
        c->neighbours[g[i] * GROUPS + g[(ptrdiff_t)i - 1]]++;
        c->tiles[g[i] * GROUPS + g[(ptrdiff_t)i - TILE]]++;
    }
    for (size_t tile = 0; tile < count; tile += TILE)
        for (size_t lane = tile; lane < tile + LANES; lane++) c->halves[g[lane + LANES] * GROUPS + g[lane]]++;
}

static void count_pairs(const REAL *z, size_t count, const counts *c) {
    int32_t ring[BLOCK / 2], angle[BLOCK / 2];
    for (size_t tile = 0; tile < count; tile += TILE)
        for (int lane = 0; lane < LANES; lane++) {
            const double x = (double)z[tile + lane], y = (double)z[tile + LANES + lane];
            const double u = (exp((x * x + y * y) * -0.5) - c->ring_offset) * RINGS;
            const double turn = atan2(fabs(y), fabs(x)) * (2 / 3.14159265358979323846 * ANGLES) + c->angle_offset;
            const int quadrant = (x < 0) + 2 * (y < 0);
            ring[tile / 2 + lane] = (int32_t)(u < 0 ? 0 : u > RINGS - 1 ? RINGS - 1 : u);
            angle[tile / 2 + lane] = quadrant * ANGLES + (int32_t)(turn > ANGLES - 1 ? ANGLES - 1 : turn);
        }
    for (size_t i = 0; i < count / 2; i++) {
        c->rings[ring[i]]++;
        c->angles[angle[i]]++;
        c->places[ring[i] / (RINGS / GROUPS) * GROUPS + angle[i] / (4 * ANGLES / GROUPS)]++;
    }
}

static void add_moments(const double *z, size_t count, double *moments) {
    double sums[MOMENTS] = {0};
    for (size_t i = 0; i < count; i++) {
        const double x = z[i], x2 = x * x, x4 = x2 * x2;
        sums[0] += x, sums[1] += x2, sums[2] += x2 * x, sums[3] += x4;
        sums[4] += x4 * x, sums[5] += x4 * x2, sums[6] += x4 * x2 * x, sums[7] += x4 * x4;
    }
    for (int i = 0; i < MOMENTS; i++) moments[i] += sums[i];
}

static double product(const double *x, const double *y, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += x[i] * y[i];
    return sum;
}

/* Of values number BEFORE to BEFORE + count (at most MOST), a multiple of TILE. */
void count_normals(const REAL *values, size_t count, const counts *c) {
    static _Thread_local double z[BEFORE + MOST], squares[BEFORE + MOST];
    static _Thread_local uint8_t groups[BEFORE + MOST];
    for (size_t i = 0; i < BEFORE + count; i++) {
        z[i] = (double)values[i];
        squares[i] = z[i] * z[i] - 1;
    }
    count_cells(values, -BEFORE, BEFORE, groups, c);
    for (size_t first = BEFORE, block; first < BEFORE + count; first += block) {
        block = BEFORE + count - first < BLOCK ? BEFORE + count - first : BLOCK;
        count_cells(values + first, (ptrdiff_t)first, block, groups + first, c);
        count_neighbours(groups + first, block, c);
        count_pairs(values + first, block, c);
        add_moments(z + first, block, c->moments);
        for (size_t i = 0; i < LAGS; i++) {
            c->products[i] += product(z + first, z + first - lags[i], block);
            c->of_squares[i] += product(squares + first, squares + first - lags[i], block);
        }
    }
}
