/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A parameter study: which angle and speed bring a ball nearest to a target, through air that slows it down and wind? Each point
 * of the grid is a task, made only when a worker can have it; results are taken as they come, and the best is kept. What is
 * the same for all points, the wind at each height, an initialiser works out once in each worker.
 *
 *     cc pool_study.c $(pkg-config --cflags --libs dragon) -lm -o pool_study
 *     dragon-run ./pool_study 150
 *     dragon-run --test-hosts 2 ./pool_study 150
 */
#include <dragon/dragon.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANGLES = 80, SPEEDS = 50, HEIGHTS = 2000 }; /* the grid; metres */

struct point { /* a task, and with it its number in the grid */
    double degrees, speed, target;
};

static void must(dragon_err_t err, const dragon_error_t *error)
{
    if (err == DRAGON_OK)
        return;
    fprintf(stderr, "pool_study: %s\n", error ? error->text : dragon_err_text(err));
    exit(1);
}

/* ---- in the workers */

static int prepare(dragon_task_t *task)
{
    double *wind = malloc(HEIGHTS * sizeof *wind);
    const double *strength = dragon_task_data(task, NULL); /* what the head gives all */
    if (!wind)
        return dragon_task_fail(task, 1, "no memory for the wind");
    for (int i = 0; i < HEIGHTS; i++)
        wind[i] = *strength * log(1 + i / 10.0);
    dragon_task_set_state(task, wind);
    return 0;
}

/* Returns how far from the target it comes down. */
static int throw_ball(dragon_task_t *task)
{
    const double step = 1e-3, drag = 2e-3, radian = 3.14159265358979323846 / 180;
    const struct point *point = dragon_task_data(task, NULL);
    const double *wind = dragon_task_state(task);
    double x = 0, y = 0;
    double vx = point->speed * cos(point->degrees * radian);
    double vy = point->speed * sin(point->degrees * radian);
    while (y >= 0) {
        double rx = vx - wind[y < HEIGHTS ? (int)y : HEIGHTS - 1], speed = sqrt(rx * rx + vy * vy);
        vx -= step * drag * speed * rx;
        vy -= step * (drag * speed * vy + 9.81);
        x += step * vx;
        y += step * vy;
    }
    double miss = fabs(x - point->target);
    return dragon_task_return(task, &miss, sizeof miss) != DRAGON_OK;
}

static const dragon_function_t functions[] = {
    {"prepare", prepare}, {"throw", throw_ball}, {NULL, NULL}};

/* ---- the head */

static struct point point_at(uint64_t index, double target)
{
    struct point point = {5 + (double)(index % ANGLES), 20 + (double)(index / ANGLES), target};
    return point;
}

struct grid {
    struct point point; /* the latest */
    double target;
    uint64_t next;
};

static int next_point(void *arg, const void **data_out, size_t *bytes_out)
{
    struct grid *grid = arg;
    if (grid->next == ANGLES * SPEEDS)
        return 0;
    grid->point = point_at(grid->next++, grid->target);
    *data_out = &grid->point;
    *bytes_out = sizeof grid->point;
    return 1;
}

static void study(dragon_pool_t *pool, double target)
{
    struct grid grid = {{0, 0, 0}, target, 0};
    dragon_map_run_t *run;
    dragon_error_t error;
    dragon_err_t err;
    double best = INFINITY;
    uint64_t index, best_index = 0, points = 0;
    const void *value;
    must(dragon_pool_imap(pool, "throw", next_point, &grid, DRAGON_MAP_UNORDERED, &run), NULL);
    while ((err = dragon_map_run_next(run, &index, &value, NULL, DRAGON_FOREVER, &error)) ==
           DRAGON_OK) {
        double miss;
        memcpy(&miss, value, sizeof miss);
        points++;
        if (miss > best || (miss == best && index > best_index))
            continue;
        best = miss;
        best_index = index;
    }
    if (err != DRAGON_ERR_NOT_FOUND) /* that was all */
        must(err, &error);
    dragon_map_run_destroy(run);
    struct point found = point_at(best_index, target);
    printf("of %llu points the best is %.0f degrees at %.0f m/s, which misses by %.2f m\n",
           (unsigned long long)points, found.degrees, found.speed, best);
}

int main(int argc, char **argv)
{
    dragon_pool_spec_t spec = DRAGON_POOL_SPEC_INIT;
    dragon_runtime_t *runtime;
    dragon_pool_t *pool;
    dragon_error_t error;
    double wind = -1; /* from the front */
    int code;
    if (dragon_pool_work(functions, &code)) /* a worker */
        return code;
    double target = argc == 2 ? strtod(argv[1], NULL) : 0;
    if (!(target > 0)) {
        fprintf(stderr, "usage: dragon-run %s METRES\n", argv[0]);
        return 2;
    }
    must(dragon_runtime_attach(&runtime, &error), &error);
    spec.initializer = "prepare";
    spec.initial = &wind;
    spec.initial_bytes = sizeof wind;
    must(dragon_pool_create(runtime, &spec, &pool, &error), &error);
    study(pool, target);
    must(dragon_pool_close(pool), NULL);
    must(dragon_pool_join(pool, DRAGON_DEFAULT_TIMEOUT), NULL);
    dragon_pool_destroy(pool);
    dragon_runtime_detach(runtime);
    return 0;
}
