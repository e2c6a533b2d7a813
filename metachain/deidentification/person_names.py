"""Names of people in a text, found by their context and by lists of names, without a language model."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import zip_longest

from metachain.deidentification.name_lists import AMBIGUOUS, EPONYM_NOUNS, GIVEN, NOT_NAMES, SURNAMES

__all__ = ["name_words", "names", "occurrences"]

LEFT, RIGHT = 60, 40
"""Characters of context before and after a name."""
LONGEST = 5
"""Largest number of words in a name."""

_TOKEN = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_JOINS = frozenset({" ", "  ", "-", "\u00a0"})
_PARTICLES = {"van", "der", "den", "de", "la", "las", "los", "del", "von", "da", "dos", "di", "bin", "al", "el"}
_KNOWN = GIVEN | SURNAMES
_STOPS = NOT_NAMES - _KNOWN
_RELATIONS = (
    "wife|husband|spouse|son|daughter|mother|mom|father|dad|sister|brother|friend|partner|caregiver|neighbou?r|aunt|uncle"
    "|niece|nephew|cousin|(?:grand|step|god)(?:son|daughter|mother|father|child)|guardian|boyfriend|girlfriend|fianc[eé]+"
    "|roommate|boss|employer|supervisor|coworker|attorney|lawyer|landlord|teacher|case manager|social worker|nurse|aide"
    "|therapist|interpreter|proxy|twin|widow|widower|sponsor|pastor"
)
_DONE = (
    "seen|examined|evaluated|signed|dictated|transcribed|reviewed|performed|read|interpreted|authored|verified|referred"
    "|accompanied|brought in|attended|ordered|administered|assisted|witnessed|approved|cosigned|co-signed|attested"
    "|collected|drawn|entered|obtained|supervised|prepared|written|recorded|given|provided|followed|managed|treated"
    "|placed|inserted|interviewed|scheduled|called|discharged|admitted|cared for|raised"
)
_TALKED = (
    "discussed|spoke|spoken|talked|conferred|consulted|reviewed|met|lives|living|appointment|visit|follow[- ]up"
    "|followed up|d/w|f/u|scheduled|plan|conversation|report|handoff|stays|here"
)


def _before(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?:{pattern})(?:(?:van|der|den|de|la|del|von|da|al|el)\s){{0,2}}\Z")


_TITLED = _before(
    r"(?:\b(?:Mr|Mrs|Ms|Mx|Dr|Drs|Prof|Rev|Sgt|Capt)\b\.?|\b(?:Miss|Mister|Doctor|Professor|Reverend|Pastor|Rabbi|Judge"
    r"|Officer|Detective|Nurse|Sister|Father|Brother|Aunt|Uncle|Grandma|Grandpa|Coach)"
    r"|\b(?:MR|MRS|MS|DR|mr|mrs|ms|dr)\.)\s{1,2}"
)
_TITLED_ALL_CAPS = _before(r"\b(?:MR|MRS|MS|MISS|DR)\s{1,2}")
_TITLED_LOW = re.compile(r"\b(?:mr|mrs|ms|miss|dr|doctor)\b\s?\.?\s([a-z]{2,20})\b")
_SIGN = re.compile(r"(?i:\b(?:positive|negative|modified|st\.)\s)\Z")
_NAMED = _before(
    r"(?i:\b(?:name|(?:signed|dictated|authored|transcribed|cosigned|verified|reviewed)\sby|alias|aka|a\.k\.a\.?|maiden"
    r"\sname)(?:\s?\([^()]{0,20}\))?\s{0,2}[:=]\s{0,3})|(?i:\b(?:name\sis|goes\sby|dear|sincerely,"
    r"|regards,|respectfully,|nicknamed|n[ée]e)\s{1,3})|/s/\s{0,3}"
)
_LABELLED = _before(
    r"(?i:\b(?:patient|pt|client|resident|subject|attending|provider|physician|doctor|surgeon|pcp|nurse|rn|md|by|author"
    r"|contact|kin|guarantor|subscriber|insured|policy\s?holder|spouse|consultant|radiologist|pathologist|cc|to|from|re"
    r"|anesthesiologist|assistant|proxy|poa|witness|interpreter|therapist|hospitalist|scribe|technician|tech|manager"
    rf"|practitioner|cardiologist|parent|mother|father|{_RELATIONS})(?:\(s\))?\s{{0,2}}[:=]\s{{0,3}})|^\s{{0,3}}--?\s?"
    r"|(?i:\b(?:i\sam|i['’]m|this\sis|named|called|known\sas|aka|hi|hello|thanks,|thank\syou,|patient|pt|client"
    r"|seeing|(?:summary|note|report|letter|results?|visit|consult|consultation|labs|orders|chart)\s(?:for|of|on))\s{1,3})"
)
_RELATED = _before(
    rf"(?i:\b(?:{_RELATIONS})(?:s)?(?:['’]s\sname\sis|,\snamed|\sis|\snamed|\scalled|,|\s?\()?)(?:\s|(?<=\())"
)
_ACTED = _before(
    rf"(?i:\b(?:(?:{_DONE})(?:\s(?:today|again))?\sby|(?:{_TALKED})(?:\s(?:today|again))?\s(?:with|to)|paged|notified"
    r"|contacted|informed|cc)\s{1,2})"
)
_CREDENTIAL = re.compile(
    r",?\s{1,2}(?:M\.?D|D\.?O|RN|R\.N|NP|PA(?:-?C)?|ARNP|APRN|CRNP|FNP(?:-?[BC]C?)?|LPN|LVN|CNA|Ph\.?D|Pharm\.?D|DDS|DMD"
    r"|DPM|DPT|CRNA|LCSW|MSW|FACS|FACP|MSN|BSN|DNP|RD|SLP|CNM|OTR|PsyD|MBBS|Esq|Jr|Sr|III?)\b"
)
_SUBJECT = re.compile(
    r"\s\((?:MRN|DOB|age)\b|,?\s(?:MRN\b|DOB\b|(?:is|was)\s(?:an?\s)?\d{1,3}[\s-]?(?:y|m|w|d)|an?\s\d{1,3}[\s-]?y)"
)
_ACTS_AFTER = re.compile(
    r"\s(?:presents|presented|reports|denies|denied|complains|underwent|returns|states|stated|says|said|arrived|tolerated"
    r"|agrees|agreed|called|lives|works|was\s(?:seen|admitted|discharged|notified|brought|born)|has\sa\shistory)\b"
)
_SPECIALTY = re.compile(
    r"(?:ology|ologist|ics|iatry|[tcp]ist|trist|ery|tion|sion|ing|ment|care|ncy|sis|itis|scopy|graphy|ed|ly)\Z"
)
_EPONYM = re.compile(r"(?:['’]s)?[\s-]{1,2}([A-Za-z]+)")


@dataclass(frozen=True, slots=True)
class _Run:
    """Consecutive capitalised words."""

    start: int
    end: int
    words: tuple[str, ...]

    @property
    def lower(self) -> tuple[str, ...]:
        return tuple(word.lower() for word in self.words if len(word) > 1)

    @property
    def all_caps(self) -> bool:
        return all(word.isupper() for word in self.words)

    @property
    def known(self) -> bool:
        return any(word in _KNOWN for word in self.lower)


def names(text: str) -> list[tuple[int, int, float]]:
    """Start, end and score in [0, 1] of each person's name that its context or a list reveals."""
    runs, plain = _runs(text)
    found = list(_lower_case_names(text))
    taken = -1
    for run, following in zip_longest(runs, runs[1:]):
        if run.start < taken:
            continue
        score = _score(text, run, plain)
        if not score and text[taken : run.start] in {" and ", " & "} and not _looks_like_other_words(run, plain):
            score = 0.5
        end = run.end
        comma = following and text[run.end : following.start] in {", ", ","}
        if comma and _is_surname_first(text, run, following, score):
            score, end = max(score, 0.8), following.end
        if score:
            found.append((_with_particles(text, run.start), end, score))
            taken = end
    return found


