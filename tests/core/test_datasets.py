"""Reading data sets: what is right is read exactly, what is wrong is named with its cure."""

from __future__ import annotations

import hashlib
import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.data import datasets, digits
from core.data.datasets import DATASETS, check_dataset, data_dir, get_dataset, load_split
from core.data.idx import CHECKSUMS_FILE, IdxFile
from core.errors import DataError, UsageError

REPOSITORY = Path(__file__).resolve().parents[2]
DOWNLOADED = tuple(key for key, info in DATASETS.items() if info.downloadable)
MNIST_MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}


def one_line(error: pytest.ExceptionInfo[Exception]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


# The registry


def test_every_data_set_is_complete(tmp_path):
    assert {"mnist", "fashion-mnist", "kmnist", "qmnist", "digits"} <= set(DATASETS)
    for key, info in DATASETS.items():
        assert info.key == key
        assert len(set(info.class_names)) == 10
        assert 0 < info.mean < 1 and 0 < info.std < 1
    assert len({datasets.raw_folder(key, tmp_path) for key in DATASETS}) == len(DATASETS)


def test_an_unknown_data_set_lists_the_known_ones(tmp_path):
    for call in (
        lambda: get_dataset("cifar"),
        lambda: check_dataset("cifar", tmp_path),
        lambda: load_split("cifar", tmp_path, "test"),
    ):
        with pytest.raises(UsageError) as error:
            call()
        assert all(key in one_line(error) for key in ("'cifar'", *DATASETS))


def test_an_unknown_split_is_refused(tmp_path):
    with pytest.raises(UsageError, match="'valid'.*train, test"):
        load_split("digits", tmp_path, "valid")


def test_the_folder_comes_from_the_argument_then_the_environment_then_the_default(monkeypatch):
    monkeypatch.setenv("NORMLAB_DATA", "/elsewhere")
    assert data_dir("/here") == Path("/here")
    assert data_dir() == Path("/elsewhere")
    monkeypatch.setenv("NORMLAB_DATA", "")
    assert data_dir() == Path("data")


def test_a_tilde_is_the_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setenv("NORMLAB_DATA", "~/here")
    assert data_dir() == Path("/home/somebody/here")
    with pytest.raises(UsageError, match="~nobody0/x is nowhere: ~nobody0 has no home"):
        data_dir("~nobody0/x")


def test_reading_imports_neither_torch_nor_scikit_learn(tmp_path):
    code = (
        "import sys; from pathlib import Path; from core.data.datasets import *\n"
        "check_dataset('mnist', Path()); load_split('digits', Path(), 'test')\n"
        "print({'torch', 'torchvision', 'sklearn', 'numpy'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
    assert (done.stdout, done.stderr) == ("{'numpy'}\n", "")


# IDX files


def test_header_and_values_by_hand(tmp_path):
    file = IdxFile(tmp_path / "labels", (2, 3), ">i4")
    content = bytes([0, 0, 12, 2, 0, 0, 0, 2, 0, 0, 0, 3])
    content += bytes([0, 0, 0, 1, 0, 0, 1, 0, 0xFF, 0xFF, 0xFF, 0xFE]) + bytes(12)
    assert content[:12] == file.header and len(content) == file.num_bytes
    parsed = file.parse(np.frombuffer(content, np.uint8))
    assert parsed.tolist() == [[1, 256, -2], [0, 0, 0]]


@pytest.mark.parametrize("key", DOWNLOADED)
def test_a_small_set_is_read_exactly(key, tmp_path, write_dataset):
    contents = list(write_dataset(key, tmp_path).values())
    assert check_dataset(key, tmp_path).present
    for split, num_images, image_bytes in (("train", 30, contents[0]), ("test", 20, contents[2])):
        images, targets = load_split(key, tmp_path, split)
        assert images.shape == (num_images, 28, 28) and images.dtype == np.uint8
        assert images.tobytes() == image_bytes[16:]
        assert targets.dtype == np.int64 and targets.tolist() == [i % 10 for i in range(num_images)]


@pytest.mark.parametrize("key", DOWNLOADED)
def test_the_expected_sizes_of_the_real_files(key, tmp_path):
    sizes = [
        file.num_bytes
        for split in datasets.SPLITS
        for file in datasets.idx_files(key, tmp_path, split)
    ]
    if key == "mnist":
        assert sizes == [47_040_016, 60_008, 7_840_016, 10_008]
    labels = (12, 8 * 4) if key == "qmnist" else (8, 1)
    counts = (DATASETS[key].num_train, DATASETS[key].num_test)
    assert sizes == [
        head + num_images * each for num_images in counts for head, each in ((16, 784), labels)
    ]


# What is missing, truncated or damaged


@pytest.mark.parametrize("key", DOWNLOADED)
def test_an_absent_set_says_so_and_how_to_get_it(key, tmp_path):
    status = check_dataset(key, tmp_path)
    assert not status.present and status.path == datasets.raw_folder(key, tmp_path)
    assert f"{DATASETS[key].label} is not in {status.path}" in status.reason
    assert f"`python -m core fetch {key} --data-dir {tmp_path}`" in status.reason
    with pytest.raises(DataError, match="is missing. Fetch it:"):
        load_split(key, tmp_path, "test")
    assert list(tmp_path.iterdir()) == []


def truncated(content: bytes) -> bytes:
    return content[:-1]


def lengthened(content: bytes) -> bytes:
    return content + b"\0"


def emptied(content: bytes) -> bytes:
    return b""


def of_another_shape(content: bytes) -> bytes:
    return content[:7] + bytes([content[7] ^ 1]) + content[8:]


@pytest.mark.parametrize("index", range(4))
@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (truncated, "is truncated: {short} of {size} bytes"),
        (emptied, "is truncated: 0 of {size} bytes"),
        (lengthened, "is damaged: {long} bytes instead of {size}"),
        (of_another_shape, "is damaged: its header"),
    ],
)
def test_a_wrong_size_or_header_is_named_by_the_cheap_check(
    damage, words, index, tmp_path, write_dataset
):
    path, content = list(write_dataset("kmnist", tmp_path).items())[index]
    path.write_bytes(damage(content))
    size = len(content)
    words = words.format(size=f"{size:,}", short=f"{size - 1:,}", long=f"{size + 1:,}")
    status = check_dataset("kmnist", tmp_path)
    with pytest.raises(DataError) as error:
        load_split("kmnist", tmp_path, "train" if index < 2 else "test")
    assert not status.present
    assert status.reason == one_line(error)
    assert f"{path} {words}" in status.reason
    assert "Delete it and fetch it again: run `python -m core fetch kmnist" in status.reason


