//! Spanish, French, Italian, Portuguese.

use super::check;

#[test]
fn spanish() {
    check(
        "es-ES",
        &[
            ("Tengo 3 gatos.", "Tengo tres gatos."),
            ("Son 16 o 22.", "Son dieciséis o veintidós."),
            ("Son 1.234.567.", "Son un millón doscientos treinta y cuatro mil quinientos sesenta y siete."),
            ("Mide 3,25 metros.", "Mide tres coma veinticinco metros."),
            ("Mide 3,141.", "Mide tres coma uno cuatro uno."),
            ("Hace -5 °C.", "Hace menos cinco grados Celsius."),
            ("Quiero 1 mesa.", "Quiero 1 mesa."),
            ("Somos 21 personas.", "Somos veintiuna personas."),
            ("Son 200 casas.", "Son 200 casas."),
            ("1 hora, 1 día.", "una hora, un día."),
            ("Cuesta 21 €.", "Cuesta veintiún euros."),
            ("Cuesta 12,50 €.", "Cuesta doce euros con cincuenta céntimos."),
            ("Cuesta 1 €.", "Cuesta un euro."),
            ("Cuesta 0,99 €.", "Cuesta noventa y nueve céntimos."),
            ("Cuesta 5 millones de euros.", "Cuesta cinco millones de euros."),
            ("Cuesta $100.", "Cuesta cien dólares."),
            ("Un 50 % menos.", "Un cincuenta por ciento menos."),
            ("De 10-20 días.", "De diez a veinte días."),
            ("A 120 km/h.", "A ciento veinte kilómetros por hora."),
            ("El 5 de mayo de 2024.", "El cinco de mayo de dos mil veinticuatro."),
            ("El 1 de mayo.", "El uno de mayo."),
            ("El 05/05/2024.", "El cinco de mayo de dos mil veinticuatro."),
            ("Es 2024-05-01.", "Es uno de mayo de dos mil veinticuatro."),
            ("En 1998.", "En mil novecientos noventa y ocho."),
            ("A las 15:30.", "A las quince treinta."),
            ("A las 3:05 p.m. en punto.", "A las tres cero cinco de la tarde en punto."),
            ("A la 1:00.", "A la una."),
            ("A las 18:00 h.", "A las dieciocho horas."),
            ("El 1.º y la 2ª.", "El primero y la segunda."),
            ("El 3er piso.", "El tercer piso."),
            ("1/2 litro.", "medio litro."),
            ("3/4 de hora.", "tres cuartos de hora."),
            ("Llame al 612 345 678.", "Llame al seis uno dos, tres cuatro cinco, seis siete ocho."),
            (
                "Llame al +34 612 345 678.",
                "Llame al más tres cuatro, seis uno dos, tres cuatro cinco, seis siete ocho.",
            ),
            ("El código postal 28013.", "El código postal dos ocho cero, uno tres."),
            ("Pedido AB-1234.", "Pedido A B, uno dos tres cuatro."),
            ("Escriba a ana@ejemplo.es.", "Escriba a ana arroba ejemplo punto es."),
            ("Vea www.ejemplo.com/ayuda.", "Vea ejemplo punto com barra ayuda."),
            ("El Sr. Pérez y la Dra. Ruiz.", "El señor Pérez y la doctora Ruiz."),
            ("Peras, etc.", "Peras, etcétera."),
            ("P. ej. aprox. 5.", "por ejemplo aproximadamente cinco."),
            ("En EE. UU. ahora.", "En Estados Unidos ahora."),
            ("Tú & yo.", "Tú y yo."),
            ("Versión 2.1.0.", "Versión dos punto uno punto cero."),
        ],
    );
    check("es-MX", &[("Cuesta $100.", "Cuesta cien pesos."), ("El 1 de mayo.", "El primero de mayo.")]);
}

