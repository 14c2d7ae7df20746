//! Dutch.

use super::{Kind, Language, Lines};

#[rustfmt::skip]
pub(super) static LANGUAGE: Language = Language {
    tag: "nl",
    fillers: &["eh", "uh", "uhm", "ehm", "hm", "mm", "even kijken"],
    unfinished: &[
        "en", "of", "maar", "omdat", "want", "dat", "die", "als", "wanneer", "terwijl", "de", "het", "een", "mijn",
        "uw", "jouw", "zijn", "haar", "ons", "te", "van", "voor", "met", "bij", "naar", "uit", "tot", "tussen",
        "zonder", "onder", "is", "was", "ben", "heb", "heeft", "wil", "kan", "zou", "ik", "we", "wij", "niet",
        "heel", "half", "kwart over", "kwart voor",
    ],
    loose: &["dus", "ook", "in", "op", "aan", "om", "nog", "misschien"],
    auxiliaries: &[],
    stop: &[
        "stop", "wacht", "wacht even", "momentje", "een moment", "seconde", "sorry", "pardon", "nee nee", "genoeg",
        "luister",
    ],
    backchannel: &[
        "mhm", "hm", "mm", "ja", "jaja", "oké", "oke", "ok", "okay", "goed", "prima", "precies", "juist", "klopt",
        "aha", "ah", "oh", "ik snap het", "ik begrijp het", "natuurlijk",
    ],
    yes_no: &[
        "ja", "nee", "jawel", "oké", "oke", "ok", "okay", "graag", "klopt", "precies", "juist", "goed", "prima",
        "natuurlijk", "dank", "u", "je", "zeker",
    ],
    closed: &[
        "is", "zijn", "heeft", "hebt", "kan", "kunt", "kun", "mag", "moet", "zal", "zou", "wilt", "wil", "klopt",
        "toch", "oké", "goed", "bent", "zullen", "past",
    ],
    refusals: &["nee", "niet", "geen", "waarom", "wat", "nooit", "sorry", "vraag"],
    requests: &["graag", "alstublieft", "noem", "geef", "spel", "zeg", "nodig"],
    copulas: &["is", "zijn"],
    values: &[
        (Kind::Email, &["email", "e-mail", "mail", "e-mailadres", "emailadres", "mailadres"]),
        (Kind::Card, &["kaart", "creditcard", "kaartnummer", "creditcardnummer"]),
        (Kind::Spelling, &["spellen", "spel", "letters"]),
        (Kind::Phone, &["telefoonnummer", "telefoon", "mobiel"]),
        (Kind::Address, &["adres", "straat"]),
        (Kind::Date, &["geboortedatum", "geboren", "datum", "wanneer", "dag"]),
        (Kind::Digits, &["nummer", "nummers", "code", "postcode", "rekeningnummer", "klantnummer", "cijfers", "pin"]),
        (Kind::Name, &["naam", "achternaam", "voornaam", "heet"]),
    ],
    digits: &["nul", "één een", "twee", "drie", "vier", "vijf", "zes", "zeven", "acht", "negen"],
    teens: &[
        "tien", "elf", "twaalf", "dertien", "veertien", "vijftien", "zestien", "zeventien", "achttien", "negentien",
    ],
    tens: &["twintig", "dertig", "veertig", "vijftig", "zestig", "zeventig", "tachtig", "negentig"],
    repeats: &[("dubbel", 2)],
    at: &["apenstaartje", "at"],
    dot: &["punt"],
    joiners: &["streepje", "koppelteken", "underscore", "slash", "plus"],
    months: &[
        "januari", "februari", "maart", "april", "mei", "juni", "juli", "augustus", "september", "oktober",
        "november", "december",
    ],
    phone: &[(10, "0")],
    lines: Lines {
        apology: "Sorry, er gaat bij mij even iets mis. Kunt u dat nog een keer zeggen?",
        repeat_request: "Sorry, dat heb ik niet verstaan. Kunt u het nog een keer zeggen?",
        idle_prompt: "Bent u er nog?",
        goodbye: "Ik hang nu op. Tot ziens.",
        filler: "Een ogenblik, alstublieft.",
        transfer_failed: "Het spijt me, ik kon niemand bereiken. U bent nog met mij verbonden. Waarmee kan ik u verder helpen?",
        transfer_wait: "Ik probeer nog steeds iemand voor u te bereiken.",
        handing_over: "Ik verbind u door met iemand die u kan helpen.",
        welcome_back: "Ik ben er nog.",
        duration_warning: "We hebben nog ongeveer een halve minuut voor dit gesprek.",
        cut_in: "Sorry dat ik u onderbreek. Laat me daar eerst op antwoorden.",
        backchannels: ["mm", "ja", "oké"],
    },
};