@pytest.mark.parametrize("index", range(4))
def test_one_missing_file_is_named_even_where_its_packed_form_is_there(
    index, tmp_path, write_dataset
):
    path = list(write_dataset("qmnist", tmp_path))[index]
    path.rename(path.with_name(path.name + ".gz"))
    status = check_dataset("qmnist", tmp_path)
    assert not status.present and f"{path} is missing. Fetch it:" in status.reason


def test_a_folder_in_place_of_a_file_is_no_file(tmp_path, write_dataset):
    path = next(iter(write_dataset("mnist", tmp_path)))
    path.unlink()
    path.mkdir()
    status = check_dataset("mnist", tmp_path)
    assert f"{path} is missing" in status.reason and status.damaged


def test_a_data_set_that_is_not_here_is_not_damaged(tmp_path):
    raw = datasets.raw_folder("mnist", tmp_path)
    raw.mkdir(parents=True)
    (raw / ".download.lock").touch()  # as a download that could not connect leaves it
    status = check_dataset("mnist", tmp_path)
    assert not status.present and not status.damaged


def test_an_unreadable_file_says_why(tmp_path, write_dataset, monkeypatch):
    path = next(iter(write_dataset("mnist", tmp_path)))

    def refuse(self, *args):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    reason = check_dataset("mnist", tmp_path).reason
    assert f"{path} cannot be read: Permission denied. Make it readable" in reason


