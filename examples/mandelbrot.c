/* Draws the Mandelbrot set into a PNG file.
 *
 *     mandelbrot [-w WORKERS] [-p] [-x WIDTH] [-y HEIGHT] [-i ITERATIONS] FILE.png
 *     mplaunch -n 4 mandelbrot -x 3840 -y 2560 -i 2000 mandelbrot.png
 *
 * Shows mpl_pool_map with results whose size is known only at run time (MPL_VARIABLE): an item is a row of the picture, its
 * result the row's pixels. Rows through the set take a hundred times as long as rows beside it; how many travel together
 * is the pool's affair. */
#include <mplaunch.h>

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <png.h>

#define CHANNELS 3                  /* red, green, blue */

typedef struct {
    uint32_t y, width, height, iterations;
} row_t;

/* Up and down between 0 and 255, so that neighbours have colours that are near. */
static uint8_t wave (uint32_t n)
{
    return (uint8_t) (n % 512 < 256 ? n % 512 : 511 - n % 512);
}

static int draw_row (mpl_call_t *call, const void *in, void *out)
{
    const row_t *row = in;
    const double step = 3.0 / row->width, ci = (row->y - row->height / 2.0) * step;
    uint8_t *pixels = malloc ((size_t) row->width * CHANNELS), *pixel = pixels;

    (void) out;                     /* NULL: a result of variable size is given by mpl_call_reply */
    if (!pixels)
        return mpl_call_fail (call, "no memory for a row of %u pixels", row->width);
    for (uint32_t x = 0; x < row->width; x++, pixel += CHANNELS) {
        const double cr = (x - row->width / 2.0) * step - 0.7;
        double r = 0, i = 0;
        uint32_t n = 0;
        while (n < row->iterations && r * r + i * i <= 4) {
            double next = r * r - i * i + cr;
            i = 2 * r * i + ci;
            r = next;
            n++;
        }
        pixel[0] = n == row->iterations ? 0 : wave (n * 5);
        pixel[1] = n == row->iterations ? 0 : wave (n * 7);
        pixel[2] = n == row->iterations ? 0 : wave (n * 11 + 64);
    }
    int is_failed = mpl_call_reply (call, pixels, (size_t) row->width * CHANNELS) < 0;
    free (pixels);
    return is_failed;
}

static const mpl_task_t tasks[] = { { "draw_row", draw_row, sizeof (row_t), MPL_VARIABLE }, { 0 } };

static int failed (const char *what, const char *why)
{
    fprintf (stderr, "mandelbrot: %s%s%s\n", what, *what ? ": " : "", why);
    return 1;
}

/* Not png_image_write_to_file: when that fails, it removes whatever has the name, were it a device. */
static int write_picture (const char *path, uint32_t width, uint32_t height, const uint8_t *picture)
{
    png_image image = { .version = PNG_IMAGE_VERSION, .width = width, .height = height, .format = PNG_FORMAT_RGB };
    FILE *file = fopen (path, "wbe");

    if (!file)
        return failed (path, strerror (errno));
    int is_written = png_image_write_to_stdio (&image, file, 0, picture, 0, NULL);
    if (fclose (file) != 0 || !is_written)
        return failed (path, is_written ? strerror (errno) : image.message);
    return 0;
}

int main (int argc, char **argv)
{
    mpl_pool_opts_t opts = mpl_pool_defaults ();
    uint32_t width = 900, height = 600, iterations = 500;
    int status = 0;

    if (mpl_init (&argc, &argv, tasks) < 0)
        return failed ("", mpl_error ());
    for (int option; (option = getopt (argc, argv, "w:px:y:i:")) != -1;)
        switch (option) {
        case 'w': opts.workers = isdigit ((unsigned char) *optarg) ? atoi (optarg) : -1; break;
        case 'p': opts.progress = 1; break;
        case 'x': width = (uint32_t) atoi (optarg); break;
        case 'y': height = (uint32_t) atoi (optarg); break;
        case 'i': iterations = (uint32_t) atoi (optarg); break;
        default: return 2;
        }
    if (argc - optind != 1)
        return failed ("usage", "mandelbrot [-w WORKERS] [-p] [-x WIDTH] [-y HEIGHT] [-i ITERATIONS] FILE.png"), 2;
    if (width < 1 || height < 1 || iterations < 1 || width > 65535 || height > 65535 || iterations > 1000000)
        return failed ("", "a picture has 1 to 65,535 pixels each way, and 1 to 1,000,000 iterations"), 2;

    row_t *rows = calloc (height, sizeof *rows);
    mpl_bytes_t *drawn = calloc (height, sizeof *drawn);
    uint8_t *picture = calloc (height, (size_t) width * CHANNELS);
    if (!rows || !drawn || !picture)
        return failed ("", strerror (errno));
    for (uint32_t y = 0; y < height; y++)
        rows[y] = (row_t) { y, width, height, iterations };

    mpl_pool_t *pool = mpl_pool_new (&opts);
    if (!pool || mpl_pool_map (pool, draw_row, rows, height, drawn) < 0)
        status = failed ("", mpl_error ());
    mpl_pool_destroy (&pool);
    for (uint32_t y = 0; y < height && status == 0; y++)
        memcpy (picture + (size_t) y * width * CHANNELS, drawn[y].data, drawn[y].len);
    mpl_bytes_free (drawn, height);

    if (status == 0)
        status = write_picture (argv[optind], width, height, picture);
    free (rows);
    free (drawn);
    free (picture);
    return status;
}
