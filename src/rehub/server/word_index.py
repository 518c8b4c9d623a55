"""Finding texts by words: whole ones, their beginnings, and words that were mistyped."""

from __future__ import annotations

import bisect
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

_WORD = re.compile(r"[^\W_]+")
_WORD_LETTERS = 40
_QUERY_WORDS = 12
_PREFIX_SHARE, _SIMILAR_SHARE = 0.6, 0.3
_SIMILAR = 0.45
"""From which share of common trigrams on, of 1, words resemble each other."""


class WordIndex:
    """The words of some texts.

    Args:
        texts: The words of each text, as `words_of` returns them, with the weight that a word has there.
    """

    def __init__(self, texts: Sequence[Mapping[str, float]]) -> None:
        self._places: dict[str, dict[int, float]] = {}
        for place, weights in enumerate(texts):
            for word, weight in weights.items():
                self._places.setdefault(word, {})[place] = weight
        self._words = sorted(self._places)
        self._of_trigram: dict[str, list[int]] = {}
        for number, word in enumerate(self._words):
            for trigram in _trigrams(word):
                self._of_trigram.setdefault(trigram, []).append(number)

    def scores(self, question: str, places: Collection[int]) -> dict[int, float] | None:
        """Returns how well texts fit, by their place in the list; only those in which every word is found.

        Args:
            question: What is looked for.
            places: The texts to look into; nothing depends on the others.

        Returns:
            None for a question without words.
        """
        scores: dict[int, float] | None = None
        for word in list(dict.fromkeys(words_of(question)))[:_QUERY_WORDS]:
            found = self._found(word, places)
            known = dict.fromkeys(found, 0.0) if scores is None else scores
            scores = {place: known[place] + score for place, score in found.items() if place in known}
        return scores

    def _found(self, word: str, places: Collection[int]) -> dict[int, float]:
        """Where a word, one that begins with it, or, for want of these, one that resembles it is found."""
        found: dict[int, float] = {}
        at = bisect.bisect_left(self._words, word)
        while at < len(self._words) and self._words[at].startswith(word):
            self._add(found, places, self._words[at], 1.0 if self._words[at] == word else _PREFIX_SHARE)
            at += 1
        if not found:
            wanted = _trigrams(word)
            shared = Counter(number for trigram in wanted for number in self._of_trigram.get(trigram, ()))
            for number, common in shared.items():
                other = self._words[number]
                likeness = 2 * common / (len(wanted) + len(_trigrams(other))) if common > 1 else 0.0
                if likeness >= _SIMILAR:
                    self._add(found, places, other, _SIMILAR_SHARE * likeness)
        return found

    def _add(self, found: dict[int, float], places: Collection[int], word: str, share: float) -> None:
        for place, weight in self._places[word].items():
            if place in places:
                found[place] = max(found.get(place, 0.0), share * weight)


def words_of(text: str) -> list[str]:
    """Returns the words of a text, without accents and case."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    letters = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return [sys.intern(word[:_WORD_LETTERS]) for word in _WORD.findall(letters)]  # texts have most words in common


def _trigrams(word: str) -> frozenset[str]:
    padded = f"  {word} "
    return frozenset(padded[at : at + 3] for at in range(len(padded) - 2))
