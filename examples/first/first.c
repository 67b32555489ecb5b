/* A first look around: calls, a future passed on as an argument, a function that fails, a struct,
 * answers taken as they come, a hundred calls at once, a release.
 *
 * Prints:
 *     7 * 6 = 42
 *     (7 * 6) * 2 = 84
 *     divide said: cannot divide 1 by zero (its code 33)
 *     centre (1.5, 2.0) "middle"
 *     as they come: 1 + 4 + 9 + 16 = 30
 *     all at once: 1 + 4 + ... + 10000 = 338350
 */
#include <inttypes.h>
#include <stdio.h>

#include <reeve.h>

REEVE_REMOTE(int64_t, multiply, (int64_t, a), (int64_t, b))
{
    return a * b;
}

REEVE_REMOTE(double, divide, (double, a), (double, b))
{
    if (b == 0)
        reeve_fail(33, "cannot divide %g by zero", a); /* what is returned is then ignored */
    return a / b;
}

/* Defines struct place, and makes it a type of values. */
REEVE_STRUCT(place, (double, x), (double, y), (reeve_string, name))

REEVE_REMOTE(place, centre, (place, a), (place, b))
{
    return (place){(a.x + b.x) / 2, (a.y + b.y) / 2, "middle"};
}

/* Four calls, and their sum, taken in whichever order they are answered. */
static int64_t sum_of_squares(void)
{
    multiply_future calls[4];
    int64_t sum = 0, square;
    size_t i;
    for (i = 0; i < 4; i++)
        calls[i] = multiply_remote((int64_t)i + 1, (int64_t)i + 1);
    reeve_as_completed(i, calls, 4)
    {
        if (multiply_get(calls[i], &square) == REEVE_OK)
            sum += square;
        else
            reeve_perror("multiply");
    }
    return sum;
}

/* A hundred calls and their answers, each for the price of a few. */
static int64_t sum_of_a_hundred_squares(void)
{
    int64_t numbers[100], squares[100], sum = 0;
    multiply_future open[100];
    for (int i = 0; i < 100; i++)
        numbers[i] = i + 1;
    multiply_remote_many(100, numbers, numbers, open); /* what fails here fails at the get, too */
    if (multiply_get_many(open, 100, squares, NULL) != REEVE_OK)
        reeve_perror("multiply");
    for (int i = 0; i < 100; i++)
        sum += squares[i];
    return sum;
}

int main(int argc, char **argv)
{
    /* Workers are this program: what stands before reeve_init runs in each of them, too. */
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;

    /* Two calls, the second of which takes the first one's future. Neither line waits. */
    multiply_future product = multiply_remote(7, 6);
    multiply_future twice = reeve_call(multiply, product, 2);
    int64_t n;
    if (multiply_get(product, &n) == REEVE_OK)
        printf("7 * 6 = %" PRId64 "\n", n);
    if (multiply_get(twice, &n) == REEVE_OK)
        printf("(7 * 6) * 2 = %" PRId64 "\n", n);

    /* Failure is part of the result. */
    double d;
    if (divide_get(divide_remote(1, 0), &d) == REEVE_EFUNCTION) {
        const reeve_error_info *error = reeve_last_error();
        printf("%s said: %s (its code %" PRId64 ")\n", error->function, error->message,
            error->user_code);
    }

    /* Structs, and a large value stored once for many calls; here it is small. */
    reeve_future_place corner = reeve_put(place, ((place){1, 1, "corner"}));
    centre_future middle = reeve_call(centre, corner, ((place){2, 3, "other corner"}));
    reeve_release(corner); /* no longer needed here; the call still gets it */
    place m;
    if (centre_get(middle, &m) == REEVE_OK) {
        printf("centre (%.1f, %.1f) \"%s\"\n", m.x, m.y, m.name);
        reeve_clear(place, &m); /* frees what the value points to: its name */
    } else {
        reeve_perror("centre");
    }

    printf("as they come: 1 + 4 + 9 + 16 = %" PRId64 "\n", sum_of_squares());
    printf("all at once: 1 + 4 + ... + 10000 = %" PRId64 "\n", sum_of_a_hundred_squares());

    reeve_release(multiply_remote(1, 1)); /* a result that nobody wants */
    reeve_shutdown();
    return 0;
}
