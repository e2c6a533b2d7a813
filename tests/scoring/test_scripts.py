"""Scripts without blanks between words are compared character by character, in every metric and by the reader."""

import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metachain.scoring.extractive import extract, split_sentences
from metachain.scoring.metrics import are_texts, rouge_l, suited_metric, token_f1, words
from metachain.scoring.reader import answer, show_texts
from metachain.scoring.scripts import WORD, word_count
from metachain.scoring.spans import tag_spans
from metachain.selection.baselines import word_counts

CHINESE = [
    "老人在浴室滑倒，左腕骨折，石膏固定两周后复查。",
    "孩子高烧不退，诊断为中耳炎，口服抗生素后好转。",
    "产妇顺利分娩一女婴，母女平安，第三天出院。",
    "右膝置换术后恢复顺利，可拄拐行走，转康复病房。",
]
JAPANESE = [
    "浴室で転倒し、左手首を骨折したためギプスで固定した。",
    "高熱が続き中耳炎と診断され、抗生物質で改善した。",
    "女児を無事に出産し、母子ともに三日目に退院した。",
]
THAI = [
    "ผู้ป่วยลื่นล้มในห้องน้ำ ข้อมือซ้ายหัก ใส่เฝือกสองสัปดาห์",
    "เด็กมีไข้สูง หูชั้นกลางอักเสบ ได้รับยาปฏิชีวนะ",
    "มารดาคลอดบุตรสาว ปลอดภัยทั้งสองคน กลับบ้านได้",
]
KHMER = [
    "អ្នកជំងឺរអិលដួល បាក់កដៃឆ្វេង ដាក់ស៊ីម៉ង់ពីរសប្តាហ៍។",
    "កុមារក្តៅខ្លួនខ្លាំង រលាកត្រចៀក បានលេបថ្នាំ។",
]
LAO = [
    "ຄົນເຈັບລື່ນລົ້ມຢູ່ຫ້ອງນ້ຳ ຂໍ້ມືຊ້າຍຫັກ ໃສ່ເຝືອກສອງອາທິດ ແລ້ວກັບມາກວດ",
    "ເດັກນ້ອຍເປັນໄຂ້ສູງ ຫູອັກເສບ ໄດ້ຮັບຢາຕ້ານເຊື້ອ ດີຂຶ້ນແລ້ວ",
]
BURMESE = [
    "လူနာသည် ရေချိုးခန်းတွင် ချော်လဲ၍ ဘယ်လက်ကောက်ဝတ်ကျိုးသဖြင့် ကျောက်ပတ်တီးစည်းပြီး အိမ်ပြန်သည်။",
    "ကလေးသည် အဖျားကြီး၍ နားရောင်ခြင်းကို ပဋိဇီဝဆေးဖြင့် ကုသပြီး သက်သာလာသည်။",
]


@pytest.mark.parametrize("outputs", [CHINESE, JAPANESE, THAI, KHMER, LAO, BURMESE])
def test_sentences_are_texts_and_no_labels(outputs: Sequence[str]) -> None:
    """Sentences of any script are scored as texts, and read as texts."""
    assert are_texts(outputs)
    assert suited_metric(outputs) == "rouge_l"
    assert show_texts(outputs[:3])


def test_labels_stay_labels() -> None:
    """Short words that recur are labels, in Chinese too."""
    labels = ["影像", "检验", "药品", "影像", "检验", "药品", "诊查费"]
    assert not are_texts(labels)
    assert not show_texts(["影像检查", "检验科", "急诊诊查费"])
    assert not are_texts(["影像", "检验", "药品"])


@pytest.mark.parametrize(
    ("one", "other", "score"),
    [
        ("左腕骨折", "左腕骨折", 1.0),
        ("左腕骨折", "右腕骨折", 0.75),
        ("左腕骨折。", "左腕 骨折", 1.0),
        ("左腕骨折", "高烧不退", 0.0),
        ("腹部CT平扫", "胸部CT平扫", 0.8),
        ("ギプス", "ギプスで", 6 / 7),
        ("kaput links", "kaput rechts", 0.5),
    ],
)
def test_characters_are_compared(one: str, other: str, score: float) -> None:
    """One character that differs costs one character; a blank or a full stop costs none."""
    assert token_f1(one, other) == pytest.approx(score)
    assert rouge_l(one, other) == pytest.approx(score)


@pytest.mark.parametrize(("text", "other"), [(group[0], group[1]) for group in (THAI, KHMER, LAO, BURMESE)])
def test_a_beginning_is_alike(text: str, other: str) -> None:
    """A text is more like its own beginning than like another text, and unlike a text of another script."""
    assert token_f1(text[: len(text) // 2], text) > token_f1(other, text) > 0
    assert rouge_l(text[: len(text) // 2], text) > rouge_l(other, text)
    assert rouge_l(text, "左腕骨折") == 0


def test_marks_stay_on_their_character() -> None:
    """Vowel signs and tone marks are no words of their own."""
    assert words("ปวดหัว 2 ครั้ง") == ["ป", "ว", "ด", "หั", "ว", "2", "ค", "รั้", "ง"]
    assert words("か\u3099") == words("が")
    assert words("Blutdruck 120/80 mmHg") == ["blutdruck", "120", "80", "mmhg"]


@given(st.text(st.characters(exclude_categories=["Cs"], max_codepoint=0xDFF), max_size=60))
def test_other_scripts_have_the_words_they_had(text: str) -> None:
    """Latin, Greek, Cyrillic, Hebrew, Arabic and Indian scripts are split as before."""
    assert re.findall(WORD, text) == re.findall(r"[^\W_]+", text)
    assert word_count(text) == len(text.split())


def test_sentences_end_without_blanks() -> None:
    """Full stops of other scripts end sentences; decimals and quotations do not."""
    assert split_sentences("左腕骨折。石膏固定！好转？") == ["左腕骨折。", "石膏固定！", "好转？"]
    assert split_sentences("他说“不疼。”后回家。随访。") == ["他说“不疼。”", "后回家。", "随访。"]
    assert split_sentences("Dose 2.5 mg. Then 3.5 mg.") == ["Dose 2.5 mg.", "Then 3.5 mg."]
    assert len(split_sentences(KHMER[0] + BURMESE[0])) == 2


def test_chinese_sentences_are_extracted_as_they_stand() -> None:
    """The reader takes whole sentences, without blanks between them."""
    shown = [
        ("患者昨夜入院。左腕骨折，石膏固定。家属陪同。", "左腕骨折，石膏固定。"),
        ("患者今早入院。右膝扭伤，冰敷治疗。朋友陪同。", "右膝扭伤，冰敷治疗。"),
    ]
    query = "患者中午入院。右踝骨折，石膏固定。邻居陪同。"
    assert extract(query, shown) == "右踝骨折，石膏固定。"
    assert answer(query, [(text, f"{output}注意休息。") for text, output in shown])


def test_spans_are_tagged_within_a_run() -> None:
    """A span of Chinese ends within a run of characters."""
    shown = [("今天头痛两次", "头痛 [症状]"), ("昨天发热三次", "发热 [症状]"), ("今天腹泻两次", "腹泻 [症状]")]
    assert tag_spans("昨天头痛三次", shown) == "头痛 [症状]"


def test_bm25_counts_characters() -> None:
    """The lexical baseline finds shared characters."""
    counts = word_counts(["左腕骨折", "右腕骨折", "高烧"]).toarray()
    assert counts[0] @ counts[1] == 3
    assert counts[0] @ counts[2] == 0
