/*
 * Steady flow in a square cavity whose lid slides at unit speed.
 *
 * Equations: vorticity and stream function, u = d(psi)/dy, v = -d(psi)/dx,
 *     laplace(psi) = -omega,        u d(omega)/dx + v d(omega)/dy = laplace(omega) / Re.
 * Space:     second-order central differences on a uniform grid of (cells + 1)^2 points.
 * Walls:     Thom's formula for the vorticity (A. Thom, Proc. R. Soc. A 141, 1933, 651-669).
 * Solution:  both equations are relaxed together, point by point, in red-black order.
 * Benchmark: U. Ghia, K. N. Ghia, C. T. Shin, J. Comput. Phys. 48 (1982), 387-411.
 *
 * A point of one colour has neighbours of the other colour only, so the order within a colour has
 * no influence: the result is the same, bit for bit, on any number of threads.
 */
#define _POSIX_C_SOURCE 200809L

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { REPORT_EVERY = 500 };

/* With fewer rows than this a thread waits at the barriers for longer than it computes. */
enum { MIN_ROWS_PER_THREAD = 24 };

#define PI 3.14159265358979
#define WALL_RELAXATION 0.3

typedef struct {
    double reynolds;
    double relaxation; /* of the vorticity: 1.3 is stable while reynolds / cells <= 2, 0.9 up to 6 */
    double tolerance;  /* largest change in one iteration at which the flow counts as steady */
    long max_iterations;
    int cells;
    int threads;
} Case;

typedef struct {
    const Case *run;
    double *psi;
    double *omega;
    double *change; /* one a thread */
    pthread_barrier_t barrier;
} Flow;

typedef enum { UNFINISHED, STEADY, BLEW_UP } Outcome;

typedef struct {
    Flow *flow;
    int index;
    int first_row, end_row;
    long iterations;
    Outcome outcome;
} Worker;

/* Keeps a NaN from either side, which fmax would drop: a flow that blew up must not look steady. */
static double larger(double a, double b)
{
    return a >= b || isnan(a) ? a : b;
}

/* Relax the points of one colour in some rows; returns the largest change asked for. */
static double relax(const Flow *flow, int first_row, int end_row, int colour)
{
    const int cells = flow->run->cells, width = cells + 1;
    const double h2 = 1.0 / ((double)cells * cells);
    const double convection = 0.25 * flow->run->reynolds;
    const double stream_relaxation = 2.0 / (1.0 + PI / cells); /* the best for a Poisson equation alone */
    const double relaxation = flow->run->relaxation;
    double largest = 0.0;

    for (int row = first_row; row < end_row; row++) {
        for (int column = 1 + (row + colour) % 2; column < cells; column += 2) {
            double *p = flow->psi + (size_t)row * width + column;
            double *w = flow->omega + (size_t)row * width + column;
            const double pe = p[1], pw = p[-1], pn = p[width], ps = p[-width];
            const double we = w[1], ww = w[-1], wn = w[width], ws = w[-width];
            const double carried = (pn - ps) * (we - ww) - (pe - pw) * (wn - ws);
            const double dp = 0.25 * (pe + pw + pn + ps + h2 * *w) - *p;
            const double dw = 0.25 * (we + ww + wn + ws - convection * carried) - *w;

            *p += stream_relaxation * dp;
            *w += relaxation * dw;
            largest = larger(largest, larger(fabs(dp), fabs(dw)));
        }
    }
    return largest;
}

/* Only the row beside a wall point reads it, so each thread keeps the wall points beside its rows. */
static void relax_walls(const Flow *flow, int first_row, int end_row)
{
    const int cells = flow->run->cells, width = cells + 1;
    const double h = 1.0 / cells, scale = -2.0 / (h * h);
    const double *p = flow->psi;
    double *w = flow->omega;

    for (int row = first_row; row < end_row; row++) {
        const size_t left = (size_t)row * width, right = left + cells;
        w[left] += WALL_RELAXATION * (scale * p[left + 1] - w[left]);
        w[right] += WALL_RELAXATION * (scale * p[right - 1] - w[right]);
    }
    for (int column = 1; column < cells && first_row == 1; column++)
        w[column] += WALL_RELAXATION * (scale * p[width + column] - w[column]);
    for (int column = 1; column < cells && end_row == cells; column++) {
        const size_t lid = (size_t)cells * width + column;
        w[lid] += WALL_RELAXATION * (scale * p[lid - width] - 2.0 / h - w[lid]);
    }
}

static double vortex_strength(const Flow *flow)
{
    const size_t points = (size_t)(flow->run->cells + 1) * (flow->run->cells + 1);
    double least = 0.0;
    for (size_t i = 0; i < points; i++)
        least = fmin(least, flow->psi[i]);
    return least;
}

/* Every thread returns the same number, so that all of them stop at the same iteration. */
static double agree_on_change(Worker *self, double own)
{
    Flow *flow = self->flow;
    double largest = 0.0;
    flow->change[self->index] = own;
    pthread_barrier_wait(&flow->barrier);
    for (int i = 0; i < flow->run->threads; i++)
        largest = larger(largest, flow->change[i]);
    if (self->index == 0)
        printf("iteration %6ld   change %.3e   vortex %.6f\n", self->iterations, largest,
               vortex_strength(flow));
    pthread_barrier_wait(&flow->barrier);
    return largest;
}

