//! French.

use super::{Kind, Language, Lines};

#[rustfmt::skip]
pub(super) static LANGUAGE: Language = Language {
    tag: "fr",
    fillers: &["euh", "heu", "ben", "bah", "hm", "mm", "voyons"],
    unfinished: &[
        "et", "ou", "mais", "parce que", "car", "que", "qui", "si", "quand", "comme", "le", "la", "les", "l", "un",
        "une", "des", "du", "de", "d", "mon", "ma", "mes", "votre", "vos", "son", "sa", "ses", "notre", "à", "au",
        "aux", "en", "dans", "sur", "sous", "avec", "pour", "par", "sans", "chez", "entre", "vers", "est", "c'est",
        "sont", "était", "suis", "ai", "j'ai", "a", "je", "j", "nous", "on", "voudrais", "peux", "pourrais", "veux",
        "très", "ne", "puis",
    ],
    loose: &["alors", "donc", "aussi", "pas"],
    auxiliaries: &[],
    stop: &[
        "stop", "arrêtez", "arrête", "attendez", "attends", "un moment", "un instant", "une seconde", "excusez-moi",
        "pardon", "non non", "ça suffit", "écoutez",
    ],
    backchannel: &[
        "mhm", "hm", "mm", "oui", "ouais", "ok", "okay", "d'accord", "ah", "oh", "je vois", "bien", "très bien",
        "voilà", "bon", "parfait", "exact", "exactement", "bien sûr", "ah bon", "euh",
    ],
    yes_no: &[
        "oui", "ouais", "non", "si", "d'accord", "ok", "okay", "bien", "sûr", "exact", "exactement", "voilà",
        "parfait", "merci", "s'il", "vous", "plaît", "absolument", "tout", "à", "fait", "volontiers",
    ],
    closed: &[
        "est-ce", "est", "êtes-vous", "avez-vous", "voulez-vous", "souhaitez-vous", "pouvez-vous", "puis-je",
        "dois-je", "c'est", "ça", "d'accord", "n'est-ce", "vous", "correct", "faut-il",
    ],
    refusals: &["non", "pas", "aucun", "aucune", "jamais", "pourquoi", "quoi", "pardon", "question"],
    requests: &["s'il", "donnez", "donnez-moi", "dites", "dites-moi", "épelez", "besoin", "indiquez"],
    copulas: &["est", "c'est", "sont"],
    values: &[
        (Kind::Email, &["email", "e-mail", "mail", "courriel"]),
        (Kind::Card, &["carte"]),
        (Kind::Spelling, &["épeler", "épelez", "lettres"]),
        (Kind::Phone, &["téléphone", "portable", "mobile"]),
        (Kind::Address, &["adresse", "rue"]),
        (Kind::Date, &["naissance", "date", "quand", "jour"]),
        (Kind::Digits, &["numéro", "numéros", "code", "compte", "postal", "chiffres", "référence", "pin"]),
        (Kind::Name, &["nom", "prénom", "appelez"]),
    ],
    digits: &["zéro", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf"],
    teens: &["dix", "onze", "douze", "treize", "quatorze", "quinze", "seize"],
    tens: &["vingt", "trente", "quarante", "cinquante", "soixante"],
    repeats: &[("double", 2), ("triple", 3)],
    at: &["arobase", "at"],
    dot: &["point"],
    joiners: &["tiret", "slash", "underscore", "plus"],
    months: &[
        "janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre",
        "décembre",
    ],
    phone: &[(10, "0")],
    lines: Lines {
        apology: "Je suis désolé, j'ai un problème en ce moment. Pourriez-vous répéter, s'il vous plaît ?",
        repeat_request: "Pardon, je n'ai pas compris. Pourriez-vous répéter ?",
        idle_prompt: "Vous êtes toujours là ?",
        goodbye: "Je vais raccrocher. Au revoir.",
        filler: "Un instant, s'il vous plaît.",
        transfer_failed: "Je suis désolé, je n'ai pu joindre personne. Vous êtes toujours avec moi. Comment puis-je vous aider autrement ?",
        transfer_wait: "J'essaie toujours de joindre quelqu'un pour vous.",
        handing_over: "Je vous passe quelqu'un qui pourra vous aider.",
        welcome_back: "Je suis toujours là.",
        duration_warning: "Il nous reste environ une demi-minute pour cet appel.",
        cut_in: "Excusez-moi de vous interrompre. Laissez-moi d'abord répondre.",
        backchannels: ["mm", "d'accord", "oui"],
    },
};
