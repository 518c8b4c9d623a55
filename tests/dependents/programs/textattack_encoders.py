"""Encodes with TextAttack's Universal Sentence Encoder constraints, also after a pickle, and compares two texts."""

import json
import pickle
import sys

from textattack.constraints.semantics.sentence_encoders import (
    MultilingualUniversalSentenceEncoder,
    UniversalSentenceEncoder,
)
from textattack.shared import AttackedText

texts = sys.argv[1:]
encoder = UniversalSentenceEncoder(metric="cosine", compare_against_original=True)
found = [encoder.encode(texts).tolist()]
found.append(pickle.loads(pickle.dumps(encoder)).encode(texts).tolist())
found.append(MultilingualUniversalSentenceEncoder().encode(texts).tolist())
original = AttackedText(texts[0])
changed = original.replace_word_at_index(1, "dog")
found.append(float(encoder._score_list(original, [changed])[0]))
print(json.dumps(found))
