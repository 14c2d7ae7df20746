//! German.

use super::{Kind, Language, Lines};

#[rustfmt::skip]
pub(super) static LANGUAGE: Language = Language {
    tag: "de",
    fillers: &["äh", "ähm", "öh", "öhm", "hm", "hmm", "mm", "tja", "moment mal"],
    unfinished: &[
        "und", "oder", "aber", "weil", "dass", "wenn", "als", "ob", "denn", "sondern", "der", "die", "das", "den",
        "dem", "des", "ein", "eine", "einen", "einem", "einer", "mein", "meine", "meinen", "ihr", "ihre", "zu",
        "zum", "zur", "von", "vom", "im", "am", "für", "mit", "bei", "nach", "aus", "um", "über", "unter",
        "zwischen", "ist", "sind", "war", "bin", "habe", "hat", "hätte", "würde", "möchte", "kann", "könnte",
        "soll", "ich", "wir", "nicht", "sehr", "halb", "viertel nach", "viertel vor",
    ],
    loose: &["so", "also", "in", "an", "auf", "auch", "noch", "vielleicht"],
    auxiliaries: &[],
    stop: &[
        "stopp", "stop", "halt", "warte", "warten sie", "moment", "einen moment", "sekunde", "entschuldigung",
        "nein nein", "genug", "hören sie",
    ],
    backchannel: &[
        "mhm", "hm", "hmm", "mm", "aha", "ach", "ah", "oh", "ja", "jaja", "jo", "okay", "ok", "genau", "gut",
        "klar", "alles klar", "verstehe", "ach so", "achso", "richtig", "stimmt", "super", "schön", "in ordnung",
        "äh", "ähm",
    ],
    yes_no: &[
        "ja", "nein", "nee", "ne", "jo", "doch", "genau", "gerne", "klar", "okay", "ok", "richtig", "stimmt",
        "bitte", "danke", "natürlich", "sicher", "korrekt", "gern", "gut",
        "super", "einverstanden", "passt",
    ],
    closed: &[
        "ist", "sind", "haben", "hat", "kann", "können", "soll", "sollen", "darf", "dürfen", "möchten", "wollen",
        "wäre", "passt", "stimmt", "richtig", "okay", "ja", "wird", "werden", "sollte", "könnten", "geht", "oder",
    ],
    refusals: &["nein", "nicht", "kein", "keine", "keinen", "warum", "wieso", "was", "frage", "nie"],
    requests: &["bitte", "sagen", "geben", "nennen", "buchstabieren", "brauche", "benötige"],
    copulas: &["ist", "lautet", "sind"],
    values: &[
        (Kind::Email, &["email", "e-mail", "mail", "e-mail-adresse", "mailadresse"]),
        (Kind::Card, &["karte", "kreditkarte", "kartennummer", "kreditkartennummer"]),
        (Kind::Spelling, &["buchstabieren", "buchstaben", "geschrieben"]),
        (Kind::Phone, &["telefonnummer", "telefon", "handynummer", "rückrufnummer", "handy"]),
        (Kind::Address, &["adresse", "anschrift", "straße"]),
        (Kind::Date, &["geburtsdatum", "geburtstag", "geboren", "datum", "wann", "tag"]),
        (Kind::Digits, &[
            "nummer", "nummern", "code", "postleitzahl", "kontonummer", "kundennummer", "pin", "ziffern", "iban",
            "bestellnummer",
        ]),
        (Kind::Name, &["name", "namen", "nachname", "vorname", "heißen"]),
    ],
    digits: &["null", "eins ein", "zwei zwo", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"],
    teens: &[
        "zehn", "elf", "zwölf", "dreizehn", "vierzehn", "fünfzehn", "sechzehn", "siebzehn", "achtzehn", "neunzehn",
    ],
    tens: &["zwanzig", "dreißig", "vierzig", "fünfzig", "sechzig", "siebzig", "achtzig", "neunzig"],
    repeats: &[("doppel", 2)],
    at: &["at", "ät", "klammeraffe"],
    dot: &["punkt", "dot"],
    joiners: &["bindestrich", "minus", "unterstrich", "schrägstrich", "plus"],
    months: &[
        "januar", "jänner", "februar", "märz", "april", "mai", "juni", "juli", "august", "september", "oktober",
        "november", "dezember",
    ],
    phone: &[],
    lines: Lines {
        apology: "Entschuldigung, ich habe gerade ein Problem. Könnten Sie das bitte noch einmal sagen?",
        repeat_request: "Entschuldigung, das habe ich nicht verstanden. Könnten Sie es bitte wiederholen?",
        idle_prompt: "Sind Sie noch da?",
        goodbye: "Ich lege jetzt auf. Auf Wiederhören.",
        filler: "Einen Moment, bitte.",
        transfer_failed: "Es tut mir leid, ich konnte niemanden erreichen. Sie sind weiter mit mir verbunden. Wie kann ich Ihnen sonst helfen?",
        transfer_wait: "Ich versuche weiter, jemanden für Sie zu erreichen.",
        handing_over: "Ich verbinde Sie mit jemandem, der Ihnen weiterhelfen kann.",
        welcome_back: "Ich bin noch da.",
        duration_warning: "Für dieses Gespräch haben wir noch etwa eine halbe Minute.",
        cut_in: "Entschuldigen Sie die Unterbrechung. Lassen Sie mich zuerst darauf antworten.",
        backchannels: ["mhm", "aha", "ja"],
    },
};