def _lower_case_names(text: str) -> Iterator[tuple[int, int, float]]:
    """Names in lower case: a common surname after a title or a common given name."""
    for match in _TITLED_LOW.finditer(text):
        if match[1] in SURNAMES:
            yield *match.span(1), 0.7
    last, place = "", 0
    for match in _TOKEN.finditer(text):
        word = match[0]
        pair = last in GIVEN and word in SURNAMES and text[place : match.start()] == " "
        if pair and not {last, word} <= AMBIGUOUS:
            yield place - len(last), match.end(), 0.6
        last, place = word, match.end()


def name_words(name: str) -> set[str]:
    """Words of a name that identify the person elsewhere too: no initials and no words with another meaning."""
    words = {word for word in _TOKEN.findall(name) if len(word) > 2 and word.lower() not in NOT_NAMES | AMBIGUOUS}
    return {word.capitalize() if word.isupper() else word for word in words}


def occurrences(text: str, words: Collection[str]) -> Iterator[tuple[int, int]]:
    """Start and end of each of the words in a text, as given or in capitals."""
    wanted = {*words, *(word.upper() for word in words)}
    for match in _TOKEN.finditer(text) if wanted else ():
        word = match[0].removesuffix("'s").removesuffix("’s")
        if word in wanted and not _is_eponym(text, match.end()):
            yield match.start(), match.start() + len(word)


