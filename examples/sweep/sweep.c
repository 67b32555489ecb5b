/* Looks for good settings of a small neural network: many trials at once, of which the first few
 * that are good enough win, and all others are stopped.
 *
 *     40 settings ──> train(setting, data) ──> reached the goal    the first 3: winners
 *        (random)           ...                gave up             too many epochs
 *                                              diverged            it says so itself
 *                                              out of time         timeout_ms
 *                                              cancelled           when there are 3 winners
 *
 * The network tells two spirals apart, which are made here: no files are needed. The data are
 * stored once, for all trials. Winners are looked at again on points that no trial has seen.
 *
 *     sweep [TRIALS [SEED [TIME_LIMIT_MS]]]      default: 40, 1, 5000 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <reeve.h>

#include "model.h"

#define GOAL       0.97 /* of the points that are not trained with */
#define WINNERS    3
#define TRIALS_MAX 10000
#define EPOCHS_MAX 400
#define TRAIN      1000
#define VALIDATE   500
#define FRESH      2000

enum { DIVERGED = 1 };

REEVE_STRUCT(setting, (double, rate), (double, momentum), (int32_t, batch), (int32_t, hidden))
REEVE_STRUCT(trained, (double, accuracy), (int32_t, epochs), (reeve_bytes, network))

/* ---- on the workers -------------------------------------------------------------------------- */

/* Trains until it is good enough, or it has been too long. `data` are points: first those to train
 * with. */
REEVE_REMOTE(trained, train, (setting, s), (uint64_t, seed), (reeve_double_array, data))
{
    const struct point *points = (const struct point *)data.items; /* of three numbers each */
    struct network *network = reeve_alloc(sizeof *network), speed = {0};
    trained result = {0, 0, {network, sizeof *network}};
    if (!network)
        return reeve_fail(0, "no memory"), result;
    network_init(network, s.hidden, &seed);
    while (result.accuracy < GOAL && result.epochs < EPOCHS_MAX && !reeve_cancelled()) {
        double loss = network_train(
            network, &speed, points, TRAIN, (size_t)s.batch, s.rate, s.momentum, &seed);
        if (!isfinite(loss)) {
            reeve_fail(DIVERGED, "diverged in epoch %" PRId32, result.epochs);
            return result;
        }
        result.accuracy = network_accuracy(network, points + TRAIN, VALIDATE);
        result.epochs++;
    }
    return result;
}

/* ---- the driver ------------------------------------------------------------------------------ */

/* Rates are drawn by their logarithm: 0.01 to 0.1 is as likely as 0.1 to 1. */
static setting draw(uint64_t *random)
{
    return (setting){pow(10, -3 + 4.5 * random_unit(random)), 0.99 * random_unit(random),
        1 << (int)(6 * random_unit(random)), 4 << (int)(5 * random_unit(random))};
}

struct tally {
    size_t winners, gave_up, diverged, out_of_time, cancelled, failed;
};

static void win(const setting *s, const trained *result, struct tally *tally)
{
    static struct point fresh[FRESH];
    struct network network;
    memcpy(&network, result->network.data, sizeof network);
    spirals(fresh, FRESH, 3);
    tally->winners++;
    printf("winner: rate %.4f, momentum %.2f, batches of %" PRId32 ", %" PRId32 " hidden units: "
           "%.1f %% after %" PRId32 " epochs, %.1f %% of fresh points\n",
        s->rate, s->momentum, s->batch, s->hidden, 100 * result->accuracy, result->epochs,
        100 * network_accuracy(&network, fresh, FRESH));
}

/* What has become of one trial. */
static void count(train_future trial, const setting *s, struct tally *tally)
{
    trained result;
    int code = train_get(trial, &result);
    if (code == REEVE_OK && result.accuracy >= GOAL)
        win(s, &result, tally);
    else if (code == REEVE_OK)
        tally->gave_up++;
    else if (code == REEVE_EFUNCTION && reeve_last_error()->user_code == DIVERGED)
        tally->diverged++;
    else if (code == REEVE_ETASKTIMEOUT)
        tally->out_of_time++;
    else if (code == REEVE_ECANCELLED)
        tally->cancelled++;
    else
        tally->failed++, reeve_perror("train");
    if (code == REEVE_OK)
        reeve_clear(trained, &result);
}

static struct tally sweep(size_t trials, uint64_t random, int64_t limit_ms)
{
    static struct point points[TRAIN + VALIDATE];
    static setting settings[TRIALS_MAX];
    static train_future running[TRIALS_MAX];
    struct tally tally = {0};
    size_t i;
    spirals(points, TRAIN, 1);
    spirals(points + TRAIN, VALIDATE, 2);
    /* Numbers, not bytes: these are aligned for numbers wherever they come to lie. */
    reeve_double_array all = {(const double *)points, 3 * (TRAIN + VALIDATE)};
    reeve_future_reeve_double_array data = reeve_put(reeve_double_array, all);
    for (i = 0; i < trials; i++) {
        settings[i] = draw(&random);
        running[i] = reeve_call_opts(
            REEVE_TASK_OPTIONS(.timeout_ms = limit_ms), train, settings[i], (uint64_t)i, data);
    }
    reeve_release(data); /* the trials have it */
    reeve_as_completed(i, running, trials)
    {
        size_t winners = tally.winners;
        count(running[i], &settings[i], &tally);
        if (tally.winners == winners || tally.winners != WINNERS)
            continue;
        for (size_t other = 0; other < trials; other++)
            reeve_cancel(running[other], NULL); /* those that are done do not mind */
    }
    return tally;
}

static bool number(const char *text, uint64_t low, uint64_t high, uint64_t *ret)
{
    char *end;
    *ret = strtoull(text, &end, 10);
    if (end != text && *end == '\0' && *text != '-' && *ret >= low && *ret <= high)
        return true;
    fprintf(stderr, "sweep: \"%s\": expected a number from %" PRIu64 " to %" PRIu64 "\n", text, low,
        high);
    return false;
}

int main(int argc, char **argv)
{
    uint64_t trials = 40, seed = 1, limit_ms = 5000;
    if ((argc > 1 && !number(argv[1], 1, TRIALS_MAX, &trials)) ||
        (argc > 2 && !number(argv[2], 0, UINT64_MAX, &seed)) ||
        (argc > 3 && !number(argv[3], 1, INT64_MAX, &limit_ms)))
        return 2;
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    struct tally tally = sweep(trials, seed, (int64_t)limit_ms);
    printf("%" PRIu64 " trials: %zu reached the goal, %zu gave up, %zu diverged, %zu out of time, "
           "%zu cancelled, %zu failed\n",
        trials, tally.winners, tally.gave_up, tally.diverged, tally.out_of_time, tally.cancelled,
        tally.failed);
    reeve_shutdown();
    return tally.winners > 0 && tally.failed == 0 ? 0 : 1;
}
