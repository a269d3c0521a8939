from __future__ import annotations

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from report_samples import (
    HOSTILE,
    SAMPLES,
    certificate,
    confusion,
    costs,
    finished_job,
    huge_job,
    refused,
    rounds,
)

from autolabel.report import plots, svg
from autolabel.report.data import CostRow, CostTable, Interval
from autolabel.report.words import clip, visible


def drawn(data):
    return {
        "rounds": plots.labels_per_round(data.rounds),
        "learning": plots.learning_curve(data.rounds, 509),
        "reliability": plots.reliability(data.reliability),
        "risk": plots.risk_coverage(data.risk_coverage, data.certificate),
        "confusion": plots.confusion(data.confusion, data.categories),
        "cost": plots.cost(data.cost),
    }


@pytest.fixture(scope="module")
def pictures():
    return drawn(finished_job())


def texts(picture):
    return ["".join(element.itertext()) for element in ET.fromstring(picture).iter("text")]  # noqa: S314 - our own


def test_the_same_data_draw_the_same_bytes(pictures):
    assert drawn(finished_job()) == pictures


def test_another_process_draws_the_same_bytes(pictures, tmp_path):
    (tmp_path / "matplotlibrc").write_text("font.size: 31\naxes.grid: True\nsvg.fonttype: path\n")
    script = (
        "import sys; from report_samples import rounds; from autolabel.report.plots import labels_per_round\n"
        "sys.stdout.buffer.write(labels_per_round(rounds()).encode())"
    )
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path]),
        "PYTHONHASHSEED": "7",
        "MATPLOTLIBRC": str(tmp_path),
    }
    run = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, env=environment)
    assert run.stdout.decode() == pictures["rounds"]


def test_drawing_leaves_matplotlibs_settings_alone():
    before = dict(mpl.rcParams)
    plots.labels_per_round(rounds())
    assert dict(mpl.rcParams) == before


def test_every_picture_is_one_inline_element_that_needs_nothing_else(pictures):
    for picture in pictures.values():
        root = ET.fromstring(picture)  # noqa: S314 - our own
        assert root.tag == "svg"
        assert root.get("aria-label")
        assert not {"metadata", "style", "script", "image", "a"} & {element.tag for element in root.iter()}
        assert "http" not in picture
        hrefs = [element.get("href") for element in root.iter("use")]
        assert all(href.startswith("#") for href in hrefs)


def test_ids_are_unique_on_the_page_and_every_reference_has_its_target(pictures):
    page = "".join(pictures.values())
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', page)) <= {(i, "") for i in ids} | {("", i) for i in ids}


def test_the_page_decides_every_colour(pictures):
    for picture in pictures.values():
        assert not re.findall(r'(?:fill|stroke)(?:: |=")#\w+', picture)


@pytest.mark.parametrize(
    "nothing",
    [
        plots.labels_per_round(()),
        plots.learning_curve((), 5),
        plots.learning_curve(rounds(2)[1:], 5),
        plots.reliability(()),
        plots.reliability(((0.5, 0.0, 0),)),
        plots.risk_coverage(None),
        plots.risk_coverage((), certificate()),
        plots.confusion(None, ("a", "b")),
        plots.confusion(np.zeros((2, 2), int), ("a", "b")),
        plots.confusion(confusion(26), tuple("abcdefghijklmnopqrstuvwxyz")),
        plots.cost(CostTable((), 0.0, 0.0)),
    ],
)
def test_nothing_to_plot_is_no_picture(nothing):
    assert nothing is None


@pytest.mark.parametrize(
    "picture",
    [
        lambda: plots.labels_per_round(rounds(1)),
        lambda: plots.labels_per_round([replace(rounds(1)[0], human_labels=0, machine_labels=0)]),
        lambda: plots.learning_curve(rounds(2)[:1], None),
        lambda: plots.learning_curve([replace(rounds(2)[0], forecast_human_labels=Interval(0, 0, 0))], 0),
        lambda: plots.reliability(((0.0, 0.0, 1),)),
        lambda: plots.reliability(((1.0, 1.0, 1),)),
        lambda: plots.risk_coverage(((1.0, 0.0),)),
        lambda: plots.risk_coverage(((1.0, 0.0),), certificate(error=0.0, remainder=0)),
        lambda: plots.risk_coverage(((0.5, 1.0),), certificate(contract="machine")),
        lambda: plots.confusion(np.array([[3, 0], [0, 0]]), ("", "b")),
        lambda: plots.cost(CostTable((CostRow("human labels", 0, "label", 0.08, 0.0),), 0.0, 5.0)),
        lambda: plots.cost(CostTable((CostRow("compute", 3, "second", 1e-5, 3e-5),), 3e-5, 0.0)),
    ],
)
def test_a_single_point_is_drawn_without_a_warning(picture):
    assert "nan" not in picture().lower().replace("nance", "")


