"""Vocabulary of the synthetic world: departments, chargeable items, abbreviations and invented names.

Everything here was made up for this project; no hospital, health system, price list or code table is copied.
"""

from dataclasses import dataclass

__all__ = ["ABBREVIATIONS", "DEPARTMENTS", "INSTITUTION_NAMES", "ORDINARY", "SYSTEM_NAMES", "Department"]

ORDINARY = 2
"""Number of kinds and of details in each department that no convention books apart."""


@dataclass(frozen=True, slots=True)
class Department:
    """Items that one department charges for: every name in every detail and size.

    ``kinds``: 5 families of names; ``details``: 4 variants of each name; ``sizes``: 3. The first ``ORDINARY`` kinds and
    details are never booked apart, in any convention; sizes never affect the code.
    """

    name: str
    prefix: str
    kinds: tuple[tuple[str, ...], ...]
    details: tuple[str, ...]
    sizes: tuple[str, ...]


def _department(block: str) -> Department:
    (name, prefix), *kinds, details, sizes = (tuple(line.split(", ")) for line in block.strip().splitlines())
    return Department(name, prefix, tuple(kinds), details, sizes)


_DEPARTMENTS = """
pharmacy, rx
aspirin, ibuprofen, acetaminophen, naproxen, diclofenac
amoxicillin, cefazolin, doxycycline, vancomycin, clindamycin
insulin, levothyroxine, prednisone
heparin, warfarin, enoxaparin
methotrexate, cisplatin, paclitaxel
tablet, capsule, injection, oral solution
5 mg, 40 mg, 250 mg

laboratory, lab
glucose, creatinine, potassium, albumin, sodium
hemoglobin, platelet count, reticulocytes, hematocrit, white cell count
bacterial culture, fungal culture, gram stain
hepatitis antibody, rubella antibody, complement assay
lithium level, digoxin level, opiate confirmation
serum, blood, urine, spinal fluid
quantitative, screening, repeat

imaging, rad
chest, ribs, clavicle, sternum, shoulder blade
knee, ankle, wrist, elbow, hip
brain, orbits, sinuses
abdomen, pelvis, kidneys
lumbar spine, cervical spine, thoracic spine
x-ray, ultrasound, computed tomography, magnetic resonance
with contrast, without contrast, limited

supplies, sup
gauze dressing, foam dressing, elastic bandage, adhesive tape, cotton pad
foley catheter, suction catheter, feeding tube, drainage bag, urine meter
bone screw, hip stem, locking plate
pacing lead, vascular stent, heart valve ring
wrist splint, knee brace, cervical collar
sterile, single use, titanium, custom made
small, medium, large

surgery, or
appendectomy, hernia repair, gallbladder removal, bowel resection, gastric bypass
knee replacement, hip replacement, rotator cuff repair, carpal tunnel release, ankle fusion
hysterectomy, tubal ligation, ovarian cyst removal
cataract removal, corneal graft, eyelid repair
skin graft, scar revision, breast reconstruction
open, elective, laparoscopic, robot assisted
first hour, each additional hour, minor

room, rm
medical bed, surgical bed, observation bed, overflow bed, recovery bed
oncology bed, orthopedic bed, renal bed, stroke bed, trauma bed
intensive care bed, coronary care bed, burn care bed
nursery bassinet, neonatal isolette, pediatric crib
psychiatric bed, detoxification bed, hospice bed
shared, private, isolation, telemetry
per day, half day, late discharge

therapy, tx
gait training, therapeutic exercise, balance training, stretching, stair practice
hot pack, massage, electrical stimulation, traction, ultrasound massage
swallowing training, speech drill, voice training
daily living skills, hand skills, kitchen safety
chest percussion, nebulizer treatment, breathing exercise
individual, bedside, group, evaluation
15 min, 30 min, 60 min

emergency, er
triage visit, urgent visit, trauma visit, return visit, telephone visit
laceration closure, abscess drainage, foreign body removal, burn care, tick removal
shoulder reduction, finger reduction, fracture casting
intubation, chest tube, central line
fluid infusion, blood transfusion, antidote infusion
walk in, by ambulance, after hours, resuscitation bay
level 1, level 3, level 5

cardiology, card
electrocardiogram, rhythm strip, signal averaging, event recorder, long strip
blood pressure monitor, tilt table, pulse recording, vein mapping, leg pressure index
echocardiogram, doppler flow, bubble study
coronary angiogram, right heart catheterization, balloon dilation
pacemaker check, defibrillator check, loop recorder check
resting, follow up, exercise stress, drug stress
complete, tracing only, interpretation
"""
"""For each department: name and prefix, the five kinds, the details, the sizes."""
DEPARTMENTS = tuple(map(_department, _DEPARTMENTS.split("\n\n")))

_ABBREVIATIONS = """
additional addl add; antibody ab antibdy; bandage bndg band; bed bd rm/bed;
blood bld bl; capsule cap cp; catheter cath cthtr; check chk interrogation;
closure clos clsr; complete cmpl comp; computed comp'd cmptd; contrast cont contr;
culture cult cx; dressing drsg dsg; electrocardiogram ecg ekg; echocardiogram echo echocardio;
evaluation eval ev; exercise exer ex; individual indiv 1:1; infusion infus ivf;
injection inj vial; laparoscopic lap scope; large lg lrg; level lvl lv;
magnetic mag mgn; medium med md; private pvt priv; quantitative quant qn;
removal rmvl rem; repair rpr rep; replacement repl rplc; screening scrn scr;
small sm sml; solution soln sol; spine spn sp; sterile strl ster;
tablet tab tb; training trng train; treatment trmt tmt; ultrasound us sono;
visit vst vis; with w/ w; without w/o wo; x-ray xr xray
"""
ABBREVIATIONS = {forms[0]: tuple(forms) for forms in map(str.split, _ABBREVIATIONS.split(";"))}
"""Forms of each word, the full one first."""

_PLACES = (
    *("brindlewick", "quillhaven", "larkmoor", "ostermere", "fennbridge", "tallowgate", "merrowdale", "crannock"),
    *("vesperhill", "dunmarrow", "ashlipool", "wexcombe", "harrowfen", "pellworth", "sablecrest", "thistlemead"),
)
_HOUSES = ("general", "infirmary", "memorial", "clinic", "medical-center")
INSTITUTION_NAMES = tuple(
    f"{place}-{_HOUSES[(turn + number) % len(_HOUSES)]}"
    for turn in range(len(_HOUSES))
    for number, place in enumerate(_PLACES)
)
SYSTEM_NAMES = (
    *("lanternfield-health", "coppervale-care", "nine-rivers-health", "blue-orchard-group", "northquay-health"),
)
