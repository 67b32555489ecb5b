/* Mistakes that the compiler must catch. Each case is compiled alone, with CASE defined to its
 * number (compile_fail.py); case 0 has no mistake. The words behind `expect:` must be among what
 * the compiler says. */
#include <reeve.h>

REEVE_STRUCT(point, (double, x), (double, y))
REEVE_STRUCT(pixel, (double, x), (double, y))

REEVE_REMOTE(int64_t, add, (int64_t, a), (int64_t, b))
{
    return a + b;
}
REEVE_REMOTE(point, shift, (point, p), (double, by))
{
    p.x += by;
    return p;
}
REEVE_REMOTE(void, nothing)
{
}

int use(void);
int use(void)
{
    int64_t n = 0;
    double d = 0;
    point p = {0, 0};
    pixel q = {0, 0};
    reeve_future_int64_t fn = reeve_put(int64_t, 1);
    reeve_future_double fd = reeve_put(double, 1);
    (void)n, (void)d, (void)p, (void)q, (void)fn, (void)fd;
#if CASE == 0
    add_future f = reeve_call(add, fn, 2);
    shift_future g = reeve_call(shift, p, fd);
    return add_get(f, &n) + shift_get(g, &p) + nothing_get(nothing_remote()) + reeve_release(fn);
#elif CASE == 1  /* expect: too few arguments */
    add_remote(1);
#elif CASE == 2  /* expect: too many arguments */
    add_remote(1, 2, 3);
#elif CASE == 3  /* expect: too few arguments */
    reeve_call(add, 1);
#elif CASE == 4  /* expect: add_arg3_future */
    reeve_call(add, 1, 2, 3);
#elif CASE == 5  /* expect: reeve_future_double */
    reeve_call(add, fd, 2);
#elif CASE == 6  /* expect: reeve_future_int64_t */
    shift_remote(p, fn);
#elif CASE == 7  /* expect: pixel */
    shift_remote(q, 1);
#elif CASE == 8  /* expect: pixel */
    reeve_call(shift, q, 1);
#elif CASE == 9  /* expect: incompatible */
    return add_get(add_remote(1, 2), &d);
#elif CASE == 10 /* expect: reeve_future_double */
    return add_get(fd, &n);
#elif CASE == 11 /* expect: reeve_future_int64_t */
    return shift_get(add_remote(1, 2), &p);
#elif CASE == 12 /* expect: too many arguments */
    return nothing_get(nothing_remote(), &n);
#elif CASE == 13 /* expect: integer */
    add_remote("one", 2);
#elif CASE == 14 /* expect: integer */
    reeve_call(add, "one", 2);
#elif CASE == 15 /* expect: reeve_future_point */
    reeve_future_point f = reeve_put(pixel, q);
    (void)f;
#elif CASE == 16 /* expect: id */
    reeve_wait(&n, 1, 1, 0, NULL, NULL);
#elif CASE == 17 /* expect: reeve_clear_long_double_thing */
    return reeve_clear(long_double_thing, &n), 0;
#elif CASE == 18 /* expect: conflicting types */
    add_future *f = NULL;
    (void)f;
}
REEVE_REMOTE_DECLARE(int64_t, add, (int64_t, a))
int more(void);
int more(void){
#elif CASE == 19 /* expect: char is no value type: a string is reeve_string */
}
REEVE_REMOTE(int64_t, letter, (char, c))
{
    return c;
}
int more(void);
int more(void){
#elif CASE == 20 /* expect: incompatible type */
}
REEVE_REMOTE(int64_t, later, (reeve_future_int64_t, f)) /* takes the future, and no value */
{
    int64_t x = 0;
    return reeve_get(int64_t, f, &x) + x;
}
int more(void);
int more(void)
{
    later_remote(5);
#elif CASE == 21 /* expect: incompatible type */
}
REEVE_REMOTE(int64_t, later, (reeve_future_int64_t, f))
{
    int64_t x = 0;
    return reeve_get(int64_t, f, &x) + x;
}
int more(void);
int more(void)
{
    reeve_call(later, reeve_put(double, 1));
#elif CASE == 22 /* expect: reeve_type_reeve_future_char|reeve_future_char */
}
REEVE_STRUCT(letters, (reeve_future_char, first))
int more(void);
int more(void){
#elif CASE == 23 /* expect: incompatible */
}
REEVE_REMOTE(int64_t, count, (reeve_array_pixel, all))
{
    return (int64_t)all.count;
}
int more(void);
int more(void)
{
    count_remote((reeve_array_point){NULL, 0});
#elif CASE == 24 /* expect: cannot make a struct called .*value.*choose another name */
}
REEVE_STRUCT(value, (double, x))
int more(void);
int more(void){
#elif CASE == 25 /* expect: cannot make a struct called .*bytes.*choose another name */
}
REEVE_STRUCT(bytes, (double, x))
int more(void);
int more(void){
#elif CASE == 26 /* expect: error: a parameter or member is .type, name., with parentheses */
}
REEVE_REMOTE(int64_t, bare, int64_t x)
{
    return x;
}
int more(void);
int more(void){
#elif CASE == 27 /* expect: error: a value type has no const: a string is reeve_string */
}
REEVE_REMOTE(int64_t, spell, (const char *, text))
{
    return *text;
}
int more(void);
int more(void){
#elif CASE == 28 /* expect: error: say how wide the number is */
}
REEVE_REMOTE(unsigned, wide, (int, x))
{
    return x;
}
int more(void);
int more(void)
{
#elif CASE == 29 /* expect: error: a struct is made by REEVE_STRUCT */
}
struct plain {
    double x;
};
REEVE_REMOTE(double, see, (struct plain, p))
{
    return p.x;
}
int more(void);
int more(void){
#elif CASE == 30 /* expect: a pointer is no value type */
}
REEVE_REMOTE(double, first_of, (double *, all))
{
    return all[0];
}
int more(void);
int more(void){
#elif CASE == 31 /* expect: a parameter or member has but a name */
}
REEVE_STRUCT(vector, (double, x[3]))
int more(void);
int more(void){
#elif CASE == 32 /* expect: error: a remote function has at most 16 parameters */
}
REEVE_REMOTE(int, long_one, (int, a1), (int, a2), (int, a3), (int, a4), (int, a5), (int, a6),
    (int, a7), (int, a8), (int, a9), (int, a10), (int, a11), (int, a12), (int, a13), (int, a14),
    (int, a15), (int, a16), (int, a17))
{
    return a1;
}
int more(void);
int more(void){
#elif CASE == 33 /* expect: ignoring return value */
}
REEVE_REMOTE(int, drop)
{
    return 0;
}
int more(void);
int more(void)
{
    drop_remote();
#elif CASE == 34 /* expect: error: a parameter or member is .type, name., with parentheses */
}
REEVE_ACTOR(empty)
int more(void);
int more(void)
{
#endif
    return 0;
}
