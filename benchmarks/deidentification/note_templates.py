"""Templates, names and places of synthetic notes; development and held-out notes share none.

A slot ``{KIND:form}`` is an identifier; the text of a slot ``{form}`` must stay. ``note_values`` fills the forms.
"""

from dataclasses import dataclass

__all__ = ["DEVELOPMENT", "HELD_OUT", "STATES", "Source"]


@dataclass(frozen=True, slots=True)
class Source:
    """Parts of a set of notes."""

    heads: tuple[str, ...]
    lines: tuple[str, ...]
    ends: tuple[str, ...]
    given: tuple[str, ...]
    surnames: tuple[str, ...]
    towns: tuple[str, ...]
    streets: tuple[str, ...]


def _words(text):
    return tuple(text.split())


STATES = _words("AZ CA CO FL GA IL KS MI MN NC NJ NM NV OH TN TX UT VA WA WI")
DEVELOPMENT = Source(
    heads=(
        "Patient: {PERSON:patient}  DOB: {DATE_TIME:us}  MRN: {MEDICAL_RECORD_NUMBER:zeros}",
        "Patient Name: {PERSON:patient_back}\nDate of birth: {DATE_TIME:long}\nMedical record number: "
        "{MEDICAL_RECORD_NUMBER:number}",
        "NAME: {PERSON:patient_loud}\nMR# {MEDICAL_RECORD_NUMBER:number}\nADMISSION DATE: {DATE_TIME:us}",
        "{PERSON:patient} is a {age}-year-old {sex} with hypertension.",
        "Pt: {PERSON:patient}, {AGE:old} y/o {sex}. SSN: {US_SSN:ssn}.",
        "RE: {PERSON:patient}\nDOS: {DATE_TIME:short}\nAccount #: {ACCOUNT_NUMBER:number}",
        "Name: {PERSON:patient}\nBorn: {DATE_TIME:british}\nChart number: {MEDICAL_RECORD_NUMBER:number}",
        "PATIENT: {PERSON:patient_loud}   MRN {MEDICAL_RECORD_NUMBER:parts}   D.O.B. {DATE_TIME:dash}",
        "{PERSON:patient_back} (MRN {MEDICAL_RECORD_NUMBER:number}), a {age} yo {sex}, comes in for follow up.",
        "I had the pleasure of seeing {PERSON:patient}, a {AGE:old}-year-old {sex}, on {DATE_TIME:month_day}.",
        "Discharge summary for {PERSON:patient}, hospital no. {MEDICAL_RECORD_NUMBER:code}, admitted "
        "{DATE_TIME:hyphened}.",
        "Client {PERSON:patient}, birthdate {DATE_TIME:compact}, encounter number {ACCOUNT_NUMBER:number}.",
    ),
    lines=(
        "Mr. {PERSON:patient_last} presented on {DATE_TIME:short} with chest pain for 3 days.",
        "Mrs. {PERSON:patient_last} was admitted from {DATE_TIME:us} to {DATE_TIME:us}.",
        "She was seen by Dr. {PERSON:full} in Cardiology on {DATE_TIME:nth}.",
        "Her daughter {PERSON:first} is at the bedside and agrees with the plan.",
        "His wife, {PERSON:full}, can be reached at {PHONE_NUMBER:phone_round}.",
        "Emergency contact: {PERSON:full} (son), phone {PHONE_NUMBER:phone}.",
        "Discussed with {PERSON:full}, RN, who will call back at {PHONE_NUMBER:phone_dots}.",
        "Referring physician: {PERSON:middle}, MD. Fax: {FAX_NUMBER:phone}.",
        "PCP: {PERSON:back} Tel {PHONE_NUMBER:phone_bare}",
        "Dr. {PERSON:last} paged at {clock}, pager {PHONE_NUMBER:pager}.",
        "Lives at {LOCATION:street}, {LOCATION:town}, {state} {LOCATION:zip}.",
        "Address: {LOCATION:street}, Apt {LOCATION:last_four}\n{LOCATION:town}, {state} {LOCATION:zip4}",
        "The patient lives in {LOCATION:town} with a partner and two cats.",
        "Moved from {LOCATION:town}, {state} in {year}.",
        "Mail results to {LOCATION:po_box}, {LOCATION:town}, {state} {LOCATION:zip}.",
        "Patient is a {AGE:old} year old {sex} with dementia. No acute distress.",
        "Grandmother died at age {AGE:old} of stroke; mother is {age}.",
        "Social security number {US_SSN:ssn} on file; last four of SSN {US_SSN:last_four}.",
        "Member ID: {HEALTH_PLAN_NUMBER:coded}, group number {HEALTH_PLAN_NUMBER:number}.",
        "Medicare beneficiary ID {HEALTH_PLAN_NUMBER:mbi}.",
        "Billing account no. {ACCOUNT_NUMBER:number}; accession #{ACCOUNT_NUMBER:dashed}.",
        "Driver's license {LICENSE_NUMBER:code} was shown at registration.",
        "DEA# {LICENSE_NUMBER:code}, NPI: {LICENSE_NUMBER:number}",
        "Motor vehicle collision; car VIN {VEHICLE_ID:vin}, license plate {VEHICLE_ID:plate}.",
        "Pacemaker serial number {DEVICE_ID:serial} interrogated, battery good.",
        "Insulin pump S/N {DEVICE_ID:dashed}, UDI {DEVICE_ID:udi}.",
        "Monitor MAC {DEVICE_ID:mac} at address {IP_ADDRESS:ip}.",
        "Portal message from {EMAIL_ADDRESS:mail} answered.",
        "Images at {URL:url} for review.",
        "Follow-up scheduled for {DATE_TIME:long} at {clock}.",
        "Colonoscopy in {DATE_TIME:month_year} was normal; repeat in {year}.",
        "Labs drawn {DATE_TIME:slashed}: WBC {lab}, Hgb {lab}, Na 13{views}.",
        "Last seen {DATE_TIME:abbreviated}. Next visit in {views} weeks.",
        "Symptoms began in {DATE_TIME:month} and got worse.",
        "Vitals: BP {pressure}, HR {pulse}, T {temperature}, RR 16, SpO2 97% on room air.",
        "{drug} {dose} PO BID, {drug} {dose} daily, insulin 70/30 10 units.",
        "Chest X-ray {views} views, CPT {cpt}, revenue code {revenue}.",
        "Strength {strength} throughout, reflexes 2+, Babinski negative, Foley catheter in place.",
        "Assessment and Plan: Type 2 Diabetes Mellitus, A1c {lab}%. Continue {drug}.",
        "Crohn's disease since {year}. Smoked 1 pack per day for {age} years. Age {age}.",
        "Past Surgical History: Appendectomy {year}, Cesarean Section {year}, Total Knee Arthroplasty.",
        "Family History: Mother: Breast Cancer. Father: Hypertension, Coronary Artery Disease.",
        "Physical Therapy and Social Work consulted. Case Management to follow. Creatinine 1.2, GFR > 60.",
        "Ms. {PERSON:patient_last} states that she has had a cough since {DATE_TIME:month_day}.",
        "{PERSON:patient_first} is doing well and walks two miles a day.",
        "{PERSON:patient_last} was discharged to a nursing facility.",
        "The case was reviewed with Doctor {PERSON:last} of Nephrology.",
        "Spoke with {PERSON:first}, the home health aide, about wound care.",
        "Consultant {PERSON:full} agrees; will see again {DATE_TIME:short}.",
        "Brother ({PERSON:full}) drove him in; his cell is {PHONE_NUMBER:phone_spaces}.",
        "Next of kin is her husband {PERSON:first}, work number {PHONE_NUMBER:phone_extension}.",
        "Call the patient's mother {PERSON:full} at {PHONE_NUMBER:phone_one} with results.",
        "dr {PERSON:small} to call family tonight.",
        "Nurse {PERSON:last} gave report at {clock}.",
        "Lives with {PERSON:first} and {PERSON:first}, both in good health.",
        "Anesthesia: {PERSON:double}, CRNA. Surgeon: {PERSON:loud}",
        "Please fax records to {FAX_NUMBER:phone_round} or mail them to {LOCATION:street}, {LOCATION:town} {state} "
        "{LOCATION:zip}.",
        "Resident of {LOCATION:town}; works in {LOCATION:town} as a teacher.",
        "Home: {LOCATION:street}, {LOCATION:town}, {state}, {LOCATION:zip4}. Phone {PHONE_NUMBER:phone_local}.",
        "ZIP code {LOCATION:zip}. Was transferred from a hospital in {LOCATION:town}, {state}.",
        "Just back from a trip to {LOCATION:town}, no sick contacts.",
        "Maternal grandfather lived to {AGE:old}. Father has gout, age {age}.",
        "This {AGE:old}yo {sex} fell at home. She turned {AGE:old} in {DATE_TIME:month}.",
        "SS# {US_SSN:ssn_bare} verified. Social: {US_SSN:ssn}",
        "Insurance: policy no. {HEALTH_PLAN_NUMBER:dashed}, subscriber number {HEALTH_PLAN_NUMBER:number}.",
        "Medicaid ID {HEALTH_PLAN_NUMBER:code} is active through {DATE_TIME:month_slash}.",
        "Claim number {ACCOUNT_NUMBER:coded}, visit # {ACCOUNT_NUMBER:number}, acct {ACCOUNT_NUMBER:number}.",
        "License number {LICENSE_NUMBER:dashed}; passport no {LICENSE_NUMBER:code}.",
        "Certificate # {LICENSE_NUMBER:number} was issued in {year}.",
        "Struck by a vehicle with plate number {VEHICLE_ID:plate_spaced}; VIN: {VEHICLE_ID:vin}",
        "Hip implant serial no. {DEVICE_ID:number}; lead serial #{DEVICE_ID:serial}.",
        "Device ID {DEVICE_ID:dashed} reports from {IP_ADDRESS:ip6}; gateway {IP_ADDRESS:ip}.",
        "E-mail: {EMAIL_ADDRESS:mail_other}; home page {URL:www}, see also {URL:domain}.",
        "He may be reached abroad on {PHONE_NUMBER:phone_abroad}.",
        "Surgery is planned for the week of {DATE_TIME:slashed}, labs on {DATE_TIME:slashed}.",
        "ECHO dated {DATE_TIME:dotted} showed EF 55%. Seen at {clock} on {DATE_TIME:military}.",
        "Mammogram was in {DATE_TIME:month} of last year; pap smear {year}.",
        "O/E: pulse {pulse}, BP {pressure}, afebrile at {temperature} F. Motor {strength} in all limbs, "
        "sensation intact.",
        "{drug} increased from {dose} to {dose} nightly. Potassium {lab}, INR {lab}, platelets 250.",
        "CT Abdomen and Pelvis With Contrast, {cpt}; MRI Brain {cpt}; rev {revenue}. Wrist {views} views.",
        "Impression: Parkinson disease, stage 2. Bell's palsy resolved in {year}. Jackson-Pratt drain removed.",
        "Review of Systems: Constitutional: Denies Fever. Psychiatric: Mood Good. ROS otherwise negative.",
        "Allergies: Penicillin (rash), Sulfa Drugs. Immunizations up to date as of {year}. Gravida 2 Para 2.",
        "Plan: Continue Current Medications, Low Sodium Diet, Return To Clinic In {views} Months, Age {age} Screening.",
        "Has smoked for {age} years. Ejection fraction {age}%. Glucose {pulse}. Weight {pulse} kg, height 170 cm.",
        "Seen by Occupational Therapy and Speech Pathology. Evaluated by Wound Care. Signed out to Night Float.",
    ),
    ends=(
        "Electronically signed by: {PERSON:full}, MD on {DATE_TIME:us} at {clock}",
        "Dictated by: {PERSON:middle}, PA-C\nDate: {DATE_TIME:iso}",
        "Sincerely,\n{PERSON:full}, DO",
        "/s/ {PERSON:initial}",
        "Attending: Dr. {PERSON:last}",
        "Discharged home in stable condition.",
        "{PERSON:full}, M.D.\n{DATE_TIME:short} {clock}",
        "Signed: {PERSON:initial}, NP",
        "Regards,\n{PERSON:first} {PERSON:last}",
        "Transcribed by {PERSON:full} on {DATE_TIME:abbreviated}.",
        "Authored by Dr. {PERSON:middle}; cc: {PERSON:full}",
        "Return to clinic as needed.",
    ),
    given=_words(
        """
        Maria James Linda Robert Tanisha Darnell Xiomara Wei Priya Giovanni Keisha Brendan Siobhan Hiroshi
        Amara Esteban Deborah Walter Yolanda Cletus Mikhail Jennifer Thomas Rosalind Enrique Fatima Doris
        Kenji Lakshmi Percival
        John Patricia Oluwaseun Ingrid Michael Beatriz Kwame Barbara Thaddeus Mei Marisol Elizabeth Yusuf
        Leticia Joseph Nadia Bartholomew Karen Svetlana Tyrone Anthony Ximena Dipak Nancy Aurelio Gretchen
        Richard Zainab Lorenzo Margaret
        """
    ),
    surnames=_words(
        """
        Smith Garcia Nguyen O'Brien McAllister Quellen Abiodun Petrov Johnson Castellanos Brown Fitzgerald
        Yamamoto Patel Rodriguez Wojcik Haverford Banerjee Lindqvist Taylor Zielinski Moreno DuBois Kim
        Abernethy Tanaka Hill Osei White Papadopoulos
        Jones Okafor Martinez Vandermeer Lee Abernathy Davis Kowalczyk Hernandez Thibodeaux Wilson D'Angelo
        Chatterjee Moore Eriksson Lopez MacGregor Nakamura Young Villanueva Anderson Szymanski Green Oyelaran
        Perez Hutchinson Robinson Mbeki Cook Delacroix
        """
    ),
    towns=(
        "Peoria",
        "Springfield",
        "Cedar Rapids",
        "Oakland",
        "Fort Collins",
        "Tulsa",
        "Ashford",
        "St. Cloud",
        "Boulder",
        "Naperville",
        "Denver",
        "Santa Rosa",
        "Lansing",
        "Grand Rapids",
        "Phoenix",
        "Millbrook",
        "Fort Wayne",
        "Yuma",
    ),
    streets=(
        "Oak Street",
        "N. Maple Ave",
        "West 14th St",
        "Lakeview Drive",
        "Martin Luther King Blvd",
        "Cherry Hill Road",
        "Elm Avenue",
        "South Willow Ln",
        "Pine Ridge Court",
        "East 3rd Street",
        "Jefferson Pkwy",
        "Birchwood Terrace",
    ),
)
HELD_OUT = Source(
    heads=(
        "PATIENT NAME: {PERSON:patient_loud}\nDATE OF SERVICE: {DATE_TIME:us}\nPATIENT ID: "
        "{MEDICAL_RECORD_NUMBER:dashed}",
        "Pt {PERSON:patient} ({age}{sex_short}) MRN={MEDICAL_RECORD_NUMBER:number} seen {DATE_TIME:short} for f/u.",
        "We admitted {PERSON:patient}, {AGE:old} years old, on the evening of {DATE_TIME:nth}.",
        "Re: {PERSON:patient_back}; born {DATE_TIME:long}; EMR number {MEDICAL_RECORD_NUMBER:code}",
        "This is a {age} y.o. {sex}, {PERSON:patient}, whose chart no. is {MEDICAL_RECORD_NUMBER:zeros}.",
    ),
    lines=(
        "Appreciate Dr. {PERSON:last}'s input; {PERSON:last} will scope in the morning.",
        "{PERSON:patient_last} continues to improve.",
        "Informed consent was obtained by {PERSON:full} and witnessed by {PERSON:first} {PERSON:last}.",
        "Family meeting held with {PERSON:first} (son) and {PERSON:first} (daughter).",
        "The patient's sister is {PERSON:full} and she holds power of attorney.",
        "{PERSON:full}, PharmD reviewed the medication list. {PERSON:full} interpreted for the visit.",
        "Primary nurse {PERSON:first} aware. Sitter {PERSON:first} at bedside.",
        "Surgeon: {PERSON:back}\nAssistant: {PERSON:middle}",
        "He shares a flat with his friend {PERSON:first}. {PERSON:first} does the cooking.",
        "Per Mrs. {PERSON:patient_last}, pain began {DATE_TIME:month_day} after lifting.",
        "Contact {PERSON:full} at home {PHONE_NUMBER:phone} or cell {PHONE_NUMBER:phone_bare}.",
        "Daytime telephone: {PHONE_NUMBER:phone_round}; after hours {PHONE_NUMBER:phone_dots}",
        "Callback number is {PHONE_NUMBER:phone_local}. Office fax is {FAX_NUMBER:phone_dots}.",
        "Results were faxed to {FAX_NUMBER:phone_round} this morning.",
        "Lives alone at {LOCATION:street} in {LOCATION:town}.",
        "Recently relocated to {LOCATION:town} from {LOCATION:town}.",
        "Mailing address {LOCATION:street}, {LOCATION:town} {state} {LOCATION:zip4}",
        "Works at a plant near {LOCATION:town}, {state}; zip {LOCATION:zip}.",
        "Grandfather alive at {AGE:old}, grandmother died at {AGE:old}.",
        "Frail {AGE:old} year-old who uses a walker. Husband is {age}.",
        "Patient's SSN ends in {US_SSN:last_four}; full number {US_SSN:ssn}.",
        "Coverage: member number {HEALTH_PLAN_NUMBER:coded}; plan ID {HEALTH_PLAN_NUMBER:dashed}.",
        "Group # {HEALTH_PLAN_NUMBER:number}; Medicare number {HEALTH_PLAN_NUMBER:mbi}",
        "Hospital account {ACCOUNT_NUMBER:number}. Specimen #{ACCOUNT_NUMBER:dashed}. Invoice "
        "no {ACCOUNT_NUMBER:number}.",
        "State license {LICENSE_NUMBER:code}; certification number {LICENSE_NUMBER:number}.",
        "DL number {LICENSE_NUMBER:dashed} presented as proof of identity.",
        "Vehicle tag {VEHICLE_ID:plate}, vehicle identification number {VEHICLE_ID:vin}.",
        "Generator serial # {DEVICE_ID:serial}; implant no. {DEVICE_ID:number}; tablet MAC address {DEVICE_ID:mac}.",
        "Logged in from {IP_ADDRESS:ip}. Write to {EMAIL_ADDRESS:mail_other} or {EMAIL_ADDRESS:mail}.",
        "Photos uploaded to {URL:url}; leaflet on {URL:domain}.",
        "Hospitalised {DATE_TIME:short} - {DATE_TIME:short}; stent placed {DATE_TIME:month_year}.",
        "Pathology of {DATE_TIME:dash} and MRI of {DATE_TIME:abbreviated} reviewed.",
        "Next dose due {DATE_TIME:slashed}, then again in {DATE_TIME:month}. Sutures out by {DATE_TIME:slashed}.",
        "Last menstrual period {DATE_TIME:military}. Flu shot {DATE_TIME:month_slash}. Seen in {year}.",
        "T {temperature}, P {pulse}, BP {pressure}, R 18. Grip {strength} on the left, 4+/5 right. GCS 14/15.",
        "Takes {drug} {dose} at bedtime and {drug} {dose} every morning; completed Augmentin course {year}.",
        "Charges: {cpt}, {cpt}, rev code {revenue}; KUB {views} views; CT Head {cpt}.",
        "Glucose {pulse}, creatinine {lab}, troponin < 0.0{views}, lipase 4{views}, urine pH 6.5, SG 1.020.",
        "Hashimoto thyroiditis, Raynaud phenomenon, Baker's cyst. Swan-Ganz catheter out. Lyme negative.",
        "HEENT: Normocephalic. Neck: Supple. Lungs: Clear To Auscultation. Abdomen: Soft, Non-Tender.",
        "Disposition: Skilled Nursing Facility. Condition: Guarded. Diet: Cardiac. Code Status: Full Code.",
        "Referred to Pain Management and Sleep Medicine. Cleared by Anesthesia. Discussed with Radiology.",
        "PLAN: CONTINUE VANCOMYCIN, REPEAT CULTURES, PT/OT EVAL, ANTICIPATE DISCHARGE IN {views} DAYS, AGE {age}.",
    ),
    ends=(
        "Electronically authenticated by {PERSON:full}, MD {DATE_TIME:us} {clock}",
        "Respectfully submitted,\n{PERSON:middle}, DPM",
        "{PERSON:initial}, RN, {DATE_TIME:iso} {clock}",
        "Reviewed and agree. {PERSON:full}, Attending Physician",
        "No further questions at this time.",
    ),
    given=_words(
        """
        Sandra Emeka Kathleen Luz Steven Anneliese Brian Shanice Donald Ravi Melissa Thandiwe George Noor Ashley Casimir
        Laura Haruki Ronald Esperanza Amanda Jamal Helen Philippa Edward Yesenia Carol Bogdan Marcus Tuyet
        """
    ),
    surnames=_words(
        """
        Williams Achterberg Miller Ndlovu Thomas Castellano Jackson Iyer Thompson Fairweather Sanchez Pham Clark
        Radcliffe Ramirez Olufemi Lewis Bjornstad Walker Guerrero Allen Hollingsworth King Tsukamoto Wright O'Malley
        Scott Desrosiers Torres Krzyzewski
        """
    ),
    towns=("Bloomington", "Chicago", "Santa Fe", "Traverse City", "Plymouth", "Memphis", "Riverton", "El Paso", "Moab"),
    streets=(
        "Sycamore Lane",
        "North Harbor Blvd",
        "Fox Hollow Circle",
        "5th Avenue",
        "Old Mill Rd",
        "SE Division Street",
    ),
)