#[test]
fn french() {
    check(
        "fr-FR",
        &[
            ("J'ai 3 chats.", "J'ai trois chats."),
            (
                "Il y en a 71, 80, 81 et 99.",
                "Il y en a soixante et onze, quatre-vingts, quatre-vingt-un et quatre-vingt-dix-neuf.",
            ),
            ("Il y en a 200.", "Il y en a deux cents."),
            ("Il y en a 201.", "Il y en a deux cent un."),
            ("Il y en a 1 234 567.", "Il y en a un million deux cent trente-quatre mille cinq cent soixante-sept."),
            ("Environ 3,25 mètres.", "Environ trois virgule vingt-cinq mètres."),
            ("Il fait -5 °C.", "Il fait moins cinq degrés Celsius."),
            ("Je prends 1 table.", "Je prends 1 table."),
            ("1 heure, 21 personnes.", "une heure, vingt et une personnes."),
            ("Il coûte 12,50 €.", "Il coûte douze euros cinquante."),
            ("Il coûte 1 €.", "Il coûte un euro."),
            ("Il coûte 0,99 €.", "Il coûte quatre-vingt-dix-neuf centimes."),
            ("Il coûte 1 200 €.", "Il coûte mille deux cents euros."),
            ("Il vaut 5 millions d'euros.", "Il vaut cinq millions d'euros."),
            ("Il vaut 5 M€.", "Il vaut cinq millions d'euros."),
            ("50 % de moins.", "cinquante pour cent de moins."),
            ("10-20 jours.", "dix à vingt jours."),
            ("À 120 km/h.", "À cent vingt kilomètres-heure."),
            ("Le 5 mai 2024.", "Le cinq mai deux mille vingt-quatre."),
            ("Le 1er mai.", "Le premier mai."),
            ("Le 1 mai.", "Le premier mai."),
            ("Le 05/05/2024.", "Le cinq mai deux mille vingt-quatre."),
            ("C'est 2024-05-01.", "C'est premier mai deux mille vingt-quatre."),
            ("En 1998.", "En mille neuf cent quatre-vingt-dix-huit."),
            ("À 15h30.", "À quinze heures trente."),
            ("À 15:30.", "À quinze heures trente."),
            ("À 1h00.", "À une heure."),
            ("À 8h05.", "À huit heures cinq."),
            ("Le 2e et le 5e.", "Le deuxième et le cinquième."),
            ("La 1re et la 9ème.", "La première et la neuvième."),
            ("1/2 litre.", "un demi litre."),
            ("3/4 du temps.", "trois quarts du temps."),
            (
                "Appelez le 06 12 34 56 78.",
                "Appelez le zéro six, douze, trente-quatre, cinquante-six, soixante-dix-huit.",
            ),
            (
                "Appelez le +33 6 12 34 56 78.",
                "Appelez le plus trente-trois, six, douze, trente-quatre, cinquante-six, soixante-dix-huit.",
            ),
            ("Le code postal 75011.", "Le code postal sept cinq zéro, un un."),
            ("Commande AB-1234.", "Commande A B, un deux trois quatre."),
            ("Écrivez à ana@exemple.fr.", "Écrivez à ana arobase exemple point fr."),
            ("Voir www.exemple.com/aide.", "Voir exemple point com barre oblique aide."),
            ("M. Dupont et Mme Martin.", "Monsieur Dupont et Madame Martin."),
            ("Poires, etc.", "Poires, et cetera."),
            ("Le n° 5.", "Le numéro cinq."),
            ("Un RDV jeu. à 10h.", "Un rendez-vous jeudi à dix heures."),
            ("Toi & moi.", "Toi et moi."),
        ],
    );
}

#[test]
fn italian() {
    check(
        "it-IT",
        &[
            ("Ho 3 gatti.", "Ho tre gatti."),
            ("Sono 21, 28 e 33.", "Sono ventuno, ventotto e trentatré."),
            ("Sono 1.234.567.", "Sono un milione duecentotrentaquattromilacinquecentosessantasette."),
            ("Sono 2000.", "Sono duemila."),
            ("Circa 3,25 metri.", "Circa tre virgola venticinque metri."),
            ("Vorrei 1 tavolo.", "Vorrei 1 tavolo."),
            ("1 ora, 1 km.", "un'ora, un chilometro."),
            ("Costa 12,50 €.", "Costa dodici euro e cinquanta centesimi."),
            ("Costa 1 €.", "Costa un euro."),
            ("Un 50% in meno.", "Un cinquanta per cento in meno."),
            ("Il 5 maggio 2024.", "Il cinque maggio duemilaventiquattro."),
            ("Il 1° maggio.", "Il primo maggio."),
            ("Il 05/05/2024.", "Il cinque maggio duemilaventiquattro."),
            ("Nel 1998.", "Nel millenovecentonovantotto."),
            ("Alle 15:30.", "Alle quindici e trenta."),
            ("Alle 18:00.", "Alle diciotto."),
            ("La 2ª e il 23º.", "La seconda e il ventitreesimo."),
            ("1/2 litro.", "mezzo litro."),
            ("Chiami 06 1234 5678.", "Chiami zero sei, uno due tre quattro, cinque sei sette otto."),
            ("CAP 00118.", "CAP zero zero uno, uno otto."),
            ("Scriva a ana@esempio.it.", "Scriva a ana chiocciola esempio punto it."),
            ("Il Sig. Rossi, ecc.", "Il signor Rossi, eccetera."),
            ("Tu & io.", "Tu e io."),
        ],
    );
}

#[test]
fn portuguese() {
    check(
        "pt-BR",
        &[
            ("Tenho 3 gatos.", "Tenho três gatos."),
            ("São 16 ou 25.", "São dezesseis ou vinte e cinco."),
            ("São 1.234.567.", "São um milhão duzentos e trinta e quatro mil quinhentos e sessenta e sete."),
            ("São 1100.", "São mil e cem."),
            ("Cerca de 3,25 metros.", "Cerca de três vírgula vinte e cinco metros."),
            ("Quero 2 mesas.", "Quero 2 mesas."),
            ("2 horas, 2 dias.", "duas horas, dois dias."),
            ("Custa R$ 12,50.", "Custa doze reais e cinquenta centavos."),
            ("Custa R$1.", "Custa um real."),
            ("Custa 5 milhões de reais.", "Custa cinco milhões de reais."),
            ("Uns 50% menos.", "Uns cinquenta por cento menos."),
            ("Em 5 de maio de 2024.", "Em cinco de maio de dois mil e vinte e quatro."),
            ("Em 1º de maio.", "Em primeiro de maio."),
            ("Em 05/05/2024.", "Em cinco de maio de dois mil e vinte e quatro."),
            ("Às 15h30.", "Às quinze horas e trinta."),
            ("Às 14:00.", "Às quatorze horas."),
            ("Às 15:30.", "Às quinze e trinta."),
            ("O 2º e a 3ª.", "O segundo e a terceira."),
            ("Ligue (11) 91234-5678.", "Ligue um um, nove um dois, três quatro, cinco seis sete oito."),
            ("CEP 01310-100.", "CEP zero um três, um zero, um zero zero."),
            ("Escreva a ana@exemplo.com.br.", "Escreva a ana arroba exemplo ponto com ponto br."),
            ("O Sr. Silva, etc.", "O senhor Silva, et cetera."),
        ],
    );
}
