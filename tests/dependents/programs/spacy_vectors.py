"""Gives the vectors that the pipe of spacy-universal-sentence-encoder makes for texts, by its two loaders."""

import json
import sys

import spacy
import spacy_universal_sentence_encoder

loaded = spacy_universal_sentence_encoder.load_model("en_use_md")
piped = spacy.blank("en")
piped.add_pipe("universal_sentence_encoder", config={"model_name": "en_use_lg"})
texts = sys.argv[1:]
found = [[nlp(text).vector.tolist() for text in texts] for nlp in (loaded, piped)]
print(json.dumps([*found, loaded(texts[0]).similarity(loaded(texts[1]))]))
