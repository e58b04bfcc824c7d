#!/bin/bash
# examples/thumbnails makes of real pictures, and of some made to be difficult, what a box filter in a few lines of Python
# makes of them; the same files with one worker, with two, and under mplaunch. What is no picture fails alone.
. "$(dirname "$0")/lib.sh"

thumbnails=$MPL_BUILD/examples/thumbnails
if [ ! -x "$thumbnails" ]; then
    echo "1..0 # SKIP the example was not built: no libpng"
    exit 0
fi
if ! command -v python3 > /dev/null; then
    echo "1..0 # SKIP no python3 to compare with"
    exit 0
fi

# Real ones: pictures of this machine's packages, of each size and kind some; their names are numbers here.
mkdir pictures
find /usr/share -name '*.png' -type f -size -64k -print0 2> /dev/null | LC_ALL=C sort -z > all
python3 - <<'END'
import shutil, struct, collections
chosen, n = collections.Counter(), 0
for path in open("all", "rb").read().split(b"\0")[:-1]:
    with open(path, "rb") as file:
        head = file.read(33)
    if len(head) < 33 or head[:8] != b"\x89PNG\r\n\x1a\n":
        continue
    width, height, *form = struct.unpack(">IIBBBBB", head[16:29])
    kind = (max(width, height) > 64, max(width, height) // 32, *form)
    chosen[kind] += 1
    if chosen[kind] <= (4 if kind[0] else 2) and width * height <= 70000 and n < 50:
        n += 1
        shutil.copyfile(path, f"pictures/{n}.png")
print(f"# {n} real pictures")
END
# And a large one without any package.
run "$MPL_BUILD/examples/mandelbrot" -x 233 -y 155 -i 100 pictures/mandelbrot.png

# make DIR: pictures of every kind that python can write with zlib alone, of awkward sizes.
cat > png.py <<'END'
import random, struct, sys, zlib

CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}       # by colour type: gray, RGB, palette, gray and alpha, RGBA

def make(path, width, height, kind):
    chunk = lambda name, body: struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    dice = random.Random(f"{width}x{height} {kind}")
    rows = b"".join(b"\0" + dice.randbytes(width * CHANNELS[kind]) for y in range(height))
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)))
        if kind == 3:
            file.write(chunk(b"PLTE", dice.randbytes(768)) + chunk(b"tRNS", dice.randbytes(100)))
        file.write(chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))

