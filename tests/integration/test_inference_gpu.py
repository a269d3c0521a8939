"""The device's pipeline, run on the processor as far as it goes there; what needs CUDA is skipped without it."""

from __future__ import annotations

import io
import threading

import msgspec
import numpy as np
import pytest
import torch
from PIL import Image

from autolabel.errors import CheckpointError, ObjectError, StorageError
from autolabel.inference.catalogue import encoder_for
from autolabel.inference.framing import Framing, framed
from autolabel.inference.gpu import lane as lane_module
from autolabel.inference.gpu import tuning
from autolabel.inference.gpu.batch_size import (
    BatchSize,
    OutOfRoomError,
    find_batch,
    halved,
    name_of,
    remember,
    remembered,
    within_memory,
)
from autolabel.inference.gpu.engine import Engine
from autolabel.inference.gpu.filling import Filler
from autolabel.inference.gpu.hardware import HardwareDecoder
from autolabel.inference.gpu.lane import DeviceLane
from autolabel.inference.gpu.module import DevicePart, Reduction, WholeEncoder
from autolabel.inference.gpu.plan import DevicePlan, hardware_share, repays_compiling
from autolabel.inference.gpu.resize import Resize
from autolabel.inference.gpu.slots import Slot
from autolabel.inference.images import DEFAULT_LIMITS, Picture
from autolabel.inference.runtimes.base import RuntimeKind
from autolabel.inference.runtimes.graph_cache import keep
from autolabel.learning.head import LinearHead
from autolabel.learning.rescoring import CentredHead

CPU = torch.device("cpu")
DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")),
]


