//! Italian.

use super::{Kind, Language, Lines};

#[rustfmt::skip]
pub(super) static LANGUAGE: Language = Language {
    tag: "it",
    fillers: &["ehm", "eh", "mm", "hm", "uhm", "allora", "cioè"],
    unfinished: &[
        "e", "ed", "o", "ma", "perché", "che", "se", "quando", "come", "il", "lo", "la", "i", "gli", "le", "un",
        "uno", "una", "di", "del", "della", "dei", "a", "al", "alla", "da", "dal", "dalla", "in", "nel", "nella",
        "con", "su", "sul", "sulla", "per", "tra", "fra", "senza", "mio", "mia", "suo", "sua", "è", "sono", "era",
        "ho", "ha", "vorrei", "posso", "può", "io", "molto", "mi", "si", "non",
    ],
    loose: &["quindi", "poi", "anche"],
    auxiliaries: &[],
    stop: &[
        "stop", "basta", "aspetta", "aspetti", "un momento", "un attimo", "un secondo", "mi scusi", "scusi",
        "no no", "ascolti",
    ],
    backchannel: &[
        "mhm", "mm", "hm", "sì", "si", "ok", "okay", "va bene", "certo", "ho capito", "capisco", "bene", "ah", "oh",
        "esatto", "giusto", "perfetto", "d'accordo", "già",
    ],
    yes_no: &[
        "sì", "si", "no", "certo", "ok", "okay", "va", "bene", "esatto", "giusto", "grazie", "per", "favore",
        "perfetto", "d'accordo", "corretto",
    ],
    closed: &[
        "è", "sono", "ha", "vuole", "vuoi", "può", "puoi", "posso", "desidera", "le", "ti", "giusto", "vero", "va",
        "c'è", "corretto", "devo",
    ],
    refusals: &["no", "non", "nessuno", "nessuna", "mai", "perché", "cosa", "scusi", "domanda"],
    requests: &["favore", "mi dica", "dimmi", "dia", "mi dia", "ripeta", "serve", "scandisca"],
    copulas: &["è", "sono"],
    values: &[
        (Kind::Email, &["email", "e-mail", "mail", "posta"]),
        (Kind::Card, &["carta"]),
        (Kind::Spelling, &["lettere", "lettera", "scandire", "spelling"]),
        (Kind::Phone, &["telefono", "cellulare"]),
        (Kind::Address, &["indirizzo", "via"]),
        (Kind::Date, &["nascita", "data", "quando", "giorno"]),
        (Kind::Digits, &["numero", "numeri", "codice", "conto", "cap", "cifre", "pin", "riferimento"]),
        (Kind::Name, &["nome", "cognome", "chiama"]),
    ],
    digits: &["zero", "uno", "due", "tre", "quattro", "cinque", "sei", "sette", "otto", "nove"],
    teens: &[
        "dieci", "undici", "dodici", "tredici", "quattordici", "quindici", "sedici", "diciassette", "diciotto",
        "diciannove",
    ],
    tens: &["venti", "trenta", "quaranta", "cinquanta", "sessanta", "settanta", "ottanta", "novanta"],
    repeats: &[("doppio", 2), ("triplo", 3)],
    at: &["chiocciola"],
    dot: &["punto"],
    joiners: &["trattino", "basso", "barra", "più"],
    months: &[
        "gennaio", "febbraio", "marzo", "aprile", "maggio", "giugno", "luglio", "agosto", "settembre", "ottobre",
        "novembre", "dicembre",
    ],
    phone: &[],
    lines: Lines {
        apology: "Mi dispiace, in questo momento ho un problema. Può ripetere, per favore?",
        repeat_request: "Mi scusi, non ho capito. Può ripetere?",
        idle_prompt: "È ancora in linea?",
        goodbye: "Ora chiudo la chiamata. Arrivederci.",
        filler: "Un momento, per favore.",
        transfer_failed: "Mi dispiace, non sono riuscito a trovare nessuno. È ancora in linea con me. Come posso aiutarla?",
        transfer_wait: "Sto ancora cercando qualcuno per lei.",
        handing_over: "Le passo qualcuno che può aiutarla.",
        welcome_back: "Sono ancora qui.",
        duration_warning: "Ci resta circa mezzo minuto per questa chiamata.",
        cut_in: "Mi scusi se la interrompo. Mi lasci prima rispondere.",
        backchannels: ["mm", "sì", "certo"],
    },
};