def flip_byte(path: Path, position: int) -> None:
    with path.open("r+b") as file:
        file.seek(position)
        value = file.read(1)[0]
        file.seek(position)
        file.write(bytes([value ^ 1]))


def test_mnist_that_is_not_mnist_is_refused_on_loading(tmp_path, write_dataset, monkeypatch):
    path, content = next(iter(write_dataset("mnist", tmp_path).items()))
    checksum = hashlib.sha256(content).hexdigest()
    monkeypatch.setattr(datasets, "MNIST_SHA256", {path.name: checksum})
    load_split("mnist", tmp_path, "train")
    flip_byte(path, 5_000)
    assert check_dataset("mnist", tmp_path).present
    with pytest.raises(DataError) as error:
        load_split("mnist", tmp_path, "train")
    assert f"{path} is damaged: its SHA-256" in one_line(error)
    load_split("mnist", tmp_path, "test")


def test_checksums_of_mnist_do_not_apply_to_sets_whose_files_have_the_same_names(
    tmp_path, write_dataset, monkeypatch
):
    names = [path.name for path in write_dataset("fashion-mnist", tmp_path)]
    monkeypatch.setattr(datasets, "MNIST_SHA256", dict.fromkeys(names, "0" * 64))
    assert len(load_split("fashion-mnist", tmp_path, "test").images) == 20


def test_damage_after_download_is_noticed_by_the_recorded_checksum(tmp_path, write_dataset):
    files = write_dataset("kmnist", tmp_path)
    folder = datasets.raw_folder("kmnist", tmp_path)
    lines = [f"{hashlib.sha256(data).hexdigest()}  {path.name}\n" for path, data in files.items()]
    (folder / CHECKSUMS_FILE).write_text("".join(lines))
    assert len(load_split("kmnist", tmp_path, "test").images) == 20
    path = list(files)[2]
    flip_byte(path, 16)
    with pytest.raises(DataError) as error:
        load_split("kmnist", tmp_path, "test")
    assert f"{path} is damaged: its SHA-256" in one_line(error)


@pytest.mark.parametrize("content", [b"garbage\n", b"\xff\xfe\x00", b"\n"])
def test_a_damaged_list_of_checksums_is_named(content, tmp_path, write_dataset):
    write_dataset("kmnist", tmp_path)
    path = datasets.raw_folder("kmnist", tmp_path) / CHECKSUMS_FILE
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        load_split("kmnist", tmp_path, "test")
    assert f"{path} is damaged: it is no list of checksums. Fetch it and" in one_line(error)
    assert "fetch kmnist" in one_line(error)


def test_the_cure_names_the_folder_where_it_is_not_the_usual_one(tmp_path, monkeypatch):
    monkeypatch.setenv("NORMLAB_DATA", str(tmp_path))
    said = check_dataset("kmnist", tmp_path).reason
    assert said.endswith("press Download in the app or run `python -m core fetch kmnist`.")
    said = check_dataset("kmnist", tmp_path / "my data").reason
    assert said.endswith(f": run `python -m core fetch kmnist --data-dir '{tmp_path}/my data'`.")


def test_a_class_that_does_not_exist_is_damage(tmp_path, write_dataset):
    for key, position in (("mnist", -1), ("qmnist", -32)):
        path, content = list(write_dataset(key, tmp_path).items())[3]
        damaged = bytearray(content)
        damaged[position] = 200
        path.write_bytes(damaged)
        with pytest.raises(DataError) as error:
            load_split(key, tmp_path, "test")
        assert f"{path} is damaged: it holds classes other than 0 to 9" in one_line(error)


# A data set of one's own


@pytest.fixture
def mine(monkeypatch, write_dataset) -> Callable[[Path], dict[Path, bytes]]:
    """A function (root) that writes the four files of "mine" into the folder of its name."""
    own = replace(DATASETS["mnist"], key="mine", label="Mine", torchvision=None)
    monkeypatch.setitem(DATASETS, "mine", replace(own, num_train=30, num_test=20))
    return lambda root: write_dataset("mine", root)


