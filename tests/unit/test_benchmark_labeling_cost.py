"""Data sets made of others, and what the comparison says of its rows."""

from __future__ import annotations

import json

import pytest

from autolabel.bench.labeling import Row
from autolabel.bench.summary import summarise
from autolabel.testing import write_toy_texts
from benchmarks.labeling_cost import __main__ as benchmark
from benchmarks.labeling_cost.page import promises, verdict
from benchmarks.labeling_cost.sets import SETS, classes_of, fewer_classes, is_balanced, long_tail
from benchmarks.labeling_cost.splice import main as splice_main
from benchmarks.labeling_cost.splice import splice


@pytest.fixture
def folder(tmp_path):
    write_toy_texts(tmp_path, 300, seed=1)
    return tmp_path


def records(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_long_tail_falls_geometrically_and_keeps_objects_and_answers_together(folder, tmp_path):
    least = min(map(len, classes_of(folder).values()))
    thin = long_tail(folder, tmp_path / "tail", 16)
    counts = [len(own) for own in classes_of(thin).values()]
    assert counts[0] == least
    assert counts[1] == pytest.approx(least / 4, abs=1)
    assert counts[2] == pytest.approx(least / 16, abs=1)
    for shown, told in zip(records(thin / "manifest.jsonl"), records(thin / "truth.jsonl"), strict=True):
        assert shown["source"] == told["source"]


def test_a_set_is_balanced_when_its_classes_are_about_as_large(folder, tmp_path):
    assert not is_balanced(long_tail(folder, tmp_path / "tail", 2))
    assert is_balanced(long_tail(folder, tmp_path / "even", 1))


def test_fewer_classes_are_a_set_of_their_own(folder, tmp_path):
    small = fewer_classes(folder, tmp_path / "small", 2)
    names = [each["label"] for each in json.loads((small / "labels.json").read_text())["labels"]]
    assert sorted(classes_of(small)) == sorted(names)
    assert len(names) == 2
    assert sum(map(len, classes_of(small).values())) == sum(len(classes_of(folder)[name]) for name in names)


def row(strategy, seed, human, *, broken=False, data="a set"):
    return Row(data, strategy, seed, 0.05, 0.05, 1_000, 5, human, 0, 0, human, 1_000 - human, 0, 0, 0, 0, broken,
               broken, None, None, 1, 0.0)  # fmt: skip


def rows_of(data, mcal):
    rows = [row("autolabel", seed, 200, data=data) for seed in range(20)]
    rows += [row("MCAL", seed, 100, broken=seed < mcal, data=data) for seed in range(20)]
    rows += [row("TBAL", seed, 250, broken=seed < 1, data=data) for seed in range(20)]
    rows += [row("Ground Truth emulation", seed, 400, broken=seed < 15, data=data) for seed in range(20)]
    return rows + [row("humans only", seed, 1_000, data=data) for seed in range(20)]


def test_a_strategy_that_breaks_its_promise_too_often_is_no_rival():
    lines = summarise(rows_of("a set", 6))
    assert [line.strategy for line in lines if not line.valid] == ["MCAL", "Ground Truth emulation"]
    assert (
        "| TBAL 250 (1 of 20) | -20% | TBAL 250 (1 of 20) | -20% | humans only 1,000 (0 of 20) | -80% | "
        "400 | 15 of 20 | -50% |"
    ) in verdict(lines)


def test_a_strategy_that_breaks_its_promise_elsewhere_is_a_rival_on_this_set_alone():
    lines = summarise(rows_of("a set", 6) + rows_of("another set", 1))
    assert "| MCAL | 7 of 40 | 17.5% ✗ |" in promises(lines)
    assert "| TBAL | 2 of 40 | 5.0% |" in promises(lines)
    told = verdict(lines).splitlines()
    assert "| TBAL 250 (1 of 20) | -20% | MCAL 100 (1 of 20) | +100% |" in told[3]
    assert told[-1] == "| **median** | | | | **-20%** | | **+40%** | | **-80%** | | | |"


@pytest.mark.slow
def test_the_quick_benchmark_ends_with_tables_pictures_and_a_page(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["labeling_cost", "--quick", "--output", str(tmp_path)])
    assert benchmark.main() == 0
    out = capsys.readouterr().out
    assert "| digits | autolabel |" in out
    assert "Labels by people by batch size" in out
    page = (tmp_path / "index.html").read_text()
    assert page.count("<svg") == page.count("</svg>") == 8
    assert page.count("<table>") == 7
    assert {path.stem for path in tmp_path.glob("*.png")} == {path.stem for path in tmp_path.glob("*.svg")}
    assert set(SETS) > {"digits"}


@pytest.mark.parametrize(
    ("options", "why"), [(["--only", "trec6"], "no data set is there"), (["--quick", "--only", "trec6"], "nothing")]
)
def test_a_benchmark_of_nothing_says_so(tmp_path, monkeypatch, capsys, options, why):
    monkeypatch.setattr("sys.argv", ["benchmark", str(tmp_path / "nowhere"), "--output", str(tmp_path), *options])
    with pytest.raises(SystemExit, match="2"):
        benchmark.main()
    assert why in capsys.readouterr().err


def test_tables_of_a_run_take_the_place_of_the_ones_on_the_page_and_sentences_stay():
    page = (
        "# A\n\n| x | y |\n|---|---|\n| 1 | 2 |\n\nSaid.\n\n### B\n\n| x | y |\n|---|---|\n| 3 | 4 |\n\n"
        "## C\n\n| z |\n|---|\n| 9 |\n"
    )
    found = "| x | y |\n|---|---|\n| 1 | 6 |\n| 7 | 8 |\n\n### B\n\n| x | y |\n|---|---|\n| 3 | 0 |\n"
    text, problems = splice(page, found)
    assert not problems
    assert text == page.replace("| 1 | 2 |", "| 1 | 6 |\n| 7 | 8 |").replace("| 3 | 4 |", "| 3 | 0 |")


def test_a_table_that_the_page_has_no_place_for_is_named():
    assert splice("| x |\n", "### B\n\n| y |\n")[1] == ["there is no table with the columns | y |"]


def test_a_run_of_fewer_data_sets_than_the_page_has_leaves_the_page_alone(tmp_path, monkeypatch, capsys):
    page, out = tmp_path / "README.md", tmp_path / "out"
    out.mkdir()
    page.write_text("| data set | ours |\n|---|---|\n| a | 1 |\n| b | 2 |\n")
    (out / "table.md").write_text("| data set | ours |\n|---|---|\n| a | 3 |\n")
    before = page.read_bytes()
    monkeypatch.setattr("sys.argv", ["splice", str(out), "--page", str(page)])
    assert splice_main() == 1
    assert "no rows of b" in capsys.readouterr().err
    assert page.read_bytes() == before
    (out / "table.md").write_text("| data set | ours |\n|---|---|\n| a | 3 |\n| b | 4 |\n")
    (out / "cost.png").write_bytes(b"a picture")
    assert splice_main() == 0
    assert page.read_text().endswith("| a | 3 |\n| b | 4 |\n")
    assert (tmp_path / "figures" / "cost.png").read_bytes() == b"a picture"
