r"""Patterns of the identifiers of HIPAA's Safe Harbor list (45 CFR 164.514(b)(2)) that have a fixed form, by kind.

They are written for the ``regex`` module, which Presidio uses. ``\K`` starts the match, so that a label such as "MRN:"
is required but kept. All repetitions are bounded, so that no text takes long.
"""

from collections.abc import Mapping

__all__ = ["CASED", "CASELESS"]

_MARK = r"\s{0,2}(?:numbers?|num\b\.?|nos?\b\.?|ids?\b\.?|identifier|[#№])\s{0,2}(?:[:=#-]|is\b|was\b)?\s{0,3}"
_GAP = rf"(?:{_MARK}|\s{{0,2}}(?:[:=#(-]|is\b|was\b)?\s{{0,3}})"
_COLON = r"\s{0,2}[:=#]\s{0,3}"
_CODE = r"(?=[A-Z-]{0,12}\d)(?!\d{1,3}(?![\w-]))[A-Z0-9][A-Z0-9-]{2,24}[A-Z0-9](?!\w)"

_MONTHS = (
    "Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?"
    "|Nov(?:ember)?|Dec(?:ember)?"
)
_FULL_MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
_MONTH, _MONTH_NAME = _MONTHS.lower(), f"(?-i:{_FULL_MONTHS})"
_MONTH_CASED = (
    f"(?-i:{_MONTHS}|JANUARY|FEBRUARY|MARCH|APRIL|JUNE|JULY|AUGUST|SEPTEMBER|OCTOBER|NOVEMBER|DECEMBER"
    "|january|february|april|june|july|august|september|october|november|december)"
)
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_NTH = rf"{_DAY}(?:st|nd|rd|th)"
_MO = r"(?:0?[1-9]|1[0-2])"
_YEAR = r"(?:19|20)\d\d"
_NUMERIC = rf"{_MO}/{_DAY}(?:\s?(?:-|–|to|through|thru|and)\s?{_MO}/{_DAY})?(?![\d/%-])"
_DATED = (
    "on|since|between|mon|tues?|wed|thurs?|fri|sat|sun|dos|dob|dated?|until|till|through|thru|admitted|discharged|due|f/u"
    "|follow[- ]up|started|begun|stopped|collected|drawn|performed|lmp|as of|week of|ending|expires?|seen|visit"
    "|appointment|appt|scheduled(?: for)?|received|reported"
)

_AREA = r"(?:\(\d{3}\)\s?|\d{3}[-./ ])"
_LOCAL = r"\d{3}[-. ]\d{4}"
_EXTENSION = r"(?:,?\s?(?:x|ext\.?|extension)\s?\d{1,6})?"
_PHONE = rf"(?:\+?1[-. ]{{0,2}})?{_AREA}{_LOCAL}{_EXTENSION}(?![\w-]|\.\d)"
_BARE = rf"(?:\d{{10}}|{_LOCAL}){_EXTENSION}(?![\w-]|\.\d)"

_OVER_89 = r"(?:9\d|1[01]\d|12[0-5])"
_NINETY = "ninety(?:[- ](?:one|two|three|four|five|six|seven|eight|nine))?"

