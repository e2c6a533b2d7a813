"""Common US given names and surnames, and words that look like names but are not. All lower case."""

__all__ = ["AMBIGUOUS", "EPONYM_NOUNS", "GIVEN", "NOT_NAMES", "SURNAMES"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


GIVEN = _words(
    """
    james john robert michael william david richard joseph thomas charles christopher daniel matthew anthony mark donald
    steven paul andrew joshua kenneth kevin brian george timothy ronald edward jason jeffrey ryan jacob gary nicholas
    eric jonathan stephen larry justin scott brandon benjamin samuel gregory alexander frank patrick raymond jack dennis
    jerry tyler aaron jose adam nathan henry douglas zachary peter kyle noah ethan jeremy walter christian keith roger
    terry austin sean gerald carl harold dylan arthur lawrence jordan jesse bryan billy bruce gabriel joe logan alan
    juan albert willie elijah wayne randy vincent mason roy ralph bobby russell bradley philip eugene carlos luis miguel
    antonio francisco pedro jorge manuel ricardo fernando javier mario rafael hector sergio eduardo ernest howard mary
    patricia jennifer linda elizabeth barbara susan jessica sarah karen lisa nancy betty sandra margaret ashley kimberly
    emily donna michelle carol amanda melissa deborah stephanie rebecca sharon laura cynthia dorothy amy kathleen angela
    shirley brenda emma anna pamela nicole samantha katherine christine helen debra rachel carolyn janet maria catherine
    heather diane olivia julie joyce victoria ruth virginia lauren kelly christina joan evelyn judith andrea hannah
    megan cheryl jacqueline martha madison teresa gloria sara janice ann kathryn abigail sophia frances jean alice judy
    isabella julia grace amber denise danielle marilyn beverly charlotte natalie theresa diana brittany doris kayla
    alexis lori marie rosa carmen ana juana guadalupe sofia lucia elena gabriela mei priya fatima aisha ahmed mohammed
    muhammad ali omar wei chen hiroshi raj anil sunil sanjay vijay dmitri olga natasha ivan bill bob jim tom mike dave
    steve tony sam ben dan tim ron ken greg jeff matt nick liz beth kate katie sue peggy becky debbie cathy vicki maggie
    tina gina ellen eileen irene edna mildred gladys florence ethel lillian harriet clara bernice leroy clarence floyd
    earl herbert leonard stanley melvin norman marvin
    """
)
"""Frequent given names (US Social Security and census tables are the usual source of such facts)."""

SURNAMES = _words(
    """
    smith johnson williams brown jones garcia miller davis rodriguez martinez hernandez lopez gonzalez wilson anderson
    thomas taylor moore jackson martin lee perez thompson white harris sanchez clark ramirez lewis robinson walker young
    allen king wright scott torres nguyen hill flores green adams nelson baker hall rivera campbell mitchell carter
    roberts gomez phillips evans turner diaz parker cruz edwards collins reyes stewart morris morales murphy cook rogers
    gutierrez ortiz morgan cooper peterson bailey reed kelly howard ramos kim cox ward richardson watson brooks chavez
    wood james bennett gray mendoza ruiz hughes price alvarez castillo sanders patel myers long ross foster jimenez
    powell jenkins perry russell sullivan bell coleman butler henderson barnes gonzales fisher vasquez simmons romero
    jordan patterson alexander hamilton graham reynolds griffin wallace moreno west cole hayes bryant herrera gibson
    ellis tran medina aguilar stevens murray ford castro marshall owens harrison fernandez mcdonald woods washington
    kennedy wells vargas henry chen freeman webb tucker guzman burns crawford olson simpson porter hunter gordon mendez
    silva shaw snyder mason dixon munoz hunt hicks holmes palmer wagner black robertson boyd rose stone salazar fox
    warren mills meyer rice schmidt garza daniels ferguson nichols stephens soto weaver ryan gardner payne grant dunn
    kelley spencer hawkins arnold pierce hansen peters santos hart bradley knight elliott cunningham duncan armstrong
    hudson carroll lane riley andrews alvarado ray delgado berry perkins hoffman johnston matthews pena richards
    contreras willis carpenter lawrence sandoval guerrero george chapman rios estrada ortega watkins greene nunez
    wheeler valdez harper burke larson santiago maldonado morrison franklin carlson austin dominguez carr lawson jacobs
    obrien lynch singh vega bishop montgomery oliver jensen harvey williamson gilbert dean sims espinoza howell li wong
    reid hanson le mccoy garrett burton fuller wang weber welch rojas lucas marquez fields park yang little banks
    padilla day walsh bowman schultz luna fowler mejia khan kaur ali cohen levy goldberg friedman kowalski novak ivanov
    rossi
    """
)
"""Frequent surnames."""

AMBIGUOUS = _words(
    """
    grace mark bill frank jack ray rose joy dawn amber virginia madison charlotte austin jordan jean sue will art may
    june april august brown white green black gray young long king hill wood woods stone price bell baker cook carter
    cooper hall ward fields banks day rice park west little lane hunt hart fox mills ford cole burns wells reed marshall
    grant knight bishop dean porter hunter mason weaver gardner carpenter fisher butler foster parker cox le li lee ali
    kim an sam tony ron ken dan tim ben nick rosa carmen ana luna page fuller welch watson martin james thomas allen
    scott graham wright webb hicks moore murphy gilbert turner marie burton franklin wallace washington wheeler chen wei
    raj christian jesse earl stanley florence lawrence russell wilson jones phillips ross adams babe chase sims barnes
    palmer harvey perry miller taylor jackson howell hamilton roy addison cushing carr penrose elena alexis olga
    """
)
"""Names that may also be a word, a place, a device or a disease; they need a second sign."""

EPONYM_NOUNS = _words(
    """
    disease diseases syndrome syndromes sign signs test tests palsy catheter catheters cath tube tubes drain drains cyst
    cysts procedure position lymphoma sarcoma tumor tumour carcinoma contracture chorea esophagus fracture fractures
    maneuver reflex stain score scale criteria classification method operation repair bodies body cells nail splint
    clamp forceps retractor scissors needle knife rod rods pin pins node nodes thyroiditis phenomenon angina anemia
    fever nephrosis encephalopathy dementia ataxia triangle duct ligament canal filter trap agar medium bandage bag
    index stage staging grade grading prosthesis implant stent shunt valve pump guide wire suture sutures blade hook
    graft screw plate cup stem system device apparatus pessary pillow boot brace collar cast frame lens lift crutch wort
    rat rats mouse mice motif
    """
)
"""Nouns after a name that stands for a disease, a sign or an instrument."""

NOT_NAMES = _words(
    """
    a an the this that these those he she it they we i you his her their our my your its him them us me who what when
    where why how which and or but if then than so as at by for from in into of off on onto out over per to up with
    without within after before during until since about above below under between both all any each few more most no
    nor not only own same some such too very can could may might must shall should will would do does did done is are
    was were be been being have has had having get got go goes went also well good fair poor stable new old current
    today yesterday tomorrow now here there again once please thank thanks yes ok okay monday tuesday wednesday thursday
    friday saturday sunday january february march april june july august september october november december jan feb mar
    apr jun jul aug sep sept oct nov dec patient patients pt pts client resident member subscriber name names date dates
    time age sex gender male female man woman boy girl infant child adult person people mother father mom dad parent
    parents wife husband son daughter sister brother spouse partner friend family neighbor caregiver aunt uncle cousin
    niece nephew grandmother grandfather guardian relative self guarantor employer emergency contact kin relationship
    doctor physician provider providers attending intern fellow nurse nursing practitioner assistant technician
    therapist therapy surgeon specialist consultant pharmacist pharmacy radiologist pathologist anesthesiologist
    cardiologist staff team service services department clinic clinics hospital hospitals center centre medical health
    healthcare care unit ward floor room bed office institute university college school general memorial regional
    community county state city street avenue road saint mercy icu ed er pacu nicu micu sicu ccu pcp hospitalist
    cardiology neurology oncology hematology nephrology urology gynecology obstetrics pediatrics psychiatry dermatology
    radiology pathology orthopedics orthopaedics ortho surgery surgical anesthesia anesthesiology gastroenterology
    endocrinology rheumatology pulmonology pulmonary ophthalmology otolaryngology ent infectious physical occupational
    speech social work worker case management manager coordinator billing records record laboratory lab labs imaging
    admission admissions discharge discharged admitted transfer transferred follow followup visit visits appointment
    history exam examination assessment plan plans impression diagnosis diagnoses problem problems findings finding
    results result review reviewed systems chief complaint complaints subjective objective allergies allergy medications
    medication meds vitals vital signs sign symptoms symptom procedure procedures operative preoperative postoperative
    course condition conditions disposition instructions note notes report reports summary letter progress consult
    consultation present illness past interval comments comment recommendations recommendation indication indications
    technique comparison conclusion description specimen specimens code codes status type level levels total blood
    pressure heart rate respiratory respirations temperature pulse oxygen saturation weight height bmi pain chest
    abdomen abdominal head neck back neuro neurological cardiac cardiovascular extremities skin eyes ears nose throat
    lungs lung liver kidney renal spine brain left right bilateral upper lower anterior posterior lateral medial normal
    abnormal negative positive acute chronic mild moderate severe denies denied reported states stated presents
    presented complains noted continues continue started start stopped stop take takes taking given gave seen evaluated
    examined ordered performed completed signed dictated transcribed electronically verified authored prepared scheduled
    referred called returned received dear sincerely regards respectfully hello hi morning afternoon evening night day
    week month year weeks months years hour hours minute minutes daily weekly bid tid qid prn po iv im x-ray xray ct mri
    mr ekg ecg echo ultrasound scan view views cbc bmp cmp inr wbc hgb glucose sodium potassium hypertension diabetes
    mellitus asthma copd cancer breast colon prostate stroke disease syndrome failure infection pneumonia fracture
    injury depression anxiety obesity hyperlipidemia arthritis anemia alcohol tobacco smoking aspirin insulin metformin
    lisinopril atorvastatin amlodipine warfarin heparin tylenol motrin advil plavix lipitor lasix coumadin eliquis
    xarelto norvasc zoloft prozac xanax ativan valium percocet vicodin oxycodone morphine tramadol gabapentin prednisone
    albuterol omeprazole levothyroxine metoprolol losartan furosemide penicillin amoxicillin azithromycin ciprofloxacin
    vancomycin zosyn keflex bactrim sulfa vitamin calcium iron medicare medicaid blue cross shield aetna cigna humana
    kaiser anthem insurance united american america english spanish french german chinese caucasian hispanic african
    asian black white christian catholic jewish muslim north south east west york california texas florida carolina
    dakota jersey mexico md rn np pa pac phd lpn cna bsn msn dds dpm pharmd crna esq jr sr ii iii mph facs facp lcsw
    aprn dnp fnp arnp mrs ms miss dr prof rev sir none unknown other see attached blank n/a na tbd pending first second
    third last next one two three four five six seven eight nine ten number dob mrn ssn tel telephone phone fax email
    e-mail mail address cell mobile pager web site website portal end stage great paternal maternal wound float
    telemetry tele prevention palliative hospice rehab rehabilitation transport dietary nutrition infusion dialysis
    transplant trauma vascular thoracic plastic plastics yeah yep yup nope um uh uhm hm hmm oh wow sure sorry actually
    honestly unfortunately alright welcome let lets god hey bye maybe perhaps children don didn doesn won isn aren wasn
    couldn date_time location phone_number url while because however although therefore overall despite regarding
    including otherwise currently recently previously additionally possible probable likely suspected known unremarkable
    significant consistent home alone married single divorced widowed retired smoker former never quit drinks lives
    works consent risks benefits alternatives questions answered verbalized understanding agrees agreed discussed
    """
)
"""Capitalised words in clinical notes that are not names."""
