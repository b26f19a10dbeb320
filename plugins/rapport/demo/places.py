"""The countries that the shop delivers to: people's names, cities, how telephone numbers look there."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Country:
    """`mobile` is a mobile phone's national number, `#` for a digit; at home `trunk` is dialled before it."""

    code: str
    share: float
    time_zone: str
    language: str
    calling_code: str
    trunk: str
    mobile: str
    company: str
    first_names: tuple[str, ...]
    last_names: tuple[str, ...]
    cities: tuple[tuple[str, str], ...]


def _country(
    code: str,
    share: float,
    time_zone: str,
    language: str,
    phone: str,
    company: str,
    first: str,
    last: str,
    cities: str,
) -> Country:
    calling_code, trunk, mobile = phone.split(" ")
    return Country(
        code,
        share,
        f"Europe/{time_zone}",
        language,
        calling_code,
        trunk.replace("-", ""),
        mobile,
        company,
        tuple(first.split()),
        tuple(name.replace("_", " ") for name in last.split()),
        tuple((name.replace("_", " "), post) for name, post in (city.split("=") for city in cities.split())),
    )


COUNTRIES: tuple[Country, ...] = (
    _country(
        "DE", 0.33, "Berlin", "de", "49 0 151########", "GmbH",
        "Anna Lena Katrin Sabine Jana Ute Miriam Leonie Greta Jürgen Lukas Felix Björn Matthias "
        "Jonas Uwe Emre Paul",
        "Müller Schäfer Lindner Krüger Vogel Hoffmann Demir Brandt Köhler Weiß Neumann Seidel "
        "Kaiser Bergmann",
        "Berlin=10### Hamburg=20### München=80### Köln=50### Leipzig=04### Freiburg=79###",
    ),
    _country(
        "NL", 0.12, "Amsterdam", "nl", "31 0 61#######", "BV",
        "Sanne Femke Lotte Anouk Marijke Fleur Noor Ilse Daan Bram Sjoerd Thijs Jeroen Ruben Willem Mees",
        "de_Vries Jansen Bakker Visser Smit Meijer Mulder Bos van_Dijk Hendriks Dekker Brouwer "
        "Kuipers Veenstra",
        "Amsterdam=10##_AB Utrecht=35##_CD Rotterdam=30##_EH Groningen=97##_KL Haarlem=20##_MN",
    ),
    _country(
        "FR", 0.11, "Paris", "fr", "33 0 61#######", "SARL",
        "Camille Chloé Élodie Margaux Inès Sophie Hélène Manon Julien Antoine Hugo Théo Mathieu "
        "Rémi Karim Luc",
        "Martin Bernard Dubois Lefèvre Moreau Girard Rousseau Benali Fontaine Chevalier Garnier "
        "Perrin Marchand Renaud",
        "Paris=75### Lyon=69### Nantes=44### Lille=59### Strasbourg=67###",
    ),
    _country(
        "AT", 0.09, "Vienna", "de", "43 0 664#######", "GmbH",
        "Johanna Magdalena Theresa Elisabeth Eva Carina Viktoria Martina Florian Markus Lorenz "
        "Andreas Georg Tobias",
        "Gruber Huber Wagner Pichler Steiner Moser Mayr Hofer Leitner Berger Fuchs Eder Schmid Reiter",
        "Wien=1##0 Graz=80## Linz=40## Salzburg=50## Innsbruck=60##",
    ),
    _country(
        "IT", 0.08, "Rome", "it", "39 - 34########", "Srl",
        "Giulia Francesca Chiara Martina Elisa Sara Lucia Paola Marco Alessandro Matteo Davide Luca Paolo",
        "Rossi Ferrari Esposito Bianchi Romano Colombo Ricci Marino Greco Conti Gallo Fontana Costa Rinaldi",
        "Milano=201## Torino=101## Bologna=401## Verona=371## Trento=381##",
    ),
    _country(
        "ES", 0.06, "Madrid", "es", "34 - 61#######", "SL",
        "Lucía María Carmen Paula Marta Núria Elena Inés Javier Pablo Sergio Íñigo Jordi Álvaro",
        "García Fernández López Martínez Sánchez Romero Navarro Torres Ramos Gil Serrano Molina Ortega Vidal",
        "Madrid=280## Barcelona=080## Valencia=460## Bilbao=480##",
    ),
    _country(
        "BE", 0.06, "Brussels", "nl", "32 0 47#######", "BV",
        "Emma Louise Charlotte Lien Ellen Nathalie Marie Amélie Wout Pieter Stijn Thomas Maxime Arne",
        "Peeters Maes Jacobs Mertens Willems Claes Dubois Lambert Wouters Goossens Lemmens Vermeulen",
        "Bruxelles=1### Gent=90## Antwerpen=20## Leuven=30## Liège=40##",
    ),
    _country(
        "PL", 0.04, "Warsaw", "pl", "48 - 60#######", "Sp. z o.o.",
        "Katarzyna Agnieszka Małgorzata Zofia Ewa Joanna Piotr Tomasz Paweł Łukasz Michał Jakub",
        "Kowalska Nowak Wiśniewska Zielińska Mazur Krawczyk Dudek Pawlak Wróbel Sikora Baran Lis",
        "Warszawa=00-0## Kraków=30-0## Wrocław=50-0## Gdańsk=80-0##",
    ),
    _country(
        "SE", 0.03, "Stockholm", "sv", "46 0 70#######", "AB",
        "Astrid Linnéa Elin Maja Karin Ebba Erik Oskar Anders Björn Gustav Nils",
        "Andersson Johansson Lindqvist Nilsson Sjöberg Ström Åberg Öberg Holm Ekström Forsberg Dahl",
        "Stockholm=11#_## Göteborg=41#_## Malmö=21#_## Uppsala=75#_##",
    ),
    _country(
        "DK", 0.03, "Copenhagen", "da", "45 - 201#####", "ApS",
        "Freja Mette Signe Sofie Maren Ida Rasmus Søren Mikkel Jens Magnus Emil",
        "Nielsen Hansen Sørensen Rasmussen Møller Kjær Holm Lund Bach Friis Skov Juhl",
        "København=1### Aarhus=8000 Odense=5000 Aalborg=9000",
    ),
    _country(
        "IE", 0.03, "Dublin", "en", "353 0 87#######", "Ltd",
        "Aoife Niamh Siobhán Ciara Orla Róisín Cian Seán Declan Eoin Patrick Conor",
        "O'Brien Murphy Kelly Byrne Walsh Gallagher Doyle Ní_Bhriain Nolan Quinn Keane Farrell",
        "Dublin=D0#_X2F3 Cork=T12_W8#C Galway=H91_E2K# Limerick=V94_T9P#",
    ),
    _country(
        "FI", 0.02, "Helsinki", "fi", "358 0 40#######", "Oy",
        "Aino Helmi Päivi Kaisa Sanna Outi Mikko Jukka Antti Eero Ville Timo",
        "Virtanen Korhonen Mäkinen Nieminen Hämäläinen Laine Koskinen Järvinen Lehtonen Salo",
        "Helsinki=00### Tampere=33### Turku=20### Oulu=90###",
    ),
)  # fmt: skip