CASELESS: Mapping[str, tuple[str, ...]] = {
    "MEDICAL_RECORD_NUMBER": (
        rf"\b(?:MRN|M\.R\.N\.?|MR\s?#|EMPI|UHID){_GAP}\K{_CODE}",
        rf"\b(?:med(?:ical)?\.?\s?rec(?:ord)?s?|patient|pt\.?|hospital|unit|chart|record|MR|EHR|EMR){_MARK}\K{_CODE}",
        rf"\b(?:medical\s(?:record|chart)|chart|MR){_COLON}\K{_CODE}",
    ),
    "US_SSN": (
        r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])",
        r"\b(?:SSN?|soc(?:ial)?\.?\s?sec(?:urity)?|social)\b(?:\W{0,3}\b(?:number|num|no|last|four|4|digits|ending|in|is"
        r"|are|of)\b){0,6}+\W{0,4}\K(?:\d{3}[- .]?\d{2}[- .]?\d{4}|[x*]{3}-?[x*]{2}-?\d{4}|\d{4})(?![\w-])",
    ),
    "HEALTH_PLAN_NUMBER": (
        rf"\b(?:member(?:ship)?|subscriber|insured|beneficiary|policy(?:holder)?|group|plan|medicare|medicaid|insurance"
        rf"|payer|health\splan|aetna|cigna|humana|bcbs|uhc|kaiser|anthem|tricare)(?:\s(?:member|policy|group|subscriber"
        rf"|plan|health|insurance|card|beneficiary)){{0,2}}{_MARK}\K{_CODE}",
        rf"\b(?:HICN?|MBI|policy|subscriber|member){_COLON}\K{_CODE}",
    ),
    "ACCOUNT_NUMBER": (
        rf"\b(?:account|acct\.?|a/c|invoice|claim|encounter|visit|accession|FIN|CSN|HAR|case|confirmation|job|bank|routing"
        rf"|reference|ref\.?|order|prescription|rx|specimen|requisition|authori[sz]ation|auth\.?|referral|receipt"
        rf"|billing){_MARK}\K{_CODE}",
        rf"\b(?:account|acct\.?|FIN|CSN|accession|encounter|invoice|claim){_COLON}\K{_CODE}",
        r"\b(?:account|acct\.?|CSN)\s\K\d{5,20}(?![\w-])",
    ),
    "LICENSE_NUMBER": (
        rf"\b(?:licen[sc]e|licensure|lic\.?|certificate|certification|cert\.?|passport|registration|permit){_MARK}"
        rf"\K{_CODE}",
        rf"\b(?:driver['’]?s?['’]?\slicen[sc]e|DEA|NPI|DL|passport|UPIN){_GAP}\K{_CODE}",
    ),
    "VEHICLE_ID": (
        rf"\bVIN\b{_GAP}\K[A-HJ-NPR-Z0-9]{{11,17}}(?!\w)",
        r"(?<!\w)(?=\d{0,8}[A-Z]\w{0,9}[A-Z])[A-HJ-NPR-Z0-9]{12}\d{5}(?!\w)",
        r"\b(?:licen[sc]e\splates?|vehicle\s(?:tag|plate|registration)|(?:plate|tag)\s?(?:number|no\.?|#))"
        r"(?:\W{0,3}\b(?:number|no|is|was|reads?|of)\b){0,6}+\W{0,4}"
        r"\K(?=[A-Z -]{0,6}\d)[A-Z0-9]{1,4}[- ]?[A-Z0-9]{2,5}(?!\w)",
    ),
    "DEVICE_ID": (
        rf"\b(?:serial|ser\.|S/N){_GAP}\K{_CODE}",
        rf"\b(?:SN|IMEI){_COLON}\K{_CODE}",
        rf"\bSN\s\K(?=[A-Z]{{1,4}}\d{{4}}){_CODE}",
        rf"\b(?:device|implant|pacemaker|generator|pump|lead|ICD|prosthesis|lens|asset|UDI|IMEI){_MARK}\K{_CODE}",
        r"\(01\)\s?\d{14}(?:\s?\(\d{2}\)\s?[A-Z0-9-]{1,20}){0,4}",
    ),
    "EMAIL_ADDRESS": (r"(?<![\w.+-])[\w.+%'-]{1,64}+@[\w-]{1,63}(?:\.[\w-]{1,63}){1,6}",),
    "URL": (
        r"\b(?:https?|ftps?)://[^\s<>\"']{1,2000}[^\s<>\"'.,;:)\]]",
        r"(?<![\w@.-])www\.[\w-]{1,63}(?:\.[\w-]{1,63}){1,6}(?:/[^\s<>\"']{0,1999}[^\s<>\"'.,;:)\]])?",
        r"(?<![\w@.-])[a-z0-9][a-z0-9-]{1,62}(?:\.[a-z0-9-]{1,63}){0,4}\.(?:com|org|net|edu|gov|health|io|info)\b"
        r"(?![.-]\w|@)(?:/[^\s<>\"']{0,1999}[^\s<>\"'.,;:)\]])?",
    ),
    "PHONE_NUMBER": (
        rf"(?<![\w.+(-]|\d/){_PHONE}",
        r"(?<![\w+])\+[2-9](?=(?:[ .()-]{0,2}\d){7,14}(?!\d))(?:[ .()-]{0,2}\d){7,14}",
        r"\b(?:tel(?:ephone)?|phone|ph|cell|mobile|home|work|office|contact|call(?:ed)?|callback|reach(?:ed)?|text|dial"
        r"|number|voicemail|landline)\b(?:\W{0,3}\b(?:number|no|at|is|was|on|him|her|them|me|us|back|phone|cell)\b){0,6}+"
        rf"\W{{0,4}}\K{_BARE}",
        r"\b(?:pager|pgr|beeper)\b(?:\W{0,3}\b(?:number|no|is|at)\b){0,6}+\W{0,4}\K(?:\d{4,7}|\d{3}-\d{4})(?![\w-])",
    ),
    "FAX_NUMBER": (
        r"\b(?:fax(?:ed)?|facsimile)\b(?:\W{0,3}\b(?:number|no|to|at|is|line|it|results|records)\b){0,6}+\W{0,4}"
        rf"\K(?:{_PHONE}|{_BARE})",
    ),
    "DATE_TIME": (
        rf"(?<![\w/.])(?:{_MO}/{_DAY}|{_DAY}/{_MO})/(?:{_YEAR}|\d\d)(?![\d/])",
        rf"(?<![\w/.-])(?:{_MO}-{_DAY}|{_DAY}-{_MO})-(?:{_YEAR}|\d\d)(?![\d-])",
        rf"(?<![\w/.-]){_MO}/{_DAY}(?=\s?(?:-|–|to)\s?{_MO}/{_DAY}/(?:{_YEAR}|\d\d)(?!\d))",
        rf"(?<![\w/.-])(?:{_MO}\.{_DAY}|{_DAY}\.{_MO})\.{_YEAR}(?!\d)",
        rf"(?<!\d){_YEAR}([-/.]){_MO}\1{_DAY}(?!\d)",
        rf"(?<![\w.]){_DAY}(?:st|nd|rd|th)?[ -]?(?:of\s)?(?:{_MONTH})\b\.?,?[ -]{{0,2}}{_YEAR}",
        rf"(?<![\w.]){_DAY}-(?:{_MONTH})-\d\d(?!\d)",
        rf"(?<![\w.]){_DAY}(?:{_MONTH}){_YEAR}(?!\d)",
        rf"\b(?:the\s)?\K{_NTH}\s(?:(?:day\s)?of\s)?(?:{_MONTH})\b",
        rf"(?<![\w.]){_DAY}\s{_MONTH_NAME}\b",
        rf"\b{_MONTH_CASED}\b\.?\s{{1,2}}{_DAY}(?:st|nd|rd|th)?(?:,?\s{{1,2}}{_YEAR}|,?\s['’]\d\d)?(?![\w/]|\.\d)"
        r"(?!\s(?:mg|mcg|ml|units?|times|tabs?)\b)",
        rf"\b(?:{_MONTH})\b\.?\s{_DAY}(?:st|nd|rd|th)?,?\s{{1,2}}{_YEAR}(?!\d)",
        rf"\b(?:on|since|of)\s\K(?:{_MONTH})\s{_DAY}(?:st|nd|rd|th)?(?!\w)",
        rf"\b(?:{_MONTH})\b\.?(?:,?\s(?:of\s)?|-){_YEAR}(?!\d)",
        rf"\b(?:in|since|last|next|this|until|till|during|early|late|mid|of|from|through|end of)[ -]\K{_MONTH_NAME}\b",
        rf"(?<![\w/.-]){_MO}/{_YEAR}(?![\d/-])",
        rf"(?<![\w/.-])(?:0[1-9]|1[0-2])-{_YEAR}(?![\d-])",
        rf"\b(?:{_DATED})\W{{1,3}}\K{_NUMERIC}(?!\s?(?:strength|mg|tabs?|tablets?|of|in|out)\b)",
        rf"(?<![\w/.-]){_MO}/{_DAY}(?=\s(?:at|@)\s?\d)",
        rf"^\s{{0,8}}\K{_MO}/{_DAY}(?=\s?[:–-]\s)",
        r"\b(?:dob|dos|dod|birth\s?date|date(?:\sof\s\w{1,12})?|admit(?:ted)?|discharged?|born)\W{0,3}(?:on\s)?"
        rf"\K(?:{_YEAR}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])|(?:0[1-9]|[12]\d|3[01])(?:0[1-9]|[12]\d|3[01]){_YEAR})"
        r"(?!\d)",
        rf"\bon\sthe\s\K{_NTH}(?=\s?(?:[,.;)]|$|\s(?:for|at|with|and|by)\b))",
        r"\b(?:Christmas|New Year['’]?s)(?:\s(?:Eve|Day))?\b|\b(?:Thanksgiving|Halloween|Easter(?:\sSunday)?"
        r"|Independence Day|Labor Day|Memorial Day|Valentine['’]?s Day|(?:4th|Fourth) of July)\b",
    ),
    "AGE": (
        rf"(?<![\w.,/-]){_OVER_89}(?=[\s-]?(?:y(?:ea)?rs?|y)\b?[\s.-]{{0,2}}(?:olds?\b|o\b|of\sage\b))",
        rf"(?<![\w.,/-]){_OVER_89}(?=[\s-]?(?:yo[mf]?|y/o|y\.\s?o)\b)",
        r"\b(?:age[sd]?|turn(?:s|ed|ing)|lived\sto(?:\sbe)?|died\sat)\W{0,3}(?:(?:of|at|is|age)\s)?"
        rf"\K{_OVER_89}(?![\d%/]|\.\d)",
        rf"\b(?:an?|this|is)\s\K{_OVER_89}(?=[\s-]?(?:females?|males?|woman|man|lady|gentleman|[mf]\s(?:with|who|w/|here"
        r"|presents|admitted|s/p|h/o))\b)",
        rf"\b{_NINETY}(?=[- ](?:years?|yrs?)[- ](?:olds?|of age)\b)|\b(?:nona|cente)narian\b",
        r"\b(?:his|her|their)\s(?:(?:early|mid|late)[- ])?\K(?:90['’]?s|nineties)\b",
    ),
}
"""Matched in any letter case, unless a pattern says otherwise."""