def test_a_set_of_ones_own_is_read_from_the_folder_of_its_name(mine, tmp_path):
    contents = list(mine(tmp_path).values())
    assert sorted(path.name for path in (tmp_path / "mine" / "raw").iterdir()) == sorted(MNIST_MD5)
    status = check_dataset("mine", tmp_path)
    assert status.present and status.path == tmp_path / "mine" / "raw"
    for split, num_images, image_bytes in (("train", 30, contents[0]), ("test", 20, contents[2])):
        images, targets = load_split("mine", tmp_path, split)
        assert images.tobytes() == image_bytes[16:] and len(targets) == num_images


def put_where(folder: Path) -> str:
    return (
        "Mine cannot be downloaded: put the four files train-images-idx3-ubyte, "
        "train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte "
        f"(30 training and 20 test images) into {folder}."
    )


def test_a_set_of_ones_own_that_is_not_here_is_no_other_and_says_what_to_put_where(mine, tmp_path):
    status = check_dataset("mine", tmp_path)
    folder = tmp_path / "mine" / "raw"
    assert not status.present and not status.damaged
    assert status.reason == put_where(folder)
    with pytest.raises(DataError) as error:
        load_split("mine", tmp_path, "train")
    file = folder / "train-images-idx3-ubyte"
    assert one_line(error) == f"{file} is missing. {put_where(folder)}"


def test_a_set_of_ones_own_with_another_number_of_images_is_refused(mine, tmp_path, monkeypatch):
    path = next(iter(mine(tmp_path)))
    monkeypatch.setitem(DATASETS, "mine", replace(DATASETS["mine"], num_train=31))
    with pytest.raises(DataError) as error:
        load_split("mine", tmp_path, "train")
    assert f"{path} is truncated: 23,536 of 24,320 bytes. Mine cannot be" in one_line(error)
    assert "(31 training and 20 test images)" in one_line(error)
    assert check_dataset("mine", tmp_path).reason == one_line(error)


def test_a_list_of_checksums_of_ones_own_that_is_none_need_not_be_fetched(mine, tmp_path):
    path = next(iter(mine(tmp_path))).with_name(CHECKSUMS_FILE)
    path.write_text("garbage\n")
    with pytest.raises(DataError) as error:
        load_split("mine", tmp_path, "test")
    assert one_line(error).startswith(f"{path} is damaged")
    assert one_line(error).endswith("no list of checksums. Delete it or make it anew.")


# Digits


def test_digits_are_those_of_scikit_learn():
    from sklearn.datasets import load_digits

    expected = load_digits()
    values, targets = digits.read_digits()
    assert np.array_equal(values, expected.images) and np.array_equal(targets, expected.target)


def test_the_split_is_stratified_and_fixed():
    targets = digits.read_digits()[1]
    split = digits.split_indices(targets)
    train, test = split["train"], split["test"]
    assert (len(train), len(test)) == (1_437, 360)
    assert np.array_equal(np.sort(np.concatenate([train, test])), np.arange(1_797))
    fifth = np.bincount(targets) / 5
    assert np.all(np.abs(np.bincount(targets[test]) - fifth) < 1)
    digest = hashlib.sha256(test.astype("<i8").tobytes()).hexdigest()
    assert digest == "6708f8ccc741cc5fb3b3e35410cf1148c6065f6d1c47cc6439578dc07e3dba39"


def test_every_fifth_by_hand():
    split = digits.split_indices(np.array([1, 0, 1, 0, 1, 0, 1]))
    # In order of class: 1 3 5 | 0 2 4 6, of which the first and the sixth are for testing.
    assert split["test"].tolist() == [1, 4]
    assert split["train"].tolist() == [0, 2, 3, 5, 6]