def test_huge_jobs_stay_small():
    data = huge_job()
    assert len(plots.risk_coverage(data.risk_coverage, data.certificate)) < 60_000
    assert len(plots.labels_per_round(data.rounds)) < 250_000


def test_bars_are_stacked_by_purpose_and_labeled_with_their_total(pictures):
    said = texts(pictures["rounds"])
    assert {"people, to train", "people, to audit", "people, the rest", "machine"} <= set(said)
    assert "1,408" in said  # 120 audit labels and 1,288 of the machine


def test_the_learning_curve_names_the_outcome(pictures):
    assert "outcome: 509" in texts(pictures["learning"])


def test_the_promise_is_drawn_as_a_number_of_wrong_labels_or_as_a_share():
    grid = np.array([0.25, 0.5, 1.0])
    facts = certificate(error=0.05, objects=1000, remainder=500)
    assert plots._allowed_share(facts, grid) == pytest.approx([0.4, 0.2, 0.1])
    assert plots._allowed_share(facts | {"contract": "machine"}, grid) == pytest.approx([0.05] * 3)


def test_a_refused_certificate_shows_a_promise_and_no_machine_share():
    said = texts(plots.risk_coverage(((0.5, 0.02), (1.0, 0.1)), refused()))
    assert "promise" in said
    assert "machine-labeled" not in said


def test_classes_with_stops_of_their_own_have_no_common_one():
    said = texts(plots.risk_coverage(((0.5, 0.02), (1.0, 0.1)), certificate(contract="per-class", walks=[{}, {}])))
    assert "promise" in said
    assert "machine-labeled" not in said


def test_wilson_intervals_contain_the_observed_share_and_match_published_bounds():
    low, high = plots._wilson(np.array([0.0, 0.1, 1.0]), np.array([10.0, 20.0, 10.0]))
    assert low == pytest.approx([0.0, 0.0279, 0.7225], abs=2e-4)
    assert high == pytest.approx([0.2775, 0.3010, 1.0], abs=2e-4)


def test_category_names_are_texts_and_nothing_else():
    picture = plots.confusion(confusion(len(HOSTILE)), HOSTILE)
    said = texts(picture)
    assert all(clip(visible(name), 18) in said for name in HOSTILE)
    assert "<script" not in picture


def test_a_category_named_like_a_colour_or_an_id_is_left_alone():
    said = texts(plots.confusion(np.eye(2, dtype=int), (svg.HUMAN, 'id="p" url(#p)')))
    assert {svg.HUMAN, 'id="p" url(#p)'} <= set(said)


def test_costs_beyond_the_fifth_kind_are_one_kind():
    rows = tuple(CostRow(f"kind {i}", 1, "label", 1.0, 1.0) for i in range(8))
    said = texts(plots.cost(CostTable(rows, 8.0, 9.0)))
    assert [text for text in said if text.startswith(("kind", "other"))] == [
        "kind 0 $1.00", "kind 1 $1.00", "kind 2 $1.00", "kind 3 $1.00", "other $4.00",
    ]  # fmt: skip


def test_cost_bars_are_labeled_with_both_totals():
    assert {"$162.08", "$208.45", "this job", "people alone"} <= set(texts(plots.cost(costs())))


@pytest.mark.parametrize("name", SAMPLES)
def test_no_two_texts_of_a_picture_overlap(name):
    data = SAMPLES[name]()
    for kind, picture in drawn(data).items():
        if picture is None or (kind == "confusion" and len(data.categories) > 12):
            continue
        boxes = [_box(element) for element in ET.fromstring(picture).iter("text")]  # noqa: S314 - our own
        level = [box for box in boxes if box is not None]
        for index, (left, top, right, bottom, text) in enumerate(level):
            for other in level[index + 1 :]:
                apart = right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top
                assert apart, (kind, text, other[4])


def _box(element):
    """Where a horizontal text stands, its characters taken as 0.5 em wide, as page fonts are."""
    if "rotate(-0 " not in element.get("transform", "rotate(-0 "):
        return None
    style = svg._declarations(element.get("style"))
    size = float(re.search(r"([\d.]+)px", style.get("font-size", style.get("font", ""))).group(1))
    text = "".join(element.itertext())
    width = 0.5 * size * len(text)
    x, y = float(element.get("x")), float(element.get("y"))
    left = x - {"start": 0, "middle": 0.5, "end": 1}[style.get("text-anchor", "start")] * width
    return left, y - 0.7 * size, left + width, y, text