static void *solve(void *argument)
{
    Worker *self = argument;
    Flow *flow = self->flow;
    const Case *run = flow->run;

    while (self->outcome == UNFINISHED && self->iterations < run->max_iterations) {
        double change = relax(flow, self->first_row, self->end_row, 0);
        pthread_barrier_wait(&flow->barrier);
        change = larger(change, relax(flow, self->first_row, self->end_row, 1));
        relax_walls(flow, self->first_row, self->end_row);
        pthread_barrier_wait(&flow->barrier);
        if (++self->iterations % REPORT_EVERY)
            continue;
        change = agree_on_change(self, change);
        if (change < run->tolerance)
            self->outcome = STEADY;
        else if (!(change < 1e6))
            self->outcome = BLEW_UP;
    }
    return NULL;
}

static Outcome solve_on_threads(Flow *flow)
{
    const int threads = flow->run->threads, rows = flow->run->cells - 1;
    Worker *workers = calloc(threads, sizeof *workers);
    pthread_t *ids = calloc(threads, sizeof *ids);
    if (!workers || !ids || pthread_barrier_init(&flow->barrier, NULL, threads)) {
        fprintf(stderr, "cavity: no memory for %d threads\n", threads);
        exit(3);
    }
    for (int i = 0; i < threads; i++) {
        workers[i] = (Worker){.flow = flow, .index = i};
        workers[i].first_row = 1 + rows * i / threads;
        workers[i].end_row = 1 + rows * (i + 1) / threads;
        if (i > 0 && pthread_create(&ids[i], NULL, solve, &workers[i])) {
            fprintf(stderr, "cavity: no thread %d of %d\n", i + 1, threads);
            exit(3);
        }
    }
    solve(&workers[0]);
    for (int i = 1; i < threads; i++)
        pthread_join(ids[i], NULL);
    const Outcome outcome = workers[0].outcome;
    free(workers);
    free(ids);
    return outcome;
}

static void write_velocity(FILE *file, const Flow *flow, int row, int column)
{
    const int cells = flow->run->cells, width = cells + 1;
    const double *p = flow->psi + (size_t)row * width + column;
    double u = row == cells ? 1.0 : 0.0, v = 0.0;
    if (row > 0 && row < cells && column > 0 && column < cells) {
        u = 0.5 * cells * (p[width] - p[-width]);
        v = -0.5 * cells * (p[1] - p[-1]);
    }
    fprintf(file, "%.12g %.12g 0\n", u, v);
}

/* Legacy VTK: https://docs.vtk.org/en/latest/vtk_file_formats/vtk_legacy_file_format.html */
static int write_fields(const Flow *flow, const char *path)
{
    const int cells = flow->run->cells, width = cells + 1, points = width * width;
    FILE *file = fopen(path, "w");
    if (!file)
        return 0;
    fprintf(file, "# vtk DataFile Version 3.0\nlid-driven cavity, Re = %g\nASCII\n", flow->run->reynolds);
    fprintf(file, "DATASET STRUCTURED_POINTS\nDIMENSIONS %d %d 1\nORIGIN 0 0 0\n", width, width);
    fprintf(file, "SPACING %.17g %.17g 1\nPOINT_DATA %d\n", 1.0 / cells, 1.0 / cells, points);
    fprintf(file, "SCALARS stream_function double 1\nLOOKUP_TABLE default\n");
    for (int i = 0; i < points; i++)
        fprintf(file, "%.12g\n", flow->psi[i]);
    fprintf(file, "SCALARS vorticity double 1\nLOOKUP_TABLE default\n");
    for (int i = 0; i < points; i++)
        fprintf(file, "%.12g\n", flow->omega[i]);
    fprintf(file, "VECTORS velocity double\n");
    for (int row = 0; row < width; row++)
        for (int column = 0; column < width; column++)
            write_velocity(file, flow, row, column);
    const int failed = ferror(file);
    return fclose(file) == 0 && !failed;
}

static Case read_case(int count, char **words)
{
    if (count != 8) {
        fprintf(stderr, "usage: %s REYNOLDS CELLS RELAXATION TOLERANCE MAX_ITERATIONS THREADS OUT.vtk\n",
                words[0]);
        exit(2);
    }
    Case run = {.reynolds = atof(words[1]), .cells = atoi(words[2]), .relaxation = atof(words[3]),
                .tolerance = atof(words[4]), .max_iterations = atol(words[5]), .threads = atoi(words[6])};
    if (!(run.reynolds > 0) || run.cells < 8 || run.threads < 1 || !(run.relaxation > 0)) {
        fprintf(stderr, "cavity: REYNOLDS, RELAXATION and THREADS must be above 0 and CELLS at least 8\n");
        exit(2);
    }
    const int useful = 1 + (run.cells - 2) / MIN_ROWS_PER_THREAD;
    run.threads = run.threads < useful ? run.threads : useful;
    return run;
}

int main(int count, char **words)
{
    const Case run = read_case(count, words);
    const size_t points = (size_t)(run.cells + 1) * (run.cells + 1);
    Flow flow = {.run = &run, .psi = calloc(points, sizeof(double)), .omega = calloc(points, sizeof(double)),
                 .change = calloc(run.threads, sizeof(double))};
    if (!flow.psi || !flow.omega || !flow.change) {
        fprintf(stderr, "cavity: not enough memory for %zu points\n", points);
        return 3;
    }
    setvbuf(stdout, NULL, _IOLBF, 0); /* so that the log can be followed while this runs */
    printf("Re %g on %d x %d points, %d threads\n", run.reynolds, run.cells + 1, run.cells + 1, run.threads);
    const Outcome outcome = solve_on_threads(&flow);
    if (outcome == BLEW_UP)
        fprintf(stderr, "cavity: the flow blew up; use a smaller RELAXATION than %g\n", run.relaxation);
    if (outcome == UNFINISHED)
        fprintf(stderr, "cavity: not steady after %ld iterations; allow more\n", run.max_iterations);
    if (outcome != STEADY)
        return 1;
    if (!write_fields(&flow, words[7])) {
        perror(words[7]);
        return 3;
    }
    return 0;
}
