import json

import jinja2
import pytest

from me_keras.exporting import card, contract


@pytest.fixture
def facts(version):
    return contract.read_contract(version)


def test_it_says_data_score_use_limits_and_law(version):
    text = (version / card.PATH).read_text()
    for heading in ("Data", "Score", "Intended use", "Limits", "Law"):
        assert f"\n## {heading}\n" in text
    assert "12 clips of 4 subjects: `synthetic` under the protocol `synthetic-3`" in text
    assert "| UF1 | 0.600 | 0.020 | 0.500 to 0.700 |" in text and "2 seeds" in text
    assert "Article 5(1)(f)" in text and "workplace or in education are prohibited" in text
    assert "licensed for research" in text and "posed or laboratory data" in text
    assert "rendered cartoons" in text
    assert "{{" not in text and "{%" not in text and "\n\n\n" not in text


def test_tables_are_whole(version):
    lines = (version / card.PATH).read_text().splitlines()
    rows = [i for i, line in enumerate(lines) if line.startswith("|---")]
    assert len(rows) == 3
    for i in rows:
        assert lines[i - 1].startswith("|") and lines[i + 1].startswith("|")
        assert lines[i - 1].count("|") == lines[i].count("|") == lines[i + 1].count("|")


def test_a_run_without_results_is_said_to_be_unmeasured(facts):
    text = card.render({**facts, "score": None})
    assert "Not evaluated: the run holds no results." in text and "UF1" not in text


def test_one_seed_and_few_subjects_are_said(facts):
    few = {"seeds": 1, "clips": 3, "subjects": 1, "note": "tuned on the reported subjects"}
    text = card.render({**facts, "score": {**facts["score"], **few}})
    assert "\nOptions tuned on the reported subjects.\n" in text
    assert "1 seed." in text and "One seed only" in text
    assert "Only 1 of 4 subjects were left out in turn." in text


def test_real_data_are_not_called_cartoons(facts):
    promised = json.loads(json.dumps(facts))
    promised["data"]["dataset"] = "smic"
    assert "cartoons" not in card.render(promised)


def test_a_fact_that_is_missing_is_an_error(facts):
    training = {k: v for k, v in facts["training"].items() if k != "seed"}
    with pytest.raises(jinja2.UndefinedError, match="seed"):
        card.render({**facts, "training": training})


@pytest.mark.parametrize(
    "motion, alignment, text",
    [
        ("dgm", {"margin": 8}, "from an onset and an apex frame of one aligned face. It estimates"),
        (
            "tvl1",
            {"margin": 8},
            "frame of one aligned face. It is given their motion, computed by `tvl1`",
        ),
        ("precomputed", None, "from an image of the motion of one aligned face. Made"),
    ],
)
def test_it_says_what_the_model_is_given(facts, motion, alignment, text):
    facts = {**facts, "motion": {"source": motion, "channels": []}, "alignment": alignment}
    assert text in " ".join(card.render(facts).split())
