"""The upload gate: every kind of picture is read exactly, everything else refused with a reason."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageFile

from core.data.grey_levels import rescale
from core.data.image_gate import LIMITS, MAX_BYTES, read_picture
from core.errors import ImageError
from tests.pictures import (
    DIGIT,
    PAPER,
    STORED,
    animation,
    encode,
    ink_on_transparent,
    turned,
    valid_files,
)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL.TiffImagePlugin")
PICTURE = Image.fromarray(DIGIT)
FIRST_ONLY = "The file holds several pictures: only the first is used."
LOSSLESS = ("PNG", "BMP", "GIF", "TIFF", "WEBP")


def refused(source: Path | bytes) -> ImageError:
    with pytest.raises(ImageError) as error:
        read_picture(source)
    text = str(error.value)
    assert "\n" not in text and text.endswith(".") and error.value.exit_status == 1
    return error.value


def code(source: Path | bytes) -> str:
    return refused(source).code


def levels(content: bytes, *notices: str) -> np.ndarray:
    picture = read_picture(content)
    assert picture.levels.dtype == np.uint8 and picture.notices == notices
    return picture.levels


# Kinds and modes


@pytest.mark.parametrize(
    ("mode", "kinds"),
    [
        ("L", LOSSLESS),
        ("P", LOSSLESS),
        ("RGB", LOSSLESS),
        ("LA", ("PNG", "TIFF", "WEBP")),
        ("PA", ("TIFF", "WEBP")),
        ("RGBA", ("PNG", "TIFF", "WEBP")),
        ("CMYK", ("TIFF",)),
        ("YCbCr", ("TIFF",)),
    ],
)
def test_every_lossless_kind_and_mode_is_read_exactly(mode, kinds):
    image = PICTURE.convert("P").convert("PA") if mode == "PA" else PICTURE.convert(mode)
    for kind in kinds:
        np.testing.assert_array_equal(levels(encode(image, kind)), DIGIT, kind)


@pytest.mark.parametrize("kind", LOSSLESS)
def test_two_levels_are_black_and_white(kind):
    image = Image.fromarray(DIGIT >= 128)
    assert image.mode == "1"
    np.testing.assert_array_equal(levels(encode(image, kind)), 255 * (DIGIT >= 128))


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_lossy_kinds_come_close(kind):
    read = levels(encode(PICTURE, kind, quality=95, lossless=False))
    assert np.abs(read.astype(int) - DIGIT).mean() < 3


def test_colours_have_the_weights_of_brightness():
    image = Image.new("RGB", (9, 9))
    for column, colour in enumerate([(255, 0, 0), (0, 255, 0), (0, 0, 255)]):
        image.putpixel((column, 0), colour)
    assert levels(encode(image))[0, :4].tolist() == [76, 150, 29, 0]  # ITU-R 601


def test_a_cmyk_jpeg_equals_the_rgb_version():
    image = Image.fromarray(np.kron(DIGIT, np.ones((4, 4), np.uint8))).convert("RGB")
    rgb, cmyk = (levels(encode(i, "JPEG", quality=95)) for i in (image, image.convert("CMYK")))
    assert np.abs(rgb.astype(int) - cmyk).max() <= 3


def test_lab_is_read_by_its_lightness():
    lightness = Image.fromarray(DIGIT)
    neutral = Image.new("L", (28, 28), 128)
    image = Image.merge("LAB", (lightness, neutral, neutral))
    np.testing.assert_array_equal(levels(encode(image, "TIFF")), DIGIT)


# Transparency


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_ink_on_transparent_gets_the_paper_it_is_seen_on(kind):
    white, black = (f"The transparent parts were taken as {n} paper." for n in ("white", "black"))
    dark, light = encode(ink_on_transparent(0), kind), encode(ink_on_transparent(255), kind)
    np.testing.assert_array_equal(levels(dark, white), 255 - DIGIT)
    np.testing.assert_array_equal(levels(light, black), DIGIT)


@pytest.mark.parametrize(("ink", "paper"), [(0, 255), (255, 0)])
def test_a_card_on_transparent_keeps_its_own_paper(ink, paper):
    card, alpha = np.full((40, 40), paper, np.uint8), np.zeros((40, 40), np.uint8)
    card[15:25, 18:22], alpha[8:32, 8:32] = ink, 255
    expected = card.copy()
    card[alpha == 0] = ink  # what nobody sees must not matter
    read = read_picture(encode(Image.merge("LA", [Image.fromarray(a) for a in (card, alpha)])))
    np.testing.assert_array_equal(read.levels, expected)


def test_a_faint_shadow_does_not_choose_the_paper():
    ink, alpha = (np.zeros((28, 28), np.uint8) for _ in range(2))
    ink[4:24, 8:18], alpha[4:24, 8:18], alpha[4:24, 18:21] = 255, 255, 60
    content = encode(Image.merge("LA", [Image.fromarray(ink), Image.fromarray(alpha)]))
    np.testing.assert_array_equal(read_picture(content).levels, ink)


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_a_transparent_colour_of_a_palette_becomes_paper(kind):
    notice = "The transparent parts were taken as white paper."
    image = Image.fromarray((DIGIT >= 128).astype(np.uint8)).convert("P")
    image.putpalette([200, 0, 0, 0, 0, 0])
    content = encode(image, kind, transparency=0)
    np.testing.assert_array_equal(levels(content, notice), np.where(DIGIT >= 128, 0, 255))


@pytest.mark.parametrize(("mode", "key"), [("L", 0), ("RGB", (0, 0, 0))])
def test_a_transparent_colour_without_a_palette_becomes_paper(mode, key):
    image = Image.fromarray(255 * (DIGIT >= 128).astype(np.uint8)).convert(mode)
    content = encode(image, transparency=key)
    notice = "The transparent parts were taken as black paper."
    np.testing.assert_array_equal(levels(content, notice), 255 * (DIGIT >= 128))


# More than eight bits


def test_a_16_bit_ramp_keeps_its_levels():
    ramp = np.linspace(0, 65535, 28).astype(np.uint16)
    read = levels(encode(np.tile(ramp, (28, 1))))
    assert len(np.unique(read)) == 28
    np.testing.assert_array_equal(read[5], np.rint(ramp / 257))


@pytest.mark.parametrize("white", [255, 1023, 4095, 16383, 65535])
def test_16_bit_digits_are_scaled_by_the_white_in_use(white):
    values = np.rint(DIGIT / 255 * white).astype(np.uint16)
    np.testing.assert_array_equal(levels(encode(values)), DIGIT)
    np.testing.assert_array_equal(levels(encode(values, "TIFF")), DIGIT)
    np.testing.assert_array_equal(levels(encode(values.astype(np.int32), "TIFF")), DIGIT)


def test_a_big_endian_tiff():
    image = Image.frombytes("I;16B", (28, 28), (DIGIT.astype(">u2") * 257).tobytes())
    content = encode(image, "TIFF")
    assert content.startswith(b"MM")
    np.testing.assert_array_equal(levels(content), DIGIT)


@pytest.mark.parametrize("white", [1, 255, 65535])
def test_a_float_tiff(white):
    values = (DIGIT / 255 * white).astype(np.float32)
    np.testing.assert_array_equal(levels(encode(values, "TIFF")), DIGIT)


def test_float_values_beside_every_scale_are_stretched_with_a_notice():
    values = ((DIGIT / 255 - 0.1307) / 0.3081).astype(np.float32)
    low, high = values.min(), values.max()
    notice = f"Values from {low:.4g} to {high:.4g} were stretched from black to white."
    expected = np.rint((DIGIT - DIGIT.min()) * (255 / np.ptp(DIGIT)))
    np.testing.assert_array_equal(levels(encode(values, "TIFF"), notice), expected)


def test_an_overshoot_of_resampling_is_clipped():
    values = DIGIT / np.float32(255)
    values[0, :2] = -0.05, 1.05
    expected = DIGIT.copy()
    expected[0, :2] = 0, 255
    np.testing.assert_array_equal(levels(encode(values, "TIFF")), expected)


def test_scaling_survives_the_largest_and_smallest_numbers():
    limit = np.finfo(np.float32).max
    for values, expected in (
        ([-limit, 0, limit], [0, 128, 255]),
        ([-1e-45, 0, 1e-45], [0, 128, 255]),
        ([limit, limit, limit], [0, 0, 0]),
    ):
        image, _ = rescale(np.array([values], np.float32))
        assert np.asarray(image).tolist() == [expected]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(value):
    values = DIGIT / np.float32(255)
    values[3, 4] = value
    assert code(encode(values, "TIFF")) == "not_finite"


# Orientation and frames


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_the_eight_orientations_are_one_array(kind):
    for orientation, store in STORED.items():
        stored = np.ascontiguousarray(store(DIGIT[:, 5:]))
        read = levels(encode(stored, kind, exif=turned(orientation)))
        np.testing.assert_array_equal(read, DIGIT[:, 5:], str(orientation))


def test_the_eight_orientations_of_a_jpeg():
    wide = np.kron(DIGIT[:, 4:], np.ones((8, 8), np.uint8))  # blocks of a JPEG, so nearly lossless
    for orientation, store in STORED.items():
        content = encode(np.ascontiguousarray(store(wide)), "JPEG", exif=turned(orientation))
        assert np.abs(levels(content).astype(int) - wide).max() <= 2, orientation


@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP", "TIFF"])
def test_of_an_animation_the_first_frame_is_used_with_a_notice(kind):
    np.testing.assert_array_equal(levels(animation(kind), FIRST_ONLY), DIGIT)


def test_the_preview_that_a_phone_adds_to_a_jpeg_is_no_second_picture():
    frames = [Image.fromarray(PAPER).convert("RGB")] * 2
    content = encode(frames[0], "MPO", save_all=True, append_images=frames[1:], quality=95)
    with Image.open(io.BytesIO(content)) as image:
        assert image.n_frames == 2
    assert np.abs(levels(content).astype(int) - PAPER).mean() < 3


# What is refused


@pytest.mark.parametrize("kind", LOSSLESS)
@pytest.mark.parametrize("level", [0, 128, 255])
def test_blank_pictures_are_refused(kind, level):
    assert code(encode(np.full((28, 28), level, np.uint8), kind)) == "blank"


def test_other_blank_pictures_are_refused():
    assert code(encode(Image.new("RGBA", (50, 50)))) == "blank"
    assert code(encode(np.full((28, 28), 0.5, np.float32), "TIFF")) == "blank"
    assert code(encode(np.full((28, 28), 30_000, np.uint16))) == "blank"


def test_as_much_contrast_as_is_asked_for_is_enough():
    faint = np.full((28, 28), 100, np.uint8)
    faint[10:20, 12:15] = 115
    assert "differ by 15 of 255" in str(refused(encode(faint)))
    faint[10:20, 12:15] = 116
    np.testing.assert_array_equal(levels(encode(faint)), faint)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"Dear sir,\n", "no picture"),
        (b"/etc/passwd", "no picture"),
        (b"\x00" * 100, "no picture"),
        (b"\xef\xbb\xbf\n<!DOCTYPE html><html><svg></svg></html>", "HTML"),
        (b"<HTML>", "HTML"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b'<?xml version="1.0"?>\n<!-- made by -->\n<svg/>', "SVG"),
        (b"PK\x03\x04" + bytes(60), "zip"),
        (b"%PDF-1.7\n", "PDF"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "EPS"),
        (b"\x00\x00\x00\x18ftypheic" + bytes(60), "HEIC"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "no picture"),
        (b"\x89PNG", "no picture"),
    ],
)
def test_what_is_no_picture_is_refused_by_name(tmp_path, content, name):
    path = tmp_path / "digit.png"
    path.write_bytes(content)
    error = refused(path)
    assert error.code == "format" and name in str(error)
    assert "PNG, JPEG, BMP, GIF, WEBP, TIFF" in str(error)


def test_an_empty_file_is_refused():
    assert code(b"") == "empty"


def test_kinds_that_pillow_could_read_are_refused():
    for kind in ("ICO", "PPM", "TGA", "PCX", "JPEG2000", "AVIF"):
        assert code(encode(PICTURE.convert("RGB"), kind)) == "format", kind


def test_the_largest_file_is_let_in_and_one_byte_more_is_not(tmp_path):
    path = tmp_path / "large.png"
    largest = encode(DIGIT).ljust(MAX_BYTES, b"\0")
    path.write_bytes(largest)
    for source in (path, largest):
        np.testing.assert_array_equal(read_picture(source).levels, DIGIT)
    path.write_bytes(largest + b"\0")
    assert code(path) == code(largest + b"\0") == "too_large"


@pytest.mark.parametrize(
    ("width", "height", "reason"),
    [
        (1, 1, "dimensions"),
        (7, 7, "dimensions"),
        (1, 10_000, "aspect"),
        (4097, 4096, "dimensions"),
        (8160, 6120, "dimensions"),  # only as a photo
        (9000, 9000, "dimensions"),
        (15_000, 15_000, "dimensions"),
        (10, 201, "aspect"),
        (2001, 100, "aspect"),
    ],
)
def test_dimensions_are_refused_before_a_pixel_is_decoded(monkeypatch, width, height, reason):
    content = encode(Image.new("1", (width, height)))
    assert len(content) < MAX_BYTES
    monkeypatch.setattr(ImageFile.ImageFile, "load", None)  # calling it would give "damaged"
    assert code(content) == reason


@pytest.mark.parametrize(("width", "height"), [(4096, 4096), (8192, 2048), (8, 8), (200, 10)])
def test_the_outermost_dimensions_are_let_in(width, height):
    pixels = np.zeros((height, width), np.uint8)
    pixels[2:6, 2:6] = 255
    np.testing.assert_array_equal(levels(encode(pixels)), pixels)


def photo(width: int, height: int, **options: object) -> bytes:
    """A JPEG as a telephone writes it: stored lying, to be turned; a bar in the left half."""
    page = Image.new("RGB", (width, height), "white")
    page.paste("black", (width // 8, height // 4, width // 4, 3 * height // 4))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    return encode(page, "JPEG", exif=exif, **options)


@pytest.mark.parametrize(("width", "height"), [(8160, 6120), (4032, 3024)])
def test_a_telephones_photo_is_let_in_upright(width, height):
    found = levels(photo(width, height))
    assert 3000 <= found.shape[1] < found.shape[0] <= 4096
    rows, columns = (np.flatnonzero((found < 128).any(axis=axis)) for axis in (1, 0))
    np.testing.assert_allclose(rows[[0, -1]] / found.shape[0], (0.125, 0.25), atol=0.01)
    np.testing.assert_allclose(columns[[0, -1]] / found.shape[1], (0.25, 0.75), atol=0.01)


PEAK = """
import pathlib, resource, sys
from core.data.image_gate import read_picture
peaks = []
for path in sys.argv[1:]:
    read_picture(pathlib.Path(path))
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
print(peaks[1] - peaks[0])
"""
"""Prints by how many kB the second picture raises the largest memory that was used."""


def test_the_largest_photo_takes_little_memory(tmp_path):
    for name, size in (("small", (1200, 900)), ("large", (8160, 6120))):
        (tmp_path / name).write_bytes(photo(*size))
    command = [sys.executable, "-c", PEAK, tmp_path / "small", tmp_path / "large"]
    root = Path(__file__).resolve().parents[2]
    found = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert int(found.stdout) < 160 * 2**10  # its pixels alone would take 200


def test_a_photo_in_passes_or_of_more_pixels_is_refused_with_the_limits():
    """Passes need all of the picture in memory."""
    for content in (photo(8160, 6120, progressive=True), photo(8200, 6400)):
        error = refused(content)
        assert error.code == "dimensions" and LIMITS in str(error)


def test_a_jpeg_of_a_thousand_passes_is_refused_at_once():
    content = encode(np.kron(PAPER, np.ones((16, 16), np.uint8)), "JPEG", progressive=True)
    assert levels(content).shape == (640, 480)
    start = content.rindex(b"\xff\xda")
    assert "passes" in str(refused(content[:-2] + content[start:-2] * 1000 + b"\xff\xd9"))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF"])
def test_cut_off_files_are_refused_each_time(kind):
    content = encode(np.kron(DIGIT, np.ones((4, 4), np.uint8)), kind)
    for length in (len(content) // 2, 40, len(content) - 60):
        for _ in range(2):
            error = refused(content[:length])
            assert error.code == "damaged" and kind in str(error)


def test_one_changed_byte_of_a_png_is_refused_or_changes_nothing():
    content = encode(DIGIT)
    expected, random = levels(content), np.random.default_rng(0)
    places = random.choice(len(content), 300, replace=False)
    num_refused = 0
    for place in places:
        changed = bytearray(content)
        changed[place] ^= random.integers(1, 256)
        try:
            np.testing.assert_array_equal(read_picture(bytes(changed)).levels, expected)
        except ImageError:
            num_refused += 1
    assert num_refused > 290


def test_only_the_reader_of_the_first_bytes_is_asked():
    """A JPEG by its start that only Pillow's reader of Photo CD understands."""
    rest = np.random.default_rng(0).integers(0, 256, 768 * 512 * 3 // 2, np.uint8)
    content = (b"\xff\xd8\xff".ljust(2048, b"\0") + b"PCD_").ljust(
        96 * 2048, b"\0"
    ) + rest.tobytes()
    assert code(content) == "damaged"


@pytest.mark.thorough
def test_on_the_command_line_a_damaged_file_is_one_line(tmp_path):
    path = tmp_path / "damaged.tiff"
    width, longer = (struct.pack("<HHI", 256, 4, count) for count in (1, 9999))
    path.write_bytes(encode(DIGIT, "TIFF").replace(width, longer))
    with pytest.warns(UserWarning, match="Skipping tag 256"):
        assert code(path) == "damaged"
    result = subprocess.run(
        [sys.executable, "-m", "core", "explain", str(path)],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 1
    assert result.stderr == f"normlab: {refused(path)}\n"


# Files


def test_paths_that_cannot_be_read_are_one_line(tmp_path, monkeypatch):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    unsafe = ["a\0b.png", "<script>.png", "two\nlines.png", "../../nowhere.png", "x" * 5000]
    for path in (tmp_path, pipe, *(tmp_path / name for name in unsafe)):
        error = refused(path)
        assert error.code == "unreadable" and repr(str(path)) in str(error)

    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a.png").write_bytes(encode(DIGIT))
    monkeypatch.setattr(Path, "open", denied)
    assert "Permission denied" in str(refused(tmp_path / "a.png"))


def test_names_with_markup_and_wrong_endings_are_read_by_content(tmp_path):
    for name in ("<b>a.txt", "two\nlines.jpg", "noending"):
        (tmp_path / name).write_bytes(encode(DIGIT))
        np.testing.assert_array_equal(read_picture(tmp_path / name).levels, DIGIT)


def test_two_files_of_one_name_are_two_results(tmp_path):
    for folder, pixels in (("a", DIGIT), ("b", PAPER)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "digit.png").write_bytes(encode(pixels))
        read = read_picture(tmp_path / folder / "digit.png")
        np.testing.assert_array_equal(read.levels, pixels)


def test_eight_threads_read_what_one_reads():
    contents = [*valid_files(), b"", b"text"] * 4

    def outcome(content: bytes) -> bytes | str:
        try:
            return read_picture(content).levels.tobytes()
        except ImageError as error:
            return error.code

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(outcome, contents)) == [outcome(content) for content in contents]