def _runs(text: str) -> tuple[list[_Run], set[str]]:
    """Runs of capitalised words, without words that are not names; and all words in lower case."""
    runs: list[_Run] = []
    plain: set[str] = set()
    tokens = [(match[0], *match.span()) for match in _TOKEN.finditer(text)]
    words: list[str] = []
    start = end = 0

    def close() -> None:
        if any(len(word) > 1 for word in words):
            runs.append(_Run(start, end, tuple(words)))
        words.clear()

    for place, (word, left, right) in enumerate(tokens):
        joined = words and text[end:left] in (_JOINS if len(words[-1]) > 1 else {*_JOINS, ". ", "."})
        if words and (not joined or len(words) >= LONGEST):
            close()
        if word[0].isupper() and not _ends_name(text, left, right):
            bare = word.removesuffix("'s").removesuffix("’s")
            if not words:
                start = left
            words.append(bare)
            end = left + len(bare)
        elif words and word in _PARTICLES and _particle_continues(text, tokens, place):
            end = right
        else:
            close()
        if word.islower():
            plain.add(word)
    close()
    return runs, plain


def _ends_name(text: str, left: int, right: int) -> bool:
    """True if a capitalised word is not part of a name."""
    word, after = text[left:right].lower(), text[right : right + 1]
    if after.isdigit() or after == "_" or text[left - 1 : left].isdigit():
        return True
    return (word in _STOPS or re.split("['’]", word)[0] in _STOPS) and not (word in {"a", "i"} and after == ".")


def _particle_continues(text: str, tokens: list[tuple[str, int, int]], place: int) -> bool:
    for one, other in zip(tokens[place : place + 2], tokens[place + 1 : place + 3], strict=False):
        if text[one[2] : other[1]] != " ":
            return False
        if other[0][0].isupper():
            return other[0].lower() not in _STOPS
        if other[0] not in _PARTICLES:
            return False
    return False


def _with_particles(text: str, start: int) -> int:
    while True:
        before = text[max(0, start - 5) : start].rstrip(" ").rpartition(" ")[2]
        if before not in _PARTICLES or text[start - len(before) - 1 : start] != f"{before} ":
            return start
        start -= len(before) + 1


def _score(text: str, run: _Run, plain: Collection[str]) -> float:
    """Confidence that a run is a name; 0 without any sign."""
    left, right = text[max(0, run.start - LEFT) : run.start], text[run.end : run.end + RIGHT]
    if _TITLED.search(left) or _NAMED.search(left) or (_TITLED_ALL_CAPS.search(left) and run.known):
        return 0.9
    if _is_eponym(text, run.end) or _SIGN.search(left):
        return 0.0
    return 0.8 if _is_in_lists(run) else _score_by_context(run, left, right, plain)


def _score_by_context(run: _Run, left: str, right: str, plain: Collection[str]) -> float:
    """Confidence that a run is a name, from its context."""
    if run.all_caps:
        return 0.7 if (run.known or len(run.words) > 1) and _follows_label(left) else 0.0
    if _looks_like_other_words(run, plain):
        return 0.0
    credential = _CREDENTIAL.match(right)
    if (len(run.words) > 1 or run.known) and (_LABELLED.search(left) or credential or _ACTS_AFTER.match(right)):
        return 0.7
    if credential and _follows_label(left):
        return 0.7
    if _RELATED.search(left) or _ACTED.search(left) or _SUBJECT.match(right):
        return 0.6
    return 0.0


def _looks_like_other_words(run: _Run, plain: Collection[str]) -> bool:
    """True for a run outside the lists that looks like other words: lower-case elsewhere, specialty, abbreviation."""
    if run.known:
        return False
    words = any(word in plain or _SPECIALTY.search(word) for word in run.lower)
    return words or any(len(word) > 1 and word.isupper() for word in run.words)


def _follows_label(left: str) -> bool:
    """True after a label with a colon: in a text all in capitals a label alone is no sign."""
    return ":" in left[-4:] and bool(_LABELLED.search(left))


def _is_in_lists(run: _Run) -> bool:
    """True if the lists of names alone make the run a name."""
    words = run.lower
    first, last = words[0], words[-1]
    if len(run.words) == 1:
        return not run.all_caps and first in _KNOWN and first not in AMBIGUOUS
    if run.all_caps or (first in AMBIGUOUS and last in AMBIGUOUS):
        return len(words) > 1 and first in GIVEN and last in SURNAMES
    if len(words) == 1:
        return first in SURNAMES and len(run.words[0]) == 1
    if first not in GIVEN and len(run.words) > 3:
        return False
    if first in GIVEN:
        return first not in AMBIGUOUS or last in SURNAMES
    return last in SURNAMES and last not in AMBIGUOUS


def _is_surname_first(text: str, run: _Run, following: _Run, score: float) -> bool:
    """True if two runs with a comma between them are a surname and a given name."""
    if len(run.words) > 2 or len(following.words) > 3:
        return False
    if len(run.words) == 1:
        if score >= 0.7 or _follows_label(text[max(0, run.start - LEFT) : run.start]):
            return True
        if _SUBJECT.match(text, following.end) and not run.all_caps:
            return True
    return run.lower[-1] in SURNAMES and following.lower[0] in GIVEN


def _is_eponym(text: str, end: int) -> bool:
    following = _EPONYM.match(text, end)
    return bool(following and following[1].lower() in EPONYM_NOUNS)
