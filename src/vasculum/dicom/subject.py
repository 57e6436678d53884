"""Stamp who or what was imaged on every object alike: Patient, Study, Specimen, Clinical Trial, and the private record.

Libraries that derive one object from another lose or move some of these, so this is applied after construction.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from vasculum.model.codes import Code
from vasculum.model.kinds import SubjectKind

from .elements import code_item, decimal_string, fit_text, fits, item
from .subject_terms import SubjectTerms, date_string, subject_terms
from .uids import sound_uid, uid_from
from .write import PRIVATE_CREATOR, PRIVATE_GROUP, RECORD_ELEMENT

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_EMPTY: Mapping[str, Any] = MappingProxyType({})

SPECIES_CODES = {
    "homo sapiens": Code("337915000", "SCT", "Homo sapiens"),
    "mus musculus": Code("447612001", "SCT", "Mus musculus"),
    "rattus norvegicus": Code("371565004", "SCT", "Rattus norvegicus"),
    "peromyscus leucopus": Code("180278", "ITIS_TSN", "Peromyscus leucopus"),
}
"""Codes of CID 7454 for the commonest species; others have the description alone."""

SPECIMEN_CLASSES = frozenset(
    f"1.2.840.10008.5.1.4.1.1.{suffix}"
    for suffix in (
        "2", "2.1", "2.2", "4", "4.1", "4.4", "128", "130", "128.1",  # CT, MR, PET: classic, enhanced, converted
        "7", "7.1", "7.2", "7.3", "7.4", "30", "66", "66.4", "66.7",  # SC, parametric map, raw data, segmentation
    )
)  # fmt: skip
"""SOP classes whose IOD has the Specimen module (PS3.3 annex A)."""

_LATERALITY_CLASSES = frozenset(
    f"1.2.840.10008.5.1.4.1.1.{suffix}" for suffix in ("2.2", "4.4", "128.1", "7.2", "7.3", "7.4", "66")
)
"""Classes that state the side at the top where no frame states it."""

_PREPARATION = (
    ("collected", "collection date"),
    ("collector", "collector"),
    ("locality", "locality"),
    ("country", "country"),
    ("fixative", "fixative"),
    ("stain", "stain"),
    ("embedding", "embedding medium"),
)
OWN_SCHEME = "99VASC"
"""Coding Scheme Designator of the few concepts for which DICOM has no code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What every object of one subject and study shares."""

    subject_label: str
    subject_kind: SubjectKind
    issuer: str = ""
    subject_metadata: Mapping[str, Any] = field(default_factory=dict)
    study_uid: str
    study_label: str = ""
    study_date: str = ""
    """YYYY-MM-DD, or empty."""
    study_id: str = "1"
    accession: str = ""
    record: Mapping[str, Any] = field(default_factory=dict)
    """Everything that is known, in JSON terms; goes whole into the private record."""
    header: Mapping[str, Any] = field(default_factory=dict)
    """Header (DICOM JSON) of one source object, whose Patient and Study values hold for all where `subject_metadata`
    and the fields above say nothing: name, birth date, study time, referring physician."""


def apply_subject(ds: Dataset, context: Context, series_metadata: Mapping[str, Any] = _EMPTY) -> None:
    """Stamp the shared modules and the private record on an object; what the object said of its patient before goes.

    Parameters
    ----------
    ds
        The object, complete but for these modules; ``SOPClassUID`` is set.
    context
        The same for every object of a study, so that `dcentvfy` finds nothing to say.
    series_metadata
        Added to the record of this object under ``series``.

    Notes
    -----
    PS3.3 C.7.1.1 (Patient), C.7.1.3 (Clinical Trial Subject), C.7.2.1 (General Study), C.7.2.2 (Patient Study),
    C.7.6.22 (Specimen). Attributes for animals are present for non-humans and absent for humans, as their conditions
    demand. Texts that do not fit their element are cut there and whole in the record.
    """
    terms = subject_terms(context.subject_metadata)
    ds.SpecificCharacterSet = "ISO_IR 192"
    _clear(ds)
    _from_header(ds, context.header)
    _patient(ds, context, terms)
    if context.subject_kind is not SubjectKind.PATIENT and terms.species:
        _animal(ds, terms)
    _study(ds, context)
    _patient_study(ds, terms)
    _trial(ds, context, terms)
    if context.subject_kind is SubjectKind.SPECIMEN and str(ds.SOPClassUID) in SPECIMEN_CLASSES:
        _specimen(ds, context, terms)
    _laterality(ds)
    _record(ds, context.record, series_metadata)


_HEADER_TEXTS = (
    ("StudyDate", "00080020"),
    ("PatientName", "00100010"),
    ("PatientBirthDate", "00100030"),
    ("PatientBirthTime", "00100032"),
    ("PatientSex", "00100040"),
    ("EthnicGroup", "00102160"),
    ("PatientAge", "00101010"),
    ("PatientSize", "00101020"),
    ("PatientWeight", "00101030"),
    ("StudyTime", "00080030"),
    ("ReferringPhysicianName", "00080090"),
)
STAMPED = (
    "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientBirthTime", "PatientSex",
    "EthnicGroup", "PatientAge", "PatientSize", "PatientWeight", "StudyInstanceUID", "StudyDate", "StudyTime",
    "StudyID", "StudyDescription", "AccessionNumber", "ReferringPhysicianName",
)  # fmt: skip
"""What `apply_subject` takes over from a source header, by way of `Context`; a conversion need not keep them twice."""

_OWNED = (
    "PatientName", "PatientID", "IssuerOfPatientID", "IssuerOfPatientIDQualifiersSequence", "TypeOfPatientID",
    "PatientBirthDate", "PatientBirthTime", "PatientSex", "OtherPatientIDs", "OtherPatientIDsSequence",
    "OtherPatientNames", "EthnicGroup", "PatientComments", "PatientSpeciesDescription",
    "PatientSpeciesCodeSequence", "PatientBreedDescription", "PatientBreedCodeSequence",
    "BreedRegistrationSequence", "StrainDescription", "StrainNomenclature", "StrainCodeSequence",
    "StrainStockSequence", "StrainAdditionalInformation", "GeneticModificationsSequence", "ResponsiblePerson",
    "ResponsiblePersonRole", "ResponsibleOrganization", "PatientSexNeutered", "PatientAge", "PatientSize",
    "PatientWeight", "StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "StudyDescription",
    "AccessionNumber", "ReferringPhysicianName", "AdditionalPatientHistory", "Occupation",
    "ReferencedPatientSequence", "ReferencedStudySequence", "ProcedureCodeSequence", "PhysiciansOfRecord",
    "NameOfPhysiciansReadingStudy", "AdmittingDiagnosesDescription", "PatientIdentityRemoved",
    "DeidentificationMethod", "DeidentificationMethodCodeSequence", "ReferencedPatientPhotoSequence",
    "QualityControlSubject", "PregnancyStatus", "LastMenstrualDate", "MedicalAlerts", "Allergies",
    "SmokingStatus", "PatientReligiousPreference", "RegionOfResidence", "MilitaryRank", "BranchOfService",
    "CountryOfResidence", "PatientTelephoneNumbers", "PatientAddress", "PatientMotherBirthName",
)  # fmt: skip
"""Patient and Study level: these say the same in every object of a study, or are not written at all."""


def _clear(ds: Dataset) -> None:
    for keyword in _OWNED:
        if keyword in ds:
            delattr(ds, keyword)
    for element in list(ds):
        if element.keyword.startswith(("ClinicalTrialS", "ClinicalTrialP", "ClinicalTrialT")):
            del ds[element.tag]


def _from_header(ds: Dataset, header: Mapping[str, Any]) -> None:
    """Take the plain texts of the Patient and Study level from a DICOM JSON header."""
    from pydicom.datadict import dictionary_VR

    for keyword, tag in _HEADER_TEXTS:
        values = header.get(tag, {}).get("Value") or [""]
        value = values[0]
        if isinstance(value, Mapping):
            value = "=".join(value.get(part, "") for part in ("Alphabetic", "Ideographic", "Phonetic")).rstrip("=")
        vr = dictionary_VR(keyword)
        text = decimal_string(float(value)) if vr == "DS" and value not in (None, "") else str(value or "")
        if text and _valid(vr, text):
            setattr(ds, keyword, text)


def _valid(vr: str, text: str) -> bool:
    from pydicom import config
    from pydicom.valuerep import validate_value

    try:
        validate_value(vr, text, config.RAISE)
    except ValueError:
        return False
    return True


def _patient(ds: Dataset, context: Context, terms: SubjectTerms) -> None:
    name = terms.first("patient_name")
    if not name and context.subject_kind is not SubjectKind.PATIENT:
        name = context.subject_label.translate(str.maketrans("^=", "  "))
    if name:
        ds.PatientName = fit_text("PN", name)
    elif "PatientName" not in ds:
        ds.PatientName = ""
    ds.PatientID = fit_text("LO", context.subject_label)
    if context.issuer:
        ds.IssuerOfPatientID = fit_text("LO", context.issuer)
    ds.PatientBirthDate = terms.birth_date or ds.get("PatientBirthDate", "")
    ds.PatientSex = terms.sex or ds.get("PatientSex", "")
    others = _other_ids(context, terms)
    if others:
        ds.OtherPatientIDsSequence = [
            item(
                PatientID=fit_text("LO", value),
                IssuerOfPatientID=fit_text("LO", issuer) or None,
                TypeOfPatientID="TEXT",
            )
            for value, issuer in others
        ]


def _other_ids(context: Context, terms: SubjectTerms) -> list[tuple[str, str]]:
    """Catalogue numbers, accessions and tags, which museums make longer than Accession Number (SH) can be."""
    issuer = terms.first("institution_code")
    ids = []
    for term in ("catalogue_number", "accession", "ear_tag", "occurrence_id", "other_id"):
        ids += [(value, issuer) for value in terms.values.get(term, ())]
    if context.accession and not fits("SH", context.accession):
        ids.append((context.accession, issuer))
    return [entry for entry in dict.fromkeys(ids) if entry[0] != context.subject_label]


def _animal(ds: Dataset, terms: SubjectTerms) -> None:
    species = terms.species
    ds.PatientSpeciesDescription = fit_text("LO", species)
    code = SPECIES_CODES.get(species.lower())
    if code:
        ds.PatientSpeciesCodeSequence = [code_item(code)]
    if species.lower() == "homo sapiens":
        return
    ds.PatientBreedDescription = fit_text("LO", terms.first("breed"))
    ds.PatientBreedCodeSequence = []
    ds.BreedRegistrationSequence = []
    ds.ResponsiblePerson = fit_text("PN", terms.first("responsible_person"))
    if ds.ResponsiblePerson:
        role = terms.first("responsible_role")
        ds.ResponsiblePersonRole = (
            role if role in ("OWNER", "PARENT", "INVESTIGATOR", "VETERINARIAN") else "INVESTIGATOR"
        )
    ds.ResponsibleOrganization = fit_text("LO", terms.first("responsible_organization"))
    neutered = terms.first("neutered").upper()
    ds.PatientSexNeutered = neutered if neutered in ("ALTERED", "UNALTERED") else ""
    _strain(ds, terms)


def _strain(ds: Dataset, terms: SubjectTerms) -> None:
    strain, nomenclature = terms.first("strain"), terms.first("strain_nomenclature")
    if strain:
        ds.StrainDescription = fit_text("UC", strain)
        if nomenclature:
            ds.StrainNomenclature = fit_text("LO", nomenclature)
    if strain and terms.first("strain_code"):
        ds.StrainCodeSequence = [code_item(Code(terms.first("strain_code"), "RRID", strain))]
    if terms.first("strain_information"):
        ds.StrainAdditionalInformation = terms.first("strain_information")
    modifications = terms.values.get("modification", ())
    if modifications:
        scheme = fit_text("LO", terms.first("modification_nomenclature")) or "UNSPECIFIED"
        # one item for all: dciodvfy takes no second one
        description = fit_text("UC", "; ".join(modifications))
        ds.GeneticModificationsSequence = [
            item(GeneticModificationsDescription=description, GeneticModificationsNomenclature=scheme)
        ]


def _study(ds: Dataset, context: Context) -> None:
    ds.StudyInstanceUID = sound_uid(context.study_uid, "study")
    if ds.get("FrameOfReferenceUID") == ds.StudyInstanceUID:  # some scanners do so; a UID names one thing
        ds.FrameOfReferenceUID = uid_from("frame-of-reference", ds.StudyInstanceUID)
    ds.StudyDate = date_string(context.study_date) or ds.get("StudyDate", "")
    ds.StudyTime = ds.get("StudyTime", "")
    ds.ReferringPhysicianName = ds.get("ReferringPhysicianName", "")
    ds.StudyID = fit_text("SH", context.study_id)
    ds.AccessionNumber = context.accession if fits("SH", context.accession) else ""
    if context.study_label:
        ds.StudyDescription = fit_text("LO", context.study_label)


def _patient_study(ds: Dataset, terms: SubjectTerms) -> None:
    if terms.age:
        ds.PatientAge = terms.age
    if terms.weight_kg is not None:
        ds.PatientWeight = decimal_string(terms.weight_kg)


def _trial(ds: Dataset, context: Context, terms: SubjectTerms) -> None:
    """Clinical Trial modules: whole or not at all, as sponsor and protocol are of type 1 in them."""
    sponsor, protocol = terms.first("sponsor"), terms.first("protocol_id")
    if not (sponsor and protocol):
        return
    ds.ClinicalTrialSponsorName = fit_text("LO", sponsor)
    ds.ClinicalTrialProtocolID = fit_text("LO", protocol)
    ds.ClinicalTrialProtocolName = fit_text("LO", terms.first("protocol_name"))
    ds.ClinicalTrialSiteID = fit_text("LO", terms.first("site_id"))
    ds.ClinicalTrialSiteName = fit_text("LO", terms.first("site_name"))
    ds.ClinicalTrialSubjectID = fit_text("LO", terms.first("trial_subject") or context.subject_label)
    if terms.first("ethics"):
        ds.ClinicalTrialProtocolEthicsCommitteeName = fit_text("LO", terms.first("ethics_committee") or "unknown")
        ds.ClinicalTrialProtocolEthicsCommitteeApprovalNumber = fit_text("LO", terms.first("ethics"))
    if terms.first("time_point"):
        ds.ClinicalTrialTimePointID = fit_text("LO", terms.first("time_point"))
        if terms.first("time_point_description"):
            ds.ClinicalTrialTimePointDescription = fit_text("ST", terms.first("time_point_description"))


def _specimen(ds: Dataset, context: Context, terms: SubjectTerms) -> None:
    identifier = terms.first("catalogue_number") or context.subject_label
    institution = terms.first("institution_code") or context.issuer
    issuer = [item(LocalNamespaceEntityID=institution)] if institution else []
    ds.ContainerIdentifier = fit_text("LO", context.subject_label)
    ds.IssuerOfTheContainerIdentifierSequence = []
    ds.ContainerTypeCodeSequence = [code_item(Code("434711009", "SCT", "Specimen container"))]
    specimen = item(
        SpecimenIdentifier=fit_text("LO", identifier),
        IssuerOfTheSpecimenIdentifierSequence=issuer,
        SpecimenUID=uid_from("specimen", context.issuer, context.subject_label),
        SpecimenShortDescription=fit_text("LO", terms.first("specimen_description")) or None,
        SpecimenPreparationSequence=_preparation(terms),
    )
    ds.SpecimenDescriptionSequence = [specimen]
    if specimen.SpecimenPreparationSequence:
        ds.CodingSchemeIdentificationSequence = [
            item(CodingSchemeDesignator=OWN_SCHEME, CodingSchemeName="vasculum terms for specimens")
        ]


def _laterality(ds: Dataset) -> None:
    """Laterality (C.7.3.1) has no place beside a specimen or Frame Anatomy, and may be empty, not absent, otherwise."""
    shared = ds.get("SharedFunctionalGroupsSequence") or [ds]
    said = "SpecimenDescriptionSequence" in ds or "FrameAnatomySequence" in shared[0]
    if said and "Laterality" in ds:
        del ds.Laterality
    elif not said and str(ds.SOPClassUID) in _LATERALITY_CLASSES:
        ds.Laterality = ds.get("Laterality") or ""


def _preparation(terms: SubjectTerms) -> list[Dataset]:
    """One preparation step of TEXT items; concepts of our own, as CID 8112 to 8115 know few of the wet lab's words."""
    contents = []
    for term, meaning in _PREPARATION:
        for text in terms.values.get(term, ()):
            name = code_item(Code(term, OWN_SCHEME, meaning))
            contents.append(item(ValueType="TEXT", ConceptNameCodeSequence=[name], TextValue=fit_text("UT", text)))
    return [item(SpecimenPreparationStepContentItemSequence=contents)] if contents else []


def _record(ds: Dataset, record: Mapping[str, Any], series_metadata: Mapping[str, Any]) -> None:
    own = {key: value for key, value in series_metadata.items() if value not in ({}, [], "", None)}
    content = {**record, "series": own} if own else dict(record)
    block = ds.private_block(PRIVATE_GROUP, PRIVATE_CREATOR, create=True)
    block.add_new(RECORD_ELEMENT, "UT", record_text(content))


def record_text(content: Mapping[str, Any]) -> str:
    """Write a record as JSON; characters that UTF-8 cannot hold (names in an unknown encoding) stay as escapes."""
    text = json.dumps(content, ensure_ascii=False, sort_keys=True, default=str)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(content, sort_keys=True, default=str)
    return text


def read_record(ds: Dataset) -> dict[str, Any]:
    """Give the private record of an object that we wrote; empty where there is none."""
    try:
        block = ds.private_block(PRIVATE_GROUP, PRIVATE_CREATOR)
        value = block[RECORD_ELEMENT].value
    except KeyError:
        return {}
    text = value.decode("utf-8") if isinstance(value, bytes) else str(value)  # UN after a trip through Implicit VR
    content = json.loads(text)
    return content if isinstance(content, dict) else {}
