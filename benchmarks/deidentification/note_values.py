"""Random values for the slots of a note's templates."""

from calendar import month_name

from benchmarks.deidentification.note_templates import STATES

__all__ = ["pick", "value"]

MONTHS = month_name[1:]


def value(rng, source, patient, form):
    """Draw the value of a slot by its form; ``patient`` is a given name and a surname."""
    if form in PATIENT:
        return PATIENT[form](*patient)
    if form in OTHERS:
        return OTHERS[form](pick(rng, source.given), pick(rng, source.surnames), pick(rng, source.given))
    if form == "town":
        return pick(rng, source.towns)
    if form == "street":
        return f"{rng.integers(2, 9900)} {pick(rng, source.streets)}"
    return FORMS[form](rng)


def pick(rng, several):
    """Draw one of several."""
    return several[rng.integers(len(several))]


def _digits(rng, count):
    return "".join(map(str, [rng.integers(1, 10), *rng.integers(0, 10, count - 1)]))


def _letters(rng, count):
    return "".join(pick(rng, "ABCDEFGHJKMNPRTUVWXY") for _ in range(count))


def _day(rng):
    return int(rng.integers(1, 13)), int(rng.integers(1, 29)), int(rng.integers(1930, 2026))


def _date(write):
    return lambda rng: write(*_day(rng))


def _phone(pattern):
    return lambda rng: pattern.format(rng.integers(201, 990), rng.integers(200, 999), int(rng.integers(10_000)))