_STATES = (
    "A[LKZR]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|PA|RI|S[CD]|T[NX]|UT|V[AT]|W[AIVY]"
)
_SURE_STATES = "A[LKZR]|C[AOT]|D[CE]|FL|GA|I[AL]|K[SY]|LA|M[INOST]|N[CDEHJMVY]|OH|RI|S[CD]|T[NX]|UT|V[AT]|W[AIVY]"
"""States without those that are also a credential or a word after a comma: MD, PA, MA, ME, HI, ID, IN, OK, OR."""
_STATE_NAMES = (
    "Alabama|Alaska|Arizona|Arkansas|California|Colorado|Connecticut|Delaware|Florida|Georgia|Hawaii|Idaho|Illinois"
    "|Indiana|Iowa|Kansas|Kentucky|Louisiana|Maine|Maryland|Massachusetts|Michigan|Minnesota|Mississippi|Missouri"
    "|Montana|Nebraska|Nevada|New Hampshire|New Jersey|New Mexico|New York|North Carolina|North Dakota|Ohio|Oklahoma"
    "|Oregon|Pennsylvania|Rhode Island|South Carolina|South Dakota|Tennessee|Texas|Utah|Vermont|Virginia|Washington"
    "|West Virginia|Wisconsin|Wyoming"
)
_CITIES = (
    "Albuquerque|Anaheim|Arlington|Atlanta|Aurora|Austin|Bakersfield|Baltimore|Baton Rouge|Birmingham|Boise|Boston"
    "|Brooklyn|Buffalo|Chandler|Charlotte|Chicago|Cincinnati|Cleveland|Colorado Springs|Columbus|Dallas|Denver"
    "|Des Moines|Detroit|Durham|El Paso|Fort Worth|Fresno|Greensboro|Hartford|Houston|Indianapolis|Jacksonville"
    "|Kansas City|Knoxville|Las Vegas|Long Beach|Los Angeles|Louisville|Memphis|Miami|Milwaukee|Minneapolis|Nashville"
    "|New Orleans|New York City|Newark|Oakland|Oklahoma City|Omaha|Orlando|Philadelphia|Phoenix|Pittsburgh|Portland"
    "|Providence|Raleigh|Richmond|Rochester|Sacramento|Salt Lake City|San Antonio|San Diego|San Francisco|San Jose"
    "|Seattle|Spokane|Springfield|St\\.? Louis|St\\.? Paul|Tacoma|Tampa|Toledo|Tucson|Tulsa|Wichita|Worcester"
)
_WORD = r"[A-Z][A-Za-z.'’-]{1,20}"
_TITLE = r"(?:[A-Z][a-z'’-]{1,20}(?:[A-Z][a-z]{1,20})?|St\.|Ft\.|Mt\.)"
_TOWN = rf"(?:{_TITLE}\s){{0,2}}{_TITLE}"
_ZIP = r"\d{5}(?:-\d{4})?(?![\w-])"
_UNIT = (
    r"(?:,?\s(?i:apt|apartment|suite|ste|unit|bldg|building|floor|fl|room|rm|lot|no)\b\.?\s?#?\s?[\w-]{1,6}"
    r"|,?\s#\s?\w{1,6})?"
)
_SUFFIX = (
    "(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Place|Pl|Terrace|Ter|Circle|Cir|Highway"
    "|Hwy|Parkway|Pkwy|Trail|Trl|Way|Square|Sq|Loop|Alley|Crescent|Pike|Turnpike|Broadway|STREET|AVENUE|AVE|ROAD|RD"
    "|BOULEVARD|BLVD|LANE|HIGHWAY|HWY|PARKWAY|PKWY|street|avenue|ave|road|boulevard|blvd)"
)
_ADDRESSED = r"(?=,?\s(?i:apt|apartment|suite|unit|#)|,?\s(?:[A-Z]+,?\s){1,3}(?:[A-Z]{2})\s\d{5})"
_NOT_TOWN = (
    rf"(?!(?:{_STATE_NAMES}|USA|US|U\.S|America|Mexico|Canada|China|India|Europe|Africa|Asia|England|Monday|Tuesday"
    r"|Wednesday|Thursday|Friday|Saturday|Sunday|Room|Unit|Ward|Bed|The|Home|Hospice|Hospital|Emergency|Surgery|Clinic"
    rf"|Medicare|Medicaid|{_FULL_MONTHS})\b)"
)

