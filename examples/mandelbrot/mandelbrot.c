/* Draws the Mandelbrot set to a PNG file. A tile of the picture is a task.
 *
 *     ┌────┬────┬────┐
 *     │ 0  │ 1  │ 2  │    draw(scene, 0)  ──> pixels ─┐
 *     ├────┼────┼────┤    draw(scene, 1)  ──> pixels ─┼──> the picture ──> file
 *     │ 3  │ 4  │ 5  │         ...                  ─┘
 *     └────┴────┴────┘
 *
 * Tiles take very different times: one inside the set needs every iteration for every pixel. So
 * they are small, there are many more than workers, and each is put in place whenever it comes. */
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <reeve.h>

#define TILE           64 /* pixels on each side, less at the picture's edges */
#define ITERATIONS     2000
#define SAMPLES        2 /* in each direction, for each pixel */
#define CHANNELS       3
#define SIZE_MAX_PIXEL 16384

/* What is to be seen: a picture of so many pixels, its centre and its width in the plane. */
REEVE_STRUCT(
    scene, (uint32_t, width), (uint32_t, height), (double, re), (double, im), (double, span))

struct tile {
    uint32_t left, top, width, height;
};

static uint32_t tiles_across(scene s)
{
    return (s.width + TILE - 1) / TILE;
}

static uint32_t tile_count(scene s)
{
    return tiles_across(s) * ((s.height + TILE - 1) / TILE);
}

static struct tile tile_of(scene s, uint32_t index)
{
    uint32_t left = index % tiles_across(s) * TILE, top = index / tiles_across(s) * TILE;
    return (struct tile){left, top, left + TILE < s.width ? TILE : s.width - left,
        top + TILE < s.height ? TILE : s.height - top};
}

/* ---- on the workers -------------------------------------------------------------------------- */

/* How long the point takes to get away, as a number without steps; -1: it never does. */
static double escape(double re, double im)
{
    double x = 0, y = 0, x2 = 0, y2 = 0, kept_x = 0, kept_y = 0;
    for (int i = 0; i < ITERATIONS; i++) {
        y = 2 * x * y + im;
        x = x2 - y2 + re;
        x2 = x * x;
        y2 = y * y;
        if (x2 + y2 > 256)
            return i + 1 - log2(log2(x2 + y2) / 2);
        if (x == kept_x && y == kept_y)
            return -1; /* it goes round in a circle: it will for ever */
        if ((i & (i + 1)) == 0) {
            kept_x = x;
            kept_y = y;
        }
    }
    return -1;
}

static void add_colour(double time, double *rgb)
{
    static const double phases[CHANNELS] = {0.0, 0.1, 0.2};
    if (time < 0)
        return; /* the set itself is black */
    double t = log1p(time > 0 ? time : 0) / 2;
    for (int i = 0; i < CHANNELS; i++)
        rgb[i] += 127.5 - 127.5 * cos(2 * M_PI * (t + phases[i]));
}

static void draw_pixel(scene s, uint32_t column, uint32_t row, uint8_t *pixel)
{
    double rgb[CHANNELS] = {0}, step = s.span / s.width / SAMPLES;
    for (int i = 0; i < SAMPLES * SAMPLES; i++) {
        int across = i % SAMPLES, along = i / SAMPLES;
        double right = ((double)column - 0.5 * s.width) * SAMPLES + across + 0.5;
        double down = ((double)row - 0.5 * s.height) * SAMPLES + along + 0.5;
        add_colour(escape(s.re + right * step, s.im - down * step), rgb);
    }
    for (int i = 0; i < CHANNELS; i++)
        pixel[i] = (uint8_t)(rgb[i] / (SAMPLES * SAMPLES) + 0.5);
}

REEVE_REMOTE(reeve_bytes, draw, (scene, s), (uint32_t, index))
{
    struct tile tile = tile_of(s, index);
    size_t size = (size_t)tile.width * tile.height * CHANNELS;
    uint8_t *pixels = reeve_alloc(size);
    if (!pixels)
        reeve_fail(1, "no memory for %zu bytes", size);
    for (uint32_t i = 0; pixels && i < tile.width * tile.height; i++)
        draw_pixel(s, tile.left + i % tile.width, tile.top + i / tile.width,
            pixels + (size_t)i * CHANNELS);
    return (reeve_bytes){pixels, pixels ? size : 0};
}

/* ---- the picture ----------------------------------------------------------------------------- */

static void place(scene s, uint8_t *picture, uint32_t index, const uint8_t *pixels)
{
    struct tile tile = tile_of(s, index);
    size_t row_size = (size_t)tile.width * CHANNELS;
    for (uint32_t row = 0; row < tile.height; row++)
        memcpy(picture + (((size_t)tile.top + row) * s.width + tile.left) * CHANNELS,
            pixels + row * row_size, row_size);
}