PATIENT = {
    "patient": lambda given, surname: f"{given} {surname}",
    "patient_back": lambda given, surname: f"{surname}, {given}",
    "patient_loud": lambda given, surname: f"{surname}, {given}".upper(),
    "patient_last": lambda given, surname: surname,
    "patient_first": lambda given, surname: given,
}
OTHERS = {
    "full": lambda given, surname, other: f"{given} {surname}",
    "middle": lambda given, surname, other: f"{given} {other[0]}. {surname}",
    "last": lambda given, surname, other: surname,
    "first": lambda given, surname, other: given,
    "back": lambda given, surname, other: f"{surname}, {given} {other[0]}.",
    "initial": lambda given, surname, other: f"{given[0]}. {surname}",
    "double": lambda given, surname, other: f"{given} {surname}-{other}son",
    "small": lambda given, surname, other: surname.lower(),
    "loud": lambda given, surname, other: f"{given} {surname}".upper(),
}
FORMS = {
    "us": _date(lambda m, d, y: f"{m:02}/{d:02}/{y}"),
    "short": _date(lambda m, d, y: f"{m}/{d}/{y % 100:02}"),
    "dash": _date(lambda m, d, y: f"{m:02}-{d:02}-{y}"),
    "iso": _date(lambda m, d, y: f"{y}-{m:02}-{d:02}"),
    "long": _date(lambda m, d, y: f"{MONTHS[m - 1]} {d}, {y}"),
    "abbreviated": _date(lambda m, d, y: f"{MONTHS[m - 1][:3]} {d}, {y}"),
    "british": _date(lambda m, d, y: f"{d} {MONTHS[m - 1]} {y}"),
    "hyphened": _date(lambda m, d, y: f"{d:02}-{MONTHS[m - 1][:3]}-{y}"),
    "military": _date(lambda m, d, y: f"{d:02}{MONTHS[m - 1][:3].upper()}{y}"),
    "month_day": _date(lambda m, d, y: f"{MONTHS[m - 1]} {d}"),
    "nth": _date(
        lambda m, d, y: f"{MONTHS[m - 1]} {d}{'th' if 3 < d < 21 or d > 23 else ['st', 'nd', 'rd'][d % 10 - 1]}"
    ),
    "month_year": _date(lambda m, d, y: f"{MONTHS[m - 1]} {y}"),
    "month": _date(lambda m, d, y: MONTHS[m - 1]),
    "slashed": _date(lambda m, d, y: f"{m}/{d}"),
    "month_slash": _date(lambda m, d, y: f"{m:02}/{y}"),
    "dotted": _date(lambda m, d, y: f"{d:02}.{m:02}.{y}"),
    "compact": _date(lambda m, d, y: f"{y}{m:02}{d:02}"),
    "old": lambda rng: str(rng.integers(90, 105)),
    "phone": _phone("{}-{}-{:04}"),
    "phone_round": _phone("({}) {}-{:04}"),
    "phone_dots": _phone("{}.{}.{:04}"),
    "phone_spaces": _phone("{} {} {:04}"),
    "phone_one": _phone("+1 {} {} {:04}"),
    "phone_bare": _phone("{}{}{:04}"),
    "phone_local": lambda rng: f"{rng.integers(200, 999)}-{int(rng.integers(10_000)):04}",
    "phone_extension": lambda rng: f"{_phone('{}-{}-{:04}')(rng)} ext {rng.integers(100, 9999)}",
    "phone_abroad": lambda rng: f"+44 20 7946 0{rng.integers(100, 999)}",
    "pager": lambda rng: _digits(rng, 5),
    "ssn": lambda rng: f"{rng.integers(100, 665)}-{rng.integers(10, 99)}-{_digits(rng, 4)}",
    "ssn_bare": lambda rng: f"{rng.integers(100, 665)}{_digits(rng, 6)}",
    "last_four": lambda rng: _digits(rng, 4),
    "number": lambda rng: _digits(rng, int(rng.integers(6, 11))),
    "zeros": lambda rng: f"00{_digits(rng, 6)}",
    "code": lambda rng: f"{_letters(rng, 1)}{_digits(rng, 8)}",
    "coded": lambda rng: f"{_letters(rng, 3)}{_digits(rng, 9)}",
    "dashed": lambda rng: f"{_letters(rng, 2)}-{_digits(rng, 6)}",
    "parts": lambda rng: f"{_digits(rng, 3)}-{_digits(rng, 2)}-{_digits(rng, 3)}",
    "mbi": lambda rng: f"{rng.integers(1, 9)}EG{rng.integers(9)}-TE{rng.integers(9)}-MK{_digits(rng, 2)}",
    "vin": lambda rng: f"{rng.integers(1, 5)}HGCM{_digits(rng, 5)}A{_digits(rng, 6)}",
    "plate": lambda rng: f"{_letters(rng, 3)}-{_digits(rng, 4)}",
    "plate_spaced": lambda rng: f"{_digits(rng, 1)}{_letters(rng, 3)} {_digits(rng, 3)}",
    "serial": lambda rng: f"{_letters(rng, 3)}{_digits(rng, 6)}{_letters(rng, 1)}",
    "udi": lambda rng: f"(01)00{_digits(rng, 12)}(21){_letters(rng, 2)}{_digits(rng, 5)}",
    "mac": lambda rng: ":".join(f"{one:02X}" for one in rng.integers(0, 256, 6)),
    "mail": lambda rng: f"{_letters(rng, 5).lower()}.{_letters(rng, 6).lower()}{rng.integers(99)}@mail.example.com",
    "mail_other": lambda rng: f"{_letters(rng, 7).lower()}_{rng.integers(99)}@example.co.uk",
    "url": lambda rng: f"https://portal.example.org/patients/{_digits(rng, 6)}?tab=labs",
    "www": lambda rng: f"www.{_letters(rng, 6).lower()}-example.com/{_letters(rng, 4).lower()}",
    "domain": lambda rng: f"{_letters(rng, 6).lower()}.example.net",
    "ip": lambda rng: ".".join(map(str, rng.integers(1, 255, 4))),
    "ip6": lambda rng: f"2001:db8::{rng.integers(1, 9999):x}:{rng.integers(1, 9999):x}",
    "zip": lambda rng: _digits(rng, 5),
    "zip4": lambda rng: f"{_digits(rng, 5)}-{_digits(rng, 4)}",
    "state": lambda rng: pick(rng, STATES),
    "po_box": lambda rng: f"P.O. Box {rng.integers(10, 9999)}",
    "age": lambda rng: str(rng.integers(18, 90)),
    "year": lambda rng: str(rng.integers(1960, 2026)),
    "sex_short": lambda rng: pick(rng, "MF"),
    "sex": lambda rng: pick(rng, ("male", "female")),
    "dose": lambda rng: f"{rng.integers(1, 100) * 5} mg",
    "drug": lambda rng: pick(rng, ("Metformin", "lisinopril", "Aspirin", "atorvastatin", "Lasix", "warfarin")),
    "cpt": lambda rng: _digits(rng, 5),
    "revenue": lambda rng: f"0{rng.integers(250, 999)}",
    "pressure": lambda rng: f"{rng.integers(90, 190)}/{rng.integers(50, 110)}",
    "pulse": lambda rng: str(rng.integers(50, 130)),
    "temperature": lambda rng: f"{rng.integers(96, 103)}.{rng.integers(10)}",
    "lab": lambda rng: f"{rng.integers(1, 20)}.{rng.integers(10)}",
    "strength": lambda rng: f"{rng.integers(3, 6)}/5",
    "views": lambda rng: str(rng.integers(2, 5)),
    "clock": lambda rng: f"{rng.integers(24):02}:{rng.integers(60):02}",
}
