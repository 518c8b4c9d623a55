"""Encodes with TextAttack's Universal Sentence Encoder constraints, also after a pickle, and compares two texts."""

import json
import pickle
import sys

from textattack.constraints.semantics.sentence_encoders import (
    MultilingualUniversalSentenceEncoder,
    UniversalSentenceEncoder,
)

texts = sys.argv[1:]
encoder = UniversalSentenceEncoder(metric="cosine", compare_against_original=True)
found = [encoder.encode(texts).tolist()]
found.append(pickle.loads(pickle.dumps(encoder)).encode(texts).tolist())
found.append(MultilingualUniversalSentenceEncoder().encode(texts).tolist())
found.append(float(encoder.get_sim_score(*texts[:2])))
print(json.dumps(found))
