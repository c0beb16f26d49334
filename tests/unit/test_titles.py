"""Titles as they are sorted."""

import pytest

from domain.search import sortable
from domain.titles import sort_title


@pytest.mark.parametrize(
    ("title", "language", "sorted_as"),
    [
        ("The Matrix", "en", "matrix"),
        ("A Bug's Life", "en", "bug's life"),
        ("An Education", "en", "education"),
        ("Theodora", "en", "theodora"),
        ("Die Hard", "en", "die hard"),
        ("La La Land", "en", "la la land"),
        ("A-Haunting We Will Go", "en", "a-haunting we will go"),
        ("Das Boot", "de", "boot"),
        ("Die Welle", "de", "welle"),
        ("L'Avventura", "it", "avventura"),
        ("L\N{RIGHT SINGLE QUOTATION MARK}Atalante", "fr", "atalante"),
        ("Les Quatre Cents Coups", "fr", "quatre cents coups"),
        ("Le Fabuleux Destin", "fr", "fabuleux destin"),
        ("À bout de souffle", "fr", "a bout de souffle"),
        ("El laberinto del fauno", "es", "laberinto del fauno"),
        ("'t Is weer herfst", "nl", "is weer herfst"),
        ("Η Ευτυχία", "el", "ευτυχια"),
        ("Els dies que vindran", "ca", "dies que vindran"),
        ("Den skyldige", "da", "skyldige"),
        ("La kontraŭulo", "eo", "kontrauulo"),
        ("O que arde", "gl", "que arde"),
        ("A torinói ló", "hu", "torinoi lo"),
        ("Den brysomme mannen", "nb", "brysomme mannen"),
        ("Ein stad i verda", "nn", "stad i verda"),
        ("Et norsk drama", "no", "norsk drama"),
        ("O Pagador de Promessas", "pt", "pagador de promessas"),
        ("Un pas în urma serafimilor", "ro", "pas in urma serafimilor"),
        ("Det sjunde inseglet", "sv", "sjunde inseglet"),
        ("  the   Others", "en", "others"),
        ("The", "en", "the"),
        ("L'", "fr", "l'"),
        ("千と千尋", "ja", "千と千尋"),
        ("The Raid", "id", "the raid"),
        ("The Unknown", None, "unknown"),
        ("", "en", ""),
    ],
)
def test_a_title_is_sorted_without_an_article_of_its_language(
    title: str, language: str | None, sorted_as: str
) -> None:
    assert sort_title(title, title, language) == sorted_as


@pytest.mark.parametrize(
    ("title", "original_title", "language", "sorted_as"),
    [
        ("The Lives of Others", "Das Leben der Anderen", "de", "lives of others"),
        ("A Separation", "جدایی نادر از سیمین", "fa", "separation"),
        ("Der Pate", "The Godfather", "en", "pate"),
        ("La vie est belle", "La vita è bella", "it", "vie est belle"),
        ("I Saw the Devil", "악마를 보았다", "ko", "i saw the devil"),
    ],
)
def test_a_translated_title_is_sorted_without_an_article_of_another_language(
    title: str, original_title: str, language: str, sorted_as: str
) -> None:
    assert sort_title(title, original_title, language) == sorted_as


@pytest.mark.parametrize("title", ["D'Artagnan contre Cyrano", "L Ombre", "Qu'Allah bénisse la France"])
def test_other_words_with_an_apostrophe_and_letters_without_one_are_no_articles(title: str) -> None:
    assert sort_title(title, title, "fr") == sortable(title)
