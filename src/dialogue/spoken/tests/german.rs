//! German.

use super::check;

#[test]
fn numbers_money_and_units() {
    check(
        "de-DE",
        &[
            ("Ich habe 3 Katzen.", "Ich habe drei Katzen."),
            ("Es sind 21 Leute.", "Es sind einundzwanzig Leute."),
            (
                "Es sind 1.234.567 Stück.",
                "Es sind eine Million zweihundertvierunddreißigtausendfünfhundertsiebenundsechzig Stück.",
            ),
            ("Es sind 3,14 Einheiten.", "Es sind drei Komma eins vier Einheiten."),
            ("Es hat -5 °C.", "Es hat minus fünf Grad Celsius."),
            ("Das ist 1.", "Das ist eins."),
            ("Ich nehme 1 Tisch.", "Ich nehme 1 Tisch."),
            ("1 Stunde oder 1 km.", "eine Stunde oder ein Kilometer."),
            ("10-20 Gäste.", "zehn bis zwanzig Gäste."),
            ("50 % Rabatt, 2,5% mehr.", "fünfzig Prozent Rabatt, zwei Komma fünf Prozent mehr."),
            ("Das kostet 12,50 €.", "Das kostet zwölf Euro fünfzig."),
            ("Das kostet 1 €.", "Das kostet ein Euro."),
            ("Nur 0,99 €.", "Nur neunundneunzig Cent."),
            ("5 Mio. € im Jahr.", "fünf Millionen Euro im Jahr."),
            ("1 Million Menschen.", "eine Million Menschen."),
            ("€ 1.200,00 bar.", "eintausendzweihundert Euro bar."),
            ("20 Euro und 10 $.", "zwanzig Euro und zehn Dollar."),
            ("120 km/h.", "einhundertzwanzig Kilometer pro Stunde."),
            ("1/2 Liter, 3/4 davon.", "1/2 Liter, drei Viertel davon."),
            ("30 Min. warten.", "dreißig Minuten warten."),
            ("101 Gründe", "101 Gründe"),
            ("16 GB.", "sechzehn Gigabyte."),
        ],
    );
}

#[test]
fn dates_and_times() {
    check(
        "de-DE",
        &[
            ("Am 3. Mai 2024 um 15:30 Uhr.", "Am dritten Mai zweitausendvierundzwanzig um fünfzehn Uhr dreißig."),
            ("Der 1. Januar.", "Der erste Januar."),
            ("Bis zum 25.12.2024.", "Bis zum fünfundzwanzigsten Dezember zweitausendvierundzwanzig."),
            ("05.05.2024 passt.", "fünfter Mai zweitausendvierundzwanzig passt."),
            ("2024-05-05 passt.", "fünfter Mai zweitausendvierundzwanzig passt."),
            ("Am 7.8. geht es.", "Am siebten August geht es."),
            ("Um 9 Uhr oder um 1 Uhr.", "Um neun Uhr oder um ein Uhr."),
            ("Um 8:05.", "Um acht Uhr fünf."),
            ("Von 9-17 Uhr.", "Von neun bis siebzehn Uhr."),
            ("Im Jahr 1998.", "Im Jahr neunzehnhundertachtundneunzig."),
            ("Seit 2005.", "Seit zweitausendfünf."),
            ("Beim 2. Versuch.", "Beim zweiten Versuch."),
            ("Der 21. Tag.", "Der einundzwanzigste Tag."),
            ("Am 30. ist zu.", "Am dreißigsten ist zu."),
            ("Es sind 3. Wir gehen.", "Es sind drei. Wir gehen."),
        ],
    );
}

#[test]
fn codes_addresses_and_abbreviations() {
    check(
        "de-DE",
        &[
            ("Rufen Sie 030 1234567 an.", "Rufen Sie null drei null, eins zwei drei, vier fünf sechs sieben an."),
            ("Tel. +49 30 123456.", "Telefon plus vier neun, drei null, eins zwei drei, vier fünf sechs."),
            ("Die PLZ 10115 Berlin.", "Die PLZ eins null eins, eins fünf Berlin."),
            ("Ihre Bestellnummer ist 48213.", "Ihre Bestellnummer ist vier acht zwei, eins drei."),
            ("Ticket AB-1234.", "Ticket A B, eins zwei drei vier."),
            ("Schreiben Sie an info@firma.de.", "Schreiben Sie an info at firma Punkt de."),
            ("Siehe www.firma.de/hilfe.", "Siehe firma Punkt de Schrägstrich hilfe."),
            ("Dr. Müller, z.B. morgen.", "Doktor Müller, zum Beispiel morgen."),
            ("Ca. 5 Tage, d.h. bald usw.", "circa fünf Tage, das heißt bald und so weiter."),
            ("Hauptstr. 5, Nr. 7.", "Hauptstr. fünf, Nummer sieben."),
            ("Version 2.1.0.", "Version zwei Punkt eins Punkt null."),
            ("Sie & ich.", "Sie und ich."),
        ],
    );
}