def decode(path):
    """Width, height and rows of RGBA pixels; None for the rows of a kind that is not taken up here."""
    data, at, packed, chunks = open(path, "rb").read(), 8, b"", {}
    while at < len(data):
        length, name = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + length]
        chunks[name] = body
        packed += body if name == b"IDAT" else b""
        at += 12 + length
    width, height, bits, kind, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    # libpng brings what says it has other colours into sRGB.
    if bits != 8 or interlaced or {b"gAMA", b"cHRM", b"iCCP"} & set(chunks) or (b"tRNS" in chunks and kind != 3):
        return width, height, None
    n = CHANNELS[kind]
    raw, stride, above, rows = zlib.decompress(packed), width * n, bytearray(width * n), []
    for y in range(height):
        how, row = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        for x in range(stride) if how else ():
            a, b, c = (row[x - n], above[x], above[x - n]) if x >= n else (0, above[x], 0)
            p = a + b - c
            nearest = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
            row[x] = row[x] + (0, a, b, (a + b) // 2, nearest)[how] & 255
        above = row
        points = [tuple(row[x:x + n]) for x in range(0, stride, n)]
        if kind == 3:
            colours, opaque = chunks[b"PLTE"], chunks.get(b"tRNS", b"").ljust(256, b"\xff")
            points = [(*colours[3 * i:3 * i + 3], opaque[i]) for i, in points]
        elif kind in (0, 4):
            points = [(p[0],) * 3 + (p[1:] or (255,)) for p in points]
        elif kind == 2:
            points = [(*p, 255) for p in points]
        rows.append(points)
    return width, height, rows

def shrink(width, height, rows, side):
    longest = max(width, height)
    w, h = (width, height) if longest <= side else (max(1, n * side // longest) for n in (width, height))
    if rows is None:
        return w, h, None
    small = []
    for y in range(h):
        small.append([])
        for x in range(w):
            box = [p for row in rows[y * height // h:(y + 1) * height // h]
                   for p in row[x * width // w:(x + 1) * width // w]]
            alpha = sum(p[3] for p in box)
            small[y].append((*((sum(p[c] * p[3] for p in box) + alpha // 2) // alpha if alpha else 0 for c in range(3)),
                             (alpha + len(box) // 2) // len(box)))
    return w, h, small

if sys.argv[1] == "make":
    for kind in CHANNELS:
        for width, height in (1, 1), (64, 64), (65, 64), (100, 1), (3, 300), (130, 97):
            make(f"{sys.argv[2]}/made-{kind}-{width}x{height}.png", width, height, kind)
else:                                           # compare BEFORE AFTER SIDE
    import os
    before, after, side = *sys.argv[2:4], int(sys.argv[4])
    names, seen, bad = sorted(os.listdir(before)), 0, 0
    assert sorted(os.listdir(after)) == names, "not the same names"
    for name in names:
        want, have = shrink(*decode(f"{before}/{name}"), side), decode(f"{after}/{name}")
        if want[:2] != have[:2]:
            print(name, "has the size", have[:2], "instead of", want[:2])
            bad += 1
        elif want[2] is not None:
            seen += 1
            # A pixel that nothing shows of has no colour.
            plain = lambda rows: [[p if p[3] else 0 for p in row] for row in rows]
            if have[2] is None or plain(want[2]) != plain(have[2]):
                print(name, "has other pixels")
                bad += 1
    print(f"{seen} of {len(names)} compared by pixel")
    sys.exit(bad > 0 or seen < len(names) // 2)
END
python3 png.py make pictures
n_pictures=$(find pictures -type f | wc -l)

run "$thumbnails" -w 1 pictures one
check "one_worker_makes_them_without_a_word_on_stderr" [ "$code-$(wc -c < err)" = 0-0 ]
check "and_prints_a_line_for_each" n_lines out "$n_pictures"
check "python_makes_the_same_of_them" timeout $((60 * SLOW)) python3 png.py compare pictures one 64
cp out lines
run "$thumbnails" -w 2 pictures two
check "two_workers_make_what_one_makes" diff -r one two
check "and_print_the_same" diff lines out
run "$launch" -n 3 "$thumbnails" pictures three
check "so_do_three_under_mplaunch" diff -r one three
check "which_print_the_same_too" diff lines out
run "$thumbnails" -s 10 pictures ten
check "with_another_size_python_agrees_again" timeout $((60 * SLOW)) python3 png.py compare pictures ten 10
run "$thumbnails" one two
check "small_ones_keep_their_size_and_their_pixels" timeout $((60 * SLOW)) python3 png.py compare one two 64

# Files that are no pictures, among those that are.
mkdir mixed
cp pictures/made-*.png mixed
n_made=$(find mixed -type f | wc -l)
echo "no picture" > mixed/text.png
: > mixed/nothing.png
head -c 3000 pictures/made-6-130x97.png > mixed/half.png
mkdir mixed/folder.png
for workers in 1 2; do
    run "$thumbnails" -w $workers mixed some-$workers
    check "what_is_no_picture_fails_with_code_1 ($workers)" [ "$code" -eq 1 ]
    for name in text nothing half folder; do
        check "named_on_stderr: $name ($workers)" [ "$(grep -c "mixed/$name.png" err)" -eq 1 ]
    done
    check "and_costs_no_other_its_thumbnail ($workers)" n_lines out "$n_made"
    check "nor_leaves_one_of_its_own ($workers)" [ "$(find some-$workers -type f | wc -l)" -eq "$n_made" ]
done

# What goes wrong.
run "$thumbnails" pictures
check "no_output_folder_is_wrong_usage" [ "$code" -eq 2 ]
run "$thumbnails" -s 0 pictures never
check "so_is_a_side_of_0" [ "$code" -eq 2 ]
run "$thumbnails" missing never
check "a_folder_without_pictures_is_reported" [ "$code-$(grep -c 'missing' err)" = 1-1 ]
run "$thumbnails" -w x pictures never
check "workers_are_a_number" [ "$code-$(grep -c workers err)" = 1-1 ]
run "$thumbnails" pictures nowhere/never
check "an_output_folder_that_cannot_be_made_is_reported" [ "$code-$(grep -c 'nowhere/never: No such file' err)" = 1-1 ]
echo in the way > file
run "$thumbnails" mixed file
check "code_1_for_an_output_folder_that_is_a_file" [ "$code" -eq 1 ]
check "so_is_one_that_is_a_file" grep -q 'file/made-.*Not a directory' err
check "which_stays_as_it_was" [ "$(cat file)" = "in the way" ]

finish
