/* A parameter server: the weights of a model are spread over actors, tasks compute gradients.
 *
 *        shard 0      shard 1      shard 2      shard 3        actors: a quarter each
 *          ▲ │          ▲ │          ▲ │          ▲ │
 *     push │ │ pull     │ │          │ │          │ │
 *          │ ▼          │ ▼          │ ▼          │ ▼
 *      ┌──────────────────────────────────────────────────┐
 *      │ improve(part 0)    improve(part 1)    ...        │  tasks: gradients on their part
 *      └──────────────────────────────────────────────────┘  of the data
 *
 * In step: a shard changes its weights when it has a gradient from every part, and a round begins
 * when the last has ended. At their own pace: a shard uses each gradient as it comes, and a task
 * makes all its steps at once; its weights may then be some steps old, which does little harm.
 *
 * The model is logistic regression, on data that are made here from weights of their own: who knows
 * these cannot explain the data better, so they say how good is good enough.
 *
 *     parameter_server [STEPS]        default: 200 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <reeve.h>

#define SHARDS  4
#define PARTS   4
#define WEIGHTS 256 /* in all shards together */
#define SLICE   (WEIGHTS / SHARDS)
#define ROWS    2000 /* of each part */
#define BATCH   200
#define COLUMNS (WEIGHTS + 1) /* the last is what is to be foretold: 0 or 1 */

static double random_unit(uint64_t *random)
{
    uint64_t x = *random += 0x9e3779b97f4a7c15;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return (double)((x ^ x >> 31) >> 11) * 0x1p-53;
}

static double random_normal(uint64_t *random)
{
    double radius = sqrt(-2 * log(1 - random_unit(random)));
    return radius * cos(2 * M_PI * random_unit(random));
}

/* How likely the weights take a 1 to be in this row. */
static double foretell(const double *weights, const double *row)
{
    double sum = 0;
    for (int i = 0; i < WEIGHTS; i++)
        sum += weights[i] * row[i];
    return 1 / (1 + exp(-sum));
}

/* ---- the actors ------------------------------------------------------------------------------ */

REEVE_ACTOR(shard, (double *, weights), (double *, slope), (uint32_t, together), (uint32_t, pushed))

/* Starts from zero, and uses gradients when it has `together` of them. */
REEVE_CONSTRUCTOR(shard, (uint32_t, together))
{
    self->weights = calloc(SLICE, sizeof(double));
    self->slope = calloc(SLICE, sizeof(double));
    self->together = together;
    if (!self->weights || !self->slope)
        reeve_fail(1, "no memory for %d weights", SLICE);
    return REEVE_OK;
}

REEVE_DESTRUCTOR(shard)
{
    free(self->weights);
    free(self->slope);
}

REEVE_METHOD(reeve_double_array, shard, pull)
{
    return (reeve_double_array){self->weights, SLICE};
}

REEVE_METHOD(void, shard, push, (reeve_double_array, slope), (double, rate))
{
    for (size_t i = 0; i < slope.count && i < SLICE; i++)
        self->slope[i] += slope.items[i];
    if (++self->pushed % self->together != 0)
        return;
    for (size_t i = 0; i < SLICE; i++) {
        self->weights[i] -= rate * self->slope[i] / self->together;
        self->slope[i] = 0;
    }
}

/* ---- the tasks ------------------------------------------------------------------------------- */

/* Handles of all shards, as a value that a task can be given. */
REEVE_STRUCT(shards, (shard_ref, a), (shard_ref, b), (shard_ref, c), (shard_ref, d))

static int pull_all(const shard_ref *all, double *weights)
{
    shard_pull_future pulls[SHARDS];
    int code = REEVE_OK;
    for (int i = 0; i < SHARDS; i++)
        pulls[i] = shard_pull_remote(all[i]); /* all at once */
    for (int i = 0; i < SHARDS; i++) {
        reeve_double_array slice;
        int one = shard_pull_get(pulls[i], &slice);
        for (size_t j = 0; one == REEVE_OK && j < SLICE; j++)
            weights[i * SLICE + j] = slice.items[j];
        if (one == REEVE_OK)
            reeve_clear(reeve_double_array, &slice);
        else
            code = one;
    }
    return code;
}

/* Waits until the shards have it: so who ends a round knows that they have all of it. */
static int push_all(const shard_ref *all, const double *slope, double rate)
{
    shard_push_future pushes[SHARDS];
    for (size_t i = 0; i < SHARDS; i++)
        pushes[i] = shard_push_remote(all[i], (reeve_double_array){slope + i * SLICE, SLICE}, rate);
    return shard_push_get_many(pushes, SHARDS, NULL);
}

/* Pulls, computes a gradient on a batch of its rows, pushes; so many times. */
REEVE_REMOTE(void, improve, (shards, servers), (reeve_double_matrix, part), (uint32_t, steps),
    (double, rate), (uint64_t, random))
{
    const shard_ref all[SHARDS] = {servers.a, servers.b, servers.c, servers.d};
    double weights[WEIGHTS];
    int code = REEVE_OK;
    while (steps-- > 0 && code == REEVE_OK && !reeve_cancelled()) {
        double slope[WEIGHTS] = {0};
        code = pull_all(all, weights);
        for (int i = 0; i < BATCH && code == REEVE_OK; i++) {
            size_t at = (size_t)(random_unit(&random) * (double)part.rows);
            const double *row = part.items + at * part.columns;
            double off = foretell(weights, row) - row[WEIGHTS];
            for (int j = 0; j < WEIGHTS; j++)
                slope[j] += off * row[j] / BATCH;
        }
        if (code == REEVE_OK)
            code = push_all(all, slope, rate);
    }
    if (code != REEVE_OK)
        reeve_fail(code, "%s", reeve_last_error()->message);
}