CASED: Mapping[str, tuple[str, ...]] = {
    "LOCATION": (
        rf"(?<![\w.-])\d{{1,6}}[A-Z]?\s(?:(?:[NSEW]|[NS][EW]|North|South|East|West)\b\.?\s)?(?:(?:{_WORD}"
        rf"|\d{{1,3}}(?:st|nd|rd|th|ST|ND|RD|TH))\s){{1,4}}?{_SUFFIX}\b(?:\.(?=,|\s))?(?:\s[NS][EW]\b)?{_UNIT}",
        rf"(?<![\w.-])\d{{1,6}}\s(?:[A-Z]{{1,20}}\s){{1,4}}?(?:ST|DR|CT|PL|LN|WAY|CIR|DRIVE|COURT)\b\.?{_ADDRESSED}{_UNIT}",
        rf"(?<![\w.-])\d{{1,6}}\s(?:[a-z]{{2,20}}\s){{1,2}}?(?:street|avenue|ave|road|rd|boulevard|blvd|lane|st)\b{_UNIT}"
        r"(?!\s(?:drugs?|test))",
        r"\b(?i:p\.?\s?o\.?\s?box)\s#?\d{1,7}\b",
        rf"\b{_TOWN},\s(?:{_STATES})\.?,?\s{_ZIP}",
        rf"\b{_TOWN}\s(?!CT|MS)(?:{_SURE_STATES}),?\s{_ZIP}",
        rf"\b(?:{_CITIES})\s(?:{_STATES}),?\s{_ZIP}",
        rf"\b(?:[A-Z]{{2,20}}\s){{0,2}}[A-Z]{{2,20}},\s(?:{_STATES}),?\s{_ZIP}",
        rf"\b{_TOWN},\s(?:{_STATE_NAMES})\s{_ZIP}",
        rf",\s(?:{_STATES}|{_STATE_NAMES})\s{{1,3}}\K{_ZIP}",
        rf"\b{_TOWN}(?=,\s(?:{_SURE_STATES}|{_STATE_NAMES})\b)",
        rf"\b(?:{_CITIES})(?=,\s(?:{_STATES})\b)",
        rf"\b(?i:zip(?:\s?code)?|postal\scode)\W{{0,3}}(?:is\s)?\K{_ZIP}",
        r"\b(?i:live[sd]?|living|resid(?:es|ed|ing)|resident|moved|relocated|travell?ed|travels|returned|visit(?:ing|ed)"
        r"|vacation(?:ed|ing)?|trip|born|raised|grew\sup|(?:is|was)(?=\sfrom)|originally|comes|native|flew|drove"
        r"|works|worked|employed|stays|staying|home)\s(?:(?:in|to|from|of|near|outside|around|at)\s){1,2}(?:the\s)?(?:(?:city|town"
        rf"|village|suburb)\sof\s)?\K{_NOT_TOWN}{_TOWN}(?=\W|$)(?!\s(?:Hospital|Clinic|Medical|Center|Unit))",
        rf"\b(?i:in|from|to|near|of|at)\s\K(?:{_CITIES})\b",
        rf"\b{_TOWN}\s(?:County|Township|Parish)\b",
    ),
}
"""Matched in the letter case as written."""
