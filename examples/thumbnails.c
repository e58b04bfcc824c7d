/* Makes a small picture of every PNG file in a folder, at most 64 pixels wide and high, into another folder.
 *
 *     thumbnails [-w WORKERS] [-s SIDE] FOLDER OUTPUT-FOLDER
 *     mplaunch -n 4 thumbnails /usr/share/icons/Adwaita/96x96/places small
 *
 * Each pixel is the mean of those it stands for, weighted by how opaque they are; a picture that is small enough keeps its
 * size. Prints a line for each. What is no PNG file is reported on stderr and costs nobody else; the exit code is then 1.
 *
 * Shows mpl_pool_map over strings, mpl_pool_failures for the items that have no result, and mpl_pool_share for what all
 * of them need to know. */
#include <mplaunch.h>

#include <ctype.h>
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <png.h>

#define CHANNELS 4                  /* red, green, blue, alpha */
#define SHOWN 20                    /* failures told one by one; of more their number */

typedef struct {
    uint32_t side;                  /* pixels */
    char folder[PATH_MAX];
} settings_t;

typedef struct {
    uint32_t width, height;
} size_px_t;

/* One pixel: the mean of those in columns x0..x1-1 and rows y0..y1-1. */
static void mean (const uint8_t *picture, size_t width, size_t x0, size_t x1, size_t y0, size_t y1, uint8_t *pixel)
{
    uint64_t sum[CHANNELS] = { 0 }, n = (x1 - x0) * (y1 - y0);

    for (size_t y = y0; y < y1; y++)
        for (size_t x = x0; x < x1; x++) {
            const uint8_t *p = picture + (y * width + x) * CHANNELS;
            for (int c = 0; c < 3; c++)
                sum[c] += (uint64_t) p[c] * p[3];
            sum[3] += p[3];
        }
    for (int c = 0; c < 3; c++)
        pixel[c] = (uint8_t) (sum[3] ? (sum[c] + sum[3] / 2) / sum[3] : 0);
    pixel[3] = (uint8_t) ((sum[3] + n / 2) / n);
}

static uint32_t shrunk (uint32_t length, uint32_t longest, uint32_t side)
{
    uint32_t small = longest <= side ? length : (uint32_t) ((uint64_t) length * side / longest);
    return small ? small : 1;
}

static int thumbnail (mpl_call_t *call, const void *in, void *out)
{
    const settings_t *settings = mpl_call_shared (call, "settings", NULL);
    const char *path = in, *name = strrchr (path, '/') + 1;
    png_image image = { .version = PNG_IMAGE_VERSION }, small = { .version = PNG_IMAGE_VERSION };
    uint8_t *picture = NULL, *pixels = NULL;
    char target[PATH_MAX + NAME_MAX + 2];
    int is_failed = 1;

    if (!png_image_begin_read_from_file (&image, path)) {
        mpl_call_fail (call, "%s: %s", path, image.message);
        goto done;
    }
    image.format = small.format = PNG_FORMAT_RGBA;
    uint32_t longest = image.width > image.height ? image.width : image.height;
    small.width = shrunk (image.width, longest, settings->side);
    small.height = shrunk (image.height, longest, settings->side);
    picture = calloc (image.height, (size_t) image.width * CHANNELS);
    pixels = calloc (small.height, (size_t) small.width * CHANNELS);
    if (!picture || !pixels || !png_image_finish_read (&image, NULL, picture, 0, NULL)) {
        mpl_call_fail (call, "%s: %s", path, *image.message ? image.message : strerror (errno));
        goto done;
    }
    for (size_t y = 0; y < small.height; y++)
        for (size_t x = 0; x < small.width; x++)
            mean (picture, image.width, x * image.width / small.width, (x + 1) * image.width / small.width,
                  y * image.height / small.height, (y + 1) * image.height / small.height,
                  pixels + (y * small.width + x) * CHANNELS);
    snprintf (target, sizeof target, "%s/%s", settings->folder, name);
    FILE *file = fopen (target, "wbe");
    int is_written = file && png_image_write_to_stdio (&small, file, 0, pixels, 0, NULL);
    if (!file || fclose (file) != 0 || !is_written) {
        mpl_call_fail (call, "%s: %s", target, *small.message ? small.message : strerror (errno));
        goto done;
    }
    *(size_px_t *) out = (size_px_t) { small.width, small.height };
    is_failed = 0;
done:
    png_image_free (&image);
    free (picture);
    free (pixels);
    return is_failed;
}

static const mpl_task_t tasks[] = { { "thumbnail", thumbnail, MPL_STRING, sizeof (size_px_t) }, { 0 } };

static int failed (const char *what, const char *why)
{
    fprintf (stderr, "thumbnails: %s%s%s\n", what, *what ? ": " : "", why);
    return 1;
}

int main (int argc, char **argv)
{
    mpl_pool_opts_t opts = mpl_pool_defaults ();
    settings_t settings = { .side = 64 };
    mpl_result_t failures[SHOWN];
    char pattern[PATH_MAX];
    glob_t files;
    int status = 0;

    if (mpl_init (&argc, &argv, tasks) < 0)
        return failed ("", mpl_error ());
    for (int option; (option = getopt (argc, argv, "w:s:")) != -1;)
        switch (option) {
        case 'w': opts.workers = isdigit ((unsigned char) *optarg) ? atoi (optarg) : -1; break;
        case 's': settings.side = (uint32_t) atoi (optarg); break;
        default: return 2;
        }
    if (argc - optind != 2 || settings.side < 1 || settings.side > 65536)
        return failed ("usage", "thumbnails [-w WORKERS] [-s SIDE] FOLDER OUTPUT-FOLDER"), 2;
    if (mkdir (argv[optind + 1], 0777) < 0 && errno != EEXIST)
        return failed (argv[optind + 1], strerror (errno));
    snprintf (settings.folder, sizeof settings.folder, "%s", argv[optind + 1]);
    snprintf (pattern, sizeof pattern, "%s/*.png", argv[optind]);
    if (glob (pattern, 0, NULL, &files) != 0)
        return failed (pattern, "no such file");

    size_px_t *sizes = calloc (files.gl_pathc, sizeof *sizes);
    mpl_pool_t *pool = mpl_pool_new (&opts);
    if (!sizes || !pool || mpl_pool_share (pool, "settings", &settings, sizeof settings) < 0) {
        status = failed ("", mpl_error ());
    } else if (mpl_pool_map (pool, thumbnail, files.gl_pathv, files.gl_pathc, sizes) < 0) {
        size_t n = errno == EIO ? mpl_pool_failures (pool, failures, SHOWN) : 0;
        for (size_t i = 0; i < n && i < SHOWN; i++)
            failed ("", failures[i].error);
        status = n > 0 && n <= SHOWN ? 1 : failed ("", mpl_error ());
    }
    for (size_t i = 0; sizes && i < files.gl_pathc; i++)
        if (sizes[i].width)                         /* a failed item's slot is left as it was */
            printf ("%ux%u %s\n", sizes[i].width, sizes[i].height, files.gl_pathv[i]);
    mpl_pool_destroy (&pool);
    free (sizes);
    globfree (&files);
    return fflush (stdout) == 0 ? status : failed ("standard output", strerror (errno));
}
