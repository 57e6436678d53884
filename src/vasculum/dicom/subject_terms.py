"""Read the free metadata of a subject into the terms for which DICOM has a place.

Keys are taken as people and standards write them: our own words (``species``), DICOM keywords
(``PatientSpeciesDescription``) and Darwin Core terms (``dwc:scientificName``); case, spaces and punctuation do not
count. What has no place here is not lost: the record holds everything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_TERMS: dict[str, tuple[str, ...]] = {
    "patient_name": ("patientname",),
    "species": ("patientspeciesdescription", "scientificname", "species", "taxon", "organism"),
    "genus": ("genus",),
    "epithet": ("specificepithet",),
    "strain": ("straindescription", "strain", "strainname", "geneticbackground"),
    "strain_nomenclature": ("strainnomenclature",),
    "strain_code": ("rrid", "straincode"),
    "strain_information": ("strainadditionalinformation",),
    "stock_number": ("strainstocknumber", "stocknumber", "stock"),
    "stock_source": ("strainsource", "vendor", "supplier"),
    "modification": (
        "geneticmodificationsdescription",
        "geneticmodifications",
        "geneticmodification",
        "genotype",
        "alleles",
        "allele",
        "mutation",
    ),
    "modification_nomenclature": ("geneticmodificationsnomenclature",),
    "breed": ("patientbreeddescription", "breed"),
    "sex": ("patientsex", "sex", "gender"),
    "neutered": ("patientsexneutered", "neutered"),
    "birth_date": ("patientbirthdate", "birthdate", "dateofbirth", "dob"),
    "age": ("patientage", "age"),
    "age_days": ("agedays", "ageindays", "aged"),
    "weight_kg": ("patientweight", "weightkg"),
    "weight_g": ("weightg", "bodyweightg", "weightgrams"),
    "weight": ("weight", "bodyweight", "mass"),
    "responsible_person": ("responsibleperson", "investigator", "principalinvestigator", "pi"),
    "responsible_role": ("responsiblepersonrole",),
    "responsible_organization": ("responsibleorganization", "laboratory", "lab"),
    "institution_code": ("institutioncode", "institution", "museum"),
    "catalogue_number": (
        "specimenidentifier",
        "catalognumber",
        "cataloguenumber",
        "museumid",
        "museumnumber",
        "voucher",
        "catalog",
    ),
    "accession": ("accession", "accessionnumber", "museumaccession"),
    "ear_tag": ("eartag", "animalid", "tag"),
    "occurrence_id": ("occurrenceid", "guid"),
    "other_id": ("otherpatientids", "otherids", "otherid"),
    "specimen_description": ("specimenshortdescription", "specimendescription", "preparations", "description"),
    "fixative": ("fixative", "fixation", "preservation"),
    "stain": ("stain", "staining", "contrast"),
    "embedding": ("embedding", "embeddingmedium"),
    "locality": ("locality",),
    "country": ("country",),
    "collected": ("eventdate", "collectiondate", "datecollected"),
    "collector": ("recordedby", "collector"),
    "sponsor": ("clinicaltrialsponsorname", "sponsor"),
    "protocol_id": ("clinicaltrialprotocolid", "protocolid"),
    "protocol_name": ("clinicaltrialprotocolname", "protocolname"),
    "site_id": ("clinicaltrialsiteid", "siteid"),
    "site_name": ("clinicaltrialsitename", "sitename"),
    "trial_subject": ("clinicaltrialsubjectid",),
    "ethics": ("clinicaltrialprotocolethicscommitteeapprovalnumber", "iacuc", "ethicsapproval"),
    "ethics_committee": ("clinicaltrialprotocolethicscommitteename", "ethicscommittee"),
    "time_point": ("clinicaltrialtimepointid", "timepoint"),
    "time_point_description": ("clinicaltrialtimepointdescription", "timepointdescription"),
}

_SEXES = {"m": "M", "male": "M", "f": "F", "female": "F", "o": "O", "other": "O"}
_AGE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(d|w|m|y)[a-z]*\.?\s*$", re.IGNORECASE)
_AGE_UNIT_DAYS = {"D": 1.0, "W": 7.0, "M": 30.4375, "Y": 365.25}
_WEIGHT = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(mg|g|kg)\s*$", re.IGNORECASE)
_KILOGRAMS = {"mg": 1e-6, "g": 1e-3, "kg": 1.0}


@dataclass(frozen=True, slots=True)
class SubjectTerms:
    """Metadata of a subject under the names used here; every value a tuple of texts, as some have several."""

    values: Mapping[str, tuple[str, ...]]

    def first(self, term: str) -> str:
        """Give the first value of a term, or an empty text."""
        found = self.values.get(term, ())
        return found[0] if found else ""

    @property
    def species(self) -> str:
        """The binomial, put together from genus and epithet where they stand apart."""
        given, genus = self.first("species"), self.first("genus")
        epithet = self.first("epithet") or given
        if genus and epithet and not epithet.startswith(genus):
            return f"{genus} {epithet}"
        return given or genus

    @property
    def sex(self) -> str:
        """Patient's Sex: M, F, O or empty."""
        return _SEXES.get(self.first("sex").strip().lower(), "")

    @property
    def age(self) -> str:
        """Patient's Age as AS (three digits and a unit), or empty."""
        text = self.first("age") or (f"{self.first('age_days')} d" if self.first("age_days") else "")
        return age_string(text)

    @property
    def weight_kg(self) -> float | None:
        """Patient's Weight in kilograms, where a unit says so."""
        for term, unit in (("weight_kg", "kg"), ("weight_g", "g"), ("weight", "")):
            match = _WEIGHT.match(f"{self.first(term)}{unit}")
            if match:
                return float(match[1]) * _KILOGRAMS[match[2].lower()]
        return None

    @property
    def birth_date(self) -> str:
        """Patient's Birth Date as DA, or empty where it is not a whole date."""
        return date_string(self.first("birth_date"))