def smooth(width, height, seed=0):
    rng = np.random.default_rng(seed + width * height)
    small = rng.integers(0, 255, (max(2, height // 12), max(2, width // 12), 3), np.uint8)
    return np.array(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def jpeg(width, height, seed=0, **options):
    file = io.BytesIO()
    Image.fromarray(smooth(width, height, seed)).save(file, "JPEG", **options)
    return file.getvalue()


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    return jpeg(120, 80, exif=exif)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    "framing",
    [
        Framing(192),
        Framing(64, cut=0.0),
        Framing(64, cut=1.0),
        Framing(224, short_side=256),
        Framing(224, short_side=232, bicubic=True),
    ],
)
def test_matrix_products_scale_pictures_as_torch_does(framing, device):
    shapes = [(500, 375), (213, 160), (64, 64), (480, 480), (1, 1), (8, 9), (30, 500), (1200, 900)]
    slot = Slot(len(shapes), [framing], pinned=False)
    slot.pixels.random_(0, 255)  # what an earlier batch left
    pictures = [Picture(smooth(width, height), 1) for width, height in shapes]
    for row, picture in enumerate(pictures):
        slot.put(row, picture)
    found = Resize(framing.size, bicubic=framing.bicubic)(slot.pixels.to(device), slot.places[0].to(device)).cpu()
    for picture, square in zip(pictures, found.numpy().astype(int), strict=True):
        difference = np.abs(square - framed(picture, framing))
        assert difference.max() <= 2
        assert difference.mean() < 0.4


def test_turned_and_oversized_pictures_come_as_finished_squares():
    framings = [Framing(64), Framing(24, cut=0.0)]
    slot = Slot(2, framings, pinned=False)
    pictures = [Picture(smooth(100, 60), 6), Picture(smooth(900, 700), 1)]
    for row, picture in enumerate(pictures):
        slot.put(row, picture)
    for part, framing in enumerate(framings):
        found = Resize(framing.size)(slot.pixels, slot.places[part]).numpy()
        for row, picture in enumerate(pictures):
            np.testing.assert_array_equal(found[row], framed(picture, framing))


def test_rows_that_nobody_filled_are_black_and_harmless():
    slot = Slot(3, [Framing(32)], pinned=False)
    slot.put(1, Picture(smooth(50, 50), 1))
    slot.clear()
    slot.pixels.zero_()
    assert not Resize(32)(slot.pixels, slot.places[0]).any()


class Pictures:
    """Objects of all kinds, some of them bad; after `until` nothing can be reached."""

    content, ahead = "c" * 64, 0

    def __init__(self, count=70, until=10**9):
        self.count, self.until = count, until
        self.threads = set()

    def get(self, number):
        self.threads.add(threading.get_ident())
        if number >= self.until:
            raise StorageError("s3://bucket", "connection refused")
        if number >= self.count:
            raise IndexError(number)
        kind = number % 10
        if kind == 3:
            raise ObjectError("OBJECT_NOT_FOUND", "no such key")
        if kind == 5:
            return b"not a picture"
        if kind == 7:
            return turned()
        if kind == 8:
            return jpeg(900, 700, number)
        return jpeg(100 + 3 * number, 90, number)


@pytest.fixture(scope="module")
def encoder():
    return encoder_for("efficientnet-lite0@64+pixels", device="cpu", runtime=RuntimeKind.TORCH, reduced=False)


def planned(encoder, folder, **changes):
    """Return the encoder with a plan kept in `folder`."""
    plan = {"batch": 16, "compiled": False, "hardware": 0, "reduced": False} | changes
    planned = encoder_for(encoder.name, device="cpu", runtime=RuntimeKind.TORCH, reduced=False, trials=folder)
    keep(f"device-{planned.fingerprint[:16]}.json", msgspec.json.encode(DevicePlan(**plan)), folder=folder)
    return planned


def windows(count, size):
    return [np.arange(begin, min(begin + size, count)) for begin in range(0, count, size)]


def joined(parts):
    parts = list(parts)
    failures = {number: reason for part in parts for number, reason in part.failures.items()}
    return np.concatenate([part.objects for part in parts]), np.concatenate([part.vectors for part in parts]), failures


@pytest.fixture(scope="module")
def expected(encoder):
    """What the encoder itself makes of the objects."""
    vectors, failures = np.zeros((70, encoder.dim), np.float32), {}
    for number in range(70):
        try:
            vectors[number] = encoder.encode([encoder.prepare(Pictures().get(number))])[0]
        except ObjectError as error:
            failures[number] = str(error)
    return vectors, failures


@pytest.mark.parametrize(("batch", "threads", "hardware"), [(16, 3, 0), (1, 1, 0), (64, 2, 0), (16, 3, 8), (8, 2, 16)])
def test_the_lane_gives_the_encoders_own_vectors_and_failures(
    encoder, expected, tmp_path, monkeypatch, batch, threads, hardware
):
    monkeypatch.setattr(tuning, "ROWS", 8)
    device_lane = DeviceLane(planned(encoder, tmp_path, batch=batch, hardware=hardware), Pictures(), threads=threads)
    assert device_lane.window == batch
    sources = Pictures()
    device_lane._sources = sources
    objects, vectors, failures = joined(device_lane.encode(windows(70, batch)))
    np.testing.assert_array_equal(objects, np.arange(70))
    assert failures == expected[1]
    assert not vectors[list(failures)].any()
    cosine = (vectors * expected[0]).sum(1) / np.maximum(
        np.linalg.norm(vectors.astype(float), axis=1) * np.linalg.norm(expected[0], axis=1), 1e-9
    )
    assert np.delete(cosine, list(failures)).min() > 0.998


def test_the_same_objects_get_the_same_bytes_again(encoder, tmp_path, monkeypatch):
    monkeypatch.setattr(tuning, "ROWS", 8)
    found = [
        joined(DeviceLane(planned(encoder, tmp_path), Pictures(), threads=threads).encode(windows(70, 16)))[1]
        for threads in (1, 4)
    ]
    assert found[0].tobytes() == found[1].tobytes()


def test_windows_that_are_larger_than_a_batch_come_in_pieces(encoder, tmp_path, monkeypatch):
    monkeypatch.setattr(tuning, "ROWS", 8)
    device_lane = DeviceLane(planned(encoder, tmp_path, batch=8), Pictures(), threads=2)
    parts = list(device_lane.encode(windows(70, 30)))
    assert [len(part.objects) for part in parts] == [8, 8, 8, 6, 8, 8, 8, 6, 8, 2]
    np.testing.assert_array_equal(np.concatenate([part.objects for part in parts]), np.arange(70))


def test_when_memory_runs_out_the_batch_is_halved_and_no_object_is_lost(encoder, expected, tmp_path, monkeypatch):
    monkeypatch.setattr(tuning, "ROWS", 8)
    monkeypatch.setenv("AUTOLABEL_CACHE", str(tmp_path / "cache"))
    planned_encoder = planned(encoder, tmp_path)
    device_lane = DeviceLane(planned_encoder, Pictures(), threads=2)
    run, calls = Engine.run, []

    def short(self):
        calls.append(self.batch)
        if self.batch > 4 and len(calls) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return run(self)

    monkeypatch.setattr(Engine, "run", short)
    objects, _, failures = joined(device_lane.encode(windows(70, 16)))
    np.testing.assert_array_equal(objects, np.arange(70))
    assert failures == expected[1]
    assert calls[:4] == [16, 16, 16, 8]
    assert set(calls[4:]) == {4}
    name = name_of(planned_encoder.fingerprint, CPU, reduced=False)
    assert remembered(name) == BatchSize(4, 8)
    assert DeviceLane(planned_encoder, Pictures(), threads=2).window == 4


def test_not_even_one_picture_fits(encoder, tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOLABEL_CACHE", str(tmp_path / "cache"))

    def never(self):
        raise torch.OutOfMemoryError("CUDA out of memory")

    device_lane = DeviceLane(planned(encoder, tmp_path, batch=2), Pictures(), threads=2)
    monkeypatch.setattr(Engine, "run", never)
    with pytest.raises(CheckpointError, match="one picture does not fit"):
        list(device_lane.encode(windows(10, 2)))


def test_when_storage_is_out_of_reach_it_says_so_and_stops(encoder, tmp_path):
    device_lane = DeviceLane(planned(encoder, tmp_path), Pictures(until=40), threads=2)
    with pytest.raises(StorageError, match="connection refused"):
        list(device_lane.encode(windows(70, 16)))


def test_vectors_that_are_not_finite_are_refused(encoder, tmp_path, monkeypatch):
    device_lane = DeviceLane(planned(encoder, tmp_path), Pictures(), threads=2)
    monkeypatch.setattr(WholeEncoder, "forward", lambda self, *squares: torch.full((16, self.dim), torch.nan).half())
    with pytest.raises(CheckpointError, match="not finite"):
        list(device_lane.encode(windows(16, 16)))


def test_the_device_decodes_only_what_every_decoder_decodes_alike():
    filler = Filler("x", 96, DEFAULT_LIMITS, HardwareDecoder(CPU))
    assert filler.plain_size(jpeg(100, 90), 128) == (100, 90)
    for raw in (jpeg(100, 90, progressive=True), jpeg(200, 90), turned(), b"nothing"):
        assert filler.plain_size(raw, 128) is None
    grey = io.BytesIO()
    Image.new("L", (20, 20)).save(grey, "JPEG")
    assert filler.plain_size(grey.getvalue(), 128) is None


@pytest.mark.parametrize(
    ("numbers", "by_device"), [([0, 1, 2], True), ([0, 1, 3], False), ([0, 5], False), ([0, 7], False), ([8], False)]
)
def test_one_odd_file_sends_its_companions_to_the_threads_decoder(numbers, by_device):
    filler = Filler("x", 128, DEFAULT_LIMITS, HardwareDecoder(CPU))
    slot = Slot(4, [Framing(64)], pinned=False)
    filled = filler.fill_by_device(slot, numbers, Pictures().get)
    assert bool(filled.pictures) == by_device
    assert sorted(filled.failures) == [number for number in numbers if number % 10 in {3, 5}]


def test_a_damaged_file_makes_the_hardware_decoder_refuse_its_list():
    whole = jpeg(100, 90)
    assert [picture.shape for picture in HardwareDecoder(CPU).decode([whole])] == [(3, 90, 100)]
    assert HardwareDecoder(CPU).decode([whole, whole[: len(whole) // 2][:-300]]) is None


def times(table):
    def seconds(batch):
        if batch not in table:
            raise OutOfRoomError(f"{batch} does not fit")
        return table[batch]

    return seconds


@pytest.mark.parametrize(
    ("table", "first", "expected"),
    [
        ({64: 1.0, 128: 0.5, 256: 0.45, 512: 0.449}, 64, BatchSize(256)),
        ({64: 1.0, 128: 0.99}, 64, BatchSize(64)),
        ({64: 1.0, 128: 0.5}, 64, BatchSize(128, 256)),
        ({16: 1.0, 8: 1.2}, 64, BatchSize(16, 32)),
        ({1: 1.0}, 64, BatchSize(1, 2)),
    ],
)
def test_batches_are_doubled_until_that_gains_nothing_or_memory_ends(table, first, expected):
    assert find_batch(times(table), first=first) == expected


def test_a_remembered_ceiling_is_not_tried_again():
    tried = []

    def seconds(batch):
        tried.append(batch)
        return 1.0 / batch

    assert find_batch(seconds, ceiling=256) == BatchSize(128, 256)
    assert max(tried) == 128
    assert halved(BatchSize(128, 256)) == BatchSize(64, 128)
    with pytest.raises(OutOfRoomError):
        find_batch(times({}))


def test_what_a_failed_try_held_is_freed_before_the_next():
    import gc
    import weakref

    held = []

    class Thing:
        pass

    def work():
        thing = Thing()
        held.append(weakref.ref(thing))
        raise torch.OutOfMemoryError("CUDA out of memory\nTried to allocate")

    with pytest.raises(OutOfRoomError, match=r"CUDA out of memory$"):
        within_memory(work)
    gc.collect()
    assert held[0]() is None


def test_a_batch_size_is_remembered_and_damage_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOLABEL_CACHE", str(tmp_path))
    assert remembered("batches/x.json") is None
    remember("batches/x.json", BatchSize(512, 1024))
    assert remembered("batches/x.json") == BatchSize(512, 1024)
    (tmp_path / "batches" / "x.json").write_bytes(b"{}")
    assert remembered("batches/x.json") is None
    assert name_of("a", CPU, reduced=True) != name_of("a", CPU, reduced=False)


def test_a_plan_is_found_once_for_a_folder(encoder, tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOLABEL_CACHE", str(tmp_path / "cache"))
    fresh = encoder_for(
        encoder.name, device="cpu", runtime=RuntimeKind.TORCH, reduced=False, trials=tmp_path / "shards"
    )
    monkeypatch.setattr(tuning.Tuner, "_seconds", lambda _self, batch: 1.0 / min(batch, 32))
    first = tuning.Tuner(fresh, Pictures(), 2).plan(1_000)
    monkeypatch.setattr(tuning.Tuner, "_seconds", lambda _self, _batch: pytest.fail("tried again"))
    assert tuning.Tuner(fresh, Pictures(), 2).plan(10**9) == first
    assert first == DevicePlan(64, compiled=False, hardware=0, reduced=False)


def test_compiling_and_hardware_are_chosen_by_what_they_save():
    assert not repays_compiling(10_000, 20_000)
    assert repays_compiling(20_000_000, 20_000)
    assert hardware_share(0.0, 1_000) == 0
    assert hardware_share(10_000, 10_000) == 8
    assert hardware_share(15_000, 1_000) == 15


@pytest.mark.parametrize("device", DEVICES)
def test_the_reduction_on_a_device_is_the_one_of_re_scoring(device):
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((50, 12)).astype(np.float16)
    head = LinearHead(rng.standard_normal((5, 12)).astype(np.float32), rng.standard_normal(5).astype(np.float32))
    centre = rng.standard_normal(12).astype(np.float32)
    module = Reduction(*(torch.from_numpy(array) for array in (head.weight, head.bias, centre))).to(device)
    classes, values = module(torch.from_numpy(vectors).to(device))
    expected = CentredHead(head, centre).score(vectors)
    np.testing.assert_array_equal(classes.cpu().numpy(), expected["predicted"])
    for column, name in enumerate(("confidence", "margin", "entropy", "gap", "norm")):
        np.testing.assert_allclose(
            values[:, column].cpu().numpy(), expected[name], atol=2e-3 if device == "cuda" else 1e-5
        )


def test_pixel_features_in_torch_are_those_of_numpy():
    from autolabel.inference.gpu.pixels import PixelFeatures
    from autolabel.inference.pixels import PixelEncoder

    squares = np.stack([smooth(24, 24, seed) for seed in range(9)])
    squares[0] = 77
    with torch.inference_mode():
        found = PixelFeatures()(torch.from_numpy(squares)).numpy()
    np.testing.assert_allclose(found, PixelEncoder().encode(list(squares)), atol=1e-5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("reduced", [False, True])
def test_a_gpu_gives_nearly_the_vectors_of_the_processor(expected, tmp_path, monkeypatch, reduced):
    monkeypatch.setenv("AUTOLABEL_CACHE", str(tmp_path / "cache"))
    on_gpu = encoder_for("efficientnet-lite0@64+pixels", device="cuda", reduced=reduced, trials=tmp_path)
    device_lane = lane_module.DeviceLane(on_gpu, Pictures(), threads=4, objects=70)
    _, vectors, failures = joined(device_lane.encode(windows(70, device_lane.window)))
    assert failures == expected[1]
    good = np.setdiff1d(np.arange(70), list(failures))
    cosine = (vectors[good].astype(float) * expected[0][good]).sum(1)
    cosine /= np.linalg.norm(vectors[good].astype(float), axis=1) * np.linalg.norm(expected[0][good], axis=1)
    assert cosine.min() > (0.99 if reduced else 0.998)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("compiled", [False, True])
def test_a_captured_graph_reads_what_lies_in_its_arguments_then(compiled):
    part = DevicePart(Framing(8), torch.nn.Flatten(), ())
    module = WholeEncoder((part,), reduced=False).cuda()
    module.dim = 192
    engine = Engine(module, (part,), torch.device("cuda"), batch=4, rows=2, compiled=compiled)
    slot = Slot(2, [part.framing], pinned=True)
    for grey in (10, 200):
        for begin in (0, 2):
            for row in (0, 1):
                slot.put(row, Picture(np.full((8, 8, 3), grey + begin + row, np.uint8), 1))
            engine.take(slot, begin).wait()
        mark, result = engine.run()
        mark.wait()
        np.testing.assert_array_equal(result[:, 0].numpy(), [grey, grey + 1, grey + 2, grey + 3])
