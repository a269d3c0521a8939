"""Models of strangers (catalogue K): links, bombs, pickles and swapped weights end in a reason, never in a program."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import pickle
import tarfile

import numpy as np
import pytest

from autolabel.api.kinds import TaskKind
from autolabel.errors import CheckpointError
from autolabel.inference import checkpoint as module
from autolabel.inference.checkpoint import Checkpoint, check_compatible
from autolabel.inference.tensors import dump_tensors


def model(**changes):
    given = {
        "task_kind": TaskKind.IMAGE_CLASSIFICATION,
        "categories": ("cat", "dog"),
        "encoder": "pixels",
        "encoder_fingerprint": "0" * 64,
        "arrays": {
            "head.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
            "neighbours.features": np.ones((4, 3), np.float16),
            "neighbours.labels": np.asarray([0, 1, 1, 0]),
            "empty": np.zeros((0, 5), np.uint8),
        },
        "facts": {"measured": {"accuracy": 0.9}, "note": "Grüße"},
    }
    return Checkpoint(**(given | changes))


def files_of(checkpoint):
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(checkpoint.pack()))) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}


FILES = files_of(model())


def archive_of(*members, tar_format=tarfile.GNU_FORMAT):
    """Pack ``(name, data)`` pairs, and ``TarInfo``s as they are, with no data behind them."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tar_format) as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                plain.write(member.tobuf(tar_format))
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return gzip.compress(plain.getvalue())


def special(name, kind, *, link="", size=0):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size
    return info


def described(**changes):
    """``model.json`` with some members changed; ``None`` takes one out."""
    members = json.loads(FILES["model.json"]) | changes
    return json.dumps({name: value for name, value in members.items() if value is not None}).encode()


def with_weights(weights, **changes):
    return (
        ("model.json", described(weights_sha256=hashlib.sha256(weights).hexdigest(), **changes)),
        ("weights.safetensors", weights),
    )


class Evil:
    def __reduce__(self):
        return print, ("this line must never be printed",)


GOOD = tuple(FILES.items())
SWAPPED = dump_tensors({"head.weight": np.ones((2, 3), np.float32)})
NAN = SWAPPED[:-4] + np.float32("nan").tobytes()

REFUSED = {
    "a pickle": (pickle.dumps(Evil()), "a pickle, or a ZIP of pickles"),
    "a torch file": (b"PK\x03\x04" + b"\x00" * 99, "a pickle, or a ZIP of pickles"),
    "a pickle beside the weights": (archive_of(*GOOD, ("model.pt", pickle.dumps(Evil()))), "holds 'model.pt'"),
    "pickled weights": (archive_of(*with_weights(pickle.dumps(Evil()))), "is a pickle, which can run any program"),
    "no archive": (b"hello", "is not a .tar.gz"),
    "an empty archive": (archive_of(), "has no model.json and no weights.safetensors"),
    "half an archive": (model().pack()[:-200], "is not a .tar.gz"),
    "a plain tar": (gzip.decompress(model().pack()), "is not a .tar.gz"),
    "a path out of the folder": (archive_of(("../model.json", b"{}")), "holds '../model.json'"),
    "an absolute path": (archive_of(("/etc/passwd", b"{}")), "holds '/etc/passwd'"),
    "a file in a folder": (archive_of(("x/model.json", b"{}")), "holds 'x/model.json'"),
    "a symbolic link": (
        archive_of(special("model.json", tarfile.SYMTYPE, link="/etc/passwd")),
        "is a link, a device or a sparse file",
    ),
    "a hard link": (archive_of(special("model.json", tarfile.LNKTYPE, link="weights.safetensors")), "is a link"),
    "a chain of links": (
        archive_of(special("a", tarfile.SYMTYPE, link="b"), special("a/model.json", tarfile.SYMTYPE, link="..")),
        "holds 'a'",
    ),
    "a device": (archive_of(special("model.json", tarfile.CHRTYPE)), "is a link, a device"),
    "a pipe": (archive_of(special("weights.safetensors", tarfile.FIFOTYPE)), "is a link, a device"),
    "a folder with the name of a file": (archive_of(special("model.json", tarfile.DIRTYPE)), "is a link, a device"),
    "a name twice": (archive_of(GOOD[0], GOOD[0]), "holds 'model.json' twice"),
    "a description of 10 GB": (archive_of(special("model.json", tarfile.REGTYPE, size=8 << 30)), "at most 16,777,216"),
    "other weights": (archive_of(GOOD[0], ("weights.safetensors", SWAPPED)), "model.json says"),
    "weights of other shapes": (archive_of(*with_weights(SWAPPED)), "array 'empty' is None, model.json says"),
    "NaN weights": (archive_of(*with_weights(NAN)), "holds NaN or infinite values"),
    "weights of another type": (
        archive_of(*with_weights(SWAPPED, shapes={"head.weight": ["<f8", [2, 3]]})),
        "array 'head.weight' is ('<f4', (2, 3)), model.json says ('<f8', (2, 3))",
    ),
    "a description that is no JSON": (archive_of(("model.json", b"{"), GOOD[1]), "model.json"),
    "a member twice in the description": (
        archive_of(("model.json", FILES["model.json"][:-2] + b', "format": 1}'), GOOD[1]),
        "format",
    ),
    "another version": (archive_of(("model.json", described(format=2)), GOOD[1]), "model format 2"),
    "no categories": (archive_of(("model.json", described(categories=None)), GOOD[1]), "categories"),
    "categories that repeat": (archive_of(("model.json", described(categories=["a", "a"])), GOOD[1]), "repeated"),
    "an unknown task": (archive_of(("model.json", described(task_kind="poetry")), GOOD[1]), "poetry"),
    "an unknown member": (archive_of(("model.json", described(run="rm")), GOOD[1]), "run"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_model_that_is_not_what_it_says_is_refused_with_a_reason(name, capsys):
    data, reason = REFUSED[name]
    with pytest.raises(CheckpointError) as caught:
        Checkpoint.load_tar(data)
    assert reason in str(caught.value)
    assert "never be printed" not in capsys.readouterr().out


def test_a_sparse_member_of_ten_gigabytes_is_refused_unread():
    info = special("weights.safetensors", tarfile.GNUTYPE_SPARSE)
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[386:398] = b"%011o\x00" % 0  # one hole from 0 ...
    header[398:410] = b"%011o\x00" % 512
    header[483:495] = b"%011o\x00" % (10 << 30)  # ... of ten gigabytes
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\x00 " % sum(header)
    with pytest.raises(CheckpointError, match="is a link, a device or a sparse file"):
        Checkpoint.load_tar(gzip.compress(bytes(header) + b"\x00" * 1024))


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME], ids=["pax", "long name"])
def test_a_bomb_in_a_header_is_not_unpacked(monkeypatch, kind):
    monkeypatch.setattr(module, "LIMITS", {"model.json": 1000, "weights.safetensors": 1000})
    bomb = special("x", kind, size=40 << 20).tobuf(tarfile.GNU_FORMAT) + b"\x00" * (40 << 20)
    with pytest.raises(CheckpointError, match="unpacks to more than a model may have"):
        Checkpoint.load_tar(gzip.compress(bomb))