/* The sum of the losses of a part's rows. */
REEVE_REMOTE(double, loss_of, (reeve_double_array, weights), (reeve_double_matrix, part))
{
    double loss = 0;
    for (size_t i = 0; i < part.rows; i++) {
        const double *row = part.items + i * part.columns;
        double sure = foretell(weights.items, row);
        loss -= log(row[WEIGHTS] > 0 ? sure : 1 - sure);
    }
    return loss;
}

/* ---- the driver ------------------------------------------------------------------------------ */

static reeve_future_reeve_double_matrix parts[PARTS];
static double truth[WEIGHTS];

/* The data, each part stored once, where all tasks read it. */
static int make_data(void)
{
    uint64_t random = 1;
    for (int i = 0; i < WEIGHTS; i++)
        truth[i] = random_normal(&random) / 4;
    for (int p = 0; p < PARTS; p++) {
        double *items;
        reeve_creation creation;
        if (reeve_create_reeve_double_matrix(ROWS, COLUMNS, &items, &creation) != REEVE_OK)
            return reeve_perror("create"), -1;
        for (double *row = items; row < items + (size_t)ROWS * COLUMNS; row += COLUMNS) {
            for (int i = 0; i < WEIGHTS; i++)
                row[i] = random_normal(&random);
            row[WEIGHTS] = random_unit(&random) < foretell(truth, row);
        }
        if (reeve_seal_reeve_double_matrix(creation, &parts[p]) != REEVE_OK)
            return reeve_perror("seal"), -1;
    }
    return 0;
}

/* The mean loss of all rows; NAN when it cannot be known. */
static double loss(const double *weights)
{
    loss_of_future losses[PARTS];
    double sum = 0, one;
    for (int p = 0; p < PARTS; p++)
        losses[p] = reeve_call(loss_of, ((reeve_double_array){weights, WEIGHTS}), parts[p]);
    for (int p = 0; p < PARTS; p++)
        if (loss_of_get(losses[p], &one) == REEVE_OK)
            sum += one;
        else
            sum = (reeve_perror("loss_of"), NAN);
    return sum / PARTS / ROWS;
}

static double loss_now(const shard_ref *all)
{
    double weights[WEIGHTS];
    if (pull_all(all, weights) != REEVE_OK)
        return reeve_perror("shard_pull"), NAN;
    return loss(weights);
}

static int improve_all(shards servers, uint32_t steps, double rate, uint64_t round)
{
    improve_future tasks[PARTS];
    /* a gradient that is pushed twice counts twice: better not at all */
    const reeve_task_options *once = REEVE_TASK_OPTIONS(.max_retries = REEVE_NO_RETRIES);
    for (uint64_t p = 0; p < PARTS; p++)
        tasks[p] = reeve_call_opts(
            once, improve, servers, parts[p], steps, rate, (uint64_t)(round * PARTS + p));
    if (improve_get_many(tasks, PARTS, NULL) == REEVE_OK)
        return 0;
    reeve_perror("improve");
    return -1;
}

/* Returns the loss in the end. `at_once`: so many steps a task, of all `steps`. */
static double fit(const char *how, uint32_t together, uint32_t steps, uint32_t at_once, double rate)
{
    shard_ref all[SHARDS];
    for (int i = 0; i < SHARDS; i++)
        all[i] = shard_create(together);
    shards servers = {all[0], all[1], all[2], all[3]};
    double now = loss_now(all);
    printf("%s: loss %.3f", how, now);
    for (uint32_t done = 0; done < steps && isfinite(now);) {
        uint32_t next = steps - done < at_once ? steps - done : at_once;
        if (improve_all(servers, next, rate, done) != 0)
            now = NAN;
        done += next;
        if (isfinite(now) && (done % (steps / 4 + 1) < next || done == steps))
            printf(", %.3f", now = loss_now(all));
    }
    printf("\n");
    for (int i = 0; i < SHARDS; i++)
        reeve_actor_release(all[i]);
    return now;
}

int main(int argc, char **argv)
{
    uint32_t steps = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 200;
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    if (make_data() != 0)
        return 1;
    double best = loss(truth);
    printf("%d rows, %d weights in %d shards; the weights behind the data have a loss of %.3f\n",
        PARTS * ROWS, WEIGHTS, SHARDS, best);
    double in_step = fit("in step", PARTS, steps, 1, 0.8);
    double alone = fit("at their own pace", 1, steps, steps / 4 + 1, 0.1);
    for (int p = 0; p < PARTS; p++)
        reeve_release(parts[p]);
    reeve_shutdown();
    bool good = in_step < 1.02 * best && alone < 1.02 * best;
    printf("%s\n", good ? "both explain the data as well as can be" : "NOT GOOD ENOUGH");
    return good ? 0 : 1;
}