def subject_terms(metadata: Mapping[str, Any]) -> SubjectTerms:
    """Read metadata; where two keys mean the same, the more exact one (first in our table) counts first."""
    given: dict[str, tuple[str, ...]] = {}
    for key, value in metadata.items():
        texts = tuple(_texts(value))
        if texts:
            given.setdefault(_plain(key), texts)
    values = {}
    for term, keys in _TERMS.items():
        texts = tuple(dict.fromkeys(text for key in keys for text in given.get(key, ())))
        if texts:
            values[term] = texts
    return SubjectTerms(values)


def age_string(text: str) -> str:
    """Write an age such as ``56 d``, ``8 weeks`` or ``056D`` as AS (PS3.5): the finest unit that three digits hold."""
    match = _AGE.match(text)
    if not match:
        return ""
    unit = match[2].upper()
    number = float(match[1])
    if number == int(number) and number <= 999:
        return f"{int(number):03d}{unit}"
    days = number * _AGE_UNIT_DAYS[unit]
    for candidate, length in _AGE_UNIT_DAYS.items():
        if days / length <= 999:
            return f"{round(days / length):03d}{candidate}"
    return ""


def date_string(text: str) -> str:
    """Write ``2026-11-22`` or ``20261122`` as DA; anything less than a whole date becomes empty."""
    match = re.match(r"^(\d{4})-?(\d{2})-?(\d{2})(?:$|[T ])", text)
    if not match or not (1 <= int(match[2]) <= 12 and 1 <= int(match[3]) <= 31):
        return ""
    return "".join(match.groups())


def _plain(key: str) -> str:
    bare = key.rsplit(":", 1)[-1].rsplit(".", 1)[-1]
    return re.sub(r"[^a-z0-9]", "", bare.lower())


def _texts(value: Any) -> Iterable[str]:
    if value is None or isinstance(value, Mapping):
        return
    if isinstance(value, (list, tuple, set, frozenset)):
        for entry in value:
            yield from _texts(entry)
        return
    text = str(value).strip()
    if text:
        yield text
