#!/bin/bash
# examples/mandelbrot draws what a few lines of Python draw, one pixel after the other; and the same file to the byte
# whatever the number of workers.
. "$(dirname "$0")/lib.sh"

mandelbrot=$MPL_BUILD/examples/mandelbrot
if [ ! -x "$mandelbrot" ]; then
    echo "1..0 # SKIP the example was not built: no libpng"
    exit 0
fi

# compare FILE WIDTH HEIGHT ITERATIONS: reads the PNG with zlib alone and computes it anew. A compiler may join a
# multiplication and an addition into one rounding, which changes a pixel here and there at the edge of the set: one in a
# thousand may differ.
cat > compare.py <<'END'
import struct, sys, zlib

def decode(path):
    data = open(path, "rb").read()
    assert data[:8] == b"\x89PNG\r\n\x1a\n", "no PNG"
    at, packed = 8, b""
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + length]
        assert zlib.crc32(kind + body) == struct.unpack(">I", data[at + 8 + length:at + 12 + length])[0], "checksum"
        if kind == b"IHDR":
            width, height, *form = struct.unpack(">IIBBBBB", body)
            assert form == [8, 2, 0, 0, 0], form        # 8 bits, RGB, not interlaced
        packed += body if kind == b"IDAT" else b""
        at += 12 + length
    raw, stride, above, rows = zlib.decompress(packed), width * 3, bytearray(width * 3), []
    assert len(raw) == height * (stride + 1), "size"
    for y in range(height):
        how, row = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        for x in range(stride):
            a, b, c = (row[x - 3], above[x], above[x - 3]) if x >= 3 else (0, above[x], 0)
            p = a + b - c
            nearest = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
            row[x] = row[x] + (0, a, b, (a + b) // 2, nearest)[how] & 255
        rows.append(row)
        above = row
    return width, height, rows

def draw(width, height, iterations):
    wave = lambda n: n % 512 if n % 512 < 256 else 511 - n % 512
    step = 3.0 / width
    for y in range(height):
        row = bytearray()
        for x in range(width):
            c = complex((x - width / 2) * step - 0.7, (y - height / 2) * step)
            r = i = 0.0
            n = 0
            while n < iterations and r * r + i * i <= 4:
                r, i, n = r * r - i * i + c.real, 2 * r * i + c.imag, n + 1
            row += bytes((0, 0, 0) if n == iterations else (wave(n * 5), wave(n * 7), wave(n * 11 + 64)))
        yield row

path, (width, height, iterations) = sys.argv[1], map(int, sys.argv[2:])
w, h, rows = decode(path)
assert (w, h) == (width, height), (w, h)
differ = sum(mine[x:x + 3] != yours[x:x + 3] for mine, yours in zip(draw(width, height, iterations), rows)
             for x in range(0, 3 * width, 3))
print(f"{differ} of {width * height} pixels differ")
sys.exit(differ * 1000 > width * height)
END

draw () {
    local file=$1
    shift
    run "$@" "$file"
    check "$file is drawn with code 0" [ "$code" -eq 0 ]
}

draw one.png "$mandelbrot" -w 1 -x 180 -y 121 -i 120
draw two.png "$mandelbrot" -w 2 -x 180 -y 121 -i 120
draw three.png "$launch" -n 3 "$mandelbrot" -x 180 -y 121 -i 120
if command -v python3 > /dev/null; then
    check "python_computes_the_same_picture" python3 compare.py one.png 180 121 120
    draw dot.png "$mandelbrot" -w 2 -x 1 -y 1 -i 7
    check "also_one_of_a_single_pixel" python3 compare.py dot.png 1 1 7
    draw line.png "$mandelbrot" -w 2 -x 400 -y 1 -i 50
    check "and_of_a_single_row" python3 compare.py line.png 400 1 50
else
    skip "python_computes_the_same_picture" "no python3"
fi
check "two_workers_draw_what_one_draws" cmp one.png two.png
check "so_do_three_under_mplaunch" cmp one.png three.png

# Larger, so that rows of very different length travel in chunks.
draw one.png "$mandelbrot" -w 1
draw two.png "$mandelbrot" -w 2 -p
check "the_picture_by_default_is_the_same_too" cmp one.png two.png
check "progress_counts_its_rows" grep -qF "600 of 600" err
draw three.png "$launch" -n 3 "$mandelbrot"
check "and_under_mplaunch" cmp one.png three.png

# What goes wrong.
run "$mandelbrot"
check "no_file_is_wrong_usage" [ "$code" -eq 2 ]
run "$mandelbrot" -x 0 never.png
check "a_picture_without_width_is_refused" [ "$code-$(wc -l < err)" = 2-1 ]
run "$mandelbrot" -i -1 never.png
check "so_are_iterations_below_one" [ "$code-$(wc -l < err)" = 2-1 ]
run "$mandelbrot" -w x never.png
check "workers_are_a_number" [ "$code-$(grep -c workers err)" = 1-1 ]
check "none_of_them_writes_a_file" [ ! -e never.png ]
run "$mandelbrot" -x 90 -y 60 nowhere/x.png
check "a_file_that_cannot_be_written_is_reported" [ "$code-$(grep -c 'No such file' err)" = 1-1 ]
# No device is tried here: libpng's own way to write a file removes what it could not write, and did so with /dev/full.
echo kept > small.png
run bash -c 'trap "" XFSZ; ulimit -f 32; "$1" -w 2 small.png' bash "$mandelbrot"
check "so_is_a_disk_too_small" [ "$code-$(grep -c 'small.png: ' err)" = 1-1 ]
check "and_the_file_is_not_removed" [ -e small.png ]

finish