def test_a_file_larger_than_any_model_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LIMITS", {"model.json": 100, "weights.safetensors": 100})
    path = tmp_path / "model.tar.gz"
    path.write_bytes(b"\x1f\x8b" + b"\x00" * 300)
    with pytest.raises(CheckpointError, match="more than the 200 bytes"):
        Checkpoint.load_tar(path)


def assert_equal(one, two):
    assert (one.task_kind, one.categories, one.encoder, one.encoder_fingerprint, one.facts) == (
        two.task_kind,
        two.categories,
        two.encoder,
        two.encoder_fingerprint,
        two.facts,
    )
    assert list(one.arrays) == sorted(two.arrays)
    for name, array in two.arrays.items():
        np.testing.assert_array_equal(one.arrays[name], array)
        assert one.arrays[name].dtype == array.dtype


def test_a_model_survives_archive_and_folder(tmp_path):
    original = model()
    assert_equal(Checkpoint.load_tar(original.pack()), original)
    original.save_folder(tmp_path / "new" / "model")
    assert_equal(Checkpoint.load_folder(tmp_path / "new" / "model"), original)
    (tmp_path / "model.tar.gz").write_bytes(original.pack())
    assert_equal(Checkpoint.load_tar(tmp_path / "model.tar.gz"), original)


def test_equal_models_are_equal_bytes_and_exactly_two_files():
    shuffled = model(
        arrays=dict(reversed(model().arrays.items())), facts={"note": "Grüße", "measured": {"accuracy": 0.9}}
    )
    assert shuffled.pack() == model().pack()
    assert sorted(FILES) == ["model.json", "weights.safetensors"]
    assert Checkpoint.load_tar(model().pack()).pack() == model().pack()


def test_an_archive_that_tar_made_of_the_folder_is_read():
    again = archive_of(special(".", tarfile.DIRTYPE), *((f"./{name}", data) for name, data in GOOD))
    assert_equal(Checkpoint.load_tar(again), model())
    assert_equal(Checkpoint.load_tar(archive_of(*GOOD, tar_format=tarfile.PAX_FORMAT)), model())


@pytest.mark.parametrize("missing", ["model.json", "weights.safetensors"])
def test_a_folder_without_a_file_is_refused(tmp_path, missing):
    model().save_folder(tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(CheckpointError, match=f"{missing} is not a file"):
        Checkpoint.load_folder(tmp_path)


def test_a_model_with_nan_is_never_written():
    with pytest.raises(CheckpointError, match="array 'w' holds NaN"):
        model(arrays={"w": np.asarray([np.nan])}).pack()


@pytest.mark.parametrize(
    ("kind", "categories", "reason"),
    [
        (TaskKind.IMAGE_CLASSIFICATION, ("cat", "dog"), None),
        (TaskKind.TEXT_CLASSIFICATION, ("cat", "dog"), "trained for image-classification, this job is text"),
        (TaskKind.IMAGE_CLASSIFICATION, ("cat", "cow"), "2 categories, 1 of which are among this job's 2"),
        (TaskKind.IMAGE_CLASSIFICATION, ("dog", "cat"), "their order must be equal"),
    ],
)
def test_a_model_fits_a_job_of_the_same_task_and_categories_only(kind, categories, reason):
    found = check_compatible(model(), kind, categories)
    assert found is None if reason is None else reason in found