static void show_progress(size_t done, size_t all)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r%zu of %zu tiles%s", done, all, done < all ? "" : "\n");
}

static int draw_all(scene s, uint8_t *picture)
{
    size_t count = tile_count(s), done = 0, i;
    draw_future *tiles = calloc(count, sizeof *tiles);
    int failed = 0;
    if (!tiles)
        return perror("mandelbrot"), -1;
    for (i = 0; i < count; i++)
        tiles[i] = draw_remote(s, (uint32_t)i);
    reeve_as_completed(i, tiles, count)
    {
        reeve_bytes pixels;
        if (draw_get(tiles[i], &pixels) != REEVE_OK) {
            reeve_perror("draw");
            failed = -1;
            continue;
        }
        place(s, picture, (uint32_t)i, pixels.data);
        reeve_free(pixels.data);
        show_progress(++done, count);
    }
    free(tiles);
    return failed;
}

static int write_png(const char *path, scene s, const uint8_t *picture)
{
    png_image image = {.version = PNG_IMAGE_VERSION,
        .width = s.width,
        .height = s.height,
        .format = PNG_FORMAT_RGB};
    if (png_image_write_to_file(&image, path, 0, picture, 0, NULL))
        return 0;
    fprintf(stderr, "mandelbrot: %s: %s\n", path, image.message);
    return -1;
}

static int compare(scene s, const uint8_t *picture)
{
    uint8_t pixel[CHANNELS];
    for (uint32_t i = 0; i < s.width * s.height; i++) {
        draw_pixel(s, i % s.width, i / s.width, pixel);
        if (memcmp(pixel, picture + (size_t)i * CHANNELS, CHANNELS) == 0)
            continue;
        fprintf(stderr, "mandelbrot: pixel %" PRIu32 ", %" PRIu32 " differs\n", i % s.width,
            i / s.width);
        return -1;
    }
    printf("drawn again by one process: the same picture\n");
    return 0;
}

/* ---- the program ----------------------------------------------------------------------------- */

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int usage(FILE *out, int status)
{
    fputs(
        "usage: mandelbrot [options] [FILE.png]     (default: mandelbrot.png)\n"
        "  --size WIDTHxHEIGHT  in pixels (default 1280x960)\n"
        "  --at RE,IM,SPAN      the centre, and how much of the plane is seen from left to right\n"
        "                       (default -0.7,0,3.2)\n"
        "  --check              draw it by one process, too, and compare\n"
        "  --help\n",
        out);
    return status;
}

static bool parse(int argc, char **argv, scene *s, bool *check)
{
    static const struct option options[] = {{"size", required_argument, NULL, 's'},
        {"at", required_argument, NULL, 'a'}, {"check", no_argument, NULL, 'c'},
        {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
    char rest;
    for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        bool good = false;
        switch (option) {
        case 's':
            good = sscanf(optarg, "%" SCNu32 "x%" SCNu32 "%c", &s->width, &s->height, &rest) == 2 &&
                   s->width - 1 < SIZE_MAX_PIXEL && s->height - 1 < SIZE_MAX_PIXEL;
            break;
        case 'a':
            good = sscanf(optarg, "%lf,%lf,%lf%c", &s->re, &s->im, &s->span, &rest) == 3 &&
                   s->span > 0;
            break;
        case 'c': good = *check = true; break;
        case 'h': exit(usage(stdout, 0));
        default: return false;
        }
        if (!good) {
            fprintf(stderr, "mandelbrot: \"%s\" makes no sense here\n", optarg);
            return false;
        }
    }
    return argc - optind <= 1;
}

static int run(scene s, const char *path, bool check)
{
    uint8_t *picture = malloc((size_t)s.width * s.height * CHANNELS);
    double begin = now_s();
    int failed = picture ? draw_all(s, picture) : (perror("mandelbrot"), -1);
    double end = now_s();
    if (!failed)
        failed = write_png(path, s, picture);
    if (!failed && check)
        failed = compare(s, picture);
    free(picture);
    if (failed)
        return 1;
    printf("%s: %" PRIu32 " x %" PRIu32 " pixels in %" PRIu32 " tiles\n", path, s.width, s.height,
        tile_count(s));
    fprintf(stderr, "drawn in %.2f s\n", end - begin);
    return 0;
}

int main(int argc, char **argv)
{
    scene s = {1280, 960, -0.7, 0, 3.2};
    bool check = false;
    if (!parse(argc, argv, &s, &check))
        return usage(stderr, 2);
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    int status = run(s, optind < argc ? argv[optind] : "mandelbrot.png", check);
    reeve_shutdown();
    return status;
}