def test_digits_look_like_mnist(tmp_path):
    info = get_dataset("digits")
    for name, num_images in (("train", info.num_train), ("test", info.num_test)):
        images, targets = load_split("digits", tmp_path, name)
        assert images.shape == (num_images, 28, 28) and images.dtype == np.uint8
        assert targets.shape == (num_images,) and targets.dtype == np.int64
        inner = images[:, 4:24, 4:24]
        assert images.sum(dtype=np.int64) == inner.sum(dtype=np.int64)
        assert inner.max() == 255


def test_enlarging_keeps_place_and_full_scale():
    digit = np.zeros((1, 8, 8), np.uint8)
    digit[0, :, :4] = 16
    image = digits.enlarge(digit)[0]
    assert image[4:24, 4:12].min() == 255 and image[4:24, 16:24].max() == 0
    half = digits.enlarge(np.full((1, 8, 8), 8, np.uint8))[0]
    assert set(np.unique(half)) == {0, 128}


def test_mean_and_std_of_digits_are_those_of_the_training_pixels(tmp_path):
    info = get_dataset("digits")
    pixels = load_split("digits", tmp_path, "train").images / 255
    assert math.isclose(pixels.mean(), info.mean, abs_tol=5e-5)
    assert math.isclose(pixels.std(), info.std, abs_tol=5e-5)


def test_digits_are_always_there_and_name_what_is_broken(tmp_path, monkeypatch):
    assert check_dataset("digits", tmp_path).present
    monkeypatch.setattr(digits, "find_spec", lambda name: None)
    status = check_dataset("digits", tmp_path)
    assert not status.present and "scikit-learn is not installed: run" in status.reason


@pytest.mark.parametrize("damage", [lambda b: b[:5_000], lambda b: b[:20] + bytes(8) + b[28:]])
def test_damaged_digits_are_named(damage, tmp_path, monkeypatch):
    path = tmp_path / "digits.csv.gz"
    path.write_bytes(damage(digits.digits_path().read_bytes()))
    monkeypatch.setattr(digits, "digits_path", lambda: path)
    with pytest.raises(DataError) as error:
        load_split("digits", tmp_path, "test")
    assert f"{path} is damaged: run" in one_line(error)


# Real MNIST


def test_real_mnist_is_read_as_torchvision_reads_it(mnist_root):
    from core.data.download import import_torchvision

    for split in datasets.SPLITS:
        expected = import_torchvision().datasets.MNIST(mnist_root, train=split == "train")
        images, targets = load_split("mnist", mnist_root, split)
        assert np.array_equal(images, expected.data.numpy())
        assert np.array_equal(targets, expected.targets.numpy())


def test_real_mnist_has_the_mean_and_std_of_the_recipe(mnist_root):
    info = get_dataset("mnist")
    pixels = load_split("mnist", mnist_root, "train").images.astype(np.float32) / 255
    assert math.isclose(pixels.mean(dtype=np.float64), info.mean, abs_tol=5e-5)
    assert math.isclose(pixels.std(dtype=np.float64), info.std, abs_tol=5e-5)


def test_known_checksums_belong_to_the_published_files(mnist_root):
    folder = datasets.raw_folder("mnist", mnist_root)
    for name, md5 in MNIST_MD5.items():
        content = (folder / name).read_bytes()
        assert hashlib.md5(content).hexdigest() == md5
        assert hashlib.sha256(content).hexdigest() == datasets.MNIST_SHA256[name]


def test_one_flipped_bit_of_real_mnist_is_noticed(mnist_root, tmp_path):
    copy = datasets.raw_folder("mnist", tmp_path)
    copy.mkdir(parents=True)
    for path in datasets.raw_folder("mnist", mnist_root).glob("t10k-*-ubyte"):
        (copy / path.name).write_bytes(path.read_bytes())
    load_split("mnist", tmp_path, "test")
    flip_byte(copy / "t10k-images-idx3-ubyte", 7_000_000)
    with pytest.raises(DataError, match="is damaged: its SHA-256"):
        load_split("mnist", tmp_path, "test")
